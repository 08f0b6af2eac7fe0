"""What is kept of each end for the day on which it does not answer, written no more often than it is worth.

A process that looks once writes what it saw. One that looks again and again, over thousands of ends of which nothing
is new, would write the same words each time: those are kept here, written anew every few minutes, and at once when
the end is not read any more, so that the store knows when it lived last.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import NamedTuple

from replctl.core.errors import ReplctlError
from replctl.core.model import Observation
from replctl.engine.ports import Store

WRITTEN_ANEW_SECONDS = 120.0
PASSING = frozenset({"observed_at", "as_of", "point", "progress", "vendor", "brief"})  # new with every look
_said = attrgetter(*(each.name for each in fields(Observation) if each.name not in PASSING))

Key = tuple[str, str]
"""A replication and a backend."""


class _Written(NamedTuple):
    """What an end said when it was last written down, when that was, and until when it is enough."""

    said: tuple[object, ...]
    at: float
    anew_at: float


class Remembering:
    """For all threads of one process."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._written: dict[Key, _Written] = {}
        self._waiting: dict[Key, Observation] = {}

    def keep(self, seen: Mapping[Key, Observation], *, at_once: bool = False) -> None:
        """What was read just now; what says something new, or was written long ago, goes to the store."""
        with self._lock:
            due = {key: each for key, each in seen.items() if at_once or self._is_due(key, each)}
            self._waiting.update({key: each for key, each in seen.items() if key not in due})
            self._write(due)

    def lost(self, keys: Iterable[Key]) -> None:
        """These are not read any more: the store is told what was last seen of them."""
        with self._lock:
            self._write_newer({key: self._waiting[key] for key in keys if key in self._waiting})

    def close(self) -> None:
        """Write what was put off."""
        with self._lock:
            self._write_newer(dict(self._waiting))

    def _is_due(self, key: Key, now: Observation) -> bool:
        written = self._written.get(key)
        if written is None or written.said != _said(now):
            return True
        return not written.at <= now.observed_at < written.anew_at

    def _write_newer(self, waiting: Mapping[Key, Observation]) -> None:
        """Unless another process has seen them since."""
        if not waiting:
            return
        try:
            stored = self._store.observations({replication for replication, _ in waiting})
        except ReplctlError:  # what cannot be read is told where it is looked at
            stored = {}
        self._write(
            {
                key: each
                for key, each in waiting.items()
                if key not in stored or stored[key].observed_at < each.observed_at
            }
        )
        for key in waiting:
            self._waiting.pop(key, None)

    def _write(self, due: Mapping[Key, Observation]) -> None:
        if not due:
            return
        self._store.remember_observations(due)
        for key, each in due.items():
            # what was written together is not written anew together
            anew_at = each.observed_at + WRITTEN_ANEW_SECONDS * (0.5 + hash(key) % 1024 / 2048)
            self._written[key] = _Written(_said(each), each.observed_at, anew_at)
            self._waiting.pop(key, None)
