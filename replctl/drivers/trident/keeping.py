"""What watches have told of a cluster's objects, kept so that a look at all of them need not list them again.

A copy is believed only while its stream is up and was heard not long ago, and it is told to be as old as that. One
thread follows and writes; others read.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Lock

from replctl.clock import Clock
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.objects import Body, Resource, Seen
from replctl.drivers.kubernetes.watching import Kind, Mark, Snapshot, Subject, Told, follow
from replctl.drivers.trident.reading import essence_of
from replctl.resilience import Look

Key = tuple[str, str]  # namespace, name
FRESH_SECONDS = 75.0  # a bookmark comes each minute; after so long without a word somebody is asked


@dataclass(frozen=True, slots=True)
class Copy:
    """All objects of a kind as they were at `heard_at`, or later; objects are not to be written to."""

    bodies: Mapping[Key, Body]
    heard_at: float


@dataclass(frozen=True, slots=True)
class Copies:
    """What stands for the lists of a look; None where that is to be listed."""

    mirrors: Copy | None = None
    claims: Copy | None = None

    @property
    def heard_at(self) -> float | None:
        """How old what is here may be; None where there is nothing."""
        return min((each.heard_at for each in (self.mirrors, self.claims) if each is not None), default=None)


NO_COPIES = Copies()


class Kept:
    """The objects of one kind on one cluster."""

    def __init__(self, resource: Resource, clock: Clock) -> None:
        self.resource = resource
        self._clock = clock
        self._lock = Lock()
        self._seen: dict[Key, Seen] | None = None
        self._heard_at = 0.0  # by the wall clock
        self._heard = 0.0  # by the monotonic one
        self._is_up = False

    def copy(self) -> Copy | None:
        """None while it is not to be believed."""
        with self._lock:
            late = self._clock.monotonic() - self._heard > FRESH_SECONDS
            if self._seen is None or not self._is_up or late:
                return None
            return Copy({key: seen.body for key, seen in self._seen.items()}, self._heard_at)

    def follow(
        self, client: KubernetesClient, look: Look, changed: Callable[[Collection[Key]], None]
    ) -> None:
        """Keep what is told until the look's end, and pass on which objects it was about.

        Raises what `watching.watch` raises. What is told first of all is no change.
        """
        try:
            subject = Subject(resource=self.resource, essence=essence_of(self.resource))
            with closing(follow(client, subject, look)) as told:
                for each in told:
                    keys = self._mark(each) if isinstance(each, Mark) else self._take(each)
                    del each  # the next one may be long in coming, and this one all there is
                    if keys:
                        changed(keys)
        finally:
            with self._lock:
                self._is_up = False

    def _mark(self, mark: Mark) -> Collection[Key]:
        with self._lock:
            self._is_up = mark is Mark.HEARD
            if self._is_up:
                self._note_time()
        return ()

    def _take(self, told: Told) -> Collection[Key]:
        """Which objects are not what they were."""
        with self._lock:
            if isinstance(told, Snapshot):
                return self._replace(told)
            seen = told.seen
            kept = self._seen if self._seen is not None else {}
            if told.kind is Kind.DELETED:
                kept.pop(_key(seen), None)
            else:
                kept[_key(seen)] = seen
            self._seen = kept
            return (_key(seen),)

    def _replace(self, told: Snapshot) -> Collection[Key]:
        """Everything anew; the stream that goes on from it was not heard yet, and the list is as good."""
        before, now = self._seen, {_key(seen): seen for seen in told.listing.items}
        self._seen = {key: _same(before, key, seen) or seen for key, seen in now.items()}
        self._is_up = True
        self._note_time()
        if before is None:
            return ()
        return [
            key
            for key in before.keys() | self._seen.keys()
            if _version(before.get(key)) != _version(self._seen.get(key))
        ]

    def _note_time(self) -> None:
        self._heard_at, self._heard = self._clock.now(), self._clock.monotonic()


def _key(seen: Seen) -> Key:
    return seen.namespace, seen.name


def _same(before: Mapping[Key, Seen] | None, key: Key, seen: Seen) -> Seen | None:
    """The object that is kept already, if it is still that: what was made of it stands."""
    kept = before.get(key) if before is not None else None
    return kept if _version(kept) == _version(seen) else None


def _version(seen: Seen | None) -> tuple[str, str] | None:
    return None if seen is None else (seen.uid, seen.version)
