"""Threads that carry out what the loop decided, so that a sick backend, or a copy of half an hour, delays nobody."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import copy_context

from replctl.clock import Clock

SLICE_SECONDS = 0.05


class Hands:
    """At most so many at once, and one for each replication; what finds no hand waits for the next tick."""

    def __init__(self, most: int, clock: Clock) -> None:
        self._most = most
        self._clock = clock
        self._lock = threading.Lock()
        self._at_work: dict[str, threading.Thread] = {}

    def take(self, key: str, call: Callable[[], None], stuck: frozenset[str] = frozenset()) -> bool:
        """Begin the call in a thread; whether there was a hand free. The call raises nothing.

        What is `stuck`, waiting for a backend that does not answer, holds no hand that others need.
        """
        with self._lock:
            if key in self._at_work or len(self._at_work.keys() - stuck) >= self._most:
                return False
            context = copy_context()
            thread = threading.Thread(
                target=lambda: self._work(key, lambda: context.run(call)), daemon=True, name=f"hand-{key}"
            )
            self._at_work[key] = thread
        thread.start()
        return True

    def finish(self, seconds: float) -> bool:
        """Wait so long for all that is in hand; whether nothing is left."""
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        return not self._threads()

    def _threads(self) -> list[threading.Thread]:
        with self._lock:
            return list(self._at_work.values())

    def _work(self, key: str, call: Callable[[], None]) -> None:
        try:
            call()
        finally:
            with self._lock:
                del self._at_work[key]
