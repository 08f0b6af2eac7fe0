"""What is written down: operations with their steps, transitions, and who did it, as frozen values.

The store keeps them and the engine makes them; neither knows the other. Every change is recorded before it is
made (`StepPhase.INTENDED`) and its outcome after (design §5, promise 4). No secret is ever part of a record.
"""

from __future__ import annotations

from enum import StrEnum

from replctl.core.model import Flow, State, Who
from replctl.core.outcomes import OPEN, Outcome
from replctl.core.plans import Course, DataLoss
from replctl.core.values import dataclass


class StepPhase(StrEnum):
    """How far a step came, as far as the journal knows."""

    PENDING = "pending"  # not begun
    INTENDED = "intended"  # written down; it may or may not have been sent
    ACCEPTED = "accepted"  # the backend answered yes
    LOST = "lost"  # it was sent and the answer is lost
    ENDED = "ended"  # its outcome is known


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """One step of an operation. `receipt` is the backend's own handle of the work (a job id).

    A `hook` is a program that was run and sends nothing; `said` is what it printed last, fit to be shown. An `errand`
    changes no role; `result` is what came of it, for the steps after it, and `round` counts how often it was begun
    anew because what it had made was too old by then.
    """

    number: int
    name: str
    backend: str
    phase: StepPhase = StepPhase.PENDING
    outcome: Outcome | None = None
    started: float | None = None
    finished: float | None = None
    sends: int = 0
    receipt: str | None = None
    error_code: str | None = None
    error_message: str | None = None
    unplanned: bool = False
    hook: bool = False
    said: str | None = None
    errand: bool = False
    result: str | None = None
    round: int = 0

    @property
    def is_done(self) -> bool:
        return self.phase is StepPhase.ENDED and self.outcome is Outcome.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationRecord:
    """One plan carried out. Open until `outcome` is a final one; `acknowledged` are the flags as typed."""

    operation_id: str
    correlation_id: str
    replication: str
    verb: str
    signature: str
    backend: str
    course: Course | None
    new_source: str
    who: Who
    command: str
    reason: str | None
    group: str | None
    acknowledged: tuple[str, ...]
    from_state: State | None
    to_state: State
    began: float
    deadline_at: float
    steps: tuple[StepRecord, ...]
    snapshot: str | None = None
    keep_test_data: bool = False
    data_loss: DataLoss | None = None
    outcome: Outcome | None = None
    finished: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    abandoned_by: str | None = None

    @property
    def is_open(self) -> bool:
        return self.abandoned_by is None and (self.outcome is None or self.outcome in OPEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransitionRecord:
    """One move of one end (R19). `request_id` is the correlation id under which it was made or noticed."""

    replication: str
    backend: str
    origin: State
    target: State
    at: float
    reason: str
    request_id: str
    who: str
    operation_id: str | None = None
    sequence: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """A failover test of one replication, as we know it (design §4).

    `backend` held the copy that was tested, `production` was the source meanwhile. `point` is the last consistent
    point of what was tested, unless it began from `snapshot`. `started` None: somebody else began it. The fields
    after `finished` say what was so at the end; `role_changes` are those of `production` during the test, None when
    that is not known.
    """

    operation_id: str
    backend: str
    production: str
    tested: str
    point: float | None = None
    snapshot: str | None = None
    started: float | None = None
    finished: float | None = None
    kept_data: bool = False
    role_changes: int | None = None
    production_state: State | None = None
    came_back: State | None = None
    flow: Flow | None = None
    point_after: float | None = None

    @property
    def seconds(self) -> float | None:
        """How long it lasted; None while it runs, or when its beginning is not known."""
        if self.started is None or self.finished is None:
            return None
        return max(0.0, self.finished - self.started)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What an operation of ours proved of an end that the end itself does not tell afterwards.

    `claim` is the claim to a role that was seen to be true (`Observation.claim`). `copied_at`: a copy of ours brought
    it all that was at the source then, epoch seconds on our clock; None without such a copy.
    """

    claim: str | None = None
    copied_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainFault:
    """What `history --verify` found: where a chain no longer says what was written."""

    replication: str
    sequence: int | None
    fault: str
