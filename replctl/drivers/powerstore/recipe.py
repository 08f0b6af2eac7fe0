"""How each course is done on a pair of PowerStore arrays: ordered steps, from what is seen to the goal (CP §10).

Pure. Whether a course may be taken at all is the planner's; this only knows what to tell which array, what must
hold right before, and what must be observed after. What is so already is left out, and what is on its way
becomes a wait: an interrupted course planned again gives its tail.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from replctl.core.model import Flow, Observation, Pair, Scalar, Side, State
from replctl.core.plans import Course, EndGoal, Goal, Step

UNPLANNED_SECONDS = 5 * 60.0
PATIENT_SECONDS = 30 * 60.0  # planned failover and reprotect copy data; they go on while progress moves

_ANYTHING = Goal()
_IN_ORDER = "OK"
_TAKING_OVER = "Failing_Over_For_DR"  # the role may flip while this goes on


def _end(*states: State, flows: frozenset[Flow] = frozenset(), words: tuple[str, ...] = ()) -> EndGoal:
    return EndGoal(frozenset(states), flows, frozenset(words))


_RUNNING = frozenset({Flow.RUNNING})
_SEVERED = frozenset({Flow.SEVERED})
_SWAPPED = _SEVERED | _RUNNING  # after a failover; running when the array, or someone, reprotected already
_NOT_SEVERED = frozenset(Flow) - _SEVERED


@dataclass(frozen=True, slots=True)
class _Scene:
    """The pair with its ends named by what they shall be: `new` becomes or stays the source, `old` its replica."""

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

    @property
    def done(self) -> Goal:
        """Where every planned course ends: the roles are right and both read OK, so the first copy has arrived."""
        return self.goal(
            new=_end(State.SOURCE, flows=_RUNNING, words=(_IN_ORDER,)),
            old=_end(State.REPLICA, flows=_RUNNING, words=(_IN_ORDER,)),
        )


class PowerStoreRecipe:
    """Fits `core.plans.Recipe`. `arguments` of a takeover: `use_test_copy` (bool), `snapshot` (an id, or None)."""

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]:
        """The steps of `course` that are still to be made so that `new_source` is the source."""
        scene = _Scene(new_source, pair)
        match course:
            case Course.SWITCH:
                return _switch(scene)
            case Course.TAKEOVER:
                return _takeover(scene, arguments)
            case Course.REPROTECT:
                return _reprotect(scene)
            case Course.ABANDON:
                return _abandon(scene)


def _switch(scene: _Scene) -> tuple[Step, ...]:
    swapped = scene.new.state is State.SOURCE and scene.old.state in (State.REPLICA, State.SYNCING)
    if swapped:
        return _copy_back(scene)
    return (_hand_over(scene), _send_reprotect(scene))


def _hand_over(scene: _Scene) -> Step:
    """The planned failover, told to the source, which makes the final copy itself (CP §7: the source's action)."""
    old, new = scene.old, scene.new
    goal = scene.goal(new=_end(State.SOURCE, flows=_SWAPPED), old=_end(State.REPLICA, flows=_SWAPPED))
    under_way = State.DEMOTING in (old.state, new.state) or State.PROMOTING in (old.state, new.state)
    if under_way:
        return _wait(scene, "failover", goal, f"{old.backend} is handing over to {new.backend}")
    return Step(
        name="failover",
        side=scene.side.other,
        action="failover",
        arguments={"is_planned": True, "reverse": False},
        begins=scene.goal(old=_end(State.SOURCE, flows=_RUNNING), new=_end(State.REPLICA)),
        goal=goal,
        moves=(
            (scene.side.other, State.SOURCE, State.DEMOTING),
            (scene.side, State.REPLICA, State.PROMOTING),
        ),
        deadline_seconds=PATIENT_SECONDS,
        patient=True,
        sentence=f"{old.backend} hands over to {new.backend}: final copy, then the roles swap",
    )


def _takeover(scene: _Scene, arguments: Mapping[str, Scalar]) -> tuple[Step, ...]:
    if scene.new.state is State.SOURCE and scene.new.word != _TAKING_OVER:
        return ()
    step = _take(
        scene,
        told=_told(arguments),
        sentence=f"{scene.new.backend} takes over alone, at its last consistent point",
    )
    return (step,)


def _told(arguments: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The optional arguments as the array names them; what is not given is not sent."""
    told: dict[str, Scalar] = {}
    if arguments.get("use_test_copy"):
        told["use_test_copy"] = True
    if arguments.get("snapshot"):
        told["failover_snapshot_id"] = arguments["snapshot"]
    return told


def _take(scene: _Scene, *, told: Mapping[str, Scalar], sentence: str) -> Step:
    """The unplanned failover, told to the end that takes over. `force` repeats one on an end that failed over."""
    new = scene.new
    goal = scene.goal(new=_end(State.SOURCE, flows=_SWAPPED))
    if new.word == _TAKING_OVER:
        return _wait(scene, "failover", goal, f"{new.backend} is taking over", seconds=UNPLANNED_SECONDS)
    severed = new.flow is Flow.SEVERED
    state = new.state if new.state is not None else State.REPLICA
    return Step(
        name="failover",
        side=scene.side,
        action="failover",
        arguments={"is_planned": False, "force": severed, **told},
        begins=scene.goal(new=_end(state, flows=_SEVERED if severed else _NOT_SEVERED)),
        goal=goal,
        moves=_moves_to_promoting(scene.side, state),
        deadline_seconds=UNPLANNED_SECONDS,
        unplanned=True,
        sentence=sentence,
    )


def _moves_to_promoting(side: Side, state: State) -> tuple[tuple[Side, State, State], ...]:
    """How the takeover is recorded: from `failed` by way of `replica` (design §4), nothing when under way."""
    replica = (side, State.REPLICA, State.PROMOTING)
    if state is State.FAILED:
        return ((side, State.FAILED, State.REPLICA), replica)
    return (replica,) if state is State.REPLICA else ()


def _abandon(scene: _Scene) -> tuple[Step, ...]:
    """The old source takes back what it lost, as CP §10 "Abandon failover": forced on it, then reprotect."""
    if scene.new.state is State.SOURCE and scene.new.word != _TAKING_OVER:
        return _reprotect(scene)
    sentence = f"{scene.new.backend} takes back; what {scene.old.backend} took since is dropped"
    taking = _take(scene, told={}, sentence=sentence)
    return (taking, _step_down(scene), _send_reprotect(scene, stepped_down=True))


def _reprotect(scene: _Scene) -> tuple[Step, ...]:
    if scene.old.state in (State.REPLICA, State.SYNCING):
        return _copy_back(scene, stepped_down=True)
    return (_step_down(scene), _send_reprotect(scene, stepped_down=True))


def _step_down(scene: _Scene) -> Step:
    """The array flips the end that lost once it hears of the failover (CP §8); nobody can tell it to."""
    goal = scene.goal(new=_end(State.SOURCE), old=_end(State.REPLICA))
    return _wait(scene, "step_down", goal, f"waiting until {scene.old.backend} has stepped down")


def _copy_back(scene: _Scene, *, stepped_down: bool = False) -> tuple[Step, ...]:
    """What is left once the roles are right: nothing, the end of a reprotect, or the reprotect itself."""
    if scene.done.met_by(scene.pair):
        return ()
    if scene.new.flow is Flow.SEVERED:
        return (_send_reprotect(scene, stepped_down=stepped_down),)
    return (
        _wait(
            scene, "reprotect", scene.done, f"{scene.new.backend} is replicating to {scene.old.backend} again"
        ),
    )


def _send_reprotect(scene: _Scene, *, stepped_down: bool = False) -> Step:
    """Told to the new source. After a takeover the other end need only have stepped down: how it reads then, apart
    from its role, is not established (CP §17), and the array itself refuses what is too early."""
    old = _end(State.REPLICA) if stepped_down else _end(State.REPLICA, flows=_SEVERED)
    return Step(
        name="reprotect",
        side=scene.side,
        action="reprotect",
        begins=scene.goal(new=_end(State.SOURCE, flows=_SEVERED), old=old),
        goal=scene.done,
        moves=((scene.side.other, State.REPLICA, State.SYNCING),),
        deadline_seconds=PATIENT_SECONDS,
        patient=True,
        sentence=f"{scene.new.backend} replicates to {scene.old.backend} again",
    )


def _wait(scene: _Scene, name: str, goal: Goal, sentence: str, *, seconds: float = PATIENT_SECONDS) -> Step:
    return Step(
        name=name,
        side=scene.side,
        action=None,
        goal=goal,
        begins=_ANYTHING,
        deadline_seconds=seconds,
        patient=seconds == PATIENT_SECONDS,
        sentence=sentence,
    )
