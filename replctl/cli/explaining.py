"""The screen of `explain`: both ends in the vendor's words and in ours, and what each verb would do now; pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Span, dim, flowed, line, strong, wrapped
from replctl.cli.screens import age, evidence, state_span
from replctl.cli.tables import HEALTH_ROLES, difference
from replctl.core.durations import format_duration, format_time
from replctl.core.journal import Drill
from replctl.core.model import Link, Observation, Pair, Verb
from replctl.core.plans import Decision, Evidence, Plan, backend_of
from replctl.core.results import EndStatus, Explanation, ReplicationStatus

LABEL = 13  # columns of the words on the left
LINK_ROLES: Mapping[Link, Role] = {Link.OK: Role.GOOD, Link.IMPAIRED: Role.WARN, Link.LOST: Role.BAD}


def explanation(explained: Explanation, now: float, width: int | None) -> list[Line]:
    """All of it."""
    room = width or UNLIMITED
    status = explained.status
    lines = _head(status, now, room)
    for label, end, seen in (
        ("local", status.local, explained.pair.local),
        ("peer", status.peer, explained.pair.peer),
    ):
        lines += [BLANK, *_end(label, end, seen, now, room)]
    lines += [BLANK, *_point(status, explained.pair, now, room)]
    lines += [BLANK, line(strong("what each verb would do now"))]
    lines += _verbs(explained, room)
    return [*lines, *_why_refused(explained.verbs, now, room)]


def _labelled(label: str, text: str, room: int, role: Role = Role.PLAIN) -> list[Line]:
    return wrapped(text, room, first=line(f"  {label:<{LABEL}}"), indent=LABEL + 2, role=role)


def _head(status: ReplicationStatus, now: float, room: int) -> list[Line]:
    health = Span(status.health.value.replace("_", " "), HEALTH_ROLES[status.health])
    lines = [line(strong(status.replication.key), ": ", health)]
    lines += wrapped(status.message, room, first=line("  "), indent=2) if status.message else []
    agrees = {True: "as the file wants it", False: difference(status), None: "cannot be compared wholly"}
    lines += _labelled(
        "file", agrees[status.in_sync], room, Role.WARN if status.in_sync is False else Role.PLAIN
    )
    if status.operation_id:
        lines += _labelled(
            "operation", f"{status.operation_id} is open: replctl op show {status.operation_id}", room
        )
    if status.hold:
        lines += _labelled("hold", f"{status.hold.owner}: {status.hold.reason}", room, Role.WARN)
    if status.waiting:
        lines += _labelled("waits", f"{status.waiting.why}: {status.waiting.next}", room, Role.WARN)
    if status.drill:
        lines += _labelled("drill", "a failover test is running", room, Role.WARN)
    if status.last_drill is not None:
        lines += _labelled("last drill", _last_drill(status.last_drill, now), room)
    return lines


def _last_drill(drill: Drill, now: float) -> str:
    """Of the last failover test when it was, and how long it took."""
    if drill.finished is None:
        return f"began {age(drill.started, now)} on {drill.backend}; its end is not known here"
    lasted = "" if drill.seconds is None else f", and lasted {format_duration(drill.seconds)}"
    return f"ended {age(drill.finished, now)} on {drill.backend}{lasted}"


def _end(label: str, end: EndStatus, seen: Observation, now: float, room: int) -> list[Line]:
    lines = [line(strong(f"{label}: {end.backend}"), "  ", *_state(end, seen))]
    if seen.trouble is not None:
        lines += _labelled("not read", seen.trouble.message, room, Role.BAD)
        if seen.trouble.retry_at is not None:
            lines += _labelled("not before", format_time(seen.trouble.retry_at), room)
        if seen.trouble.remedy:
            lines += _labelled("remedy", seen.trouble.remedy, room)
        known = end.remembered
        if known is None:
            return lines
        lines += _labelled("remembered", f"from {age(known.observed_at, now)}:", room, Role.WARN)
        seen = known
    return lines + _said(end, seen, now, room)


def _state(end: EndStatus, seen: Observation) -> list[str | Span]:
    span = state_span(end.state)
    word = Span(end.state_note.value, Role.WARN) if end.state_note else span
    if seen.trouble is not None and end.remembered is not None:
        return [dim("last seen as "), word]
    return [word, Span("  unverified", Role.WARN)] if end.unverified else [word]


def _said(end: EndStatus, seen: Observation, now: float, room: int) -> list[Line]:
    lines: list[Line] = []
    if seen.word:
        meaning = f": {seen.sentence}" if seen.sentence else ""
        lines += _labelled("it says", f"{seen.word}{meaning}", room)
    lines += _labelled("copying", seen.flow.value, room)
    lines.append(
        line(f"  {'link':<{LABEL}}", _link(seen.link), dim("   remote system "), _link(seen.peer_management))
    )
    if seen.progress is not None and seen.progress.percent is not None:
        lines += _labelled("progress", f"{seen.progress.percent:.0f} %", room)
    if seen.unsupported:
        lines += _labelled("unsupported", seen.unsupported, room, Role.BAD)
    read, proven = age(seen.observed_at, now), age(end.as_of, now)
    lines += _labelled("read", read + (f", as of {proven}" if proven not in ("", read) else ""), room)
    words = [line(dim(f"{key} {'-' if value is None else value}")) for key, value in seen.vendor.items()]
    if words:
        lines += flowed(words, room, first=line(f"  {'vendor':<{LABEL}}"), indent=LABEL + 2)
    return lines


def _link(link: Link) -> Span:
    return Span(link.value, LINK_ROLES.get(link, Role.PLAIN))


def _point(status: ReplicationStatus, pair: Pair, now: float, room: int) -> list[Line]:
    """The last consistent point with its arithmetic; unknown is said as unknown, with the reason."""
    holder = next((end for end in (pair.local, pair.peer) if end.point is not None), None)
    lines = [line(strong("last consistent point"))]
    if status.point_at is None:
        why = status.point_source or "no end gives one"
        return lines + _labelled("unknown", why, room, Role.WARN)
    old = max(0.0, now - status.point_at)
    lines += _labelled("at", f"{format_time(status.point_at)}, {format_duration(old)} ago", room)
    lines += _labelled("from", _arithmetic(status, holder), room)
    if status.replication.rpo_seconds is not None:
        target = status.replication.rpo_seconds
        late = old > target
        word = f"{format_duration(target)}, {'missed' if late else 'kept'}"
        lines += _labelled("target", word, room, Role.WARN if late else Role.PLAIN)
    return lines


def _arithmetic(status: ReplicationStatus, holder: Observation | None) -> str:
    """Where the point comes from, with the vendor's own values of the words in it."""
    text = status.point_source or ""
    if holder is None:
        return text
    values = [
        f"{word} {value}" for word, value in holder.vendor.items() if word in text and value is not None
    ]
    if values:
        text += f" ({', '.join(values)})"
    offset = holder.point.clock_offset_seconds if holder.point is not None else None
    if offset is not None:
        text += f"; {holder.backend}'s clock is {offset:+.3f}s from ours, which is taken into account"
    return text


def _verbs(explained: Explanation, room: int) -> Iterator[Line]:
    """Verb by verb the steps or the guards, and the command that leads on, once for all that name the same."""
    told: set[str] = set()
    for verb, decision in explained.verbs:
        if isinstance(decision, Plan):
            yield from _labelled(verb.value, *_steps(decision, explained.pair, room))
            continue
        yield from _labelled(verb.value, f"refused by {', '.join(decision.names)}", room, Role.WARN)
        if decision.next and decision.next not in told:
            told.add(decision.next)
            yield line(" " * (LABEL + 2), Span(decision.next, Role.TYPE))


def _steps(plan: Plan, pair: Pair, room: int) -> tuple[str, int, Role]:
    if plan.unchanged:
        return "nothing to do", room, Role.PLAIN
    steps = ", then ".join(f"{step.name} on {backend_of(step, pair)}" for step in plan.steps)
    return steps, room, Role.GOOD


def _why_refused(verbs: Sequence[tuple[Verb, Decision]], now: float, room: int) -> Iterator[Line]:
    """The guards with their evidence, each once, and the verbs that it refuses."""
    found: dict[tuple[str, tuple[Evidence, ...]], list[str]] = {}
    for verb, decision in verbs:
        if not isinstance(decision, Plan):
            for guard in decision.guards:
                found.setdefault((guard.name, guard.evidence), []).append(verb.value)
    if found:
        yield BLANK
        yield line(strong("why they are refused"))
    for (name, seen), refused in found.items():
        yield from wrapped(", ".join(refused), room, first=line("  ", Span(name, Role.WARN), ": "), indent=4)
        for each in seen:
            yield from evidence(each, now, room)
