"""Reading the store's memory when it may be unreadable: looking goes on with none, and says so once (design §5).

Only reads: what a change needs written goes to the store itself, which refuses in its own words. A few
replications are asked for one by one; for many, `Overview` reads each kind of fact once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import cached_property
from typing import TypeVar

from replctl.core.errors import StoreRefused
from replctl.core.events import Noticed, Report
from replctl.core.journal import Drill, OperationRecord, Proof
from replctl.core.model import Hold, Observation
from replctl.core.waiting import DaemonWord, Waiting
from replctl.engine.ports import Store
from replctl.engine.remembering import Remembering

OVERVIEW_FROM = 50  # replications; fewer are asked for one by one
Memory = Mapping[tuple[str, str], Observation]
_T = TypeVar("_T")


class Recollection:
    """The store as looking uses it: an unreadable one remembers nothing."""

    def __init__(self, store: Store, report: Report) -> None:
        self._store = store
        self.remembering = Remembering(store)
        self._report = report
        self._said = False

    def of(self, replications: int) -> Recollection:
        """The same for so many replications in one look, as it is now: for looking and judging, not for acting."""
        return self if replications < OVERVIEW_FROM else Overview(self._store, self._report)

    def observations(self, keys: Collection[str]) -> Memory:
        """By (replication, backend), of these replications."""
        return self._read(lambda: self._store.observations(keys), {}) if keys else {}

    def operations(self, key: str, *, open_only: bool = False, limit: int = 100) -> list[OperationRecord]:
        """Newest first."""
        return self._read(lambda: self._store.operations(key, open_only=open_only, limit=limit), [])

    def unverified(self, key: str) -> frozenset[str]:
        return self._read(lambda: self._store.unverified(key), frozenset())

    def hold(self, key: str) -> Hold | None:
        return self._read(lambda: self._store.hold(key), None)

    def drill(self, key: str) -> Drill | None:
        return self._read(lambda: self._store.drill(key), None)

    def survivor(self, key: str) -> str | None:
        return self._read(lambda: self._store.survivor(key), None)

    def identities(self, key: str) -> Mapping[str, str]:
        return self._read(lambda: self._store.identities(key), {})

    def proofs(self, key: str) -> Mapping[str, Proof]:
        return self._read(lambda: self._store.proofs(key), {})

    def daemon_word(self) -> DaemonWord | None:
        return self._read(self._store.daemon_word, None)

    def waiting(self) -> Mapping[str, Waiting]:
        """What the daemon leaves to people, of all replications: seldom many."""
        return self._read(self._store.waiting, {})

    def _read(self, read: Callable[[], _T], nothing: _T) -> _T:
        try:
            return read()
        except StoreRefused as error:
            if not self._said:
                self._said = True
                self._report(Noticed(topic="store", message=f"nothing is remembered: {error.message}"))
            return nothing


class Overview(Recollection):
    """Reads each kind of fact whole, once, when it is first asked for. What has no operations is known by that."""

    def operations(self, key: str, *, open_only: bool = False, limit: int = 100) -> list[OperationRecord]:
        if key not in (self._with_open if open_only else self._with_any):
            return []
        return super().operations(key, open_only=open_only, limit=limit)

    def unverified(self, key: str) -> frozenset[str]:
        return self._unverified.get(key, frozenset())

    def hold(self, key: str) -> Hold | None:
        return self._holds.get(key)

    def drill(self, key: str) -> Drill | None:
        return self._drills.get(key)

    def survivor(self, key: str) -> str | None:
        return self._survivors.get(key)

    def identities(self, key: str) -> Mapping[str, str]:
        return self._identities.get(key, {})

    def proofs(self, key: str) -> Mapping[str, Proof]:
        return self._proofs.get(key, {})

    @cached_property
    def _with_any(self) -> frozenset[str]:
        return self._read(self._store.journalled, frozenset())

    @cached_property
    def _with_open(self) -> frozenset[str]:
        return self._read(lambda: self._store.journalled(open_only=True), frozenset())

    @cached_property
    def _unverified(self) -> Mapping[str, frozenset[str]]:
        return self._read(self._store.all_unverified, {})

    @cached_property
    def _holds(self) -> Mapping[str, Hold]:
        return self._read(self._store.holds, {})

    @cached_property
    def _drills(self) -> Mapping[str, Drill]:
        return self._read(self._store.drills, {})

    @cached_property
    def _survivors(self) -> Mapping[str, str]:
        return self._read(self._store.survivors, {})

    @cached_property
    def _identities(self) -> Mapping[str, Mapping[str, str]]:
        return self._read(self._store.all_identities, {})

    @cached_property
    def _proofs(self) -> Mapping[str, Mapping[str, Proof]]:
        return self._read(self._store.all_proofs, {})
