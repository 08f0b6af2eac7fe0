"""The one reader of time and chance; everything else is handed a `Clock`.

`now` is the wall clock (UTC epoch seconds), for stamps; `monotonic` is for deadlines and never jumps;
`wait` can be woken; `chance` is uniform in [0, 1), for jitter.
"""

from __future__ import annotations

import random
import threading
import time
from contextlib import suppress
from typing import Protocol


class Cancel:
    """A flag that ends every wait it is handed to, at once (R31).

    A signal's handler sets it in the midst of whatever its thread is at, this flag's own methods included, so that
    none of them may hold a lock that another one wants: with a `threading.Event` a wait that has just begun would
    keep its handler waiting for ever.
    """

    def __init__(self) -> None:
        self._set = False
        self._waiting: list[threading.Lock] = []  # each held by who waits, and let go to wake it

    def set(self) -> None:
        self._set = True
        for waiter in list(self._waiting):
            with suppress(RuntimeError):  # let go already
                waiter.release()

    def clear(self) -> None:
        """For a flag that is raised again and again, once what it asked for is begun."""
        self._set = False

    @property
    def is_set(self) -> bool:
        return self._set

    def wait(self, seconds: float) -> bool:
        waiter = threading.Lock()
        waiter.acquire()
        self._waiting.append(waiter)  # before the flag is read: who sets it afterwards finds it here
        try:
            if not self._set and seconds > 0:
                waiter.acquire(timeout=min(seconds, threading.TIMEOUT_MAX))
        finally:
            self._waiting.remove(waiter)
        return self._set


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
