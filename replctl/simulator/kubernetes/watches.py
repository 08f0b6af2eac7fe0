"""Watches: a stream of every stored change, with bookmarks, a deadline, and ways to end badly (CT §12.5).

A stream runs in the connection's own thread. It waits on the world's clock, so that it wakes when time moves and
when something is written; an empty piece asks the server whether the client is still there.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from replctl.simulator.clock import LONGEST_NAP_SECONDS, VirtualClock
from replctl.simulator.kubernetes.kinds import Kind
from replctl.simulator.kubernetes.selectors import Test
from replctl.simulator.kubernetes.statuses import Object, Refused, expired
from replctl.simulator.kubernetes.store import ADDED, DELETED, MODIFIED, Change, Store
from replctl.simulator.server import Severed

BOOKMARK_SECONDS = 60.0
# The server's own deadline where the client names none.
LEAST_SECONDS, MOST_SECONDS = 1800.0, 3600.0

Dress = Callable[[Object, float], Object]


@dataclass(slots=True)
class Order:
    """How watches of a cluster shall misbehave.

    `silent`: nothing is sent until it is taken back. `turn` counts up with each order to end; open streams notice and
    `end` as they are told: closed, broken, expired, or error, with a Status of another code.
    """

    silent: bool = False
    turn: int = 0
    end: str = "closed"
    status: Object | None = None


@dataclass(slots=True)
class Watch:
    """What one client watches; `first` are synthetic events to begin with."""

    kind: Kind
    namespace: str
    tests: list[Test]
    revision: int
    bookmarks: bool
    deadline: float
    dress: Dress
    first: list[Object] = field(default_factory=list)
    ends_first: bool = False
    next_bookmark_at: float = 0.0
    turn: int = 0

    def matches(self, body: Object) -> bool:
        """Whether an object is one of those that are selected."""
        return all(test(body) for test in self.tests)

    def event(self, change: Change) -> Object | None:
        """What the client is told of a change, if anything: it sees only what it selected."""
        if change.resource != self.kind.resource or (self.namespace and change.key[0] != self.namespace):
            return None
        after: Object = json.loads(change.after)
        if not self.tests:
            return {"type": change.type, "object": after}
        was = change.before is not None and self.matches(json.loads(change.before))
        now = change.type != DELETED and self.matches(after)
        if not was and not now:
            return None
        word = (MODIFIED if was else ADDED) if now else DELETED
        return {"type": word, "object": after}


def stream(
    watch: Watch, store: Store, clock: VirtualClock, order: Order, catch_up: Callable[[float], float | None]
) -> Iterator[bytes]:
    """The pieces of a watch's answer; `catch_up(now)` moves the world on and tells when it moves next."""
    while True:
        pieces: list[bytes] = []
        looks = 0
        ended = False

        def look(now: float, pieces: list[bytes] = pieces) -> float | None:
            nonlocal ended, looks
            next_at = catch_up(now)
            ended = _collect(watch, store, now, order, pieces)
            looks += 1
            if pieces or ended:
                return None
            if looks > 1:  # woken for nothing: time to see whether the client is still there
                pieces.append(b"")
                return None
            times = [watch.deadline, now + LONGEST_NAP_SECONDS, *([next_at] if next_at is not None else [])]
            return min([*times, watch.next_bookmark_at] if watch.bookmarks else times)

        if not clock.wait(look):
            raise Severed
        yield from pieces
        if ended:
            return


def _collect(watch: Watch, store: Store, now: float, order: Order, pieces: list[bytes]) -> bool:
    """What is to be sent now; whether that is all for ever."""
    if order.turn != watch.turn:
        return _end_as_told(watch, now, order, pieces)
    if order.silent:
        return False
    pieces += [_line(watch, event, now) for event in watch.first]
    watch.first = []
    if store.is_forgotten(watch.revision):
        pieces.append(_error(expired("too old resource version").status()))
        return True
    for change in store.changes_after(watch.revision):
        event = watch.event(change)
        if event is not None:
            pieces.append(_line(watch, event, now))
    watch.revision = max(watch.revision, store.revision)
    over = now >= watch.deadline
    if watch.ends_first or (watch.bookmarks and (over or now >= watch.next_bookmark_at)):
        pieces.append(_bookmark(watch))
        watch.next_bookmark_at = now + BOOKMARK_SECONDS
        watch.ends_first = False
    return over


def _end_as_told(watch: Watch, now: float, order: Order, pieces: list[bytes]) -> bool:
    if order.end == "broken":
        raise Severed
    if order.end == "expired":
        pieces.append(_error(expired(f"too old resource version: {watch.revision}").status()))
    elif order.end == "error" and order.status is not None:
        pieces.append(_error(order.status))
    return True


def _line(watch: Watch, event: Object, now: float) -> bytes:
    return _encode({"type": event["type"], "object": watch.dress(event["object"], now)})


def _bookmark(watch: Watch) -> bytes:
    metadata: Object = {"resourceVersion": str(watch.revision)}
    if watch.ends_first:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    body = {"kind": watch.kind.name, "apiVersion": watch.kind.api_version, "metadata": metadata}
    return _encode({"type": "BOOKMARK", "object": body})


def _error(status: Object) -> bytes:
    return _encode({"type": "ERROR", "object": status})


def gone(revision: int) -> Refused:
    """410 of a watch from a version that is no longer kept."""
    return expired(f"too old resource version: {revision}")


def failed_stream(status: Object) -> Iterator[bytes]:
    """A watch that says only that it cannot begin: 200, one ERROR event, the end."""
    yield _error(status)


def _encode(event: Object) -> bytes:
    return json.dumps(event, separators=(",", ":")).encode() + b"\n"
