"""Plans, refusals and what they are made of: values that planner, recipes, engine and screens share.

A plan is ordered steps; each step names the side that is told, the driver's action, and the goal that must be
*observed* after it. A refusal holds the guards that say no, each with evidence and the flag that answers it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field, replace
from enum import StrEnum
from typing import Protocol

from replctl.core.hooks import HookCall
from replctl.core.model import NOTHING, Acknowledgements, Flow, Observation, Pair, Scalar, Side, State
from replctl.core.values import dataclass


class Course(StrEnum):
    """The ways to get from here to there; a driver's recipe turns one into steps."""

    SWITCH = "switch"  # planned: roles swap, nothing is lost
    TAKEOVER = "takeover"  # unplanned: one end becomes the source alone
    REPROTECT = "reprotect"  # the survivor replicates to the old source again
    ABANDON = "abandon"  # the old source takes back, the new source's writes are dropped
    PAUSE = "pause"  # copying stops on both ends, until a person resumes it
    RESUME = "resume"  # copying goes on after a pause
    SYNC = "sync"  # one copy now
    RESYNC = "resync"  # copying that stopped, for whatever reason, goes on
    DRILL_START = "drill_start"  # the replica is opened for a test, production goes on
    DRILL_STOP = "drill_stop"  # the test is over, the replica is a replica again
    CREATE = "create"  # what is not replicated yet is, and the first copy is complete
    DELETE = "delete"  # replication ends, on both sides


class Unused(StrEnum):
    """That no host has an end attached: proven, or else said by a person where it cannot be read."""

    PROVEN = "proven"
    SAID = "said"

    def is_so(self, seen: Observation) -> bool:
        """What is seen attached is never said away."""
        return seen.in_use == 0 or (self is Unused.SAID and seen.in_use is None)


@dataclass(frozen=True, slots=True)
class EndGoal:
    """What one end must be observed to be: any of the states, and of the flows and vendor words if some are named.

    Words are for recipes alone: only a driver knows what its vendor's mean. With `since` the end must hold what
    was at the source at that time or later; a point that is not known is not that new. With `drill` a failover
    test must be running there, or must not. `passing` are states that lead to one
    of `states` by themselves. What is proven not to be there has the state `NONE`. `proven`: what the backend only
    claims is not enough. `unused`: no host may have it attached. `healthy`: nothing may be known that ails it.
    """

    states: frozenset[State]
    flows: frozenset[Flow] = frozenset()
    words: frozenset[str] = frozenset()
    since: float | None = None
    drill: bool | None = None
    passing: frozenset[State] = frozenset()
    proven: bool = False
    unused: Unused | None = None
    healthy: bool = False

    def met_by(self, seen: Observation) -> bool:
        spoken = not self.words or seen.word in self.words
        tested = self.drill is None or seen.drill is self.drill
        sure = not (self.proven and seen.unproven) and (self.unused is None or self.unused.is_so(seen))
        there = seen.known_state in self.states and self.nearly_met_by(seen)
        return there and spoken and tested and sure and self._is_recent(seen)

    def can_judge(self, seen: Observation) -> bool:
        """Whether the end was read; that nothing is there is an answer where this may be the goal."""
        return seen.trouble is None or (seen.absent and State.NONE in self.states)

    def _is_recent(self, seen: Observation) -> bool:
        at = seen.point.at if seen.point is not None else None
        return self.since is None or (at is not None and at >= self.since)

    def nearly_met_by(self, seen: Observation) -> bool:
        """Met but for word, test and point, or passing: on its way there, and nothing stands against it."""
        state = seen.known_state
        well = not self.healthy or seen.healthy or state not in self.states
        return state in self.states | self.passing and well and (not self.flows or seen.flow in self.flows)


@dataclass(frozen=True, slots=True)
class Goal:
    """A postcondition over the ends that the plan names; an end without a goal may be anything."""

    local: EndGoal | None = None
    peer: EndGoal | None = None

    def of(self, side: Side) -> EndGoal | None:
        return self.local if side is Side.LOCAL else self.peer

    def met_by(self, pair: Pair) -> bool:
        return all(goal.met_by(pair.end(side)) for side, goal in self._named)

    def nearly_met_by(self, pair: Pair) -> bool:
        return all(goal.nearly_met_by(pair.end(side)) for side, goal in self._named)

    def claimed_by(self, pair: Pair) -> bool:
        """Met, were the backend's word enough; false where it is met."""
        on_word = (replace(goal, proven=False).met_by(pair.end(side)) for side, goal in self._named)
        return not self.met_by(pair) and all(on_word)

    @property
    def _named(self) -> tuple[tuple[Side, EndGoal], ...]:
        both = ((Side.LOCAL, self.local), (Side.PEER, self.peer))
        return tuple((side, goal) for side, goal in both if goal is not None)

    @property
    def sides(self) -> tuple[Side, ...]:
        return tuple(side for side, _ in self._named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change, or a wait when `action` is None.

    `begins` is what must hold right before it is sent ("the plan must still fit"); `goal` what must be seen
    after it. `moves` are the state changes that it causes. `deadline_seconds` bounds the wait, which goes on while
    the array's progress moves when the step is `patient`. An `unplanned` step is sent only by the process whose
    user acknowledged it. A `repeatable` step that reached one end only reaches the other when it is asked for again.
    A step with a `hook` runs a program and sends nothing. An `errand` makes something that stands beside the ends
    and changes no role: it is asked after by name, and removed when it was in vain. `carries` names what is added
    to the arguments right before it is sent: `operation`, its id, `counterpart`, what the other end is there, or a
    step before, for what came of that.
    """

    name: str
    side: Side
    action: str | None
    goal: Goal
    begins: Goal
    arguments: Mapping[str, Scalar] = field(default_factory=lambda: NOTHING, hash=False)
    moves: tuple[tuple[Side, State, State], ...] = ()
    deadline_seconds: float
    patient: bool = False
    unplanned: bool = False
    repeatable: bool = False
    sentence: str = ""
    hook: HookCall | None = None
    errand: bool = False
    carries: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Scene:
    """A pair with its ends named by what they shall be: `new` becomes or stays the source, `old` its replica.

    For recipes, which say more of it in their vendor's words.
    """

    side: Side
    pair: Pair

    @property
    def new(self) -> Observation:
        return self.pair.end(self.side)

    @property
    def old(self) -> Observation:
        return self.pair.end(self.side.other)

    def goal(self, *, new: EndGoal | None = None, old: EndGoal | None = None) -> Goal:
        return Goal(new, old) if self.side is Side.LOCAL else Goal(old, new)


class Recipe(Protocol):
    """A driver's pure answer to "how is this course done on you": ordered steps from the seen to the goal.

    Given the pair as seen it leaves out what is so already: an interrupted course gives its tail.
    """

    @property
    def declared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The words that the file must say of the source, and of the replica, for `create`."""
        ...

    @property
    def lacks(self) -> Mapping[Course, str]:
        """The courses that there are not on such a backend, and why."""
        ...

    @property
    def switches_to_snapshot(self) -> bool:
        """Whether a planned promotion can be told which snapshot to promote."""
        ...

    @property
    def makes_ends_apart(self) -> bool:
        """Whether each end is made, and removed, by a change of its own: one may be there without the other."""
        ...

    @property
    def deletion_promotes(self) -> bool:
        """Whether to end replication opens the replica's volume to hosts."""
        ...

    @property
    def pairing(self) -> str:
        """How an end comes by another counterpart than it has; empty where the backend's own tools tell."""
        ...

    def bars(self, course: Course, new_source: Side, pair: Pair) -> tuple[Evidence, ...]:
        """What of the pair lets the course not come to its end, however it begins: its last step is judged first."""
        ...

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One fact behind a refusal: what, its value, where it was read and how old it is."""

    fact: str
    value: str
    backend: str | None = None
    as_of: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRefusal:
    """A guard that said no. `override` is the flag to type, or None when there is none."""

    name: str
    evidence: tuple[Evidence, ...]
    override: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """The plan that was not made. `next` is the command to type, whole. `conflict` asks for exit 7, not 6."""

    guards: tuple[GuardRefusal, ...]
    next: str
    conflict: bool = False
    data_loss: DataLoss | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(guard.name for guard in self.guards)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLoss:
    """What an unplanned promotion would lose, stated before it happens (design §1, promise 3).

    `point` is epoch seconds on our clock; None seconds mean "not known".
    """

    point: float | None
    at_least_seconds: float | None
    at_most_seconds: float | None
    source: str
    read_at: float
    clock_offset_seconds: float | None = None
    accepted: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ordered steps to the wanted state. No steps: it is so already, and proven (`unchanged`)."""

    course: Course | None
    new_source: Side
    steps: tuple[Step, ...]
    goal: Goal
    from_state: State | None
    to_state: State
    acknowledged: Acknowledgements = field(default_factory=Acknowledgements)
    data_loss: DataLoss | None = None
    notes: tuple[str, ...] = ()

    @property
    def unchanged(self) -> bool:
        return not self.steps

    @property
    def unplanned(self) -> bool:
        return any(step.unplanned for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What the planner is told beside the observations: the journal's memory and the time.

    `survivor` is the backend that our journal knows as the source after an acknowledged unplanned promotion.
    `interrupted` is the course of an own operation that was begun and not finished; `own_transient` says that the
    transient now seen was caused by it. `kept_source` is the backend that it makes, or leaves, the source.
    `identities` are the ids that the names meant before.
    """

    now: float
    survivor: str | None = None
    interrupted: Course | None = None
    kept_source: str | None = None
    own_transient: bool = False
    other_operation: str | None = None
    other_began: float | None = None
    held_by: str | None = None
    held_since: float | None = None
    unverified: frozenset[str] = frozenset()
    identities: Mapping[str, str] = field(default_factory=dict)
    last_contact: Mapping[str, float] = field(default_factory=dict)


Decision = Plan | Refusal


@dataclass(frozen=True, slots=True)
class Receipt:
    """The backend took a change. `job` is its handle when the work goes on after the answer."""

    job: str | None = None


@dataclass(frozen=True, slots=True)
class Followed:
    """What became of a job: still running, or ended, perhaps with the backend's own no.

    `ran_seconds` is how long a failed one had gone on, by the backend's own clock; None when it does not say.
    """

    ended: bool
    failure: str | None = None
    vendor_code: str | None = None
    ran_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Errand:
    """What an errand has come to: under way, well done with what came of it, failed, or proven not to be `there`.

    `copied_at` is when what it copied was at the source, on our clock and rather too early; None is not known.
    """

    there: bool = True
    done: bool = False
    result: str | None = None
    failure: str | None = None
    copied_at: float | None = None


def backend_of(step: Step, pair: Pair | None) -> str:
    """Where a step acts; empty when the ends are not known."""
    return "" if pair is None else pair.end(step.side).backend
