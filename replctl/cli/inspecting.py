"""The commands about what lies around the replications: backends, discover, doctor. They change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common, Looking

if TYPE_CHECKING:
    from replctl.cli.output import Output
    from replctl.cli.session import Session
    from replctl.diagnosis.checks import Check
    from replctl.diagnosis.visiting import Patience

Backends = Annotated[
    list[str] | None,
    typer.Argument(metavar="BACKEND", help="Backends of the configuration; all without one."),
]


def backends(context: typer.Context, *, looking: Looking, common: Common) -> int:
    """Show each backend: version, clock, latency, sessions, breakers.

    Each is asked once. The exit code says whether all answered (0), some (3) or none (11).
    """
    from replctl.cli import findings
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.diagnosis import survey

    with opened(context.obj, common, looking) as session:
        with session.progress.looking("the backends"):
            found = survey.standings(session.services, patience(session, looking))
        output = session.output
        if output.format.is_document:
            output.document(findings.backends_document(found, session.now))
        elif output.format is Format.NAME:
            output.names(each.name for each in found)
        else:
            output.data(findings.backends(found, output.width, wide=output.format is Format.WIDE))
        return int(survey.code_of([each.reachable for each in found]))


def discover(context: typer.Context, *, backends: Backends = None, looking: Looking, common: Common) -> int:
    """Show what is on the backends, and what of it no file names.

    Sessions, and with -o wide volumes, groups and remote systems too; -o name prints ids. The exit code says
    whether everything could be read (0), a part (3) or nothing (11).
    """
    from replctl.cli import findings
    from replctl.cli.names import known_backend
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.diagnosis import survey

    with opened(context.obj, common, looking) as session:
        known = session.services.settings.backends
        chosen = list(dict.fromkeys(known_backend(each, known) for each in backends or sorted(known)))
        with session.progress.looking(", ".join(chosen)):
            found = survey.discover(session.services, chosen, patience(session, looking))
        output = session.output
        if output.format.is_document:
            output.document(findings.discovery_document(found))
        elif output.format is Format.NAME:
            output.names(each.thing.id for one in found for each in one.sessions)
        else:
            output.data(findings.discovery(found, output.width, wide=output.format is Format.WIDE))
        return int(survey.found_code(found))


def doctor(context: typer.Context, *, looking: Looking, common: Common) -> int:
    """Check everything that replctl needs, and name the cures.

    Files, secrets, store, and each backend from its name to its links; nothing is changed. The exit code is 1
    when a check fails, and 0 when all is well or there are only warnings.
    """
    from replctl.cli.session import opened, output_for
    from replctl.core.errors import InvalidConfiguration
    from replctl.diagnosis.checks import any_fails
    from replctl.diagnosis.doctor import examine
    from replctl.diagnosis.files import check_files, is_sound, misconfigured

    checks = check_files(common.flags, context.obj.environ)
    if is_sound(checks):
        try:
            with opened(context.obj, common, looking) as session, session.progress.looking("everything"):
                checks += examine(session.services, patience(session, looking))
        except InvalidConfiguration as error:
            checks += misconfigured(error)
    _print(checks, output_for(context.obj, common), context.obj.clock.now())
    return int(any_fails(checks))


def _print(checks: list[Check], output: Output, now: float) -> None:
    from replctl.cli import findings
    from replctl.cli.output import Format

    if output.format.is_document:
        output.document(findings.diagnosis_document(checks, now))
    elif output.format is Format.NAME:
        output.names(dict.fromkeys(check.name for check in checks))
    else:
        output.data(findings.diagnosis(checks, output.width))


def patience(session: Session, looking: Looking) -> Patience:
    from replctl.diagnosis.visiting import Patience

    return Patience(
        seconds=looking.observe_timeout_seconds or session.services.settings.observe_timeout_seconds,
        probe=looking.probe,
        cancel=session.interrupts.cancel,
    )
