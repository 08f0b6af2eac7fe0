"""`status`, `promote` and the daemon at once on the same replications, again and again: nothing is done twice.

A round is one replication on which a person's command and the daemon's hand come together; a bout is a round of each
replication of the world at the same time. What counts is what the arrays say: their truth, and what they were asked.
A few bouts here; a thousand rounds, and other seeds, by hand:

    ROUNDS=1000 SEED=7 .venv/bin/pytest -q -s -n 0 tests/scenarios/test_contests.py
"""

from __future__ import annotations

import os
import random
import re
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import closing
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
from scenarios.test_daemon import DONE_SECONDS, Running, edit, entries, running
from scenarios.tridents import WEST, at_rest
from worlds import LEDGER, Ran, World, a_world

from replctl.store.sqlite import SqliteStore

ROUNDS = int(os.environ.get("ROUNDS", "100"))
DUELS = int(os.environ.get("ROUNDS", "4"))  # between clusters, where each takes so much longer
SEED = int(os.environ.get("SEED", "3"))
AT_ONCE = 20
QUICK = {"failover": 1.0, "reprotect": 1.0, "cycle": 1.0, "sync": 1.0, "flip": 1.0, "role_gap": 0.3}
FREE = {f"REPLCTL_DAEMON__{name}": str(AT_ONCE) for name in ("MAX_SWITCHOVERS", "MAX_PARALLEL")}
VERBS = ("promote", "demote")
ROLES = {"Source": "source", "Destination": "replica"}
OTHER = {"source": "replica", "replica": "source"}
NOTHING_DONE = frozenset({"refused", "conflict", "unchanged", "failed", "unreachable"})
VIEWS_LAG_SECONDS = 5.0  # the arrays' answers, behind what is
JOIN_SECONDS = 100.0
TICKS_TO_SETTLE = 20


class Contest:
    """One world, a daemon, and a person with the same store or with another one."""

    def __init__(self, world: World, daemon: Running, person: Path, seed: int) -> None:
        self.world = world
        self.daemon = daemon
        self.person = person
        self.chance = random.Random(seed)
        self.head, *parts = entries(world).read_text().split("\n- ")
        self.parts = {_name(part): part for part in parts}
        self.sessions = {
            session: name for name in self.parts for session in world.truth(name)["session_id"].values()
        }
        self.won: Counter[str] = Counter()
        for verb in VERBS:  # once by itself: typer is not made for two first times at once
            assert world.run(verb, *self.parts, "--dry-run", state_dir=person).code in (0, 6)
        assert world.run("status", state_dir=person).code == 0

    def bout(self) -> None:
        """Everybody at once; judged when the last has ended."""
        roles = {name: ROLES[self.world.truth(name)["role"]["west"]] for name in self.parts}
        self.write(roles)
        self.daemon.tick()
        self.world.control.clear_requests()
        self.write({name: self.chance.choice((role, OTHER[role])) for name, role in roles.items()})
        verb = self.chance.choice(VERBS)
        command = (verb, *self.parts, "--keep-going", "--max-parallel", str(AT_ONCE))
        results: list[Ran] = []
        looks: list[Ran] = []
        threads = [
            threading.Thread(target=lambda: results.append(self.world.act(*command, state_dir=self.person))),
            threading.Thread(target=lambda: looks.append(self.world.run("status", state_dir=self.person))),
        ]
        for thread in threads:
            thread.start()
        self.daemon.tick(settle=False)
        for thread in threads:
            thread.join(JOIN_SECONDS)
        assert self.daemon.daemon.settle(DONE_SECONDS)
        (ran,), (look,) = results, looks
        assert look.code == 0, look.err
        self.judge({f"{each['namespace']}/{each['name']}": each for each in ran.json["operations"]})

    def write(self, states: Mapping[str, str]) -> None:
        """Edit the file."""
        for name, state in states.items():
            self.parts[name] = re.sub(r"\n  state: \w+", f"\n  state: {state}", self.parts[name])
        entries(self.world).write_text("\n- ".join([self.head, *self.parts.values()]))

    def judge(self, told: Mapping[str, dict[str, Any]]) -> None:
        """No side too many, no write lost, nothing done twice by anyone, and nobody who says less than was done."""
        took = self.took()
        for name, operation in told.items():
            truth = self.world.truth(name)
            assert (truth["both_wrote"], truth["lost_writes"]) == (0, 0), name
            assert list(truth["writable"].values()) != [True, True], name
            by_actor: defaultdict[str, list[str]] = defaultdict(list)
            for actor, action in took[name]:
                by_actor[actor].append(action)
            for actor, actions in by_actor.items():
                assert len(actions) == len(set(actions)), (name, actor, took[name])
            own = operation["correlation_id"]
            done = by_actor.pop(own, [])
            if operation["outcome"] in NOTHING_DONE:
                assert done == [], operation
            if operation["outcome"] == "succeeded":  # by whosever hand
                assert took[name], operation
            self.won["person"] += "failover" in done
            self.won["daemon"] += sum("failover" in actions for actions in by_actor.values())
            self.judge_order(name, [actor for actor, _ in took[name]])

    def judge_order(self, name: str, actors: list[str]) -> None:
        """Within one store nobody begins before the other has ended."""
        if self.is_shared:
            assert len([actor for actor, _ in groupby(actors)]) == len(set(actors)), (name, actors)

    @property
    def is_shared(self) -> bool:
        return self.person == self.world.directory / "state"

    def took(self) -> defaultdict[str, list[tuple[str, str]]]:
        """Of each replication what took effect, in order: who asked for it, and the action."""
        found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for change in self.world.changes():
            if change["effect"]:
                *_, session, action = change["path"].split("/")
                found[self.sessions[session]].append((change["correlation_id"], action))
        return found

    def put_right(self) -> None:
        """Holds are released, and what is left half done is finished, so that the next bout begins healthy."""
        self.world.control.advance(VIEWS_LAG_SECONDS)
        for name in self.parts:
            self.daemon.services.store.remove_hold(name)
        for operation in self.left_open():
            assert self.world.act("op", "abandon", operation, state_dir=self.person).code == 0
        for _ in range(TICKS_TO_SETTLE):
            half = [name for name in self.parts if set(self.world.truth(name)["state"].values()) != {"OK"}]
            if not half:
                return
            self.world.control.advance(60)
            self.daemon.tick()
            self.world.act("reprotect", *half, "--keep-going", state_dir=self.person)
        raise AssertionError(half)

    def left_open(self) -> list[str]:
        """What the person's command began and did not see end."""
        with closing(SqliteStore(self.person, clock=self.world.clock)) as store:
            return [each.operation_id for each in store.operations(open_only=True)]


def _name(part: str) -> str:
    found = re.search(r"namespace: (\S+)\n  name: (\S+)\n", part)
    assert found is not None
    return "/".join(found.groups())


@pytest.mark.timeout(600 + 3 * ROUNDS)
@pytest.mark.parametrize("store", ["state", "another"])
def test_nothing_is_done_twice(tmp_path: Path, store: str) -> None:
    contest(tmp_path, store, bouts=ROUNDS // AT_ONCE, seed=SEED)


def contest(directory: Path, store: str, *, bouts: int, seed: int) -> None:
    with (
        a_world(directory, replications=AT_ONCE, seed=seed, durations=QUICK) as world,
        running(world, **FREE) as daemon,
    ):
        one = Contest(world, daemon, directory / store, seed)
        for _ in range(bouts):
            one.bout()
            one.put_right()
        # past the streams that two commands at once put in the place of each other's
        print(
            f"seed {seed}, {store}: {bouts * AT_ONCE} rounds, promotions by {dict(one.won)}",
            file=sys.__stdout__,
        )
        assert min(one.won["person"], one.won["daemon"]) > bouts * AT_ONCE / 20, one.won


def mirrored(world: World) -> dict[str, str]:
    """The role of each cluster that the volumes themselves show: a source can be written, a replica cannot."""
    return {name: "source" if can else "replica" for name, can in world.truth()["writable"].items()}


class Duel:
    """The ledger between two clusters, a daemon, and a person with the same store or with another one."""

    def __init__(self, world: World, daemon: Running, person: Path, seed: int) -> None:
        self.world = world
        self.daemon = daemon
        self.person = person
        self.chance = random.Random(seed)
        self.won: Counter[str] = Counter()
        self.daemon.tick()  # once by itself: typer is not made for two first times at once
        assert world.run("promote", LEDGER, "--dry-run", state_dir=person).code in (0, 6)
        assert world.run("status", state_dir=person).code == 0

    def round(self) -> None:
        role = mirrored(self.world)[WEST]
        edit(self.world, LEDGER, role)
        self.daemon.tick()
        self.world.control.clear_requests()
        edit(self.world, LEDGER, OTHER[role])
        verb = self.chance.choice(VERBS)
        ran: list[Ran] = []
        looks: list[Ran] = []
        threads = [
            threading.Thread(target=lambda: ran.append(self.world.act(verb, LEDGER, state_dir=self.person))),
            threading.Thread(target=lambda: looks.append(self.world.run("status", state_dir=self.person))),
        ]
        for thread in threads:
            thread.start()
        self.daemon.tick(settle=False)
        for thread in threads:
            thread.join(JOIN_SECONDS)
        assert self.daemon.daemon.settle(DONE_SECONDS)
        assert looks[0].code == 0, looks[0].err
        self.judge(ran[0].operation)

    def judge(self, told: dict[str, Any]) -> None:
        truth = self.world.truth()
        assert (truth["both_wrote"], truth["lost_writes"]) == (0, 0)
        took: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        for change in self.world.changes():
            if change["method"] == "PATCH" and change["effect"]:
                took[change["correlation_id"]].append((change["array"], change["body"]["spec"]["state"]))
        for actor, actions in took.items():
            assert len(actions) == len(set(actions)), (actor, took)
        promoted = [cluster for actions in took.values() for cluster, state in actions if state == "promoted"]
        assert len(promoted) == len(set(promoted)), took  # nobody promotes what another one has promoted
        own = took.pop(told["correlation_id"], [])
        if told["outcome"] in NOTHING_DONE:
            assert own == [], told
        self.won["person"] += bool(own)
        self.won["daemon"] += sum(map(bool, took.values()))

    def put_right(self) -> None:
        """Holds are released, and what is left half done is finished by the person whose it is."""
        for _ in range(TICKS_TO_SETTLE):
            self.daemon.services.store.remove_hold(LEDGER)
            self.world.control.advance(60)
            self.daemon.tick()
            if sorted(mirrored(self.world).values()) == ["replica", "source"] and not self.left_open():
                return
            for operation in self.left_open():
                self.world.act("op", "resume", operation, state_dir=self.person)
        raise AssertionError(self.world.truth(), self.left_open())

    def left_open(self) -> list[str]:
        with closing(SqliteStore(self.person, clock=self.world.clock)) as store:
            return [each.operation_id for each in store.operations(open_only=True)]


@pytest.mark.timeout(600 + 3 * ROUNDS)
@pytest.mark.parametrize("store", ["state", "another"])
def test_between_clusters_nothing_is_done_twice_either(tmp_path: Path, store: str) -> None:
    with at_rest(tmp_path, seed=SEED) as world, running(world) as daemon:
        one = Duel(world, daemon, world.directory / store, SEED)
        for _ in range(DUELS):
            one.round()
            one.put_right()
        print(f"seed {SEED}, {store}: {DUELS} rounds, changes by {dict(one.won)}", file=sys.__stdout__)
        assert one.won.total() >= DUELS / 2, one.won
