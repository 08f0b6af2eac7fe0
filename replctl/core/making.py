"""`create` and `delete`: replication begins on what is there, and ends, seen on both sides (design §4).

Pure. That nothing is there is an answer here, not a trouble: the source must be there to be replicated, and its
replica is made by the backend. What replicates already the other way round is not turned.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from replctl.core.copying import Verdict, lost_ways, refused
from replctl.core.evidence import fact
from replctl.core.guards import GUARDS
from replctl.core.model import Flow, Intent, Observation, Pair, Side, State, Verb
from replctl.core.plans import Context, Course, EndGoal, Evidence, Recipe

COURSES: Mapping[Verb, Course] = MappingProxyType({Verb.CREATE: Course.CREATE, Verb.DELETE: Course.DELETE})
_COPIES = frozenset({State.REPLICA, State.SYNCING})
_OPENED = frozenset({State.PROMOTING, State.SOURCE})  # a replica that is let go, on its way
_NOTHING = EndGoal(frozenset({State.NONE}))
_MAY_END = frozenset({Flow.RUNNING, Flow.PAUSED, Flow.SUSPENDED})


def ends_after(verb: Verb) -> tuple[EndGoal, EndGoal]:
    """What source and replica shall be."""
    if verb is Verb.DELETE:
        return _NOTHING, _NOTHING
    return EndGoal(frozenset({State.SOURCE})), EndGoal(frozenset({State.REPLICA}))


def ending(intent: Intent, context: Context) -> Side | None:
    """The side that stays the source, where a removal of ours has begun: its replica may be opened already."""
    ours = intent.verb is Verb.DELETE and context.interrupted is Course.DELETE
    kept = context.kept_source if ours else None
    return intent.replication.side_of(kept) if kept is not None else None


def judge(
    intent: Intent, source: Observation, replica: Observation, recipe: Recipe, under_way: Side | None
) -> Verdict:
    """Whether replication may be made, or ended; nothing else bars the way. `under_way`: what `ending` says."""
    if intent.verb is Verb.DELETE:
        return _delete(intent, source, replica, recipe, half_ended=under_way is not None)
    return _create(intent, source, replica, recipe)


def _create(intent: Intent, source: Observation, replica: Observation, recipe: Recipe) -> Verdict:
    states = (source.known_state, replica.known_state)
    if states == (State.SOURCE, State.REPLICA):
        if Flow.SEVERED in (source.flow, replica.flow):
            return refused(source, replica, next_verb="reprotect")
        barred = _unbarred(intent, source, replica, recipe)
        return barred if barred.guards else Verdict(unchanged=True)
    if states == (State.SOURCE, State.SYNCING):
        return Verdict(notes=("it is being made already: only its first copy is waited for",))
    half_made = states == (State.SOURCE, State.NONE) and recipe.makes_ends_apart
    if states == (State.NONE, State.NONE) or half_made:
        missing = tuple(_undeclared(intent, recipe))
        return (
            Verdict(guards=(GUARDS["undeclared"].says_no(*missing),))
            if missing
            else _unbarred(intent, source, replica, recipe)
        )
    turned = source.known_state in _COPIES and replica.known_state is State.SOURCE
    verb = "promote" if intent.replication.born_at is Side.LOCAL else "demote"
    return refused(source, replica, next_verb=verb if turned else None)


def _unbarred(intent: Intent, source: Observation, replica: Observation, recipe: Recipe) -> Verdict:
    side = intent.replication.born_at
    pair = Pair(source, replica) if side is Side.LOCAL else Pair(replica, source)
    bars = recipe.bars(Course.CREATE, side, pair)
    return Verdict(guards=(GUARDS["backend-state"].says_no(*bars),)) if bars else Verdict()


def _undeclared(intent: Intent, recipe: Recipe) -> Iterator[Evidence]:
    """The words that the file must say for this and does not."""
    replication = intent.replication
    of_source, of_replica = recipe.declared
    wanted = {replication.born_at: of_source, replication.born_at.other: of_replica}
    for side in Side:
        end = replication.end(side)
        for key in wanted[side]:
            if key not in dict(end.creation):
                value = f"required for create, at the {side} end of the entry"
                yield Evidence(fact=f"{side}.{key}", value=value, backend=end.backend)


def _delete(
    intent: Intent, source: Observation, replica: Observation, recipe: Recipe, *, half_ended: bool
) -> Verdict:
    states = (source.known_state, replica.known_state)
    if states == (State.NONE, State.NONE):
        return Verdict(unchanged=True)
    flows = {end.flow for end in (source, replica) if end.known_state is not State.NONE}
    half_gone = states == (State.SOURCE, State.NONE)
    if half_gone and recipe.makes_ends_apart:
        return Verdict()
    opened = half_ended and recipe.deletion_promotes and states[1] in _OPENED
    if states[0] is not State.SOURCE or not (half_gone or opened or states[1] in _COPIES):
        return refused(source, replica)
    if opened:
        return _promoting(intent, replica)
    if not flows <= _MAY_END or lost_ways(source, replica):
        return refused(source, replica, next_verb="reprotect" if Flow.SEVERED in flows else None)
    return _promoting(intent, replica) if recipe.deletion_promotes and not half_gone else Verdict()


def _promoting(intent: Intent, replica: Observation) -> Verdict:
    if intent.acknowledged.delete_promotes:
        return Verdict()
    value = "is promoted before it is let go: hosts can write to both ends then"
    return Verdict(guards=(GUARDS["delete-promotes"].says_no(fact("the replica", value, replica)),))
