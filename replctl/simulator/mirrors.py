"""Sessions that copy with each write: Metro and type Synchronous (CP §9.1, §9.2). Enough to be read and acted on.

While such a session is well its copies are one; from the moment it is not, the side that may no longer follow keeps
what it had.
"""

from replctl.simulator.conditions import Conditions
from replctl.simulator.replication import (
    FRACTURED,
    METRO,
    NON_PREFERRED,
    OK,
    PAUSED,
    PREFERRED,
    SOURCE,
    SYNCHRONOUS,
    Command,
    End,
    Operation,
    Replication,
)
from replctl.simulator.steps import begin, enter, fail_later, finish, promise

_FLOWING = {METRO: "Active_Active", SYNCHRONOUS: "Synchronous"}
_SWITCHING = {METRO: "Switching_To_Metro_Sync", SYNCHRONOUS: "Switching_To_Synchronous"}


def leading(r: Replication) -> End:
    """The end that the other follows: the source, the promoted side, or the preferred one."""
    ends = list(r.ends.values())
    promoted = [end for end in ends if end.resource_state in ("Promoted", "System_Promoted")]
    if len(promoted) == 1:
        return promoted[0]
    return next((end for end in ends if end.role in (SOURCE, PREFERRED)), ends[0])


def separate(r: Replication, at: float) -> None:
    """The copies are no longer one: the follower keeps what it has at this moment."""
    if not r.mirrored:
        return
    end = leading(r)
    content = r.copies[end.array].content(at)
    r.mirrored = False
    r.base, r.base_at, r.base_complete = content, at, True
    r.copies[r.peer(end).array].replace(at, content)


def unite(r: Replication, c: Conditions, at: float) -> None:
    """The copies are one again."""
    end = leading(r)
    r.copies[r.peer(end).array].replace(at, r.copies[end.array].content(at))
    r.mirrored, r.base_complete = True, True
    for e in r.ends.values():
        access = e.type == METRO or e.role == SOURCE
        enter(
            r,
            c,
            e,
            at,
            "in sync",
            state=OK,
            transfer=_FLOWING[e.type],
            resource_state="System_Defined",
            access=access,
            error_code=None,
        )


def begin_switching(r: Replication, c: Conditions, end: End, at: float, command: Command | None) -> None:
    """Copy what is missing, then mirror."""
    op = begin(r, c, end, at, "switch", _SWITCHING[end.type], command, peer_shows=True)
    for e in r.ends.values():
        enter(r, c, e, at, "switch", transfer="Switch_To_Sync_Diff_Copy")
    seconds = c.durations["metro"]
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _switched)


def _switched(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op)
    unite(r, c, at)


def paused(r: Replication, c: Conditions, at: float) -> None:
    """The mirror was paused: the preferred side, or the source, serves alone."""
    separate(r, at)
    for end in r.ends.values():
        serves = end.role in (SOURCE, PREFERRED)
        enter(r, c, end, at, "pause", transfer=PAUSED, access=serves)


def broken(r: Replication, c: Conditions, at: float) -> None:
    """The link or a side is lost: the mirror fractures."""
    separate(r, at)
    label = c.assume["metro_labels_on_fracture"]
    for end in r.ends.values():
        metro = end.type == METRO
        state = FRACTURED if metro else c.assume["synchronous_link_loss"]
        serves = end.role in (SOURCE, PREFERRED)
        resource_state = label if metro and serves else "System_Defined"
        enter(
            r,
            c,
            end,
            at,
            "link lost",
            state=state,
            transfer="Faulted",
            access=serves,
            resource_state=resource_state,
        )


def heal(r: Replication, c: Conditions, at: float) -> None:
    """The link is back: a fractured mirror heals by itself, unless both sides were promoted meanwhile."""
    ends = list(r.ends.values())
    promoted = [end for end in ends if end.resource_state in ("Promoted", "System_Promoted")]
    if all(end.state == FRACTURED for end in ends) and len(promoted) < len(ends):
        begin_switching(r, c, leading(r), at, None)


def promote(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Let hosts use this side; `state` stays (CP §9.1)."""
    enter(r, c, end, at, "promote", resource_state="Promoted", access=True)
    command.end(at)


def demote(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Keep hosts off this side; `state` stays (CP §9.1)."""
    enter(r, c, end, at, "demote", resource_state="Demoted", access=False)
    command.end(at)


def begin_role_swap(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Make this side the preferred one."""
    if not c.both_links:
        fail_later(r, c, end, at, command)
        return
    before = end.state
    op = begin(r, c, end, at, "modify", "Modify_Role_In_Progress", command, peer_shows=True)
    op.phase = before
    seconds = c.durations["metro"]
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _swapped)


def _swapped(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op)
    mirrored, r.mirrored = r.mirrored, False
    if mirrored:
        r.copies[op.array].replace(at, r.copies[r.peer(r.ends[op.array]).array].content(at))
    for end in r.ends.values():
        role = PREFERRED if end.array == op.array else NON_PREFERRED
        enter(r, c, end, at, "modify", role=role, state=op.phase)
    r.mirrored = mirrored
    r.settle_writers(c, at)


def settle_after_set(r: Replication, c: Conditions, at: float) -> None:
    """After ends were put by hand: mirror exactly while both are well and of one mirrored type."""
    ends = list(r.ends.values())
    well = all(end.state == OK and end.type in _FLOWING for end in ends)
    if well and c.data.up and not r.mirrored:
        r.copies[r.peer(leading(r)).array].replace(at, r.content(leading(r).array, at))
        r.mirrored = True
    elif not well:
        separate(r, at)
    for end in ends:
        if end.type == METRO:
            end.access = end.resource_state not in ("Demoted", "System_Demoted") and (
                end.role == PREFERRED or well or end.resource_state in ("Promoted", "System_Promoted")
            )
    r.settle_writers(c, at)
