"""The live screen of `status --watch`: what is shown and what a key does to it, as values; pure.

One line a replication, so that the screen does not jump when a message grows; the chosen one is told in full below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from replctl.cli.lines import BLANK, Line, Role, Span, cropped, dim, length, line, strong, table, wrapped
from replctl.cli.screens import age
from replctl.cli.tables import HEALTH_ROLES, in_columns, mentions, row, status_footer, worst_first
from replctl.core.durations import format_duration
from replctl.core.results import EndStatus, ReplicationStatus, StatusReport

MARKER = "> "
LEAST_ROWS = 3  # of replications, however small the terminal is
LEAST_MESSAGE = 12  # columns; in fewer a message says nothing
WIDE, MESSAGE = 100, 28  # columns: on a screen so wide, so many are kept for messages
UP, DOWN, ENTER, ESCAPE, BACKSPACE = "up", "down", "enter", "escape", "backspace"
HELP = "q quit · s sort · / filter · ↑↓ choose · enter details · r look now"
TYPING = "enter keeps the filter · esc takes it away"


class Sort(StrEnum):
    """In which order the lines stand."""

    WORST = "worst first"
    NAME = "name"
    POINT = "oldest point first"
    GROUP = "group"


_KEYS: Mapping[Sort, Callable[[ReplicationStatus], tuple[object, ...]]] = {
    Sort.NAME: lambda each: (each.replication.key,),
    Sort.POINT: lambda each: (each.point_at is not None, each.point_at, each.replication.key),
    Sort.GROUP: lambda each: (each.replication.group or "", each.replication.order, each.replication.key),
}


@dataclass(frozen=True, slots=True)
class View:
    """What the person at the screen has chosen; `again` asks for a new look, `over` for the end."""

    sort: Sort = Sort.WORST
    filter: str = ""
    typing: bool = False
    chosen: str | None = None
    details: bool = False
    again: bool = False
    over: bool = False


def shown(view: View, report: StatusReport) -> list[ReplicationStatus]:
    """The replications that pass the filter, in the order asked for."""
    ordered = worst_first(report)
    if view.sort is not Sort.WORST:
        ordered = sorted(ordered, key=_KEYS[view.sort])
    wanted = view.filter.lower()
    return [each for each in ordered if wanted in _words(each)]


def _words(status: ReplicationStatus) -> str:
    """What a filter is sought in: the name, the group, and the words that the line shows."""
    parts = (
        status.replication.key,
        status.replication.group or "",
        status.health.value.replace("_", " "),
        status.local.backend,
        status.peer.backend,
        status.state.value if status.state else "",
    )
    return " ".join(parts).lower()


def press(view: View, key: str, keys: Sequence[str]) -> View:
    """The view after a key; `keys` are the names of the lines on the screen, in their order."""
    view = replace(view, again=False)
    if view.typing:
        return _typed(view, key)
    match key:
        case "q":
            return replace(view, over=True)
        case "s":
            sorts = list(Sort)
            return replace(view, sort=sorts[(sorts.index(view.sort) + 1) % len(sorts)])
        case "/":
            return replace(view, typing=True)
        case "r":
            return replace(view, again=True)
        case _ if key in (ENTER, "d"):
            chosen = view.chosen or (keys[0] if keys else None)
            return replace(view, chosen=chosen, details=not view.details)
        case _ if key == ESCAPE:
            return replace(view, details=False) if view.details else replace(view, filter="")
        case _ if key in (UP, "k"):
            return replace(view, chosen=_moved(view, keys, -1))
        case _ if key in (DOWN, "j"):
            return replace(view, chosen=_moved(view, keys, +1))
    return view


def _typed(view: View, key: str) -> View:
    if key == ENTER:
        return replace(view, typing=False)
    if key == ESCAPE:
        return replace(view, typing=False, filter="")
    if key == BACKSPACE:
        return replace(view, filter=view.filter[:-1])
    return replace(view, filter=view.filter + key) if len(key) == 1 and key.isprintable() else view


def _moved(view: View, keys: Sequence[str], by: int) -> str | None:
    if not keys:
        return view.chosen
    if view.chosen not in keys:
        return keys[0] if by > 0 else keys[-1]
    return keys[min(max(keys.index(view.chosen) + by, 0), len(keys) - 1)]


def screen(
    view: View, report: StatusReport, now: float, width: int, height: int, *, every_seconds: float
) -> list[Line]:
    """The whole screen, no higher than the terminal: lines, details, counts, what the keys do.

    Where it is too low for all of them the keys stay, and the most urgent lines above.
    """
    statuses = shown(view, report)
    foot = _foot(view, report, now, width, len(statuses), every_seconds)
    told = [
        *(_details(statuses, view, now, width) if view.details else []),
        *(cropped(each, width) for each in status_footer(report, worst_first(report), width)),
    ]
    room = max(LEAST_ROWS, height - 1 - len(told) - len(foot))
    lines = _lines(statuses, view, report, width, room)
    return [*lines, *told[: max(0, height - len(lines) - len(foot))], *foot][:height]


def _lines(
    statuses: Sequence[ReplicationStatus], view: View, report: StatusReport, width: int, room: int
) -> list[Line]:
    """The part of the table that has room, around the chosen line."""
    if not statuses:
        return [line(dim(f'  nothing fits "{view.filter}"' if view.filter else "  no replications"))]
    messages = [row(each, report.observed_at).remark for each in statuses]
    kept = MESSAGE if width >= WIDE and any(messages) else 0
    headers, rows = in_columns(statuses, report.observed_at, width - len(MARKER) - kept)
    head, *body = table(headers, rows, None)
    chosen = next((at for at, each in enumerate(statuses) if each.replication.key == view.chosen), None)
    first = max(0, min((chosen or 0) - room // 2, len(body) - room))
    made = [cropped((Span("  "), *head), width)]
    for at in range(first, min(first + room, len(body))):
        marker = Span(MARKER, Role.STRONG) if at == chosen else Span("  ")
        made.append(_with_message((marker, *body[at]), messages[at], width))
    return made


def _with_message(cells: Line, message: Span | None, width: int) -> Line:
    """The line with as much of its message as has room."""
    if message is None or width - length(cells) < LEAST_MESSAGE:
        return cropped(cells[:-1], width)  # without the gap at its end
    return cropped((*cells, message), width)


def _details(statuses: Sequence[ReplicationStatus], view: View, now: float, width: int) -> list[Line]:
    """All that the last look told of the chosen one."""
    status = next((each for each in statuses if each.replication.key == view.chosen), None)
    if status is None:
        return []
    health = Span(status.health.value.replace("_", " "), HEALTH_ROLES[status.health])
    lines = [BLANK, line(strong(status.replication.key), ": ", health)]
    if status.message:
        lines += wrapped(status.message, width, first=line("  "), indent=2)
    for label, end in (("local", status.local), ("peer", status.peer)):
        lines += wrapped(_end(end, now), width, first=line(dim(f"  {label:<6}")), indent=8)
    said = _more(status, now)
    if said:
        lines += wrapped("; ".join(said), width, first=line("  "), indent=2)
    return [*lines, line("  ", Span(f"replctl explain {status.replication.key}", Role.TYPE))]


def _end(end: EndStatus, now: float) -> str:
    seen = end.remembered or end.seen
    words = seen.brief or seen.word or "nothing is known of it"
    read = age(end.observed_at, now)
    return f"{end.backend}: {words}" + (f", read {read}" if read else ", never read")


def _more(status: ReplicationStatus, now: float) -> list[str]:
    said = []
    if status.replication.rpo_seconds is not None:
        said.append(f"rpo {format_duration(status.replication.rpo_seconds)}")
    if status.replication.group:
        said.append(f"group {status.replication.group}")
    return [*said, *mentions(status, now)]


def _foot(
    view: View, report: StatusReport, now: float, width: int, lines: int, every_seconds: float
) -> list[Line]:
    """How old the screen is and what it shows, and what one may press."""
    told = [f"looked {age(report.observed_at, now)}, every {format_duration(every_seconds)}", view.sort.value]
    if view.filter or view.typing:
        told.append(
            f"filter /{view.filter}{'_' if view.typing else ''}: {lines} of {len(report.replications)}"
        )
    keys = TYPING if view.typing else HELP
    return [cropped(line(dim(each)), width) for each in (" · ".join(told), keys)]
