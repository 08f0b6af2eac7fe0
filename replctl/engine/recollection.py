"""Reading the store's memory when it may be unreadable: looking goes on with none, and says so once (design §5).

Only reads: what a change needs written goes to the store itself, which refuses in its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from replctl.core.errors import StoreRefused
from replctl.core.events import Noticed, Report
from replctl.core.journal import Drill, OperationRecord
from replctl.core.model import Hold, Observation
from replctl.engine.ports import Store

Memory = Mapping[tuple[str, str], Observation]
_T = TypeVar("_T")


class Recollection:
    """The store as looking uses it: an unreadable one remembers nothing."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self._report = report
        self._said = False

    def observations(self) -> Memory:
        return self._read(self._store.observations, {})

    def operations(self, key: str, *, open_only: bool = False, limit: int = 100) -> list[OperationRecord]:
        """Newest first."""
        return self._read(lambda: self._store.operations(key, open_only=open_only, limit=limit), [])

    def unverified(self, key: str) -> frozenset[str]:
        return self._read(lambda: self._store.unverified(key), frozenset())

    def hold(self, key: str) -> Hold | None:
        return self._read(lambda: self._store.hold(key), None)

    def drills(self) -> Mapping[str, Drill]:
        return self._read(self._store.drills, {})

    def survivor(self, key: str) -> str | None:
        return self._read(lambda: self._store.survivor(key), None)

    def identities(self, key: str) -> Mapping[str, str]:
        return self._read(lambda: self._store.identities(key), {})

    def _read(self, read: Callable[[], _T], nothing: _T) -> _T:
        try:
            return read()
        except StoreRefused as error:
            if not self._said:
                self._said = True
                self._report(Noticed(topic="store", message=f"nothing is remembered: {error.message}"))
            return nothing
