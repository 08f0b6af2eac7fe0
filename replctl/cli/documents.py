"""What `-o json` and `-o yaml` print, exactly with the keys of design §9.

Pure: results in, dictionaries of the shapes in `shapes` out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from math import floor
from typing import TYPE_CHECKING, Literal

from replctl.cli.shapes import (
    ActionDocument,
    AssumptionDocument,
    AssumptionsDocument,
    BreakerDocument,
    BreakersDocument,
    ConfigurationDocument,
    ConflictDocument,
    DaemonDocument,
    DataLossDocument,
    DrillDocument,
    EndDocument,
    ErrorDocument,
    EvidenceDocument,
    ExplainedEndDocument,
    ExplanationDocument,
    FaultDocument,
    GuardDocument,
    HistoryDocument,
    HoldDocument,
    HolderDocument,
    LeftToDoDocument,
    OperationDocument,
    OperationsDocument,
    PathDocument,
    PlannedStepDocument,
    PointDocument,
    RecordDocument,
    RefusalDocument,
    ReplicationDocument,
    SettingDocument,
    StateWord,
    StatusDocument,
    StepDocument,
    TransitionDocument,
    ValidationDocument,
    VerbDocument,
    VerificationDocument,
    VolumeDocument,
    WaitingDocument,
)
from replctl.core.breaker import BreakerState
from replctl.core.journal import ChainFault, Drill, OperationRecord, StepRecord, TransitionRecord
from replctl.core.model import Hold, Holder, Pair, Scalar, State
from replctl.core.outcomes import ExitCode, Outcome, outcome_of
from replctl.core.plans import DataLoss, Evidence, GuardRefusal, Plan, Refusal, backend_of
from replctl.core.results import (
    EndStatus,
    Explanation,
    Failure,
    LeftToDo,
    OperationResult,
    ReplicationStatus,
    StatusReport,
)
from replctl.core.waiting import Waiting

if TYPE_CHECKING:
    from replctl.settings.validation import Validation

SCHEMA_VERSION: Literal[1] = 1
MILLISECONDS = 1000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MOMENT = -62_135_596_800.0  # 0001-01-01T00:00:00Z
LAST_MOMENT = 253_402_300_799.0  # 9999-12-31T23:59:59Z


def rfc3339(at: float) -> str:
    """The time in UTC, cut to the millisecond towards the past and to the years that a calendar has."""
    at = min(max(at, FIRST_MOMENT), LAST_MOMENT)
    moment = EPOCH + timedelta(milliseconds=floor(at * MILLISECONDS))
    spec = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=spec).replace("+00:00", "Z")


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
        drill=_drill(result.drill),
        left_to_do=[_left(each) for each in result.left_to_do],
    )


def status(report: StatusReport) -> StatusDocument:
    return StatusDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(report.observed_at),
        daemon=_daemon(report),
        replications=[replication(each) for each in report.replications],
    )


def _daemon(report: StatusReport) -> DaemonDocument | None:
    word = report.daemon
    if word is None:
        return None
    return DaemonDocument(
        looked_at=rfc3339(word.looked_at),
        late=word.is_late(report.observed_at),
        said=word.said,
        trouble=word.trouble or None,
        next=word.next or None,
        since=None if word.since is None else rfc3339(word.since),
    )


def _waiting(waiting: Waiting | None) -> WaitingDocument | None:
    if waiting is None:
        return None
    return WaitingDocument(why=waiting.why, next=waiting.next or None, since=rfc3339(waiting.since))


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
        hold=hold_of(status.hold),
        drill=status.drill,
        last_drill=_drill(status.last_drill),
        operation=status.operation_id,
        waiting=_waiting(status.waiting),
        local=_end(status.local),
        peer=_end(status.peer),
    )


def history(transitions: Iterable[TransitionRecord]) -> HistoryDocument:
    return HistoryDocument(
        schema_version=SCHEMA_VERSION, transitions=[_transition(each) for each in transitions]
    )


def verification(faults: Iterable[ChainFault], not_proven: Mapping[str, str]) -> VerificationDocument:
    found = [_fault(each) for each in faults]
    return VerificationDocument(
        schema_version=SCHEMA_VERSION, intact=not found, faults=found, not_proven=dict(not_proven)
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
        drill=None,
        left_to_do=[],
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


def _drill(drill: Drill | None) -> DrillDocument | None:
    if drill is None:
        return None
    return DrillDocument(
        operation_id=drill.operation_id,
        backend=drill.backend,
        production=drill.production,
        tested=drill.tested,
        last_consistent_point=when(drill.point),
        snapshot=drill.snapshot,
        started=when(drill.started),
        finished=when(drill.finished),
        seconds=drill.seconds,
        kept_data=drill.kept_data,
        role_changes=drill.role_changes,
        production_state=state_word(drill.production_state),
        came_back=state_word(drill.came_back),
        copying=drill.flow,
        last_consistent_point_after=when(drill.point_after),
    )


def _left(left: LeftToDo) -> LeftToDoDocument:
    volumes = [VolumeDocument(id=each.id, name=each.name, wwn=each.wwn) for each in left.volumes]
    return LeftToDoDocument(task=left.task, backend=left.backend, volumes=volumes)


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


def hold_of(hold: Hold | None) -> HoldDocument | None:
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


def configuration(rows: Iterable[tuple[str, Scalar, str]]) -> ConfigurationDocument:
    return ConfigurationDocument(
        schema_version=SCHEMA_VERSION,
        settings=[SettingDocument(key=key, value=value, origin=origin) for key, value, origin in rows],
    )


def validation(found: Validation) -> ValidationDocument:
    return ValidationDocument(
        schema_version=SCHEMA_VERSION,
        files=[str(file) for file in found.files],
        backends=found.backends,
        replications=found.replications,
        notices=[str(notice) for notice in found.notices],
    )


def path(config: str) -> PathDocument:
    return PathDocument(schema_version=SCHEMA_VERSION, config=config)


def assumptions(
    known: Iterable[tuple[str, tuple[str, ...], str, str, str]],
) -> AssumptionsDocument:
    return AssumptionsDocument(
        schema_version=SCHEMA_VERSION,
        assumptions=[
            AssumptionDocument(
                name=name, values=list(values), default=default, section=section, sentence=sentence
            )
            for name, values, default, section, sentence in known
        ],
    )
