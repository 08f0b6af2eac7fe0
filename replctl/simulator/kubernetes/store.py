"""What a cluster has stored, by version: objects, their history, and lists as they were (CT §12.5).

Objects are kept as JSON text, so that nobody who reads one can change it. Every change has a revision of its own,
and the history goes back far enough for watches and continued lists, or they are told that it does not.
"""

import json
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterator
from typing import NamedTuple

from replctl.simulator.kubernetes.kinds import Kind
from replctl.simulator.kubernetes.statuses import Object

FIRST_REVISION = 1000
CHANGES_KEPT = 200_000
# Virtual seconds after which a version is compacted, as etcd under Kubernetes is.
COMPACTED_AFTER_SECONDS = 300.0
ADDED, MODIFIED, DELETED = "ADDED", "MODIFIED", "DELETED"

Key = tuple[str, str]  # namespace ("" in none), name


class Kept(NamedTuple):
    """An object as it is stored."""

    revision: int
    body: bytes

    def read(self) -> Object:
        """The object, for the reader alone."""
        found: Object = json.loads(self.body)
        return found


class Change(NamedTuple):
    """One change of one object; `before` and `after` are what was stored, `after` of a deletion its last state."""

    revision: int
    at: float
    type: str
    resource: str
    key: Key
    before: bytes | None
    after: bytes


class _Shelf:
    """The objects of one kind, in order of namespace and name."""

    def __init__(self) -> None:
        self.rows: dict[Key, Kept] = {}
        self._keys: list[Key] = []
        self._sorted = True

    def put(self, key: Key, kept: Kept, *, bulk: bool) -> None:
        if key not in self.rows:
            if bulk:
                self._keys.append(key)
                self._sorted = False
            else:
                insort(self._sort(), key)
        self.rows[key] = kept

    def remove(self, key: Key) -> None:
        del self.rows[key]
        del self._keys[bisect_left(self._sort(), key)]

    def keys(self, namespace: str | None, after: Key | None) -> list[Key]:
        keys = self._sort()
        low, high = 0, len(keys)
        if namespace:
            low, high = bisect_left(keys, (namespace, "")), bisect_left(keys, (namespace + "\0", ""))
        if after is not None:
            low = max(low, bisect_right(keys, after))
        return keys[low:high]

    def _sort(self) -> list[Key]:
        if not self._sorted:
            self._keys.sort()
            self._sorted = True
        return self._keys


class Store:
    """The objects of one cluster and the history of their changes."""

    def __init__(self) -> None:
        self.revision = FIRST_REVISION
        self.listeners: list[Callable[[Change], None]] = []
        self._shelves: dict[str, _Shelf] = {}
        self._changes: list[Change] = []
        self._compacted = FIRST_REVISION

    def get(self, kind: Kind, key: Key) -> Kept | None:
        """The object with this namespace and name, or None."""
        return self._shelf(kind).rows.get(key)

    def read(self, kind: Kind, key: Key) -> Object | None:
        """The same, to be read."""
        kept = self.get(kind, key)
        return None if kept is None else kept.read()

    def put(self, kind: Kind, key: Key, body: Object, now: float, *, bulk: bool = False) -> Object:
        """Store an object under a new revision, which is written into it; `bulk` makes no history."""
        before = self.get(kind, key)
        self.revision += 1
        body["metadata"]["resourceVersion"] = str(self.revision)
        kept = Kept(self.revision, json.dumps(body, separators=(",", ":")).encode())
        self._shelf(kind).put(key, kept, bulk=bulk)
        if bulk:
            self.compact()
        else:
            was = before.body if before else None
            self._note(
                Change(self.revision, now, MODIFIED if before else ADDED, kind.resource, key, was, kept.body)
            )
        return body

    def remove(self, kind: Kind, key: Key, now: float) -> Object:
        """Take an object out; its last state carries the revision of the deletion."""
        kept = self._shelf(kind).rows[key]
        self._shelf(kind).remove(key)
        self.revision += 1
        body = kept.read()
        body["metadata"]["resourceVersion"] = str(self.revision)
        last = json.dumps(body, separators=(",", ":")).encode()
        self._note(Change(self.revision, now, DELETED, kind.resource, key, kept.body, last))
        return body

    def keys(self, kind: Kind, namespace: str | None = None) -> list[Key]:
        """The keys of all objects of a kind, of one namespace or all, in order."""
        return self._shelf(kind).keys(namespace, None)

    def listed(
        self, kind: Kind, namespace: str | None, revision: int, after: Key | None = None
    ) -> tuple[int, Iterator[Kept]]:
        """How many objects there were at a revision after a key, and they, in order."""
        rows = self._shelf(kind).rows
        keys = self._shelf(kind).keys(namespace, after)
        then = self._as_then(kind, namespace, revision)
        if then:
            known = {*keys, *(key for key in then if after is None or key > after)}
            keys = sorted(key for key in known if then.get(key, rows.get(key)) is not None)
        return len(keys), (then.get(key) or rows[key] for key in keys)

    def _as_then(self, kind: Kind, namespace: str | None, revision: int) -> dict[Key, Kept | None]:
        """What objects that were changed since a revision were at it."""
        then: dict[Key, Kept | None] = {}
        for change in self.changes_after(revision):
            if change.resource == kind.resource and namespace in (None, "", change.key[0]):
                then.setdefault(change.key, None if change.before is None else Kept(revision, change.before))
        return then

    def changes_after(self, revision: int) -> list[Change]:
        """All changes after a revision, oldest first."""
        if revision >= self.revision or not self._changes:
            return []
        return self._changes[max(0, revision + 1 - self._changes[0].revision) :]

    def is_expired(self, revision: int, now: float) -> bool:
        """Whether the history no longer reaches back to a revision."""
        if revision < self._compacted:
            return True
        later = self.changes_after(revision)
        return bool(later) and later[0].at < now - COMPACTED_AFTER_SECONDS

    def is_forgotten(self, revision: int) -> bool:
        """Whether changes after a revision have been dropped, for those who already watch."""
        return revision < self._compacted

    def compact(self) -> None:
        """Forget the history up to now."""
        self._changes.clear()
        self._compacted = self.revision

    def restart(self) -> None:
        """Forget the history, the present version included: whoever knows it must list anew."""
        self.revision += 1
        self.compact()

    def _shelf(self, kind: Kind) -> _Shelf:
        return self._shelves.setdefault(kind.resource, _Shelf())

    def _note(self, change: Change) -> None:
        self._changes.append(change)
        if len(self._changes) > CHANGES_KEPT:
            del self._changes[: CHANGES_KEPT // 2]
            self._compacted = self._changes[0].revision - 1
        for listener in self.listeners:
            listener(change)
