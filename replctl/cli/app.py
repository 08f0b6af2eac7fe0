"""The command tree for typer: which commands there are, in which order, under which headings."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from replctl import __version__
from replctl.cli import looking, verbs
from replctl.cli.options import bundled

ABOUT = "Storage replication, driven directly over the vendors' own APIs."
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


def _show_help(context: typer.Context, wanted: bool) -> None:
    if wanted:
        typer.echo(context.get_help())
        raise typer.Exit


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"replctl {__version__}")
        raise typer.Exit


# Groups bring their own -h: typer's reads its absence through pydantic, which costs what `-h` may not.
Help = Annotated[
    bool, typer.Option("-h", "--help", is_eager=True, callback=_show_help, help="Show this message and exit.")
]
Version = Annotated[
    bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
]


def _root(help: Help = False, version: Version = False) -> None:
    """Storage replication, driven directly over the vendors' own APIs."""


def _new(help: str, **more: Any) -> typer.Typer:
    return typer.Typer(
        help=help,
        add_completion=False,
        add_help_option=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=CONTEXT,
        **more,
    )


def command() -> TyperGroup:
    """The whole tree, built."""
    app = _new(ABOUT)
    app.callback()(_root)
    for each in (looking.status, verbs.promote, verbs.demote, verbs.failover, verbs.reprotect):
        app.command()(bundled(each))
    built = typer.main.get_command(app)
    assert isinstance(built, TyperGroup)
    return built
