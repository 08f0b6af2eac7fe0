"""What a person reads of many things: replications, transitions, operations, breakers; as lines, pure.

Worst first, so that a full screen shows what matters; every number with its unit, every reading with its age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from replctl.cli.lines import BLANK, Line, Role, Row, Span, dim, line, strong, table, wrapped
from replctl.cli.screens import UNLIMITED, age, state_span
from replctl.core.breaker import BreakerState, Position
from replctl.core.differences import asserted_of
from replctl.core.durations import format_duration, format_time
from replctl.core.journal import ChainFault, OperationRecord, TransitionRecord
from replctl.core.model import Health, Hold, Mode, Scalar, StateNote, Trouble, TroubleKind
from replctl.core.outcomes import Outcome
from replctl.core.results import EndStatus, ReplicationStatus, StatusReport

NOTHING = "-"
MOST_WAITING = 10  # replications that wait for a person; more are counted
WORST_FIRST = (
    Health.SPLIT_BRAIN,
    Health.NO_SOURCE,
    Health.FAILED,
    Health.UNKNOWN,
    Health.DEGRADED,
    Health.HEALTHY,
)
HEALTH_ROLES: Mapping[Health, Role] = {
    Health.HEALTHY: Role.GOOD,
    Health.DEGRADED: Role.WARN,
    Health.UNKNOWN: Role.WARN,
    Health.FAILED: Role.BAD,
    Health.SPLIT_BRAIN: Role.BAD,
    Health.NO_SOURCE: Role.BAD,
}
MODE_WORDS = {Mode.SYNCHRONOUS: "sync", Mode.ASYNCHRONOUS: "async"}
ADVICE: Mapping[Health, str] = {
    Health.SPLIT_BRAIN: "both sides are sources: replctl explain {key}, then replctl reprotect {key}",
    Health.NO_SOURCE: "no side is the source: replctl explain {key}",
    Health.FAILED: "the backend reports a failure: replctl explain {key}",
    Health.UNKNOWN: "not everything could be read: replctl explain {key}",
    Health.DEGRADED: "copying does not run as it should: replctl explain {key}",
}

NOT_TOLD = "whether it is well is not told by what was read: replctl explain {key}"
_HEADERS = ("NAME", "STATE", "MODE", "HEALTH", "POINT", "LOCAL", "PEER")
_WIDE_HEADERS = (
    "WANTED",
    "IN SYNC",
    "RPO",
    "GROUP",
    "OPERATION",
    "TESTED",
    "READ",
    "LOCAL SAYS",
    "PEER SAYS",
)
NOT_REPLICATED = "neither side is replicated: replctl create {key}"


def worst_first(report: StatusReport) -> list[ReplicationStatus]:
    """What is wrong on top, then in the order of names."""
    rank = {health: at for at, health in enumerate(WORST_FIRST)}
    return sorted(report.replications, key=lambda each: (rank[each.health], each.replication.key))


def status(report: StatusReport, width: int | None, *, wide: bool = False) -> list[Line]:
    """One line a replication, silent backends with their ages, and a footer with what to do next."""
    if not report.replications:
        return [line("no replications are configured"), *_left_to_people(report, width or UNLIMITED)]
    ordered = worst_first(report)
    rows = [row(each, report.observed_at, wide=wide) for each in ordered]
    lines = table(status_headers(wide=wide), rows, width, remark="MESSAGE")
    return [*lines, *status_footer(report, ordered, width)]


def status_headers(*, wide: bool = False) -> list[str]:
    return [*_HEADERS, *(_WIDE_HEADERS if wide else ())]


def row(status: ReplicationStatus, now: float, *, wide: bool = False) -> Row:
    """The line of one replication; its remark is what there is to say of it."""
    cells = [
        Span(status.replication.key, Role.STRONG),
        _state(status),
        Span(MODE_WORDS[status.mode] if status.mode else NOTHING),
        Span(status.health.value.replace("_", " "), HEALTH_ROLES[status.health]),
        _point(status, now),
        _end(status.local),
        _end(status.peer),
    ]
    if wide:
        cells += _wide_cells(status, now)
    if status.health is Health.HEALTHY and not wide:
        return Row(tuple(cells), _mentions(status, now))
    role = HEALTH_ROLES[status.health] if status.health is not Health.HEALTHY else Role.DIM
    said = [status.message, *([_hold(status, status.hold, now)] if status.hold else [])]
    return Row(tuple(cells), Span("; ".join(said), role))


def _mentions(status: ReplicationStatus, now: float) -> Span | None:
    """What a healthy line still has to say: a hold, a drill, an open operation, a difference to the file."""
    words = []
    if status.operation_id:
        words.append(f"operation {status.operation_id} is open")
    if status.hold:
        words.append(_hold(status, status.hold, now))
    if status.drill:
        words.append("a failover test is running")
    if status.in_sync is False:
        words.append(difference(status))
    return Span("; ".join(words), Role.BUSY) if words else None


def _hold(status: ReplicationStatus, hold: Hold, now: float) -> str:
    """Who asks for hands off, and the reminder once its end has passed."""
    past = hold.ends_at is not None and hold.ends_at <= now
    end = f"replctl release {status.replication.key}"
    reminder = f" (was to end {age(hold.ends_at, now)}: {end})" if past else ""
    return f"held by {hold.owner}: {hold.reason}{reminder}"


def difference(status: ReplicationStatus) -> str:
    """How what is seen differs from the file."""
    wanted = status.replication
    if status.state is not wanted.desired_state:
        return f"the file wants {wanted.desired_state.value}"
    for each in asserted_of(status):
        return f"{each.aspect} {each.seen}, the file says {each.wanted}"
    return f"the copy is older than {format_duration(wanted.rpo_seconds or 0.0)}"


def _wide_cells(status: ReplicationStatus, now: float) -> list[Span]:
    in_sync = {True: "yes", False: "no", None: "unknown"}[status.in_sync]
    rpo = status.replication.rpo_seconds
    return [
        Span(status.replication.desired_state.value),
        Span(in_sync, Role.WARN if status.in_sync is False else Role.PLAIN),
        Span(NOTHING if rpo is None else format_duration(rpo)),
        Span(status.replication.group or NOTHING),
        Span(status.operation_id or NOTHING),
        _tested(status, now),
        Span(age(status.local.observed_at, now) or "never"),
        *(Span((end.remembered or end.seen).brief or NOTHING) for end in (status.local, status.peer)),
    ]


def _tested(status: ReplicationStatus, now: float) -> Span:
    """How long ago the last failover test ended, as far as this store knows."""
    if status.drill:
        return Span("running", Role.BUSY)
    last = status.last_drill
    return Span(NOTHING if last is None or last.finished is None else age(last.finished, now))


def _state(status: ReplicationStatus) -> Span:
    if status.state_note is StateNote.ABSENT:
        return Span("absent", Role.WARN)
    if status.state_note is StateNote.REMOVING:
        return Span("removing", Role.WARN)
    return state_span(status.state)


def _point(status: ReplicationStatus, now: float) -> Span:
    """How old the last consistent point is; red past the target."""
    if status.point_at is None:
        return Span("unknown" if status.health is not Health.HEALTHY else NOTHING, Role.DIM)
    old = max(0.0, now - status.point_at)
    target = status.replication.rpo_seconds
    role = Role.WARN if target is not None and old > target else Role.PLAIN
    return Span(f"{format_duration(old)} ago", role)


def _end(end: EndStatus) -> Span:
    """An end in two words: where, and what it is there; what is only remembered stands in brackets."""
    if not end.reachable:
        known = f" ({end.state.value})" if end.state else ""
        return Span(f"{end.backend} {_unread(end.seen.trouble)}{known}", Role.BAD)
    span = state_span(end.state)
    word = end.state_note.value if end.state_note else span.text
    doubt = " unverified" if end.unverified else ""
    return Span(f"{end.backend} {word}{doubt}", Role.WARN if doubt else span.role)


def _unread(trouble: Trouble | None) -> str:
    """Silence may mean a dead site; what is our own trouble, such as a wrong password, must not look like it."""
    return "silent" if trouble is None or trouble.kind is TroubleKind.SILENT else "not read"


def status_footer(
    report: StatusReport, ordered: Sequence[ReplicationStatus], width: int | None
) -> list[Line]:
    """Counts, silent backends with since when, and the one thing to do next."""
    room = width or UNLIMITED
    counts = Counter(each.health for each in ordered)
    words = [f"{counts[health]} {health.value.replace('_', ' ')}" for health in WORST_FIRST if counts[health]]
    noun = "replication" if len(ordered) == 1 else "replications"
    lines = [BLANK, line(dim(f"{len(ordered)} {noun}: {', '.join(words)}"))]
    for backend in sorted(report.silent):
        lines.extend(wrapped(_silence(backend, report), room, indent=2, role=Role.BAD))
    worst = ordered[0]
    if worst.health is not Health.HEALTHY:
        lines.extend(wrapped("next: " + _advice(worst), room, indent=2))
    return [*lines, *_left_to_people(report, room)]


def _left_to_people(report: StatusReport, room: int) -> Iterator[Line]:
    """What the daemon waits for, as of its last look, each with the command to type."""
    word = report.daemon
    waits = [(each.replication.key, each.waiting) for each in report.replications if each.waiting]
    if word is None or not (waits or word.trouble):
        return
    doubt = ", and may not run any more" if word.is_late(report.observed_at) else ""
    looked = f"it looked {age(word.looked_at, report.observed_at)}{doubt}"
    yield from wrapped(f"the daemon waits for a person ({looked}):", room, role=Role.WARN)
    if word.trouble:
        why = f"the file that lies there is not in force: {word.trouble}"
        yield from wrapped(why, room, first=line("  "), indent=4)
        yield from _to_type(word.next)
    for key, waiting in waits[:MOST_WAITING]:
        why = f"{waiting.why} (for {format_duration(max(0.0, report.observed_at - waiting.since))})"
        yield from wrapped(why, room, first=line("  ", strong(key), ": "), indent=4)
        yield from _to_type(waiting.next)
    if len(waits) > MOST_WAITING:
        yield line(dim(f"  and {len(waits) - MOST_WAITING} more: replctl status -o json"))


def _to_type(command: str) -> Iterator[Line]:
    if command:
        yield line("    ", Span(command, Role.TYPE))


def _advice(worst: ReplicationStatus) -> str:
    absent = {worst.local.state_note, worst.peer.state_note} == {StateNote.ABSENT}
    read = worst.local.reachable and worst.peer.reachable
    untold = worst.health is Health.UNKNOWN and read and not absent
    advice = NOT_REPLICATED if absent else NOT_TOLD if untold else ADVICE[worst.health]
    return advice.format(key=worst.replication.key)


def _silence(backend: str, report: StatusReport) -> str:
    """A silent backend: why, and how old the memory is that is shown in its place."""
    ends = [end for each in report.replications for end in (each.local, each.peer) if end.backend == backend]
    troubles = [end.seen.trouble for end in ends if end.seen.trouble is not None]
    why = f": {troubles[0].message.rstrip('.')}" if troubles else ""
    verdict = "did not answer" if _unread(next(iter(troubles), None)) == "silent" else "was not read"
    probe = " (--probe asks all the same)" if troubles and troubles[0].retry_at is not None else ""
    read = [end.observed_at for end in ends if end.observed_at is not None]
    memory = f"; last read {age(max(read), report.observed_at)}" if read else "; never read before"
    return f"{backend} {verdict}{why}{probe}{memory}"


def history(moves: Sequence[TransitionRecord], width: int | None, *, wide: bool = False) -> list[Line]:
    """State changes, oldest first."""
    if not moves:
        return [line("no state changes are recorded")]
    headers = ["TIME", "NAME", "BACKEND", "FROM", "TO", "REASON"]
    headers += ["OPERATION", "REQUEST"] if wide else []
    rows = [_move(each, wide) for each in moves]
    return table(headers, rows, width, remark="WHO", dispensable=not wide)


def _move(move: TransitionRecord, wide: bool) -> Row:
    cells = [
        Span(format_time(move.at)),
        Span(move.replication, Role.STRONG),
        Span(move.backend),
        state_span(move.origin),
        state_span(move.target),
        Span(move.reason.replace("_", " "), Role.WARN if move.reason == "external" else Role.PLAIN),
    ]
    if wide:
        cells += [Span(move.operation_id or NOTHING), Span(move.request_id)]
    return Row(tuple(cells), dim(move.who))


def verification(
    faults: Sequence[ChainFault], open_questions: Mapping[str, str], width: int | None
) -> list[Line]:
    """What `history --verify` found, and what it cannot prove."""
    room = width or UNLIMITED
    if faults:
        lines = [line(Span("✗", Role.BAD), f" {len(faults)} {_plural(len(faults), 'fault')} in the history")]
    else:
        chains = f"{len(open_questions)} {_plural(len(open_questions), 'chain')}"
        lines = [line(Span("✓", Role.GOOD), f" nothing wrong is found in {chains}")]
    for fault in faults:
        place = f", entry {fault.sequence}" if fault.sequence is not None else ""
        head = line("  ", Span(fault.replication or "anchors", Role.STRONG), f"{place}: ")
        lines.extend(wrapped(fault.fault, room, first=head, indent=4))
    for key, text in open_questions.items():
        lines.extend(
            wrapped(text, room, first=line(dim(f"  not proven for {key}: ")), indent=4, role=Role.DIM)
        )
    return lines


def _plural(count: int, noun: str) -> str:
    return noun if count == 1 else f"{noun}s"


def operations(
    records: Sequence[OperationRecord], now: float, width: int | None, *, wide: bool = False
) -> list[Line]:
    """Operations, newest first."""
    if not records:
        return [line("no operations are recorded")]
    headers = ["ID", "NAME", "VERB", "BACKEND", "OUTCOME", "BEGAN", "STEP"]
    headers += ["WHO", "CORRELATION"] if wide else []
    return table(headers, [_operation(each, now, wide) for each in records], width, remark="REASON")


def _operation(record: OperationRecord, now: float, wide: bool) -> Row:
    done = sum(step.outcome in (Outcome.SUCCEEDED, Outcome.UNCHANGED) for step in record.steps)
    cells = [
        Span(record.operation_id, Role.STRONG),
        Span(record.replication),
        Span(record.verb),
        Span(record.backend),
        _outcome(record),
        Span(age(record.began, now)),
        Span(f"{done}/{len(record.steps)}"),
    ]
    if wide:
        cells += [Span(str(record.who)), Span(record.correlation_id)]
    return Row(tuple(cells), Span(record.reason or ""))


def _outcome(record: OperationRecord) -> Span:
    if record.abandoned_by:
        return Span("abandoned", Role.DIM)
    if record.outcome is None:
        return Span("open", Role.BUSY)
    word = record.outcome.value.replace("_", " ")
    if record.outcome is Outcome.SUCCEEDED:
        return Span(word, Role.GOOD)
    return Span(word, Role.BUSY if record.is_open else Role.BAD)


def breakers(states: Sequence[tuple[str, str, BreakerState]], now: float, width: int | None) -> list[Line]:
    """Circuit breakers by backend and class of calls."""
    if not states:
        return [line("no circuit breaker has counted anything yet: all are closed")]
    headers = ["BACKEND", "CLASS", "POSITION", "FAILURES", "SUCCESSES", "RETRY AT", "LAST FAILURE"]
    return table(headers, [_breaker(*each, now) for each in states], width, remark="LAST ERROR")


def _breaker(backend: str, kind: str, state: BreakerState, now: float) -> Row:
    role = {Position.OPEN: Role.BAD, Position.HALF_OPEN: Role.WARN}.get(state.position, Role.GOOD)
    cells = (
        Span(backend, Role.STRONG),
        Span(kind),
        Span(state.position.value, role),
        Span(str(state.failures)),
        Span(str(state.successes)),
        Span(NOTHING if state.retry_at is None else format_time(state.retry_at)),
        Span(age(state.last_failure_at, now) or "never"),
    )
    return Row(cells, Span(state.last_error or ""))


def assumptions(known: Sequence[tuple[str, tuple[str, ...], str, str, str]], width: int | None) -> list[Line]:
    """What the simulator can be told to assume; the first value is not special, the default is said."""
    rows = [
        Row((Span(name, Role.STRONG), Span("|".join(values)), Span(default)), dim(f"{sentence} ({section})"))
        for name, values, default, section, sentence in known
    ]
    return table(["NAME", "VALUES", "DEFAULT"], rows, width, remark="WHAT")


def settings(rows: Sequence[tuple[str, Scalar, str]], width: int | None, *, origin: bool) -> list[Line]:
    """Keys and values, and on request who set them."""
    made = [
        Row((Span(key, Role.STRONG), Span(_value(value))), dim(source) if origin else None)
        for key, value, source in rows
    ]
    return table(["KEY", "VALUE"], made, width, remark="ORIGIN" if origin else "")


def _value(value: Scalar) -> str:
    if value is None:
        return NOTHING
    return str(value).lower() if isinstance(value, bool) else str(value)
