"""A replicated thing: its two ends, what each array shows of its end and since when, and what is due to happen.

The values and the mechanics only: events in order of time, the trailing view, who may write. What the events do is
in `operations`; what is allowed is in `legality`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from heapq import heappush
from typing import NamedTuple

from replctl.simulator.chance import identifier
from replctl.simulator.conditions import ARRAYS, PEER, Conditions
from replctl.simulator.lineage import EMPTY, Content, Copy

OK = "OK"
SYNCHRONIZING = "Synchronizing"
SYSTEM_PAUSED = "System_Paused"
PAUSED = "Paused"
FAILED_OVER = "Failed_Over"
FRACTURED = "Fractured"
SOURCE = "Source"
DESTINATION = "Destination"
PREFERRED = "Metro_Preferred"
NON_PREFERRED = "Metro_Non_Preferred"
ASYNCHRONOUS = "Asynchronous"
SYNCHRONOUS = "Synchronous"
METRO = "Metro_Active_Active"


class Shown(NamedTuple):
    """What an array shows of a session end; stamps are in that array's clock."""

    state: str
    role: str
    type: str
    transfer: str
    resource_state: str
    last_sync_at: float | None
    last_sync_ms: int | None
    next_sync_at: float | None
    error_code: str | None
    testing: bool
    busy_from: float | None
    busy_to: float | None


class Refusal(NamedTuple):
    """Why an array does not do what it was asked."""

    status: int
    code: str
    text: str


@dataclass(slots=True, eq=False)
class Command:
    """What a client asked for: running, done, or failed with a refusal."""

    action: str
    array: str
    session_id: str
    started_at: float
    ended_at: float | None = None
    refusal: Refusal | None = None
    body: dict[str, object] | None = None
    expected_seconds: float = 0.0

    def end(self, at: float, refusal: Refusal | None = None) -> None:
        """It is over, well or with a refusal; the first end counts."""
        if self.ended_at is None:
            self.ended_at, self.refusal = at, refusal


@dataclass(slots=True, eq=False)
class Operation:
    """Work in flight on one or both ends."""

    kind: str
    array: str
    started_at: float
    transient: str = ""
    needs_peer: bool = True
    reverse: bool = False
    phase: str = ""
    command: Command | None = None
    over: bool = False
    parked: list[tuple[float, "Step"]] | None = None
    snapshot: Content = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Resource:
    """A volume or a volume group on one array."""

    id: str
    name: str
    kind: str
    array: str
    owner: str | None = None
    end: "End | None" = None
    members: list["Resource"] = field(default_factory=list)
    group: "Resource | None" = None
    size: int = 0
    policy_id: str | None = None
    was_destination: bool = False
    snapshot_of: str | None = None
    created_at: float = 0.0


@dataclass(slots=True, eq=False)
class End:
    """One array's half of a session: the truth, and the views of it that became or will become visible."""

    array: str
    session_id: str
    resource: Resource
    role: str
    replication: str = ""
    rule_id: str | None = None
    state: str = OK
    type: str = ASYNCHRONOUS
    transfer: str = ASYNCHRONOUS
    resource_state: str = "System_Defined"
    last_sync_at: float | None = None
    last_sync_ms: int | None = None
    next_sync_at: float | None = None
    error_code: str | None = None
    testing: bool = False
    busy_from: float | None = None
    busy_to: float | None = None
    witness: str | None = None  # how its witness is; None without one
    access: bool = False
    hosts: bool = True
    before_pause: str = OK
    operation: Operation | None = None
    views: list[tuple[float, Shown]] = field(default_factory=list)

    def shown_now(self) -> Shown:
        """The truth in the form in which an array shows it."""
        return Shown(
            self.state,
            self.role,
            self.type,
            self.transfer,
            self.resource_state,
            self.last_sync_at,
            self.last_sync_ms,
            self.next_sync_at,
            self.error_code,
            self.testing,
            self.busy_from,
            self.busy_to,
        )

    def view(self, now: float) -> Shown:
        """What the array shows at this time, which only moves on."""
        views = self.views
        while len(views) > 1 and views[1][0] <= now:
            del views[0]
        return views[0][1]


@dataclass(slots=True, eq=False)
class Snapshot:
    """A kept state of a copy, shown as snapshots of its volumes."""

    id: str
    array: str
    name: str
    at: float
    content: Content


Step = Callable[["Replication", Conditions, float, Operation], None]
Event = tuple[float, int, Operation, Step]


class Replication:
    """One replicated volume or group: two ends, their copies, their common base, and the events to come."""

    __slots__ = (
        "base",
        "base_at",
        "base_complete",
        "copies",
        "cycles",
        "ends",
        "events",
        "fail_copies",
        "failover_loss",
        "generation",
        "index",
        "kind",
        "local_pause",
        "mirrored",
        "name",
        "orphan",
        "role_changes",
        "rpo",
        "sequence",
        "slow_copies",
        "snapshots",
        "stick_at",
        "stuck",
        "test",
        "timer",
        "unborn",
    )

    def __init__(self, index: int, name: str, kind: str, rpo: float, ends: dict[str, End]) -> None:
        self.index = index
        self.name = name
        self.kind = kind
        self.rpo = rpo
        self.ends = ends
        self.copies = {array: Copy(array) for array in ARRAYS}
        self.base: Content = EMPTY
        self.base_at = 0.0
        self.base_complete = True
        self.mirrored = False
        self.events: list[Event] = []
        self.sequence = 0
        self.cycles = 0
        self.generation = 0
        self.role_changes = 0
        self.timer: Operation | None = None
        self.orphan: End | None = None  # an old source that has yet to step down
        self.unborn: End | None = None  # a new source that could not be told that it is one
        self.local_pause: str | None = None
        self.slow_copies: float | None = None
        self.fail_copies = False
        self.snapshots: dict[str, Snapshot] = {}
        self.stick_at: str | None = None
        self.stuck: Operation | None = None
        self.test: tuple[Content, float] | None = (
            None  # content of the test copy, and since when it is written
        )
        self.failover_loss: tuple[int, float | None] = (0, None)

    def peer(self, end: End) -> End:
        """The other end."""
        return self.ends[PEER[end.array]]

    def source(self) -> End | None:
        """The only end whose role is Source, if there is exactly one."""
        sources = [end for end in self.ends.values() if end.role == SOURCE]
        return sources[0] if len(sources) == 1 else None

    def due(self, operation: Operation, now: float, seconds: float, step: Step) -> None:
        """Have a step of an operation done in so many seconds; a stuck operation keeps it until it is freed."""
        if operation.parked is not None:
            operation.parked.append((seconds, step))
            return
        self.sequence += 1
        heappush(self.events, (now + seconds, self.sequence, operation, step))

    def publish(self, conditions: Conditions, end: End, at: float) -> None:
        """Let the array show the end's present truth, after its lag."""
        shown = end.shown_now()
        if end.views and end.views[-1][1] == shown:
            return
        self.sequence += 1
        visible_at = at + conditions.lag(end.array, self.index, self.sequence)
        if end.views:
            visible_at = max(visible_at, end.views[-1][0])
        end.views.append((visible_at, shown))

    def settle_writers(self, conditions: Conditions, at: float) -> None:
        """Let hosts write exactly where they try to and can."""
        for array, end in self.ends.items():
            state = conditions.arrays[array]
            going = end.access and end.hosts and state.alive and state.hosts_alive
            going = going and (not self.mirrored or self.mirror_source(array) == array)
            self.copies[array].write(at, going)

    def content(self, array: str, now: float) -> Content:
        """What the copy on an array holds; a mirrored one holds what the source holds."""
        return self.copies[self.mirror_source(array)].content(now)

    def mirror_source(self, array: str) -> str:
        """The array whose copy stands for this one: itself, unless writes are mirrored to it."""
        if not self.mirrored or self.ends[array].role in (SOURCE, PREFERRED):
            return array
        return PEER[array]

    def keep_snapshot(self, array: str, at: float, content: Content, name: str) -> Snapshot:
        """Keep a state of the copy on an array under a name."""
        snapshot = Snapshot(identifier(self.index, array, name, at), array, name, at, content)
        self.snapshots[snapshot.id] = snapshot
        return snapshot
