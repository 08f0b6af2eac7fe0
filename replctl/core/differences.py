"""What the desired-state file says otherwise than the world: the same judgement for `diff` and whoever asks.

Pure (design §8). The file decides which end is the source; mode and age of the copy it only asserts, and no verb of
ours makes a synchronous replication of an asynchronous one.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from replctl.core.durations import format_duration
from replctl.core.model import Health, Mode, Observation, Replication, State, Verb
from replctl.core.results import EndStatus, ReplicationStatus
from replctl.core.states import shown
from replctl.core.values import dataclass

_ROLES = frozenset({State.SOURCE, State.REPLICA})
RPO_UNTOLD = "neither how old the copy is nor how often one is made is told"
_AT_REST = _ROLES | {State.NONE, State.FAILED}


class Aspect(StrEnum):
    """What of a replication can differ."""

    STATE = "state"  # of the local end
    PEER = "peer"  # the role of the other end, which goes with it
    MODE = "mode"
    RPO = "rpo"  # how old the copy is, or may become by the backend's own rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing that the file says otherwise; `verb` brings it about, None where none does, or not by itself."""

    aspect: Aspect
    wanted: str
    seen: str
    verb: Verb | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One replication, compared; `untold` says why that could not be done wholly, and is empty when it could.

    `untold_rpo`: all but the rpo was told.
    """

    status: ReplicationStatus
    differences: tuple[Difference, ...] = ()
    untold: str = ""
    untold_rpo: bool = False

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
    copy = _copy_of(status, now)
    found = (*_of_role(status), *asserted_of(status), *_of_age(copy))
    untold = _untold(status)
    rpo = "" if untold or copy.is_told else RPO_UNTOLD
    return Comparison(status=status, differences=found, untold=untold or rpo, untold_rpo=bool(rpo))


def in_sync(
    replication: Replication, local: Observation, peer: Observation, age_seconds: float | None
) -> bool | None:
    """Whether what is seen of the local end is what the file asserts; None when it cannot be told.

    `age_seconds` is the copy's, None where its holder did not tell it just now.
    """
    copy = _Copy(replication, mode_of(local, peer), promised(local, peer), age_seconds)
    if local.known_state is None:
        return None
    differs = local.known_state is not replication.desired_state
    if differs or any(asserted(replication, copy.mode, local, peer)) or any(_of_age(copy)):
        return False
    return True if copy.is_told else None


def mode_of(local: Observation, peer: Observation) -> Mode | None:
    return local.mode or peer.mode


def promised(local: Observation, peer: Observation) -> tuple[str, float] | None:
    """How old the copy may become by the backends' own rule, and which of them says so: the source, if it does."""
    told = [(end.backend, end.promised_seconds) for end in (local, peer) if end.promised_seconds is not None]
    sources = {end.backend for end in (local, peer) if end.state is State.SOURCE}
    return next((each for each in told if each[0] in sources), told[0] if told else None)


def asserted(
    replication: Replication, mode: Mode | None, local: Observation, peer: Observation
) -> Iterator[Difference]:
    """What the file asserts otherwise than the backends are set up: the mode, and how often a copy is made.

    No verb of ours changes either, and neither changes by itself.
    """
    wanted = replication.mode
    if wanted is not None and mode is not None and wanted is not mode:
        yield Difference(aspect=Aspect.MODE, wanted=wanted.value, seen=mode.value)
    rpo, rule = replication.rpo_seconds, promised(local, peer)
    if rpo is None or rule is None or rule[1] == rpo or mode is Mode.SYNCHRONOUS:
        return
    words = f"{format_duration(rule[1])} by the rule on {rule[0]}"
    yield Difference(aspect=Aspect.RPO, wanted=format_duration(rpo), seen=words)


def asserted_of(status: ReplicationStatus) -> tuple[Difference, ...]:
    """The same of a line of status."""
    return tuple(asserted(status.replication, status.mode, status.local.seen, status.peer.seen))


@dataclass(frozen=True, slots=True)
class _Copy:
    """What there is to hold against the file's rpo: the backend's own rule, and the copy's age just now."""

    replication: Replication
    mode: Mode | None
    rule: tuple[str, float] | None
    age_seconds: float | None

    @property
    def is_told(self) -> bool:
        """Whether the rpo is kept can be told; of a synchronous one nobody asks, nor where the file has none."""
        unasked = self.replication.rpo_seconds is None or self.mode is Mode.SYNCHRONOUS
        return unasked or self.rule is not None or self.age_seconds is not None


def _copy_of(status: ReplicationStatus, now: float) -> _Copy:
    fresh = status.local.reachable and status.peer.reachable and status.point_as_of is not None
    age = now - status.point_at if fresh and status.point_at is not None else None
    return _Copy(status.replication, status.mode, promised(status.local.seen, status.peer.seen), age)


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


def _of_age(copy: _Copy) -> Iterator[Difference]:
    """The age of the copy, by what its holder said just now; of a synchronous one it says nothing."""
    rpo, age = copy.replication.rpo_seconds, copy.age_seconds
    if rpo is None or age is None or copy.mode is Mode.SYNCHRONOUS:
        return
    if age > rpo:
        wanted = f"at most {format_duration(rpo)}"
        yield Difference(aspect=Aspect.RPO, wanted=wanted, seen=f"{format_duration(age)} old", verb=Verb.SYNC)
