"""The commands that only look: status, plan, history, explain. They make no write on any backend."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Choosing, Common, Looking, OneName, OptionalName, OptionalNames

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replctl.cli.output import Format
    from replctl.cli.session import Session
    from replctl.core.model import Acknowledgements, Intent, Replication
    from replctl.core.results import OperationResult, StatusReport

HISTORY_SHOWN = 100
LEAST_EVERY_SECONDS = 1.0


def status(
    context: typer.Context,
    *,
    names: OptionalNames = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Look again and again, on a terminal as a live screen.")
    ] = False,
    every: Annotated[
        str, typer.Option("--every", metavar="DURATION", help="From one look of --watch to the next.")
    ] = "5s",
    choosing: Choosing,
    looking: Looking,
    common: Common,
) -> int:
    """Show replications, worst first, and what to do next.

    The exit code says whether all backends answered (0), some (3) or none (11); health never changes it.
    """
    from contextlib import nullcontext

    from replctl.cli.session import opened
    from replctl.engine import Request
    from replctl.settings.yamlmarks import uncollected  # thousands of lines live until they are shown

    every_seconds = _every(every, common.output) if watch else None
    with nullcontext() if watch else uncollected(), opened(context.obj, common, looking) as session:
        which = chosen(session, names, choosing)

        def look(began_at: float) -> StatusReport:
            request = Request(probe=looking.probe, cancel=session.interrupts.cancel, began_at=began_at)
            report = session.services.engine.status(which, request)
            session.states.update(report.states_shown)
            return report

        if every_seconds is not None:
            from replctl.cli import watching

            return watching.watch(
                session,
                lambda: look(session.here.clock.monotonic()),
                lambda report: _show_status(session, report),
                every_seconds,
            )
        with session.progress.looking(f"{len(which)} replications"):
            report = look(session.here.began_at)
        session.reports.append(report)
        _show_status(session, report)
        return int(report.exit_code)


def _every(every: str, asked: Format) -> float:
    """Seconds from one look to the next; raises InvalidInput, also where a format has no room for several."""
    from replctl.cli.options import seconds
    from replctl.cli.output import Format
    from replctl.core.errors import InvalidInput

    every_seconds = seconds("--every", every) or 0.0
    if every_seconds < LEAST_EVERY_SECONDS:
        raise InvalidInput(f"--every {every}: every backend is asked each time; at least 1s")
    if asked in (Format.JSON, Format.YAML):
        raise InvalidInput(f"-o {asked.value} is one document, and --watch tells one a look: -o jsonl")
    return every_seconds


def _show_status(session: Session, report: StatusReport) -> None:
    from replctl.cli import documents, tables
    from replctl.cli.output import Format

    output = session.output
    if output.format.is_document:
        output.document(documents.status(report))
    elif output.format is Format.NAME:
        output.names(each.replication.key for each in tables.worst_first(report))
    else:
        output.data(tables.status(report, output.width, wide=output.format is Format.WIDE))


def plan(
    context: typer.Context,
    *,
    names: OptionalNames = None,
    exit_code: Annotated[
        bool, typer.Option("--exit-code", help="Exit with 10 when something differs from the file.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Keep the plan, for `apply --plan FILE`.")
    ] = None,
    choosing: Choosing,
    looking: Looking,
    common: Common,
) -> int:
    """Show what the file asks for and what it would take.

    Every replication is compared with the desired-state file; nothing is changed.
    """
    from replctl.cli.acting import judge, of_judged, show
    from replctl.cli.session import opened
    from replctl.core.outcomes import ExitCode, Outcome
    from replctl.engine import Request

    with opened(context.obj, common, looking) as session:
        if out is not None:
            _refuse_to_replace(out)
        request = Request(probe=looking.probe, cancel=session.interrupts.cancel)
        intents = [wanted(each) for each in chosen(session, names, choosing)]
        results = judge(session, intents, request)
        code = of_judged(results)
        if exit_code and code is ExitCode.DONE and any(each.outcome is Outcome.PLANNED for each in results):
            code = ExitCode.DIFFERENCES
        if out is not None:
            _keep(session, results, choosing.group, out)
        return show(session, "plan", results, code, asked_for=True)


def _refuse_to_replace(out: Path) -> None:
    from replctl.cli.saving import refuse_to_replace

    refuse_to_replace(out)


def _keep(session: Session, results: Sequence[OperationResult], group: str | None, out: Path) -> None:
    """Write the plan down, if nothing stands in its way; say what was done."""
    from replctl.cli.acting import SETTLED
    from replctl.cli.lines import line
    from replctl.cli.saving import save

    stopped = [each.key for each in results if each.outcome not in SETTLED]
    if stopped:
        others = f" and {len(stopped) - 1} more" if len(stopped) > 1 else ""
        session.output.tell([line(f"{out} was not written: {stopped[0]}{others} could not be planned")])
        return
    save(session, results, group, out)
    session.output.say([line(f"written to {out}: replctl apply --plan {shlex.quote(str(out))}")])


def history(
    context: typer.Context,
    *,
    name: OptionalName = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, help="The last N of each replication.")
    ] = HISTORY_SHOWN,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that nothing in it was changed since it was written.")
    ] = False,
    common: Common,
) -> int:
    """Show the state changes made or noticed, oldest first."""
    from replctl.cli import documents, tables
    from replctl.cli.output import Format
    from replctl.cli.session import opened

    with opened(context.obj, common) as session:
        key = None if name is None else key_of(session, name)
        if verify:
            return _verify(session, key)
        moves = session.services.store.transitions(key, limit)
        output = session.output
        if output.format.is_document:
            output.document(documents.history(moves))
        elif output.format is Format.NAME:
            output.names(dict.fromkeys(move.replication for move in moves))
        else:
            output.data(tables.history(moves, output.width, wide=output.format is Format.WIDE))
        return 0


def explain(context: typer.Context, *, name: OneName, looking: Looking, common: Common) -> int:
    """Say all about one replication: why, and what now.

    Both ends in the vendor's words, why it is in this state, and what each verb would do or which guard refuses.
    """
    from replctl.cli import documents, explaining, names
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.core.outcomes import ExitCode
    from replctl.engine import Request

    with opened(context.obj, common, looking) as session:
        replication = names.resolve_one(name, _known(session), common.namespace)
        request = Request(
            probe=looking.probe, cancel=session.interrupts.cancel, began_at=session.here.began_at
        )
        with session.progress.looking(replication.key):
            explained = session.services.engine.explain(replication, request)
        output = session.output
        if output.format.is_document:
            output.document(documents.explanation(explained, session.now))
        elif output.format is Format.NAME:
            output.text(f"{replication.key}\n")
        else:
            output.data(explaining.explanation(explained, session.now, output.width))
        answered = sum(end.readable for end in (explained.pair.local, explained.pair.peer))
        return int({2: ExitCode.DONE, 1: ExitCode.PARTIAL}.get(answered, ExitCode.UNREACHABLE))


def _known(session: Session) -> list[Replication]:
    return list(session.services.replications.values())


def chosen(session: Session, words: Sequence[str] | None, choosing: Choosing) -> list[Replication]:
    """What is meant; all when nothing is said, and all of a namespace when nothing else is."""
    from replctl.cli import names
    from replctl.core.fleet import Selection, select

    known, namespace = _known(session), session.common.namespace
    found = names.choose(words, choosing, known, namespace)
    if found is None:
        return known if namespace is None else select(Selection(namespace=namespace), known)
    return found


def wanted(replication: Replication, given: Acknowledgements | None = None) -> Intent:
    """What the file asks for, as the verb that brings it about."""
    from replctl.core.model import Acknowledgements, Intent, State, Verb

    verb = Verb.PROMOTE if replication.desired_state is State.SOURCE else Verb.DEMOTE
    return Intent(verb=verb, replication=replication, acknowledged=given or Acknowledgements())


def key_of(session: Session, name: str) -> str:
    """The key meant; one that is no longer in the file is known by its history."""
    from replctl.cli import names
    from replctl.core.errors import NotFound

    try:
        return names.resolve_one(name, _known(session), session.common.namespace).key
    except NotFound:
        if not session.services.store.transitions(name, 1):
            raise
        return name


def _verify(session: Session, key: str | None) -> int:
    from replctl.cli import documents, tables
    from replctl.core.outcomes import ExitCode

    store, output = session.services.store, session.output
    faults = store.verify(key)
    keys = [key] if key else sorted({each.replication for each in store.transitions(limit=1)})
    open_questions = {each: store.unproven(each) for each in keys}
    if output.format.is_document:
        output.document(documents.verification(faults, open_questions))
    else:
        output.data(tables.verification(faults, open_questions, output.width))
    return int(ExitCode.FAILED if faults else ExitCode.DONE)
