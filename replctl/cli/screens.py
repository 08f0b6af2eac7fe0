"""What a person reads of one thing: a plan, a refusal, a result, an explanation; as lines, pure.

Whoever reads them may be in a disaster: what happened comes first, then the facts with where and when they were
read, then what would be lost, and last the one command to type, whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Span, dim, line, strong, wrapped
from replctl.core.durations import format_duration, format_time
from replctl.core.errors import Finding, Locked, StoreRefused
from replctl.core.guards import GUARDS
from replctl.core.journal import Drill, OperationRecord, StepPhase, StepRecord
from replctl.core.model import Holder, Pair, State, Verb
from replctl.core.outcomes import OPEN, Outcome
from replctl.core.plans import DataLoss, Evidence, GuardRefusal, Plan, Refusal, Step, backend_of
from replctl.core.results import Failure, LeftToDo, OperationResult
from replctl.core.states import shown

# What holds after a verb that leaves the roles as they are.
AFTER: Mapping[str, str] = {
    Verb.PAUSE: "paused on both sides",
    Verb.RESUME: "copying on both sides",
    Verb.SYNC: "the replica holds a new copy",
    Verb.RESYNC: "copying on both sides",
    Verb.DRILL_START: "the replica is open for a test",
    Verb.DRILL_STOP: "the test is over",
    Verb.DELETE: "not replicated on either side",
}
MARKS: Mapping[Outcome, Span] = {
    Outcome.SUCCEEDED: Span("✓", Role.GOOD),
    Outcome.UNCHANGED: Span("=", Role.GOOD),
    Outcome.PLANNED: Span("→", Role.BUSY),
    Outcome.IN_PROGRESS: Span("…", Role.BUSY),
    Outcome.INTERRUPTED: Span("…", Role.BUSY),
    Outcome.PARTIAL: Span("!", Role.WARN),
    Outcome.UNKNOWN: Span("?", Role.WARN),
}
FAILURE_MARK = Span("✗", Role.BAD)
STATE_ROLES: Mapping[State, Role] = {
    State.SOURCE: Role.STRONG,
    State.PROMOTING: Role.BUSY,
    State.DEMOTING: Role.BUSY,
    State.SYNCING: Role.BUSY,
    State.FAILED: Role.BAD,
}


def state_span(state: State | None) -> Span:
    """A state's word; not known is said as `unknown`."""
    if state is None:
        return Span("unknown", Role.WARN)
    return Span(shown(state), STATE_ROLES.get(state, Role.PLAIN))


def age(at: float | None, now: float) -> str:
    """How long ago, or an empty text when it is not known."""
    return "" if at is None else f"{format_duration(max(0.0, now - at))} ago"


def mark(outcome: Outcome) -> Span:
    return MARKS.get(outcome, FAILURE_MARK)


# -- a plan --------------------------------------------------------------------------------------------------


def plan(key: str, verb: str, planned: Plan, pair: Pair | None, now: float, width: int | None) -> list[Line]:
    """The steps to come, numbered, with backend and sentence; what is lost, if it is an unplanned promotion."""
    room = width or UNLIMITED
    if planned.unchanged:
        head = line(mark(Outcome.UNCHANGED), " ", strong(key), ": ")
        return wrapped(f"{verb}: {_already(verb, planned)}", room, first=head, indent=4)
    way = " (unplanned)" if planned.unplanned else ""
    lines = [
        line(
            *(mark(Outcome.PLANNED), " ", strong(key), f": {verb}{way}: "),
            *_way(verb, planned),
        )
    ]
    lines.extend(_planned_steps(planned.steps, pair, room))
    lines.extend(_goal(planned, pair))
    if planned.data_loss is not None:
        lines.extend(loss(planned.data_loss, now, room))
    for note in planned.notes:
        lines.extend(wrapped(note, room, first=line("  note: "), indent=8))
    return lines


def _way(verb: str, planned: Plan) -> tuple[Span, ...]:
    """From state to state; where the roles stay, what will hold."""
    if verb in AFTER:
        return (Span(AFTER[verb]),)
    return (state_span(planned.from_state), Span(" → "), state_span(planned.to_state))


def _already(verb: str, planned: Plan) -> str:
    what = AFTER.get(verb, f"it is {shown(planned.to_state)}")
    return f"{what} already, and proven; nothing to do"


def _planned_steps(steps: Sequence[Step], pair: Pair | None, room: int) -> list[Line]:
    names = max(len(step.name) for step in steps)
    places = max(len(backend_of(step, pair)) for step in steps)
    lines: list[Line] = []
    for number, step in enumerate(steps, 1):
        head = f"  {number:>2}  {step.name:<{names}}  {backend_of(step, pair):<{places}}  "
        lines.extend(wrapped(step.sentence or step.name, room, first=line(head), indent=len(head)))
    return lines


def _goal(planned: Plan, pair: Pair | None) -> list[Line]:
    if pair is None:
        return []
    words = [
        " ".join(
            [pair.end(side).backend, " or ".join(sorted(shown(state) for state in goal.states)), *goal.flows]
        )
        for side in planned.goal.sides
        if (goal := planned.goal.of(side)) is not None
    ]
    return [line("  done when observed: ", ", ".join(words))] if words else []


# -- a refusal -----------------------------------------------------------------------------------------------


def refusal(key: str, verb: str, refused: Refusal, now: float, width: int | None) -> list[Line]:
    """Guard by guard the evidence, then the loss, then the next command."""
    room = width or UNLIMITED
    lines = [line(FAILURE_MARK, " ", strong(key), f": {verb} refused, nothing was changed")]
    return lines + _grounds(refused, now, room)


def _grounds(refused: Refusal, now: float, room: int) -> list[Line]:
    lines: list[Line] = []
    for guard in refused.guards:
        told = refused.data_loss is not None and guard.name == "data-loss"  # the statement follows, in full
        seen = [each for each in guard.evidence if not (told and each.fact == "loss")]
        lines.extend(_guard(guard, seen, now, room))
    if refused.data_loss is not None:
        lines.append(BLANK)
        lines.extend(loss(refused.data_loss, now, room))
    if refused.next:
        lines.extend([BLANK, line("  next:"), line("    ", Span(refused.next, Role.TYPE))])
    return lines


def _guard(guard: GuardRefusal, seen: Sequence[Evidence], now: float, room: int) -> list[Line]:
    known = GUARDS.get(guard.name)
    head = line("  ", Span(guard.name, Role.BAD), ": ")
    lines = [BLANK, *wrapped(known.sentence if known else "", room, first=head, indent=4)]
    for each in seen:
        lines.extend(evidence(each, now, room))
    if guard.override is not None:
        lines.append(line("    answered by ", Span(guard.override, Role.TYPE)))
    return lines


def evidence(each: Evidence, now: float, room: int) -> list[Line]:
    """What was seen, where, and how old it is."""
    where = [part for part in (each.backend, age(each.as_of, now)) if part]
    place = f"  ({', read '.join(where)})" if each.as_of is not None else f"  ({where[0]})" if where else ""
    return wrapped(f"{each.value}{place}", room, first=line(f"    {each.fact}: "), indent=6)


def loss(stated: DataLoss, now: float, room: int) -> list[Line]:
    """What an unplanned promotion loses; unknown is said as unknown."""
    if stated.point is None:
        text = f"unknown: the last consistent point is not known ({stated.source})"
    else:
        text = f"everything written after {format_time(stated.point)}: {_extent(stated)}"
    lines = wrapped(text, room, first=line("  ", Span("what is lost:", Role.WARN), " "), indent=4)
    lines.extend(wrapped(_reading(stated, now), room, first=line("    "), indent=4, role=Role.DIM))
    if stated.accepted is not None:
        lines.append(line(f"    accepted: {stated.accepted}"))
    return lines


def _extent(stated: DataLoss) -> str:
    least, most = stated.at_least_seconds, stated.at_most_seconds
    low = "not known" if least is None else format_duration(least)
    high = "not known" if most is None else format_duration(most, up=True)
    return f"at least {low}, at most {high} of writes"


def _reading(stated: DataLoss, now: float) -> str:
    parts = [f"from {stated.source}"] if stated.point is not None else []
    parts.append(f"read {age(stated.read_at, now)}")
    if stated.clock_offset_seconds is not None:
        parts.append(f"the backend's clock is {stated.clock_offset_seconds:+.3f}s from ours")
    return ", ".join(parts)


# -- a result ------------------------------------------------------------------------------------------------


def result(done: OperationResult, now: float, width: int | None) -> list[Line]:
    """How one operation ended."""
    if done.outcome is Outcome.PLANNED and done.plan is not None:
        return plan(done.key, done.verb, done.plan, done.pair, now, width)
    if done.refusal is not None and not done.steps:
        return refusal(done.key, done.verb, done.refusal, now, width)
    room = width or UNLIMITED
    lines = wrapped(
        _headline(done), room, first=line(mark(done.outcome), " ", strong(done.key), ": "), indent=4
    )
    lines.extend(_steps(done.steps, room, said=_said(done)))
    if done.data_loss is not None and done.outcome is not Outcome.UNCHANGED:
        lines.extend(loss(done.data_loss, now, room))
    if done.holder is not None:
        lines.extend(_holder(done.holder, now, room))
    if done.failure is not None and not _is_told_by_holder(done):
        lines.extend(failure(done.failure, room, indent=2))
    if done.refusal is not None:  # a guard spoke up on the way, when something may have been changed already
        lines.extend(_grounds(replace(done.refusal, data_loss=None), now, room))
    if done.drill is not None:
        lines.extend(drill(done.drill, now, room))
    for each in done.left_to_do:
        lines.extend(_left(each, room))
    lines.extend(_footer(done))
    return lines


def _left(left: LeftToDo, room: int) -> list[Line]:
    """A task, and below it what it is about: name, WWN and id of each volume."""
    tail = ":" if left.volumes else ""
    lines = wrapped(f"{left.task}{tail}", room, first=line("  left to do: "), indent=4)
    names = max((len(each.name or "") for each in left.volumes), default=0)
    for each in left.volumes:
        wwn = each.wwn or "(its WWN is not known)"
        lines.append(line(f"    {each.name or '':<{names}}  {wwn}  ", dim(each.id)))
    return lines


def drill(tested: Drill, now: float, room: int) -> list[Line]:
    """The report of a failover test: what was tested, how long, what production did, what came back."""
    data = f"snapshot {tested.snapshot}" if tested.snapshot else _as_of(tested.point, now)
    facts = [("tested", f"{tested.tested} on {tested.backend}, {data}")]
    if tested.finished is None:
        started = tested.started if tested.started is not None else now
        facts.append(("since", format_time(started)))
        return _report(facts, room)
    lasted = (
        "not known: it was begun elsewhere" if tested.seconds is None else format_duration(tested.seconds)
    )
    facts += [("lasted", lasted), ("production", _production(tested))]
    state = shown(tested.came_back) if tested.came_back is not None else "nothing that could be read"
    flow = f", {tested.flow}" if tested.flow is not None else ""
    facts.append(("came back", f"{state} on {tested.backend}{flow}, {_as_of(tested.point_after, now)}"))
    facts.append(("test data", "kept as a snapshot on the array" if tested.kept_data else "dropped"))
    return _report(facts, room)


def _report(facts: Sequence[tuple[str, str]], room: int) -> list[Line]:
    return [
        each
        for label, text in facts
        for each in wrapped(text, room, first=line(f"  {label + ':':<12}"), indent=14)
    ]


def _as_of(point: float | None, now: float) -> str:
    if point is None:
        return "of a time that is not known"
    return f"as of {format_time(point)} ({age(point, now)})"


def _production(tested: Drill) -> str:
    state = "not read at the end" if tested.production_state is None else shown(tested.production_state)
    if tested.role_changes is None:
        return f"{tested.production}: {state}; whether it changed meanwhile is not known"
    changes = "no role change" if not tested.role_changes else f"{tested.role_changes} role changes"
    return f"{tested.production}: {state}, {changes} seen meanwhile"


def brief(done: OperationResult) -> Line:
    """One line on one operation, for stderr beside a document."""
    why = ", ".join(done.refusal.names) if done.refusal is not None else ""
    why = why or (done.failure.message if done.failure is not None else "")
    tail = f": {why}" if why else ""
    return line(mark(done.outcome), f" {done.key}: {done.verb}: {done.outcome.value.replace('_', ' ')}{tail}")


def tally(results: Sequence[OperationResult]) -> str:
    """How many ended how: `3 succeeded, 1 refused`."""
    counts = Counter(each.outcome for each in results)
    return ", ".join(f"{count} {outcome.value.replace('_', ' ')}" for outcome, count in counts.items())


def _headline(done: OperationResult) -> str:
    to = f"{shown(done.to_state)}" if done.to_state is not None else "unknown"
    on = f" on {done.backend}" if done.backend else ""
    match done.outcome:
        case Outcome.SUCCEEDED if done.verb in AFTER:
            return f"{done.verb}: {AFTER[done.verb]}{_took(done)}"
        case Outcome.UNCHANGED if done.verb in AFTER:
            return f"{done.verb}: {AFTER[done.verb]} already, and proven; nothing to do"
        case Outcome.SUCCEEDED:
            before = f" (was {shown(done.from_state)})" if done.from_state is not None else ""
            return f"{done.verb}: {to}{on}{before}{_took(done)}"
        case Outcome.UNCHANGED:
            return f"{done.verb}: {to}{on} already, and proven; nothing to do"
        case Outcome.IN_PROGRESS:
            return f"{done.verb}: still in progress{on}{_took(done)}"
        case Outcome.INTERRUPTED:
            return f"{done.verb}: no longer waiting; the operation{on} goes on"
        case Outcome.UNKNOWN:
            return f"{done.verb}: the outcome is not known{on}"
        case Outcome.PARTIAL:
            return f"{done.verb}: partly done{on}: something changed and something did not"
        case Outcome.FAILED:
            return f"{done.verb} failed{on}; no change was accepted"
        case Outcome.CONFLICT:
            return f"{done.verb}: somebody else is at it; nothing was changed"
        case Outcome.UNAUTHORIZED if done.failure is not None and done.failure.code == StoreRefused.code:
            return f"{done.verb}: not without a store to write to; nothing was changed"
    return f"{done.verb}: {done.outcome.value.replace('_', ' ')}; nothing was changed"


def _took(done: OperationResult) -> str:
    if done.started is None or done.finished is None:
        return ""
    return f", {format_duration(done.finished - done.started)}"


def _said(done: OperationResult) -> str:
    """The reasons that are told below the steps."""
    guards = done.refusal.guards if done.refusal is not None else ()
    seen = [each.value for guard in guards for each in guard.evidence]
    return "\n".join([*([done.failure.message] if done.failure is not None else []), *seen])


def _steps(steps: Sequence[StepRecord], room: int, said: str = "") -> list[Line]:
    """Each step with its end; an error that is `said` elsewhere is not said twice."""
    if not steps:
        return []
    names = max(len(step.name) for step in steps)
    places = max(len(step.backend) for step in steps)
    lines: list[Line] = []
    for step in steps:
        head = f"  {step.number:>2}  {step.name:<{names}}  {step.backend:<{places}}  "
        lines.append(line(head, *_step_end(step)))
        if step.said and not step.error_message:
            lines.extend(
                wrapped(f"it said: {step.said}", room, first=line("      "), indent=6, role=Role.DIM)
            )
        if step.error_message and step.error_message not in said:
            lines.extend(wrapped(step.error_message, room, first=line("      "), indent=6, role=Role.BAD))
    return lines


def _step_end(step: StepRecord) -> list[str | Span]:
    took = ""
    if step.started is not None and step.finished is not None:
        took = f"  {format_duration(step.finished - step.started)}"
    if step.outcome is None:
        word = {StepPhase.PENDING: "not begun", StepPhase.LOST: "answer lost"}.get(step.phase, "not ended")
        return [dim(word)]
    role = Role.GOOD if step.outcome in (Outcome.SUCCEEDED, Outcome.UNCHANGED) else Role.BAD
    role = Role.BUSY if step.outcome in OPEN else role
    return [Span(step.outcome.value.replace("_", " "), role), dim(took)]


def _holder(holder: Holder, now: float, room: int) -> list[Line]:
    doing = f": {holder.command}" if holder.command else ""
    text = f"held by {holder.who}{doing}, since {age(holder.since, now)}"
    lines = wrapped(text, room, first=line("  "), indent=4)
    if holder.operation_id:
        lines.append(line("  next: ", Span(f"replctl op wait {holder.operation_id}", Role.TYPE)))
    return lines


def _is_told_by_holder(done: OperationResult) -> bool:
    """Whether the failure would only say once more who holds the lock, and what to type."""
    said = done.holder is not None and done.holder.operation_id is not None
    return said and done.failure is not None and done.failure.code == Locked.code


def _footer(done: OperationResult) -> list[Line]:
    if done.operation_id is None or done.outcome is Outcome.UNCHANGED:
        return []
    lines = [line(dim(f"  operation {done.operation_id}"))]
    remedy = done.failure.remedy if done.failure is not None else ""
    if done.outcome in OPEN and not remedy:
        lines.append(line("  next: ", Span(f"replctl op wait {done.operation_id}", Role.TYPE)))
    return lines


def operation(record: OperationRecord, holder: Holder | None, now: float, width: int | None) -> list[Line]:
    """One operation as the journal has it."""
    room = width or UNLIMITED
    outcome = (
        "open" if record.is_open else record.outcome.value.replace("_", " ") if record.outcome else "ended"
    )
    sign = mark(record.outcome) if record.outcome is not None else MARKS[Outcome.IN_PROGRESS]
    lines = [line(sign, " ", strong(record.replication), f": {record.verb} on {record.backend}: {outcome}")]
    began = f"operation {record.operation_id}, began {format_time(record.began)} ({age(record.began, now)})"
    lines.extend(wrapped(began, room, first=line("  "), indent=4, role=Role.DIM))
    lines.extend(wrapped(str(record.who), room, first=line("  by "), indent=4))
    if record.reason:
        lines.extend(wrapped(record.reason, room, first=line("  reason: "), indent=4))
    if record.acknowledged:
        lines.extend(wrapped(" ".join(record.acknowledged), room, first=line("  acknowledged: "), indent=4))
    lines.extend(_steps(record.steps, room))
    if record.data_loss is not None:
        lines.extend(loss(record.data_loss, now, room))
    if record.error_message:
        lines.extend(wrapped(record.error_message, room, first=line("  "), indent=4, role=Role.BAD))
    return lines + _what_next(record, holder, now, room)


def _what_next(record: OperationRecord, holder: Holder | None, now: float, room: int) -> list[Line]:
    if record.abandoned_by:
        return [line(f"  abandoned by {record.abandoned_by}")]
    if not record.is_open:
        return []
    if holder is not None:
        return _holder(holder, now, room)
    resumes = Span(f"replctl op resume {record.operation_id}", Role.TYPE)
    return [line("  no process carries it out"), line("  next: ", resumes)]


def failure(failed: Failure, room: int, *, indent: int = 0) -> list[Line]:
    """What went wrong, what to do, and when it may be tried again."""
    pad = " " * indent
    head = line(pad, Span(failed.code, Role.BAD), ": ")
    lines = wrapped(failed.message, room, first=head, indent=indent + 2) if failed.message else []
    if failed.retry_at is not None:
        lines.append(line(f"{pad}not before {format_time(failed.retry_at)}"))
    if failed.remedy:
        lines.extend(wrapped(failed.remedy, room, first=line(pad, Span("→ ", Role.TYPE)), indent=indent + 2))
    return lines


def error(failed: Failure, findings: Iterable[Finding], width: int | None) -> list[Line]:
    """The sentence with which a command ends that came to no operation."""
    room = width or UNLIMITED
    head = line(Span(f"error[{failed.code}]:", Role.BAD), " ")
    lines = wrapped(failed.message, room, first=head, indent=7)
    for finding in findings:
        lines.extend(wrapped(str(finding), room, first=line("  "), indent=4))
    if failed.retry_at is not None:
        lines.append(line(f"  not before {format_time(failed.retry_at)}"))
    if failed.remedy:
        lines.extend(wrapped(failed.remedy, room, first=line(Span("→ ", Role.TYPE)), indent=2))
    return lines
