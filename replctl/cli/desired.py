"""The commands about the desired-state file: what it says otherwise than the backends, and having it carried out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import (
    Acting,
    Choosing,
    Common,
    HoldGuard,
    Looking,
    OptionalNames,
    StepDownGuard,
    acknowledged,
)

if TYPE_CHECKING:
    from replctl.cli.saving import SavedPlan

TAKES = frozenset({"--override-hold", "--source-quiesced"})  # nothing that `apply` does is unplanned


def diff(
    context: typer.Context,
    *,
    names: OptionalNames = None,
    exit_code: Annotated[
        bool,
        typer.Option(
            "--exit-code", help="Exit with 10 when something differs, with 9 when that cannot be told."
        ),
    ] = False,
    choosing: Choosing,
    looking: Looking,
    common: Common,
) -> int:
    """Show what the file says otherwise than the backends.

    Which side is the source, what it is copied to, and what the file only asserts: the mode, and the rpo, of the copy
    as it is and of the backend's own rule. An rpo that nothing tells is shown, and counts for no exit code.
    Otherwise the exit code says whether all backends answered (0), some (3) or none (11).
    """
    from replctl.cli import comparing
    from replctl.cli.looking import chosen
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.core.differences import compare
    from replctl.core.outcomes import ExitCode
    from replctl.engine import Request

    with opened(context.obj, common, looking) as session:
        request = Request(
            probe=looking.probe, cancel=session.interrupts.cancel, began_at=session.here.began_at
        )
        which = chosen(session, names, choosing)
        with session.progress.looking(f"{len(which)} replications"):
            report = session.services.engine.status(which, request)
        session.reports.append(report)
        compared = [compare(each, report.observed_at) for each in report.replications]
        output = session.output
        if output.format.is_document:
            output.document(comparing.document(compared, report.observed_at))
        elif output.format is Format.NAME:
            output.names(each.status.replication.key for each in compared if not each.same)
        else:
            output.data(comparing.differences(compared, output.width))
        if not exit_code or report.exit_code is not ExitCode.DONE:
            return int(report.exit_code)
        if any(each.same is False for each in compared):
            return int(ExitCode.DIFFERENCES)
        told = all(each.same or each.untold_rpo for each in compared)
        return int(ExitCode.DONE if told else ExitCode.UNKNOWN)


def apply(
    context: typer.Context,
    *,
    names: OptionalNames = None,
    plan_file: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="Only as `plan --out` saw it; refused (7) where it is not so."
        ),
    ] = None,
    choosing: Choosing,
    acting: Acting,
    step_down: StepDownGuard,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Carry out what the file asks for: planned changes of roles.

    All that it names are judged before the first write. Nothing is lost: what can only be done unplanned is
    refused, and so is what would have to be created; nothing is deleted.
    """
    from replctl.cli.acting import Errand, carry
    from replctl.cli.looking import chosen, wanted
    from replctl.cli.session import opened
    from replctl.core.errors import InvalidInput

    if plan_file is not None and (names or choosing.given):
        raise InvalidInput("names, a selection or --plan: one of them, for a plan names its replications")
    given = acknowledged(hold, None, None, step_down)
    with opened(context.obj, common, looking) as session:
        saved = None if plan_file is None else _read(plan_file)
        which = chosen(session, names, choosing) if saved is None else saved.chosen(session)
        group = choosing.group if saved is None else saved.document["group"]
        intents = [wanted(each, given) for each in which]
        errand = Errand("apply", intents, group=group, takes=TAKES, saved=saved)
        return carry(session, errand, looking, acting)


def _read(plan_file: Path) -> SavedPlan:
    from replctl.cli.saving import SavedPlan

    return SavedPlan.read(plan_file)
