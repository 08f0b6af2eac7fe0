"""The command tree for typer: which commands there are, in which order, under which headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import typer

from replctl import __version__
from replctl.cli import (
    breaker,
    completion,
    config,
    daemon,
    demo,
    drill,
    holding,
    inspecting,
    looking,
    op,
    service,
    simulate,
    verbs,
)
from replctl.cli.helping import Command, Group
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


def _group(help: Help = False) -> None:
    """Each group of commands has this one option."""


def _new(help: str, **more: Any) -> typer.Typer:
    return typer.Typer(
        cls=Group,
        help=help,
        add_completion=False,
        add_help_option=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=CONTEXT,
        **more,
    )


# Which commands there are, in the order and under the headings of `-h`.
COMMANDS: Mapping[str, tuple[Callable[..., int], ...]] = {
    "Looking": (looking.status, looking.plan, looking.history, looking.explain, inspecting.discover),
    "Acting": (
        verbs.promote,
        verbs.demote,
        verbs.failover,
        verbs.reprotect,
        verbs.pause,
        verbs.resume,
        verbs.sync,
        verbs.resync,
        verbs.create,
        verbs.delete,
    ),
    "Housekeeping": (
        holding.hold,
        holding.release,
        inspecting.backends,
        inspecting.doctor,
        completion.completion,
    ),
    "Staying": (daemon.daemon,),
    "Trying": (simulate.simulate, demo.demo),
}
GROUPS: Mapping[str, tuple[str, str, tuple[Callable[..., int], ...]]] = {
    "drill": ("Acting", "Failover tests, with production untouched.", (drill.start, drill.stop)),
    "systemd": ("Staying", "The daemon as a service of systemd.", (service.show, service.install)),
    "monitoring": ("Staying", "Alerts and a dashboard for it.", (service.alerts, service.dashboard)),
    "op": (
        "Housekeeping",
        "Operations that the journal knows.",
        (op.list_, op.show, op.wait, op.resume, op.abandon),
    ),
    "breaker": (
        "Housekeeping",
        "Circuit breakers between us and the backends.",
        (breaker.list_, breaker.reset),
    ),
    "config": ("Housekeeping", "The configuration in force.", (config.show, config.validate, config.path)),
}


def command() -> Group:
    """The whole tree, built."""
    app = _new(ABOUT)
    app.callback()(_root)
    for heading, commands in COMMANDS.items():
        _add(app, commands, heading)
    for name, (heading, help, commands) in GROUPS.items():
        group = _new(help)
        group.callback(help=help)(_group)
        _add(group, commands)
        app.add_typer(group, name=name, rich_help_panel=heading)
    built = typer.main.get_command(app)
    assert isinstance(built, Group)
    return built


def _add(app: typer.Typer, commands: Iterable[Callable[..., int]], heading: str | None = None) -> None:
    for function in commands:
        name = function.__name__.rstrip("_")
        app.command(name, cls=Command, rich_help_panel=heading)(bundled(function))
