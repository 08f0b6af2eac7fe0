"""What `diff` found, as a document and as lines for people; pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from replctl.cli.documents import SCHEMA_VERSION, hold_of, rfc3339
from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Row, Span, line, plural, table, wrapped
from replctl.cli.screens import FAILURE_MARK, MARKS
from replctl.cli.shapes import ComparisonDocument, DifferenceDocument, DifferencesDocument
from replctl.cli.surroundings import PROGRAM
from replctl.core.differences import Aspect, Comparison, Difference
from replctl.core.durations import format_duration
from replctl.core.outcomes import Outcome
from replctl.core.states import shown

UNTOLD = "?"  # of what of a replication it cannot be told


def document(compared: Sequence[Comparison], observed_at: float) -> DifferencesDocument:
    return DifferencesDocument(
        schema_version=SCHEMA_VERSION,
        observed_at=rfc3339(observed_at),
        compared=len(compared),
        replications=[_comparison(each) for each in compared if not each.same],
    )


def _comparison(each: Comparison) -> ComparisonDocument:
    replication = each.status.replication
    return ComparisonDocument(
        namespace=replication.namespace,
        name=replication.name,
        group=replication.group,
        same=each.same,
        differences=[
            DifferenceDocument(
                what=found.aspect,
                wanted=found.wanted,
                seen=found.seen,
                verb=None if found.verb is None else found.verb.value,
            )
            for found in each.differences
        ],
        hold=hold_of(each.status.hold),
        message=each.untold,
    )


def differences(compared: Sequence[Comparison], width: int | None) -> list[Line]:
    """One line for each difference, then how many there are and what carries them out."""
    rows = [row for each in compared for row in _rows(each)]
    lines = table(["NAME", "WHAT", "FILE", "WORLD"], rows, width, remark="NEXT") if rows else []
    return [*lines, *([BLANK] if rows else []), *_footer(compared, width or UNLIMITED)]


def _rows(each: Comparison) -> Iterator[Row]:
    key = each.status.replication.key
    for found in each.differences:
        cells = (
            Span(key, Role.STRONG),
            Span(found.aspect.value),
            Span(found.wanted),
            Span(found.seen, Role.WARN),
        )
        yield Row(cells, Span(_next(each, found), Role.TYPE))
    if each.untold:
        what, wanted = UNTOLD, shown(each.status.replication.desired_state)
        if each.untold_rpo:
            what, wanted = Aspect.RPO.value, format_duration(each.status.replication.rpo_seconds or 0.0)
        role = Role.DIM if each.untold_rpo else Role.WARN
        cells = (Span(key, Role.STRONG), Span(what), Span(wanted), Span("not known", role))
        yield Row(cells, Span(each.untold, role))


def _next(each: Comparison, found: Difference) -> str:
    key, hold = each.status.replication.key, each.status.hold
    if found.verb is None:
        return f"{PROGRAM} explain {key}"
    held = f"; held by {hold.owner}: {hold.reason}" if hold is not None else ""
    return f"{PROGRAM} {found.verb.value} {key}{held}"


def _footer(compared: Sequence[Comparison], room: int) -> Iterator[Line]:
    differ = sum(each.same is False for each in compared)
    untold = sum(bool(each.untold) and not each.untold_rpo for each in compared)
    without_rpo = sum(each.untold_rpo for each in compared)
    many = plural(len(compared), "replication")
    rpo = f"of {without_rpo} of {len(compared)} the rpo cannot be told" if without_rpo else ""
    if not differ and not untold:
        said = f"all as the file says{f', but {rpo}' if rpo else ''}"
        yield from wrapped(f"{many}: {said}", room, first=line(MARKS[Outcome.UNCHANGED], " "), indent=2)
        return
    words = [f"{differ} of {many} differ from the file"] if differ else []
    if untold:
        words.append(f"of {untold} of {len(compared)} it cannot be told")
    words += [rpo] if rpo else []
    yield from wrapped(", and ".join(words), room, first=line(FAILURE_MARK, " "), indent=2)
    applicable = sum(each.is_applicable for each in compared)
    if applicable:
        can = f"next: {plural(applicable, 'planned change')} of roles can be carried out"
        yield from wrapped(can, room, indent=2)
        yield line("  ", Span(f"{PROGRAM} apply --dry-run", Role.TYPE))
        yield line("  ", Span(f"{PROGRAM} apply", Role.TYPE))
