"""All backends of one process: drivers opened once and late, and asked at the same time.

Each backend is asked in a thread of its own, so that a dead site costs no one else a second (design §1,
promise 5). A driver that overruns its deadline is left behind, and its ends are told as silent.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, wait
from contextvars import copy_context
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from replctl.clock import Clock
from replctl.core.errors import Interrupted, ReplctlError, TimedOut, trouble_of
from replctl.core.model import End, Observation, StateNote
from replctl.engine.ports import Driver
from replctl.engine.sharing import SharedLooks
from replctl.resilience import Look

OVERRUN_SECONDS = 0.4  # past the deadline, for a driver that is about to give up by itself
GOODBYE_SECONDS = 3.0  # for all sign-outs together
NO_OTHERS: Mapping[str, Look] = MappingProxyType({})
Answers = Mapping[End, Observation]
_T = TypeVar("_T")


class Backends:
    """Drivers by backend name; `open_driver` makes one and may raise ReplctlError."""

    def __init__(self, open_driver: Callable[[str], Driver], clock: Clock) -> None:
        self._open = open_driver
        self._clock = clock
        self._drivers: dict[str, Driver] = {}
        self._shared = SharedLooks(clock)
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def driver(self, backend: str) -> Driver:
        with self._locks[backend]:
            if backend not in self._drivers:
                self._drivers[backend] = self._open(backend)
            return self._drivers[backend]

    def observe(
        self, ends: Iterable[End], look: Look, others: Mapping[str, Look] = NO_OTHERS
    ) -> dict[End, Observation]:
        """Every end, each backend at the same time; what has not answered carries its trouble.

        `others` are the backends that are looked at otherwise.
        """
        by_backend: dict[str, list[End]] = {}
        for end in ends:
            by_backend.setdefault(end.backend, []).append(end)
        patience = max(0.0, look.deadline - self._clock.monotonic()) + OVERRUN_SECONDS
        calls = {
            name: partial(self._ask, name, asked, others.get(name, look))
            for name, asked in by_backend.items()
        }
        answers = at_once(calls, patience)
        seen: dict[End, Observation] = {}
        for name, asked in by_backend.items():
            seen.update(answers.get(name) or self._silent(name, asked))
        return seen

    def close(self) -> None:
        """Signs out everywhere, at the same time and within a bound."""
        at_once({name: driver.close for name, driver in self._drivers.items()}, GOODBYE_SECONDS)
        self._drivers.clear()

    def _ask(self, backend: str, ends: list[End], look: Look) -> Answers:
        try:
            observe = self.driver(backend).observe
            if look.retry:  # right before a change: asked for itself, as thoroughly as it must be
                return observe(ends, look)
            return self._shared.observe(backend, ends, look, observe)
        except Interrupted:
            raise
        except ReplctlError as error:
            return self._troubled(backend, ends, error)

    def _silent(self, backend: str, ends: list[End]) -> Answers:
        return self._troubled(backend, ends, TimedOut("no answer in time", backend=backend))

    def _troubled(self, backend: str, ends: list[End], error: ReplctlError) -> Answers:
        seen = Observation(
            backend=backend,
            observed_at=self._clock.now(),
            note=StateNote.UNKNOWN,
            trouble=trouble_of(error),
            sentence=error.message,
        )
        return dict.fromkeys(ends, seen)


def at_once(calls: Mapping[str, Callable[[], _T]], patience_seconds: float) -> dict[str, _T]:
    """Run the calls in daemon threads; what has not come back in time is missing from the result."""
    futures = {name: _in_thread(name, call) for name, call in calls.items()}
    wait(futures.values(), timeout=patience_seconds)
    return {name: future.result() for name, future in futures.items() if future.done()}


def _in_thread(name: str, call: Callable[[], _T]) -> Future[_T]:
    """The call in a daemon thread: unlike a pool's, it never holds up the end of the process."""
    future: Future[_T] = Future()
    context = copy_context()

    def run() -> None:
        try:
            future.set_result(context.run(call))
        except BaseException as error:  # handed to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True, name=f"ask-{name}").start()
    return future
