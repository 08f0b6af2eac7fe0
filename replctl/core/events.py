"""What can happen, as small frozen events to which screen, log and (in the daemon) metrics subscribe."""

from __future__ import annotations

from collections.abc import Callable

from replctl.core.model import Progress, State
from replctl.core.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationBegan:
    """An operation was written down, and its first change is next."""

    operation_id: str
    replication: str
    verb: str
    steps: tuple[str, ...]
    joined: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepBegan:
    """A step is next to be sent."""

    operation_id: str
    replication: str
    step: str
    number: int
    of: int
    backend: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StepWaits:
    """One look during a wait: what both ends read now, and the array's own progress."""

    operation_id: str
    replication: str
    step: str
    local_word: str
    peer_word: str
    elapsed_seconds: float
    progress: Progress | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepEnded:
    """What became of a step."""

    operation_id: str
    replication: str
    step: str
    backend: str
    outcome: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StateMoved:
    """An end moved from one state to another; `reason` is user_requested, external, drift …

    `seconds` is how long it was in the state that it left, None when that is not known.
    """

    replication: str
    backend: str
    origin: State
    target: State
    reason: str
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationEnded:
    """`anchor` is the head of the replication's history chain, to be kept outside the store: in the log."""

    operation_id: str
    replication: str
    outcome: str
    seconds: float
    anchor: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WaveBegan:
    """Several replications of one `order` are moved; `number` counts from 1."""

    number: int
    of: int
    order: int
    members: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberEnded:
    """One of several has come to its outcome, with or without an operation of its own."""

    replication: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded:
    """One call to a backend; `result` is `success`, or the code of the error that it gave."""

    backend: str
    operation: str
    result: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WillRetry:
    """A call failed and is made again after a delay."""

    backend: str
    operation: str
    attempt: int
    wait_seconds: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerMoved:
    """A circuit breaker changed its state."""

    backend: str
    call_class: str
    origin: str
    target: str
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Something worth a line that fits nothing above: an unknown vendor word, TLS that is not verified …"""

    topic: str
    message: str
    backend: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Translated:
    """So many of a vendor's things were put into our words; `what` they are, `seconds` for all."""

    backend: str
    what: str
    count: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Discovered:
    """What is there was asked for; with `hit` it was known still, and nothing was asked."""

    backend: str
    hit: bool
    seconds: float


Event = (
    OperationBegan
    | StepBegan
    | StepWaits
    | StepEnded
    | StateMoved
    | OperationEnded
    | WaveBegan
    | MemberEnded
    | CallEnded
    | WillRetry
    | BreakerMoved
    | Noticed
    | Translated
    | Discovered
)
Report = Callable[[Event], None]


def to_all(*subscribers: Report) -> Report:
    """One subscriber that hands every event to each of them, in their order."""

    def report(event: Event) -> None:
        for subscriber in subscribers:
            subscriber(event)

    return report


def ignore(event: Event) -> None:
    """A subscriber that listens to nothing."""
