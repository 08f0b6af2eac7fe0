"""What a session does when a link or an array is lost, and when it is back (CP §8, "Peer unreachable").

The world settles every session, changes the conditions, and then calls `conditions_changed` for each.
"""

from replctl.simulator import mirrors
from replctl.simulator.conditions import Conditions
from replctl.simulator.operations import cancel, plan_cycle, step_down, step_up
from replctl.simulator.replication import (
    DESTINATION,
    OK,
    PAUSED,
    SOURCE,
    SYNCHRONIZING,
    SYSTEM_PAUSED,
    End,
    Operation,
    Replication,
)
from replctl.simulator.steps import (
    ERROR_NO_PEER,
    UNREACHABLE,
    cycle_period,
    enter,
    finish,
    give_up,
    is_copied_in_cycles,
)

# States that a destination takes over from its source when they meet again.
_MIRRORED_STATES = (OK, SYNCHRONIZING, SYSTEM_PAUSED)


def conditions_changed(r: Replication, c: Conditions, now: float) -> None:
    """Bring one session in line with the links and arrays as they are now."""
    for op in {id(e.operation): e.operation for e in r.ends.values() if e.operation}.values():
        if _is_broken(r, c, op):
            _break_off(r, c, now, op)
    if r.mirrored and not c.data.up:
        mirrors.broken(r, c, now)
    r.settle_writers(c, now)
    _restart_cycles(r, c, now)
    if c.data.up or c.management.up:
        meeting = Operation("meeting", "", now)
        r.due(meeting, now, c.durations["flip"], _meet)


def _is_broken(r: Replication, c: Conditions, op: Operation) -> bool:
    if op.kind == "unreachable":
        return not c.arrays[op.array].alive
    shared = all(e.operation is op for e in r.ends.values())
    if any(not c.arrays[e.array].alive for e in r.ends.values() if e.operation is op):
        return True
    if op.kind == "failover_dr":
        return shared and not c.demotion_path
    if not op.needs_peer:
        return False
    return not (c.data.up if op.kind == "cycle" else c.both_links)


def _break_off(r: Replication, c: Conditions, now: float, op: Operation) -> None:
    """An operation has lost the peer, or its own array has lost power."""
    end = r.ends[op.array]
    peer = r.peer(end)
    if op.kind == "failover":
        _break_planned_failover(r, c, now, op)
    elif op.kind == "failover_dr" and c.arrays[end.array].alive:
        peer.operation = None  # this side goes on alone
    elif op.kind == "pause" and c.arrays[end.array].alive:
        op.needs_peer, peer.operation = False, None
    elif op.kind == "unreachable":
        finish(r, now, op, UNREACHABLE)
    else:
        give_up(r, c, end, now, op, ERROR_NO_PEER, UNREACHABLE)


def _break_planned_failover(r: Replication, c: Conditions, now: float, op: Operation) -> None:
    old = r.ends[op.array]
    new = r.peer(old)
    if op.phase == "flipping":
        finish(r, now, op, UNREACHABLE)
        if new.role == SOURCE:
            r.orphan = old
        else:
            r.unborn = new
        return
    give_up(r, c, old, now, op, ERROR_NO_PEER, UNREACHABLE)
    if not c.data.up and c.assume["destination_when_planned_breaks"] == SYSTEM_PAUSED:
        enter(r, c, new, now, "failover broke off", state=SYSTEM_PAUSED, error_code=ERROR_NO_PEER)
    enter(r, c, old, now, "failover broke off", access=True)


def _restart_cycles(r: Replication, c: Conditions, now: float) -> None:
    """A source that is up again takes up its cycles."""
    for end in r.ends.values():
        idle = end.state == OK and end.operation is None and r.timer is None
        if idle and c.arrays[end.array].alive and end.role == SOURCE:
            plan_cycle(r, c, end, now, now + cycle_period(r, c) * c.chance(r.index, r.cycles))


def _meet(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    """The two sides have found each other again: who must step down does, the other mirrors its source."""
    if r.orphan is not None and c.demotion_path:
        old, r.orphan = r.orphan, None
        if r.peer(old).role == SOURCE:
            cancel(r, old, at, UNREACHABLE)
            step_down(r, c, old, at, c.assume["old_source_after_reconnect"])
    if r.unborn is not None and c.both_links and r.unborn.operation is None:
        new, r.unborn = r.unborn, None
        if r.peer(new).role == DESTINATION:
            step_up(r, c, new, at)
    if c.both_links and all(end.operation is None for end in r.ends.values()):
        _agree(r, c, at)


def _agree(r: Replication, c: Conditions, at: float) -> None:
    source = r.source()
    if source is None or not is_copied_in_cycles(source):
        mirrors.heal(r, c, at)
        return
    follower = r.peer(source)
    if follower.role == DESTINATION and follower.state != source.state:
        _follow(r, c, at, source, follower)


def _follow(r: Replication, c: Conditions, at: float, source: End, follower: End) -> None:
    if source.state in _MIRRORED_STATES and follower.state != PAUSED:
        enter(r, c, follower, at, "met again", state=source.state, error_code=source.error_code)
    elif source.state == PAUSED and r.local_pause == source.array:
        enter(r, c, follower, at, "met again", state=SYSTEM_PAUSED)
    elif follower.state == PAUSED and source.state == OK:
        enter(r, c, source, at, "met again", state=SYSTEM_PAUSED)
