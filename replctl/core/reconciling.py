"""What the daemon decides about one replication: what it may do by itself, what it holds, what waits for a person.

Pure (design §10, ADR 0004). A role is changed only because somebody edited the entry's `state` after the daemon had
settled on what it saw; a role that changed without us is held, and never turned back.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from replctl.core.model import DAEMON, Flow, Health, Hold, Mode, Observation, State, Verb
from replctl.core.results import ReplicationStatus

_SETTLED = frozenset({State.SOURCE, State.REPLICA})


class Autonomy(StrEnum):
    """How far the daemon may go by itself."""

    OBSERVE = "observe"
    PROTECT = "protect"
    SWITCHOVER = "switchover"

    @property
    def protects(self) -> bool:
        return self is not Autonomy.OBSERVE


class Kind(StrEnum):
    """What comes of looking at one replication."""

    SETTLED = "settled"  # as the file wants it; nothing to do
    UNREAD = "unread"  # an end did not answer, so that nothing can be said
    BUSY = "busy"  # something is on its way
    ACT = "act"  # a verb is to be carried out
    RESUME = "resume"  # an operation of the daemon's own goes on
    HOLD = "hold"  # a hold is taken: the role changed without us
    WAITS = "waits"  # a person has to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a replication last was at rest: its local end's role, and what the file wanted then."""

    role: State
    desired: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the daemon knows of a replication beside what it sees now.

    `edited`: the file's `state` was changed while the daemon ran, after it had settled. `own` is an open operation
    that the daemon began, `foreign` one that somebody else did.
    """

    settled: Settled | None = None
    edited: bool = False
    busy: bool = False
    own: str | None = None
    foreign: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is to be done about one replication, and why, in words."""

    kind: Kind
    why: str = ""
    verb: Verb | None = None
    operation: str | None = None
    settled: Settled | None = None

    @property
    def turns_roles(self) -> bool:
        return self.verb in (Verb.PROMOTE, Verb.DEMOTE)


def find(status: ReplicationStatus, known: Known, autonomy: Autonomy, now: float) -> Finding:
    """What to do; `settled` is set when the daemon has settled on what it sees now."""
    key = status.replication.key
    if known.busy:
        return Finding(kind=Kind.BUSY, why="an operation is on its way")
    if not (status.local.reachable and status.peer.reachable):
        silent = status.peer.backend if status.local.reachable else status.local.backend
        return Finding(kind=Kind.UNREAD, why=f"{silent} does not answer")
    if known.own is not None and autonomy.protects and status.hold is None:
        return Finding(kind=Kind.RESUME, operation=known.own, why="it was begun by this daemon")
    if (open_operation := known.own or known.foreign) is not None:
        return _waits(f"operation {open_operation} is open: replctl op show {open_operation}")
    if status.health is Health.SPLIT_BRAIN:
        return _waits(f"both ends are sources: replctl reprotect {key}")
    if status.health is Health.NO_SOURCE:
        return _waits(f"no end is the source: replctl explain {key}")
    if status.state not in _SETTLED:
        return Finding(kind=Kind.BUSY, why=f"it reads {status.state or 'unknown'}")
    return _of_role(status, known, autonomy, now)


def _of_role(status: ReplicationStatus, known: Known, autonomy: Autonomy, now: float) -> Finding:
    role, desired = status.state, status.replication.desired_state
    assert role is not None
    if role is desired:
        protected = _protect(status, autonomy, now) if status.hold is None else None
        settled = Settled(role=role, desired=desired)
        if protected is not None:
            return Finding(kind=Kind.ACT, verb=protected[0], why=protected[1], settled=settled)
        return Finding(kind=Kind.SETTLED, settled=settled, why=_held(status.hold))
    if status.hold is not None:
        return _waits(_held(status.hold))
    if known.settled is not None and known.settled.role is not role:
        why = f"it became {role.value} without this daemon, and the file wants {desired.value}"
        return Finding(kind=Kind.HOLD, why=why)
    return _wanted_otherwise(status, known, autonomy)


def _wanted_otherwise(status: ReplicationStatus, known: Known, autonomy: Autonomy) -> Finding:
    """The file wants the other role: somebody's edit, or a difference that was there when we first saw it."""
    desired, key = status.replication.desired_state, status.replication.key
    verb = Verb.PROMOTE if desired is State.SOURCE else Verb.DEMOTE
    by_hand = f"replctl {verb.value} {key}"
    if known.settled is None:
        return _waits(f"unadopted: it is {status.state}, the file wants {desired.value}: {by_hand}")
    if not known.edited:
        return _waits(f"the file wants {desired.value}, and nobody was seen to edit it: {by_hand}")
    if autonomy is not Autonomy.SWITCHOVER:
        return _waits(f"the file was edited to {desired.value}; autonomy is {autonomy.value}: {by_hand}")
    return Finding(kind=Kind.ACT, verb=verb, why=f"the file was edited to {desired.value}")


def _protect(status: ReplicationStatus, autonomy: Autonomy, now: float) -> tuple[Verb, str] | None:
    """What keeps the copy fresh without touching any role: never after a person's pause."""
    ends = (status.local.seen, status.peer.seen)
    if not autonomy.protects or status.drill:
        return None
    flows = {end.flow for end in ends}
    if Flow.SUSPENDED in flows and flows <= {Flow.SUSPENDED, Flow.RUNNING}:
        return Verb.RESYNC, "the array stopped copying"
    rpo, point = status.replication.rpo_seconds, status.point_at
    running = flows == {Flow.RUNNING} and not any(_copies_now(end) for end in ends)
    if (
        running
        and status.mode is Mode.ASYNCHRONOUS
        and rpo is not None
        and point is not None
        and now - point > rpo
    ):
        return Verb.SYNC, f"the last copy is {now - point:.0f}s old, and {rpo:.0f}s are wanted"
    return None


def _copies_now(end: Observation) -> bool:
    return end.progress is not None and end.progress.percent is not None


def _held(hold: Hold | None) -> str:
    return f"held by {hold.owner}: {hold.reason}" if hold is not None else ""


def _waits(why: str) -> Finding:
    return Finding(kind=Kind.WAITS, why=why)


def hold_for(finding: Finding, now: float) -> Hold:
    """The hold that the daemon takes when a role changed without it."""
    return Hold(owner=DAEMON, reason=finding.why, since=now)


def sentence(findings: Sequence[tuple[str, Finding]], silent: Sequence[str]) -> str:
    """One sentence on a tick: what was seen, what is done, and why."""
    count = len(findings)
    seen = f"saw {count} replication{'' if count == 1 else 's'}"
    if silent:
        seen += f", not {', '.join(sorted(silent))}"
    deeds = [
        f"{found.verb or 'go on with'} {key} ({found.why})" for key, found in findings if found.kind in _DEEDS
    ]
    holds = [f"hold {key} ({found.why})" for key, found in findings if found.kind is Kind.HOLD]
    waits = [f"{key} ({found.why})" for key, found in findings if found.kind is Kind.WAITS]
    parts = [seen, *_some([*deeds, *holds])]
    if waits:
        parts.append(f"{len(waits)} wait for a person: {'; '.join(_some(waits))}")
    return "; ".join(parts) if len(parts) > 1 else f"{seen}: nothing to do"


_DEEDS = frozenset({Kind.ACT, Kind.RESUME})
_SHOWN = 3  # of many, the first few


def _some(words: Sequence[str]) -> list[str]:
    more = len(words) - _SHOWN
    return [*words[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
