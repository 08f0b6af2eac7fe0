"""How each course is done on a pair of mirror relationships: ordered steps, from what is seen to the goal (CT §8).

Pure. Trident cannot swap roles in one go: the new source is promoted before the old one may be re-established, and
in between both can be written to. So each step of a planned change wants the old source proven unused, and the last
one wants the promotion proven besides (design §1, promise 1). The last copy is made by us: a snapshot of the old
source, a transfer up to it, and a promotion *at* it, which fails where it has not arrived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from replctl.core.evidence import fact
from replctl.core.model import Mode, Observation, Pair, Scalar, Side, State
from replctl.core.plans import Course, EndGoal, Evidence, Goal, Scene, Step, Unused
from replctl.drivers.trident.words import NO_WORD

SNAPSHOT, COPY, PROMOTE, REESTABLISH, RESET = "snapshot", "copy", "promote", "reestablish", "reset"
CREATE_SOURCE, CREATE_MIRROR, CREATE_CLAIM = "create_source", "create_mirror", "create_claim"
NUDGE, OPEN, DELETE = "nudge", "open_replica", "delete"
OPERATION, COUNTERPART = "operation", "counterpart"
SNAPSHOT_SECONDS = 5 * 60.0
UNPLANNED_SECONDS = 5 * 60.0
_TAKEN_UP = "Trident takes up what was made"
MAKING_SECONDS = 10 * 60.0  # until what was made is taken up, or what was deleted is gone
PATIENT_SECONDS = 30 * 60.0  # what copies data, and what waits in the queue of Trident's one worker (CT §3)

_NO_PAUSE = "Trident cannot pause a mirror: it is copied by ONTAP's schedule, or not at all"
_NO_DRILL = "Trident cannot open a replica for a test: promoting it ends the mirror"
_LACKS: Mapping[Course, str] = MappingProxyType(
    {
        Course.PAUSE: _NO_PAUSE,
        Course.RESUME: _NO_PAUSE,
        Course.DRILL_START: _NO_DRILL,
        Course.DRILL_STOP: _NO_DRILL,
    }
)
_RE_ESTABLISHES = frozenset({Course.SWITCH, Course.REPROTECT, Course.RESYNC})
_GAVE_UP = frozenset({"failed", "invalid"})  # Trident does not try again before the spec changes
_SOURCE = EndGoal(frozenset({State.SOURCE}))
_PROVEN = EndGoal(frozenset({State.SOURCE}), proven=True)
_REPLICA = EndGoal(
    frozenset({State.REPLICA}), passing=frozenset({State.SYNCING, State.DEMOTING}), healthy=True, proven=True
)
_TOLD_ANEW = frozenset({State.FAILED, State.REPLICA})
_QUIET_REPLICA = EndGoal(frozenset({State.REPLICA}))
_NOTHING = EndGoal(frozenset({State.NONE}))
_WAITING = EndGoal(frozenset({State.NONE}), words=frozenset({NO_WORD}))  # for its claim
_UNASKED = EndGoal(frozenset({State.SYNCING}), words=frozenset({NO_WORD}))
_FILLING = EndGoal(frozenset({State.SYNCING, State.REPLICA}))


@dataclass(frozen=True, slots=True)
class _Scene(Scene):
    """The pair, and what the recipe was told."""

    told: Mapping[str, Scalar]

    def declared(self, end: str, *names: str) -> Mapping[str, Scalar]:
        """What the file says of the end that `create` makes the source, or the replica."""
        return {name: self.told.get(f"{end}_{name}") for name in names}

    @property
    def unused_source(self) -> EndGoal:
        """The old source, that nobody uses: proven, or said where it cannot be read."""
        unused = Unused.SAID if self.told.get("quiesced") else Unused.PROVEN
        return EndGoal(frozenset({State.SOURCE}), unused=unused)

    @property
    def done(self) -> Goal:
        return self.goal(new=_PROVEN, old=_REPLICA)


class TridentRecipe:
    """Fits `core.plans.Recipe`.

    `arguments`: `snapshot`, the handle to promote at, or None; `quiesced`, whether a person says that nobody uses the
    old source where that cannot be read.
    """

    @property
    def declared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What the claim of the replica, and the way to it, cannot be made without (CT §7, §8.2)."""
        return (), ("replication_policy", "storage_class", "size")

    @property
    def lacks(self) -> Mapping[Course, str]:
        return _LACKS

    @property
    def switches_to_snapshot(self) -> bool:
        """A handle stands for the snapshot and the copy that would be made (design §4)."""
        return True

    @property
    def makes_ends_apart(self) -> bool:
        """Each relationship is an object of its own cluster."""
        return True

    @property
    def deletion_promotes(self) -> bool:
        """Before a replica's relationship goes Trident breaks the mirror (CT §4.7)."""
        return True

    @property
    def pairing(self) -> str:
        """What was recorded once stays (CT §2.4)."""
        return "a mirror relationship keeps its counterpart for good: delete this one and make it anew"

    def bars(self, course: Course, new_source: Side, pair: Pair) -> tuple[Evidence, ...]:
        """The way back must be known: Trident replaces a policy that it does not take without a word (CT §7)."""
        scene = _Scene(new_source, pair, {})
        if course is Course.CREATE:
            return tuple(_unmakeable(scene))
        if course not in _RE_ESTABLISHES:
            return ()
        first = _out_of_step(scene) if course is Course.SWITCH else _unproven_survivor(scene)
        return (*first, *_unknown_policy(scene))

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]:
        """The steps of `course` that are still to be made so that `new_source` is the source."""
        made = _COURSES.get(course)
        return made(_Scene(new_source, pair, arguments)) if made is not None else ()


def _unknown_policy(scene: _Scene) -> tuple[Evidence, ...]:
    named = next((end for end in (scene.old, scene.new) if end.vendor.get("replication_policy")), None)
    if named is None:
        value = "neither end names a policy, and what ONTAP takes then keeps no schedule: name one"
        return (fact("replication policy", value, scene.old),)
    if named.mode is None:
        policy = named.vendor["replication_policy"]
        value = f"whether {policy} mirrors synchronously is not known: say it under backends.{named.backend}.policies"
        return (fact("replication policy", value, named),)
    return ()


def _out_of_step(scene: _Scene) -> tuple[Evidence, ...]:
    """A synchronous mirror gets no last copy: where it is known not to be in step, writes would be lost."""
    if scene.new.mode is not Mode.SYNCHRONOUS or scene.new.healthy:
        return ()
    return (fact("not in step", scene.new.sentence, scene.new),)


def _unproven_survivor(scene: _Scene) -> tuple[Evidence, ...]:
    """What it holds would replace what the other end has (CT §13: the peer verified promoted)."""
    if not scene.new.unproven:
        return ()
    return (fact("promotion not proven", scene.new.doubt or scene.new.sentence, scene.new),)


def _unmakeable(scene: _Scene) -> Iterator[Evidence]:
    """A replica is made of a volume that is not there yet; its claim takes after the source's. One that is there
    already counts as made only if it would have when it was: as it was asked for (CT §7).
    """
    if scene.old.state is State.REPLICA and not scene.old.healthy:
        yield fact("the replica", scene.old.sentence, scene.old)
    if scene.old.state is State.NONE and scene.old.readable and scene.old.word != NO_WORD:
        value = "is there already: a replica is made empty; delete it, or name another one"
        yield fact("the replica's claim", value, scene.old)
    if scene.old.known_state is State.NONE and not scene.new.vendor.get("access_modes"):
        yield fact("the source's claim", "does not say how pods are given its volume", scene.new)


# -- planned ----------------------------------------------------------------------------------------------------


def _switch(scene: _Scene) -> tuple[Step, ...]:
    last = _re_establishing(scene)
    if _is_being_promoted(scene.new):
        return (_promoting(scene), last)
    if scene.new.state is State.SOURCE:
        return _re_establish(scene)
    handle = scene.told.get("snapshot")
    if handle or scene.new.mode is Mode.SYNCHRONOUS:  # everything is there, or is known to be
        return (_promote(scene, handle), last)
    return (_snapshot(scene), _copy(scene, scene.unused_source), _promote(scene, None), last)


def _is_being_promoted(new: Observation) -> bool:
    """On its way, or said to be there, which is not enough."""
    return new.state is State.PROMOTING or (new.state is State.SOURCE and new.unproven)


def _snapshot(scene: _Scene) -> Step:
    return Step(
        name=SNAPSHOT,
        side=scene.side.other,
        action=SNAPSHOT,
        begins=scene.goal(new=_QUIET_REPLICA, old=scene.unused_source),
        goal=Goal(),
        deadline_seconds=SNAPSHOT_SECONDS,
        errand=True,
        carries=frozenset({OPERATION}),
        sentence=f"a snapshot of what is on {scene.old.backend}, that nobody uses any more",
    )


def _copy(scene: _Scene, source: EndGoal, *, last: bool = True) -> Step:
    what = "that snapshot" if last else "what was written until now"
    return Step(
        name=COPY,
        side=scene.side if last else scene.side.other,
        action=COPY,
        begins=scene.goal(new=_QUIET_REPLICA if last else source, old=source if last else _QUIET_REPLICA),
        goal=Goal(),
        deadline_seconds=PATIENT_SECONDS,
        errand=True,
        carries=frozenset({OPERATION, SNAPSHOT} if last else {OPERATION}),
        sentence=f"{scene.new.backend if last else scene.old.backend} fetches {what}",
    )


def _promote(scene: _Scene, handle: Scalar) -> Step:
    made = not handle and scene.new.mode is not Mode.SYNCHRONOUS
    return Step(
        name=PROMOTE,
        side=scene.side,
        action=PROMOTE,
        arguments={"snapshot": handle} if handle else {},
        begins=scene.goal(new=_QUIET_REPLICA, old=scene.unused_source),
        goal=scene.goal(new=_PROVEN),
        moves=((scene.side, State.REPLICA, State.PROMOTING),),
        deadline_seconds=PATIENT_SECONDS,
        carries=frozenset({OPERATION, SNAPSHOT} if made else {OPERATION}),
        sentence=f"{scene.new.backend} is promoted" + (" at that snapshot" if made else ""),
    )


def _promoting(scene: _Scene, *, seconds: float = PATIENT_SECONDS) -> Step:
    return _wait(
        scene, PROMOTE, scene.goal(new=_PROVEN), f"{scene.new.backend} is being promoted", seconds=seconds
    )


def _re_establish(scene: _Scene) -> tuple[Step, ...]:
    """What is left once the new source is promoted."""
    if scene.done.met_by(scene.pair):
        return ()
    if scene.old.state is State.SOURCE and not scene.old.changing:
        return (_re_establishing(scene),)
    sentence = f"{scene.old.backend} becomes the replica of {scene.new.backend}"
    return (_wait(scene, REESTABLISH, scene.done, sentence),)


def _re_establishing(scene: _Scene, *, unplanned: bool = False) -> Step:
    """Told to the old source, which drops what it alone holds. It names the new one as its counterpart then."""
    new = scene.new
    way = {"policy": new.vendor.get("replication_policy"), "schedule": new.vendor.get("replication_schedule")}
    return Step(
        name=REESTABLISH,
        side=scene.side.other,
        action=REESTABLISH,
        arguments={"remote": new.resource, **{name: value for name, value in way.items() if value}},
        begins=scene.goal(new=_PROVEN, old=scene.unused_source),
        goal=scene.done,
        moves=((scene.side.other, State.SOURCE, State.DEMOTING),),
        deadline_seconds=PATIENT_SECONDS,
        unplanned=unplanned,
        sentence=f"{scene.old.backend} becomes the replica of {new.backend}",
    )


# -- unplanned, and after it ------------------------------------------------------------------------------------


def _takeover(scene: _Scene) -> tuple[Step, ...]:
    new = scene.new
    if _is_being_promoted(new):
        return (_promoting(scene, seconds=UNPLANNED_SECONDS),)
    if new.state is State.SOURCE:
        return ()
    handle = scene.told.get("snapshot")
    state = new.state if new.state is not None else State.REPLICA
    replica = (scene.side, State.REPLICA, State.PROMOTING)
    from_failed = ((scene.side, State.FAILED, State.REPLICA), replica)
    step = Step(
        name=PROMOTE,
        side=scene.side,
        action=PROMOTE,
        arguments={"snapshot": handle} if handle else {},
        begins=scene.goal(new=EndGoal(frozenset({state}))),
        goal=scene.goal(new=_PROVEN),
        moves=from_failed if state is State.FAILED else (replica,),
        deadline_seconds=UNPLANNED_SECONDS,
        unplanned=True,
        carries=frozenset({OPERATION}),
        sentence=f"{new.backend} takes over alone, at its last consistent point",
    )
    return (step,)


def _reprotect(scene: _Scene) -> tuple[Step, ...]:
    if scene.old.state is State.SOURCE and not scene.old.changing:
        return (_re_establishing(scene, unplanned=True),)
    return _re_establish(scene)


# -- the roles stay as they are: `new` is the source, `old` its replica -----------------------------------------


def _sync(scene: _Scene) -> tuple[Step, ...]:
    return (_copy(scene, _SOURCE, last=False),)


def _resync(scene: _Scene) -> tuple[Step, ...]:
    """Out of a failure there is no way but another wish: first none at all, then the right one (CT §13)."""
    old = scene.old
    if old.state is State.REPLICA and old.vendor.get("spec_state"):
        return ()
    if old.state not in (State.FAILED, State.REPLICA):
        return _re_establish(scene)
    begins = scene.goal(new=_PROVEN, old=replace(scene.unused_source, states=_TOLD_ANEW))
    anew = scene.goal(new=_PROVEN, old=replace(_REPLICA, words=frozenset({"reestablished"})))
    last = _re_establishing(scene, unplanned=True)
    last = replace(last, begins=begins, goal=anew, moves=_to_syncing(scene))
    if old.word not in _GAVE_UP:
        return (last,)
    let_go = EndGoal(_TOLD_ANEW, words=frozenset({"established", "reestablished", "none"}))
    first = Step(
        name=RESET,
        side=scene.side.other,
        action=RESET,
        begins=begins,
        goal=scene.goal(new=_SOURCE, old=let_go),
        deadline_seconds=PATIENT_SECONDS,
        unplanned=True,
        sentence=f"{old.backend} lets go of what failed",
    )
    return (first, last)


def _to_syncing(scene: _Scene) -> tuple[tuple[Side, State, State], ...]:
    return ((scene.side.other, State.FAILED, State.SYNCING),) if scene.old.state is State.FAILED else ()


# -- making and removing: each end by itself, the source first, and last (CT §8.2, §9.1) -------------------------


def _create(scene: _Scene) -> tuple[Step, ...]:
    """What is made already and not taken up yet, which has no state, is waited for."""
    steps: list[Step] = []
    source, replica = scene.new.known_state, scene.old.known_state
    if source is State.NONE:
        steps.append(_making_source(scene))
    elif source is None:
        steps.append(_wait(scene, CREATE_SOURCE, scene.goal(new=_SOURCE), _TAKEN_UP, seconds=MAKING_SECONDS))
    if replica is State.NONE and scene.old.word != NO_WORD:
        steps.append(_making_mirror(scene))
    if replica is State.NONE:
        steps.append(_making_claim(scene))
    elif replica is None:
        steps.append(_wait(scene, CREATE_CLAIM, scene.goal(old=_FILLING), _TAKEN_UP, seconds=MAKING_SECONDS))
    if replica is State.SYNCING and not _UNASKED.met_by(scene.old):
        steps.append(_wait(scene, NUDGE, _copied(scene), "the first copy is on its way"))
    elif replica is not State.REPLICA:
        steps.append(_establishing(scene))
    return tuple(steps)


def _copied(scene: _Scene) -> Goal:
    return scene.goal(new=_SOURCE, old=_REPLICA)


def _making_source(scene: _Scene) -> Step:
    return Step(
        name=CREATE_SOURCE,
        side=scene.side,
        action=CREATE_SOURCE,
        arguments=scene.declared("source", "replication_policy", "schedule"),
        begins=scene.goal(new=_NOTHING, old=_NOTHING),
        goal=scene.goal(new=_SOURCE),
        moves=((scene.side, State.NONE, State.SOURCE),),
        deadline_seconds=MAKING_SECONDS,
        sentence=f"{scene.new.backend} gets a mirror relationship, and stays as it is",
    )


def _making_mirror(scene: _Scene) -> Step:
    """Before its claim, which would else be given an ordinary volume (CT §5)."""
    return Step(
        name=CREATE_MIRROR,
        side=scene.side.other,
        action=CREATE_MIRROR,
        arguments=scene.declared("replica", "replication_policy", "schedule"),
        begins=scene.goal(new=_SOURCE, old=_NOTHING),
        goal=scene.goal(old=_WAITING),
        deadline_seconds=MAKING_SECONDS,
        carries=frozenset({COUNTERPART}),
        sentence=f"{scene.old.backend} gets a mirror relationship to it",
    )


def _making_claim(scene: _Scene) -> Step:
    ways = {name: scene.new.vendor.get(name) for name in ("access_modes", "volume_mode")}
    return Step(
        name=CREATE_CLAIM,
        side=scene.side.other,
        action=CREATE_CLAIM,
        arguments={**scene.declared("replica", "storage_class", "size"), **ways},
        begins=scene.goal(new=_SOURCE, old=_WAITING),
        goal=scene.goal(old=_FILLING),
        moves=((scene.side.other, State.NONE, State.REPLICA),),
        deadline_seconds=MAKING_SECONDS,
        sentence=f"{scene.old.backend} gets a claim, and an empty volume for it",
    )


def _establishing(scene: _Scene) -> Step:
    return Step(
        name=NUDGE,
        side=scene.side.other,
        action=NUDGE,
        begins=scene.goal(new=_SOURCE, old=_UNASKED),
        goal=_copied(scene),
        moves=((scene.side.other, State.SYNCING, State.REPLICA),),
        deadline_seconds=PATIENT_SECONDS,
        carries=frozenset({OPERATION}),
        sentence=f"{scene.old.backend} fetches its first copy",
    )


def _delete(scene: _Scene) -> tuple[Step, ...]:
    """The replica is promoted first, which is seen and proven. To be deleted promotes it too, and of that nothing is
    told: where ONTAP cannot be read the relationship goes, and ONTAP keeps the mirror (CT §4.7).
    """
    steps: list[Step] = []
    here, there = scene.new, scene.old
    filling = there.state is State.SYNCING  # there is no complete copy to be promoted
    if there.known_state is not State.NONE and not filling:
        steps += _opening(scene)
    if there.known_state is not State.NONE:
        steps.append(
            Step(
                name=f"{DELETE}_replica",
                side=scene.side.other,
                action=DELETE,
                begins=scene.goal(
                    new=_SOURCE, old=EndGoal(frozenset({State.SYNCING})) if filling else _PROVEN
                ),
                goal=scene.goal(old=_NOTHING),
                deadline_seconds=MAKING_SECONDS,
                sentence=f"{there.backend} loses its mirror relationship: its copy becomes a volume of its own",
            )
        )
    if here.known_state is not State.NONE:
        steps.append(
            Step(
                name=f"{DELETE}_source",
                side=scene.side,
                action=DELETE,
                begins=scene.goal(new=_SOURCE, old=_NOTHING),
                goal=scene.goal(new=_NOTHING, old=_NOTHING),
                deadline_seconds=MAKING_SECONDS,
                sentence=f"{here.backend} loses its mirror relationship, and its hosts go on",
            )
        )
    return tuple(steps)


def _opening(scene: _Scene) -> Iterator[Step]:
    """What is left of the replica's promotion; nothing once it is proven."""
    there, goal = scene.old, scene.goal(old=_PROVEN)
    sentence = f"{there.backend} is promoted, which ends the mirror"
    if _is_being_promoted(there):
        yield _wait(scene, OPEN, goal, sentence, seconds=UNPLANNED_SECONDS)
    elif there.state is not State.SOURCE:
        yield Step(
            name=OPEN,
            side=scene.side.other,
            action=PROMOTE,
            begins=scene.goal(new=_SOURCE, old=_QUIET_REPLICA),
            goal=goal,
            moves=((scene.side.other, State.REPLICA, State.PROMOTING),),
            deadline_seconds=UNPLANNED_SECONDS,
            carries=frozenset({OPERATION}),
            sentence=sentence,
        )


def _wait(scene: _Scene, name: str, goal: Goal, sentence: str, *, seconds: float = PATIENT_SECONDS) -> Step:
    return Step(
        name=name,
        side=scene.side,
        action=None,
        begins=Goal(),
        goal=goal,
        deadline_seconds=seconds,
        sentence=sentence,
    )


_COURSES: Mapping[Course, Callable[[_Scene], tuple[Step, ...]]] = MappingProxyType(
    {
        Course.SWITCH: _switch,
        Course.TAKEOVER: _takeover,
        Course.REPROTECT: _reprotect,
        Course.SYNC: _sync,
        Course.CREATE: _create,
        Course.DELETE: _delete,
        Course.RESYNC: _resync,
    }
)
