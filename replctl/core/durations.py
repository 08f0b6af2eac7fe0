"""Durations and times as people type and read them (R77, design §4).

Knows two grammars: a duration is one whole number and one unit, a time is RFC 3339 with its offset. Inside
replctl both are floats (seconds, and seconds since the epoch in UTC), so this module is where text ends. It
reads no clock.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from replctl.core.errors import Finding, InvalidInput, excerpt
from replctl.core.model import Bound, BoundKind

SECONDS_PER_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST_SECONDS = 36500 * 86400.0  # a century: beyond it, sums with the epoch leave the calendar
DURATION_PATTERN = r"^[0-9]{1,13}(ms|s|m|h|d)$"
DURATION_ALLOWED = "a whole number and one unit of ms, s, m, h, d, such as 250ms, 30s, 15m, 2h, 1d"
TIME_ALLOWED = "a time with its offset, such as 2031-02-03T02:13:07Z"
UNKNOWN = "unknown"
BOUND_ALLOWED = f"{TIME_ALLOWED}; or a duration, such as 15m; or unknown; or one and the other: 15m,unknown"

_DURATION = re.compile(DURATION_PATTERN)
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
END_OF_BELIEF = 32_503_680_000.0  # 3000-01-01
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LADDER = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class InvalidDuration(InvalidInput):
    """Not a duration; the finding says what is allowed."""

    code = "invalid-duration"


class InvalidTime(InvalidInput):
    """Not a time, or not a bound; the finding says what is allowed."""

    code = "invalid-time"


def _finding(what: str, text: str, allowed: str) -> Finding:
    return Finding(what, f'"{excerpt(text)}"', allowed)


def parse_duration(text: str) -> float:
    """Seconds of `15m` and the like; raises InvalidDuration. Never a bare number, a fraction or a sign."""
    if not _DURATION.fullmatch(text):
        raise _invalid_duration(text, DURATION_ALLOWED)
    unit = text.lstrip("0123456789")
    seconds = int(text.removesuffix(unit)) * SECONDS_PER_UNIT[unit]
    if seconds > LONGEST_SECONDS:
        raise _invalid_duration(text, "at most 36500d")
    return seconds


def _invalid_duration(text: str, allowed: str) -> InvalidDuration:
    message = f'"{excerpt(text)}" is not a duration: {allowed}'
    return InvalidDuration(message, findings=[_finding("duration", text, allowed)])


def format_duration(seconds: float, *, up: bool = False) -> str:
    """For people, in the two largest units: `250ms`, `45s`, `7m12s`, `2d3h`.

    What does not fit in the smaller unit is dropped; with `up` it counts as one more, for upper bounds, which
    must never be understated.
    """
    if seconds < 0:
        return "-" + format_duration(-seconds, up=not up)
    whole = math.ceil if up else math.floor
    if seconds < 1 and (milliseconds := whole(round(seconds * 1000, 6))) < 1000:
        return f"{milliseconds}ms" if milliseconds else "0s"
    return _in_two_units(whole(round(seconds, 6)), up)


def _in_two_units(seconds: int, up: bool) -> str:
    sizes = [size for _, size in _LADDER if seconds >= size]
    smaller = next((size for _, size in _LADDER if size < sizes[0]), 1)
    units = -(-seconds // smaller) if up else seconds // smaller
    rest, parts = units * smaller, []
    for unit, size in _LADDER:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts)


def write_duration(seconds: float) -> str:
    """The exact text that `parse_duration` reads back, to the millisecond: `5m`, `90s`, `1500ms`."""
    milliseconds = round(seconds * 1000)
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000)):
        if milliseconds % size == 0 and milliseconds:
            return f"{milliseconds // size}{unit}"
    return f"{milliseconds}ms" if milliseconds else "0s"


def parse_time(text: str) -> float:
    """Epoch seconds of an RFC 3339 time with `Z` or an offset; raises InvalidTime."""
    try:
        if not _TIME.fullmatch(text):
            raise ValueError
        return (datetime.fromisoformat(text.upper()) - _EPOCH).total_seconds()
    except ValueError:
        message = f'"{excerpt(text)}" is not a time: {TIME_ALLOWED}'
        raise InvalidTime(message, findings=[_finding("time", text, TIME_ALLOWED)]) from None


def believable(at: float) -> float | None:
    """A foreign moment; None outside of the years 1970 to 2999, so that what is reckoned from it has a date."""
    return at if 0 <= at < END_OF_BELIEF else None


def format_time(at: float) -> str:
    """Epoch seconds as RFC 3339 in UTC, cut to the second (towards the past).

    Raises OverflowError for what lies outside the years 1 to 9999.
    """
    moment = _EPOCH + timedelta(seconds=math.floor(at))
    return moment.replace(tzinfo=None).isoformat() + "Z"


def parse_bound(text: str) -> Bound:
    """What `--accept-data-loss` was given: a time, a duration, `unknown`, or one of both; raises InvalidTime."""
    if text == UNKNOWN:
        return Bound(BoundKind.UNKNOWN, None, text)
    known, comma, unknown = text.partition(",")
    if comma and unknown == UNKNOWN and known != UNKNOWN:
        return replace(parse_bound(known), text=text, or_unknown=True)
    if _TIME.fullmatch(text):
        return Bound(BoundKind.TIME, parse_time(text), text)
    if _DURATION.fullmatch(text):
        return Bound(BoundKind.DURATION, parse_duration(text), text)
    message = f'"{excerpt(text)}" is not a bound: {BOUND_ALLOWED}'
    raise InvalidTime(message, findings=[_finding("bound", text, BOUND_ALLOWED)])
