"""`simulate`: linked arrays, or clusters, on this machine, over real sockets and TLS, for trying things out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common

if TYPE_CHECKING:
    from replctl.cli.output import Output
    from replctl.cli.surroundings import Surroundings
    from replctl.simulator import Options, Simulator

POLL_SECONDS = 3600.0


def simulate(
    context: typer.Context,
    *,
    directory: Annotated[
        Path | None, typer.Option("--dir", metavar="DIR", help="Where its files go; made if it is not there.")
    ] = None,
    replications: Annotated[
        int, typer.Option("--replications", metavar="N", min=0, help="How many there shall be.")
    ] = 4,
    seed: Annotated[int, typer.Option("--seed", metavar="S", help="The same seed gives the same world.")] = 1,
    speed: Annotated[
        float, typer.Option("--speed", metavar="X", min=0.0, help="Its seconds in one of ours.")
    ] = 1.0,
    assume: Annotated[
        list[str] | None,
        typer.Option(
            "--assume", metavar="NAME=VALUE", help="Decide what the contract leaves open; repeatable."
        ),
    ] = None,
    vendors: Annotated[
        str,
        typer.Option(
            "--vendors",
            metavar="NAME,…",
            help="Whose replications, half of them each: powerstore, trident, or both.",
        ),
    ] = "powerstore,trident",
    assumptions: Annotated[
        bool, typer.Option("--assumptions", help="List what can be assumed, and leave.")
    ] = False,
    common: Common,
) -> int:
    """Serve two simulated, linked arrays and two Kubernetes clusters with Trident, until Ctrl-C.

    Writes configuration and credentials into DIR, and prints one JSON line once the arrays answer.
    """
    from replctl.cli.session import output_for
    from replctl.core.errors import InvalidInput
    from replctl.simulator import Options

    output = output_for(context.obj, common)
    if assumptions:
        return _list_assumptions(output)
    if directory is None:
        raise InvalidInput("--dir says where the simulator's files go", remedy="replctl simulate --dir DIR")
    options = Options(
        directory=directory,
        replications=replications,
        seed=seed,
        speed=speed,
        assumptions=_pairs(assume or []),
        vendors=tuple(word.strip() for word in vendors.split(",")),
    )
    return _serve(context.obj, output, options)


def _list_assumptions(output: Output) -> int:
    from replctl.cli import documents, tables
    from replctl.cli.output import Format
    from replctl.simulator import list_assumptions

    known = list_assumptions()
    if output.format.is_document:
        output.document(documents.assumptions(known))
    elif output.format is Format.NAME:
        output.names(name for name, *_ in known)
    else:
        output.data(tables.assumptions(known, output.width))
    return 0


def _pairs(words: Sequence[str]) -> dict[str, str]:
    from replctl.core.errors import InvalidInput

    for word in words:
        if "=" not in word:
            raise InvalidInput(
                f"--assume {word}: it is written NAME=VALUE", remedy="replctl simulate --assumptions"
            )
    return {name: value for name, _, value in (word.partition("=") for word in words)}


def _serve(here: Surroundings, output: Output, options: Options) -> int:
    import json

    from replctl.cli.signals import Interrupts

    simulator = started(options)
    with Interrupts(here.leave) as interrupts, interrupts.patiently():
        output.text(json.dumps(simulator.ready) + "\n")
        output.flush()
        while not here.clock.wait(POLL_SECONDS, interrupts.cancel):
            pass
    simulator.stop()
    return 0


def started(options: Options) -> Simulator:
    """A running simulator; raises InvalidInput for what it cannot be told."""
    from replctl.core.errors import InvalidInput
    from replctl.simulator import Simulator, UnknownVendor

    try:
        options.directory.mkdir(parents=True, exist_ok=True)
        return Simulator(options).start()
    except UnknownVendor as error:
        raise InvalidInput(f"--vendors: {error}") from error
    except ValueError as error:
        raise InvalidInput(str(error), remedy="replctl simulate --assumptions") from error
    except OSError as error:
        raise InvalidInput(f"{options.directory}: {error.strerror}") from error
