"""What a person reads of several replications at once: waves, what the worst of them loses, what became of all.

Pure lines. A few are shown each in full, many as one line each; the loss of the group is said once (design §4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from replctl.cli import screens
from replctl.cli.lines import BLANK, UNLIMITED, Line, Role, Span, line, plural, strong, wrapped
from replctl.core.fleet import waves, worst_loss
from replctl.core.loss import paste_form
from replctl.core.outcomes import Outcome
from replctl.core.plans import DataLoss, Refusal
from replctl.core.results import OperationResult

if TYPE_CHECKING:
    from replctl.engine import Proposal

FEW = 4  # replications that are shown each in full
GOES_ON = "the same command goes on with it"
ONE_LINE = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.PLANNED, Outcome.UNSUPPORTED})
"""Outcomes of which one line says enough when there are many; of all others everything is told."""
GROUNDED = frozenset({Outcome.REFUSED})
"""Outcomes that are told in full of a few, for the others mostly have the same reason."""
SUMMED = frozenset({Outcome.UNCHANGED, Outcome.PLANNED})
"""Outcomes of which the names are told, all together, when there are many."""
STOPPED = "nothing was changed, for one refusal stops all: --keep-going leaves it out"


def plan(offers: Sequence[Proposal], now: float, width: int | None) -> list[Line]:
    """What is about to be done, before anybody agrees to it."""
    lines: list[Line] = []
    if len(offers) > FEW:
        lines.extend(_waves(offers, width or UNLIMITED))
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
            f" (order {order}), {plural(len(members), 'replication')}: {' and '.join(by_verb)}{way}",
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
    return [head, *screens.loss(worst, now, width or UNLIMITED), BLANK]


def parted(
    results: Sequence[OperationResult], *, asked_for: bool
) -> tuple[list[OperationResult], list[OperationResult]]:
    """Of many those that are told by their names alone, and those that are told one by one.

    A plan that was `asked_for` is told with its steps.
    """
    if len(results) <= FEW:
        return [], list(results)
    summed_up = SUMMED - {Outcome.PLANNED} if asked_for else SUMMED
    return (
        [each for each in results if each.outcome in summed_up],
        [each for each in results if each.outcome not in summed_up],
    )


def summed(results: Sequence[OperationResult], width: int | None) -> list[Line]:
    """What became of many that ended alike: how many they are, and their names."""
    alike: dict[tuple[str, Outcome], list[str]] = {}
    for each in results:
        alike.setdefault((each.verb, each.outcome), []).append(each.key)
    lines: list[Line] = []
    for (verb, outcome), keys in alike.items():
        head = line(screens.mark(outcome), f" {verb}: {len(keys)} {outcome.value}: ")
        lines.extend(wrapped(", ".join(keys), width or UNLIMITED, first=head, indent=4))
    return lines


def for_one_reason(
    results: Sequence[OperationResult], *, of: int
) -> list[tuple[OperationResult, tuple[str, ...]]]:
    """Those that are told; when there are many, each with the names of those refused for the same reason."""
    if of <= FEW:
        return [(each, ()) for each in results]
    found: dict[object, list[OperationResult]] = {}
    for each in results:
        found.setdefault(_reason(each), []).append(each)
    return [(first, tuple(each.key for each in others)) for first, *others in found.values()]


def _reason(done: OperationResult) -> object:
    """What two refusals share that need not be told twice; how much is lost is told for the worst of all."""
    if done.refusal is None or done.steps:
        return done.key
    guards = [
        (guard.name, tuple((each.fact, each.value) for each in guard.evidence if guard.name != "data-loss"))
        for guard in done.refusal.guards
    ]
    return done.verb, tuple(guards)


def result(
    done: OperationResult,
    now: float,
    width: int | None,
    *,
    of: int,
    alike: Sequence[str] = (),
    before: int = 0,
    goes_on: bool = False,
) -> list[Line]:
    """What became of one of so many; what its group loses is said elsewhere.

    `alike` are refused for the same reason, and `before` it so many were told in full. `goes_on`: below stands one
    command for all of them.
    """
    many = of > FEW and (done.outcome in ONE_LINE or (done.outcome in GROUNDED and before >= FEW))
    if of > 1 and done.refusal is not None:
        onward = "" if goes_on and of > FEW else done.refusal.next
        done = replace(done, refusal=replace(done.refusal, data_loss=None, next=onward))
    lines = [screens.brief(done)] if many else screens.result(done, now, width)
    if alike:
        head = line(f"  {'' if many else 'and '}{len(alike)} more for the same reason: ")
        lines += [
            *([] if many else [BLANK]),
            *wrapped(", ".join(alike), width or UNLIMITED, first=head, indent=4),
        ]
    return lines


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
    results: Sequence[OperationResult],
    command: str,
    now: float,
    width: int | None,
    *,
    goes_on: str = GOES_ON,
    asked_for: bool = False,
) -> list[Line]:
    """Below what became of each: what the group loses, how many ended how, and the command to type."""
    told = [each.data_loss for each in results if each.refusal is not None and not _only_asked(each.refusal)]
    lines = loss(told, now, width) if any(told) else []
    if command:
        lines.extend([line("  next, for all of them:"), line("    ", Span(command, Role.TYPE))])
    held = any(each.outcome is Outcome.PLANNED for each in results)
    begun = any(each.operation_id is not None for each in results)
    tail = f"; what is planned was not begun: {goes_on}" if held and begun else ""
    stopped = any(each.outcome not in SUMMED for each in results)
    if held and stopped and not begun and not asked_for:
        tail = f"; {STOPPED}"
    return [*lines, *wrapped(screens.tally(results) + tail, width or UNLIMITED, indent=2, role=Role.DIM)]


def _only_asked(refused: Refusal) -> bool:
    """Whether nobody agreed to what had been shown, loss and all."""
    return set(refused.names) == {"confirmation"}
