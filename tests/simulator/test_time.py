"""Virtual time: held calls, jobs, trailing views, cycles, clocks that are wrong (CP §5, §16.2, §16.12)."""

import threading
from datetime import datetime

import pytest

from replctl.simulator.clock import VirtualClock

LEDGER = "bank/ledger"
PROMPT = {"lag_east": 0, "lag_west": 0}


def seconds(text):
    return datetime.fromisoformat(text).timestamp()


def test_time_stands_still_at_speed_zero_and_moves_by_hand(world):
    now = world.control.now()
    assert world.control.now() == now
    assert world.control.advance(12.5) == now + 12.5
    assert world.control.now() == now + 12.5


def test_time_runs_at_its_speed(open_world):
    world = open_world(speed=1_000_000.0)
    first = world.control.now()
    world["east"].call("GET", "cluster")
    assert world.control.now() > first + 10
    world.control.set_speed(0)
    assert world.control.now() == world.control.now()


def test_time_never_goes_back(world):
    for call in (lambda: world.control.advance(-1), lambda: world.control.set_speed(-1)):
        with pytest.raises(ValueError, match="cannot go back"):
            call()


def test_a_synchronous_call_holds_its_connection_until_the_command_ends(open_world):
    world = open_world(assumptions={"command_end": "with_state"}, durations=PROMPT)
    answers = []
    caller = threading.Thread(target=lambda: answers.append(world.act("east", "pause", query="")))
    world.session_id("east")
    world["east"].get("cluster")
    caller.start()
    while not world.control.requests(changes=True):
        caller.join(0.001)
    world.control.advance(1.5)
    caller.join(0.05)
    assert answers == []
    world.control.advance(1)
    caller.join(10)
    assert answers[0].status == 204
    assert world.see() == ("Source", "Paused", "Destination", "Paused")


def test_a_held_call_tells_how_the_command_failed(open_world):
    world = open_world(speed=100.0, assumptions={"peer_unreachable_delay": "5"})
    world.control.link("down")
    answer = world.act("east", "failover", {"is_planned": True}, query="")
    assert (answer.status, answer.code) == (422, "SIM00000003")


def test_stopping_ends_held_calls(open_world):
    world = open_world()
    world["east"].get("cluster")
    outcome = []

    def call():
        try:
            outcome.append(world.act("east", "pause", query="").status)
        except OSError as e:
            outcome.append(type(e))

    caller = threading.Thread(target=call)
    caller.start()
    while not world.control.requests(changes=True):
        caller.join(0.001)
    world.sim.stop()
    caller.join(10)
    assert len(outcome) == 1
    assert outcome[0] != 204


def test_a_job_is_queued_then_running_then_over_and_then_forgotten(open_world):
    world = open_world(assumptions={"command_end": "with_state", "job_retention": "60"})
    made = world.act("east", "failover", {"is_planned": True}).json["id"]
    path = f"job/{made}?select=phase,state,progress_percentage"
    seen = []
    for pause in (0, 2, 8):
        world.control.advance(pause)
        seen.append(world["east"].get(path))
    assert [job["phase"] for job in seen] == ["Queued", "In_Progress", "Completed"]
    assert [job["state"] for job in seen] == ["QUEUED", "IN_PROGRESS", "COMPLETED"]
    assert seen[1]["progress_percentage"] < seen[2]["progress_percentage"] == 100
    world.control.advance(100)
    assert world["east"].call("GET", path).status == 404
    assert world["east"].get("job") == []


def test_jobs_can_be_listed_and_tell_what_they_are(world):
    made = world.act("east", "pause").json["id"]
    job = world["east"].get("job?select=*&resource_action=eq.pause")[0]
    assert (job["id"], job["resource_type"], job["user"]) == (made, "replication_session", "replctl")
    assert job["resource_id"] == world.session_id("east")


@pytest.mark.parametrize("flag", ["is_async=true", "is_async=True", "is_async=eq.True"])
def test_the_flag_is_read_in_any_case(world, flag):
    assert world.act("east", "pause", query="?" + flag).status == 202


def test_each_array_shows_a_change_a_little_late(world):
    world.act("east", "pause")
    assert world.control.truth(LEDGER)["state"]["east"] == "Pausing"
    assert world.session("east")["state"] == "OK"
    world.control.advance(0.9)
    assert world.session("east")["state"] == "OK"
    world.control.advance(2.2)
    assert world.session("east")["state"] in ("Pausing", "Paused")
    world.control.advance(3)
    assert world.see() == ("Source", "Paused", "Destination", "Paused")


def test_the_lag_can_be_set_for_each(open_world):
    world = open_world(durations={"lag_east": 0, "lag_west": 50})
    world.control.pause(LEDGER)
    world.control.advance(3)
    assert world.see() == ("Source", "Paused", "Destination", "OK")


def test_stamps_advance_with_cycles_that_begin_before_they_end(world):
    seen = set()
    for _ in range(200):
        row = world.session("west")
        taken = seconds(row["last_sync_timestamp"]) - row["last_sync_duration"] / 1000
        seen.add(round(taken))
        assert taken < world.control.now()
        world.control.advance(6)
    gaps = [b - a for a, b in zip(sorted(seen), sorted(seen)[1:], strict=False)]
    assert len(seen) >= 4
    assert gaps == [pytest.approx(240, abs=1)] * len(gaps)


def test_before_release_four_cycles_begin_at_half_the_rpo(open_world):
    world = open_world(version="3.6.0.0", durations=PROMPT)
    taken = set()
    for _ in range(100):
        row = world.session("east")
        taken.add(round(seconds(row["last_sync_timestamp"]) - row["last_sync_duration"] / 1000))
        world.control.advance(6)
    assert {b - a for a, b in zip(sorted(taken), sorted(taken)[1:], strict=False)} <= {149, 150, 151}


def test_a_year_passes_as_a_day_does(world):
    world.control.advance(365 * 86400)
    row = world.session("east")
    assert world.control.now() - seconds(row["last_sync_timestamp"]) < 300
    assert world.control.truth(LEDGER)["writes"]["east"] == 3600 + 365 * 86400
    assert world.control.truth(LEDGER)["lost_writes"] == 0


@pytest.mark.parametrize(("assumed", "early"), [("right", False), ("wrong", True)])
def test_the_next_cycle_is_told_wrong_on_4_1(open_world, assumed, early):
    world = open_world(assumptions={"next_sync_timestamp": assumed})
    row = world.session("east")
    taken = seconds(row["last_sync_timestamp"]) - row["last_sync_duration"] / 1000
    assert (seconds(row["next_sync_timestamp"]) < taken + 200) == early


def test_a_wrong_clock_is_wrong_in_system_time_and_stamps_alike(world):
    world.control.skew("west", -90)
    east, west = (world[a].get("cluster?select=system_time")[0]["system_time"] for a in ("east", "west"))
    assert seconds(east) - seconds(west) == pytest.approx(90, abs=0.002)
    world.control.advance(600)
    east, west = (seconds(world.session(a)["last_sync_timestamp"]) for a in ("east", "west"))
    assert east - west == pytest.approx(90, abs=0.002)


def test_an_rpo_that_is_not_met_raises_an_alert(world):
    assert world["east"].get("alert") == []
    world.control.slow_copy(LEDGER, 1000)
    world.control.advance(900)
    alerts = world["east"].get("alert?resource_type=eq.replication_session&select=*")
    assert [alert["resource_id"] for alert in alerts] == [world.session_id("east")]
    assert world["east"].get(f"alert/{alerts[0]['id']}?select=severity") == {"severity": "Major"}
    assert world["west"].get("alert?resource_name=eq.ledger-vg") == []


def test_waiting_wakes_when_the_time_is_moved():
    clock = VirtualClock(0.0, 0.0)
    woken = []
    waiter = threading.Thread(target=lambda: woken.append(clock.wait(lambda now: None if now >= 5 else 5.0)))
    waiter.start()
    clock.advance(4)
    clock.advance(2)
    waiter.join(10)
    assert woken == [True]
    clock.stop()
    assert not clock.wait(lambda now: now + 1)
