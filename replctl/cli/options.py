"""Options that several commands share, as bundles: a command names a bundle and gets its values as one object.

`bundled` spreads the fields of every bundle over the command's signature, which typer reads; the command itself
takes `common: Common`, `acting: Acting` and so on. Each help text stands here once, for `-h` and the manual.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from replctl.cli.output import Colour, Format
from replctl.core.durations import InvalidDuration, parse_bound, parse_duration
from replctl.core.errors import InvalidInput
from replctl.core.model import Acknowledgements
from replctl.core.values import dataclass

DEFAULT_MAX_PARALLEL = 16

Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Replications, as [NAMESPACE/]NAME.")]
OptionalNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="NAME", help="Replications, as [NAMESPACE/]NAME; all without one."),
]
OneName = Annotated[str, typer.Argument(metavar="NAME", help="A replication, as [NAMESPACE/]NAME.")]
OptionalName = Annotated[
    str | None, typer.Argument(metavar="NAME", help="A replication, as [NAMESPACE/]NAME; all without one.")
]
Timeout = Annotated[
    str | None,
    typer.Option(
        "--timeout", metavar="DURATION", help="Deadline of the whole operation; by step without it."
    ),
]
OperationId = Annotated[str, typer.Argument(metavar="ID", help="An operation; `replctl op list` shows them.")]


MetricsTextfile = Annotated[
    Path | None,
    typer.Option(
        "--metrics-textfile",
        metavar="FILE",
        help="Write the metrics there, as node_exporter's textfile collector reads them.",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Common:
    """What every command takes."""

    output: Annotated[
        Format,
        typer.Option("-o", "--output", metavar="FORMAT", help="table, wide, json, jsonl, yaml or name."),
    ] = Format.TABLE
    config: Annotated[
        Path | None,
        typer.Option("--config", metavar="FILE", help="The configuration, instead of where it is sought."),
    ] = None
    namespace: Annotated[
        str | None,
        typer.Option(
            "-n",
            "--namespace",
            metavar="NAME",
            help="Namespace of names given without one, and of what is chosen by --group, -l, --all, or nothing.",
        ),
    ] = None
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing, even on a terminal.")] = False
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="No progress and no commentary.")] = False
    verbose: Annotated[
        int, typer.Option("-v", "--verbose", count=True, show_default=False, help="Say more; -vv says most.")
    ] = 0
    color: Annotated[Colour, typer.Option("--color", metavar="WHEN", help="auto, always or never.")] = (
        Colour.AUTO
    )

    @property
    def flags(self) -> Mapping[str, str]:
        """What of it the settings want to know."""
        return {"config": str(self.config)} if self.config is not None else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """How hard to look."""

    observe_timeout: Annotated[
        str | None,
        typer.Option("--observe-timeout", metavar="DURATION", help="How long backends may take to answer."),
    ] = None
    probe: Annotated[bool, typer.Option("--probe", help="Ask even where a circuit breaker is open.")] = False
    metrics_textfile: MetricsTextfile = None

    @property
    def observe_timeout_seconds(self) -> float | None:
        return seconds("--observe-timeout", self.observe_timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choosing:
    """Which of all replications, instead of their names."""

    group: Annotated[
        str | None, typer.Option("--group", metavar="GROUP", help="Those of this group, wave by wave.")
    ] = None
    selector: Annotated[
        str | None,
        typer.Option(
            "-l", "--selector", metavar="TERMS", help="Those so labelled: KEY=VALUE,KEY!=VALUE,KEY in (A,B)."
        ),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="All that the file names.")] = False

    @property
    def given(self) -> bool:
        return self.group is not None or self.selector is not None or self.everything


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirming:
    """Leave to change something."""

    yes: Annotated[
        bool, typer.Option("-y", "--yes", help="Do not ask for confirmation; answers no guard.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting(Confirming):
    """How long to stay with what was begun."""

    wait: Annotated[
        bool,
        typer.Option(
            "--wait/--no-wait",
            show_default=False,
            help="Wait for the end (as it does), or leave with code 8 once it is on its way.",
        ),
    ] = True
    timeout: Timeout = None

    @property
    def timeout_seconds(self) -> float | None:
        return seconds("--timeout", self.timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Acting(Waiting):
    """How changes are carried out."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show steps and guards, change nothing.")] = False
    reason: Annotated[str | None, typer.Option("--reason", metavar="TEXT", help="Why, for the history.")] = (
        None
    )
    max_parallel: Annotated[
        int, typer.Option("--max-parallel", metavar="N", min=1, help="Operations at once, of one wave.")
    ] = DEFAULT_MAX_PARALLEL
    keep_going: Annotated[
        bool,
        typer.Option(
            "--keep-going",
            help="Of several, carry out those that no guard refuses; a wave that fails still stops the next.",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What becomes of a desired-state file that says otherwise: the daemon shall not go by it."""

    hold_reason: Annotated[
        str | None,
        typer.Option(
            "--hold",
            metavar="REASON",
            help="Keep the daemon's hands off, and say why; it is held anyway where the file says otherwise.",
        ),
    ] = None
    update_file: Annotated[
        bool,
        typer.Option("--update-file", help="Write the new state into the file, instead of holding."),
    ] = False

    @property
    def reason(self) -> str:
        """Why it shall be held; empty when nobody said. Raises InvalidInput for what says nothing, or too much."""
        if self.hold_reason is None:
            return ""
        if not self.hold_reason.strip():
            raise InvalidInput("--hold: it is empty; say why, for whoever is stopped")
        if self.update_file:
            raise InvalidInput("--hold and --update-file: one of them, for a file that agrees needs no hold")
        return self.hold_reason.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class HoldGuard:
    """The guard that stands before every change."""

    override_hold: Annotated[
        bool, typer.Option("--override-hold", help="Go on although somebody asked for hands off.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDownGuard:
    """The guard that stands before telling a side to become the replica."""

    source_quiesced: Annotated[
        bool,
        typer.Option(
            "--source-quiesced",
            help="Nobody uses the side that steps down, where that cannot be read (never what is seen attached).",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionGuards:
    """The guard that stands before the end of a replication whose replica becomes a volume of its own by it."""

    delete_promotes: Annotated[
        bool,
        typer.Option(
            "--delete-promotes",
            help="Let the replica's volume be opened to hosts, where to end replication does that (Trident).",
        ),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeoverGuards:
    """Flags that answer the guards of an unplanned promotion; without them a promotion is planned or refused."""

    peer_is_down: Annotated[
        bool, typer.Option("--peer-is-down", help="The other side is down: promote alone, unplanned.")
    ] = False
    peer_is_fenced: Annotated[
        str | None,
        typer.Option(
            "--peer-is-fenced", metavar="HOW", help="The other side is up, but cut off from its hosts."
        ),
    ] = None
    accept_data_loss: Annotated[
        str | None,
        typer.Option(
            "--accept-data-loss",
            metavar="BOUND",
            help="A time to go back to (2031-02-03T02:13:07Z), a duration (15m), or `unknown`; of several at once "
            "`15m,unknown`: what is known, and what is not.",
        ),
    ] = None
    from_failed: Annotated[bool, typer.Option("--from-failed", help="Promote from the state `failed`.")] = (
        False
    )
    from_replica: Annotated[
        bool, typer.Option("--from-replica", help="Promote although neither side is the source.")
    ] = False
    use_test_copy: Annotated[
        bool, typer.Option("--use-test-copy", help="Keep what a running failover test wrote.")
    ] = False
    snapshot: Annotated[
        str | None,
        typer.Option(
            "--snapshot", metavar="ID", help="Promote from this snapshot (PowerStore: unplanned only)."
        ),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardGuard:
    """The guard that stands before dropping what one side alone holds."""

    discard_local_changes: Annotated[
        bool,
        typer.Option("--discard-local-changes", help="Drop what the side that becomes the replica wrote."),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReprotectGuards(DiscardGuard):
    """What `reprotect` may be told."""

    survivor: Annotated[
        str | None,
        typer.Option(
            "--survivor", metavar="BACKEND", help="Whose data to keep, if the journal does not know."
        ),
    ] = None


def acknowledged(
    hold: HoldGuard,
    takeover: TakeoverGuards | None,
    discard: DiscardGuard | None,
    step_down: StepDownGuard | None = None,
    deletion: DeletionGuards | None = None,
) -> Acknowledgements:
    """The guards that the flags answer; raises InvalidInput for a bound that is none."""
    takeover, discard = takeover or TakeoverGuards(), discard or DiscardGuard()
    step_down, deletion = step_down or StepDownGuard(), deletion or DeletionGuards()
    bound = takeover.accept_data_loss
    return Acknowledgements(
        peer_is_down=takeover.peer_is_down,
        peer_is_fenced=takeover.peer_is_fenced,
        accept_data_loss=None if bound is None else parse_bound(bound),
        from_failed=takeover.from_failed,
        from_replica=takeover.from_replica,
        use_test_copy=takeover.use_test_copy,
        discard_local_changes=discard.discard_local_changes,
        source_quiesced=step_down.source_quiesced,
        delete_promotes=deletion.delete_promotes,
        override_hold=hold.override_hold,
    )


def seconds(option: str, text: str | None) -> float | None:
    """The duration of an option; raises InvalidInput naming the option."""
    if text is None:
        return None
    try:
        return parse_duration(text)
    except InvalidDuration as error:
        raise InvalidDuration(f"{option}: {error.message}", findings=error.findings) from error


# Under which heading of `-h` the options of a bundle stand.
HEADINGS: Mapping[type, str] = {
    Choosing: "Choosing several",
    Acting: "Acting",
    Waiting: "Acting",
    Confirming: "Acting",
    Keeping: "The desired-state file",
    TakeoverGuards: "Guards, each answered by its own flag",
    DiscardGuard: "Guards, each answered by its own flag",
    ReprotectGuards: "Guards, each answered by its own flag",
    StepDownGuard: "Guards, each answered by its own flag",
    DeletionGuards: "Guards, each answered by its own flag",
    HoldGuard: "Guards, each answered by its own flag",
    Looking: "Looking",
    Common: "Everywhere",
}


def bundled(function: Callable[..., int]) -> Callable[..., int]:
    """Spread each parameter whose type is a bundle over the command's signature."""
    hints = get_type_hints(function, include_extras=True)
    bundles: dict[str, type[Any]] = {
        name: kind for name, kind in hints.items() if isinstance(kind, type) and is_dataclass(kind)
    }

    @functools.wraps(function)
    def command(**given: Any) -> int:
        gathered = {
            name: kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            for name, kind in bundles.items()
        }
        return function(**given, **gathered)

    parameters = _spread(function, hints, bundles)
    command.__signature__ = inspect.Signature(parameters, return_annotation=int)  # type: ignore[attr-defined]  # inspect reads it
    command.__annotations__ = {each.name: each.annotation for each in parameters}
    return command


def _spread(
    function: Callable[..., int], hints: Mapping[str, Any], bundles: Mapping[str, Any]
) -> list[inspect.Parameter]:
    spread: list[inspect.Parameter] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.name not in bundles:
            plain = parameter.replace(annotation=hints[parameter.name], kind=inspect.Parameter.KEYWORD_ONLY)
            spread.append(plain)
            continue
        kind = bundles[parameter.name]
        inner = _annotations(kind)
        spread.extend(_parameter(each, inner[each.name], HEADINGS[kind]) for each in fields(kind))
    return spread


@functools.cache
def _annotations(bundle: type[Any]) -> Mapping[str, Any]:
    return get_type_hints(bundle, include_extras=True)


def _parameter(field: Field[Any], annotation: Any, heading: str) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    kind, option = get_args(annotation)
    under = copy(option)
    under.rich_help_panel = heading
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, under]
    )
