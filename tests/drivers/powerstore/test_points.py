"""The last consistent point against the truth: never later than the first write that the replica lacks."""

from __future__ import annotations

import random

import pytest
from arrays import LEDGER, NAME, Arrays

from replctl.core.model import State

ROUNDS = 60
TWO_READINGS_SECONDS = 2.0  # each to the second


@pytest.mark.parametrize("seed", range(4))
def test_no_point_is_later_than_what_is_missing(arrays: Arrays, seed: int) -> None:
    """Clocks of both arrays and our own go wrong, copies are slow, and looks come at any moment."""
    chance = random.Random(seed)
    arrays.clock.offset_seconds = chance.uniform(-500, 500)
    known = 0
    for _ in range(ROUNDS):
        if chance.random() < 0.2:
            arrays.control.skew(chance.choice(["east", "west"]), chance.uniform(-300, 300))
            arrays.control.advance(400)  # stamps that were written before the clock jumped are forgotten
        if chance.random() < 0.2:
            arrays.control.slow_copy(NAME, chance.uniform(1, 400))
        arrays.control.advance(chance.uniform(0, 200))
        seen = arrays.another().observe([LEDGER], arrays.look)[LEDGER]
        since = arrays.control.truth(NAME)["missing_since"]["west"]
        assert seen.point is not None
        if seen.point.at is None:
            continue
        known += 1
        ours = (since if since is not None else arrays.control.now()) + arrays.clock.offset_seconds
        assert seen.point.at <= ours
        assert seen.point.contact_at is not None
        assert seen.point.at <= seen.point.contact_at <= arrays.clock.now()
    assert known > ROUNDS // 2


def test_the_point_is_close_to_the_truth_whatever_the_clocks_say(arrays: Arrays) -> None:
    arrays.clock.offset_seconds = 77.0
    arrays.control.skew("west", -1234.0)
    arrays.control.skew("east", -1234.0)
    arrays.control.advance(700)
    seen = arrays.see(LEDGER)
    truth = arrays.control.truth(NAME)["consistent_at"]
    assert seen.point is not None
    assert seen.point.at is not None
    assert seen.point.clock_offset_seconds == pytest.approx(-1234.0 - 77.0, abs=1.0)
    assert truth - 2.0 <= seen.point.at - 77.0 <= truth


def test_nulls_are_unknown(arrays: Arrays) -> None:
    arrays.control.fault("west", "null_stamps", times=99)
    point = arrays.see(LEDGER).point
    assert point is not None
    assert (point.at, point.source) == (None, "last_sync_timestamp is null")


def test_a_clock_that_cannot_be_read(arrays: Arrays) -> None:
    arrays.control.fault("west", "status", path="cluster", status=500, times=99)
    unknown = arrays.see(LEDGER).point
    assert unknown is not None
    assert unknown.at is None
    assert "clock_margin" in unknown.source
    driver = arrays.another(clock_margin_seconds=30)
    bounded = driver.observe([LEDGER], arrays.look)[LEDGER].point
    assert bounded is not None
    assert bounded.at is not None
    since = arrays.control.truth(NAME)["missing_since"]["west"]
    assert bounded.at <= (since or arrays.control.now()) - 29.0


def test_the_clock_is_measured_once_a_minute(arrays: Arrays) -> None:
    arrays.see(LEDGER)
    arrays.control.clear_requests()
    arrays.control.advance(59)
    arrays.see(LEDGER)
    assert "cluster" not in arrays.asked()
    arrays.control.advance(2)
    arrays.see(LEDGER)
    assert arrays.asked().count("cluster") == 1


@pytest.mark.parametrize("seconds", [86_400.0, -86_400.0])
def test_a_point_stays_where_it_is_when_our_own_clock_is_set(arrays: Arrays, seconds: float) -> None:
    before = arrays.see(LEDGER).point
    arrays.clock.offset_seconds = seconds
    after = arrays.see(LEDGER).point
    assert before is not None
    assert after is not None
    assert None not in (before.at, after.at)
    assert abs(after.at - seconds - before.at) <= TWO_READINGS_SECONDS


def test_a_synchronous_replica_holds_all_while_it_is_in_step(arrays: Arrays) -> None:
    put = arrays.control.set_state
    put(NAME, "east", state="OK", type="Synchronous", data_transfer_state="Synchronous")
    put(NAME, "west", state="OK", type="Synchronous", data_transfer_state="Synchronous")
    seen = arrays.see(LEDGER)
    assert seen.point is not None
    assert seen.point.at == arrays.clock.now()
    put(NAME, "west", state="System_Paused", type="Synchronous", data_transfer_state="Synchronous")
    seen = arrays.see(LEDGER)
    assert seen.point is not None
    assert seen.point.at is None


def test_a_first_copy_has_no_point(arrays: Arrays) -> None:
    arrays.control.replace_session(NAME)
    arrays.control.advance(8)
    seen = arrays.see(LEDGER)
    assert seen.state is State.SYNCING
    assert seen.point is not None
    assert (seen.point.at, seen.point.source) == (None, "the first copy is not complete")
