"""`demo`"""

from __future__ import annotations

import typer

from replctl.cli.options import Common


def demo(context: typer.Context, *, common: Common) -> int:
    """Play a failover on simulated arrays, with the real commands of this program."""
    return 0
