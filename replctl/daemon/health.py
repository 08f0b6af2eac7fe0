"""Whether the daemon itself is well, and ready: what `/healthz` and `/readyz` say (design §7, R63-R67).

The tick is the heartbeat. A backend that is unwell, a refusal, an open breaker are no illness of the daemon.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypedDict

from replctl.clock import Clock
from replctl.core.durations import format_duration, format_time

SILENT_SECONDS = 600.0  # without a tick for so long it is not healthy
STALLED_SECONDS = 300.0  # one tick that takes so long is stalled
WINDOW_SECONDS = 600.0  # in which our own errors are counted …
SAMPLE_SECONDS = 5.0  # … by so many at once, however many reconciles there are
LEAST_SAMPLES = 10  # below which a rate says nothing
HIGHEST_ERROR_RATE = 0.5
WELL = "All systems operational"


class CheckDocument(TypedDict):
    name: str
    healthy: bool
    message: str


class HealthDocument(TypedDict):
    healthy: bool
    message: str
    last_reconcile: str | None
    error_rate: float
    checks: list[CheckDocument]


class ReadyDocument(TypedDict):
    ready: bool
    message: str


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the daemon that must be there; `message` says what is wrong without it."""

    present: bool
    message: str


@dataclass(slots=True)
class _Sample:
    """How many reconciles there were within a few seconds, and how many failed by a mistake of our own."""

    since: float
    count: int = 0
    ours: int = 0


class HealthBook:
    """Written by the loop, read by the server's threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._started = clock.monotonic()
        self._ticked: tuple[float, float] | None = None  # monotonic, wall
        self._ticking_since: float | None = None
        self._samples: deque[_Sample] = deque()
        self._parts: dict[str, Part] = {}
        self._ready = False

    # -- the loop writes -------------------------------------------------------------------------------------

    def tick_began(self) -> None:
        with self._lock:
            self._ticking_since = self._clock.monotonic()

    def tick_ended(self) -> None:
        with self._lock:
            self._ticking_since = None
            self._ticked = (self._clock.monotonic(), self._clock.now())

    def counted(self, *, ours: bool) -> None:
        """One reconcile more; `ours`: it failed by a mistake of the daemon's own."""
        with self._lock:
            now = self._clock.monotonic()
            if not self._samples or now - self._samples[-1].since >= SAMPLE_SECONDS:
                self._forget_before(now - WINDOW_SECONDS)
                self._samples.append(_Sample(now))
            self._samples[-1].count += 1
            self._samples[-1].ours += ours

    def part(self, name: str, *, present: bool, message: str) -> None:
        with self._lock:
            self._parts[name] = Part(present, message)

    def mark_ready(self) -> None:
        with self._lock:
            self._ready = True

    # -- others read -----------------------------------------------------------------------------------------

    @property
    def is_moving(self) -> bool:
        """Whether the loop really moves: what the watchdog is told."""
        with self._lock:
            return self._stalled() is None and self._silent() is None

    def health(self) -> HealthDocument:
        with self._lock:
            rate, samples = self._error_rate()
            checks = [
                _check("tick", self._silent()),
                _check("loop", self._stalled()),
                _check("errors", self._too_many(rate, samples)),
                *(_check(name, None if part.present else part.message) for name, part in self._parts.items()),
            ]
            last = None if self._ticked is None else format_time(self._ticked[1])
        failing = [check["message"] for check in checks if not check["healthy"]]
        return HealthDocument(
            healthy=not failing,
            message="; ".join(failing) or WELL,
            last_reconcile=last,
            error_rate=rate,
            checks=checks,
        )

    def readiness(self) -> ReadyDocument:
        with self._lock:
            missing = [part.message for part in self._parts.values() if not part.present]
            ready = self._ready and not missing
            message = "; ".join(missing) or ("" if ready else "the backends have not been asked yet")
        return ReadyDocument(ready=ready, message=message)

    def _silent(self) -> str | None:
        since = self._ticked[0] if self._ticked is not None else self._started
        silent = self._clock.monotonic() - since
        return f"No reconciliation in {format_duration(silent)}" if silent > SILENT_SECONDS else None

    def _stalled(self) -> str | None:
        if self._ticking_since is None:
            return None
        took = self._clock.monotonic() - self._ticking_since
        return (
            f"The loop has been in one tick for {format_duration(took)}" if took > STALLED_SECONDS else None
        )

    def _too_many(self, rate: float, samples: int) -> str | None:
        high = samples >= LEAST_SAMPLES and rate >= HIGHEST_ERROR_RATE
        return f"High error rate: {rate:.0%} of the last {samples} reconciles" if high else None

    def _error_rate(self) -> tuple[float, int]:
        self._forget_before(self._clock.monotonic() - WINDOW_SECONDS)
        samples = sum(each.count for each in self._samples)
        return (sum(each.ours for each in self._samples) / samples if samples else 0.0), samples

    def _forget_before(self, horizon: float) -> None:
        while self._samples and self._samples[0].since < horizon:
            self._samples.popleft()


def _check(name: str, trouble: str | None) -> CheckDocument:
    return CheckDocument(name=name, healthy=trouble is None, message=trouble or "")


Documents = Mapping[str, HealthDocument | ReadyDocument]
