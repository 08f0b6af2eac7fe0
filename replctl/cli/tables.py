"""What a person reads of many things: replications, transitions, operations, breakers; as lines, pure.

Worst first, so that a full screen shows what matters; every number with its unit, every reading with its age.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from replctl.cli.lines import (
    BLANK,
    UNLIMITED,
    Line,
    Role,
    Row,
    Span,
    abridged,
    dim,
    fits,
    fits_beside,
    fitted,
    line,
    plural,
    strong,
    table,
    wrapped,
)
from replctl.cli.screens import age, state_span
from replctl.core.breaker import BreakerState, Position
from replctl.core.differences import asserted_of
from replctl.core.durations import format_duration, format_time
from replctl.core.journal import ChainFault, OperationRecord, TransitionRecord
from replctl.core.model import Health, Hold, Mode, Scalar, StateNote, Trouble, TroubleKind
from replctl.core.outcomes import Outcome
from replctl.core.results import EndStatus, ReplicationStatus, StatusReport

NOTHING = "-"
SILENT = "silent"
MOST_WAITING = 10  # replications that wait for a person; more are counted
MOST_NOTES = 12  # below the lines; of more only the worst are told
MOST_NAMED = 3  # replications of which the same is said
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
ADVICE: Mapping[Health, tuple[str, ...]] = {
    Health.SPLIT_BRAIN: ("both sides are sources", "replctl explain {key}", "replctl reprotect {key}"),
    Health.NO_SOURCE: ("no side is the source", "replctl explain {key}"),
    Health.FAILED: ("the backend reports a failure", "replctl explain {key}"),
    Health.UNKNOWN: ("not everything could be read", "replctl explain {key}"),
    Health.DEGRADED: ("copying does not run as it should", "replctl explain {key}"),
}
"""What there is to do about the worst: why, and the commands to type."""
NOT_TOLD = ("whether it is well is not told by what was read", "replctl explain {key}")
NOT_REPLICATED = ("neither side is replicated", "replctl create {key}")

_HEADERS = ("NAME", "STATE", "MODE", "HEALTH", "POINT", "LOCAL", "PEER", "GROUP")
_GIVES_WAY = ("STATE", "MODE", "GROUP")  # where there is no room: LOCAL has the state, too
_WIDE_HEADERS = ("WANTED", "IN SYNC", "RPO", "OPERATION", "TESTED", "READ", "LOCAL SAYS", "PEER SAYS")


def worst_first(report: StatusReport) -> list[ReplicationStatus]:
    """What is wrong on top, then in the order of names."""
    rank = {health: at for at, health in enumerate(WORST_FIRST)}
    return sorted(report.replications, key=lambda each: (rank[each.health], each.replication.key))


def status(report: StatusReport, width: int | None, *, wide: bool = False) -> list[Line]:
    """One line a replication, what there is to say of them, silent backends with their ages, and what to do next.

    Messages stand at the ends of the lines if all have room there, else below them all.
    """
    if not report.replications:
        return [line("no replications are configured"), *_left_to_people(report, width or UNLIMITED)]
    ordered, now = worst_first(report), report.observed_at
    headers, rows = status_rows(ordered, now, wide=wide)
    if width is None or wide or fits_beside(headers, rows, width, "MESSAGE"):
        lines = table(headers, rows, width, remark="MESSAGE")
    else:
        lines = [*table(*in_columns(ordered, now, width), width), *_notes(report, ordered, rows, width)]
    return [*lines, *status_footer(report, ordered, width)]


def status_rows(
    ordered: Sequence[ReplicationStatus], now: float, *, wide: bool = False, terse: bool = False
) -> tuple[Sequence[str], Sequence[Row]]:
    """All columns: headers, and the lines of the replications with what there is to say of them."""
    headers = [*_HEADERS, *(_WIDE_HEADERS if wide else ())]
    rows = [row(each, now, wide=wide, terse=terse) for each in ordered]
    if wide or any(each.replication.group for each in ordered):
        return headers, rows
    return headers[:-1], [Row(each.cells[:-1], each.remark) for each in rows]


def in_columns(
    ordered: Sequence[ReplicationStatus], now: float, width: int
) -> tuple[Sequence[str], Sequence[Row]]:
    """As many columns as have room, without messages; a name may be cut in its middle, a state never."""
    headers, rows = fitted(*_bare(ordered, now), width, _GIVES_WAY)
    if fits(headers, rows, width):
        return headers, rows
    return fitted(*_bare(ordered, now, terse=True), width, _GIVES_WAY, abridged)


def _bare(
    ordered: Sequence[ReplicationStatus], now: float, *, terse: bool = False
) -> tuple[Sequence[str], Sequence[Row]]:
    headers, rows = status_rows(ordered, now, terse=terse)
    return headers, [Row(each.cells) for each in rows]


def row(status: ReplicationStatus, now: float, *, wide: bool = False, terse: bool = False) -> Row:
    """The line of one replication; its remark is what there is to say of it."""
    cells = [
        Span(status.replication.key, Role.STRONG),
        _state(status),
        Span(MODE_WORDS[status.mode] if status.mode else NOTHING),
        Span(status.health.value.replace("_", " "), HEALTH_ROLES[status.health]),
        _point(status, now, terse=terse),
        _end(status.local),
        _end(status.peer),
        Span(status.replication.group) if status.replication.group else dim(NOTHING),
    ]
    if wide:
        cells += _wide_cells(status, now)
    said = mentions(status, now)
    if status.health is Health.HEALTHY and not wide:
        return Row(tuple(cells), Span("; ".join(said), Role.BUSY) if said else None)
    role = HEALTH_ROLES[status.health] if status.health is not Health.HEALTHY else Role.DIM
    return Row(tuple(cells), Span("; ".join(filter(None, [status.message, *said])), role))


def mentions(status: ReplicationStatus, now: float) -> list[str]:
    """What there is to say besides the health: a hold, a drill, an open operation, a difference to the file."""
    words = []
    if status.operation_id:
        words.append(f"operation {status.operation_id} is open")
    if status.hold:
        words.append(_hold(status, status.hold, now))
    if status.drill:
        words.append("a failover test is running")
    if status.in_sync is False:
        words.append(difference(status))
    return words


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


def _point(status: ReplicationStatus, now: float, *, terse: bool) -> Span:
    """How old the last consistent point is; a warning past the target."""
    if status.point_at is None:
        return Span("unknown" if status.health is not Health.HEALTHY else NOTHING, Role.DIM)
    old = max(0.0, now - status.point_at)
    target = status.replication.rpo_seconds
    role = Role.WARN if target is not None and old > target else Role.PLAIN
    return Span(format_duration(old) if terse else f"{format_duration(old)} ago", role)


def _end(end: EndStatus) -> Span:
    """An end in two words: where, and what it is there; what is only remembered stands in brackets."""
    if not end.reachable:
        known = f" ({end.state.value})" if end.state else ""
        word = _unread(end.seen.trouble)
        return Span(f"{end.backend} {word}{known}", Role.BAD if word == SILENT else Role.WARN)
    span = state_span(end.state)
    word = end.state_note.value if end.state_note else span.text
    doubt = " unverified" if end.unverified else ""
    return Span(f"{end.backend} {word}{doubt}", Role.WARN if doubt else span.role)


def _unread(trouble: Trouble | None) -> str:
    """Silence may mean a dead site; what is our own trouble, such as a wrong password, must not look like it."""
    return SILENT if trouble is None or trouble.kind is TroubleKind.SILENT else "not read"


def _notes(
    report: StatusReport, ordered: Sequence[ReplicationStatus], rows: Sequence[Row], room: int
) -> Iterator[Line]:
    """The messages, worst first; of many of which the same is said, once, and what the footer says not at all."""
    told = {
        f"{end.backend}: {end.seen.trouble.message}"
        for each in report.replications
        for end in (each.local, each.peer)
        if end.seen.trouble is not None and end.backend in report.silent
    }
    notes: dict[Span, list[str]] = {}
    for each, shown in zip(ordered, rows, strict=True):
        if shown.remark is not None and shown.remark.text and shown.remark.text not in told:
            notes.setdefault(shown.remark, []).append(each.replication.key)
    if notes:
        yield BLANK
    for remark, keys in list(notes.items())[:MOST_NOTES]:
        more = f" and {len(keys) - MOST_NAMED} more" if len(keys) > MOST_NAMED else ""
        head = line(strong(", ".join(keys[:MOST_NAMED])), f"{more}: ")
        yield from wrapped(remark.text, room, first=head, indent=2, role=remark.role)
    if len(notes) > MOST_NOTES:
        yield line(dim(f"and {len(notes) - MOST_NOTES} more to say: replctl status -o wide"))


def status_footer(
    report: StatusReport, ordered: Sequence[ReplicationStatus], width: int | None
) -> list[Line]:
    """Counts, silent backends with since when, and the one thing to do next, as commands to type."""
    room = width or UNLIMITED
    counts = Counter(each.health for each in ordered)
    words = [f"{counts[health]} {health.value.replace('_', ' ')}" for health in WORST_FIRST if counts[health]]
    counted = f"{plural(len(ordered), 'replication')}: {', '.join(words)}"
    lines = [BLANK, *wrapped(counted, room, indent=2, role=Role.DIM)]
    for backend in sorted(report.silent):
        lines.extend(_silence(backend, report, room))
    worst = ordered[0]
    if worst.health is not Health.HEALTHY:
        why, *commands = _advice(worst)
        lines.extend(wrapped(f"next: {why}", room, indent=2))
        lines.extend(each for command in commands for each in _to_type(command, "  "))
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


def _to_type(command: str, indent: str = "    ") -> Iterator[Line]:
    if command:
        yield line(indent, Span(command, Role.TYPE))


def _advice(worst: ReplicationStatus) -> list[str]:
    absent = {worst.local.state_note, worst.peer.state_note} == {StateNote.ABSENT}
    read = worst.local.reachable and worst.peer.reachable
    untold = worst.health is Health.UNKNOWN and read and not absent
    advice = NOT_REPLICATED if absent else NOT_TOLD if untold else ADVICE[worst.health]
    return [each.format(key=worst.replication.key) for each in advice]


def _silence(backend: str, report: StatusReport, room: int) -> list[Line]:
    """A silent backend: why, and how old the memory is that is shown in its place."""
    ends = [end for each in report.replications for end in (each.local, each.peer) if end.backend == backend]
    troubles = [end.seen.trouble for end in ends if end.seen.trouble is not None]
    why = f": {troubles[0].message.rstrip('.')}" if troubles else ""
    silent = _unread(next(iter(troubles), None)) == SILENT
    verdict = "did not answer" if silent else "was not read"
    probe = " (--probe asks all the same)" if troubles and troubles[0].retry_at is not None else ""
    read = [end.observed_at for end in ends if end.observed_at is not None]
    memory = f"; last read {age(max(read), report.observed_at)}" if read else "; never read before"
    text = f"{backend} {verdict}{why}{probe}{memory}"
    return wrapped(text, room, indent=2, role=Role.BAD if silent else Role.WARN)


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
        lines = [line(Span("✗", Role.BAD), f" {plural(len(faults), 'fault')} in the history")]
    else:
        chains = plural(len(open_questions), "chain")
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
    rows = [_breaker(*each, now) for each in states]
    return table(headers, rows, width, remark="LAST ERROR", gives_way=("SUCCESSES", "FAILURES"))


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
