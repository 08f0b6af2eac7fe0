"""Two sides that hosts wrote to, found in the history of accepted changes and host writes (design §1, promise 1).

Pure. What it judges comes from the truth of the simulator and its log of requests, never from what replctl says.
Allowed are two sides after an unplanned promotion that a person acknowledged, or that others made, and during a
failover test; and the time of a planned change by which both can be written to, while nobody wrote to the old source.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import ceil

Stretch = tuple[float, float]  # hosts wrote from (inclusive) until (exclusive), virtual seconds


class Kind(StrEnum):
    """What an accepted change does to who may write."""

    SWITCH = "switch"  # one action: the new source, and the old one steps down by it
    PROMOTION = "promotion"  # planned; both can be written to until the old source is told to follow
    TAKEOVER = "takeover"  # unplanned: the new source alone
    FOREIGN = "foreign"  # somebody else's, of whatever kind
    TEST = "test"  # a failover test: hosts write to the copy that is tested, beside production
    REST = "rest"  # the end of such a time: one side again


@dataclass(frozen=True, slots=True)
class Change:
    """A change of roles that a backend accepted; `acknowledged`: a person answered for two sides."""

    at: float
    kind: Kind
    new_source: str
    acknowledged: bool = False

    @property
    def allows_two(self) -> bool:
        return self.kind in (Kind.FOREIGN, Kind.TEST) or (self.kind is Kind.TAKEOVER and self.acknowledged)


@dataclass(frozen=True, slots=True)
class History:
    """Of one replication: the changes, in any order, and by side the stretches in which hosts wrote."""

    changes: Sequence[Change]
    written: Mapping[str, Sequence[Stretch]]


@dataclass(frozen=True, slots=True)
class Finding:
    """Hosts wrote where they must not, from the first such write on; `writes` of them."""

    since: float
    writes: int
    why: str


def two_sides_written(history: History) -> list[Finding]:
    """Every time from one change to the next in which two sides were written to that nobody answered for."""
    return [finding for era in _eras(history.changes) for finding in _judge(era, history)]


@dataclass(frozen=True, slots=True)
class _Era:
    """From one change to the next; before the first one there is none."""

    since: float
    until: float
    change: Change | None


def _eras(changes: Sequence[Change]) -> Iterator[_Era]:
    ordered = sorted(changes, key=lambda change: change.at)
    ends = [change.at for change in ordered] + [float("inf")]
    yield _Era(float("-inf"), ends[0], None)
    for change, end in zip(ordered, ends[1:], strict=True):
        yield _Era(change.at, end, change)


def _judge(era: _Era, history: History) -> Iterator[Finding]:
    if era.change is not None and era.change.allows_two:
        return
    within = {side: _within(stretches, era) for side, stretches in history.written.items()}
    both = [
        part for side in within for other in within if side < other for part in _common(within, side, other)
    ]
    yield from _found(both, "hosts wrote on both sides at once")
    if era.change is not None and era.change.kind is Kind.PROMOTION and not both:
        old = [part for side, parts in within.items() if side != era.change.new_source for part in parts]
        yield from _found(old, "hosts wrote to the old source after the other side was promoted")


def _within(stretches: Sequence[Stretch], era: _Era) -> list[Stretch]:
    cut = ((max(start, era.since), min(end, era.until)) for start, end in stretches)
    return [(start, end) for start, end in cut if start < end]


def _common(within: Mapping[str, Sequence[Stretch]], side: str, other: str) -> Iterator[Stretch]:
    for start, end in within[side]:
        for other_start, other_end in within[other]:
            if max(start, other_start) < min(end, other_end):
                yield max(start, other_start), min(end, other_end)


def _found(stretches: Sequence[Stretch], why: str) -> Iterator[Finding]:
    """Hosts write on whole seconds: a stretch with none in it holds no write."""
    writes = sum(ceil(end) - ceil(start) for start, end in stretches)
    if writes:
        since = min(float(ceil(start)) for start, end in stretches if ceil(end) > ceil(start))
        yield Finding(since, writes, why)
