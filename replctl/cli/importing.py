"""`import`: entries for what is replicated and in no entry, written behind those that the desired-state file has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.inspecting import Backends
from replctl.cli.options import Common, Looking

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replctl.cli.session import Session
    from replctl.diagnosis.importing import Imported
    from replctl.settings.editing import Edit


def import_(
    context: typer.Context,
    *,
    backends: Backends = None,
    local: Annotated[
        list[str] | None,
        typer.Option(
            "--local",
            metavar="BACKEND",
            help="Local where it is one of the two; else as in the file, or as the configuration orders them.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="FILE", help="Write all of it into a new file, and leave the old one alone."
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the patch of the file, write nothing.")
    ] = False,
    looking: Looking,
    common: Common,
) -> int:
    """Write what is replicated, and in no entry yet, into the file.

    Both ends are paired by what the backends say of each other; what is not clear is told and left out, and what the
    file has stays as it is. The states are what they are now, so that nothing changes on any backend, now or by the
    daemon. -n names the namespace where a backend has none. 3: not everything was read, or clear.
    """
    from replctl.cli.session import opened

    with opened(context.obj, common, looking, file_may_be_missing=True) as session:
        found = _looked(session, backends, local or (), looking)
        edit = _edit(session, found, out)
        written = not dry_run and _write(edit)
        _show(session, found, edit, written=written, dry_run=dry_run)
        return int(found.exit_code)


def _looked(
    session: Session, backends: Sequence[str] | None, local: Sequence[str], looking: Looking
) -> Imported:
    from replctl.cli.inspecting import patience
    from replctl.cli.names import known_backend
    from replctl.core.names import check_name
    from replctl.diagnosis.importing import DEFAULT_NAMESPACE, Wish, take
    from replctl.engine import Request

    known = session.services.settings.backends
    chosen = list(dict.fromkeys(known_backend(each, known) for each in backends or known))
    wish = Wish(
        backends=chosen,
        namespace=check_name(session.common.namespace or DEFAULT_NAMESPACE, "namespace"),
        local=[known_backend(each, known) for each in local],
    )
    request = Request(probe=looking.probe, cancel=session.interrupts.cancel)
    with session.progress.looking(", ".join(chosen)):
        return take(session.services, wish, patience(session, looking), request)


def _edit(session: Session, found: Imported, out: Path | None) -> Edit:
    from replctl.core.errors import InvalidInput
    from replctl.settings.adding import added

    edit = added(session.services.replications, found.entries, out)
    in_place = edit.path == session.services.replications.path
    if not in_place and edit.path.exists() and edit.before != edit.after:
        raise InvalidInput(f"--out {edit.path}: there is another file already")
    return edit


def _write(edit: Edit) -> bool:
    """Whether anything was written; raises NotEditable when it could not be, or somebody else was at it."""
    from replctl.settings.editing import NotEditable, created, replaced

    if edit.before == edit.after:
        return False
    if not (replaced(edit) if edit.path.exists() else created(edit)):
        raise NotEditable(f"{edit.shown} was written by somebody else just now", remedy="type it again")
    return True


def _show(session: Session, found: Imported, edit: Edit, *, written: bool, dry_run: bool) -> None:
    from replctl.cli import findings
    from replctl.cli.output import Format

    output = session.output
    if output.format.is_document:
        output.document(findings.import_document(found, edit.shown, written=written))
    elif output.format is Format.NAME:
        output.names(each.key for each in found.entries)
    elif dry_run:
        output.text(edit.patch)
        output.tell(findings.left_out(found, output.message_width))
        output.say(findings.imported_footer(found, edit.shown, written=False))
    else:
        output.data(findings.imported(found, output.width))
        output.tell(findings.left_out(found, output.message_width))
        output.say(findings.imported_footer(found, edit.shown, written=written))
