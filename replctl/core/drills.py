"""Failover tests: the replica is opened for a test while production goes on, and closed again (design §4).

Pure. The end that holds the copy is told, and is the authority on whether a test runs there: what the source shows
of it is not established (CP §8). A test can be ended without the source, which it does not concern (CP §7).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from replctl.core.copying import Verdict, lost_ways, refused
from replctl.core.evidence import fact, state_fact
from replctl.core.guards import GUARDS
from replctl.core.model import Intent, Mode, Observation, State, Verb
from replctl.core.plans import Course, EndGoal

COURSES: Mapping[Verb, Course] = MappingProxyType(
    {Verb.DRILL_START: Course.DRILL_START, Verb.DRILL_STOP: Course.DRILL_STOP}
)
_HOLDS_A_COPY = frozenset({State.REPLICA, State.SYNCING})


def ends_after(
    verb: Verb, source: Observation, *, so_already: bool = False
) -> tuple[EndGoal | None, EndGoal | None]:
    """What source and replica shall be. A test that is ended without its source says nothing of the source.

    That no test runs is so whatever the roles are.
    """
    if so_already and verb is Verb.DRILL_STOP:
        untested = EndGoal(frozenset(State), drill=False)
        return (None if source.trouble is not None else untested), untested
    testing = verb is Verb.DRILL_START
    replica = EndGoal(frozenset({State.REPLICA}) if testing else _HOLDS_A_COPY, drill=testing)
    return (None if source.trouble is not None else EndGoal(frozenset({State.SOURCE}))), replica


def judge(intent: Intent, source: Observation, replica: Observation) -> Verdict:
    """Whether a test may be begun, or ended, on the replica; nothing else bars the way."""
    if intent.verb is Verb.DRILL_STOP:
        return _stop(source, replica)
    return _start(source, replica, intent.snapshot)


def _start(source: Observation, replica: Observation, snapshot: str | None) -> Verdict:
    if source.state is not State.SOURCE or replica.state not in _HOLDS_A_COPY:
        return refused(source, replica)
    if replica.state is State.SYNCING:  # a test that runs there all the same proves nothing
        return Verdict(guards=(GUARDS["incomplete-copy"].says_no(state_fact(replica)),))
    if replica.drill:
        return _runs_already(replica, snapshot)
    if "start_test" in replica.permits:
        return Verdict()
    if Mode.SYNCHRONOUS in (source.mode, replica.mode):
        value = "whether a synchronous replication can be tested is not documented"
        return Verdict(guards=(GUARDS["unsupported"].says_no(fact("mode", value, replica)),))
    return refused(source, replica)


def _runs_already(replica: Observation, snapshot: str | None) -> Verdict:
    """Of a running test it cannot be told which snapshot it began with."""
    if snapshot is None:
        return Verdict(unchanged=True)
    value = f"running already, and whether it began with {snapshot} cannot be told"
    guard = GUARDS["drill-running"].says_no(fact("drill", value, replica))
    return Verdict(guards=(replace(guard, override=None),))


def _stop(source: Observation, replica: Observation) -> Verdict:
    if replica.trouble is None and not (replica.drill or source.drill):
        return Verdict(unchanged=True)
    if not (replica.drill and "stop_test" in replica.permits and replica.state in _HOLDS_A_COPY):
        return refused(source, replica)
    if not is_alone(source, replica):
        return Verdict()
    note = f"{source.backend} cannot be reached: {replica.backend} ends the test by itself"
    return Verdict(notes=(note,))


def is_alone(source: Observation, replica: Observation) -> bool:
    """Whether the end that tests cannot reach the other one, so that it must be told to do without (CP §7)."""
    return source.trouble is not None or bool(lost_ways(source, replica))
