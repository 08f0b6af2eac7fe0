"""The verbs that change something: what each may be told; how they are carried out is `acting`."""

from __future__ import annotations

from typing import Annotated

import typer

from replctl.cli.options import (
    Acting,
    Common,
    HoldGuard,
    Looking,
    Names,
    ReprotectGuards,
    TakeoverGuards,
    acknowledged,
)
from replctl.core.model import Acknowledgements, Verb


def promote(
    context: typer.Context,
    names: Names,
    acting: Acting,
    takeover: TakeoverGuards,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Make the local side the source.

    Planned: the sides swap roles and nothing is lost. Unplanned only with --peer-is-down; what would be lost is
    stated first.
    """
    return _act(
        context,
        common,
        looking,
        acting,
        Verb.PROMOTE,
        names,
        acknowledged(hold, takeover, None),
        snapshot=takeover.snapshot,
    )


def demote(
    context: typer.Context, names: Names, acting: Acting, hold: HoldGuard, looking: Looking, common: Common
) -> int:
    """Make the local side the replica, the other one the source.

    Planned: nothing is lost.
    """
    return _act(context, common, looking, acting, Verb.DEMOTE, names, acknowledged(hold, None, None))


def failover(
    context: typer.Context,
    names: Names,
    to: Annotated[str, typer.Option("--to", metavar="BACKEND", help="Which backend shall be the source.")],
    acting: Acting,
    takeover: TakeoverGuards,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Promote or demote, whichever makes BACKEND the source."""
    return _act(
        context,
        common,
        looking,
        acting,
        Verb.FAILOVER,
        names,
        acknowledged(hold, takeover, None),
        to=to,
        snapshot=takeover.snapshot,
    )


def reprotect(
    context: typer.Context,
    names: Names,
    acting: Acting,
    guards: ReprotectGuards,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Make the old source, once it is back, the replica.

    For the time after an unplanned promotion: the survivor keeps its data and replicates to the old source.
    """
    given = acknowledged(hold, None, guards)
    return _act(context, common, looking, acting, Verb.REPROTECT, names, given, survivor=guards.survivor)


def _act(
    context: typer.Context,
    common: Common,
    looking: Looking,
    acting: Acting,
    verb: Verb,
    names: list[str],
    given: Acknowledgements,
    *,
    to: str | None = None,
    survivor: str | None = None,
    snapshot: str | None = None,
) -> int:
    from replctl.cli.acting import Order, act

    order = Order(verb=verb, names=names, acknowledged=given, to=to, survivor=survivor, snapshot=snapshot)
    return act(context.obj, common, looking, acting, order)
