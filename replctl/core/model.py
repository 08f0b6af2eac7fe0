"""The words of replctl as values: what is replicated, what an end said, what is wanted.

Everything here is frozen and knows neither vendor nor I/O. Drivers translate their vendor's words into
`Observation`; the planner reads nothing else. Times are float seconds since the epoch in UTC, on our own
clock unless a name says otherwise; durations are float seconds. `None` means "not known", never zero.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from types import MappingProxyType

from replctl.core.values import dataclass

Scalar = str | int | float | bool | None
NOTHING: Mapping[str, Scalar] = MappingProxyType({})


class State(StrEnum):
    """What an end is (design §2, R1). `NONE` is shown as `absent`; "not known" is `None`, not a member."""

    NONE = ""
    REPLICA = "replica"
    PROMOTING = "promoting"
    SOURCE = "source"
    DEMOTING = "demoting"
    SYNCING = "syncing"
    FAILED = "failed"


class StateNote(StrEnum):
    """Why a status line carries no plain state word (design §9)."""

    UNKNOWN = "unknown"
    ABSENT = "absent"
    REMOVING = "removing"


class Mode(StrEnum):
    """How writes travel from the source to the replica."""

    SYNCHRONOUS = "synchronous"
    ASYNCHRONOUS = "asynchronous"


class Flow(StrEnum):
    """What the copying between the two ends does, in words that both vendors share."""

    RUNNING = "running"  # copies arrive, or will with the next cycle
    PAUSED = "paused"  # by a person, or by the array for its own maintenance
    SUSPENDED = "suspended"  # by the backend, after an error
    SEVERED = "severed"  # after a failover: nothing is copied until `reprotect`
    CHANGING = "changing"  # a transient of the backend
    BROKEN = "broken"  # the backend calls it an error
    UNKNOWN = "unknown"


class Link(StrEnum):
    """The way to the other end, as one end sees it."""

    OK = "ok"
    IMPAIRED = "impaired"
    LOST = "lost"
    UNKNOWN = "unknown"


class Health(StrEnum):
    """Of a replication as a whole (design §3)."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    FAILED = "failed"
    SPLIT_BRAIN = "split_brain"
    NO_SOURCE = "no_source"
    UNKNOWN = "unknown"


class Side(StrEnum):
    """Which of the two ends a sentence speaks of; `local` is the end that a verb speaks of."""

    LOCAL = "local"
    PEER = "peer"

    @property
    def other(self) -> Side:
        return Side.PEER if self is Side.LOCAL else Side.LOCAL


class Verb(StrEnum):
    """What a person, a script or the daemon may ask for (design §4)."""

    PROMOTE = "promote"
    DEMOTE = "demote"
    FAILOVER = "failover"
    REPROTECT = "reprotect"
    PAUSE = "pause"
    RESUME = "resume"
    SYNC = "sync"
    RESYNC = "resync"
    DRILL_START = "drill start"
    DRILL_STOP = "drill stop"
    CREATE = "create"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class End:
    """One side of a replication: a thing on a configured backend.

    `locator` is how the file names it, e.g. `{"volume_group": "ledger-vg"}`; its keys belong to the driver.
    `creation` is what only `create` reads, e.g. `{"policy": "gold"}`; it is no part of what the end is.
    """

    backend: str
    kind: str
    locator: tuple[tuple[str, str], ...]
    creation: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    @property
    def words(self) -> dict[str, str]:
        return dict(self.locator)

    def __str__(self) -> str:
        what = ", ".join(f"{key} {value}" for key, value in self.locator)
        return f"{what} on {self.backend}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """One replicated thing as the desired-state file names it; the unit of every verb (design §2, §8)."""

    namespace: str
    name: str
    desired_state: State
    local: End
    peer: End
    mode: Mode | None = None
    rpo_seconds: float | None = None
    group: str | None = None
    order: int = 0
    labels: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"

    def end(self, side: Side) -> End:
        return self.local if side is Side.LOCAL else self.peer

    @property
    def born_at(self) -> Side:
        """The side that `create` makes the source."""
        return Side.LOCAL if self.desired_state is State.SOURCE else Side.PEER

    def side_of(self, backend: str) -> Side | None:
        if backend == self.local.backend:
            return Side.LOCAL
        return Side.PEER if backend == self.peer.backend else None


class TroubleKind(StrEnum):
    """Why an end could not be read; the planner's evidence table (design §4) is keyed by it."""

    SILENT = "silent"  # refused, no route, reset, time-out
    UNWELL = "unwell"  # it answered, with a 5xx or with something that is not its API
    CREDENTIALS = "credentials"  # 401, 403
    TLS = "tls"
    NAME = "name"  # DNS
    BREAKER = "breaker"  # we did not ask
    ABSENT = "absent"  # it answered: there is no such thing
    AMBIGUOUS = "ambiguous"  # it answered: several things bear that name


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What went wrong while an end was asked, ready to show: no secret, no foreign body in it."""

    kind: TroubleKind
    code: str
    message: str
    remedy: str = ""
    retry_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """The last consistent point: when the data that an end holds was *taken at the source* (design §4).

    `at` is on our clock, corrected by the measured offset and reduced by half the round trip, so that it errs
    towards the past; `None` is unknown. `contact_at` is the latest moment at which the source is known to
    have lived. `source` names where it was read, e.g. `last_sync_timestamp - last_sync_duration`.
    """

    at: float | None
    source: str
    read_at: float
    contact_at: float | None = None
    clock_offset_seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """The backend's own word on how far a running copy is."""

    percent: float | None
    ends_at: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What one end said when it was asked, in our words, with the vendor's words beside them.

    `trouble` set means the end was not read: then `state` is `None` and nothing else may be relied on.
    `permits` holds the actions that the contract's legality table allows at this end now; `unsupported` gives
    the reason why every change is refused (metro roles, removal under way, words that we do not know).
    `doubt` says why its health cannot be told though nothing says that it is ill; `unproven` marks a role that the
    backend claims and that nothing proves, and `claim` tells one such claim from a later one. `in_use` counts the
    hosts that have it attached; None is not known, which is not none.
    `word` is the vendor's state word and `sentence` what it means. `resource` is the id of what is replicated,
    `counterpart` the id that it has at the other end, as this end says. `formerly` is the id that the end's name
    stood for a moment ago, of a thing that is still there and now called otherwise; None where it is the same.
    `promised_seconds` is how old the copy may become by the backend's own rule, None where it does not say.
    `brief` are the vendor's words on one line.
    """

    backend: str
    observed_at: float
    state: State | None = None
    note: StateNote | None = None
    as_of: float | None = None
    mode: Mode | None = None
    flow: Flow = Flow.UNKNOWN
    healthy: bool = False
    doubt: str | None = None
    unproven: bool = False
    claim: str | None = None
    in_use: int | None = None
    word: str = ""
    sentence: str = ""
    identity: str | None = None
    resource: str | None = None
    counterpart: str | None = None
    formerly: str | None = None
    point: Point | None = None
    promised_seconds: float | None = None
    progress: Progress | None = None
    link: Link = Link.UNKNOWN
    peer_management: Link = Link.UNKNOWN
    permits: frozenset[str] = frozenset()
    unsupported: str | None = None
    drill: bool = False
    vendor: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING, hash=False)
    brief: str = ""
    trouble: Trouble | None = None

    @property
    def readable(self) -> bool:
        """Whether the end answered at all, be it that the thing is absent."""
        return self.trouble is None or self.trouble.kind in (TroubleKind.ABSENT, TroubleKind.AMBIGUOUS)

    @property
    def absent(self) -> bool:
        """Whether the backend answered that nothing of the kind is there."""
        return self.trouble is not None and self.trouble.kind is TroubleKind.ABSENT

    @property
    def known_state(self) -> State | None:
        """The state that it proves: of what is proven not to be there `NONE`, of what was not read nothing."""
        if self.absent:
            return State.NONE
        return self.state if self.trouble is None else None

    @property
    def changing(self) -> bool:
        return self.flow is Flow.CHANGING


@dataclass(frozen=True, slots=True)
class Pair:
    """Both ends of one replication, read as near to each other as could be."""

    local: Observation
    peer: Observation

    def end(self, side: Side) -> Observation:
        return self.local if side is Side.LOCAL else self.peer

    def seen_from(self, side: Side) -> Pair:
        """The same pair with `side` as the local end."""
        return self if side is Side.LOCAL else Pair(self.peer, self.local)


@dataclass(frozen=True, slots=True)
class Volume:
    """What hosts are given of an end: its id on the array, its name, and the WWN that they see; None is not known."""

    id: str
    name: str | None = None
    wwn: str | None = None


class BoundKind(StrEnum):
    TIME = "time"
    DURATION = "duration"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a person accepts to lose: back to a time, as much as a duration, or an unknown amount.

    `value` is epoch seconds for a time, seconds for a duration and `None` for unknown; `text` is as typed.
    `or_unknown`: of several at once, an unknown amount where it is not known.
    """

    kind: BoundKind
    value: float | None
    text: str
    or_unknown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Acknowledgements:
    """The guards that a person answered by flag, for this operation only (design §4)."""

    peer_is_down: bool = False
    peer_is_fenced: str | None = None
    accept_data_loss: Bound | None = None
    from_failed: bool = False
    from_replica: bool = False
    discard_local_changes: bool = False
    use_test_copy: bool = False
    source_quiesced: bool = False
    delete_promotes: bool = False
    override_hold: bool = False

    @property
    def unplanned(self) -> bool:
        """Whether a promotion without the peer was asked for, in whichever of its forms."""
        return self.peer_is_down or self.peer_is_fenced is not None or self.from_replica

    @property
    def flags(self) -> tuple[str, ...]:
        """As typed, for journal, JSON and the next command; in a fixed order."""
        given: list[str] = []
        if self.peer_is_down:
            given.append("--peer-is-down")
        if self.peer_is_fenced is not None:
            given.append(f"--peer-is-fenced={self.peer_is_fenced}")
        if self.accept_data_loss is not None:
            given.append(f"--accept-data-loss={self.accept_data_loss.text}")
        switches = {
            "--from-failed": self.from_failed,
            "--from-replica": self.from_replica,
            "--discard-local-changes": self.discard_local_changes,
            "--use-test-copy": self.use_test_copy,
            "--source-quiesced": self.source_quiesced,
            "--delete-promotes": self.delete_promotes,
            "--override-hold": self.override_hold,
        }
        return (*given, *(flag for flag, on in switches.items() if on))


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is asked of one replication.

    `to` is the backend of `failover --to`; `survivor` the backend that `reprotect` shall keep; `snapshot` a
    snapshot to promote, or to test, from. `keep_test_data` asks a failover test that ends to leave a snapshot.
    """

    verb: Verb
    replication: Replication
    acknowledged: Acknowledgements = field(default_factory=Acknowledgements)
    to: str | None = None
    survivor: str | None = None
    snapshot: str | None = None
    keep_test_data: bool = False

    @property
    def facing(self) -> Intent:
        """The same intent with the end that `failover --to` names as the local one.

        The local end is the one that a verb speaks of; with the file's local site dead it must be the other.
        """
        replication = self.replication
        if self.verb is not Verb.FAILOVER or replication.side_of(self.to or "") is not Side.PEER:
            return self
        return replace(self, replication=replace(replication, local=replication.peer, peer=replication.local))

    @property
    def makes_local_source(self) -> bool:
        """Whether the verb makes the local end the source."""
        if self.verb is Verb.FAILOVER:
            return self.to == self.replication.local.backend
        return self.verb is Verb.PROMOTE

    @property
    def is_takeover(self) -> bool:
        """Whether the local end shall become the source without the other: acknowledged and unplanned."""
        return self.makes_local_source and self.acknowledged.unplanned

    def needs(self, pair: Pair, side: Side) -> bool:
        """Whether nothing can be done, or said, while that side cannot be read."""
        seen = pair.end(side)
        if self.verb is Verb.DELETE:
            return not seen.absent
        if self.verb is Verb.CREATE:
            return side is self.replication.born_at or not seen.absent
        if self.verb is Verb.DRILL_STOP:  # the array that tests ends it alone, if it must
            other = pair.end(side.other)
            return not (other.drill and other.state is not State.SOURCE)
        return side is Side.LOCAL or not self.is_takeover

    @property
    def answers_unplanned(self) -> bool:
        """Whether a person acknowledged, with this command, what a step without the other end's consent does."""
        if self.verb in (Verb.REPROTECT, Verb.RESYNC):
            return self.acknowledged.discard_local_changes
        return self.acknowledged.unplanned

    @property
    def signature(self) -> str:
        """Equal for intents that may join one another's operation: verb, end, aim, planned or not."""
        aim = self.to or self.survivor or ""
        way = "unplanned" if self.acknowledged.unplanned else "planned"
        told = f"{self.snapshot or ''}{':keep' if self.keep_test_data else ''}"
        return f"{self.verb.value}:{self.replication.local.backend}:{aim}:{way}:{told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who asked, as far as the machine tells: claimed, not proven (design §2)."""

    user: str
    host: str
    pid: int
    sudo_user: str | None = None

    def __str__(self) -> str:
        through = f" ({self.sudo_user} through sudo)" if self.sudo_user else ""
        return f"{self.user}{through} on {self.host}, pid {self.pid}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who holds a replication's lock, for the one who came second."""

    who: Who
    since: float
    command: str
    operation_id: str | None = None


DAEMON = "replctl"  # who owns a hold that the daemon took; people's holds name their host too


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """ "Hands off": it stops the daemon; a person's asks people too, unless they say --override-hold (design §2).

    `owner` is claimed, not proven. `ends_at` only reminds: the hold stays until it is released. `daemon_only` is one
    that a command took because the file contradicts what it did; one that `ends_with_difference` goes by itself once
    they agree again.
    """

    owner: str
    reason: str
    since: float
    ends_at: float | None = None
    daemon_only: bool = False
    ends_with_difference: bool = False

    @property
    def asks_people(self) -> bool:
        """Whether a person has to say --override-hold too: not for what is about the daemon alone (ADR 0011)."""
        return not self.daemon_only and self.owner != DAEMON
