"""The manual: every page of `man/`, written from what the program itself reads; pure.

`python -m replctl.cli.reference DIRECTORY` writes them with the rest of what is generated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from replctl.cli.manual import commands, guards, settings, tables
from replctl.cli.manual.pages import DIRECTORY, Page
from replctl.cli.manual.tables import Errors

__all__ = ["DIRECTORY", "pages"]


def pages(errors: Errors, endings: Mapping[str, str]) -> Iterator[Page]:
    """Every page; the tables of error codes are handed in, because the reference has them."""
    from replctl.cli.app import command

    yield from commands.pages(command())
    yield settings.config()
    yield settings.replications()
    yield tables.exit_codes(errors, endings)
    yield tables.metrics()
    yield guards.page()
