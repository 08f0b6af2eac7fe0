"""What a person reads of several replications at once: waves, what the worst of them loses, what became of all.

Pure lines. A few are shown each in full, many as one line each; the loss of the group is said once (design §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from replctl.cli import screens
from replctl.cli.lines import BLANK, Line, Role, Span, dim, line, strong, wrapped
from replctl.core.fleet import waves, worst_loss
from replctl.core.loss import paste_form
from replctl.core.outcomes import Outcome
from replctl.core.plans import DataLoss, Refusal
from replctl.core.results import OperationResult

if TYPE_CHECKING:
    from replctl.engine import Proposal

FEW = 4  # replications that are shown each in full
GOES_ON = "the same command goes on with it"
FULL = frozenset(
    {Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.PLANNED, Outcome.REFUSED, Outcome.UNSUPPORTED}
)
"""Outcomes of which one line says enough when there are many; of all others everything is told."""


def plan(offers: Sequence[Proposal], now: float, width: int | None) -> list[Line]:
    """What is about to be done, before anybody agrees to it."""
    lines: list[Line] = []
    if len(offers) > FEW:
        lines.extend(_waves(offers, width or screens.UNLIMITED))
    else:
        for offer in offers:
            key, verb = offer.intent.replication.key, offer.intent.verb.value
            alone = offer.plan if len(offers) == 1 else replace(offer.plan, data_loss=None)
            lines.extend([*screens.plan(key, verb, alone, offer.pair, now, width), BLANK])
    if len(offers) > 1:
        lines.extend(loss([offer.plan.data_loss for offer in offers], now, width))
    return lines


def _waves(offers: Sequence[Proposal], room: int) -> list[Line]:
    lines: list[Line] = []
    all_waves = waves(offers, (offer.intent.replication.order for offer in offers))
    for number, (order, members) in enumerate(all_waves, 1):
        way = " (unplanned)" if any(offer.plan.unplanned for offer in members) else ""
        by_verb = _by_verb(members)
        head = line(
            screens.mark(Outcome.PLANNED),
            strong(f" wave {number} of {len(all_waves)}"),
            f" (order {order}), {len(members)} replications: {' and '.join(by_verb)}{way}",
        )
        lines.append(head)
        for verb, keys in by_verb.items():
            first = line(f"    {verb}: " if len(by_verb) > 1 else "    ")
            lines.extend(wrapped(", ".join(keys), room, first=first, indent=4))
        lines.append(BLANK)
    return lines


def _by_verb(offers: Sequence[Proposal]) -> Mapping[str, list[str]]:
    """The members by what is done to them: of `apply` some are promoted, and some demoted."""
    found: dict[str, list[str]] = {}
    for offer in offers:
        found.setdefault(offer.intent.verb.value, []).append(offer.intent.replication.key)
    return found


def loss(losses: Sequence[DataLoss | None], now: float, width: int | None) -> list[Line]:
    """What the group loses: its worst member's statement; nothing when no member states any."""
    worst = worst_loss(losses)
    if worst is None:
        return []
    stated = sum(each is not None for each in losses)
    head = line(f"  the worst of {stated} replications, and so of all:")
    return [head, *screens.loss(worst, now, width or screens.UNLIMITED), BLANK]


def result(done: OperationResult, now: float, width: int | None, *, of: int) -> list[Line]:
    """What became of one of so many; what its group loses is said elsewhere."""
    if of > FEW and done.outcome in FULL:
        return [screens.brief(done)]
    if of > 1 and done.refusal is not None:
        done = replace(done, refusal=replace(done.refusal, data_loss=None))
    return screens.result(done, now, width)


def answered_by(results: Sequence[OperationResult]) -> tuple[str, ...]:
    """The flags that let the whole group go on; none when a guard has no answer, or one cannot answer for all."""
    refused = [each.refusal for each in results if each.refusal is not None]
    guards = [guard for refusal in refused for guard in refusal.guards]
    stopped = [each for each in results if each.outcome not in (Outcome.PLANNED, Outcome.UNCHANGED)]
    stated = [
        each.data_loss for each in results if each.data_loss is not None
    ]  # of those that are accepted too
    if any(guard.override is None for guard in guards) or len(stopped) != len(refused):
        return ()
    flags = dict.fromkeys(guard.override or "" for guard in guards if guard.name != "data-loss")
    lossy = stated and any(guard.name == "data-loss" for guard in guards)
    return (*flags, paste_form(*stated)) if lossy else tuple(flags)


def after(
    results: Sequence[OperationResult], command: str, now: float, width: int | None, *, goes_on: str = GOES_ON
) -> list[Line]:
    """Below what became of each: what the group loses, how many ended how, and the command to type."""
    told = [each.data_loss for each in results if each.refusal is not None and not _only_asked(each.refusal)]
    lines = [BLANK, *loss(told, now, width)] if any(told) else []
    if command:
        lines.extend([line("  next, for all of them:"), line("    ", Span(command, Role.TYPE))])
    held = any(each.outcome is Outcome.PLANNED for each in results)
    begun = any(each.operation_id is not None for each in results)
    tail = f"; what is planned was not begun: {goes_on}" if held and begun else ""
    return [*lines, line(dim(screens.tally(results) + tail))]


def _only_asked(refused: Refusal) -> bool:
    """Whether nobody agreed to what had been shown, loss and all."""
    return set(refused.names) == {"confirmation"}
