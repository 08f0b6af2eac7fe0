"""What is to happen at which virtual time: deeds, and processes that wait in between.

A process is a generator: it yields seconds to wait, and is sent the time at which it goes on. Nothing runs by itself;
whoever looks at the world lets the agenda catch up first. The clock's lock is held throughout.
"""

from collections.abc import Callable, Generator
from heapq import heappop, heappush
from itertools import count

Deed = Callable[[float], None]
Process = Generator[float, float, None]


class Agenda:
    """Deeds in order of time, and among those of the same time in the order in which they were put here."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Deed]] = []
        self._numbers = count(1)
        self._busy = False

    def later(self, at: float, deed: Deed) -> None:
        """Have something done at a virtual time."""
        heappush(self._deeds, (at, next(self._numbers), deed))

    def catch_up(self, now: float) -> None:
        """Do what was due until now; a call from within a deed does nothing, for the outer one goes on."""
        if self._busy:
            return
        self._busy = True
        try:
            while self._deeds and self._deeds[0][0] <= now:
                at, _, deed = heappop(self._deeds)
                deed(at)
        finally:
            self._busy = False

    def next_at(self) -> float | None:
        """When the next deed is due."""
        return self._deeds[0][0] if self._deeds else None

    def run(self, process: Process, at: float, is_wanted: Callable[[], bool]) -> None:
        """Let a process begin at a time; it ends at its next wait once it is not wanted any more."""
        self.later(at, lambda then: self._resume(process, then, is_wanted, first=True))

    def _resume(
        self, process: Process, at: float, is_wanted: Callable[[], bool], *, first: bool = False
    ) -> None:
        if not is_wanted():
            process.close()
            return
        try:
            seconds = next(process) if first else process.send(at)
        except StopIteration:
            return
        self.later(at + seconds, lambda then: self._resume(process, then, is_wanted))
