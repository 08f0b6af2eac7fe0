"""The commands that only look: status, plan, history, explain. They make no write on any backend."""

from __future__ import annotations

import typer

from replctl.cli.options import Common, Looking, OptionalNames


def status(context: typer.Context, looking: Looking, common: Common, names: OptionalNames = None) -> int:
    """Show replications, worst first, and what to do next."""
    from replctl.cli import documents, tables
    from replctl.cli import names as words
    from replctl.cli.output import Format
    from replctl.cli.session import opened
    from replctl.engine import Request

    with opened(context.obj, common, looking) as session:
        known = list(session.services.replications)
        chosen = words.resolve(names, known, common.namespace) if names else known
        request = Request(probe=looking.probe, cancel=session.interrupts.cancel)
        report = session.services.engine.status(chosen, request)
        output = session.output
        if output.format.is_document:
            output.document(documents.status(report))
        elif output.format is Format.NAME:
            output.text("".join(f"{each.replication.key}\n" for each in tables.worst_first(report)))
        else:
            output.data(tables.status(report, output.width, wide=output.format is Format.WIDE))
        return int(report.exit_code)
