"""Stand-ins that all tests share: a clock that moves only when it is told to, or when somebody waits on it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from replctl.clock import Cancel

START = 1_927_846_800.0  # 2031-02-03T01:00:00Z


class FakeClock:
    """Virtual time: `wait` records and advances at once, `chance` is scripted. Safe in several threads.

    `during` is called with the seconds of each wait, before time moves: a test can set a cancel there.
    """

    def __init__(
        self,
        now: float = START,
        *,
        chances: Iterable[float] = (),
        during: Callable[[float], None] | None = None,
    ) -> None:
        self._lock = threading.Lock()
        self._now = now
        self._monotonic = 1000.0
        self._chances = list(chances)
        self._during = during
        self.waits: list[float] = []

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if self._during is not None:
            self._during(seconds)
        if cancel is not None and cancel.is_set:
            return True
        self.waits.append(seconds)
        self.advance(max(0.0, seconds))
        return False

    def chance(self) -> float:
        """The next scripted one, 0 when there is none left."""
        with self._lock:
            return self._chances.pop(0) if self._chances else 0.0

    def advance(self, seconds: float) -> None:
        """Time passes."""
        with self._lock:
            self._now += seconds
            self._monotonic += seconds

    def set_back(self, seconds: float) -> None:
        """The wall clock alone jumps, back or (below zero) ahead; the monotonic one never does."""
        with self._lock:
            self._now -= seconds
