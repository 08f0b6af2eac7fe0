"""Sync and resync: a copy counts when the replica holds what was at the source after the command began."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from worlds import LEDGER, World, a_world

READING_SECONDS = 0.01  # a point is told towards the past by what reading clocks may err


def seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def point(world: World) -> float:
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    return seconds(line["last_consistent_point"]["at"]) + READING_SECONDS


def put(world: World, state: str) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)


def test_sync_makes_a_copy_that_is_newer_than_the_command(world: World) -> None:
    world.control.advance(900)
    before = point(world)
    ran = world.act("sync", LEDGER)
    assert ran.code == 0, ran.err
    assert [step["name"] for step in ran.operation["steps"]] == ["sync"]
    assert before < seconds(ran.operation["started"]) <= point(world)
    assert world.effective() == [("east", "sync")]
    assert world.run("history", LEDGER, "-o", "json").json["transitions"] == []


def test_sync_twice_makes_two_copies(world: World) -> None:
    assert world.act("sync", LEDGER).operation["outcome"] == "succeeded"
    assert world.act("sync", LEDGER).operation["outcome"] == "succeeded"
    assert world.effective() == [("east", "sync"), ("east", "sync")]


def test_a_running_copy_is_waited_for_and_then_one_more_is_made(world: World) -> None:
    world.control.slow_copy(LEDGER, 30)
    world.control.gui(LEDGER, "east", "sync")
    world.control.advance(5)
    ran = world.act("sync", LEDGER)
    assert ran.code == 0, ran.err
    assert [step["name"] for step in ran.operation["steps"]] == ["cycle", "sync"]
    assert seconds(ran.operation["started"]) <= point(world)


def test_sync_sets_a_stopped_replication_going(world: World) -> None:
    put(world, "System_Paused")
    ran = world.act("sync", LEDGER)
    assert ran.code == 0, ran.err
    assert world.truth()["state"] == {"east": "OK", "west": "OK"}


@pytest.mark.parametrize(("effect", "sends"), [("after", [True]), ("before", [False, True])])
def test_a_lost_answer_is_found_by_reading_back(world: World, effect: str, sends: list[bool]) -> None:
    world.control.fault("east", "reset", path="/sync$", effect=effect)
    ran = world.act("sync", LEDGER)
    assert ran.code == 0, ran.err
    assert [each["effect"] for each in world.changes()] == sends


def test_a_copy_that_fails_is_never_success(world: World) -> None:
    world.control.slow_copy(LEDGER, 20, fail=True)
    ran = world.act("sync", LEDGER)
    assert ran.code == 3, ran.out
    assert "System_Paused" in ran.err


def test_a_copy_that_takes_long_is_joined(world: World) -> None:
    world.control.slow_copy(LEDGER, 120)
    started = world.act("sync", LEDGER, "--no-wait")
    assert started.code == 8
    ran = world.act("sync", LEDGER)
    assert ran.code == 0, ran.err
    assert ran.operation["operation_id"] == started.operation["operation_id"]
    assert world.effective() == [("east", "sync")]


@pytest.mark.parametrize("verb", ["sync", "resync"])
def test_over_a_lost_link_nothing_is_sent(world: World, verb: str) -> None:
    put(world, "System_Paused")
    world.control.link("data_down")
    world.control.advance(120)  # until both arrays have noticed
    ran = world.act(verb, LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert "the data link is lost" in ran.out
    assert world.changes() == []


def test_sync_of_a_paused_replication_names_resume(world: World) -> None:
    put(world, "Paused")
    ran = world.act("sync", LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert ran.operation["refusal"]["next"] == f"replctl resume {LEDGER}"


def test_sync_of_a_synchronous_replication_is_unsupported(world: World) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, type="Synchronous", data_transfer_state="Synchronous")
    ran = world.act("sync", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (6, "unsupported")
    assert "every write is mirrored" in ran.out
    assert world.changes() == []


def test_during_a_failover_test_no_copy_is_asked_for(world: World) -> None:
    world.control.gui(LEDGER, "west", "start_failover_test")
    world.control.advance(60)
    ran = world.act("sync", LEDGER)
    assert (ran.code, ran.guards) == (6, ["drill-running"])
    assert world.effective() == []


@pytest.mark.parametrize(("state", "action"), [("Paused", "resume"), ("System_Paused", "sync")])
def test_resync_does_what_the_state_asks_for(world: World, state: str, action: str) -> None:
    put(world, state)
    ran = world.act("resync", LEDGER)
    assert ran.code == 0, ran.err
    assert world.effective() == [("east", action)]
    assert world.truth()["state"] == {"east": "OK", "west": "OK"}
    history = world.run("history", LEDGER, "-o", "json").json["transitions"]
    moves = [(each["backend"], each["from_state"], each["to_state"]) for each in history]
    assert moves == [("west", "replica", "syncing"), ("west", "syncing", "replica")]
    assert {each["reason"] for each in history} == {"user_requested"}
    world.control.clear_requests()
    again = world.act("resync", LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


@pytest.mark.parametrize(("state", "action"), [("Paused", "resume"), ("System_Paused", "sync")])
@pytest.mark.parametrize(("effect", "sends"), [("after", [True]), ("before", [False, True])])
def test_a_lost_answer_of_a_resync_is_found_by_reading_back(
    world: World, state: str, action: str, effect: str, sends: list[bool]
) -> None:
    put(world, state)
    world.control.fault("east", "reset", path=f"/{action}$", effect=effect)
    ran = world.act("resync", LEDGER)
    assert ran.code == 0, ran.err
    assert [each["effect"] for each in world.changes()] == sends


def test_resync_from_an_error_says_why_not(world: World) -> None:
    put(world, "Error")
    ran = world.act("resync", LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert "is not documented" in ran.out


def test_a_copy_that_somebody_else_began_is_not_ours(tmp_path: Path) -> None:
    """It does not show yet, and the array calls ours off at once: which it was, cannot be told."""
    with a_world(tmp_path, durations={"lag_east": 3.0, "lag_west": 3.0}) as world:
        world.control.advance(60)
        assert world.control.gui(LEDGER, "east", "sync")["status"] == 202
        ran = world.act("sync", LEDGER)
        assert (ran.code, ran.operation["error"]["code"]) == (9, "outcome-unknown"), ran.out
        assert [each["effect"] for each in world.changes()] == [False]
        world.control.advance(60)
        again = world.act("sync", LEDGER)
        assert again.code == 0, again.out
        assert again.operation["operation_id"] == ran.operation["operation_id"]
