"""The array's times on our clock: stamps, the measured offset, and the last consistent point (design §4).

Pure. A stamp is the array's, and arrays have clocks of their own; every correction here errs towards the past, so
that a loss is never stated smaller than it is. What is not known stays None, never zero.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from replctl.core.durations import believable
from replctl.core.model import Point

MILLISECOND = 0.001  # seconds; the unit of last_sync_duration
WHOLE_SECOND = 1.0
LONGEST_CYCLE_SECONDS = 100 * 365 * 86_400.0


def moment(text: object) -> float | None:
    """A stamp as epoch seconds on the array's own clock; None for null and for what is no stamp of ours (CP §1)."""
    if not isinstance(text, str):
        return None
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return believable((read if read.tzinfo is not None else read.replace(tzinfo=UTC)).timestamp())


def resolution(text: str) -> float:
    """How much later than it says a stamp may have been taken, in seconds: one unit of its last digit.

    A fraction of zeros alone counts for nothing, because it is what a stamp of whole seconds is padded with.
    """
    found = re.search(r"[.,](\d+)", text)
    if found is None or not found[1].strip("0"):
        return WHOLE_SECOND
    return float(10 ** -len(found[1]))


@dataclass(frozen=True, slots=True)
class ClockReading:
    """The array's clock against ours: `offset` is theirs minus ours, known to within `margin`, both seconds."""

    offset: float
    margin: float

    def ours(self, stamp: float) -> float:
        """The array's stamp on our clock, at the earliest."""
        return stamp - self.offset - self.margin


def clock_reading(system_time: object, sent_at: float, received_at: float) -> ClockReading | None:
    """What one read of `cluster.system_time` proves; the array read its clock somewhere within the round trip.

    None also when our own clock was set back meanwhile.
    """
    theirs = moment(system_time)
    if theirs is None or not isinstance(system_time, str) or received_at < sent_at:
        return None
    half = (received_at - sent_at) / 2
    return ClockReading(theirs - (sent_at + half), half + resolution(system_time))


def number(value: object) -> float | None:
    """A foreign number as a finite float; None for null, for a truth value and for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value) if math.isfinite(value) else None
    except OverflowError:
        return None


def duration_seconds(value: object) -> float | None:
    """`last_sync_duration` in seconds; None for null and for what no cycle can last."""
    milliseconds = number(value)
    if milliseconds is None or not 0 <= milliseconds * MILLISECOND <= LONGEST_CYCLE_SECONDS:
        return None
    return milliseconds * MILLISECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """What a session says of its last copy: the end of the last good cycle and how long that took."""

    timestamp: object
    duration_ms: object
    read_at: float


def cycle_point(sync: Sync, clock: ClockReading | None, margin_seconds: float | None) -> Point:
    """The point of an asynchronous replica: the *start* of the last finished cycle (CP §8).

    `margin_seconds` stands in for a clock that cannot be read.
    """
    end = moment(sync.timestamp)
    if end is None:
        return Point(at=None, source="last_sync_timestamp is null", read_at=sync.read_at)
    reading = clock
    if reading is None and margin_seconds is not None:
        reading = ClockReading(0.0, margin_seconds)
    contact = reading.ours(end) if reading is not None else None
    offset = clock.offset if clock is not None else None
    duration = duration_seconds(sync.duration_ms)
    if duration is None:
        unknown = "last_sync_duration is null"
        return Point(
            at=None, source=unknown, read_at=sync.read_at, contact_at=contact, clock_offset_seconds=offset
        )
    if contact is None:
        unknown = "the array's clock cannot be read, and no clock_margin is configured"
        return Point(at=None, source=unknown, read_at=sync.read_at)
    return Point(
        at=contact - duration,
        source="last_sync_timestamp - last_sync_duration",
        read_at=sync.read_at,
        contact_at=contact,
        clock_offset_seconds=offset,
    )


def mirror_point(in_step: bool, sent_at: float, read_at: float) -> Point:
    """The point of a synchronous replica: the moment of the read while it is in step, else unknown.

    The array may have answered from what it knew when the question left, so that moment counts.
    """
    if not in_step:
        return Point(at=None, source="not in step: unknown since it was", read_at=read_at)
    return Point(at=sent_at, source="state OK and Synchronous", read_at=read_at, contact_at=sent_at)
