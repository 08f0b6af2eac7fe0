"""Times of an array on our clock: every correction errs towards the past, and unknown stays unknown."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.durations import format_time
from replctl.drivers.powerstore.stamps import (
    ClockReading,
    Sync,
    clock_reading,
    cycle_point,
    duration_seconds,
    mirror_point,
    moment,
    resolution,
)

NOON = 1_741_064_400.0  # 2025-03-04T05:00:00Z


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-03-04T05:00:00.000+00:00", NOON),
        ("2025-03-04T05:00:00Z", NOON),
        ("2025-03-04T05:00:00.5Z", NOON + 0.5),
        ("2025-03-04T06:00:00.25+01:00", NOON + 0.25),
        ("2025-03-04T05:00:00", NOON),
        (None, None),
        ("", None),
        ("soon", None),
        (1741064400, None),
        ("1969-12-31T23:59:59Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("3000-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59.999999-23:59", None),
    ],
)
def test_stamps(text: object, at: float | None) -> None:
    assert moment(text) == at


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2025-03-04T05:00:00Z", 1.0),
        ("2025-03-04T05:00:00.0+00:00", 1.0),
        ("2025-03-04T05:00:00.000Z", 1.0),
        ("2025-03-04T05:00:00.301Z", 0.001),
        ("2025-03-04T05:00:00.3Z", 0.1),
    ],
)
def test_a_stamp_may_be_cut(text: str, seconds: float) -> None:
    assert resolution(text) == pytest.approx(seconds)


@given(
    skew=st.floats(-3600, 3600),
    there=st.floats(0, 5),
    back=st.floats(0, 5),
    stamp_age=st.floats(0, 86400),
)
def test_a_corrected_stamp_is_never_later_than_the_truth(
    skew: float, there: float, back: float, stamp_age: float
) -> None:
    """The array reads its clock anywhere within the round trip, and cuts what it says to milliseconds."""
    sent_at = NOON
    said = datetime.fromtimestamp(sent_at + there + skew, UTC).isoformat(timespec="milliseconds")
    reading = clock_reading(said, sent_at, sent_at + there + back)
    assert reading is not None
    taken_at = NOON - stamp_age
    assert reading.ours(taken_at + skew) <= taken_at + 1e-6
    assert reading.ours(taken_at + skew) >= taken_at - (there + back) - 2.01


@pytest.mark.parametrize("clock", ["1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z"])
@pytest.mark.parametrize("stamp", ["1970-01-01T00:00:00Z", "2999-12-31T23:59:59Z"])
def test_whatever_is_believed_has_a_date(clock: str, stamp: str) -> None:
    """A loss is stated with its time, whatever an array says that is o'clock."""
    reading = clock_reading(clock, NOON, NOON)
    point = cycle_point(sync(timestamp=stamp, duration=99 * 365 * 86_400_000), reading, None)
    assert point.at is not None
    assert format_time(point.at)


def test_a_clock_that_says_nothing_is_not_read() -> None:
    assert clock_reading(None, NOON, NOON) is None
    assert clock_reading("later", NOON, NOON) is None


def test_a_round_trip_that_ended_before_it_began_measures_nothing() -> None:
    assert clock_reading("2025-03-04T05:00:00.5Z", NOON, NOON - 1.0) is None


def sync(timestamp: object = "2025-03-04T05:00:00.301+00:00", duration: object = 4211) -> Sync:
    return Sync(timestamp=timestamp, duration_ms=duration, read_at=NOON + 60)


def test_the_point_is_the_start_of_the_last_finished_cycle_on_our_clock() -> None:
    point = cycle_point(sync(), ClockReading(offset=120.0, margin=0.5), None)
    assert point.at == pytest.approx(NOON + 0.301 - 120.0 - 0.5 - 4.211)
    assert point.contact_at == pytest.approx(NOON + 0.301 - 120.0 - 0.5)
    assert point.clock_offset_seconds == 120.0
    assert point.source == "last_sync_timestamp - last_sync_duration"
    assert point.read_at == NOON + 60


@pytest.mark.parametrize(
    ("given_sync", "source"),
    [
        (sync(timestamp=None), "last_sync_timestamp is null"),
        (sync(duration=None), "last_sync_duration is null"),
        (sync(timestamp="x"), "last_sync_timestamp is null"),
        (sync(duration=True), "last_sync_duration is null"),
        (sync(duration=-1), "last_sync_duration is null"),
        (sync(duration=float("nan")), "last_sync_duration is null"),
        (sync(duration=1e300), "last_sync_duration is null"),
        (sync(duration=10**4000), "last_sync_duration is null"),
    ],
)
def test_null_is_unknown_and_never_zero(given_sync: Sync, source: str) -> None:
    point = cycle_point(given_sync, ClockReading(0.0, 0.0), 5.0)
    assert (point.at, point.source) == (None, source)


def test_a_clock_that_cannot_be_read_makes_the_point_unknown_but_for_a_margin() -> None:
    unknown = cycle_point(sync(), None, None)
    assert (unknown.at, unknown.contact_at) == (None, None)
    assert "clock_margin" in unknown.source
    bounded = cycle_point(sync(), None, 30.0)
    assert bounded.at == pytest.approx(NOON + 0.301 - 30.0 - 4.211)
    assert bounded.clock_offset_seconds is None


def test_a_measured_clock_is_better_than_a_configured_margin() -> None:
    assert cycle_point(sync(), ClockReading(0.0, 0.0), 30.0).at == pytest.approx(NOON + 0.301 - 4.211)


@pytest.mark.parametrize("value", [0, 4211, 0.5])
def test_durations(value: float) -> None:
    assert duration_seconds(value) == value / 1000


def test_a_mirror_in_step_holds_all_up_to_the_question() -> None:
    point = mirror_point(True, NOON, NOON + 2.0)
    assert (point.at, point.read_at) == (NOON, NOON + 2.0)
    assert mirror_point(False, NOON, NOON + 2.0).at is None
