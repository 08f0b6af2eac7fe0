"""Several replications at once: judged whole, moved in waves, finished by typing the same command again."""

from __future__ import annotations

import os
import shlex
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import worldclock
import yaml
from estates import MIRRORS
from scenarios.vendors import TRIDENT
from worlds import Ran, SimulatorClock, World, a_world

from replctl.clock import Cancel
from replctl.engine.fleet import THREADS

GROUP = "everything"
MEMBERS = 50
ORDERS = (0, 10, 20)
MOST_OVER = 1.15
LAG_SECONDS = 1.0  # until an array shows what has happened
PATIENT_SECONDS = 10.0  # of real time, for a signal to be noticed
HAND_BACK_SECONDS = 0.002  # of real time, until it is looked again who is at work


class FleetClock(SimulatorClock):
    """Time moves on only when every member waits, and then to the first that waits no longer."""

    def __init__(self, control: Any) -> None:
        super().__init__(control)
        self._until: dict[int, float] = {}
        self._moved = threading.Condition()

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if not threading.current_thread().name.startswith(THREADS):
            return super().wait(seconds, cancel)
        me, target = threading.get_ident(), self.monotonic() + max(0.0, seconds)
        with self._moved:
            self._until[me] = target
            while (now := self.monotonic()) < target and not (cancel is not None and cancel.is_set):
                if self._somebody_works(now):
                    self._moved.wait(HAND_BACK_SECONDS)
                else:
                    self._control.advance(min(self._until.values()) - now)
                    self._moved.notify_all()
            del self._until[me]
        return cancel is not None and cancel.is_set

    def _somebody_works(self, now: float) -> bool:
        members = {each.ident for each in threading.enumerate() if each.name.startswith(THREADS)}
        return bool(members - {each for each, until in self._until.items() if until > now})


def entries_of(world: World) -> list[dict[str, Any]]:
    path = world.config.parent / "replications.yaml"
    entries: list[dict[str, Any]] = yaml.safe_load(path.read_text())["replications"]
    return entries


def grouped(world: World, members: int = MEMBERS, orders: tuple[int, ...] = ORDERS) -> list[str]:
    """Put so many replicas of west into one group, in waves; returns their keys in the file's order."""
    entries = entries_of(world)
    chosen = [entry for entry in entries if entry["state"] == "replica"][:members]
    assert len(chosen) == members
    for number, entry in enumerate(chosen):
        entry |= {"group": GROUP, "order": orders[number % len(orders)]}
        entry["labels"] = {"number": str(number), "wave": str(number % len(orders))}
    others = [entry for entry in entries if entry not in chosen]
    for entry in others:
        entry.pop("group", None)
        entry.pop("labels", None)
    path = world.config.parent / "replications.yaml"
    path.write_text(yaml.safe_dump({"replications": entries}, sort_keys=False))
    return [f"{entry['namespace']}/{entry['name']}" for entry in chosen]


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[World]:
    """A world with more than enough for a group of nine."""
    with a_world(tmp_path, replications=24) as world:
        world.clock = FleetClock(world.control)
        yield world


def outcomes(ran: Ran) -> dict[str, str]:
    return {f"{each['namespace']}/{each['name']}": each["outcome"] for each in ran.json["operations"]}


def roles(world: World, keys: list[str]) -> Counter[str]:
    return Counter(world.truth(key)["role"]["west"] for key in keys)


def key_by_session(world: World, keys: list[str]) -> dict[str, str]:
    return {identity: key for key in keys for identity in world.truth(key)["session_id"].values()}


def array_seconds(world: World, key: str) -> float:
    """How long the arrays themselves were at it: from each change that they accepted to the end of its work."""
    log = [entry for entry in world.control.log() if entry["name"] == key]
    handed_over = [entry["at"] for entry in log if entry["what"] == "Failing_Over -> Failed_Over"]
    accepted = {entry["what"]: entry["at"] for entry in log if entry["why"] == "accepted"}
    copied = [entry["at"] for entry in log if entry["what"] == "Synchronizing -> OK"]
    after = min(at for at in copied if at > accepted["reprotect"])
    return float(max(handed_over) - accepted["failover"] + after - accepted["reprotect"])


@pytest.mark.timeout(180)
def test_fifty_in_three_waves_take_no_longer_than_their_slowest(tmp_path: Path) -> None:
    lag = {"lag_east": LAG_SECONDS, "lag_west": LAG_SECONDS}
    with a_world(tmp_path, replications=80, durations=lag) as world:
        world.clock = FleetClock(world.control)
        keys = grouped(world)
        began = world.control.now()
        ran = world.act("promote", "--group", GROUP, "--max-parallel", str(MEMBERS))
        took = world.control.now() - began

        assert ran.code == 0, ran.err
        assert set(outcomes(ran).values()) == {"succeeded"}
        assert list(outcomes(ran)) == keys
        assert roles(world, keys) == {"Source": MEMBERS}
        assert all(world.truth(key)["lost_writes"] == 0 for key in keys)
        waves = [keys[number :: len(ORDERS)] for number in range(len(ORDERS))]
        chain = sum(max(array_seconds(world, key) for key in wave) for wave in waves)
        assert took <= MOST_OVER * chain, (took, chain)
        assert_in_waves(world, keys)


def assert_in_waves(world: World, keys: list[str]) -> None:
    """No change of a later wave was sent before the last one of the wave before."""
    by_id = key_by_session(world, keys)
    place = {key: number % len(ORDERS) for number, key in enumerate(keys)}
    sent = [place[by_id[change["path"].split("/")[-2]]] for change in world.changes() if change["effect"]]
    assert sent == sorted(sent)
    assert len(sent) == 2 * len(keys)


@pytest.mark.timeout(180)
def test_of_fifty_the_seventh_stops_all_and_with_keep_going_each_has_its_own_end(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=80) as world:
        world.clock = FleetClock(world.control)
        keys = grouped(world)
        held, failing, stuck = keys[6], keys[44], keys[47]  # these two are of the last wave
        assert world.run("hold", held, "--reason", "month end").code == 0
        began = {key: world.truth(key)["role_changes"] for key in keys}
        ran = world.act("promote", "--group", GROUP)
        assert ran.code == 6
        assert outcomes(ran) == {key: "refused" if key == held else "planned" for key in keys}
        assert world.changes() == []
        assert {key: world.truth(key)["role_changes"] for key in keys} == began
        assert roles(world, keys) == {"Destination": MEMBERS}

        session = world.truth(failing)["session_id"]["east"]
        world.control.fault("east", "status", path=f"{session}/failover$", status=400, effect="before")
        world.control.stick(stuck, "Failing_Over")
        mixed = world.act(
            "promote", "--group", GROUP, "--keep-going", "--timeout", "2m", "--max-parallel", "50"
        )
        assert mixed.code == 8  # something still runs: that comes before partly done
        ended = outcomes(mixed)
        assert (ended[held], ended[failing], ended[stuck]) == ("refused", "failed", "in_progress")
        assert set(outcomes(mixed).values()) == {"succeeded", "refused", "failed", "in_progress"}
        assert roles(world, keys)["Source"] == list(ended.values()).count("succeeded")
        world.control.unstick(stuck)
        last = world.act("promote", "--group", GROUP, "--override-hold", "--max-parallel", "50")
        assert last.code == 0, last.err
        assert roles(world, keys) == {"Source": MEMBERS}


def test_one_refusal_leaves_all_as_they_were(fleet: World) -> None:
    keys = grouped(fleet, 9)
    assert fleet.run("hold", keys[6], "--reason", "month end").code == 0
    ran = fleet.act("promote", "--group", GROUP)

    assert ran.code == 6
    assert outcomes(ran) == {key: "refused" if key == keys[6] else "planned" for key in keys}
    assert fleet.changes() == []
    assert fleet.run("op", "list", "-o", "json").json["operations"] == []


def test_keep_going_moves_those_that_nothing_stops(fleet: World) -> None:
    keys = grouped(fleet, 9)
    fleet.run("hold", keys[6], "--reason", "month end")
    ran = fleet.act("promote", "--group", GROUP, "--keep-going")

    assert ran.code == 3
    assert outcomes(ran) == {key: "refused" if key == keys[6] else "succeeded" for key in keys}
    assert roles(fleet, keys) == {"Source": 8, "Destination": 1}
    lifted = fleet.act("promote", "--group", GROUP, "--override-hold")
    assert lifted.code == 0
    assert Counter(outcomes(lifted).values()) == {"unchanged": 8, "succeeded": 1}


def test_all_refusals_of_a_group_are_answered_by_one_command(fleet: World) -> None:
    keys = grouped(fleet, 6)
    for key in keys:
        fleet.run("hold", key, "--reason", "month end")
    ran = fleet.run("promote", "--group", GROUP, "-y")
    assert ran.code == 6
    assert f"replctl promote --group {GROUP} -y --override-hold" in ran.err
    assert "6 refused" in ran.err


def test_a_group_is_judged_from_one_look_and_a_dry_run_changes_nothing(fleet: World) -> None:
    keys = grouped(fleet, 9)
    counts = {}
    for asked in ((keys[0],), ("--group", GROUP)):
        fleet.control.clear_requests()
        new = fleet.directory / f"state-of-{len(counts)}"  # what a name means is asked for anew
        ran = fleet.run("promote", *asked, "--dry-run", "-o", "json", state_dir=new)
        assert ran.code == 0
        assert set(outcomes(ran).values()) == {"planned"}
        counts[asked] = len(fleet.control.requests())
    assert counts["--group", GROUP] <= counts[keys[0],] + 2
    assert fleet.changes() == []


def test_plan_and_status_choose_too(fleet: World) -> None:
    keys = grouped(fleet, 6)
    planned = fleet.run("plan", "-l", "wave in (0,1)", "-o", "json")
    assert list(outcomes(planned)) == [key for number, key in enumerate(keys) if number % 3 in (0, 1)]
    shown = fleet.run("status", "--group", GROUP, "-o", "name")
    assert sorted(shown.out.split()) == sorted(keys)
    everything = fleet.run("status", "--all", "-o", "name").out.split()
    assert len(everything) == len(entries_of(fleet))
    only = fleet.run("status", "--all", "-n", keys[0].split("/")[0], "-o", "name").out.split()
    assert {key.split("/")[0] for key in only} == {keys[0].split("/")[0]}


def test_no_more_than_so_many_at_once(fleet: World) -> None:
    keys = grouped(fleet, 9, orders=(0,))
    ran = fleet.act("promote", "--group", GROUP, "--max-parallel", "2")
    assert ran.code == 0
    spans = [(each["started"], each["finished"]) for each in ran.json["operations"]]
    busiest = max(sum(began <= moment < ended for began, ended in spans) for moment, _ in spans)
    assert busiest == 2
    assert roles(fleet, keys) == {"Source": 9}


def test_a_wave_that_fails_stops_the_next_and_again_finishes_it(fleet: World) -> None:
    keys = grouped(fleet, 9)
    session = fleet.truth(keys[4])["session_id"]["east"]
    fleet.control.fault("east", "status", path=f"{session}/failover$", status=400, effect="before")
    ran = fleet.act("promote", "--group", GROUP)

    assert ran.code == 3
    by_wave = [Counter(outcomes(ran)[key] for key in keys[number::3]) for number in range(3)]
    assert by_wave == [{"succeeded": 3}, {"succeeded": 2, "failed": 1}, {"planned": 3}]
    assert roles(fleet, keys[2::3]) == {"Destination": 3}
    again = fleet.act("promote", "--group", GROUP)
    assert again.code == 0
    assert Counter(outcomes(again).values()) == {"unchanged": 5, "succeeded": 4}
    assert roles(fleet, keys) == {"Source": 9}


def test_what_still_runs_decides_the_code_and_holds_the_next_wave(fleet: World) -> None:
    keys = grouped(fleet, 6)
    fleet.control.stick(keys[0], "Failing_Over")
    ran = fleet.act("promote", "--group", GROUP, "--timeout", "2m")
    assert ran.code == 8
    assert Counter(outcomes(ran).values()) == {"in_progress": 1, "succeeded": 1, "planned": 4}
    fleet.control.unstick(keys[0])
    again = fleet.act("promote", "--group", GROUP)
    assert again.code == 0
    assert roles(fleet, keys) == {"Source": 6}


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("members", "number"), [(9, 3), (9, 20), (9, 45), (9, 70), (MEMBERS, 110), (MEMBERS, 390)]
)
def test_killed_in_the_middle_and_typed_again_it_is_finished(
    tmp_path: Path, members: int, number: int
) -> None:
    with a_world(tmp_path, replications=80 if members == MEMBERS else 24) as world:
        keys = grouped(world, members)
        argv = ("promote", "--group", GROUP, "-y", "-o", "json")
        process = world.spawn(*argv, environ={worldclock.CRASH_AT: str(number)})
        process.communicate(timeout=120)
        assert process.returncode == -9

        world.clock = FleetClock(world.control)
        again = world.act("promote", "--group", GROUP)
        assert again.code == 0, (again.out, again.err)
        assert set(outcomes(again).values()) <= {"succeeded", "unchanged"}
        assert roles(world, keys) == {"Source": members}
        assert Counter(action for _, action in world.effective()) == {
            "failover": members,
            "reprotect": members,
        }
        assert_in_waves(world, keys)
        assert world.run("op", "list", "-o", "json").json["operations"]


@pytest.mark.timeout(180)
def test_over_two_clusters_a_group_that_was_killed_is_finished_by_typing_it_again(tmp_path: Path) -> None:
    clusters(tmp_path, members=6, number=25)  # fifty by hand, killed and not


def clusters(directory: Path, *, members: int, number: int) -> None:
    """A group of mirrors, killed at some write to the journal: in waves, none twice, nothing lost."""
    with TRIDENT.world(directory, replications=members * 8 // 5) as world:
        keys = grouped(world, members)
        argv = ("promote", "--group", GROUP, "--max-parallel", str(members), "-y", "-o", "json")
        process = world.spawn(*argv, environ={worldclock.CRASH_AT: str(number)})
        process.communicate(timeout=120)
        assert process.returncode == -9

        world.clock = FleetClock(world.control)
        again = world.act(*argv[:-3])
        assert again.code == 0, again.err
        assert set(outcomes(again).values()) <= {"succeeded", "unchanged"}
        truths = world.control.truths()
        assert {truths[key]["source"] for key in keys} == {TRIDENT.west}
        assert all((truths[key]["lost_writes"], truths[key]["both_wrote"]) == (0, 0) for key in keys)
        assert Counter(change for _, change in TRIDENT.moves(world)) == {
            "promoted": members,
            "reestablished": members,
        }
        places = {
            mirror: number % len(ORDERS)
            for number, each in enumerate(keys)
            for mirror in mirrors(world, each)
        }
        sent = [
            places[change["array"], change["path"]]
            for change in world.changes()
            if change["effect"] and change["method"] == "PATCH"
        ]
        assert sent == sorted(sent)


def mirrors(world: World, key: str) -> Iterator[tuple[str, str]]:
    """Cluster and path of both mirror relationships of an entry."""
    (entry,) = [each for each in entries_of(world) if f"{each['namespace']}/{each['name']}" == key]
    for end in (entry["local"], entry["peer"]):
        yield end["backend"], f"{MIRRORS.format(end['namespace'])}/{end['mirror']}"


class InterruptedClock(FleetClock):
    """A member's first wait after the first change brings the process a signal."""

    def __init__(self, control: Any, number: signal.Signals) -> None:
        super().__init__(control)
        self._number: signal.Signals | None = number

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if threading.current_thread().name.startswith(THREADS):
            begun = bool(self._control.requests(changes=True))
            with self._moved:
                number = self._number if begun else None
                self._number = None if begun else self._number
            if number is not None:
                os.kill(os.getpid(), number)
                assert cancel is not None
                cancel.wait(PATIENT_SECONDS)
        return super().wait(seconds, cancel)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_waits_of_all_and_tells_their_ids(
    fleet: World, number: signal.Signals, code: int
) -> None:
    keys = grouped(fleet, 9)
    fleet.clock = InterruptedClock(fleet.control, number)
    ran = fleet.act("promote", "--group", GROUP)
    assert ran.code == code
    begun = [each for each in ran.json["operations"] if each["outcome"] == "interrupted"]
    assert begun
    assert {each["outcome"] for each in ran.json["operations"]} == {"interrupted", "planned"}
    assert all(each["operation_id"] in each["error"]["remedy"] for each in begun)
    assert roles(fleet, keys[1::3] + keys[2::3]) == {"Destination": 6}

    fleet.clock = FleetClock(fleet.control)
    assert fleet.act("promote", "--group", GROUP).code == 0
    assert roles(fleet, keys) == {"Source": 9}


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (("--group", "everythin"), 5, "did you mean everything?"),
        (("-l", "tier"), 2, '"tier" is not a selector'),
        (("-l", "wave in (0"), 2, "KEY in (VALUE,VALUE)"),
        (("-l", "wave=nine"), 5, "no replication fits"),
        (("--all", "bank/ledger"), 2, "names or a selection, not both"),
        (("--all", "--group", GROUP), 2, "--all stands alone"),
        ((), 2, "promote of what?"),
    ],
)
def test_what_was_not_meant_is_told_in_one_sentence(
    fleet: World, asked: tuple[str, ...], code: int, words: str
) -> None:
    grouped(fleet, 3)
    ran = fleet.act("promote", *asked)
    assert ran.code == code
    assert words in ran.err
    assert ran.json["operations"] == []
    assert fleet.control.requests() == []


def test_an_unplanned_group_is_told_its_worst_loss_once(fleet: World) -> None:
    keys = grouped(fleet, 6)
    fleet.control.link("down")
    fleet.control.advance(30)
    fleet.control.kill("east")
    fleet.control.advance(60)
    ran = fleet.run("promote", "--group", GROUP, "-y")
    assert ran.code == 6
    assert ran.err.count("what is lost:") == 1
    (command,) = [text.strip() for text in ran.err.splitlines() if text.startswith("    replctl promote")]
    assert fleet.changes() == []

    moved = fleet.run(*shlex.split(command)[1:], "-o", "json")
    assert moved.code == 0, moved.err
    assert roles(fleet, keys) == {"Source": 6}
    losses = [each["data_loss"]["at_most_seconds"] for each in moved.json["operations"]]
    assert all(seconds is not None for seconds in losses)
