"""`drill start|stop`: failover tests, with production untouched."""

from __future__ import annotations

from typing import Annotated

import typer

from replctl.cli import verbs
from replctl.cli.options import Acting, Choosing, Common, HoldGuard, Looking, Names, acknowledged
from replctl.core.model import Verb


def start(
    context: typer.Context,
    *,
    names: Names = None,
    snapshot: Annotated[
        str | None,
        typer.Option(
            "--snapshot", metavar="ID", help="Test this snapshot of the replica, not its last copy."
        ),
    ] = None,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Open the replica to hosts for a failover test.

    Production goes on and is copied meanwhile; what is copied is applied once the test is over. Until then a
    planned promotion is refused, and an unplanned one wants --use-test-copy.
    """
    given = acknowledged(hold, None, None)
    return verbs.order(
        context, common, looking, acting, Verb.DRILL_START, names, choosing, given, snapshot=snapshot
    )


def stop(
    context: typer.Context,
    *,
    names: Names = None,
    keep: Annotated[
        bool, typer.Option("--keep", help="Keep what the test wrote, as a snapshot on the array.")
    ] = False,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """End a failover test; the replica is a replica again.

    What the test wrote is dropped. Ends with a report: what was tested, for how long, and what came back. Works
    without the source too.
    """
    given = acknowledged(hold, None, None)
    return verbs.order(
        context, common, looking, acting, Verb.DRILL_STOP, names, choosing, given, keep_test_data=keep
    )
