"""When the collector of cyclic garbage looks: not in the midst of a look or a scrape, and seldom at what lives on.

With thousands of replications one whole search keeps every thread waiting for a good part of a second, and health is
to be told within a tenth. What lives after a look is therefore set aside (`gc.freeze`): between looks only what came
since is searched. Looks leave hardly any cycles; what they do leave is found now and then, while nobody scrapes.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from replctl.clock import Clock

WHOLE_SECONDS = 600.0  # from one search of everything to the next


class Garbage:
    """For all threads. Unless it `sets_aside`, as only a process of its own may, it just keeps the collector out."""

    def __init__(self, clock: Clock) -> None:
        self.sets_aside = False
        self._clock = clock
        self._lock = threading.Lock()
        self._busy = 0
        self._searched_at = clock.monotonic()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Nothing is searched meanwhile."""
        with self._lock:
            self._busy += 1
            gc.disable()
        try:
            yield
        finally:
            with self._lock:
                self._busy -= 1
                if not self._busy:
                    self._again()

    def _again(self) -> None:
        """Nobody is in the midst of anything."""
        if self.sets_aside:
            if self._clock.monotonic() - self._searched_at >= WHOLE_SECONDS:
                self._searched_at = self._clock.monotonic()
                gc.unfreeze()
                gc.collect()
            gc.freeze()
        gc.enable()
