"""The small moves that every operation is made of: begin, enter a state, end, give up."""

from math import ceil, floor
from typing import TypedDict, Unpack

from replctl.simulator.conditions import Conditions
from replctl.simulator.replication import (
    ASYNCHRONOUS,
    DESTINATION,
    PAUSED,
    SYSTEM_PAUSED,
    Command,
    End,
    Operation,
    Refusal,
    Replication,
)

# The share of an operation's time after which its command has ended, when commands end early (CP §5).
EARLY = 0.6
ERROR_NO_PEER = "SIM00000001"
ERROR_COPY = "SIM00000002"
UNREACHABLE = Refusal(422, "SIM00000003", "The peer system cannot be reached.")
COPY_FAILED = Refusal(422, "SIM00000004", "The copy to the peer system failed.")
SUPERSEDED = Refusal(422, "SIM00000005", "Another operation took the place of this one.")


class Changes(TypedDict, total=False):
    """What `enter` can change of an end."""

    state: str
    role: str
    type: str
    transfer: str
    resource_state: str
    error_code: str | None
    testing: bool
    access: bool


def enter(
    r: Replication,
    c: Conditions,
    end: End,
    at: float,
    why: str,
    **changes: Unpack[Changes],
) -> None:
    """Change an end, write the change down, and let its array show it after its lag."""
    role, state = end.role, end.state
    for name, value in changes.items():
        setattr(end, name, value)
    if role != end.role:
        r.role_changes += 1
        c.note(at, r.name, end.array, f"{role} -> {end.role}", why)
    if state != end.state:
        c.note(at, r.name, end.array, f"{state} -> {end.state}", why)
    if "access" in changes:
        r.settle_writers(c, at)
    r.publish(c, end, at)


def begin(
    r: Replication,
    c: Conditions,
    end: End,
    at: float,
    kind: str,
    transient: str,
    command: Command | None,
    *,
    both: bool = True,
    peer_shows: bool | None = None,
    busy: float | None = None,
) -> Operation:
    """Start an operation on one end or on both; whatever was in flight there gives way."""
    op = Operation(kind, end.array, at, transient=transient, needs_peer=both, command=command)
    peer = r.peer(end)
    for e in (end, peer) if both else (end,):
        drop(r, at, e.operation)
        e.operation = op
    if r.timer is not None and (both or r.timer.array == end.array):
        r.timer.over, r.timer = True, None
    if r.stick_at == transient:
        r.stick_at, r.stuck, op.parked = None, op, []
    if busy is not None:
        end.busy_from, end.busy_to = at, at + busy
    enter(r, c, end, at, kind, state=transient)
    if peer_shows is None:
        peer_shows = c.assume["peer_shows_transient"] == "yes"
    if both and peer_shows:
        enter(r, c, peer, at, kind, state=transient)
    return op


def drop(r: Replication, at: float, op: Operation | None) -> None:
    """Let an operation go that something else has replaced."""
    if op is not None:
        finish(r, at, op, SUPERSEDED)


def finish(r: Replication, at: float, op: Operation, refusal: Refusal | None = None) -> None:
    """The operation is over; so is its command, if that was still running."""
    op.over = True
    if r.stuck is op:
        r.stuck = None
    for end in r.ends.values():
        if end.operation is op:
            end.operation = end.busy_from = end.busy_to = None
    if op.command is not None:
        op.command.end(at, refusal)


def promise(r: Replication, c: Conditions, at: float, op: Operation, seconds: float) -> None:
    """Say how long the operation takes; its command ends with it, or before if commands end early."""
    if op.command is None:
        return
    op.command.expected_seconds = seconds
    if c.assume["command_end"] == "early":
        r.due(op, at, seconds * EARLY, _end_command)


def _end_command(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    if op.command is not None:
        op.command.end(at)


def give_up(
    r: Replication, c: Conditions, end: End, at: float, op: Operation, error: str, refusal: Refusal
) -> None:
    """The array stops the operation after an error, and the session with it, as far as its word reaches."""
    finish(r, at, op, refusal)
    enter(r, c, end, at, refusal.text, state=SYSTEM_PAUSED, error_code=error)
    peer = r.peer(end)
    heard = c.data.up or c.assume["destination_on_link_loss"] == SYSTEM_PAUSED
    if heard and peer.role == DESTINATION and peer.state != PAUSED and peer.operation is None:
        enter(r, c, peer, at, refusal.text, state=SYSTEM_PAUSED, error_code=error)


def fail_later(r: Replication, c: Conditions, end: End, at: float, command: Command) -> None:
    """A command that needs the peer finds after a while that it cannot reach it."""
    op = Operation("unreachable", end.array, at, needs_peer=False, command=command)
    end.operation = op
    r.due(op, at, c.unreachable_delay(), _unreachable)


def _unreachable(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    finish(r, at, op, UNREACHABLE)


def stamp_sync(r: Replication, c: Conditions, at: float, op: Operation) -> None:
    """A copy that began with the operation has arrived: it is the common base, and both ends stamp it."""
    r.base, r.base_at, r.base_complete = op.snapshot, op.started_at, True
    next_at = op.started_at + cycle_period(r, c)
    for end in r.ends.values():
        skew = c.arrays[end.array].skew
        # Rounded so that the difference of the two never claims a later point than the true one.
        end.last_sync_at = floor((at + skew) * 1000) / 1000
        end.last_sync_ms = ceil((at - op.started_at) * 1000) + 1
        end.next_sync_at = shown_next_sync(r, c, op.started_at, next_at) + skew
        end.error_code = None
        if end.role == DESTINATION and r.test is None:
            r.copies[end.array].replace(at, r.base)


def cycle_period(r: Replication, c: Conditions) -> float:
    """Seconds from the start of a cycle to the start of the next (CP §11: 50 % of the RPO, 80 % since 4.0)."""
    return r.rpo * (0.8 if c.version >= (4,) else 0.5)


def shown_next_sync(r: Replication, c: Conditions, started_at: float, next_at: float) -> float:
    """The time that the array tells for the next cycle, wrong on 4.0 and 4.1 if so assumed (CP §6)."""
    if (4,) <= c.version < (4, 2) and c.assume["next_sync_timestamp"] == "wrong":
        return started_at + r.rpo * 0.5
    return next_at


def is_copied_in_cycles(end: End) -> bool:
    """Whether the session copies from time to time rather than with each write."""
    return end.type == ASYNCHRONOUS
