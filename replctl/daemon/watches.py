"""Threads that follow what backends tell of themselves, so that the loop need not wait for its next tick.

Nothing depends on them: what a watch does not tell, the next tick sees. Drivers that cannot be followed are left
alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable
from contextvars import copy_context

from replctl.clock import Cancel, Clock
from replctl.core.errors import Interrupted, ReplctlError
from replctl.core.model import Replication
from replctl.engine.ports import Driver, Told, Watchable
from replctl.logs import LOGGER, about

AGAIN_SECONDS = 30.0  # after a watch that ended, before the next
Place = tuple[str, str]  # a backend, and what it calls a thing


class Watches:
    """Which replications something was told of, gathered until the loop takes them."""

    def __init__(self, driver: Callable[[str], Driver], clock: Clock, cancel: Cancel) -> None:
        self._driver = driver
        self._clock = clock
        self._cancel = cancel
        self._log = logging.getLogger(LOGGER)
        self._lock = threading.Lock()
        self._replications: tuple[Replication, ...] = ()
        self._places: dict[Place, list[str]] = {}
        self._changed: set[str] = set()
        self._threads: dict[tuple[str, str], threading.Thread] = {}

    @property
    def any(self) -> bool:
        """Whether anything is followed."""
        return bool(self._threads)

    def follow(self, replications: Iterable[Replication]) -> None:
        """Follow the backends of these, and tell of these alone from now on."""
        asked = tuple(replications)
        if asked == self._replications:
            return
        drivers = self._watchable({end.backend for each in asked for end in (each.local, each.peer)})
        places: dict[Place, list[str]] = {}
        for each in asked:
            for end in (each.local, each.peer):
                if end.backend in drivers:
                    place = (end.backend, drivers[end.backend].thing(end))
                    places.setdefault(place, []).append(each.key)
        with self._lock:
            self._replications, self._places = asked, places
        for backend, driver in drivers.items():
            for name, watch in driver.watches().items():
                self._begin(backend, name, watch)

    def take(self) -> frozenset[str]:
        """Keys of the replications that something was told of since the last time."""
        with self._lock:
            taken, self._changed = frozenset(self._changed), set()
        return taken

    @property
    def pending(self) -> int:
        """How many wait to be taken."""
        return len(self._changed)

    def finish(self, seconds: float) -> bool:
        """Wait for the threads after the cancel; whether all have ended."""
        deadline = self._clock.monotonic() + seconds
        for thread in self._threads.values():
            thread.join(max(0.0, deadline - self._clock.monotonic()))
        return not any(thread.is_alive() for thread in self._threads.values())

    def _watchable(self, backends: Collection[str]) -> dict[str, Watchable]:
        found: dict[str, Watchable] = {}
        for backend in sorted(backends):
            try:
                driver = self._driver(backend)
            except ReplctlError as error:  # the tick tells what is wrong with it, and it stays as it is
                self._log.debug("%s cannot be followed: %s", backend, error)
                continue
            if isinstance(driver, Watchable):
                found[backend] = driver
        return found

    def _begin(self, backend: str, name: str, watch: Callable[[Told, Cancel], None]) -> None:
        if (backend, name) in self._threads:
            return
        context = copy_context()
        thread = threading.Thread(
            target=lambda: context.run(self._run, backend, name, watch),
            daemon=True,
            name=f"watch-{backend}-{name}",
        )
        self._threads[backend, name] = thread
        thread.start()

    def _run(self, backend: str, name: str, watch: Callable[[Told, Cancel], None]) -> None:
        """Again and again, until the cancel; what it cannot be followed for is said once."""
        said = ""
        while not self._cancel.is_set:
            try:
                watch(lambda things: self._told(backend, things), self._cancel)
                said = ""
            except Interrupted:
                return
            except ReplctlError as error:
                if said != error.message:
                    said = error.message
                    text = "%s is not followed for now, and looked at with each tick: %s: %s"
                    self._log.warning(
                        text, backend, name, error, extra=about(backend=backend, error=error.code)
                    )
            except Exception:
                self._log.exception("%s: a mistake of replctl itself, in following %s", backend, name)
            self._clock.wait(AGAIN_SECONDS, self._cancel)

    def _told(self, backend: str, things: Collection[str]) -> None:
        with self._lock:
            for thing in things:
                self._changed.update(self._places.get((backend, thing), ()))
