"""What `-o json` and `-o yaml` print, exactly with the keys of design §9.

Pure: results in, dictionaries out. The shapes are types, so that the type checker holds the code to them and the
shipped JSON Schemas are generated from them (`replctl.cli.schemas`). Times are RFC 3339 in UTC; null seconds, points
and states mean "not known".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Literal, NotRequired, TypedDict

from replctl.core.breaker import BreakerState, Position
from replctl.core.journal import ChainFault, OperationRecord, StepRecord, TransitionRecord
from replctl.core.model import Health, Hold, Holder, Mode, Pair, Scalar, State, StateNote
from replctl.core.outcomes import ExitCode, Outcome, outcome_of
from replctl.core.plans import DataLoss, Evidence, GuardRefusal, Plan, Refusal, Step
from replctl.core.results import (
    EndStatus,
    Explanation,
    Failure,
    OperationResult,
    ReplicationStatus,
    StatusReport,
)

SCHEMA_VERSION: Literal[1] = 1
MILLISECONDS = 1000

Time = Annotated[str, "date-time"]
StateWord = Literal["replica", "promoting", "source", "demoting", "syncing", "failed"]


class StepDocument(TypedDict):
    name: str
    backend: str
    outcome: Outcome | None
    started: Time | None
    finished: Time | None


class DataLossDocument(TypedDict):
    point: Time | None
    at_least_seconds: float | None
    at_most_seconds: float | None
    source: str
    read_at: Time
    clock_offset_seconds: float | None
    accepted: str | None


class EvidenceDocument(TypedDict):
    fact: str
    value: str
    backend: str | None
    as_of: Time | None


class GuardDocument(TypedDict):
    name: str
    evidence: list[EvidenceDocument]
    override: str | None


class RefusalDocument(TypedDict):
    guards: list[GuardDocument]
    next: str


class HolderDocument(TypedDict):
    user: str
    host: str
    pid: int
    since: Time
    operation_id: str | None


class ConflictDocument(TypedDict):
    holder: HolderDocument


class ErrorDocument(TypedDict):
    code: str
    message: str
    remedy: str | None
    retry_at: Time | None


class OperationDocument(TypedDict):
    operation_id: str | None
    correlation_id: str
    namespace: str
    name: str
    backend: str | None
    outcome: Outcome | None
    exit_code: int | None
    from_state: StateWord | None
    to_state: StateWord | None
    started: Time | None
    finished: Time | None
    who: str
    reason: str | None
    group: str | None
    acknowledged: list[str]
    steps: list[StepDocument]
    data_loss: DataLossDocument | None
    refusal: RefusalDocument | None
    conflict: ConflictDocument | None
    error: ErrorDocument | None


class ActionDocument(TypedDict):
    """`error` is there only when the command ended before it came to any operation."""

    schema_version: Literal[1]
    command: str
    outcome: Outcome
    exit_code: int
    operations: list[OperationDocument]
    error: NotRequired[ErrorDocument]


class PointDocument(TypedDict):
    at: Time | None
    source: str
    as_of: Time | None


class HoldDocument(TypedDict):
    owner: str
    reason: str
    since: Time
    ends_at: Time | None


class EndDocument(TypedDict):
    backend: str
    state: StateWord | None
    state_note: StateNote | None
    reachable: bool
    unverified: bool
    observed_at: Time | None
    as_of: Time | None
    vendor: dict[str, Scalar]


class ReplicationDocument(TypedDict):
    namespace: str
    name: str
    group: str | None
    desired_state: StateWord
    state: StateWord | None
    mode: Mode | None
    health: Health
    message: str
    in_sync: bool | None
    last_consistent_point: PointDocument | None
    rpo_seconds: float | None
    hold: HoldDocument | None
    drill: bool
    operation: str | None
    local: EndDocument
    peer: EndDocument | None


class StatusDocument(TypedDict):
    schema_version: Literal[1]
    observed_at: Time
    replications: list[ReplicationDocument]


class TransitionDocument(TypedDict):
    at: Time
    namespace: str
    name: str
    backend: str
    from_state: StateWord | None
    to_state: StateWord | None
    reason: str
    request_id: str
    who: str
    operation_id: str | None


class FaultDocument(TypedDict):
    namespace: str
    name: str
    sequence: int | None
    fault: str


class HistoryDocument(TypedDict):
    schema_version: Literal[1]
    transitions: list[TransitionDocument]


class VerificationDocument(TypedDict):
    """`history --verify`; `not_proven` says what an unbroken chain leaves open."""

    schema_version: Literal[1]
    intact: bool
    faults: list[FaultDocument]
    not_proven: str


class PlannedStepDocument(TypedDict):
    name: str
    backend: str
    sentence: str


class VerbDocument(TypedDict):
    """What a verb would do now: `steps`, nothing (`unchanged`), or the guards that refuse it."""

    verb: str
    outcome: Outcome
    steps: list[PlannedStepDocument]
    data_loss: DataLossDocument | None
    refusal: RefusalDocument | None


class ExplainedEndDocument(TypedDict):
    backend: str
    word: str
    sentence: str
    flow: str
    link: str
    peer_management: str
    resource: str | None
    identity: str | None
    trouble: ErrorDocument | None
    vendor: dict[str, Scalar]


class ExplanationDocument(TypedDict):
    schema_version: Literal[1]
    observed_at: Time
    replication: ReplicationDocument
    local: ExplainedEndDocument
    peer: ExplainedEndDocument
    verbs: list[VerbDocument]


class RecordDocument(OperationDocument):
    """An operation as the journal has it; `outcome` null: its end was never written down."""

    verb: str
    open: bool
    deadline_at: Time
    command: str
    abandoned_by: str | None


class OperationsDocument(TypedDict):
    schema_version: Literal[1]
    operations: list[RecordDocument]


BreakerDocument = TypedDict(
    "BreakerDocument",
    {
        "backend": str,
        "class": str,
        "state": Position,
        "failures": int,
        "successes": int,
        "opened_at": Time | None,
        "retry_at": Time | None,
        "last_failure_at": Time | None,
        "last_success_at": Time | None,
        "last_error": str | None,
    },
)


class BreakersDocument(TypedDict):
    schema_version: Literal[1]
    breakers: list[BreakerDocument]


class SettingDocument(TypedDict):
    key: str
    value: Scalar | list[Scalar]
    origin: str


class ConfigurationDocument(TypedDict):
    schema_version: Literal[1]
    files: list[str]
    settings: list[SettingDocument]


class ValidationDocument(TypedDict):
    """`config validate` when both files are right; when one is wrong, the action document of a failure."""

    schema_version: Literal[1]
    valid: bool
    files: list[str]
    backends: int
    replications: int


def rfc3339(at: float) -> str:
    """The time in UTC, cut to the millisecond towards the past."""
    moment = datetime.fromtimestamp(int(at // 1), UTC).replace(
        microsecond=int(at % 1 * MILLISECONDS) * MILLISECONDS
    )
    return moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds").replace(
        "+00:00", "Z"
    )


def when(at: float | None) -> str | None:
    return None if at is None else rfc3339(at)


def state_word(state: State | None) -> StateWord | None:
    """The state's word; none (`absent`) and not known are both null here, the note says which."""
    return state.value if state else None  # type: ignore[return-value]  # every member but NONE is one of them


def action(command: str, results: Sequence[OperationResult], exit_code: int) -> ActionDocument:
    """The document of a verb; its outcome is what all have in common, else what the exit code stands for."""
    outcomes = {result.outcome for result in results}
    common = outcomes.pop() if len(outcomes) == 1 else outcome_of(exit_code)
    return ActionDocument(
        schema_version=SCHEMA_VERSION,
        command=command,
        outcome=common,
        exit_code=exit_code,
        operations=[operation(result) for result in results],
    )


def failure(command: str, outcome: Outcome, exit_code: int, error: Failure) -> ActionDocument:
    """The document of a command that ended before it came to any operation."""
    return ActionDocument(
        schema_version=SCHEMA_VERSION,
        command=command,
        outcome=outcome,
        exit_code=exit_code,
        operations=[],
        error=_error(error),
    )


def operation(result: OperationResult) -> OperationDocument:
    return OperationDocument(
        operation_id=result.operation_id,
        correlation_id=result.correlation_id,
        namespace=result.namespace,
        name=result.name,
        backend=result.backend,
        outcome=result.outcome,
        exit_code=int(result.exit_code),
        from_state=state_word(result.from_state),
        to_state=state_word(result.to_state),
        started=when(result.started),
        finished=when(result.finished),
        who=str(result.who),
        reason=result.reason,
        group=result.group,
        acknowledged=list(result.acknowledged),
        steps=_steps(result),
        data_loss=_data_loss(result.data_loss),
        refusal=_refusal(result.refusal),
        conflict=_conflict(result.holder),
        error=None if result.failure is None else _error(result.failure),
    )


def status(report: StatusReport) -> StatusDocument:
    return StatusDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(report.observed_at),
        replications=[replication(each) for each in report.replications],
    )


def replication(status: ReplicationStatus) -> ReplicationDocument:
    return ReplicationDocument(
        namespace=status.replication.namespace,
        name=status.replication.name,
        group=status.replication.group,
        desired_state=state_word(status.replication.desired_state) or "replica",
        state=state_word(status.state),
        mode=status.mode,
        health=status.health,
        message=status.message,
        in_sync=status.in_sync,
        last_consistent_point=_point(status),
        rpo_seconds=status.replication.rpo_seconds,
        hold=_hold(status.hold),
        drill=status.drill,
        operation=status.operation_id,
        local=_end(status.local),
        peer=_end(status.peer),
    )


def history(transitions: Iterable[TransitionRecord]) -> HistoryDocument:
    return HistoryDocument(
        schema_version=SCHEMA_VERSION, transitions=[_transition(each) for each in transitions]
    )


def verification(faults: Iterable[ChainFault], not_proven: str) -> VerificationDocument:
    found = [_fault(each) for each in faults]
    return VerificationDocument(
        schema_version=SCHEMA_VERSION, intact=not found, faults=found, not_proven=not_proven
    )


def explanation(explained: Explanation, observed_at: float) -> ExplanationDocument:
    return ExplanationDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(observed_at),
        replication=replication(explained.status),
        local=_explained_end(explained.pair, local=True),
        peer=_explained_end(explained.pair, local=False),
        verbs=[_verb(explained, at) for at in range(len(explained.verbs))],
    )


def operations(records: Iterable[OperationRecord]) -> OperationsDocument:
    return OperationsDocument(schema_version=SCHEMA_VERSION, operations=[record(each) for each in records])


def record(operation: OperationRecord) -> RecordDocument:
    namespace, _, name = operation.replication.partition("/")
    failed = operation.error_code is not None
    outcome = operation.outcome
    return RecordDocument(
        operation_id=operation.operation_id,
        correlation_id=operation.correlation_id,
        namespace=namespace,
        name=name,
        backend=operation.backend,
        outcome=outcome,
        exit_code=None if outcome is None else int(_code(outcome)),
        from_state=state_word(operation.from_state),
        to_state=state_word(operation.to_state),
        started=rfc3339(operation.began),
        finished=when(operation.finished),
        who=str(operation.who),
        reason=operation.reason,
        group=operation.group,
        acknowledged=list(operation.acknowledged),
        steps=[_step(each) for each in operation.steps],
        data_loss=_data_loss(operation.data_loss),
        refusal=None,
        conflict=None,
        error=_recorded_error(operation) if failed else None,
        verb=operation.verb,
        open=operation.is_open,
        deadline_at=rfc3339(operation.deadline_at),
        command=operation.command,
        abandoned_by=operation.abandoned_by,
    )


def breakers(states: Iterable[tuple[str, str, BreakerState]]) -> BreakersDocument:
    return BreakersDocument(
        schema_version=SCHEMA_VERSION,
        breakers=[_breaker(backend, kind, state) for backend, kind, state in states],
    )


def _code(outcome: Outcome) -> ExitCode:
    from replctl.core.outcomes import CODES

    return CODES[outcome]


def _steps(result: OperationResult) -> list[StepDocument]:
    """The steps taken; of a plan that was only shown, the steps that it has."""
    if result.steps or result.plan is None:
        return [_step(each) for each in result.steps]
    return [
        StepDocument(
            name=each.name, backend=backend_of(each, result.pair), outcome=None, started=None, finished=None
        )
        for each in result.plan.steps
    ]


def backend_of(step: Step, pair: Pair | None) -> str:
    return "" if pair is None else pair.end(step.side).backend


def _step(record: StepRecord) -> StepDocument:
    return StepDocument(
        name=record.name,
        backend=record.backend,
        outcome=record.outcome,
        started=when(record.started),
        finished=when(record.finished),
    )


def _data_loss(loss: DataLoss | None) -> DataLossDocument | None:
    if loss is None:
        return None
    return DataLossDocument(
        point=when(loss.point),
        at_least_seconds=loss.at_least_seconds,
        at_most_seconds=loss.at_most_seconds,
        source=loss.source,
        read_at=rfc3339(loss.read_at),
        clock_offset_seconds=loss.clock_offset_seconds,
        accepted=loss.accepted,
    )


def _refusal(refusal: Refusal | None) -> RefusalDocument | None:
    if refusal is None:
        return None
    return RefusalDocument(guards=[_guard(each) for each in refusal.guards], next=refusal.next)


def _guard(guard: GuardRefusal) -> GuardDocument:
    return GuardDocument(
        name=guard.name, evidence=[_evidence(each) for each in guard.evidence], override=guard.override
    )


def _evidence(evidence: Evidence) -> EvidenceDocument:
    return EvidenceDocument(
        fact=evidence.fact, value=evidence.value, backend=evidence.backend, as_of=when(evidence.as_of)
    )


def _conflict(holder: Holder | None) -> ConflictDocument | None:
    if holder is None:
        return None
    return ConflictDocument(
        holder=HolderDocument(
            user=holder.who.user,
            host=holder.who.host,
            pid=holder.who.pid,
            since=rfc3339(holder.since),
            operation_id=holder.operation_id,
        )
    )


def _error(failure: Failure) -> ErrorDocument:
    return ErrorDocument(
        code=failure.code,
        message=failure.message,
        remedy=failure.remedy or None,
        retry_at=when(failure.retry_at),
    )


def _recorded_error(operation: OperationRecord) -> ErrorDocument:
    return ErrorDocument(
        code=operation.error_code or "", message=operation.error_message or "", remedy=None, retry_at=None
    )


def _point(status: ReplicationStatus) -> PointDocument | None:
    if status.point_source is None and status.point_at is None:
        return None
    return PointDocument(
        at=when(status.point_at), source=status.point_source or "", as_of=when(status.point_as_of)
    )


def _hold(hold: Hold | None) -> HoldDocument | None:
    if hold is None:
        return None
    return HoldDocument(
        owner=hold.owner, reason=hold.reason, since=rfc3339(hold.since), ends_at=when(hold.ends_at)
    )


def _end(end: EndStatus) -> EndDocument:
    return EndDocument(
        backend=end.backend,
        state=state_word(end.state),
        state_note=end.state_note,
        reachable=end.reachable,
        unverified=end.unverified,
        observed_at=when(end.observed_at),
        as_of=when(end.as_of),
        vendor=dict((end.remembered or end.seen).vendor),
    )


def _transition(record: TransitionRecord) -> TransitionDocument:
    namespace, _, name = record.replication.partition("/")
    return TransitionDocument(
        at=rfc3339(record.at),
        namespace=namespace,
        name=name,
        backend=record.backend,
        from_state=state_word(record.origin),
        to_state=state_word(record.target),
        reason=record.reason,
        request_id=record.request_id,
        who=record.who,
        operation_id=record.operation_id,
    )


def _fault(fault: ChainFault) -> FaultDocument:
    namespace, _, name = fault.replication.partition("/")
    return FaultDocument(namespace=namespace, name=name, sequence=fault.sequence, fault=fault.fault)


def _explained_end(pair: Pair, *, local: bool) -> ExplainedEndDocument:
    seen = pair.local if local else pair.peer
    trouble = seen.trouble
    return ExplainedEndDocument(
        backend=seen.backend,
        word=seen.word,
        sentence=seen.sentence,
        flow=seen.flow.value,
        link=seen.link.value,
        peer_management=seen.peer_management.value,
        resource=seen.resource,
        identity=seen.identity,
        trouble=None
        if trouble is None
        else ErrorDocument(
            code=trouble.code,
            message=trouble.message,
            remedy=trouble.remedy or None,
            retry_at=when(trouble.retry_at),
        ),
        vendor=dict(seen.vendor),
    )


def _verb(explained: Explanation, at: int) -> VerbDocument:
    verb, decision = explained.verbs[at]
    if isinstance(decision, Plan):
        outcome = Outcome.UNCHANGED if decision.unchanged else Outcome.PLANNED
        steps = [
            PlannedStepDocument(
                name=each.name, backend=backend_of(each, explained.pair), sentence=each.sentence
            )
            for each in decision.steps
        ]
        return VerbDocument(
            verb=verb.value,
            outcome=outcome,
            steps=steps,
            data_loss=_data_loss(decision.data_loss),
            refusal=None,
        )
    return VerbDocument(
        verb=verb.value,
        outcome=Outcome.REFUSED,
        steps=[],
        data_loss=_data_loss(decision.data_loss),
        refusal=_refusal(decision),
    )


def _breaker(backend: str, kind: str, state: BreakerState) -> BreakerDocument:
    return {
        "backend": backend,
        "class": kind,
        "state": state.position,
        "failures": state.failures,
        "successes": state.successes,
        "opened_at": when(state.opened_at),
        "retry_at": when(state.retry_at),
        "last_failure_at": when(state.last_failure_at),
        "last_success_at": when(state.last_success_at),
        "last_error": state.last_error,
    }
