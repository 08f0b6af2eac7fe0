"""The one path of every changing verb: judged whole, shown, confirmed, carried out, told (design §4).

All replications that are named are proposed before the first write; one refusal stops all unless `--keep-going`
was given. What an engine call raises becomes the result of its replication, so that no other's result is lost.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from replctl.cli import groups, leading, names, offering, screens
from replctl.cli.contradicting import Contradictions
from replctl.cli.failures import failure_of, unexpected
from replctl.cli.lines import BLANK, dim, line
from replctl.cli.options import Acting, Choosing, Common, Keeping, Looking
from replctl.cli.output import Format
from replctl.cli.session import YES, Session, agreed, command_line, opened
from replctl.cli.surroundings import Surroundings
from replctl.core.errors import InvalidInput, Locked, ReplctlError
from replctl.core.guards import GUARDS
from replctl.core.model import Acknowledgements, Holder, Intent, Replication, Verb
from replctl.core.outcomes import ExitCode, Outcome, of_several, outcome_of
from replctl.core.plans import DataLoss, Evidence, Refusal
from replctl.core.results import Failure, OperationResult

if TYPE_CHECKING:
    from replctl.cli.saving import SavedPlan
    from replctl.engine import Proposal, Request

SHOWN_AS_DATA = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.PLANNED, Outcome.IN_PROGRESS})
SETTLED = frozenset({Outcome.PLANNED, Outcome.UNCHANGED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is asked of every replication that is named."""

    verb: Verb
    names: Sequence[str]
    choosing: Choosing
    acknowledged: Acknowledgements
    keeping: Keeping = field(default_factory=Keeping)
    to: str | None = None
    survivor: str | None = None
    snapshot: str | None = None
    keep_test_data: bool = False


@dataclass(frozen=True, slots=True)
class Errand:
    """What one command has to do: an intent for each replication, perhaps of different verbs.

    `takes` are the flags by which the command lets guards be answered; None: all that the guards name. `saved` is the
    plan that what is seen must still fit. `keeping` is what becomes of a file that says otherwise.
    """

    command: str
    intents: Sequence[Intent]
    group: str | None = None
    takes: frozenset[str] | None = None
    saved: SavedPlan | None = None
    keeping: Keeping = field(default_factory=Keeping)


def act(here: Surroundings, common: Common, looking: Looking, acting: Acting, order: Order) -> int:
    """The whole path; returns the exit code."""
    with opened(here, common, looking) as session:
        intents = _intents(session, order)
        errand = Errand(order.verb.value, intents, group=order.choosing.group, keeping=order.keeping)
        return carry(session, errand, looking, acting)


def carry(session: Session, errand: Errand, looking: Looking, acting: Acting) -> int:
    """Judge and carry out what is asked, whoever asked for it, and tell what became of it; the exit code."""
    request = _request(session, acting, looking, errand.group)
    if acting.dry_run:
        judged = _judged(session, errand, request, dry=True)
        results = [_as_result(session, each) for each in judged]
        return show(session, errand.command, results, of_judged(results), asked_for=True)
    results, code = _carry_out(session, errand, request, acting)
    goes_on = errand.saved.rest if errand.saved is not None else groups.GOES_ON
    return show(session, errand.command, results, code, takes=errand.takes, goes_on=goes_on)


def of_judged(results: Sequence[OperationResult]) -> ExitCode:
    """The code of a judgement: what stands in the way decides, whatever else could have been done."""
    return of_several(each.outcome for each in results if each.outcome not in SETTLED)


# -- judging -------------------------------------------------------------------------------------------------


def _intents(session: Session, order: Order) -> list[Intent]:
    known = list(session.services.replications.values())
    found = names.choose(order.names, order.choosing, known, session.common.namespace)
    if found is None:
        raise InvalidInput(f"{order.verb.value} of what? A NAME is wanted, or --group, --selector or --all")
    return [_intent(replication, order) for replication in found]


def _intent(replication: Replication, order: Order) -> Intent:
    for option, backend in (("--to", order.to), ("--survivor", order.survivor)):
        if backend is not None and replication.side_of(backend) is None:
            ends = f"{replication.local.backend} and {replication.peer.backend}"
            raise InvalidInput(f"{option} {backend}: {replication.key} has its ends on {ends}")
    return Intent(
        verb=order.verb,
        replication=replication,
        acknowledged=order.acknowledged,
        to=order.to,
        survivor=order.survivor,
        snapshot=order.snapshot,
        keep_test_data=order.keep_test_data,
    )


def _request(session: Session, acting: Acting, looking: Looking, group: str | None) -> Request:
    from replctl.engine import Request

    return Request(
        reason=acting.reason,
        group=group,
        timeout_seconds=acting.timeout_seconds,
        wait=acting.wait,
        probe=looking.probe,
        cancel=session.interrupts.cancel,
    )


def judge(session: Session, intents: Sequence[Intent], request: Request) -> list[OperationResult]:
    """What would be done for each; nothing is."""
    errand = Errand("plan", intents)
    return [_as_result(session, each) for each in _judged(session, errand, request, dry=True)]


def _judged(
    session: Session, errand: Errand, request: Request, *, dry: bool = False
) -> list[Proposal | OperationResult]:
    """All of them, from one look; what concerns all is the result of each."""
    intents = errand.intents
    with session.progress.looking(_those(intents)):
        try:
            judged = session.services.engine.propose_all(intents, request, dry=dry)
        except ReplctlError as error:
            return [ended_by(session, intent, error) for intent in intents]
    if errand.saved is None:
        return judged
    pairs = zip(intents, judged, strict=True)
    return [_unless_outdated(session, errand.saved, intent, each) for intent, each in pairs]


def _unless_outdated(
    session: Session, saved: SavedPlan, intent: Intent, judged: Proposal | OperationResult
) -> Proposal | OperationResult:
    """What was judged, or that the world is not any more what the saved plan was made on."""
    why = saved.still_fits(intent.replication, intent.verb.value, judged.plan, judged.pair)
    return _ended(session, intent, Outcome.CONFLICT, saved.outdated(why)) if why else judged


def _those(intents: Sequence[Intent]) -> str:
    return intents[0].replication.key if len(intents) == 1 else f"{len(intents)} replications"


def _carry_out(
    session: Session, errand: Errand, request: Request, acting: Acting
) -> tuple[list[OperationResult], ExitCode]:
    from replctl.engine import Proposal

    judged = _judged(session, errand, request)
    offers = [each for each in judged if isinstance(each, Proposal)]
    stopped = [each for each in judged if isinstance(each, OperationResult) and each.outcome not in SETTLED]
    if stopped and not (acting.keep_going and offers):
        return [_as_result(session, each) for each in judged], of_judged(stopped)
    contradictions = Contradictions.of(session, offers, errand.keeping)
    if offers and not _confirmed(session, offers, acting):
        results = [_unconfirmed(session, each) if isinstance(each, Proposal) else each for each in judged]
        return results, of_judged(results)
    moved = iter(_moved(session, offers, request, acting.max_parallel, contradictions))
    contradictions.tell()
    results = [next(moved) if isinstance(each, Proposal) else each for each in judged]
    return results, _of_moved(session, results)


def _moved(
    session: Session,
    offers: Sequence[Proposal],
    request: Request,
    max_parallel: int,
    contradictions: Contradictions,
) -> list[OperationResult]:
    from replctl.engine.fleet import Fleet

    engine = session.services.engine

    def carry(offer: Proposal) -> OperationResult:
        return _settled(
            session,
            offer.intent,
            lambda: contradictions.around(offer, lambda: engine.carry_out(offer, request)),
        )

    fleet = Fleet(
        carry_out=carry,
        held_back=lambda offer: _as_result(session, offer),
        report=session.progress,
        max_parallel=max_parallel,
        cancel=request.cancel,
    )
    with session.interrupts.patiently(), session.progress:
        return fleet.move(offers)


def _of_moved(session: Session, results: Sequence[OperationResult]) -> ExitCode:
    """What was held back was stopped by another one, whose outcome decides; or by whoever interrupted it."""
    begun = [each.outcome for each in results if each.outcome is not Outcome.PLANNED]
    if len(begun) < len(results) and session.interrupts.cancel.is_set:
        begun.append(Outcome.INTERRUPTED)
    return session.interrupts.code(of_several(begun))


def _settled(session: Session, intent: Intent, call: Callable[[], OperationResult]) -> OperationResult:
    """The call's result; what it raises becomes one. A mistake of ours after the begin leaves the outcome open."""
    try:
        return call()
    except ReplctlError as error:
        return ended_by(session, intent, error)
    except Exception as error:
        return _ended(session, intent, Outcome.UNKNOWN, unexpected(session.here, error))


def ended_by(session: Session, intent: Intent, error: ReplctlError) -> OperationResult:
    """The result of a replication whose engine call raised."""
    holder = error.holder if isinstance(error, Locked) else None
    return _ended(session, intent, outcome_of(error.exit_code), failure_of(error), holder=holder)


def _ended(
    session: Session,
    intent: Intent,
    outcome: Outcome,
    failed: Failure | None = None,
    holder: Holder | None = None,
) -> OperationResult:
    replication = intent.replication
    return OperationResult(
        operation_id=None,
        correlation_id="",
        verb=intent.verb.value,
        namespace=replication.namespace,
        name=replication.name,
        backend=replication.local.backend,
        outcome=outcome,
        from_state=None,
        to_state=None,
        started=None,
        finished=None,
        who=session.who,
        group=replication.group,
        acknowledged=intent.acknowledged.flags,
        failure=failed,
        holder=holder,
    )


def _as_result(session: Session, judged: Proposal | OperationResult) -> OperationResult:
    """What was only proposed, as a result: planned, and nothing done."""
    if isinstance(judged, OperationResult):
        return judged
    return replace(
        _ended(session, judged.intent, Outcome.PLANNED),
        correlation_id=judged.correlation_id,
        from_state=judged.plan.from_state,
        to_state=judged.plan.to_state,
        data_loss=judged.plan.data_loss,
        plan=judged.plan,
        pair=judged.pair,
    )


# -- confirming ----------------------------------------------------------------------------------------------


def _confirmed(session: Session, offers: Sequence[Proposal], acting: Acting) -> bool:
    """Whether it may begin: by `-y`, or because the person on the terminal said so after seeing the plan."""
    removal = offers[0].intent.verb is Verb.DELETE
    wanted = _words_to_type([offer for offer in offers if removal or offer.plan.unplanned])
    shown = groups.plan(offers, session.now, session.output.message_width)
    if wanted:
        return agreed(session, acting, shown, f"Type {wanted} to go on: ", (wanted,))
    return agreed(session, acting, shown, "Go on? [y/N] ", YES)


def _words_to_type(grave: Sequence[Proposal]) -> str:
    """What a person types to confirm what cannot be undone: the replication's name; of several, how many they are."""
    if not grave:
        return ""
    if len(grave) == 1:
        return grave[0].intent.replication.key
    return f"{len(grave)} {'removals' if grave[0].intent.verb is Verb.DELETE else 'unplanned'}"


def _unconfirmed(session: Session, offer: Proposal) -> OperationResult:
    refused = unconfirmed(session, offer.plan.data_loss)
    return replace(_as_result(session, offer), outcome=Outcome.REFUSED, refusal=refused)


def unconfirmed(session: Session, loss: DataLoss | None = None) -> Refusal:
    """The refusal of a change that nobody agreed to."""
    asked = session.here.interactive and not session.common.no_input
    value = "the answer was not yes" if asked else "nobody is there to be asked"
    guard = GUARDS["confirmation"].says_no(Evidence(fact="terminal", value=value))
    return Refusal(guards=(guard,), next=command_line(session.here.argv, "-y"), data_loss=loss)


# -- telling -------------------------------------------------------------------------------------------------


def show(
    session: Session,
    command: str,
    results: Sequence[OperationResult],
    code: ExitCode,
    *,
    asked_for: bool = False,
    takes: frozenset[str] | None = None,
    goes_on: str = groups.GOES_ON,
) -> int:
    """Print what became of each, in the format asked for; returns the exit code.

    With `asked_for` refusals are what was asked for, as in a plan, and so they are data. `takes` are the flags that
    this command would take, of those that answer guards; None: all. `goes_on` is what leads on to members that were
    not begun.
    """
    output = session.output
    session.states.update(offering.of_results(results))
    session.here.learned.changed |= any(each.outcome is Outcome.SUCCEEDED for each in results)
    pasteable = [_with_config(session, leading.of_operation(each)) for each in results]
    told = False
    if output.format.is_document:
        from replctl.cli import documents

        output.document(documents.action(command, pasteable, int(code)))
        output.say(screens.brief(each) for each in pasteable if each.outcome not in SHOWN_AS_DATA)
    elif output.format is Format.NAME:
        output.names(each.key for each in pasteable)
    else:
        _show_screens(session, pasteable, asked_for, takes, goes_on)
        told = any(_names_probe(each) for each in results)
    if code is ExitCode.UNREACHABLE and not told:
        output.say([line(dim("--probe asks past an open circuit breaker"))])
    return int(code)


def _names_probe(result: OperationResult) -> bool:
    """Whether its failure says already how to ask past an open circuit breaker; every exit 11 says it once."""
    return result.failure is not None and "--probe" in (result.failure.remedy or "")


def _show_screens(
    session: Session,
    results: Sequence[OperationResult],
    asked_for: bool,
    takes: frozenset[str] | None,
    goes_on: str,
) -> None:
    """Results and plans are data; refusals and failures are told on stderr unless they were asked for."""
    output, of = session.output, len(results)
    flags = () if asked_for or of == 1 else groups.answered_by(results)
    typable = takes is None or takes.issuperset(flags)
    command = command_line(session.here.argv, *flags) if flags and typable else ""
    alike, others = groups.parted(results, asked_for=asked_for)
    output.data(groups.summed(alike, output.width))
    grounded, long = 0, False
    for done, same in groups.for_one_reason(others, of=of):
        as_data = asked_for or done.outcome in SHOWN_AS_DATA
        width = output.width if as_data else output.message_width
        one_of = 1 if asked_for else of
        told = groups.result(
            done, session.now, width, of=one_of, alike=same, before=grounded, goes_on=bool(command)
        )
        (output.data if as_data else output.tell)([BLANK, *told] if long else told)
        long = len(told) > 1
        grounded += done.outcome in groups.GROUNDED
    if of > 1:
        below = groups.after(
            results, command, session.now, output.message_width, goes_on=goes_on, asked_for=asked_for
        )
        output.say([BLANK, *below] if long or len(below) > 1 else below)


def _with_config(session: Session, result: OperationResult) -> OperationResult:
    """The commands that it names, with the configuration that this one was given, so that they can be pasted."""
    config = session.common.config
    if config is None:
        return result
    tail = shlex.join(["--config", str(config)])
    if result.refusal is not None:
        result = replace(
            result, refusal=replace(result.refusal, next=leading.pasteable(result.refusal.next, tail))
        )
    if result.failure is not None:
        result = replace(
            result, failure=replace(result.failure, remedy=leading.pasteable(result.failure.remedy, tail))
        )
    return result
