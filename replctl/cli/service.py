"""`systemd` and `monitoring`: what ships for those who operate replctl, printed or put into its place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from replctl.cli.options import Common

Program = Annotated[
    Path | None,
    typer.Option("--program", metavar="FILE", help="Which replctl the unit runs; this one without it."),
]


def show(context: typer.Context, *, program: Program = None, common: Common) -> int:
    """Print the unit as `install` would write it."""
    from replctl.cli.session import output_for
    from replctl.daemon import shipping

    output_for(context.obj, common).text(shipping.unit(_program(program)))
    return 0


def install(
    context: typer.Context,
    *,
    root: Annotated[
        Path, typer.Option("--root", metavar="DIR", help="Below this directory, as packages are made.")
    ] = Path("/"),
    program: Program = None,
    common: Common,
) -> int:
    """Write the unit and the sysusers file, and say what to do next; starts nothing."""
    from replctl.cli.lines import line
    from replctl.cli.session import output_for
    from replctl.core.errors import InvalidInput
    from replctl.daemon import shipping

    output = output_for(context.obj, common)
    for place, text in shipping.files(_program(program)).items():
        path = root / place
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise InvalidInput(
                f"{path} cannot be written: {error.strerror}", remedy="as root, or with --root DIR"
            ) from error
        output.text(f"{path}\n")
    output.say([line("next: systemd-sysusers && systemctl daemon-reload && systemctl enable --now replctl")])
    return 0


def alerts(
    context: typer.Context,
    *,
    runbook: Annotated[
        str | None, typer.Option("--runbook", metavar="URL", help="Where your people find docs/runbook.md.")
    ] = None,
    common: Common,
) -> int:
    """Print alert rules for Prometheus."""
    from replctl.cli.session import output_for
    from replctl.daemon import shipping

    output_for(context.obj, common).text(shipping.alerts(runbook or shipping.RUNBOOK))
    return 0


def dashboard(context: typer.Context, *, common: Common) -> int:
    """Print a dashboard for Grafana."""
    from replctl.cli.session import output_for
    from replctl.daemon import shipping

    output_for(context.obj, common).text(shipping.shipped(shipping.DASHBOARD))
    return 0


def _program(given: Path | None) -> str:
    """The absolute path of the program that systemd shall run."""
    return os.path.abspath(given if given is not None else Path(sys.executable).with_name("replctl"))
