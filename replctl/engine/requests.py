"""How a command wants its work done, what it is offered to agree to, and the record that the work begins with."""

from __future__ import annotations

from dataclasses import field
from uuid import uuid4

from replctl.clock import Cancel
from replctl.core.errors import InvalidInput
from replctl.core.journal import OperationRecord, StepRecord
from replctl.core.model import Intent, Pair, Who
from replctl.core.plans import Plan, Step
from replctl.core.values import dataclass
from replctl.engine.together import Together

ACKNOWLEDGED_SECONDS = 3600.0  # how long an operation's acknowledgements last when its steps say no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who runs this process, and the command line as typed, without secrets."""

    who: Who
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`timeout_seconds` bounds the whole operation (None: each step's own deadline); `wait` False returns after
    the first change was accepted; `probe` asks past open breakers; `cancel` stops waiting, not the operation. All
    that one command does has one request: by `together` its members know of each other.
    `began_at` (monotonic) is when the command began: what it spent on starting counts toward its time to look.
    `kept`: for `status`, what watches have told lately will do. `only_looks`: nothing is sent, not even to remove
    what was made for an operation on its way.
    """

    reason: str | None = None
    group: str | None = None
    timeout_seconds: float | None = None
    wait: bool = True
    probe: bool = False
    cancel: Cancel | None = None
    began_at: float | None = None
    kept: bool = False
    only_looks: bool = False
    together: Together = field(default_factory=Together, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan for one replication with what it was made from; `joins` is the open operation that it goes on with."""

    intent: Intent
    plan: Plan
    pair: Pair
    correlation_id: str
    joins: OperationRecord | None = None
    resumed: bool = False


def check_backends_named(intent: Intent) -> None:
    """A backend named by flag must be one of the two (R79: nothing is guessed)."""
    replication = intent.replication
    for flag, backend in (("--to", intent.to), ("--survivor", intent.survivor)):
        if backend is not None and replication.side_of(backend) is None:
            allowed = f"{replication.local.backend} or {replication.peer.backend}"
            raise InvalidInput(f"{flag} {backend}: {replication.key} lives on {allowed}")


def record_of(proposal: Proposal, request: Request, caller: Caller, now: float) -> OperationRecord:
    """What is written down before the first step: the operation as agreed to, nothing of it begun."""
    intent, plan = proposal.intent, proposal.plan
    lasting = request.timeout_seconds or max(
        ACKNOWLEDGED_SECONDS, sum(step.deadline_seconds for step in plan.steps)
    )
    return OperationRecord(
        operation_id=_operation_id(),
        correlation_id=proposal.correlation_id,
        replication=intent.replication.key,
        verb=intent.verb.value,
        signature=intent.signature,
        backend=intent.replication.local.backend,
        course=plan.course,
        new_source=intent.replication.end(plan.new_source).backend,
        who=caller.who,
        command=caller.command,
        reason=request.reason,
        group=request.group or intent.replication.group,
        acknowledged=intent.acknowledged.flags,
        from_state=plan.from_state,
        to_state=plan.to_state,
        began=now,
        deadline_at=now + lasting,
        steps=tuple(_step_record(number, step, intent) for number, step in enumerate(plan.steps, 1)),
        snapshot=intent.snapshot,
        keep_test_data=intent.keep_test_data,
        data_loss=plan.data_loss,
    )


def _operation_id() -> str:
    """Short enough to type, and no two alike in any store."""
    return f"op-{uuid4().hex[:12]}"


def _step_record(number: int, step: Step, intent: Intent) -> StepRecord:
    backend = intent.replication.end(step.side).backend
    hook = step.hook is not None
    return StepRecord(
        number=number,
        name=step.name,
        backend=backend,
        unplanned=step.unplanned,
        hook=hook,
        errand=step.errand,
    )
