"""Volumes and SnapMirror relationships on two ONTAP systems (CT §4, §7, §14).

Each relationship is kept where its destination is; the source side keeps a list of its destinations. A transfer takes
the source's data when it starts and delivers them when it ends. Times are virtual seconds; the clock's lock is held.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from replctl.simulator.agenda import Agenda
from replctl.simulator.assumptions import Assumptions
from replctl.simulator.chance import identifier
from replctl.simulator.kubernetes.stamps import stamp
from replctl.simulator.lineage import Content, Copy

UNINITIALIZED, SNAPMIRRORED, IN_SYNC = "uninitialized", "snapmirrored", "in_sync"
BROKEN_OFF, PAUSED = "broken_off", "paused"
TRANSFERRING, SUCCESS, FAILED, ABORTED = "transferring", "success", "failed", "aborted"
READ_WRITE, PROTECTED = "rw", "dp"
SITES = ("east", "west")
SVM = {"east": "svm_east", "west": "svm_west"}
SCHEDULES: Mapping[str, float] = {
    "5min": 300.0,
    "10min": 600.0,
    "hourly": 3600.0,
    "8hour": 28800.0,
    "daily": 86400.0,
}


class Policy(NamedTuple):
    """A SnapMirror policy: its type, its sync type, whether it copies all source snapshots."""

    type: str
    sync_type: str = ""
    copies_all: bool = False

    @property
    def is_synchronous(self) -> bool:
        """Whether every write goes to both sides."""
        return self.type == "sync"

    @property
    def is_accepted(self) -> bool:
        """Whether Trident takes it (CT §7); others it replaces without a word."""
        return self.sync_type == "sync" if self.is_synchronous else self.copies_all


POLICIES: Mapping[str, Policy] = {
    "MirrorAllSnapshots": Policy("async", copies_all=True),
    "MirrorAndVault": Policy("async"),
    "MirrorLatest": Policy("async"),
    "Asynchronous": Policy("async"),
    "DPDefault": Policy("async", copies_all=True),
    "Unified7year": Policy("async"),
    "Sync": Policy("sync", "sync"),
    "StrictSync": Policy("sync", "strict_sync"),
    "AutomatedFailOver": Policy("sync", "automated_failover"),
    "AutomatedFailOverDuplex": Policy("sync", "automated_failover"),
}


class OntapError(Exception):
    """What ONTAP answers when it does not do something; `busy`: not now."""

    def __init__(self, message: str, *, busy: bool = False) -> None:
        super().__init__(message)
        self.busy = busy


class Snapshot(NamedTuple):
    """A state of a volume; the same on every volume that a transfer brought it to."""

    name: str
    id: str
    at: float
    content: Content


@dataclass(slots=True, eq=False)
class Volume:
    """A FlexVol; `pods` are those that have it mounted and write where they can."""

    name: str
    site: str
    type: str
    size: int
    copy: Copy
    snapshots: dict[str, Snapshot] = field(default_factory=dict)
    pods: set[str] = field(default_factory=set)

    @property
    def path(self) -> str:
        """svm:volume, as relationships and handles name it."""
        return f"{SVM[self.site]}:{self.name}"


@dataclass(slots=True, eq=False)
class Transfer:
    """Data on their way."""

    kind: str
    ends_at: float
    snapshot: Snapshot


@dataclass(slots=True, eq=False)
class Relationship:
    """A SnapMirror relationship as its destination has it."""

    id: str
    source: str
    destination: str
    policy: str
    schedule: str
    state: str = UNINITIALIZED
    transfer_state: str = ""
    last_transfer_type: str = ""
    end_time: float | None = None
    healthy: bool = True
    unhealthy_reason: str = ""
    base: Snapshot | None = None
    transfer: Transfer | None = None
    transfers: int = 0

    @property
    def is_transferring(self) -> bool:
        """Whether data are on their way."""
        return self.transfer is not None


@dataclass(slots=True, eq=False)
class System:
    """One ONTAP system: alive or dead, readable or not, with how it is to misbehave.

    `skew`: seconds by which its clock is wrong. `busy_breaks`: so many attempts to break answer "not now". `failing`:
    operations that fail, by name.
    """

    site: str
    alive: bool = True
    readable: bool = True
    skew: float = 0.0
    busy_breaks: int = 0
    failing: set[str] = field(default_factory=set)
    volumes: dict[str, Volume] = field(default_factory=dict)
    relationships: dict[str, Relationship] = field(default_factory=dict)
    sources: dict[str, Relationship] = field(default_factory=dict)

    def stamp(self, at: float) -> str:
        """A time as this system's clock has it."""
        return stamp(at + self.skew)

    def check(self, operation: str) -> None:
        """Refuse what this system does not do now. Raises OntapError."""
        if not self.alive:
            raise OntapError(f"ontap-{self.site} does not answer")
        if operation in self.failing:
            raise OntapError(f"ontap-{self.site}: {operation} failed")


class Fabric:
    """Two ONTAP systems and the link between them."""

    def __init__(
        self, seed: int, agenda: Agenda, durations: Mapping[str, float], assume: Assumptions
    ) -> None:
        self.systems = {site: System(site) for site in SITES}
        self.link_up = True
        self.stuck: set[str] = set()  # destinations whose transfers never end
        self.stuck_sites: set[str] = set()  # and all of a site
        self.fail_transfers: set[str] = set()  # destinations whose next transfers fail
        self._seed = seed
        self._agenda = agenda
        self._durations = durations
        self._assume = assume
        self._made = 0

    # Volumes

    def add_volume(self, site: str, name: str, type_: str, size: int) -> Volume:
        """A new, empty volume."""
        volume = Volume(name, site, type_, size, Copy(site))
        self.systems[site].volumes[name] = volume
        return volume

    def volume_at(self, path: str) -> Volume | None:
        """The volume with this svm:volume path, if there is one."""
        svm, _, name = path.partition(":")
        site = next((each for each in SITES if SVM[each] == svm), None)
        return self.systems[site].volumes.get(name) if site else None

    def settle_writers(self, volume: Volume, now: float) -> None:
        """Let pods write exactly where they can."""
        going = bool(volume.pods) and volume.type == READ_WRITE and self.systems[volume.site].alive
        volume.copy.write(now, going)

    def take_snapshot(self, volume: Volume, name: str, now: float) -> Snapshot:
        """Keep the volume as it is now, under a name."""
        self.systems[volume.site].check("snapshot")
        self._made += 1
        found = Snapshot(name, identifier(self._seed, "snapshot", self._made), now, volume.copy.content(now))
        volume.snapshots[name] = found
        return found

    def destroy(self, volume: Volume, now: float) -> None:
        """Remove a volume with its relationships, on both sides (CT §4.7)."""
        system = self.systems[volume.site]
        system.relationships.pop(volume.name, None)
        volume.pods.clear()
        self.settle_writers(volume, now)
        system.volumes.pop(volume.name, None)

    # Reading

    def read(self, volume: Volume) -> Relationship | None:
        """The relationship whose destination a volume is. Raises OntapError where ONTAP cannot be read."""
        system = self.systems[volume.site]
        system.check("read")
        if not system.readable:
            raise OntapError(f"ontap-{volume.site} cannot be read")
        return system.relationships.get(volume.name)

    def content(self, volume: Volume, now: float) -> Content:
        """What a volume holds; one that is mirrored synchronously holds what its source does."""
        relation = self.systems[volume.site].relationships.get(volume.name)
        source = self.volume_at(relation.source) if relation and relation.state == IN_SYNC else None
        if source is not None and self._is_connected():
            return source.copy.content(now)
        return volume.copy.content(now)

    def _is_connected(self) -> bool:
        return self.link_up and all(system.alive for system in self.systems.values())

    # Changing (each raises OntapError)

    def create(self, volume: Volume, source: str, policy: str, schedule: str) -> Relationship:
        """A new relationship whose destination is a volume."""
        system = self.systems[volume.site]
        system.check("create")
        if volume.name in system.relationships:
            raise OntapError(f"a relationship of {volume.path} exists already")
        self._made += 1
        found = Relationship(
            identifier(self._seed, "relationship", self._made), source, volume.path, policy, schedule
        )
        if volume.type == READ_WRITE:
            found.state = BROKEN_OFF
        system.relationships[volume.name] = found
        origin = self.volume_at(source)
        if origin is not None:
            self.systems[origin.site].sources[found.id] = found
        return found

    def initialize(self, relation: Relationship, now: float) -> None:
        """Copy everything for the first time; one that runs already goes on."""
        self._system(relation).check("initialize")
        if not relation.is_transferring:
            self._start(relation, "initialize", now)

    def update(self, relation: Relationship, now: float, snapshot: str | None = None) -> None:
        """Copy what has changed, up to a snapshot if one is named."""
        self._system(relation).check("update")
        if relation.is_transferring:
            raise OntapError("Another transfer is in progress (13303812)")
        if relation.state not in (SNAPMIRRORED, IN_SYNC):
            raise OntapError(f"the relationship is {relation.state}")
        source = self.volume_at(relation.source)
        named = source.snapshots.get(snapshot) if source and snapshot else None
        if snapshot and named is None:
            raise OntapError(f"there is no snapshot {snapshot} on {relation.source}")
        self._start(relation, "update", now, named)

    def quiesce(self, relation: Relationship) -> None:
        """Let no further transfer start."""
        self._system(relation).check("quiesce")
        if relation.state != UNINITIALIZED:
            relation.state = PAUSED

    def abort(self, relation: Relationship) -> None:
        """Give up the transfer that runs, if one does."""
        self._system(relation).check("abort")
        if relation.is_transferring:
            relation.transfer, relation.transfer_state = None, ABORTED

    def break_off(self, relation: Relationship, now: float, restore_to: str | None = None) -> None:
        """Make the destination writable, at a snapshot if one is named."""
        system = self._system(relation)
        system.check("break")
        if system.busy_breaks or relation.is_transferring:
            system.busy_breaks = max(0, system.busy_breaks - 1)
            raise OntapError("the relationship is busy (13303812)", busy=True)
        if relation.state == UNINITIALIZED:
            raise OntapError("the relationship is not initialized")
        volume = self._volume(relation)
        content = self.content(volume, now)
        if restore_to is not None:
            kept = volume.snapshots.get(restore_to)
            if kept is None:
                raise OntapError(f"there is no snapshot {restore_to} on {volume.path}")
            content = kept.content
            self._drop_newer(volume, kept.at)
        relation.state, volume.type = BROKEN_OFF, READ_WRITE
        volume.copy.replace(now, content)
        self.settle_writers(volume, now)

    def delete(self, relation: Relationship) -> None:
        """Forget a relationship at its destination; the source keeps its entry."""
        system = self._system(relation)
        system.check("delete")
        system.relationships.pop(self._volume(relation).name, None)

    def release(self, volume: Volume) -> None:
        """Forget, at its source, the first destination of a volume, and the snapshots that served it."""
        system = self.systems[volume.site]
        system.check("release")
        found = next((each for each in system.sources.values() if each.source == volume.path), None)
        if found is None:
            return
        del system.sources[found.id]
        if self._assume["release_drops_base"] == "yes":
            for name in [each for each in volume.snapshots if each.startswith(_prefix(found))]:
                del volume.snapshots[name]

    def resync(self, relation: Relationship, now: float) -> None:
        """Make the destination a copy of the source again; what is newer than their common snapshot is lost there."""
        self._system(relation).check("resync")
        volume, source = self._volume(relation), self.volume_at(relation.source)
        common = _newest_common(volume, source) if source is not None else None
        if common is None or not self._is_connected():
            relation.healthy = False
            relation.unhealthy_reason = (
                "No common Snapshot copy found" if self._is_connected() else "No connection"
            )
            raise OntapError(relation.unhealthy_reason)
        volume.type = PROTECTED
        self.settle_writers(volume, now)
        volume.copy.replace(now, common.content)
        self._drop_newer(volume, common.at)
        relation.state, relation.base = SNAPMIRRORED, common
        self._start(relation, "resync", now)

    @staticmethod
    def _drop_newer(volume: Volume, at: float) -> None:
        volume.snapshots = {name: kept for name, kept in volume.snapshots.items() if kept.at <= at}

    # Transfers

    def _start(self, relation: Relationship, kind: str, now: float, snapshot: Snapshot | None = None) -> None:
        source = self.volume_at(relation.source)
        if source is None or not self._is_connected():
            self._fail(relation, now, "the source cannot be reached")
            raise OntapError(relation.unhealthy_reason)
        relation.transfers += 1
        if snapshot is None:
            snapshot = self.take_snapshot(source, f"{_prefix(relation)}{relation.transfers}", now)
        transfer = Transfer(kind, now + self._durations[kind], snapshot)
        relation.transfer, relation.transfer_state = transfer, TRANSFERRING
        self._agenda.later(transfer.ends_at, lambda at: self._arrive(relation, transfer, at))

    def _arrive(self, relation: Relationship, transfer: Transfer, at: float) -> None:
        volume = self.volume_at(relation.destination)
        if volume is None:
            return  # destroyed in the meantime
        held = relation.destination in self.stuck or volume.site in self.stuck_sites
        if relation.transfer is not transfer or held:
            return
        if not self._is_connected() or relation.destination in self.fail_transfers:
            relation.transfer = None
            self._fail(relation, at, "the transfer failed")
            return
        self._deliver(relation, transfer, at)
        if transfer.kind != "update":
            self.plan(relation, at)

    def _deliver(self, relation: Relationship, transfer: Transfer, at: float) -> None:
        volume, source = self._volume(relation), self.volume_at(relation.source)
        if source is not None:
            arrived = {
                name: kept for name, kept in source.snapshots.items() if kept.at <= transfer.snapshot.at
            }
            volume.snapshots |= arrived
        volume.snapshots[transfer.snapshot.name] = transfer.snapshot
        if relation.base is None or transfer.snapshot.at >= relation.base.at:
            relation.base = transfer.snapshot
            volume.copy.replace(at, transfer.snapshot.content)
        for each in (volume, source):
            _keep_newest(each, relation, relation.base)
        relation.transfer, relation.transfer_state = None, SUCCESS
        relation.last_transfer_type, relation.end_time = transfer.kind, at
        relation.healthy, relation.unhealthy_reason = True, ""
        relation.state = IN_SYNC if POLICIES[relation.policy].is_synchronous else SNAPMIRRORED

    @staticmethod
    def _fail(relation: Relationship, at: float, reason: str) -> None:
        relation.transfer_state, relation.end_time = FAILED, at
        relation.healthy, relation.unhealthy_reason = False, reason

    def plan(self, relation: Relationship, at: float) -> None:
        """Let transfers start by the schedule from now on, for as long as the relationship lives."""
        period = SCHEDULES.get(relation.schedule)
        if period is not None:
            self._agenda.later((at // period + 1) * period, lambda then: self._tick(relation, then))

    def found(self, relation: Relationship, now: float) -> None:
        """Let a relationship have been initialized long ago, its last scheduled transfer ended before now."""
        source = self.volume_at(relation.source)
        if source is None:
            raise OntapError(f"there is no volume {relation.source}")
        period = SCHEDULES[relation.schedule]
        seconds = self._durations["update"]
        taken_at = (now - seconds) // period * period
        relation.transfers = 1
        snapshot = self.take_snapshot(source, f"{_prefix(relation)}1", taken_at)
        self._deliver(relation, Transfer("update", taken_at + seconds, snapshot), taken_at + seconds)
        self.plan(relation, now)

    def _tick(self, relation: Relationship, at: float) -> None:
        volume = self.volume_at(relation.destination)
        if volume is None or self.systems[volume.site].relationships.get(volume.name) is not relation:
            return
        idle = relation.state == SNAPMIRRORED and not relation.is_transferring
        if idle and self.systems[volume.site].alive:
            with suppress(OntapError):  # the relationship says so itself
                self._start(relation, "update", at)
        self.plan(relation, at)

    def unstick(self, path: str, now: float) -> None:
        """Let a transfer that was held up arrive, unless its time has yet to come."""
        self.stuck.discard(path)
        volume = self.volume_at(path)
        relation = self.systems[volume.site].relationships.get(volume.name) if volume else None
        if relation is not None and relation.transfer is not None and relation.transfer.ends_at <= now:
            self._arrive(relation, relation.transfer, now)

    def _system(self, relation: Relationship) -> System:
        return self.systems[self._volume(relation).site]

    def _volume(self, relation: Relationship) -> Volume:
        volume = self.volume_at(relation.destination)
        if volume is None:
            raise OntapError(f"there is no volume {relation.destination}")
        return volume


def _prefix(relation: Relationship) -> str:
    return f"snapmirror.{relation.id}."


def _keep_newest(volume: Volume | None, relation: Relationship, base: Snapshot) -> None:
    """Of the snapshots that serve a relationship, a volume keeps the last."""
    if volume is None:
        return
    for name in list(volume.snapshots):
        if name.startswith(_prefix(relation)) and name != base.name:
            del volume.snapshots[name]


def _newest_common(left: Volume, right: Volume) -> Snapshot | None:
    ids = {kept.id for kept in right.snapshots.values()}
    return max(
        (kept for kept in left.snapshots.values() if kept.id in ids), key=lambda kept: kept.at, default=None
    )
