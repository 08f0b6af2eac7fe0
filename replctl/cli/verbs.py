"""The verbs that change something: what each may be told; how they are carried out is `acting`."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from replctl.cli.options import (
    Acting,
    Choosing,
    Common,
    DeletionGuards,
    DiscardGuard,
    HoldGuard,
    Keeping,
    Looking,
    Names,
    ReprotectGuards,
    StepDownGuard,
    TakeoverGuards,
    acknowledged,
)
from replctl.core.model import Acknowledgements, Verb


def promote(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    takeover: TakeoverGuards,
    step_down: StepDownGuard,
    hold: HoldGuard,
    keeping: Keeping,
    looking: Looking,
    common: Common,
) -> int:
    """Make the local side the source.

    Planned: the sides swap roles and nothing is lost. Unplanned only with --peer-is-down; what would be lost is
    stated first.
    """
    return order(
        context,
        common,
        looking,
        acting,
        Verb.PROMOTE,
        names,
        choosing,
        acknowledged(hold, takeover, None, step_down),
        keeping=keeping,
        snapshot=takeover.snapshot,
    )


def demote(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    step_down: StepDownGuard,
    hold: HoldGuard,
    keeping: Keeping,
    looking: Looking,
    common: Common,
) -> int:
    """Make the local side the replica, the other one the source.

    Planned: nothing is lost.
    """
    given = acknowledged(hold, None, None, step_down)
    return order(context, common, looking, acting, Verb.DEMOTE, names, choosing, given, keeping=keeping)


def failover(
    context: typer.Context,
    *,
    names: Names = None,
    to: Annotated[str, typer.Option("--to", metavar="BACKEND", help="Which backend shall be the source.")],
    choosing: Choosing,
    acting: Acting,
    takeover: TakeoverGuards,
    step_down: StepDownGuard,
    hold: HoldGuard,
    keeping: Keeping,
    looking: Looking,
    common: Common,
) -> int:
    """Promote or demote, whichever makes BACKEND the source."""
    return order(
        context,
        common,
        looking,
        acting,
        Verb.FAILOVER,
        names,
        choosing,
        acknowledged(hold, takeover, None, step_down),
        keeping=keeping,
        to=to,
        snapshot=takeover.snapshot,
    )


def reprotect(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    guards: ReprotectGuards,
    step_down: StepDownGuard,
    hold: HoldGuard,
    keeping: Keeping,
    looking: Looking,
    common: Common,
) -> int:
    """Make the old source, once it is back, the replica.

    For the time after an unplanned promotion: the survivor keeps its data and replicates to the old source.
    """
    given = acknowledged(hold, None, guards, step_down)
    return order(
        context,
        common,
        looking,
        acting,
        Verb.REPROTECT,
        names,
        choosing,
        given,
        keeping=keeping,
        survivor=guards.survivor,
    )


def pause(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Stop copying, on both sides, until `resume`.

    Both sides must answer, because it counts only once it is seen on both. With the link down it reaches one side
    only (exit 3); a second pause, once the link is back, reaches both. Waits 2m.
    """
    return order(
        context, common, looking, acting, Verb.PAUSE, names, choosing, acknowledged(hold, None, None)
    )


def resume(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Go on copying after a pause, and wait until both sides are in order.

    Only what a person paused: what the array paused for its own maintenance it resumes itself. Waits 2m; a copy
    that takes longer goes on (exit 8).
    """
    return order(
        context, common, looking, acting, Verb.RESUME, names, choosing, acknowledged(hold, None, None)
    )


def sync(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Copy now what was written until now.

    Done when the replica holds a copy that began after the command did; one that is running already is waited for
    first. Never `unchanged`. For asynchronous replications only.
    """
    return order(context, common, looking, acting, Verb.SYNC, names, choosing, acknowledged(hold, None, None))


def resync(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    discard: DiscardGuard,
    step_down: StepDownGuard,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Set copying that has stopped going again.

    Whatever stopped it: a pause is resumed, and after an error of the array a copy is made. A mirror of Trident that
    failed is told anew, and drops what its side alone holds.
    """
    given = acknowledged(hold, None, discard, step_down)
    return order(context, common, looking, acting, Verb.RESYNC, names, choosing, given)


def create(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """Replicate what is not replicated yet, as the file says.

    The end that the file does not make the replica must exist. On arrays the file names its protection policy there,
    which the array has already; in clusters the replica's claim must not be there, and the file says of it
    replication_policy, storage_class, size, and perhaps schedule. Done when the first copy is complete; nothing that
    is there already is replaced.
    """
    return order(
        context, common, looking, acting, Verb.CREATE, names, choosing, acknowledged(hold, None, None)
    )


def delete(
    context: typer.Context,
    *,
    names: Names = None,
    choosing: Choosing,
    acting: Acting,
    deletion: DeletionGuards,
    hold: HoldGuard,
    looking: Looking,
    common: Common,
) -> int:
    """End replication on both sides; no volume is removed.

    The source loses its protection policy, or its mirror relationship, and its hosts go on; the copy stays where it
    is, as old as it is then. The entry stays in the file. Both sides must answer.
    """
    given = acknowledged(hold, None, None, deletion=deletion)
    return order(context, common, looking, acting, Verb.DELETE, names, choosing, given)


def order(
    context: typer.Context,
    common: Common,
    looking: Looking,
    acting: Acting,
    verb: Verb,
    names: list[str] | None,
    choosing: Choosing,
    given: Acknowledgements,
    *,
    keeping: Keeping | None = None,
    to: str | None = None,
    survivor: str | None = None,
    snapshot: str | None = None,
    keep_test_data: bool = False,
) -> int:
    """Have a verb carried out, for whichever command it was that asked for it."""
    from replctl.cli.acting import Order, act

    keeping = keeping or Keeping()
    keeping = replace(keeping, hold_reason=keeping.reason or None)
    ordered = Order(
        verb=verb,
        names=names or (),
        choosing=choosing,
        acknowledged=given,
        keeping=keeping,
        to=to,
        survivor=survivor,
        snapshot=snapshot,
        keep_test_data=keep_test_data,
    )
    return act(context.obj, common, looking, acting, ordered)
