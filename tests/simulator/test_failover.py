"""Planned and unplanned failover, reprotect and failback, as both arrays show them and as they truly are (CP §8)."""

from datetime import datetime

import pytest

LEDGER = "bank/ledger"
PLANNED = {"is_planned": True}
UNPLANNED = {"is_planned": False}
FORCED = {"is_planned": False, "force": True}


def truth(world):
    return world.control.truth(LEDGER)


def settle(world, seconds=30, step=1.0):
    """Let time pass in steps; both sides writable at any step is what must never be."""
    for _ in range(int(seconds / step)):
        world.control.advance(step)
        assert truth(world)["writable"] != {"east": True, "west": True}


def test_a_world_begins_well(world):
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert truth(world)["writable"] == {"east": True, "west": False}
    assert truth(world)["writes"] == {"east": 3600, "west": 0}
    assert truth(world)["lost_writes"] == 0


def test_planned_failover_loses_nothing_and_never_opens_both_sides(world):
    job = world.act("east", "failover", PLANNED)
    settle(world, 15)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    assert truth(world)["source"] == "west"
    assert truth(world)["lost_writes"] == truth(world)["both_wrote"] == 0
    assert truth(world)["role_changes"] == 2
    assert truth(world)["writes"]["west"] > 0
    assert world.outcome(job, "east")["response_status"] == "204"


def test_reprotect_turns_the_copying_around(world):
    world.act("east", "failover", PLANNED)
    settle(world, 15)
    world.act("west", "reprotect")
    settle(world, 60)
    assert world.see() == ("Destination", "OK", "Source", "OK")
    settle(world, 300, step=10)
    assert truth(world)["missing"]["east"] < 300
    assert truth(world)["lost_writes"] == 0
    assert world.session("east")["last_sync_timestamp"] == world.session("west")["last_sync_timestamp"]


def test_failback_brings_it_all_home(world):
    for array, other in (("east", "west"), ("west", "east")):
        world.act(array, "failover", PLANNED)
        settle(world, 15)
        world.act(other, "reprotect")
        settle(world, 60)
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert truth(world)["lost_writes"] == truth(world)["both_wrote"] == 0
    assert truth(world)["role_changes"] == 4


def test_reverse_reprotects_by_itself(world):
    world.act("east", "failover", {"is_planned": True, "reverse": True})
    settle(world, 60)
    assert world.see() == ("Destination", "OK", "Source", "OK")


@pytest.mark.parametrize("order", ["source_first", "destination_first"])
@pytest.mark.parametrize("body", [PLANNED, UNPLANNED])
def test_in_whatever_order_the_roles_flip_only_one_side_is_open(open_world, order, body):
    world = open_world(assumptions={"role_flip_order": order})
    world.act("east" if body is PLANNED else "west", "failover", body)
    settle(world, 15, step=0.1)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")


@pytest.mark.parametrize(("shows", "west"), [("yes", "Failing_Over"), ("no", "OK")])
def test_whether_the_peer_shows_the_transient_is_an_assumption(open_world, shows, west):
    world = open_world(assumptions={"peer_shows_transient": shows})
    world.act("east", "failover", PLANNED)
    world.control.advance(4)
    assert world.see() == ("Source", "Failing_Over", "Destination", west)


def test_progress_is_told_on_the_source_alone(world):
    world.act("east", "failover", PLANNED)
    world.control.advance(4)
    assert 0 < world.session("east")["progress_percentage"] < 100
    assert world.session("east")["estimated_completion_timestamp"]
    assert world.session("west")["progress_percentage"] is None


def test_an_unplanned_failover_goes_back_to_the_start_of_the_last_finished_cycle(world):
    world.control.kill("east")
    base = truth(world)["consistent_at"]
    died_at = world.control.now()
    world.act("west", "failover", UNPLANNED)
    settle(world, 15)
    after = truth(world)
    assert after["source"] is None
    assert after["sources"] == ["east", "west"]
    assert after["writable"] == {"east": False, "west": True}
    assert after["lost_since"] == pytest.approx(base, abs=1)
    assert after["lost_writes"] == after["lost_at_failover"] == pytest.approx(died_at - base, abs=1)


def test_a_cycle_in_flight_counts_for_nothing(world):
    world.control.slow_copy(LEDGER, 200)
    while world.session("west")["state"] != "Synchronizing":
        world.control.advance(10)
    base = truth(world)["consistent_at"]
    world.control.kill("east")
    world.act("west", "failover", UNPLANNED)
    settle(world, 15)
    assert truth(world)["consistent_at"] == base
    assert truth(world)["lost_since"] == pytest.approx(base, abs=1)


def test_the_bound_that_stamps_give_is_never_better_than_the_truth(open_world):
    for seed in range(30):
        world = open_world(seed=seed, replications=2)
        for _ in range(seed):
            world.control.advance(37)
        row = world.session("west")
        stamps = row["last_sync_timestamp"], row["last_sync_duration"]
        end = world.control.truth(LEDGER)["consistent_at"]
        assert datetime.fromisoformat(stamps[0]).timestamp() - stamps[1] / 1000 <= end


def test_with_a_living_peer_an_unplanned_failover_demotes_it(world):
    world.act("west", "failover", UNPLANNED)
    settle(world, 15, step=0.5)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    assert truth(world)["lost_writes"] > 0
    assert truth(world)["both_wrote"] == 0


def test_abandon_returns_the_old_source_to_the_common_base(world):
    base = truth(world)["consistent_at"]
    world.act("west", "failover", UNPLANNED)
    settle(world, 15)
    assert world.act("east", "failover", UNPLANNED).status == 202
    assert world.see()[0] == "Destination"
    world.act("east", "failover", FORCED)
    settle(world, 15)
    assert world.see() == ("Source", "Failed_Over", "Destination", "Failed_Over")
    world.act("east", "reprotect")
    settle(world, 60)
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert truth(world)["lost_since"] == pytest.approx(base, abs=1)
    assert truth(world)["writes"]["west"] > 0


def test_a_snapshot_can_be_what_is_failed_over_to(world):
    snapshot = world.control.snapshot(LEDGER, "west")
    old = truth(world)["consistent_at"]
    world.control.advance(600)
    assert truth(world)["consistent_at"] > old
    world.control.kill("east")
    world.act("west", "failover", {"is_planned": False, "failover_snapshot_id": snapshot})
    settle(world, 15)
    assert truth(world)["lost_since"] == pytest.approx(old, abs=1)


def test_a_failed_final_copy_leaves_the_source_a_source(world):
    world.control.slow_copy(LEDGER, 10, fail=True)
    job = world.act("east", "failover", PLANNED)
    settle(world, 30)
    assert world.see() == ("Source", "System_Paused", "Destination", "System_Paused")
    assert truth(world)["writable"] == {"east": True, "west": False}
    assert world.session("east")["error_code"]
    assert world.outcome(job, "east")["phase"] in ("Completed", "Failed")


def test_a_command_can_end_before_the_state_is_reached(open_world):
    """A job that is Completed proves nothing about the session (CP §5)."""
    world = open_world(assumptions={"command_end": "early"}, durations={"lag_east": 0, "lag_west": 0})
    job = world.act("east", "failover", PLANNED).json["id"]
    world.control.advance(5)
    assert world["east"].get(f"job/{job}?select=phase") == {"phase": "Completed"}
    assert world.see()[0] == "Source"


def test_stuck_in_failing_over_until_freed(world):
    world.control.stick(LEDGER, "Failing_Over")
    job = world.act("east", "failover", PLANNED).json["id"]
    world.control.advance(3600)
    assert world.see()[:2] == ("Source", "Failing_Over")
    assert world["east"].get(f"job/{job}?select=phase") == {"phase": "In_Progress"}
    assert world.control.unstick(LEDGER)
    settle(world, 15)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    assert not world.control.unstick(LEDGER)


def test_a_source_that_dies_in_a_planned_failover_leaves_a_way_out(open_world):
    """CP §7.1: unplanned failover at the destination is legal in Failing_Over."""
    world = open_world(assumptions={"peer_shows_transient": "yes"})
    world.control.slow_copy(LEDGER, 1000)
    world.act("east", "failover", PLANNED)
    world.control.advance(10)
    world.control.kill("east")
    world.control.advance(600)
    assert world.session("west")["state"] == "Failing_Over"
    assert world.act("west", "failover", UNPLANNED).status == 202
    settle(world, 15)
    assert (world.session("west")["role"], world.session("west")["state"]) == ("Source", "Failed_Over")
    world.control.revive("east")
    assert truth(world)["writable"] == {"east": True, "west": True}
    world.control.advance(60)
    world.hang_up("east")
    assert world.see()[:2] == ("Destination", "Failed_Over")


def test_a_wish_for_the_test_copy_keeps_what_the_test_wrote(world):
    world.act("west", "start_failover_test")
    world.control.advance(100)
    assert world.session("west")["failover_test_in_progress"]
    assert truth(world)["testing"]
    assert truth(world)["writable"] == {"east": True, "west": False}
    assert world.act("west", "failover", UNPLANNED).status == 202
    world.control.advance(10)
    assert truth(world)["testing"]
    world.act("west", "failover", {"is_planned": False, "use_test_copy": True})
    world.control.advance(10)
    after = truth(world)
    assert (after["source"], after["testing"]) == ("west", False)
    assert after["writes"]["west"] > 90


def test_a_stopped_test_leaves_no_trace_but_its_snapshot(world):
    before = truth(world)
    world.act("west", "start_failover_test")
    world.control.advance(30)
    answer = world.act("west", "stop_failover_test", {"create_end_of_test_snapshot": True})
    job = world.outcome(answer, "west")
    assert (job["response_status"], list(job["response_body"])) == ("200", ["snapshot_id"])
    world.control.advance(10)
    assert not world.session("west")["failover_test_in_progress"]
    assert truth(world)["writes"]["west"] == before["writes"]["west"] == 0
