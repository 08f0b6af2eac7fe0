"""The one worker of Trident's controller: queue, informer cache, retries, restarts (CT §3).

All its kinds share one queue and one thread: while a job of ONTAP runs, everything else waits. What is done with an
object is said by a handler for its kind, a generator that waits in virtual time and ends with a `Verdict`.
"""

import json
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import Enum

from replctl.simulator.agenda import Process
from replctl.simulator.kubernetes.kinds import KINDS, MIRROR, SNAPSHOT_INFO, UPDATE, Kind
from replctl.simulator.kubernetes.statuses import Object
from replctl.simulator.kubernetes.store import ADDED, DELETED, Change, Key
from replctl.simulator.trident.site import Site

FIRST_DELAY_SECONDS = 0.005
LONGEST_DELAY_SECONDS = 1000.0
WATCHED = (MIRROR, UPDATE, SNAPSHOT_INFO)
_BY_RESOURCE = {kind.resource: kind for kind in KINDS}


class Verdict(Enum):
    """How a pass over an object ended: for good, to be tried again later, or at once."""

    DONE = "done"
    DEFERRED = "deferred"
    AGAIN = "again"


class Panic(Exception):
    """The controller falls over: nobody recovers in its worker."""


@dataclass(frozen=True, slots=True)
class Item:
    """An entry of the queue; `event`: add, update or retry."""

    kind: Kind
    key: Key
    event: str


Handler = Callable[[Item, float], Generator[float, float, Verdict]]
# Whether an update of an object is worth a pass: old, new, time.
Filter = Callable[[Object, Object, float], bool]


class Controller:
    """The worker with its queue and its cache."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.paused = False
        self.restarts = 0
        self.handlers: dict[Kind, Handler] = {}
        self.filters: dict[Kind, Filter] = {}
        self._cache: dict[tuple[Kind, Key], Object] = {}
        self._queue: deque[Item] = deque()
        self._failures: dict[tuple[Kind, Key], int] = {}
        self._working = False
        self._life = 0
        self._alive = True
        site.cluster.registry.store.listeners.append(self._hear)

    def cached(self, kind: Kind, key: Key) -> Object | None:
        """An object as the informer has it: what was stored a moment ago."""
        found = self._cache.get((kind, key))
        return None if found is None else json.loads(json.dumps(found))

    # Events

    def _hear(self, change: Change) -> None:
        kind = _BY_RESOURCE.get(change.resource)
        if kind in WATCHED:
            at = change.at + self.site.durations["informer_lag"]
            self.site.agenda.later(at, lambda then: self._deliver(kind, change, then))

    def _deliver(self, kind: Kind, change: Change, at: float) -> None:
        if not self._alive:
            return  # it lists everything anew when it is back
        if change.type == DELETED:
            self._cache.pop((kind, change.key), None)
            return
        new: Object = json.loads(change.after)
        old = self._cache.get((kind, change.key))
        self._cache[kind, change.key] = new
        if change.type == ADDED or old is None:
            self.enqueue(Item(kind, change.key, "add"), at)
        elif kind in self.filters and self.filters[kind](old, new, at):
            self.enqueue(Item(kind, change.key, "update"), at)

    def enqueue(self, item: Item, at: float) -> None:
        """Put an entry at the end of the queue; the same may be in it more than once."""
        self._queue.append(item)
        self._work(at)

    # The worker

    def pause(self, paused: bool, now: float) -> None:
        """Take nothing more from the queue, or go on."""
        self.paused = paused
        self._work(now)

    def _work(self, at: float) -> None:
        if self._working or self.paused or not self._alive or not self._queue:
            return
        self._working = True
        life = self._life
        self.site.agenda.run(self._pass(self._queue.popleft()), at, lambda: self._life == life)

    def _pass(self, item: Item) -> Process:
        now = yield 0.0
        try:
            verdict = yield from self._timed(item, now)
        except Panic:
            self.restart(self._now, crashed=True)
            return
        self._working = False
        self._judge(item, verdict, self._now)
        self._work(self._now)

    def _timed(self, item: Item, now: float) -> Generator[float, float, Verdict]:
        """A handler's waits, handed on, with the time kept."""
        self._now = now
        handler = self.handlers[item.kind](item, now)
        try:
            seconds = next(handler)
            while True:
                self._now = yield seconds
                seconds = handler.send(self._now)
        except StopIteration as end:
            verdict: Verdict = end.value
            return verdict

    def _judge(self, item: Item, verdict: Verdict, now: float) -> None:
        place = (item.kind, item.key)
        again = Item(item.kind, item.key, "retry")
        if verdict is Verdict.DEFERRED:
            count = self._failures.get(place, 0)
            self._failures[place] = count + 1
            delay = min(FIRST_DELAY_SECONDS * 2.0**count, LONGEST_DELAY_SECONDS)
            self._later(now + delay, again)
        elif verdict is Verdict.AGAIN:
            self._later(now + self.site.durations["requeue"], again)
        else:
            self._failures.pop(place, None)

    def _later(self, at: float, item: Item) -> None:
        life = self._life

        def deed(then: float) -> None:
            if self._life == life:
                self.enqueue(item, then)

        self.site.agenda.later(at, deed)

    # Falling over

    def restart(self, now: float, *, crashed: bool = False) -> None:
        """The controller's pod goes down and comes back: the queue is lost, everything is added again."""
        self._life += 1
        self.restarts += 1
        self._alive = self._working = False
        self._queue.clear()
        self._failures.clear()
        self._cache.clear()
        life = self._life

        def deed(then: float) -> None:
            if self._life == life:
                self._begin(then)

        self.site.agenda.later(now + self.site.durations["controller_restart"], deed)

    def _begin(self, at: float) -> None:
        self._alive = True
        store = self.site.cluster.registry.store
        for kind in WATCHED:
            for key in store.keys(kind):
                body = store.read(kind, key)
                if body is not None:
                    self._cache[kind, key] = body
                    self.enqueue(Item(kind, key, "add"), at)

    def know(self, kind: Kind, key: Key) -> None:
        """Have an object in the cache without a pass over it, as after a long life."""
        body = self.site.cluster.registry.store.read(kind, key)
        if body is not None:
            self._cache[kind, key] = body
