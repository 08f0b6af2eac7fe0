"""How hard to try: retrying through tenacity, behind persisted circuit breakers, within a deadline.

The decisions are the core's (`core.retry`, `core.breaker`); here they meet the clock, threads and the store.
`call` is the one way to a backend: it asks the breaker before, reports to it after, and waits in between where
another attempt is allowed. What a request is and what its answer means is left to the drivers.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Protocol, TypeVar

from tenacity import RetryCallState, Retrying

from replctl.clock import Cancel, Clock
from replctl.core import breaker as rules
from replctl.core.breaker import BreakerSettings, BreakerState, Position, Rejection, Ticket
from replctl.core.durations import format_time
from replctl.core.errors import (
    BackendUnwell,
    BreakerOpen,
    Busy,
    Interrupted,
    InvalidInput,
    NeverSent,
    NoCredential,
    ReplctlError,
    excerpt,
)
from replctl.core.events import BreakerMoved, Noticed, Report, WillRetry
from replctl.core.model import TroubleKind
from replctl.core.retry import CALL_CLASSES, RetryBudget, RetryPolicy

T = TypeVar("T")

SLICE_SECONDS = 0.1  # how often a wait that two things can end looks at the second of them
KEPT_CHARACTERS = 300  # of an error's text that a breaker keeps


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How hard to look: until when (on the monotonic clock), retrying or not, past an open breaker or not.

    `kept`: what a driver was told of lately, without asking, will do; never before a change.

    `silence_seconds` is how long one answer may take; None where only the deadline counts. A look that takes many
    answers may so be long, and still tell soon that a site is dead.
    """

    deadline: float
    retry: bool = False
    probe: bool = False
    cancel: Cancel | None = None
    silence_seconds: float | None = None
    kept: bool = False

    def remaining(self, clock: Clock) -> float:
        """Seconds until the deadline, never below zero."""
        return max(0.0, self.deadline - clock.monotonic())

    @property
    def is_cancelled(self) -> bool:
        return self.cancel is not None and self.cancel.is_set


class NotAsked(NeverSent):
    """The deadline ended before the backend was asked; that says nothing about the backend."""

    trouble = TroubleKind.BREAKER
    retryable = False
    unwell = False


# Errors of our own side: the backend was not asked, or not to the end, and may be well or not.
_SAYS_NOTHING = (NotAsked, BreakerOpen, Interrupted, InvalidInput, NoCredential)


class BreakerStore(Protocol):
    """The part of the store that breakers need; writers and readers raise ReplctlError."""

    def breaker(self, backend: str, call_class: str) -> BreakerState | None: ...
    def save_breaker(self, backend: str, call_class: str, state: BreakerState) -> None: ...


class Lock(Protocol):
    """What `threading.Lock` and `threading.Semaphore` have in common."""

    def acquire(self, *, timeout: float) -> bool: ...
    def release(self) -> None: ...


@contextmanager
def held(lock: Lock, look: Look, clock: Clock, why: str) -> Iterator[None]:
    """Hold a lock for the length of a `with`; raises NotAsked at the deadline and Interrupted at the cancel.

    `why` says what was still so when the wait ended in vain.
    """
    while not lock.acquire(timeout=min(SLICE_SECONDS, look.remaining(clock))):
        if look.is_cancelled:
            raise Interrupted(f"interrupted: {why}")
        if not look.remaining(clock):
            raise NotAsked(f"{why} at the deadline, so that it was not asked")
    try:
        yield
    finally:
        lock.release()


class Slots:
    """At most so many calls at once; a wait for a free one ends with the deadline or the cancel."""

    def __init__(self, count: int, clock: Clock) -> None:
        self._count = count
        self._clock = clock
        self._free = threading.BoundedSemaphore(count)

    def taken(self, look: Look) -> AbstractContextManager[None]:
        """Hold one for the length of a `with`; raises NotAsked or Interrupted when none comes free in time."""
        return held(self._free, look, self._clock, f"all {self._count} connections were still busy")


class Budget:
    """A backend's retry budget, shared by all threads of the process."""

    def __init__(self, budget: RetryBudget | None = None) -> None:
        self._lock = threading.Lock()
        self._bucket = budget or RetryBudget()

    @property
    def retries(self) -> int:
        return self._bucket.retries

    def earn(self) -> None:
        """A first attempt was made."""
        with self._lock:
            self._bucket = self._bucket.earned()

    def spend(self) -> bool:
        """Take one retry; false when there is none left."""
        with self._lock:
            left = self._bucket.spent()
            self._bucket = left or self._bucket
            return left is not None


class Breaker:
    """One backend's breaker for one class of calls: shared by threads, and by processes through the store.

    In memory, written when the next process must know (R38). A store that cannot be read or written is said
    once and then done without: looking goes on. Another process's word counts when its generation is newer,
    so that `breaker reset` reaches a daemon.
    """

    def __init__(
        self,
        backend: str,
        call_class: str,
        *,
        settings: BreakerSettings,
        store: BreakerStore | None,
        clock: Clock,
        report: Report,
    ) -> None:
        self.backend = backend
        self.call_class = call_class
        self._settings = settings
        self._store = store
        self._clock = clock
        self._report = report
        self._lock = threading.Lock()
        self._said_store = False
        self._probe_ended = Cancel()
        self._events: list[BreakerMoved | Noticed] = []
        self._state = BreakerState()
        with self._lock:
            self._state = self._stored() or self._state
        self._say()

    @property
    def state(self) -> BreakerState:
        """The figures (R37), as this process knows them."""
        return self._state

    def ask(self, look: Look) -> Ticket:
        """Leave to make one call; raises BreakerOpen. Waits for another's probe within the look's deadline."""
        while True:
            with self._lock:
                answer, probe_ended = self._ask(look), self._probe_ended
            self._say()
            if isinstance(answer, Ticket):
                return answer
            left = look.remaining(self._clock)
            if look.is_cancelled:
                raise Interrupted("interrupted while waiting for the result of a probe", backend=self.backend)
            if not answer.waiting or not left:
                raise self._refusal(answer)
            self._clock.wait(min(SLICE_SECONDS, left), probe_ended)

    def report(self, ticket: Ticket, error: ReplctlError | None) -> None:
        """A call ended, well or with `error`; whether that counts against the backend the error knows."""
        if isinstance(error, _SAYS_NOTHING):
            self.release(ticket)
            return
        ok = error is None or not error.unwell
        text = None if ok else excerpt(str(error), KEPT_CHARACTERS)
        now = self._clock.now()
        with self._lock:
            self._become(rules.report(self._state, self._settings, ticket, ok, now, text))
        self._say()

    def release(self, ticket: Ticket) -> None:
        """A call ended that says nothing about the backend."""
        with self._lock:
            self._become(rules.release(self._state, ticket))

    def reset(self) -> None:
        """Close it by hand; raises what the store raises, since the next process would not know otherwise."""
        with self._lock:
            state = rules.reset(self._newer() or self._state)
            self._note_move(self._state, state)
            self._settle(state)
            if self._store is not None:
                self._store.save_breaker(self.backend, self.call_class, state.memorable)
        self._say()

    def would_reject(self, at: float) -> bool:
        """Whether a call at that time would be rejected, as far as is known now."""
        state = self._state
        return state.position is Position.OPEN and not rules.is_recovered(state, self._settings, at)

    def _ask(self, look: Look) -> Ticket | Rejection:
        if self._state.position is not Position.CLOSED and (newer := self._newer()):
            self._settle(newer)
        state, answer = rules.ask(
            self._state,
            self._settings,
            self._clock.now(),
            patience_seconds=look.remaining(self._clock),
            past=look.probe,
        )
        self._become(state)
        return answer

    def _refusal(self, rejection: Rejection) -> BreakerOpen:
        until = format_time(math.ceil(rejection.retry_at))
        error = BreakerOpen(
            f"circuit breaker is open until {until}: the last calls failed, so that it was not asked",
            remedy=f"ask all the same with --probe, or forget the failures: replctl breaker reset {self.backend}",
            backend=self.backend,
            retry_at=rejection.retry_at,
        )
        if rejection.last_error:
            error.__cause__ = BackendUnwell(rejection.last_error)
        return error

    def _become(self, state: BreakerState) -> None:
        """Take on a state that the rules gave; write it if the next process must know it."""
        before = self._state
        if state is before:
            return
        if rules.is_worth_keeping(before, state):
            if newer := self._newer():
                # another process moved on meanwhile: what began before that changes nothing (R36)
                self._settle(newer)
                return
            self._save(state)
        self._note_move(before, state)
        self._settle(state)

    def _settle(self, state: BreakerState) -> None:
        """Hold the state, and wake who waits for a probe when that probe is no longer under way."""
        probing = self._state.permit
        self._state = state
        if probing is not None and state.permit != probing:
            self._probe_ended.set()
            self._probe_ended = Cancel()

    def _newer(self) -> BreakerState | None:
        stored = self._stored()
        return stored if stored is not None and stored.generation > self._state.generation else None

    def _stored(self) -> BreakerState | None:
        if self._store is None:
            return None
        try:
            stored = self._store.breaker(self.backend, self.call_class)
        except ReplctlError as error:
            self._note_store(error)
            return None
        return stored.memorable if stored is not None else None

    def _save(self, state: BreakerState) -> None:
        if self._store is None:
            return
        try:
            self._store.save_breaker(self.backend, self.call_class, state.memorable)
        except ReplctlError as error:
            self._note_store(error)
        else:
            self._said_store = False

    def _note_store(self, error: ReplctlError) -> None:
        if self._said_store:
            return
        self._said_store = True
        message = f"the circuit breaker is kept in memory only: {error}"
        self._events.append(Noticed(topic="breaker-store", message=message, backend=self.backend))

    def _note_move(self, before: BreakerState, after: BreakerState) -> None:
        if before.position is not after.position:
            self._events.append(
                BreakerMoved(
                    backend=self.backend,
                    call_class=self.call_class,
                    origin=before.position,
                    target=after.position,
                    retry_at=after.retry_at if after.position is Position.OPEN else None,
                )
            )

    def _say(self) -> None:
        """Tell what happened, outside of the lock: a subscriber may take its time, or ask us."""
        if not self._events:
            return
        with self._lock:
            events, self._events = self._events, []
        for event in events:
            self._report(event)


class BreakerBoard:
    """All breakers of this process, by backend and class of calls; one backend's never touches another's.

    Without a store they live in memory only.
    """

    def __init__(
        self, settings: BreakerSettings, store: BreakerStore | None, clock: Clock, report: Report
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._report = report
        self._lock = threading.Lock()
        self._breakers: dict[tuple[str, str], Breaker] = {}

    def breaker(self, backend: str, call_class: str) -> Breaker:
        """The one breaker for these; made, and read from the store, when it is first asked for."""
        known = self._breakers.get((backend, call_class))
        if known is not None:
            return known
        made = Breaker(
            backend,
            call_class,
            settings=self._settings,
            store=self._store,
            clock=self._clock,
            report=self._report,
        )
        with self._lock:
            return self._breakers.setdefault((backend, call_class), made)

    def figures(self) -> Mapping[tuple[str, str], BreakerState]:
        """The state of every breaker that was used in this process."""
        return {key: breaker.state for key, breaker in dict(self._breakers).items()}

    def reset(self, backend: str) -> None:
        """Close the backend's breakers by hand; raises StoreRefused when that cannot be kept."""
        for call_class in CALL_CLASSES:
            self.breaker(backend, call_class).reset()


def call(
    function: Callable[[], T],
    *,
    policy: RetryPolicy,
    board: BreakerBoard,
    backend: str,
    call_class: str,
    operation: str,
    look: Look,
    clock: Clock,
    report: Report,
    budget: Budget,
) -> T:
    """Run `function` behind its breaker, again where that is allowed (design §6).

    At most `policy.max_attempts` runs. What the caller gets in the end is the last real error; a breaker that
    opens in between does not hide it. Raises BreakerOpen when nothing was asked at all, and Interrupted, with
    the last real error as its cause, when the look was cancelled.
    """
    effort = _Effort(
        policy=policy,
        breaker=board.breaker(backend, call_class),
        operation=operation,
        look=look,
        clock=clock,
        report=report,
        budget=budget,
    )
    budget.earn()
    return effort.run(function)


@dataclass(slots=True, kw_only=True)
class _Effort:
    """One call's course, in the parts that tenacity asks for: whether again, how long to wait, when to stop."""

    policy: RetryPolicy
    breaker: Breaker
    operation: str
    look: Look
    clock: Clock
    report: Report
    budget: Budget
    last: ReplctlError | None = None

    def run(self, function: Callable[[], T]) -> T:
        if not self.look.retry:
            return self.attempt(function)
        retrying = Retrying(
            retry=self.should_retry,
            wait=self.delay,
            stop=self.should_stop,
            before_sleep=self.announce,
            sleep=self.sleep,
            reraise=True,
        )
        result: T = retrying(self.attempt, function)
        return result

    def attempt(self, function: Callable[[], T]) -> T:
        """Once: with the breaker's leave, and its result reported to the breaker."""
        if self.look.is_cancelled:
            raise Interrupted(
                f"{self.operation} was interrupted", backend=self.breaker.backend
            ) from self.last
        ticket = self._leave()
        try:
            result = function()
        except ReplctlError as error:
            self.last = error
            self.breaker.report(ticket, error)
            raise
        except BaseException:
            self.breaker.release(ticket)
            raise
        self.breaker.report(ticket, None)
        return result

    def should_retry(self, state: RetryCallState) -> bool:
        error = _error_of(state)
        return self.policy.should_retry(error, state.attempt_number, self.breaker.call_class)

    def delay(self, state: RetryCallState) -> float:
        """By the schedule, and not before the backend wants to be asked again."""
        seconds = self.policy.next_delay(state.attempt_number, self.clock.chance())
        error = _error_of(state)
        if isinstance(error, Busy) and error.retry_at is not None:
            seconds = max(seconds, error.retry_at - self.clock.now())
        return seconds

    def should_stop(self, state: RetryCallState) -> bool:
        """When waiting would be in vain, or when the budget, asked last because it pays, is spent."""
        seconds = state.upcoming_sleep
        if seconds >= self.look.remaining(self.clock):
            return True
        if not self.look.probe and self.breaker.would_reject(self.clock.now() + seconds):
            return True
        return not self.budget.spend()

    def announce(self, state: RetryCallState) -> None:
        error = _error_of(state)
        self.report(
            WillRetry(
                backend=self.breaker.backend,
                operation=self.operation,
                attempt=state.attempt_number + 1,
                wait_seconds=state.upcoming_sleep,
                reason=error.message if error is not None else "",
            )
        )

    def sleep(self, seconds: float) -> None:
        self.clock.wait(seconds, self.look.cancel)

    def _leave(self) -> Ticket:
        try:
            return self.breaker.ask(self.look)
        except BreakerOpen as rejection:
            rejection.operation = self.operation
            if self.last is not None:
                raise self.last from self.last.__cause__
            raise


def _error_of(state: RetryCallState) -> ReplctlError | None:
    error = state.outcome.exception() if state.outcome is not None else None
    return error if isinstance(error, ReplctlError) else None
