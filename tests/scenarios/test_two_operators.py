"""Two at once: in one store one wins and the other is told who; with two stores the arrays' words decide."""

from __future__ import annotations

import json
import random
import shutil
import threading
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from scenarios.test_cut_short import proposed, services
from worlds import LEDGER, Ran, StormClock, World, a_world

from replctl.clock import Cancel
from replctl.core.outcomes import ExitCode, Outcome
from replctl.engine import Request

ROUNDS = 300


def test_two_promotes_at_once_one_wins_and_the_other_names_the_holder(world: World) -> None:
    world.control.stick(LEDGER, "Failing_Over")
    first = world.spawn("promote", LEDGER, "-y", "-o", "json", "--timeout", "20m")
    while not world.effective():
        assert first.poll() is None, first.communicate()
    second = world.act("promote", LEDGER)
    assert second.code == 7
    holder = second.operation["conflict"]["holder"]
    assert holder["pid"] == first.pid
    assert holder["user"]
    assert holder["since"]
    world.control.unstick(LEDGER)
    out, err = first.communicate(timeout=60)
    assert first.returncode == 0, err
    assert json.loads(out)["operations"][0]["outcome"] == "succeeded"
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]


def test_what_another_store_has_done_meanwhile_is_not_claimed(world: World) -> None:
    """Between the plan and its first change the other site does the same: nothing is sent, and all records say so."""
    with services(world) as one:
        proposal = proposed(one)
        assert world.act("promote", LEDGER, state_dir=world.directory / "elsewhere").code == 0
        done = one.engine.carry_out(proposal, Request())
        assert done.outcome is Outcome.UNCHANGED
        assert done.exit_code is ExitCode.DONE
        assert one.store.operations(LEDGER)[0].steps[0].sends == 0
        assert {move.reason for move in one.store.transitions(LEDGER)} == {"external"}
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]


def together(world: World, *commands: tuple[tuple[str, ...], Path]) -> list[Ran]:
    """The commands at the same time, each with a store of its own."""
    results: list[Any] = [None] * len(commands)

    def run(number: int, argv: tuple[str, ...], state_dir: Path) -> None:
        results[number] = world.act(*argv, state_dir=state_dir)

    threads = [
        threading.Thread(target=run, args=(number, argv, state_dir))
        for number, (argv, state_dir) in enumerate(commands)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=100)
    assert all(isinstance(each, Ran) for each in results)
    return results


@pytest.mark.timeout(600)
def test_two_sites_with_stores_of_their_own_against_each_other(tmp_path: Path) -> None:
    chance = random.Random(11)
    with a_world(tmp_path) as world:
        clock = StormClock(world.control, 11)
        world.clock = clock
        stores = (tmp_path / "store-west", tmp_path / "store-east")
        moved = 0
        for number in range(ROUNDS):
            world.control.clear_requests()
            if chance.random() < 0.4:  # between the steps of whoever waits then
                clock.schedule(chance.uniform(0, 15), partial(lose, chance.choice(stores)))
            wishes = [chance.choice((("promote", LEDGER), ("demote", LEDGER))) for _ in stores]
            ran = together(world, *zip(wishes, stores, strict=True))
            judge(world, number, ran)
            moved += sum(action == "failover" for _, action in world.effective())
            clock.forget()
            if chance.random() < 0.2:
                lose(chance.choice(stores))
            put_right(world, stores, ran)
        assert moved >= ROUNDS / 4


def lose(store: Path, cancel: Cancel | None = None) -> None:
    shutil.rmtree(store, ignore_errors=True)


def judge(world: World, number: int, ran: list[Ran]) -> None:
    """No side too many, nothing done twice by anyone, and no exit code that says less than was done."""
    truth = world.truth()
    assert truth["both_wrote"] == 0, number
    assert truth["lost_writes"] == 0, number
    assert list(truth["role"].values()) != ["Source", "Source"], number
    assert list(truth["writable"].values()) != [True, True], number
    for each in ran:
        told = (number, each.out, each.err)
        assert each.code in (0, 1, 3, 4, 6, 7, 8, 9), told  # 4: its store is gone
        own = each.operation["correlation_id"]
        took = [
            change["path"].rsplit("/", 1)[-1]
            for change in world.changes()
            if change["effect"] and change["correlation_id"] == own
        ]
        assert len(took) == len(set(took)), told
        if each.code in (1, 4, 6, 7) or each.operation["outcome"] == "unchanged":
            assert took == [], told
        if each.operation["outcome"] == "succeeded":
            assert "failover" in took or "reprotect" in took, told


def put_right(world: World, stores: tuple[Path, ...], ran: list[Ran]) -> None:
    """Whatever is left half done is finished, so that the next round begins healthy."""
    world.control.advance(60)
    for store, each in zip(stores, ran, strict=True):
        if each.code in (3, 8, 9) and each.operation["operation_id"]:
            world.act("op", "abandon", each.operation["operation_id"], state_dir=store)
    if "Failed_Over" in world.truth()["state"].values():
        assert world.act("reprotect", LEDGER, state_dir=stores[0]).code in (0, 6, 7)
        world.control.advance(60)
