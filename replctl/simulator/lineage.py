"""Which acknowledged host writes a copy holds, without keeping the writes.

Hosts write once a virtual second, on the whole second. A stretch of writes is therefore an interval of time on one
array, and the content of a copy is a set of such intervals: where its data were written, and when. Copying data is
copying intervals; losing data is the difference of two sets. Nothing here knows sessions, states or clocks.
"""

from collections.abc import Iterable
from math import ceil

Stretch = tuple[float, float]  # written from (inclusive) until (exclusive), virtual seconds
Content = dict[str, tuple[Stretch, ...]]  # array where hosts wrote -> stretches in order

EMPTY: Content = {}


def writes(stretches: Iterable[Stretch]) -> int:
    """How many writes happened in these stretches."""
    return sum(max(0, ceil(end) - ceil(start)) for start, end in stretches)


def first_write(stretches: Iterable[Stretch]) -> float | None:
    """When the first write in them happened, or None."""
    return min((float(ceil(start)) for start, end in stretches if ceil(end) > ceil(start)), default=None)


def join(left: tuple[Stretch, ...], right: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """The union, in order, with touching stretches made one."""
    result: list[Stretch] = []
    for start, end in sorted((*left, *right)):
        if result and start <= result[-1][1]:
            result[-1] = (result[-1][0], max(result[-1][1], end))
        elif end > start:
            result.append((start, end))
    return tuple(result)


def without(stretches: tuple[Stretch, ...], taken: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """What of the first is not in the second."""
    result: list[Stretch] = []
    for start, end in stretches:
        at = start
        for cut_start, cut_end in taken:
            if cut_end <= at or cut_start >= end:
                continue
            if cut_start > at:
                result.append((at, cut_start))
            at = max(at, cut_end)
        if at < end:
            result.append((at, end))
    return tuple(result)


def common(left: tuple[Stretch, ...], right: tuple[Stretch, ...]) -> tuple[Stretch, ...]:
    """What is in both."""
    return without(left, without(left, right))


class Copy:
    """One array's copy: what it holds, what hosts were told is written there, and whether they write now."""

    __slots__ = ("acknowledged", "array", "held", "since")

    def __init__(self, array: str) -> None:
        self.array = array
        self.held: Content = EMPTY
        self.acknowledged: tuple[Stretch, ...] = ()
        self.since: float | None = None

    def write(self, at: float, going: bool) -> None:
        """Hosts begin or cease to write here at this time; no change when they already do so."""
        if going and self.since is None:
            self.since = at
        elif not going and self.since is not None:
            self.held, self.acknowledged = self.content(at), self.written(at)
            self.since = None

    def written(self, now: float) -> tuple[Stretch, ...]:
        """Every stretch in which hosts here were told that their writes are safe."""
        if self.since is None or now <= self.since:
            return self.acknowledged
        return join(self.acknowledged, ((self.since, now),))

    def content(self, now: float) -> Content:
        """What the copy holds at this time."""
        if self.since is None or now <= self.since:
            return self.held
        mine = join(self.held.get(self.array, ()), ((self.since, now),))
        return {**self.held, self.array: mine}

    def replace(self, at: float, content: Content) -> None:
        """Overwrite the copy with another content; whoever writes goes on writing."""
        going = self.since is not None
        self.write(at, False)
        self.held = content
        self.write(at, going)


def lacking(written: dict[str, tuple[Stretch, ...]], content: Content) -> list[Stretch]:
    """The acknowledged stretches, of all arrays, that a content does not hold."""
    return [
        part for array, stretches in written.items() for part in without(stretches, content.get(array, ()))
    ]


def unite(contents: Iterable[Content]) -> Content:
    """What at least one of them holds."""
    result: Content = {}
    for content in contents:
        for array, stretches in content.items():
            result[array] = join(result.get(array, ()), stretches)
    return result
