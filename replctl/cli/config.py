"""`config`: which configuration is in force, where each value comes from, and whether both files are right."""

from __future__ import annotations

from typing import Annotated

import typer

from replctl.cli.options import Common


def show(
    context: typer.Context,
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say of each value who set it: file and line, variable, default.")
    ] = False,
    common: Common,
) -> int:
    """Show the configuration in force; passwords are never shown."""
    from replctl.cli import documents, tables
    from replctl.cli.output import Format
    from replctl.cli.session import output_for
    from replctl.settings import load, origins

    here = context.obj
    rows = [(each.key, each.value, str(each.origin)) for each in origins(load(common.flags, here.environ))]
    output = output_for(here, common)
    if output.format.is_document:
        output.document(documents.configuration(rows))
    elif output.format is Format.NAME:
        output.names(key for key, _, _ in rows)
    else:
        output.data(tables.settings(rows, output.width, origin=origin or output.format is Format.WIDE))
    return 0


def validate(context: typer.Context, *, common: Common) -> int:
    """Check configuration and desired-state file; every mistake of either is told at once, with its line."""
    from replctl.cli import documents
    from replctl.cli.lines import Role, Span, line
    from replctl.cli.output import Format
    from replctl.cli.session import output_for
    from replctl.core.errors import InvalidConfiguration
    from replctl.settings import validate as judge
    from replctl.settings.validation import in_a_row

    found = judge(common.flags, context.obj.environ)
    if found.findings:
        raise InvalidConfiguration(found.sentence, findings=found.findings)
    output = output_for(context.obj, common)
    output.say(line(Span("note:", Role.WARN), f" {notice}") for notice in found.notices)
    if output.format.is_document:
        output.document(documents.validation(found))
    elif output.format is Format.NAME:
        output.names(found.files)
    else:
        output.data([line(Span("✓", Role.GOOD), f" {in_a_row(found.shown)}: {found.sentence}")])
    return 0


def path(context: typer.Context, *, common: Common) -> int:
    """Print which configuration file is used."""
    from replctl.cli import documents
    from replctl.cli.session import output_for
    from replctl.settings import find_config

    found = str(find_config(common.flags.get("config"), context.obj.environ))
    output = output_for(context.obj, common)
    if output.format.is_document:
        output.document(documents.path(found))
    else:
        output.text(f"{found}\n")
    return 0
