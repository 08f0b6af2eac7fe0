"""The one reader of time and chance; everything else is handed a `Clock`.

`now` is the wall clock (UTC epoch seconds), for stamps; `monotonic` is for deadlines and never jumps;
`wait` can be woken; `chance` is uniform in [0, 1), for jitter.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Protocol


class Cancel:
    """A flag that ends every wait it is handed to, at once (R31)."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    @property
    def is_set(self) -> bool:
        return self._event.is_set()

    def wait(self, seconds: float) -> bool:
        return self._event.wait(seconds)


class Clock(Protocol):
    def now(self) -> float: ...

    def monotonic(self) -> float: ...

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        """Wait so long, or until `cancel` is set; returns whether it was set."""
        ...

    def chance(self) -> float: ...


class SystemClock:
    """The machine's own time and chance."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if cancel is not None:
            return cancel.wait(max(0.0, seconds))
        time.sleep(max(0.0, seconds))
        return False

    def chance(self) -> float:
        return random.random()
