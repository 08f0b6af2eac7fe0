"""Durations, times and bounds as people type them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.durations import (
    LONGEST_SECONDS,
    InvalidDuration,
    InvalidTime,
    format_duration,
    format_time,
    parse_bound,
    parse_duration,
    parse_time,
    write_duration,
)
from replctl.core.model import Bound, BoundKind


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30.0),
        ("15m", 900.0),
        ("2h", 7200.0),
        ("1d", 86400.0),
        ("0s", 0.0),
        ("36500d", LONGEST_SECONDS),
    ],
)
def test_accepted_durations(text: str, seconds: float) -> None:  # R77
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "text",
    [
        "30",
        "30sm",
        "s30",
        "",
        "1.5h",
        "-15m",
        "+5s",
        " 5s",
        "5s\n",
        "5 s",
        "5S",
        "1h30m",
        "٣s",
        "36501d",
        "9" * 400 + "d",
        "5µs",
    ],
)
def test_refused_durations(text: str) -> None:  # R77
    with pytest.raises(InvalidDuration) as refusal:
        parse_duration(text)
    finding = refusal.value.findings[0]
    assert refusal.value.exit_code == 2
    assert "250ms" in finding.allowed or "36500d" in finding.allowed
    assert len(str(refusal.value)) < 500


@pytest.mark.parametrize(
    ("seconds", "down", "up"),
    [
        (0.0, "0s", "0s"),
        (0.0004, "0s", "1ms"),
        (0.25, "250ms", "250ms"),
        (0.9996, "999ms", "1s"),
        (1.0, "1s", "1s"),
        (1.4, "1s", "2s"),
        (45.0, "45s", "45s"),
        (300.0, "5m", "5m"),
        (432.0, "7m12s", "7m12s"),
        (59.5, "59s", "1m"),
        (3599.2, "59m59s", "1h"),
        (3600.0, "1h", "1h"),
        (7261.0, "2h1m", "2h2m"),
        (183600.0, "2d3h", "2d3h"),
        (183601.0, "2d3h", "2d4h"),
        (86399.9, "23h59m", "1d"),
        (-5.0, "-5s", "-5s"),
        (-5.5, "-6s", "-5s"),
    ],
)
def test_durations_for_people(seconds: float, down: str, up: str) -> None:
    assert (format_duration(seconds), format_duration(seconds, up=True)) == (down, up)


def _seconds_of(text: str) -> float:
    total, number, unit = 0.0, "", ""
    for character in text + "0":
        if character.isdigit() and unit:
            total += parse_duration(number + unit)
            number, unit = "", ""
        if character.isdigit():
            number += character
        else:
            unit += character
    return total


@given(st.floats(min_value=0, max_value=LONGEST_SECONDS))
def test_an_upper_bound_is_never_understated(seconds: float) -> None:
    """Promise 3: rounding may overstate a loss, never understate it; and a lower bound the other way round."""
    assert _seconds_of(format_duration(seconds, up=True)) >= seconds - 1e-6
    assert _seconds_of(format_duration(seconds)) <= seconds + 1e-6


@given(st.integers(min_value=0, max_value=int(LONGEST_SECONDS * 1000)))
def test_what_is_written_reads_back(milliseconds: int) -> None:
    assert parse_duration(write_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000, abs=1e-6)


def test_times_are_cut_towards_the_past() -> None:
    assert format_time(0) == "1970-01-01T00:00:00Z"
    assert format_time(1927851187.999) == "2031-02-03T02:13:07Z"
    assert format_time(-0.5) == "1969-12-31T23:59:59Z"
    assert format_time(-62135596800) == "0001-01-01T00:00:00Z"
    with pytest.raises(OverflowError):
        format_time(1e15)


@given(st.floats(min_value=0, max_value=4e9))
def test_a_printed_time_pastes_back(at: float) -> None:
    """What a refusal prints is accepted again, and is never later than what it stands for."""
    printed = format_time(at)
    assert at - 1 < parse_time(printed) <= at
    assert parse_bound(printed) == Bound(BoundKind.TIME, parse_time(printed), printed)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("1970-01-01T00:00:10Z", 10.0),
        ("1970-01-01T00:00:10.25Z", 10.25),
        ("1970-01-01t00:00:10z", 10.0),
        ("1970-01-01T02:00:10+02:00", 10.0),
        ("1969-12-31T23:59:59-00:00", -1.0),
    ],
)
def test_accepted_times(text: str, at: float) -> None:
    assert parse_time(text) == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1970-01-01T00:00:10",
        "1970-01-01",
        "1970-13-01T00:00:00Z",
        "19700101T000010Z",
        "2031-02-30T00:00:00Z",
        "now",
        "5m",
        "1970-01-01T00:00:00+99:00",
    ],
)
def test_refused_times(text: str) -> None:
    with pytest.raises(InvalidTime, match="2031-02-03T02:13:07Z"):
        parse_time(text)


def test_bounds_are_a_time_a_duration_or_unknown() -> None:
    assert parse_bound("unknown") == Bound(BoundKind.UNKNOWN, None, "unknown")
    assert parse_bound("15m") == Bound(BoundKind.DURATION, 900.0, "15m")
    assert parse_bound("1970-01-01T00:00:10Z") == Bound(BoundKind.TIME, 10.0, "1970-01-01T00:00:10Z")
    assert parse_bound("15m,unknown") == Bound(BoundKind.DURATION, 900.0, "15m,unknown", or_unknown=True)


@pytest.mark.parametrize(
    "text", ["", "Unknown", "all", "15", "-15m", "2031-02-03T02:13:07", "2031-02-30T02:13:07Z"]
)
def test_refused_bounds(text: str) -> None:
    with pytest.raises(InvalidTime) as refusal:
        parse_bound(text)
    assert refusal.value.findings[0].allowed
