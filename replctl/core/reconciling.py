"""What the daemon decides about one replication: what it may do by itself, what it holds, what waits for a person.

Pure (design §10, ADR 0004). A role is changed only because somebody edited the entry's `state` after the daemon had
settled on what it saw; a role that changed without us is held, and never turned back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum

from replctl.core.differences import Difference, asserted_of
from replctl.core.model import DAEMON, Flow, Health, Hold, Mode, Observation, State, Verb
from replctl.core.results import EndStatus, ReplicationStatus
from replctl.core.values import dataclass
from replctl.core.waiting import Waiting

_SETTLED = frozenset({State.SOURCE, State.REPLICA})
_ON_THE_WAY = frozenset({State.PROMOTING, State.DEMOTING, State.SYNCING})


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
    UNREAD = "unread"  # an end could not be read, so that nothing can be said
    BUSY = "busy"  # something is on its way
    ACT = "act"  # a verb is to be carried out
    RESUME = "resume"  # an operation of the daemon's own goes on
    LATER = "later"  # one of these two, but not now
    HOLD = "hold"  # a hold is taken: the role changed without us
    RELEASE = "release"  # a hold ends: what it was taken for is no more
    WAITS = "waits"  # a person has to say


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a replication last was at rest: its local end's role, and what the file wanted then."""

    role: State
    desired: State


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """An open operation that the daemon began; `new_source` is the backend that it makes the source, if it does."""

    operation: str
    new_source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the daemon knows of a replication beside what it sees now.

    `edited`: the file's `state` was changed while the daemon ran, after it had settled; `lapsed` says why such an
    edit is not carried out any more. `in_hand` is what it is at just now, `own` an open operation that it began,
    `foreign` one that somebody else did, and `at_work` who carries that out at this moment.
    """

    settled: Settled | None = None
    edited: bool = False
    lapsed: str = ""
    in_hand: str = ""
    own: Begun | None = None
    foreign: str | None = None
    at_work: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What is to be done about one replication, and why, in words.

    `next` is the command for a person who is waited for. `settled` is set when the daemon has settled on what it
    sees now; `turns_roles` when what is to be done changes which end is the source, or is the rest of such a change.
    `differs` is what the file asserts otherwise, and nothing of ours changes.
    """

    kind: Kind
    why: str = ""
    next: str = ""
    verb: Verb | None = None
    operation: str | None = None
    settled: Settled | None = None
    turns_roles: bool = False
    differs: tuple[Difference, ...] = ()

    def deed(self, key: str) -> str:
        """What is to be done, in words."""
        return f"{self.verb} {key}" if self.verb is not None else f"go on with {self.operation} of {key}"

    def put_off(self, why: str) -> Finding:
        """The same, but not now."""
        return replace(self, kind=Kind.LATER, why=why)


def find(status: ReplicationStatus, known: Known, autonomy: Autonomy, now: float) -> Finding:
    """What to do about it now."""
    found = _find(status, known, autonomy, now)
    differs = asserted_of(status) if status.in_sync is False else ()
    return replace(found, differs=differs) if differs else found


def _find(status: ReplicationStatus, known: Known, autonomy: Autonomy, now: float) -> Finding:
    if known.in_hand:
        return Finding(kind=Kind.BUSY, why=known.in_hand)
    unread = next((end for end in (status.local, status.peer) if not end.reachable), None)
    if unread is not None:
        return Finding(kind=Kind.UNREAD, why=_unread(unread))
    if known.own is not None or known.foreign is not None:
        return _of_operation(status, known, autonomy)
    if status.health is Health.SPLIT_BRAIN:
        return _waits("both ends are sources", f"replctl reprotect {status.replication.key}")
    if status.health is Health.NO_SOURCE:
        return _waits("no end is the source", _explain(status))
    if status.state in _ON_THE_WAY:
        return Finding(kind=Kind.BUSY, why=f"it reads {status.state}, which this daemon did not begin")
    if status.state not in _SETTLED:
        return _waits(status.message or "its state is not known", _explain(status))
    return _of_role(status, status.state, known, autonomy, now)


def _unread(end: EndStatus) -> str:
    said = end.seen.trouble.message if end.seen.trouble else "no answer"
    return f"{end.backend} cannot be read: {said}"


def _of_operation(status: ReplicationStatus, known: Known, autonomy: Autonomy) -> Finding:
    """An operation is open: the daemon's own goes on where it still may; a person's is the person's."""
    own = known.own
    if own is None:
        if known.at_work:
            return Finding(kind=Kind.BUSY, why=f"{known.at_work} is at it")
        return _waits(f"operation {known.foreign} is open", f"replctl op show {known.foreign}")
    against = _held(status.hold) or _against_going_on(status, own, autonomy)
    if against:
        return _waits(f"operation {own.operation} is open, and {against}", f"replctl op show {own.operation}")
    return Finding(
        kind=Kind.RESUME,
        operation=own.operation,
        why="this daemon began it",
        turns_roles=own.new_source is not None,
    )


def _against_going_on(status: ReplicationStatus, own: Begun, autonomy: Autonomy) -> str:
    """Why an operation of its own does not go on by itself; empty when it does.

    What is left of a change of roles that is seen to be made, or on its way, only protects. One that is still to be
    made is made only where the daemon may, and while the file still wants it.
    """
    if not autonomy.protects:
        return f"autonomy is {autonomy.value}"
    if own.new_source is None or _is_turned(status, own.new_source):
        return ""
    if autonomy is not Autonomy.SWITCHOVER:
        return f"autonomy is {autonomy.value}"
    wants_local = status.replication.desired_state is State.SOURCE
    if wants_local is not (own.new_source == status.local.backend):
        return f"the file wants {status.replication.desired_state.value} by now"
    return ""


def _is_turned(status: ReplicationStatus, new_source: str) -> bool:
    here, there = status.local, status.peer
    if new_source == there.backend:
        here, there = there, here
    return here.state in (State.SOURCE, State.PROMOTING) or there.state is State.DEMOTING


def _of_role(status: ReplicationStatus, role: State, known: Known, autonomy: Autonomy, now: float) -> Finding:
    desired = status.replication.desired_state
    settled = Settled(role=role, desired=desired)
    if role is desired:
        if status.hold is not None and status.hold.ends_with_difference:
            return Finding(kind=Kind.RELEASE, why="file and role agree again", settled=settled)
        protected = _protect(status, autonomy, now) if status.hold is None else None
        if protected is not None:
            return Finding(kind=Kind.ACT, verb=protected[0], why=protected[1], settled=settled)
        return Finding(kind=Kind.SETTLED, settled=settled, why=_held(status.hold))
    if status.hold is not None:
        # a command's hold says who turned the role: that is how it is now, and no stranger's doing
        waits = _waits(_held(status.hold), _release(status))
        return replace(waits, settled=settled if status.hold.daemon_only else None)
    if known.settled is not None and known.settled.role is not role:
        why = f"it became {role.value} without this daemon, and the file wants {desired.value}"
        return Finding(kind=Kind.HOLD, why=why, next=_release(status), settled=settled)
    return _wanted_otherwise(status, role, known, autonomy)


def _wanted_otherwise(status: ReplicationStatus, role: State, known: Known, autonomy: Autonomy) -> Finding:
    """The file wants the other role: somebody's edit, or a difference that was there when we first saw it."""
    desired = status.replication.desired_state
    verb = Verb.PROMOTE if desired is State.SOURCE else Verb.DEMOTE
    by_hand = f"replctl {verb.value} {status.replication.key}"
    if known.settled is None:
        return _waits(f"unadopted: it is {role.value}, the file wants {desired.value}", by_hand)
    if not known.edited:
        if known.lapsed:
            return _waits(f"the file was edited to {desired.value} {known.lapsed}", by_hand)
        return _waits(f"the file wants {desired.value}, and nobody was seen to edit it", by_hand)
    if autonomy is not Autonomy.SWITCHOVER:
        return _waits(f"the file was edited to {desired.value}; autonomy is {autonomy.value}", by_hand)
    why = f"the file was edited to {desired.value}"
    return Finding(kind=Kind.ACT, verb=verb, why=why, turns_roles=True)


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


def _explain(status: ReplicationStatus) -> str:
    return f"replctl explain {status.replication.key}"


def _release(status: ReplicationStatus) -> str:
    return f"replctl release {status.replication.key}"


def _waits(why: str, command: str) -> Finding:
    return Finding(kind=Kind.WAITS, why=why, next=command)


def waiting(
    found: Mapping[str, Finding], before: Mapping[str, Waiting], now: float
) -> dict[str, Waiting | None]:
    """What is new about what waits for a person, after these findings; None where nothing waits any more.

    Of what could not be read nothing new is known: it waits as it did.
    """
    new: dict[str, Waiting | None] = {}
    for key, each in found.items():
        told = before.get(key)
        if each.kind in (Kind.WAITS, Kind.HOLD):
            if told is None or (told.why, told.next) != (each.why, each.next):
                new[key] = Waiting(why=each.why, next=each.next, since=now)
        elif told is not None and each.kind is not Kind.UNREAD:
            new[key] = None
    return new


def is_over(status: ReplicationStatus) -> bool:
    """Whether what is seen shows that nothing waits for a person, whatever the daemon said before."""
    return (
        status.local.reachable
        and status.peer.reachable
        and status.operation_id is None
        and status.health not in (Health.SPLIT_BRAIN, Health.NO_SOURCE)
        and status.state is status.replication.desired_state
    )


def hold_for(finding: Finding, now: float) -> Hold:
    """The hold that the daemon takes when a role changed without it."""
    return Hold(owner=DAEMON, reason=finding.why, since=now)


def sentence(findings: Sequence[tuple[str, Finding]]) -> str:
    """One sentence on a tick: what was seen, what is done, and why."""
    words: defaultdict[Kind, list[str]] = defaultdict(list)
    for key, found in findings:
        words[found.kind].append(_worded(key, found))
    waiting = words[Kind.WAITS]
    differing = [_difference(key, found.differs) for key, found in findings if found.differs]
    parts = [
        *_some([*words[Kind.RESUME], *words[Kind.ACT], *words[Kind.HOLD], *words[Kind.RELEASE]]),
        *_counted("on the way", words[Kind.BUSY]),
        *_counted("put off", words[Kind.LATER]),
        *_counted("waits for a person" if len(waiting) == 1 else "wait for a person", waiting),
        *_counted("differs from the file" if len(differing) == 1 else "differ from the file", differing),
    ]
    seen = _seen(len(findings), words[Kind.UNREAD])
    return "; ".join([seen, *parts]) if parts else f"{seen}: nothing to do"


def _worded(key: str, found: Finding) -> str:
    """One replication's part of the sentence; of one that could not be read, only why."""
    match found.kind:
        case Kind.UNREAD:
            return found.why
        case Kind.ACT | Kind.RESUME | Kind.LATER:
            return f"{found.deed(key)} ({found.why})"
        case Kind.HOLD | Kind.RELEASE:
            return f"{found.kind} {key} ({found.why})"
        case Kind.WAITS if found.next:
            return f"{key} ({found.why}: {found.next})"
        case _:
            return f"{key} ({found.why})"


def _difference(key: str, differs: Sequence[Difference]) -> str:
    said = [f"{each.aspect} {each.seen}, the file says {each.wanted}" for each in differs]
    return f"{key} ({'; '.join(said)})"


def _seen(count: int, unread: Sequence[str]) -> str:
    many = f"{count} replication{'' if count == 1 else 's'}"
    if not unread:
        return f"saw {many}"
    reasons = ", ".join(_some(sorted(set(unread))))
    return f"saw {count - len(unread)} of {many} on both ends ({reasons})"


def _counted(how: str, words: Sequence[str]) -> list[str]:
    """As one part of the sentence, with their number; nothing where there are none."""
    return [f"{len(words)} {how}: {', '.join(_some(words))}"] if words else []


_SHOWN = 3  # of many, the first few


def _some(words: Sequence[str]) -> list[str]:
    more = len(words) - _SHOWN
    return [*words[:_SHOWN], *([f"and {more} more"] if more > 0 else [])]
