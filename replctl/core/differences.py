"""What the desired-state file says otherwise than the world: the same judgement for `diff` and whoever asks.

Pure (design §8). The file decides which end is the source; mode and age of the copy it only asserts, and no verb of
ours makes a synchronous replication of an asynchronous one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from replctl.core.durations import format_duration
from replctl.core.model import Health, Mode, State, Verb
from replctl.core.results import EndStatus, ReplicationStatus
from replctl.core.states import shown

_ROLES = frozenset({State.SOURCE, State.REPLICA})
_AT_REST = _ROLES | {State.NONE, State.FAILED}


class Aspect(StrEnum):
    """What of a replication can differ."""

    STATE = "state"  # of the local end
    PEER = "peer"  # the role of the other end, which goes with it
    MODE = "mode"
    RPO = "rpo"  # the copy is older than the file wants it


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the file says otherwise; `verb` brings it about, None where none does, or not by itself."""

    aspect: Aspect
    wanted: str
    seen: str
    verb: Verb | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One replication, compared; `untold` says why that could not be done wholly, and is empty when it could."""

    status: ReplicationStatus
    differences: tuple[Difference, ...] = ()
    untold: str = ""

    @property
    def same(self) -> bool | None:
        """Whether it is what the file says; None when it cannot be told."""
        if self.differences:
            return False
        return None if self.untold else True

    @property
    def is_applicable(self) -> bool:
        """Whether `apply` would do something about it: a planned change of roles, and nothing else."""
        return any(each.verb in (Verb.PROMOTE, Verb.DEMOTE) for each in self.differences)


def compare(status: ReplicationStatus, now: float) -> Comparison:
    """What the file says otherwise than what was seen of this replication; `now` is when it was seen."""
    found = (*_of_role(status), *_of_mode(status), *_of_age(status, now))
    return Comparison(status=status, differences=found, untold=_untold(status))


def _untold(status: ReplicationStatus) -> str:
    for end in (status.local, status.peer):
        if not end.reachable:
            said = end.seen.trouble.message if end.seen.trouble else "no answer"
            return f"{end.backend} was not read: {said}"
    if status.local.seen.known_state is None:
        return status.message or f"{status.local.backend}: its state is not known"
    return ""


def _of_role(status: ReplicationStatus) -> Iterator[Difference]:
    desired = status.replication.desired_state
    seen = _state_of(status.local)
    if seen is not None and seen is not desired:
        yield Difference(
            aspect=Aspect.STATE, wanted=shown(desired), seen=shown(seen), verb=_way(status, seen, desired)
        )
    other = State.REPLICA if desired is State.SOURCE else State.SOURCE
    there = _state_of(status.peer)
    if seen is desired and there in _AT_REST and there is not other:
        way = _way(status, there, other)
        verb = way if way in (Verb.REPROTECT, Verb.CREATE) else None  # no end alone is the replica of nothing
        yield Difference(aspect=Aspect.PEER, wanted=shown(other), seen=shown(there), verb=verb)


def _state_of(end: EndStatus) -> State | None:
    """What it is now; what was seen of it some time ago proves nothing."""
    return end.seen.known_state


def _way(status: ReplicationStatus, seen: State, desired: State) -> Verb | None:
    """The verb that a person, or `apply`, would try; whether it is carried out, the planner judges."""
    if status.health is Health.SPLIT_BRAIN:
        return Verb.REPROTECT
    if seen is State.NONE:
        return Verb.CREATE
    if seen not in _ROLES:
        return None
    return Verb.PROMOTE if desired is State.SOURCE else Verb.DEMOTE


def _of_mode(status: ReplicationStatus) -> Iterator[Difference]:
    wanted, seen = status.replication.mode, status.mode
    if wanted is not None and seen is not None and wanted is not seen:
        yield Difference(aspect=Aspect.MODE, wanted=wanted.value, seen=seen.value)


def _of_age(status: ReplicationStatus, now: float) -> Iterator[Difference]:
    """The age of the copy, by what its holder said just now; of a synchronous one it says nothing."""
    rpo, at, read_at = status.replication.rpo_seconds, status.point_at, status.point_as_of
    fresh = status.local.reachable and status.peer.reachable
    if rpo is None or at is None or read_at is None or not fresh or status.mode is Mode.SYNCHRONOUS:
        return
    age = now - at
    if age > rpo:
        wanted = f"at most {format_duration(rpo)}"
        yield Difference(aspect=Aspect.RPO, wanted=wanted, seen=f"{format_duration(age)} old", verb=Verb.SYNC)
