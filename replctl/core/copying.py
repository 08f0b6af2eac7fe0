"""Verbs that leave the roles alone: `pause`, `resume`, `sync`, `resync`, and what stands in their way (design §4).

Pure. Both ends must have been read: a pause counts only where it is seen on both, because a pause that reached one
end only cannot be resumed (CP §7.1). The planner asks `judge` when nothing else bars the way.

Whose pause it is, an end tells by what it permits: only after a person's pause may it be told to resume.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replctl.core.evidence import fact, state_fact
from replctl.core.guards import GUARDS
from replctl.core.model import Flow, Link, Mode, Observation, State, Verb
from replctl.core.plans import Course, EndGoal, Evidence, GuardRefusal

COURSES: Mapping[Verb, Course] = MappingProxyType(
    {
        Verb.PAUSE: Course.PAUSE,
        Verb.RESUME: Course.RESUME,
        Verb.SYNC: Course.SYNC,
        Verb.RESYNC: Course.RESYNC,
    }
)
LEAVE_STATES = frozenset({Verb.PAUSE, Verb.RESUME})  # neither waits for a copy
_MOVING = frozenset({Flow.RUNNING, Flow.SUSPENDED})
_HOLDS_A_COPY = frozenset({State.REPLICA, State.SYNCING})
TOLD_ANEW = "resync"  # in `permits` of an end that failed: it can be told to be the replica again
PROVEN_COPY = "proven_copy"  # in `permits`: a copy that is asked for there is itself seen to end
PAUSED = frozenset({Flow.PAUSED})
RUNNING = frozenset({Flow.RUNNING})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What `judge` finds: it is so already, or what stands in the way and which verb leads on, or neither."""

    unchanged: bool = False
    guards: tuple[GuardRefusal, ...] = ()
    next_verb: str | None = None
    notes: tuple[str, ...] = ()


_GO = Verdict()
_SO_ALREADY = Verdict(unchanged=True)


def is_told_anew(replica: Observation) -> bool:
    """Whether an end that failed can be told to be the replica again, dropping what it alone holds."""
    return replica.state is State.FAILED and TOLD_ANEW in replica.permits


def flows_after(verb: Verb) -> frozenset[Flow]:
    """What the copying does on both ends when the verb is done."""
    return PAUSED if verb is Verb.PAUSE else RUNNING


def ends_after(verb: Verb, replica: Observation) -> tuple[EndGoal, EndGoal]:
    """What source and replica shall be: their roles as they are.

    A first copy may be paused and resumed: it is complete no sooner, so that its end may go on being `syncing`.
    """
    flows, states = flows_after(verb), {State.REPLICA}
    if verb in LEAVE_STATES and replica.state is State.SYNCING:
        states.add(State.SYNCING)
    return EndGoal(frozenset({State.SOURCE}), flows), EndGoal(frozenset(states), flows)


def judge(verb: Verb, source: Observation, replica: Observation) -> Verdict:
    """Whether the verb may be carried out on a source and its replica, both read and neither in a transient."""
    if verb is Verb.RESYNC and source.state is State.SOURCE and is_told_anew(replica):
        return _GO
    if source.state is not State.SOURCE or replica.state not in _HOLDS_A_COPY:
        return refused(source, replica, next_verb="reprotect" if _severed(source, replica) else None)
    if _severed(source, replica):
        return refused(source, replica, next_verb="reprotect")
    match verb:
        case Verb.PAUSE:
            return _pause(source, replica)
        case Verb.RESUME:
            return _resume(source, replica)
        case Verb.SYNC:
            return _sync(source, replica)
    return _resync(source, replica)


def _pause(source: Observation, replica: Observation) -> Verdict:
    paused = [end for end in (source, replica) if _by_a_person(end)]
    if len(paused) == 2:
        return _SO_ALREADY
    told = paused[0] if paused else source
    others = [end for end in (source, replica) if end not in paused]
    if "pause" not in told.permits or not {end.flow for end in others} <= _MOVING:
        return refused(source, replica)
    if not lost_ways(source, replica):
        return _GO
    if paused:  # asked for again it would reach the same end again
        return refused(source, replica)
    note = f"the link is lost: the pause will reach {source.backend} alone, and resume waits for a second one"
    return Verdict(notes=(note,))


def _resume(source: Observation, replica: Observation) -> Verdict:
    if source.flow is replica.flow is Flow.RUNNING:
        return _SO_ALREADY
    paused = [end for end in (source, replica) if _by_a_person(end)]
    if len(paused) == 2:
        return refused(source, replica) if lost_ways(source, replica) else _GO
    if paused:
        return refused(source, replica, next_verb="pause")
    return refused(source, replica, next_verb="resync" if _is_suspended(source, replica) else None)


def _sync(source: Observation, replica: Observation) -> Verdict:
    if Mode.SYNCHRONOUS in (source.mode, replica.mode):
        value = "every write is mirrored as it is made, so that there are no copy cycles to run"
        return Verdict(guards=(GUARDS["unsupported"].says_no(fact("mode", value, source)),))
    if _by_a_person(source) or _by_a_person(replica):
        both = _by_a_person(source) and _by_a_person(replica)
        return refused(source, replica, next_verb="resume" if both else "pause")
    if not _takes_a_copy(source, replica):
        return refused(source, replica)
    if PROVEN_COPY not in replica.permits and (replica.point is None or replica.point.at is None):
        value = "its last consistent point is not known, so that a newer one could not be told"
        return Verdict(guards=(GUARDS["stale-observation"].says_no(fact("point", value, replica)),))
    return _GO


def _resync(source: Observation, replica: Observation) -> Verdict:
    if source.flow is replica.flow is Flow.RUNNING and replica.state is State.REPLICA:
        return _SO_ALREADY if source.healthy and replica.healthy else refused(source, replica)
    paused = [end for end in (source, replica) if _by_a_person(end)]
    if len(paused) == 2:
        return refused(source, replica) if lost_ways(source, replica) else _GO
    if paused:
        return refused(source, replica, next_verb="pause")
    if _is_suspended(source, replica):
        ready = _takes_a_copy(source, replica) and "sync" in source.permits
        mirrored = "sync" not in source.permits and "pause" in source.permits
        return _GO if ready else refused(source, replica, next_verb="pause" if mirrored else None)
    return refused(source, replica)


def _takes_a_copy(source: Observation, replica: Observation) -> bool:
    """Whether the source may be told to copy now, or is at it."""
    able = "sync" in source.permits or source.flow is Flow.RUNNING
    moving = {source.flow, replica.flow} <= _MOVING
    return able and moving and replica.state is State.REPLICA and not lost_ways(source, replica)


def _by_a_person(end: Observation) -> bool:
    return end.flow is Flow.PAUSED and "resume" in end.permits


def _is_suspended(source: Observation, replica: Observation) -> bool:
    flows = {source.flow, replica.flow}
    return Flow.SUSPENDED in flows and flows <= _MOVING


def _severed(source: Observation, replica: Observation) -> bool:
    return Flow.SEVERED in (source.flow, replica.flow)


def lost_ways(source: Observation, replica: Observation) -> list[Evidence]:
    """The ways between the two ends that are known to be lost; both are needed (CP §8)."""
    found = []
    for end in (source, replica):
        if end.link is Link.LOST:
            found.append(fact("link", "the data link is lost", end))
        if end.peer_management is Link.LOST:
            found.append(fact("management", "the other end's management does not answer it", end))
    return found


def refused(source: Observation, replica: Observation, *, next_verb: str | None = None) -> Verdict:
    """Refused by the backend's state, with what both ends read as and all that explains it."""
    facts = [state_fact(source), state_fact(replica), *lost_ways(source, replica)]
    if Flow.BROKEN in (source.flow, replica.flow):
        value = "what the backend lets be done in its error state is not documented"
        facts.append(Evidence(fact="contract", value=value))
    return Verdict(guards=(GUARDS["backend-state"].says_no(*facts),), next_verb=next_verb)
