"""How each course is done on a pair of PowerStore arrays: ordered steps, from what is seen to the goal (CP §10).

Pure. Whether a course may be taken at all is the planner's; this only knows what to tell which array, what must
hold right before, and what must be observed after. What is so already is left out, and what is on its way
becomes a wait: an interrupted course planned again gives its tail.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replctl.core.model import Flow, Pair, Scalar, Side, State
from replctl.core.plans import Course, EndGoal, Evidence, Goal, Scene, Step

UNPLANNED_SECONDS = 5 * 60.0
PATIENT_SECONDS = 30 * 60.0  # what copies data: it goes on while progress moves
PAUSE_SECONDS = 2 * 60.0  # pause and resume
TEST_SECONDS = 5 * 60.0  # a failover test begins or ends
DELETE_SECONDS = 10 * 60.0  # until a session whose policy was removed is gone from both arrays
CLOCK_SECONDS = 1.0  # what a point may be told too early by, because clocks are read over a network
NEWER_SECONDS = 0.25  # readings of one point differ by less

_ANYTHING = Goal()
_LACKS_NOTHING: Mapping[Course, str] = MappingProxyType({})
_IN_ORDER = "OK"
_PAUSED_BY_A_PERSON = "Paused"
_STOPPED = "System_Paused"  # by the array, after an error; a sync sets it going
_TAKING_OVER = "Failing_Over_For_DR"  # the role may flip while this goes on


def _end(*states: State, flows: frozenset[Flow] = frozenset(), words: tuple[str, ...] = ()) -> EndGoal:
    return EndGoal(frozenset(states), flows, frozenset(words))


_RUNNING = frozenset({Flow.RUNNING})
_SEVERED = frozenset({Flow.SEVERED})
_SWAPPED = _SEVERED | _RUNNING  # after a failover; running when the array, or someone, reprotected already
_NOT_SEVERED = frozenset(Flow) - _SEVERED
_PAUSED = frozenset({Flow.PAUSED})
_SUSPENDED = frozenset({Flow.SUSPENDED})
_COPYING = frozenset({State.SYNCING})
_POLICY = "policy"  # the protection policy, by name, as the file declares it at the source
_MOVING = _RUNNING | _SUSPENDED


@dataclass(frozen=True, slots=True)
class _Scene(Scene):
    """The pair, and where it shall end."""

    @property
    def done(self) -> Goal:
        """Where every planned course ends: the roles are right and both read OK, so the first copy has arrived."""
        return self.goal(
            new=_end(State.SOURCE, flows=_RUNNING, words=(_IN_ORDER,)),
            old=_end(State.REPLICA, flows=_RUNNING, words=(_IN_ORDER,)),
        )


class PowerStoreRecipe:
    """Fits `core.plans.Recipe`.

    `arguments` of a takeover: `use_test_copy` (bool), `snapshot` (an id, or None); of a sync: `since`, when it was
    asked for; of a sync and a pause: `sent`, whether it may have been sent before; of a test: `snapshot`, and at its
    end `keep` and `alone`; of a creation `source_policy`. For courses that leave the roles alone `new_source` is
    the source as it is.
    """

    @property
    def declared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """See `core.plans.Recipe`: the policy of the source; the array makes the replica by itself (CP §11)."""
        return (_POLICY,), ()

    @property
    def lacks(self) -> Mapping[Course, str]:
        """Nothing: what some sessions cannot do, their observations say."""
        return _LACKS_NOTHING

    @property
    def switches_to_snapshot(self) -> bool:
        """`failover_snapshot_id` is for the unplanned failover (CP §7)."""
        return False

    @property
    def makes_ends_apart(self) -> bool:
        """The arrays make and remove both ends of a session together (CP §11)."""
        return False

    @property
    def deletion_promotes(self) -> bool:
        """The copy may stay closed to hosts."""
        return False

    @property
    def pairing(self) -> str:
        """Sessions are made by policies, of which the array tells."""
        return ""

    def bars(self, course: Course, new_source: Side, pair: Pair) -> tuple[Evidence, ...]:
        """The array itself makes both ends ready."""
        return ()

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]:
        """The steps of `course` that are still to be made so that `new_source` is the source."""
        return _COURSES[course](_Scene(new_source, pair), arguments)


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


# -- the roles stay as they are: `new` is the source, `old` its replica ---------------------------------------


def _both(scene: _Scene, flows: frozenset[Flow], *words: str, since: float | None = None) -> Goal:
    """Both ends in their roles with these flows and words; a copy that is not complete is a replica's too."""
    copy = EndGoal(frozenset({State.REPLICA, State.SYNCING}), flows, frozenset(words), since)
    return scene.goal(new=_end(State.SOURCE, flows=flows, words=words), old=copy)


def _pause(scene: _Scene, *, sent: bool) -> tuple[Step, ...]:
    """Told to the source. Where a pause reached one end only, that end is told again, which reaches both (CP §7.1).

    One that was `sent` and is seen on one end has just done that: it is told as such, not sent again.
    """
    goal = _both(scene, _PAUSED, _PAUSED_BY_A_PERSON)
    if goal.met_by(scene.pair):
        return ()
    paused = [side for side in Side if scene.pair.end(side).word == _PAUSED_BY_A_PERSON]
    again = len(paused) == 1 and not sent
    side = paused[0] if again else scene.side
    begins = _both(scene, _MOVING)
    sentence = f"{scene.new.backend} and {scene.old.backend} stop copying"
    if again:
        here, there = scene.pair.end(side), scene.pair.end(side.other)
        ends = {side: _end(State.SOURCE, State.REPLICA, State.SYNCING, flows=_PAUSED)}
        ends[side.other] = _end(State.SOURCE, State.REPLICA, State.SYNCING, flows=_MOVING)
        begins = Goal(ends[Side.LOCAL], ends[Side.PEER])
        sentence = f"the pause of {here.backend} reaches {there.backend} too"
    return (_told_to_copy(scene, "pause", "pause", begins, goal, sentence, side=side, repeatable=True),)


def _resume(scene: _Scene) -> tuple[Step, ...]:
    goal = _both(scene, _RUNNING, _IN_ORDER)
    if goal.met_by(scene.pair):
        return ()
    begins = _both(scene, _PAUSED, _PAUSED_BY_A_PERSON)
    sentence = f"{scene.new.backend} copies to {scene.old.backend} again"
    return (_told_to_copy(scene, "resume", "resume", begins, goal, sentence),)


def _sync(scene: _Scene, arguments: Mapping[str, Scalar]) -> tuple[Step, ...]:
    """One cycle that begins after it was asked for: one that is running already is waited for first.

    Ends that were in order and that the array has stopped since are not as before: the copy has failed.
    """
    sent = bool(arguments.get("sent"))
    goal = _both(scene, _RUNNING, _IN_ORDER, since=_newer(scene, arguments))
    if sent and goal.met_by(scene.pair):
        return ()
    idle = _both(scene, _MOVING, _IN_ORDER, _STOPPED)
    in_order = _both(scene, _RUNNING, _IN_ORDER)
    begins = in_order if sent or in_order.met_by(scene.pair) else idle
    sentence = f"{scene.new.backend} copies to {scene.old.backend} what was written until now"
    copy = _told_to_copy(scene, "sync", "sync", begins, goal, sentence, seconds=PATIENT_SECONDS)
    if idle.met_by(scene.pair):
        return (copy,)
    return (_wait(scene, "cycle", idle, "waiting for the copy that is under way"), copy)


def _newer(scene: _Scene, arguments: Mapping[str, Scalar]) -> float:
    """How new the replica's point must be: of this command, and not the one that was seen before it was sent."""
    asked = float(arguments.get("since") or 0.0) - CLOCK_SECONDS
    seen = scene.old.point.at if scene.old.point is not None else None
    if arguments.get("sent") or seen is None:
        return asked
    return max(asked, seen + NEWER_SECONDS)


def _resync(scene: _Scene) -> tuple[Step, ...]:
    """`resume` after a pause, `sync` after an error; one name for both, so that its tail is found again."""
    goal = _both(scene, _RUNNING, _IN_ORDER)
    if goal.met_by(scene.pair):
        return ()
    flows = {scene.new.flow, scene.old.flow}
    sentence = f"{scene.new.backend} copies to {scene.old.backend} again"
    if flows == _PAUSED:
        action, begins = "resume", _both(scene, _PAUSED, _PAUSED_BY_A_PERSON)
    elif flows <= _MOVING and Flow.SUSPENDED in flows:
        action, begins = "sync", _both(scene, _MOVING, _IN_ORDER, _STOPPED)
    else:
        return (_wait(scene, "resync", goal, sentence),)
    moves = ((scene.side.other, State.REPLICA, State.SYNCING),)
    return (
        _told_to_copy(scene, "resync", action, begins, goal, sentence, seconds=PATIENT_SECONDS, moves=moves),
    )


def _told_to_copy(
    scene: _Scene,
    name: str,
    action: str,
    begins: Goal,
    goal: Goal,
    sentence: str,
    *,
    seconds: float = PAUSE_SECONDS,
    side: Side | None = None,
    moves: tuple[tuple[Side, State, State], ...] = (),
    repeatable: bool = False,
) -> Step:
    return Step(
        name=name,
        side=scene.side if side is None else side,
        action=action,
        begins=begins,
        goal=goal,
        moves=moves,
        deadline_seconds=seconds,
        patient=seconds == PATIENT_SECONDS,
        repeatable=repeatable,
        sentence=sentence,
    )


# -- failover tests: told to the destination, production goes on ----------------------------------------------


def _tested(scene: _Scene, *, running: bool) -> Goal:
    """The test at the replica; the source stays the source, as far as it can be read."""
    states = frozenset({State.REPLICA, State.SYNCING})
    source = _end(State.SOURCE) if scene.new.trouble is None else None
    return scene.goal(new=source, old=EndGoal(states, drill=running))


def _start_test(scene: _Scene, arguments: Mapping[str, Scalar]) -> tuple[Step, ...]:
    goal = _tested(scene, running=True)
    if goal.met_by(scene.pair):
        return ()
    snapshot = arguments.get("snapshot")
    data = f"snapshot {snapshot}" if snapshot else "its last copy"
    step = Step(
        name="start_test",
        side=scene.side.other,
        action="start_test",
        arguments={"snapshot_id": snapshot} if snapshot else {},
        begins=_tested(scene, running=False),
        goal=goal,
        deadline_seconds=TEST_SECONDS,
        sentence=f"{scene.old.backend} opens {data} to hosts for a test; {scene.new.backend} stays the source",
    )
    return (step,)


def _stop_test(scene: _Scene, arguments: Mapping[str, Scalar]) -> tuple[Step, ...]:
    goal = _tested(scene, running=False)
    if goal.met_by(scene.pair):
        return ()
    kept = bool(arguments.get("keep"))
    fate = "is kept as a snapshot" if kept else "is dropped"
    step = Step(
        name="stop_test",
        side=scene.side.other,
        action="stop_test",
        arguments={"create_end_of_test_snapshot": kept, "force": bool(arguments.get("alone"))},
        begins=_tested(scene, running=True),
        goal=goal,
        deadline_seconds=TEST_SECONDS,
        sentence=f"{scene.old.backend} ends the test: what was written to it {fate}",
    )
    return (step,)


# -- making and ending replication: a protection policy is assigned, or removed (CP §6, §11) ------------------


def _create(scene: _Scene, arguments: Mapping[str, Scalar]) -> tuple[Step, ...]:
    copied = EndGoal(frozenset({State.REPLICA}), _RUNNING, frozenset({_IN_ORDER}), passing=_COPYING)
    goal = scene.goal(new=_end(State.SOURCE, flows=_RUNNING, words=(_IN_ORDER,)), old=copied)
    if goal.met_by(scene.pair):
        return ()
    nothing = _end(State.NONE)
    here, there = scene.new.backend, scene.old.backend
    if not nothing.met_by(scene.new):
        return (_wait(scene, "create", goal, f"{here} makes its first copy to {there}"),)
    policy = arguments.get("source_policy")
    step = Step(
        name="create",
        side=scene.side,
        action="create",
        arguments={_POLICY: policy},
        begins=scene.goal(new=nothing, old=nothing),
        goal=goal,
        moves=((scene.side, State.NONE, State.SOURCE), (scene.side.other, State.NONE, State.REPLICA)),
        deadline_seconds=PATIENT_SECONDS,
        patient=True,
        sentence=f"{here} gets the protection policy {policy} and makes its first copy to {there}",
    )
    return (step,)


def _delete(scene: _Scene) -> tuple[Step, ...]:
    nothing = _end(State.NONE)
    goal = scene.goal(new=nothing, old=nothing)
    if goal.met_by(scene.pair):
        return ()
    here, there = scene.new.backend, scene.old.backend
    if scene.new.state is not State.SOURCE:
        sentence = f"{here} and {there} remove the session"
        return (_wait(scene, "delete", goal, sentence, seconds=DELETE_SECONDS),)
    step = Step(
        name="delete",
        side=scene.side,
        action="delete",
        begins=scene.goal(new=_end(State.SOURCE), old=_end(State.REPLICA, State.SYNCING, State.NONE)),
        goal=goal,
        deadline_seconds=DELETE_SECONDS,
        sentence=f"{here} loses its protection policy: copying to {there} ends, and so do the policy's snapshots;"
        f" the copy stays on {there}, and may stay closed to hosts",
    )
    return (step,)


# -- shared by all ------------------------------------------------------------------------------------------


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


_COURSES: Mapping[Course, Callable[[_Scene, Mapping[str, Scalar]], tuple[Step, ...]]] = {
    Course.SWITCH: lambda scene, _: _switch(scene),
    Course.TAKEOVER: _takeover,
    Course.REPROTECT: lambda scene, _: _reprotect(scene),
    Course.ABANDON: lambda scene, _: _abandon(scene),
    Course.PAUSE: lambda scene, arguments: _pause(scene, sent=bool(arguments.get("sent"))),
    Course.RESUME: lambda scene, _: _resume(scene),
    Course.SYNC: _sync,
    Course.RESYNC: lambda scene, _: _resync(scene),
    Course.DRILL_START: _start_test,
    Course.DRILL_STOP: _stop_test,
    Course.CREATE: _create,
    Course.DELETE: lambda scene, _: _delete(scene),
}
