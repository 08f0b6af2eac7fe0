"""The circuit breaker as values: ask before, report after, and ignore what began in an earlier state.

Pure: `now` is passed in. Numbers, names and rules: design §6, R32-R38. A breaker stands for one backend and one
class of calls (`read` or `change`); who keeps it, locks it and persists it is `replctl.resilience`.

    closed --5 failures in a row--> open --recovery time over, or asked past--> half-open --2 successes--> closed
                                     ^                                              |
                                     +-----------------one failure-----------------+
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

from replctl.core.errors import Finding, InvalidInput
from replctl.core.values import dataclass

PERMIT_GRACE_SECONDS = 5.0  # a permit's holder that is silent so long past its deadline is given up


class Position(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    """When a breaker moves; raises InvalidInput for numbers that would never let it."""

    failure_threshold: int = 5
    success_threshold: int = 2
    recovery_seconds: float = 60.0

    def __post_init__(self) -> None:
        findings = [
            Finding(name, repr(value), "must be a number above zero")
            for name in ("failure_threshold", "success_threshold", "recovery_seconds")
            if not 0 < (value := getattr(self, name)) < float("inf")
        ]
        if findings:
            raise InvalidInput("the circuit breaker's settings are wrong", findings=findings)


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What a breaker knows; `generation` grows with every change of position (R36, R37). Times are wall clock.

    `failures` counts consecutive ones, `successes` those since it is half-open. `permit*` is the one call that
    half-open lets through: its number (of `permits` given in this generation), when it was given and until when
    its holder may be silent. It belongs to this process: `memorable` leaves it out.
    """

    position: Position = Position.CLOSED
    failures: int = 0
    successes: int = 0
    generation: int = 0
    opened_at: float | None = None
    retry_at: float | None = None
    last_failure_at: float | None = None
    last_success_at: float | None = None
    last_error: str | None = None
    permits: int = 0
    permit: int | None = None
    permit_at: float | None = None
    permit_until: float | None = None

    @property
    def memorable(self) -> BreakerState:
        """What the next process may rely on: all but the permit, whose holder ends with this one."""
        return replace(self, permits=0, permit=None, permit_at=None, permit_until=None)


@dataclass(frozen=True, slots=True)
class Ticket:
    """Leave to call. It belongs to one generation; `permit` is set on the one call of a half-open breaker."""

    generation: int
    permit: int | None = None


@dataclass(frozen=True, slots=True)
class Rejection:
    """No leave to call. `waiting` says that a probe is under way whose result may be awaited."""

    retry_at: float
    last_error: str | None
    waiting: bool = False


def ask(
    state: BreakerState,
    settings: BreakerSettings,
    now: float,
    *,
    patience_seconds: float = 0.0,
    past: bool = False,
) -> tuple[BreakerState, Ticket | Rejection]:
    """May a call be made? `patience_seconds` is what is left until the caller's deadline.

    `past` asks past an open breaker (R38): it counts as though the recovery time were over, and does not wait
    for another's permit. The result is reported like any other.
    """
    if state.position is Position.CLOSED:
        return state, Ticket(state.generation)
    if state.position is Position.OPEN:
        if not past and not is_recovered(state, settings, now):
            return state, Rejection(state.retry_at or now, state.last_error)
        state = _moved(state, Position.HALF_OPEN)
    if _is_taken(state, now):
        return state, Ticket(state.generation) if past else _wait_for_probe(state, now)
    return _permit(state, now, patience_seconds)


def is_recovered(state: BreakerState, settings: BreakerSettings, now: float) -> bool:
    """Whether an open breaker may be tried again.

    A stored time that cannot be counts as past: opened in the future, or waiting longer than a whole recovery
    time, which is what a clock that was set back looks like.
    """
    if state.retry_at is None or state.opened_at is None:
        return True
    return not (state.opened_at <= now < state.retry_at <= now + settings.recovery_seconds)


def report(
    state: BreakerState,
    settings: BreakerSettings,
    ticket: Ticket,
    ok: bool,
    now: float,
    error: str | None = None,
) -> BreakerState:
    """The state after a call ended; `ok` unless its result says "this backend is unwell".

    A result that began in an earlier generation changes nothing (R36). `error` is the text of the failure,
    already fit to be shown and stored.
    """
    if ticket.generation != state.generation:
        return state
    state = release(state, ticket)
    return _succeeded(state, settings, now) if ok else _failed(state, settings, now, error)


def release(state: BreakerState, ticket: Ticket) -> BreakerState:
    """The state after a call that says nothing about the backend (cancelled, never made): its permit is free."""
    if ticket.permit is None or ticket.generation != state.generation or ticket.permit != state.permit:
        return state
    return replace(state, permit=None, permit_at=None, permit_until=None)


def reset(state: BreakerState) -> BreakerState:
    """By hand (R37): closed, nothing counted; calls under way belong to an earlier state from now on."""
    return replace(_moved(state, Position.CLOSED), failures=0, opened_at=None, retry_at=None)


def is_worth_keeping(before: BreakerState, after: BreakerState) -> bool:
    """Whether the next process must know: a failure, a move, or a count that a success changed (R38).

    The time of a success alone is not: it would write on every call.
    """
    return _kept(before) != _kept(after)


def _kept(state: BreakerState) -> tuple[object, ...]:
    return (
        state.position,
        state.generation,
        state.failures,
        state.successes,
        state.opened_at,
        state.retry_at,
        state.last_failure_at,
        state.last_error,
    )


def _moved(state: BreakerState, position: Position) -> BreakerState:
    """At another position, in a new generation, with nothing of the old one under way."""
    return replace(state.memorable, position=position, generation=state.generation + 1, successes=0)


def _is_taken(state: BreakerState, now: float) -> bool:
    if state.permit is None or state.permit_at is None or state.permit_until is None:
        return False
    return state.permit_at <= now < state.permit_until


def _wait_for_probe(state: BreakerState, now: float) -> Rejection:
    return Rejection(state.permit_until or now, state.last_error, waiting=True)


def _permit(state: BreakerState, now: float, patience_seconds: float) -> tuple[BreakerState, Ticket]:
    number = state.permits + 1  # never a silent holder's own number: its late result must not free another's
    until = now + max(0.0, patience_seconds) + PERMIT_GRACE_SECONDS
    given = replace(state, permits=number, permit=number, permit_at=now, permit_until=until)
    return given, Ticket(state.generation, number)


def _succeeded(state: BreakerState, settings: BreakerSettings, now: float) -> BreakerState:
    if state.position is Position.CLOSED:
        return replace(state, failures=0, last_success_at=now)
    state = replace(state, successes=state.successes + 1, last_success_at=now)
    if state.successes < settings.success_threshold:
        return state
    return replace(_moved(state, Position.CLOSED), failures=0, opened_at=None, retry_at=None)


def _failed(state: BreakerState, settings: BreakerSettings, now: float, error: str | None) -> BreakerState:
    state = replace(state, failures=state.failures + 1, last_failure_at=now, last_error=error)
    if state.position is Position.CLOSED and state.failures < settings.failure_threshold:
        return state
    return replace(_moved(state, Position.OPEN), opened_at=now, retry_at=now + settings.recovery_seconds)
