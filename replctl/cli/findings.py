"""What `backends`, `discover` and `doctor` found: as documents, and as lines for people; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from replctl.cli.documents import SCHEMA_VERSION, rfc3339, state_word, when
from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Row, Span, dim, line, strong, table, wrapped
from replctl.cli.shapes import (
    BackendDocument,
    BackendsDocument,
    CheckDocument,
    DiagnosisDocument,
    DiscoveryDocument,
    ErrorDocument,
    ImportDocument,
    ImportedDocument,
    InventoryDocument,
    LeftOutDocument,
    ThingDocument,
)
from replctl.core.breaker import Position
from replctl.core.durations import format_duration
from replctl.core.model import End, Replication, Trouble
from replctl.diagnosis.checks import Check, Level
from replctl.diagnosis.importing import Imported, LeftOut
from replctl.diagnosis.survey import Findings, Found, Standing

NOTHING = "-"
WORDS = ("role", "state")  # of the vendor's, those that say most of a thing
WORST_LAST = (Level.OK, Level.WARN, Level.FAIL)
MARKS: Mapping[Level, Span] = {
    Level.OK: Span("✓", Role.GOOD),
    Level.WARN: Span("!", Role.WARN),
    Level.FAIL: Span("✗", Role.BAD),
}
ROLES: Mapping[Level, Role] = {Level.OK: Role.DIM, Level.WARN: Role.WARN, Level.FAIL: Role.BAD}


def error(trouble: Trouble) -> ErrorDocument:
    return ErrorDocument(
        code=trouble.code,
        message=trouble.message,
        remedy=trouble.remedy or None,
        retry_at=when(trouble.retry_at),
    )


# -- backends ------------------------------------------------------------------------------------------------


def backends_document(found: Iterable[Standing], now: float) -> BackendsDocument:
    listed = [_backend_document(each) for each in found]
    return BackendsDocument(schema_version=SCHEMA_VERSION, observed_at=rfc3339(now), backends=listed)


def _backend_document(each: Standing) -> BackendDocument:
    return BackendDocument(
        name=each.name,
        kind=each.kind,
        url=each.url,
        reachable=each.reachable,
        version=each.version,
        clock_offset_seconds=each.clock_offset_seconds,
        clock_margin_seconds=each.clock_margin_seconds,
        latency_seconds=each.latency_seconds,
        sessions=each.sessions,
        capabilities=list(each.capabilities),
        breakers=dict(each.breakers),
        error=None if each.trouble is None else error(each.trouble),
    )


def backends(found: Sequence[Standing], width: int | None, *, wide: bool = False) -> list[Line]:
    """One line a backend; what is wrong with one stands at its end."""
    headers = ["NAME", "KIND", "REACHABLE", "VERSION", "CLOCK", "LATENCY", "SESSIONS", "BREAKERS"]
    headers += ["URL", "CAPABILITIES"] if wide else []
    return table(headers, [_backend(each, wide) for each in found], width, remark="MESSAGE")


def _backend(each: Standing, wide: bool) -> Row:
    cells = [
        Span(each.name, Role.STRONG),
        Span(each.kind),
        Span("yes", Role.GOOD) if each.reachable else Span("no", Role.BAD),
        Span(each.version or NOTHING),
        Span(NOTHING if each.clock_offset_seconds is None else f"{each.clock_offset_seconds:+.3f}s"),
        Span(NOTHING if each.latency_seconds is None else format_duration(each.latency_seconds)),
        Span(NOTHING if each.sessions is None else str(each.sessions)),
        _breakers(each.breakers),
    ]
    if wide:
        cells += [Span(each.url or NOTHING), Span(", ".join(each.capabilities) or NOTHING)]
    return Row(tuple(cells), Span(each.trouble.message, Role.BAD) if each.trouble is not None else None)


def _breakers(positions: Mapping[str, Position]) -> Span:
    odd = [
        f"{kind} {position.value.replace('_', ' ')}"
        for kind, position in sorted(positions.items())
        if position is not Position.CLOSED
    ]
    return Span(", ".join(odd), Role.WARN) if odd else Span("closed")


# -- discover ------------------------------------------------------------------------------------------------


def discovery_document(found: Iterable[Findings]) -> DiscoveryDocument:
    return DiscoveryDocument(schema_version=SCHEMA_VERSION, backends=[_inventory(each) for each in found])


def _inventory(each: Findings) -> InventoryDocument:
    inventory = each.inventory
    return InventoryDocument(
        backend=inventory.backend,
        kind=inventory.kind,
        presence=inventory.presence.value,
        version=inventory.version,
        read_at=rfc3339(inventory.read_at),
        things=[_thing(found) for found in each.found],
        missing={kind: error(trouble) for kind, trouble in inventory.missing.items()},
    )


def _thing(found: Found) -> ThingDocument:
    thing = found.thing
    return ThingDocument(
        kind=thing.kind,
        id=thing.id,
        name=thing.name,
        replicates=thing.replicates,
        replicated=found.replicated,
        managed_by=found.managed_by,
        facts=dict(thing.facts),
    )


def discovery(found: Sequence[Findings], width: int | None, *, wide: bool = False) -> list[Line]:
    """The sessions of every backend, or all things, and what could not be read."""
    shown = [(each, thing) for each in found for thing in (each.found if wide else each.sessions)]
    lines: list[Line] = []
    if shown:
        headers = ["BACKEND", "KIND", "ID", "WHAT", "STATE", "TYPE", "IN THE FILE"]
        rows = [_row(each, thing) for each, thing in shown]
        lines = [*table(headers, rows, width, gives_way=() if wide else ("KIND", "ID", "TYPE")), BLANK]
    for each in found:
        lines.extend(_summary(each, width or UNLIMITED))
    return lines


def _row(findings: Findings, found: Found) -> Row:
    what = found.copies or found.thing
    words = " ".join(str(found.thing.facts[word]) for word in WORDS if found.thing.facts.get(word))
    cells = (
        Span(findings.inventory.backend),
        Span(found.thing.kind.replace("_", " ")),
        Span(found.thing.id),
        Span(f"{what.kind.replace('_', ' ')} {what.name}" if found.copies else what.name, Role.STRONG),
        Span(words or NOTHING),
        Span(str(found.thing.facts.get("type") or NOTHING)),
        _managed(found),
    )
    return Row(cells)


def _managed(found: Found) -> Span:
    if found.managed_by is not None:
        return Span(found.managed_by)
    return Span("unmanaged", Role.WARN) if found.replicated else Span(NOTHING)


def _summary(findings: Findings, room: int) -> list[Line]:
    inventory = findings.inventory
    sessions = findings.sessions
    loose = sum(each.managed_by is None for each in sessions)
    words = f"{len(sessions)} session{'' if len(sessions) == 1 else 's'}, {loose} not in the file"
    said = f"{inventory.presence.value} could be read" if inventory.presence != "unknown" else "not read"
    lines = [line(strong(inventory.backend), f": {words}; {said}" if sessions else f": {said}")]
    for kind, trouble in inventory.missing.items():
        head = line("  ", Span(kind.replace("_", " "), Role.BAD), ": ")
        lines.extend(wrapped(trouble.message, room, first=head, indent=4))
    return lines


# -- doctor --------------------------------------------------------------------------------------------------


def diagnosis_document(checks: Sequence[Check], now: float) -> DiagnosisDocument:
    return DiagnosisDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(now),
        level=_worst(checks).value,
        checks=[_check_document(each) for each in checks],
    )


def _check_document(check: Check) -> CheckDocument:
    return CheckDocument(
        name=check.name,
        subject=check.subject,
        level=check.level.value,
        sentence=check.sentence,
        cure=check.cure or None,
    )


def _worst(checks: Sequence[Check]) -> Level:
    return max((check.level for check in checks), key=WORST_LAST.index, default=Level.OK)


def diagnosis(checks: Sequence[Check], width: int | None) -> list[Line]:
    """Check by check in the order of mending, then each trouble with its cure under it, and a tally."""
    well = [check for check in checks if check.level is Level.OK]
    troubles = [check for check in checks if check.level is not Level.OK]
    lines = [each for check in well for each in _check(check, width or UNLIMITED)]
    if well and troubles:
        lines.append(BLANK)
    lines += [each for check in troubles for each in _check(check, width or UNLIMITED)]
    counts = {level: sum(check.level is level for check in checks) for level in WORST_LAST}
    tally = (
        f"{len(checks)} checks: {counts[Level.OK]} ok, {counts[Level.WARN]} warn, {counts[Level.FAIL]} fail"
    )
    return [*lines, BLANK, line(dim(tally))]


def _check(check: Check, room: int) -> Iterator[Line]:
    head = line(MARKS[check.level], " ", strong(check.name), f" {check.subject}: ")
    yield from wrapped(check.sentence, room, first=head, indent=4, role=ROLES[check.level])
    if check.cure:
        yield from wrapped(check.cure, room, first=line("    → "), indent=6, role=Role.TYPE)


# -- import --------------------------------------------------------------------------------------------------


def import_document(found: Imported, file: str, *, written: bool) -> ImportDocument:
    return ImportDocument(
        schema_version=SCHEMA_VERSION,
        file=file,
        written=written,
        known=found.known,
        added=[_imported_document(each) for each in found.entries],
        left_out=left_out_documents(found),
    )


def left_out_documents(found: Imported) -> list[LeftOutDocument]:
    return [_left_out_document(each) for each in found.left_out]


def _imported_document(each: Replication) -> ImportedDocument:
    return ImportedDocument(
        namespace=each.namespace,
        name=each.name,
        state=state_word(each.desired_state),
        mode=each.mode,
        local={"backend": each.local.backend, **each.local.words},
        peer={"backend": each.peer.backend, **each.peer.words},
    )


def _left_out_document(each: LeftOut) -> LeftOutDocument:
    return LeftOutDocument(
        backend=each.backend, kind=each.kind, name=each.called, reason=each.reason, message=each.why
    )


def imported(found: Imported, width: int | None) -> list[Line]:
    """One line a new entry."""
    if not found.entries:
        return []
    rows = [
        Row(
            (
                Span(each.key, Role.STRONG),
                Span(each.desired_state.value),
                Span(each.mode.value if each.mode is not None else NOTHING),
                Span(_place(each.local)),
                Span(_place(each.peer)),
            )
        )
        for each in found.entries
    ]
    return table(["NAME", "STATE", "MODE", "LOCAL", "PEER"], rows, width)


def _place(end: End) -> str:
    return " ".join([end.backend, *(word for _, word in end.locator)])


def left_out(found: Imported, width: int | None) -> list[Line]:
    """What got no entry, each with why; told, for nobody guesses it."""
    room = width or UNLIMITED
    lines: list[Line] = []
    for each in found.left_out:
        head = line(Span("!", Role.WARN), " ", strong(each.called), f" on {each.backend}: ")
        lines.extend(wrapped(f"{each.reason.value}: {each.why}", room, first=head, indent=4))
    return lines


def imported_footer(found: Imported, file: str, *, written: bool) -> list[Line]:
    """How many there are, and where they are now."""
    count = len(found.entries)
    noun = "entry" if count == 1 else "entries"
    if not count:
        done = f"nothing to add to {file}"
    else:
        done = f"{count} {noun} {'added' if written else 'would be added'} to {file}"
    return [line(dim(f"{done}; {found.known} known already, {len(found.left_out)} left out"))]
