"""Failover tests: production goes on untouched, nobody promotes past one, and a report says what was tested."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios.test_crashes import crashed, open_operations
from scenarios.test_unplanned import printed
from worlds import LEDGER, World, a_world

START, STOP = ("drill", "start", LEDGER), ("drill", "stop", LEDGER)
TEST_SECONDS = 3600.0
MOST_WRITES = 20


def line(world: World) -> dict[str, object]:
    (found,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    return dict(found)


@pytest.mark.parametrize("shows", ["yes", "no"])
def test_a_drill_leaves_production_untouched_and_reports(tmp_path: Path, shows: str) -> None:
    with a_world(tmp_path, assumptions={"peer_shows_test": shows}) as world:
        started = world.act(*START, "--reason", "quarterly")
        assert started.code == 0, started.err
        assert world.truth()["testing"] is True
        assert (line(world)["drill"], line(world)["state"]) == (True, "replica")
        tested_point = started.operation["drill"]["last_consistent_point"]

        world.clock.wait(TEST_SECONDS)
        stopped = world.act(*STOP)
        assert stopped.code == 0, stopped.err
        truth = world.truth()
        assert (truth["testing"], truth["writable"]) == (False, {"east": True, "west": False})
        assert (truth["role_changes"], truth["lost_writes"], truth["missing"]["east"]) == (0, 0, 0)
        assert world.effective() == [("west", "start_failover_test"), ("west", "stop_failover_test")]

        report = stopped.operation["drill"]
        assert (report["backend"], report["production"]) == ("west", "east")
        assert report["tested"] == "volume_group ledger-vg"
        assert report["last_consistent_point"] == tested_point
        assert TEST_SECONDS <= report["seconds"] <= TEST_SECONDS + 60
        assert (report["role_changes"], report["production_state"]) == (0, "source")
        assert (report["came_back"], report["copying"], report["kept_data"]) == ("replica", "running", False)
        assert line(world)["drill"] is False
        assert line(world)["last_drill"] == report


def test_the_age_of_the_last_drill_is_seen_in_status_and_explain(world: World) -> None:
    assert "TESTED" in world.run("status", "-o", "wide").out
    assert line(world)["last_drill"] is None
    world.act(*START)
    assert "a failover test is running" in world.run("status").out
    world.clock.wait(600)
    world.act(*STOP)
    world.clock.wait(86_400)
    assert "1d ago" in world.run("status", LEDGER, "-o", "wide").out
    explained = world.run("explain", LEDGER).out
    assert "last drill   ended 1d ago on west, and lasted 10m" in explained


def test_the_screen_of_a_report(world: World) -> None:
    world.act(*START)
    world.clock.wait(600)
    told = world.run(*STOP, "-y", "--keep").out
    for words in (
        "drill stop: the test is over",
        "tested:     volume_group ledger-vg on west, as of ",
        "lasted:     10m",
        "production: east: source, no role change seen meanwhile",
        "came back:  replica on west, running",
        "test data:  kept as a snapshot on the array",
    ):
        assert words in told
    (change,) = [each for each in world.changes() if each["path"].endswith("stop_failover_test")]
    assert change["body"] == {"create_end_of_test_snapshot": True, "force": False}


@pytest.mark.parametrize("verb", [START, STOP])
def test_twice_is_unchanged_and_writes_nothing(world: World, verb: tuple[str, ...]) -> None:
    world.act(*START)
    world.act(*verb)
    world.control.clear_requests()
    again = world.act(*verb)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


def test_a_test_from_a_snapshot_says_so(world: World) -> None:
    snapshot = world.control.snapshot(LEDGER, "west")
    started = world.act(*START, "--snapshot", snapshot)
    assert started.code == 0, started.err
    assert started.operation["drill"]["snapshot"] == snapshot
    (change,) = world.changes()
    assert change["body"] == {"snapshot_id": snapshot}
    again = world.act(*START, "--snapshot", snapshot)
    assert (again.code, again.guards) == (6, ["drill-running"])
    assert again.operation["refusal"]["guards"][0]["override"] is None


def test_nobody_is_promoted_past_a_drill_but_with_its_own_flag(world: World) -> None:
    world.act(*START)
    world.control.clear_requests()
    for verb in (("promote",), ("failover", "--to", "west"), ("delete",), ("sync",)):
        refused = world.act(verb[0], LEDGER, *verb[1:])
        assert (verb, refused.code, refused.guards) == (verb, 6, ["drill-running"]), refused.out
    assert world.changes() == []
    world.control.kill("east")
    refused = world.act("promote", LEDGER)
    assert refused.code == 6
    assert "--use-test-copy" in printed(refused)
    without = [flag for flag in printed(refused) if flag != "--use-test-copy"]
    assert world.act("promote", LEDGER, *without).guards == ["drill-running"]
    ran = world.act("promote", LEDGER, *printed(refused))
    assert ran.code == 0, ran.err
    assert ran.operation["data_loss"]["point"] is None
    (change,) = world.changes()
    assert change["body"]["use_test_copy"] is True
    assert world.truth()["role"]["west"] == "Source"


def test_a_drill_is_ended_without_its_source(world: World) -> None:
    world.act(*START)
    world.control.kill("east")
    world.control.advance(120)
    planned = world.run(*STOP, "--dry-run")
    assert "west ends the test by itself" in " ".join(planned.out.split())
    stopped = world.act(*STOP)
    assert stopped.code == 0, stopped.err
    report = stopped.operation["drill"]
    assert (report["production_state"], report["role_changes"]) == (None, None)
    assert world.changes()[-1]["body"]["force"] is True
    assert world.truth()["testing"] is False


def test_a_drill_is_begun_only_while_its_source_answers(world: World) -> None:
    world.control.kill("east")
    refused = world.act(*START)
    assert refused.code == 11
    assert world.changes() == []


def test_a_drill_at_the_peer_is_told_to_the_peer(world: World) -> None:
    name = "lab/search"  # its local end is the source
    started = world.act("drill", "start", name)
    assert started.code == 0, started.err
    assert (started.operation["from_state"], started.operation["to_state"]) == ("source", "source")
    assert started.operation["drill"]["backend"] == "east"
    assert world.effective() == [("east", "start_failover_test")]


def test_a_test_that_somebody_else_began_is_ended_and_its_length_not_invented(world: World) -> None:
    world.control.gui(LEDGER, "west", "start_failover_test")
    world.control.advance(600)
    stopped = world.act(*STOP)
    assert stopped.code == 0, stopped.err
    report = stopped.operation["drill"]
    assert (report["started"], report["seconds"], report["role_changes"]) == (None, None, None)


def test_an_incomplete_copy_is_not_opened(world: World) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state="Initializing")
    assert world.act(*START).code == 7  # somebody is at it
    world.control.replace_session(LEDGER)
    world.control.slow_copy(LEDGER, 3600)
    world.control.advance(60)
    refused = world.act(*START)
    assert (refused.code, refused.guards) == (6, ["incomplete-copy"])
    assert world.effective() == []


@pytest.mark.parametrize("state", ["Failed_Over", "Paused_For_NDU", "Error"])
def test_the_array_s_state_may_forbid_a_test(world: World, state: str) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)
    refused = world.act(*START)
    assert refused.code == 6
    assert refused.guards == ["backend-state"]
    assert world.changes() == []


@pytest.mark.parametrize("assumed", ["refuse", "accept"])
def test_a_synchronous_replication_is_not_tested(tmp_path: Path, assumed: str) -> None:
    with a_world(tmp_path, assumptions={"test_on_synchronous": assumed}) as world:
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, type="Synchronous", data_transfer_state="Synchronous")
        refused = world.act(*START)
        assert (refused.code, refused.operation["outcome"]) == (6, "unsupported")
        assert "not documented" in refused.out
        assert world.changes() == []


@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize("verb", [START, STOP], ids=["start", "stop"])
def test_a_lost_answer_is_read_back_and_nothing_is_done_twice(
    world: World, verb: tuple[str, ...], effect: str
) -> None:
    if verb is STOP:
        world.act(*START)
        world.control.clear_requests()
    world.control.fault("west", "reset", path="_failover_test$", effect=effect)
    ran = world.act(*verb)
    assert ran.code == 0, ran.err
    assert [change["effect"] for change in world.changes()] == (
        [True] if effect == "after" else [False, True]
    )
    assert world.truth()["testing"] is (verb is START)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", [START, STOP], ids=["start", "stop"])
def test_killed_at_each_journal_write(tmp_path: Path, verb: tuple[str, ...]) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            if verb is STOP:
                world.act(*START)
                world.control.clear_requests()
            if not crashed(world, *verb, number=number):
                break
            begun = open_operations(world)
            again = world.act(*verb)
            assert again.code == 0, (number, again.out, again.err)
            assert open_operations(world) == []
            if begun:
                assert again.operation["operation_id"] in begun
            assert len(world.effective()) == 1, number
            assert world.truth()["testing"] is (verb is START)
    assert number > 3
