"""One thing at a time, in an order that the seed alone decides, though replctl asks both sites at once.

Threads of replctl run in turns: one runs until it waits or ends, then the next one; when all wait, the world's time
moves to the first that is due. So a run is the same run each time, and everything that happens "meanwhile" (weather,
another operator, Ctrl-C, a kill) has its place: at a time on the way, or at the n-th moment of a command.

A moment is a place where a process can die or others can come in between: right before and right after a request is
sent, right before and right after something is written to the store. Those around a change are told apart, because
there are few of them and most depends on them.
"""

from __future__ import annotations

import heapq
import itertools
import random
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from replctl import correlation
from replctl.clock import Cancel
from replctl.daemon import hands
from replctl.drivers import wire
from replctl.engine import backends, fleet
from replctl.store import database

STUCK_SECONDS = 60.0  # of real time for one turn: nothing that runs takes so long


class Killed(BaseException):
    """The process is dead, as by kill -9: nothing of it writes or sends anything any more."""


@dataclass
class Process:
    """One command, or the daemon, as something that can be killed; `moments` are counted from 1.

    `changes` are the moments right before and after a change is sent: 1 before the first, 2 after it, and so on.
    """

    name: str
    dies_at: int | None = None
    dies_at_change: int | None = None
    dead: bool = False
    moments: int = 0
    changes: int = 0
    correlations: set[str] = field(default_factory=set)
    counted: Counter[tuple[str, bool]] | None = (
        None  # reconciles by replication and success, where that is known
    )
    deeds: dict[int, Callable[[], None]] = field(default_factory=dict)
    deeds_at_change: dict[int, Callable[[], None]] = field(default_factory=dict)
    wires: list[Any] = field(default_factory=list)

    def close(self) -> None:
        """What the kernel does when a process is gone."""
        for each in self.wires:
            each.close()

    @property
    def fate(self) -> str:
        """When it will die, in words."""
        if self.dies_at is not None:
            return f"   (dies at moment {self.dies_at})"
        if self.dies_at_change is None:
            return ""
        when = "after" if self.dies_at_change % 2 == 0 else "before"
        return f"   (dies right {when} its change {(self.dies_at_change + 1) // 2})"

    def moment(self) -> None:
        if self.dead:
            raise Killed(self.name)
        self.moments += 1
        deed = self.deeds.pop(self.moments, None)
        if deed is not None:
            deed()
        if self.moments == self.dies_at:
            self._die()

    def change(self) -> None:
        """A moment right before, or right after, a change is sent."""
        self.changes += 1
        deed = self.deeds_at_change.pop(self.changes, None)
        if deed is not None:
            deed()
        if self.changes == self.dies_at_change:
            self._die()

    def _die(self) -> None:
        self.dead = True
        raise Killed(self.name)


_process: ContextVar[Process | None] = ContextVar("fuzz_process", default=None)


def moment(*, of_change: bool = False) -> None:
    """A place at which whatever runs here can be killed."""
    process = _process.get()
    if process is not None:
        process.moment()
        if of_change:
            process.change()


@contextmanager
def running_as(process: Process) -> Iterator[None]:
    token = _process.set(process)
    try:
        yield
    finally:
        _process.reset(token)


class _Course:
    """A call in a thread of its own that runs only while it has the turn."""

    def __init__(self, call: Callable[[], Any]) -> None:
        self._call = call
        self._context = copy_context()
        self._go = threading.Semaphore(0)
        self._back = threading.Semaphore(0)
        self.result: Any = None
        self.error: BaseException | None = None
        self.ended = False
        self.due = 0.0
        self.abandoned = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self._go.acquire()
        try:
            self.result = self._context.run(self._in_turn)
        except BaseException as error:
            self.error = error
        self.ended = True
        self._back.release()

    def _in_turn(self) -> Any:
        _course.set(self)
        return self._call()

    def turn(self) -> None:
        """Let it run until it waits or ends."""
        self._go.release()
        if not self._back.acquire(timeout=STUCK_SECONDS):
            raise AssertionError("a thread of replctl neither waits nor ends")

    def park(self, until: float) -> None:
        """Called in it: let others run until the world's time has come."""
        self.due = until
        self._back.release()
        self._go.acquire()
        if self.abandoned:
            raise Killed

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.abandoned = True
        while not self.ended:
            self.turn()


_course: ContextVar[_Course | None] = ContextVar("fuzz_course", default=None)


class TurnClock:
    """The world's clock for everything that runs in turns; what is due on the way is done, in order."""

    def __init__(self, control: Any, seed: int) -> None:
        self._control = control
        self._chance = random.Random(seed)
        self._numbers = itertools.count()
        self._due: list[tuple[float, int, Callable[[Cancel | None], None]]] = []

    def now(self) -> float:
        return float(self._control.now())

    def monotonic(self) -> float:
        return self.now()

    def chance(self) -> float:
        return self._chance.random()

    def schedule(self, seconds: float, deed: Callable[[Cancel | None], None]) -> None:
        """Have something done in so many seconds, on the way of whoever waits then."""
        heapq.heappush(self._due, (self.now() + seconds, next(self._numbers), deed))

    def forget(self) -> None:
        self._due.clear()

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if cancel is not None and cancel.is_set:
            return True
        target = self.now() + max(0.0, seconds)
        course = _course.get()
        if course is not None:
            course.park(target)
        while self._due and self._due[0][0] <= target:
            at, _, deed = heapq.heappop(self._due)
            self._move_to(at)
            deed(cancel)
            if cancel is not None and cancel.is_set:
                return True
        self._move_to(target)
        return cancel is not None and cancel.is_set

    def _move_to(self, at: float) -> None:
        left = at - self.now()
        if left > 0:
            self._control.advance(left)

    # -- what stands in for threads --------------------------------------------------------------------------

    def in_turns(self, courses: Sequence[_Course], until: float = float("inf")) -> None:
        """Run them, each in its turn, until all have ended or the time has come."""
        try:
            while alive := [course for course in courses if not course.ended]:
                ready = [course for course in alive if course.due <= self.now()]
                for course in ready:
                    course.turn()
                if ready:
                    continue
                next_at = min(course.due for course in alive)
                if next_at > until:
                    self.wait(until - self.now())
                    return
                self.wait(next_at - self.now())
        finally:
            for course in courses:
                if not course.ended:
                    course.abandon()


class _Inline(Executor):
    """A pool whose one worker is whoever asks."""

    def __init__(self, max_workers: int = 1, **_: Any) -> None:
        self._most = max_workers

    def submit(self, call: Callable[..., Any], /, *arguments: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(call(*arguments, **named))
        except BaseException as error:
            future.set_exception(error)
        return future


def _users_of(thing: Any) -> list[Any]:
    """The modules of replctl that have imported it; all that commands need are loaded by then."""
    return [
        module
        for name, module in sorted(sys.modules.items())
        if name.startswith("replctl.") and vars(module).get(thing.__name__) is thing
    ]


@contextmanager
def taking_turns(clock: TurnClock, seed: int) -> Iterator[None]:
    """replctl with its threads in turns, its moments counted, and its ids drawn by the seed."""
    ids = random.Random(f"ids {seed}")

    def ask_at_once(calls: Mapping[str, Callable[[], Any]], patience_seconds: float) -> dict[str, Any]:
        courses = {name: _Course(call) for name, call in calls.items()}
        clock.in_turns(list(courses.values()), clock.now() + patience_seconds)
        return _results(courses)

    def members_at_once(call: Callable[[Any], Any], items: Sequence[Any], most: int) -> list[Any]:
        if min(len(items), most) <= 1:
            return [call(item) for item in items]
        answers: dict[int, Any] = {}
        waiting = iter(list(enumerate(items)))

        def work() -> None:
            for number, item in waiting:
                answers[number] = call(item)

        workers = {str(number): _Course(work) for number in range(min(most, len(items)))}
        clock.in_turns(list(workers.values()))
        _results(workers)
        return [answers[number] for number in range(len(items))]

    def take(self: Any, key: str, call: Callable[[], None], stuck: frozenset[str] = frozenset()) -> bool:
        copy_context().run(call)
        return True

    real_send, real_transaction = wire.Wire.send, database.Database.transaction

    def send(self: Any, request: Any, *arguments: Any, **named: Any) -> Any:
        moment(of_change=request.changes)
        process = _process.get()
        if process is not None:
            process.correlations.add(correlation.current())
            if self not in process.wires:
                process.wires.append(self)
        try:
            return real_send(self, request, *arguments, **named)
        finally:
            moment(of_change=request.changes)

    @contextmanager
    def transaction(self: Any, *arguments: Any, **named: Any) -> Iterator[Any]:
        moment()
        with real_transaction(self, *arguments, **named) as connection:
            yield connection
        moment()

    def drawn() -> Any:
        return type("Drawn", (), {"hex": f"{ids.getrandbits(128):032x}"})()

    with ExitStack() as stack:
        for place, name, stand_in in (
            (backends, "at_once", ask_at_once),
            (fleet, "at_once", members_at_once),
            (hands.Hands, "take", take),
            (wire.Wire, "send", send),
            (database.Database, "transaction", transaction),
            *((module, "ThreadPoolExecutor", _Inline) for module in _users_of(ThreadPoolExecutor)),
            *((module, "uuid4", drawn) for module in _users_of(uuid.uuid4)),
        ):
            stack.enter_context(patch.object(place, name, stand_in))
        yield


def _results(courses: Mapping[str, _Course]) -> dict[str, Any]:
    """What came back of those that ended; the first error is raised."""
    for course in courses.values():
        if course.error is not None and not course.abandoned:
            raise course.error
    return {name: course.result for name, course in courses.items() if course.error is None}
