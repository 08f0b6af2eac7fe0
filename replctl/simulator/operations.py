"""What sessions do by themselves and when told: cycles, failovers, reprotect, pause, resume, test failover (CP §8).

A copy's data are those of its start. Every operation is begun by a function `begin_…` and goes on by steps that are
due in virtual time; what happens when a link or an array is lost on the way is in `links`. Whether an action may be
begun at all was judged before, in `legality`.
"""

from heapq import heappop, heappush

from replctl.simulator import mirrors
from replctl.simulator.conditions import Conditions
from replctl.simulator.lineage import EMPTY, first_write, lacking, writes
from replctl.simulator.replication import (
    ASYNCHRONOUS,
    DESTINATION,
    FAILED_OVER,
    METRO,
    OK,
    PAUSED,
    SOURCE,
    SYNCHRONIZING,
    SYSTEM_PAUSED,
    Command,
    End,
    Event,
    Operation,
    Refusal,
    Replication,
)
from replctl.simulator.steps import (
    COPY_FAILED,
    ERROR_COPY,
    ERROR_NO_PEER,
    UNREACHABLE,
    begin,
    cycle_period,
    enter,
    fail_later,
    finish,
    give_up,
    is_copied_in_cycles,
    promise,
    stamp_sync,
)

# Cycles that are played in full before the present when many went by unseen: enough to fill every trailing view.
CYCLES_PLAYED = 2
# The share of a planned failover that its final copy takes; the rest is the change of roles.
COPY_SHARE = 0.7
# States in which a destination takes a copy.
_WILLING = (OK, SYNCHRONIZING, SYSTEM_PAUSED)
# Seconds between the end of a cycle that ran over and the start of the next.
BREATH_SECONDS = 1.0


def settle(r: Replication, c: Conditions, now: float) -> None:
    """Do everything that was due until now, in order of time."""
    events = r.events
    if not events or events[0][0] > now:
        return
    while events and events[0][0] <= now:
        _skip_quiet_cycles(r, c, now)
        at, _, op, step = heappop(events)
        if not op.over:
            step(r, c, at, op)


def _skip_quiet_cycles(r: Replication, c: Conditions, now: float) -> None:
    """Leave out cycles that nobody saw and that differ in nothing but their time."""
    at, number, op, step = r.events[0]
    if step is not _cycle_due or len(r.events) > 1:
        return
    period = cycle_period(r, c)
    if now - at < (CYCLES_PLAYED + 1) * period:
        return
    if not c.data.up or r.slow_copies is not None or r.fail_copies or r.stick_at or r.source() is None:
        return
    if c.durations["cycle"] * 1.5 >= period:
        return
    skipped = int((now - at) / period) - CYCLES_PLAYED
    r.cycles += skipped
    event: Event = (at + skipped * period, number, op, step)
    r.events[0] = event


# Cycles


def plan_cycle(r: Replication, c: Conditions, end: End, now: float, at: float) -> None:
    """Have the next copy cycle begin at a time, if this end is one that copies in cycles."""
    if not is_copied_in_cycles(end) or end.role != SOURCE:
        return
    if r.timer is not None:
        r.timer.over = True
    r.timer = Operation("timer", end.array, now)
    r.sequence += 1
    heappush(r.events, (max(at, now), r.sequence, r.timer, _cycle_due))


def _cycle_due(r: Replication, c: Conditions, at: float, timer: Operation) -> None:
    r.timer = None
    end = r.ends[timer.array]
    idle = end.role == SOURCE and end.state == OK and end.operation is None
    if idle and is_copied_in_cycles(end) and c.arrays[end.array].alive:
        begin_cycle(r, c, end, at, None)


def begin_cycle(r: Replication, c: Conditions, end: End, at: float, command: Command | None) -> None:
    """Copy from this end to its peer what changed; the data are those of now."""
    peer = r.peer(end)
    if not c.data.up or peer.role != DESTINATION or peer.state not in _WILLING:
        op = begin(r, c, end, at, "cycle", SYNCHRONIZING, command, both=False)
        r.due(op, at, c.unreachable_delay(), _cycle_without_peer)
        return
    r.cycles += 1
    seconds = _copy_seconds(r, c, "sync" if command else "cycle")
    op = begin(r, c, end, at, "cycle", SYNCHRONIZING, command, peer_shows=True, busy=seconds)
    op.snapshot = r.content(end.array, at)
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _cycle_done)


def _cycle_without_peer(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    give_up(r, c, r.ends[op.array], at, op, ERROR_NO_PEER, UNREACHABLE)


def _copy_seconds(r: Replication, c: Conditions, duration: str) -> float:
    if r.slow_copies is not None:
        return r.slow_copies
    return c.durations[duration] * (0.5 + c.chance(r.index, r.cycles))


def _cycle_done(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    if r.fail_copies:
        give_up(r, c, end, at, op, ERROR_COPY, COPY_FAILED)
        return
    stamp_sync(r, c, at, op)
    finish(r, at, op)
    for e in r.ends.values():
        enter(r, c, e, at, "cycle", state=OK, transfer=ASYNCHRONOUS)
    plan_cycle(r, c, end, at, max(op.started_at + cycle_period(r, c), at + BREATH_SECONDS))


# Planned failover


def begin_planned_failover(
    r: Replication, c: Conditions, end: End, at: float, command: Command, *, reverse: bool
) -> None:
    """Close the source to hosts, copy the rest, change roles."""
    peer = r.peer(end)
    mirrors.separate(r, at)
    together = c.both_links and peer.role == DESTINATION
    seconds = c.durations["failover"]
    copying = seconds * COPY_SHARE if r.slow_copies is None else r.slow_copies
    gap = min(c.durations["role_gap"], seconds * (1 - COPY_SHARE))
    rest = seconds * (1 - COPY_SHARE) - gap
    op = begin(r, c, end, at, "failover", "Failing_Over", command, both=together, busy=copying + rest)
    op.reverse, op.phase = reverse, "copying"
    enter(r, c, end, at, "failover", access=False)
    if not together:
        r.due(op, at, c.unreachable_delay(), _planned_without_peer)
        return
    op.snapshot = r.copies[end.array].content(at)
    promise(r, c, at, op, copying + rest + gap)
    r.due(op, at, copying, _planned_copied)
    r.due(op, at, copying + rest, _first_role_flipped)
    r.due(op, at, copying + rest + gap, _second_role_flipped)


def _planned_without_peer(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    give_up(r, c, end, at, op, ERROR_NO_PEER, UNREACHABLE)
    enter(r, c, end, at, "failover failed", access=True)


def _planned_copied(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    if r.fail_copies:
        give_up(r, c, end, at, op, ERROR_COPY, COPY_FAILED)
        enter(r, c, end, at, "failover failed", access=True)
        return
    op.phase = "copied"
    stamp_sync(r, c, at, op)
    for e in r.ends.values():
        r.publish(c, e, at)


def _first_role_flipped(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    op.phase = "flipping"
    if c.assume["role_flip_order"] == "source_first":
        step_down(r, c, r.ends[op.array], at, FAILED_OVER)
    else:
        step_up(r, c, r.peer(r.ends[op.array]), at)


def _second_role_flipped(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    old = r.ends[op.array]
    new = r.peer(old)
    finish(r, at, op)
    step_down(r, c, old, at, FAILED_OVER)
    step_up(r, c, new, at)
    if op.reverse:
        begin_reprotect(r, c, new, at, Command("reprotect", new.array, new.session_id, at))


def step_up(r: Replication, c: Conditions, end: End, at: float) -> None:
    """This end is the source from now on, and hosts may use it."""
    if end.role != SOURCE or end.state != FAILED_OVER:
        enter(r, c, end, at, "failover", role=SOURCE, state=FAILED_OVER, access=True)


def step_down(r: Replication, c: Conditions, end: End, at: float, state: str) -> None:
    """This end is the destination from now on, and hosts may not use it."""
    if end.role != DESTINATION or end.state != state:
        enter(
            r,
            c,
            end,
            at,
            "stepped down",
            role=DESTINATION,
            state=state,
            access=False,
            resource_state="System_Defined",
        )


# Unplanned failover


def begin_unplanned_failover(
    r: Replication,
    c: Conditions,
    end: End,
    at: float,
    command: Command,
    *,
    use_test_copy: bool,
    snapshot: str | None,
) -> None:
    """Make this end the source with what it has; the old one is demoted if word reaches it."""
    mirrors.separate(r, at)
    incomplete = not r.base_complete
    op = begin(
        r, c, end, at, "failover_dr", "Failing_Over_For_DR", command, both=c.demotion_path, peer_shows=False
    )
    op.needs_peer = False
    op.phase = snapshot or ("test" if use_test_copy else "base")
    op.snapshot = EMPTY if incomplete else r.base
    seconds = c.durations["failover_dr"]
    promise(r, c, at, op, seconds)
    gap = min(c.durations["role_gap"], seconds)
    r.due(op, at, seconds - gap, _unplanned_restored)
    r.due(op, at, seconds, _unplanned_done)


def _unplanned_restored(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    old = r.peer(end)
    if c.demotion_path:
        # Hosts lose the old side before they get the new one, whatever the roles say in between.
        enter(r, c, old, at, "demoted", access=False)
        if c.assume["role_flip_order"] == "source_first":
            step_down(r, c, old, at, FAILED_OVER)
    content = op.snapshot
    if op.phase == "test" and r.test is not None:
        content = _end_test(r, at, end)
    elif op.phase in r.snapshots:
        content = r.snapshots[op.phase].content
    r.test = None
    end.testing = old.testing = False
    r.copies[end.array].replace(at, content)
    lost = lacking({array: copy.written(at) for array, copy in r.copies.items()}, content)
    r.failover_loss = (writes(lost), first_write(lost))
    if c.assume["role_flip_order"] != "source_first":
        step_up(r, c, end, at)


def _end_test(r: Replication, at: float, end: End) -> dict[str, tuple[tuple[float, float], ...]]:
    """What the test copy holds: the copy that the test began with, and what hosts wrote there since."""
    assert r.test is not None
    content, since = r.test
    if not end.hosts:
        return content
    copy = r.copies[end.array]
    held = copy.held
    copy.held = content
    copy.since = since
    copy.write(at, False)
    result, copy.held = copy.held, held
    return result


def _unplanned_done(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    old = r.peer(end)
    finish(r, at, op)
    step_up(r, c, end, at)
    r.unborn = None
    if r.orphan is end:
        r.orphan = None
    if c.demotion_path:
        step_down(r, c, old, at, FAILED_OVER)
    elif old.role == SOURCE:
        r.orphan = old


# Reprotect


def begin_reprotect(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Replicate again, from this source to the other side, whose own changes are discarded."""
    if not c.both_links:
        fail_later(r, c, end, at, command)
        return
    peer = r.peer(end)
    if peer.role == SOURCE:
        step_down(r, c, peer, at, FAILED_OVER)
    r.orphan = None
    seconds = c.durations["reprotect"] if r.slow_copies is None else r.slow_copies
    op = begin(r, c, end, at, "reprotect", "Reprotecting", command, busy=seconds)
    op.snapshot = r.content(end.array, at)
    r.copies[peer.array].replace(at, r.base)  # whatever it wrote on its own is discarded now
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _reprotected)


def _reprotected(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    if r.fail_copies:
        give_up(r, c, end, at, op, ERROR_COPY, COPY_FAILED)
        return
    stamp_sync(r, c, at, op)
    finish(r, at, op)
    for e in r.ends.values():
        enter(r, c, e, at, "reprotect", state=OK)
    if not is_copied_in_cycles(end):
        mirrors.begin_switching(r, c, end, at, None)
    elif c.assume["reprotect_synchronizes"] == "yes":
        begin_cycle(r, c, end, at, None)
    else:
        plan_cycle(r, c, end, at, at + cycle_period(r, c))


# Pause and resume


def begin_pause(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Pause both sides, or the one that was asked while the other cannot be reached."""
    reaches = c.both_links
    for e in r.ends.values():
        if e.state not in (PAUSED, "Pausing"):
            e.before_pause = e.state
    op = begin(r, c, end, at, "pause", "Pausing", command, both=reaches)
    seconds = c.durations["pause"]
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _paused)


def _paused(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    finish(r, at, op)
    enter(r, c, end, at, "pause", state=PAUSED)
    if op.needs_peer:
        r.local_pause = None
        enter(r, c, r.peer(end), at, "pause", state=PAUSED)
        if not is_copied_in_cycles(end):
            mirrors.paused(r, c, at)
    else:
        r.local_pause = end.array


def begin_resume(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """Go on where the pause began; copies what is missing first when something is."""
    if not c.both_links:
        fail_later(r, c, end, at, command)
        return
    op = begin(r, c, end, at, "resume", "Resuming", command)
    seconds = c.durations["resume"]
    promise(r, c, at, op, seconds)
    r.due(op, at, seconds, _resumed)


def _resumed(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op)
    r.local_pause = None
    source = r.source()
    if any(end.type == METRO for end in r.ends.values()) or (source and not is_copied_in_cycles(source)):
        mirrors.begin_switching(r, c, mirrors.leading(r), at, None)
        return
    behind = any(end.before_pause != OK for end in r.ends.values())
    for end in r.ends.values():
        enter(r, c, end, at, "resume", state=OK, error_code=None)
    if source and behind:
        begin_cycle(r, c, source, at, None)
    elif source:
        plan_cycle(r, c, source, at, at + cycle_period(r, c) / 2)


def begin_sync(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """A copy cycle now."""
    begin_cycle(r, c, r.source() or end, at, command)


# Test failover


def begin_test(
    r: Replication, c: Conditions, end: End, at: float, command: Command, snapshot: str | None
) -> None:
    """Let hosts use a copy of the destination's data while replication goes on."""
    content = r.snapshots[snapshot].content if snapshot in r.snapshots else r.base
    op = Operation("start_test", end.array, at, needs_peer=False, command=command, snapshot=content)
    r.due(op, at, c.durations["test"], _test_started)


def _test_started(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op)
    r.test = (op.snapshot, at)
    _show_test(r, c, at, op, True)


def begin_test_stop(r: Replication, c: Conditions, end: End, at: float, command: Command, keep: bool) -> None:
    """End the test; what hosts wrote there is dropped, or kept as a snapshot."""
    op = Operation(
        "stop_test", end.array, at, needs_peer=False, command=command, phase="keep" if keep else ""
    )
    r.due(op, at, c.durations["test"], _test_stopped)


def _test_stopped(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    end = r.ends[op.array]
    if r.test is not None and op.phase == "keep" and op.command is not None:
        snapshot = r.keep_snapshot(end.array, at, r.test[0], f"failover_test_STOPPED_{int(at)}")
        op.command.body = {"snapshot_id": snapshot.id}
    finish(r, at, op)
    r.test = None
    r.copies[end.array].replace(at, r.base)
    _show_test(r, c, at, op, False)


def _show_test(r: Replication, c: Conditions, at: float, op: Operation, testing: bool) -> None:
    end = r.ends[op.array]
    enter(r, c, end, at, op.kind, testing=testing)
    if c.data.up and c.assume["peer_shows_test"] == "yes":
        enter(r, c, r.peer(end), at, op.kind, testing=testing)


# Birth


def begin_initial_copy(r: Replication, c: Conditions, end: End, at: float) -> None:
    """A new session: its first copy is the whole."""
    r.base, r.base_complete = EMPTY, False
    r.copies[r.peer(end).array].replace(at, EMPTY)
    for e in r.ends.values():
        e.last_sync_at = e.last_sync_ms = e.next_sync_at = None
        e.transfer = "Asynchronous_Initial_Sync"
    op = begin(r, c, end, at, "initial", "Initializing", None, peer_shows=True)
    r.due(op, at, c.durations["initial"] / 2, _initialized)


def _initialized(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op)
    for end in r.ends.values():
        enter(r, c, end, at, "created", state=OK)
    begin_cycle(r, c, r.ends[op.array], at, None)


def unstick(r: Replication, now: float) -> bool:
    """Let a stuck operation go on from now; False if none is stuck."""
    op, r.stuck, r.stick_at = r.stuck, None, None
    if op is None or op.over or op.parked is None:
        return False
    parked, op.parked = op.parked, None
    for seconds, step in parked:
        r.due(op, now, seconds, step)
    return True


def cancel(r: Replication, end: End, now: float, refusal: Refusal | None = None) -> None:
    """Whatever is in flight at an end and waits to begin there is off."""
    if end.operation is not None:
        finish(r, now, end.operation, refusal)
    if r.timer is not None and r.timer.array == end.array:
        r.timer.over, r.timer = True, None
