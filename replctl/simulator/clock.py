"""The virtual clock of a simulated world: virtual seconds that run at a chosen speed and can be moved by hand.

It owns the world's one lock, so that whoever waits for a virtual time wakes when the time is moved, when a condition
of the world changes, or when the simulator stops. The only reader of real time in the simulator besides the sockets.
"""

import threading
import time
from collections.abc import Callable

# The longest real time that a waiter sleeps without looking around; bounds the harm of a missed wake-up.
LONGEST_NAP_SECONDS = 5.0


class VirtualClock:
    """Seconds since the epoch, UTC, of a world of its own. `speed` virtual seconds pass in a real one; 0: none."""

    def __init__(self, start_at: float | None, speed: float) -> None:
        self.lock = threading.RLock()
        self._changed = threading.Condition(self.lock)
        self._virtual = time.time() if start_at is None else float(start_at)
        self._real = time.monotonic()
        self._speed = speed
        self.stopped = False

    def now(self) -> float:
        """The virtual time."""
        with self.lock:
            if not self._speed:
                return self._virtual
            return self._virtual + (time.monotonic() - self._real) * self._speed

    def advance(self, seconds: float) -> float:
        """Move the time on at once; returns the new time."""
        with self.lock:
            self._virtual += seconds
            self.wake()
            return self.now()

    def set_speed(self, speed: float) -> None:
        """Change the speed from now on."""
        with self.lock:
            self._virtual, self._real, self._speed = self.now(), time.monotonic(), speed
            self.wake()

    def wake(self) -> None:
        """Let every waiter look at the world again."""
        with self.lock:
            self._changed.notify_all()

    def stop(self) -> None:
        """End all waits, present and future."""
        with self.lock:
            self.stopped = True
            self._changed.notify_all()

    def wait(self, over: Callable[[float], float | None]) -> bool:
        """Wait until `over(now)` gives None; else it gives the next virtual time worth looking.

        `over` is called with the lock held. Returns False when the clock was stopped first.
        """
        with self._changed:
            while not self.stopped:
                look_again_at = over(self.now())
                if look_again_at is None:
                    return True
                self._changed.wait(self._real_seconds_until(look_again_at))
            return False

    def _real_seconds_until(self, at: float) -> float:
        if not self._speed:
            return LONGEST_NAP_SECONDS
        return min(max((at - self.now()) / self._speed, 0.001), LONGEST_NAP_SECONDS)
