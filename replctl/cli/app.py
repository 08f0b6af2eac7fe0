"""The command tree for typer: which commands there are, in which order, under which headings."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from functools import partial
from typing import Annotated, Any, cast

import typer
from typer.core import TyperCommand, TyperGroup

from replctl import __version__
from replctl.cli import (
    breaker,
    checking,
    completion,
    config,
    daemon,
    demo,
    desired,
    drill,
    holding,
    importing,
    init,
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
Maker = Callable[[], TyperCommand | TyperGroup]
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


# Which commands there are, in the order and under the headings of `-h`.
COMMANDS: Mapping[str, tuple[Callable[..., int], ...]] = {
    "Looking": (
        looking.status,
        looking.plan,
        desired.diff,
        looking.history,
        looking.explain,
        inspecting.discover,
        checking.check,
    ),
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
        desired.apply,
        importing.import_,
    ),
    "Housekeeping": (
        init.init,
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


class _AsNeeded(Mapping[str, TyperCommand | TyperGroup]):
    """Commands by name, each built when it is looked up: whoever types one does not pay for the others."""

    def __init__(self, makers: Mapping[str, Maker]) -> None:
        self._makers = makers
        self._made: dict[str, TyperCommand | TyperGroup] = {}

    def __getitem__(self, name: str) -> TyperCommand | TyperGroup:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


def command() -> Group:
    """The whole tree; what is in it is built when it is looked up."""
    makers = {
        name: maker for heading, each in COMMANDS.items() for name, maker in _makers(each, heading).items()
    }
    for name, (heading, help, commands) in GROUPS.items():
        makers[name] = partial(_build_group, _group, help, _makers(commands), name, heading)
    return _build_group(_root, ABOUT, makers)


def _makers(commands: Iterable[Callable[..., int]], heading: str | None = None) -> dict[str, Maker]:
    named = {each.__name__.rstrip("_"): each for each in commands}
    return {name: partial(_build, name, each, heading) for name, each in named.items()}


def _build(name: str, function: Callable[..., int], heading: str | None) -> Command:
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    app.command(name, cls=Command, rich_help_panel=heading)(bundled(function))
    built = typer.main.get_command(app)
    assert isinstance(built, Command)
    return built


def _build_group(
    root: Callable[..., None],
    help: str,
    makers: Mapping[str, Maker],
    name: str | None = None,
    heading: str | None = None,
) -> Group:
    app = typer.Typer(
        name=name,
        cls=Group,
        add_completion=False,
        add_help_option=False,
        no_args_is_help=True,
        rich_markup_mode=None,
        context_settings=CONTEXT,
    )
    app.callback(help=help, rich_help_panel=heading)(root)
    built = typer.main.get_command(app)
    assert isinstance(built, Group)
    built.commands = cast(MutableMapping[str, Any], _AsNeeded(makers))  # nothing is put in
    return built
