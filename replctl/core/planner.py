"""The planner: any observations and any intent give a plan or a refusal, never a guess (design §4).

Pure. It knows neither vendor nor time: the driver's recipe says how a course is done, `Context` says what the
journal remembers and what time it is. Guards are collected, not raised one by one, so that a refusal names all
that stands in the way. What an end's own legality table allows is read from `Observation.permits`.

`new` is the end that shall be the source, `old` the other one. Some guards bar every course (`_bars`); the others
are judged by the course: `_switch` swaps roles and loses nothing, `_take_over` promotes one end alone,
`_reprotect` makes the old source the replica of the survivor.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType

from replctl.core import consent, copying, drills, making
from replctl.core.advice import again, command
from replctl.core.arguments import arguments
from replctl.core.evidence import fact, peer_evidence, state_fact, strangers
from replctl.core.guards import GUARDS, if_any, without_flag
from replctl.core.loss import accepts, extent, paste_form, state_loss, unknown_loss
from replctl.core.model import (
    Acknowledgements,
    BoundKind,
    Flow,
    Intent,
    Link,
    Observation,
    Pair,
    Side,
    State,
    TroubleKind,
    Verb,
)
from replctl.core.pairing import settle
from replctl.core.plans import (
    Context,
    Course,
    DataLoss,
    Decision,
    EndGoal,
    Evidence,
    Goal,
    GuardRefusal,
    Plan,
    Recipe,
    Refusal,
    Step,
)
from replctl.core.states import validate

__all__ = ["FRESH_SECONDS", "decide", "peer_evidence"]

FRESH_SECONDS = 60.0  # an older observation is no ground for a change
_SOURCE = EndGoal(frozenset({State.SOURCE}))
_REPLICA = EndGoal(frozenset({State.REPLICA}))
_SETTLED = frozenset({Flow.RUNNING, Flow.PAUSED, Flow.SUSPENDED})
_MAY_TAKE_OVER = frozenset({State.REPLICA, State.FAILED, State.PROMOTING})
_TIME_ANSWERS = frozenset({"foreign-operation", "operation-open"})  # exit 7
_ROLES_STAY = MappingProxyType({**copying.COURSES, **drills.COURSES, **making.COURSES})
# While a failover test runs nothing that arrives is applied (CP §8).
_DESPITE_A_TEST = frozenset({Verb.PAUSE, Verb.RESUME, *drills.COURSES})
_NEEDS_ITS_OWN = frozenset({*drills.COURSES, *making.COURSES})


def decide(intent: Intent, pair: Pair, context: Context, recipe: Recipe) -> Decision:
    """A plan that leads from what is seen to what is asked, or the guards that say no.

    A plan without steps means that it is so already, and proven by these very observations. Raises
    IllegalTransition when the recipe would move an end against the state machine: a mistake of ours.
    """
    return _Case(intent, settle(pair), context, recipe).decide()


class _Case:
    """One decision in the making: holds what is judged, so that each rule is a short method."""

    def __init__(self, intent: Intent, pair: Pair, context: Context, recipe: Recipe) -> None:
        self.intent = intent
        self.pair = pair
        self.context = context
        self.recipe = recipe
        self.acknowledged = intent.acknowledged
        self.aim = _aim(intent)
        self.ending = making.ending(intent, context)
        self.side = self.ending or (self._source() if intent.verb in _ROLES_STAY else self.aim or Side.LOCAL)
        self.loss: DataLoss | None = None

    @property
    def new(self) -> Observation:
        return self.pair.end(self.side)

    @property
    def old(self) -> Observation:
        return self.pair.end(self.side.other)

    @property
    def alone(self) -> bool:
        """Whether an unplanned promotion is asked for, so that the other end need not be readable."""
        return self.acknowledged.unplanned and self.intent.verb in (Verb.PROMOTE, Verb.FAILOVER)

    def _source(self) -> Side:
        """The side that is the source, or shall be where none is, for verbs that turn nothing."""
        if self.intent.verb is Verb.CREATE:
            return self.intent.replication.born_at
        sources = [side for side in Side if self.pair.end(side).state is State.SOURCE]
        testing = [side.other for side in Side if self.pair.end(side).drill]  # and the source may not answer
        return next(iter((*sources, *testing)), Side.LOCAL)

    def decide(self) -> Decision:
        bars = list(self._bars())
        if bars:
            return self._refuse([*bars, *self._held()])
        if self.intent.verb in _ROLES_STAY:
            return self._leave_roles()
        if self.intent.verb is Verb.REPROTECT:
            return self._reprotect()
        return self._take_over() if self.alone else self._switch()

    # -- guards that bar every course ------------------------------------------------------------------------

    def _bars(self) -> Iterator[GuardRefusal]:
        if self.context.other_operation is not None:
            other, began = self.context.other_operation, self.context.other_began
            yield GUARDS["operation-open"].says_no(Evidence(fact="operation", value=other, as_of=began))
        yield from if_any("identity-changed", self._changed_identities())
        yield from if_any("not-a-pair", self._strangers())
        yield from if_any("stale-observation", self._unread())
        yield from if_any("unsupported", self._unsupported())
        both = self.pair.local.state is State.SOURCE and self.pair.peer.state is State.SOURCE
        if both and self.intent.verb is not Verb.REPROTECT and self.ending is None:
            yield GUARDS["split-brain"].says_no(*self._both())

    def _changed_identities(self) -> Iterator[Evidence]:
        for seen in (self.pair.local, self.pair.peer):
            known = self.context.identities.get(seen.backend, seen.formerly)
            if known is not None and seen.resource is not None and seen.resource != known:
                yield fact("identity", f"was {known}, is {seen.resource}", seen)

    def _strangers(self) -> Iterator[Evidence]:
        for each in strangers(self.pair):
            yield replace(each, value=f"{each.value}; {self.recipe.pairing}") if self.recipe.pairing else each

    def _unread(self) -> Iterator[Evidence]:
        """Ends that the course cannot do without, and that were not read, or too long ago."""
        for side in Side:
            seen = self.pair.end(side)
            if seen.trouble is not None:
                if self._needs(side):
                    yield state_fact(seen)
            elif (age := self.context.now - seen.observed_at) > FRESH_SECONDS:
                yield fact("age", f"read {age:.0f}s ago: too long for a change", seen)

    def _needs(self, side: Side) -> bool:
        if self.intent.verb in _NEEDS_ITS_OWN:
            return self.intent.needs(self.pair, side)
        return side is self.side or self._needs_old()

    def _needs_old(self) -> bool:
        """Without the old source nothing is possible but to take its place, and that only for a replica."""
        return not self.alone and (
            self.intent.verb in (Verb.REPROTECT, Verb.DEMOTE, *copying.COURSES)
            or self.new.state is State.SOURCE
        )

    def _unsupported(self) -> Iterator[Evidence]:
        if self.aim is None:
            named = self.intent.survivor if self.intent.verb is Verb.REPROTECT else self.intent.to
            yield Evidence(fact="backend", value=f"{named or 'none'} is neither end of it")
        lacking = self.recipe.lacks.get(self._meant)
        if lacking is not None:
            yield fact(f"{self.intent.verb}", lacking, self.new)
        told = self.alone or self.intent.verb is Verb.DRILL_START or self.recipe.switches_to_snapshot
        if self.intent.snapshot is not None and not told:
            value = f"{self.intent.snapshot}: only an unplanned promotion can begin from one"
            yield Evidence(fact="snapshot", value=value)
        for seen in (self.pair.local, self.pair.peer):
            if seen.trouble is not None or (self.alone and seen is self.old):
                continue
            if seen.unsupported is not None or seen.state is None:
                yield fact("kind", seen.unsupported or "its state is not known", seen)

    @property
    def _meant(self) -> Course:
        """The course that the verb asks for; which way `reprotect` goes is judged later."""
        if self.intent.verb in _ROLES_STAY:
            return _ROLES_STAY[self.intent.verb]
        if self.intent.verb is Verb.REPROTECT:
            return Course.REPROTECT
        return Course.TAKEOVER if self.alone else Course.SWITCH

    # -- guards that courses share ---------------------------------------------------------------------------

    def _held(self) -> list[GuardRefusal]:
        if self.context.held_by is None or self.acknowledged.override_hold:
            return []
        held, since = self.context.held_by, self.context.held_since
        return [GUARDS["held"].says_no(Evidence(fact="hold", value=held, as_of=since))]

    def _drill(self) -> list[GuardRefusal]:
        """A failover test at either end bars all that is planned; nothing answers it."""
        running = [fact("drill", "running", end) for end in self._ends() if end.trouble is None and end.drill]
        return [without_flag(each) for each in if_any("drill-running", running)]

    def _stepping_down(self, course: Course) -> list[GuardRefusal]:
        """What bars an end from being told to become the replica: a way that leads nowhere, hosts that use it."""
        barred = if_any("backend-state", self.recipe.bars(course, self.side, self.pair))
        return [*barred, *consent.unused_guards(self.old, self.acknowledged)]

    def _foreign(self) -> list[GuardRefusal]:
        if self.context.own_transient:
            return []
        busy = [end for end in self._ends() if end.trouble is None and end.changing]
        if self.intent.verb is Verb.CREATE:  # whoever began it: its first copy is all that is waited for
            busy = [end for end in busy if end.state is not State.SYNCING]
        return list(if_any("foreign-operation", [state_fact(end) for end in busy]))

    def _ends(self) -> tuple[Observation, Observation]:
        return self.new, self.old

    def _both(self) -> tuple[Evidence, Evidence]:
        return state_fact(self.pair.local), state_fact(self.pair.peer)

    def _backend_state(self) -> GuardRefusal:
        lost = [fact("link", "the data link is lost", end) for end in self._ends() if end.link is Link.LOST]
        return GUARDS["backend-state"].says_no(*self._both(), *lost)

    # -- planned: roles swap ---------------------------------------------------------------------------------

    def _switch(self) -> Decision:
        goal = _roles(self.side)
        flows = {self.new.flow, self.old.flow}
        if goal.met_by(self.pair) and flows <= _SETTLED:
            return self._unchanged(goal)
        if self.old.trouble is not None:
            return self._refuse_to_take_over()
        tail = self._own_tail(Course.SWITCH)
        if tail is not None:
            return tail
        if goal.met_by(self.pair) and flows == {Flow.SEVERED}:
            return self._finish_switch()
        barred = self._copy_guards() or self._foreign()
        if not barred and State.SOURCE not in (self.new.state, self.old.state):
            return self._refuse_without_source()
        guards = [*self._held(), *self._drill(), *barred]
        if not (barred or self._drill() or self._ready()):
            guards.append(self._backend_state())
        elif not barred:
            guards += self._stepping_down(Course.SWITCH)
        return self._refuse(guards, self._first_to_do(guards)) if guards else self._plan(Course.SWITCH)

    def _copy_guards(self) -> list[GuardRefusal]:
        """What bars a planned promotion because of what the new source is; nothing answers it."""
        match self.new.state:
            case State.SYNCING:
                return [GUARDS["incomplete-copy"].says_no(state_fact(self.new))]
            case State.FAILED:
                return [without_flag(GUARDS["state-failed"].says_no(state_fact(self.new)))]
            case State.NONE:
                return [self._backend_state()]
        return []

    def _ready(self) -> bool:
        """Whether the old source may be told to hand over: both in step, and the way between them open."""
        roles = self.old.state is State.SOURCE and self.new.state is State.REPLICA
        flowing = self.old.flow is self.new.flow is Flow.RUNNING
        linked = Link.LOST not in (self.old.link, self.new.link)
        return roles and flowing and linked and "failover_planned" in self.old.permits

    def _finish_switch(self) -> Decision:
        """Roles are swapped and nothing is copied: ours to finish if we began it, else a person's decision."""
        guards = [*self._held(), *self._drill()]
        if self.context.interrupted is not Course.SWITCH or "reprotect" not in self.new.permits:
            guards.append(self._backend_state())
            return self._refuse(guards, command(self.intent, "reprotect"))
        return self._refuse(guards) if guards else self._plan(Course.SWITCH)

    def _first_to_do(self, guards: list[GuardRefusal]) -> str | None:
        """What makes a planned promotion possible: `reprotect` after a failover, else what starts the copying."""
        if any(end.flow is Flow.SEVERED and end.state is State.SOURCE for end in self._ends()):
            return command(self.intent, "reprotect")
        if any(copying.is_told_anew(end) for end in self._ends()):
            return command(self.intent, Verb.RESYNC.value)
        if [guard.name for guard in guards] != ["backend-state"]:
            return None
        for verb in (Verb.RESUME, Verb.RESYNC):
            decided = self._asked_instead(verb, Acknowledgements())
            if isinstance(decided, Plan) and decided.steps:
                return command(self.intent, verb.value)
        return None

    def _asked_instead(self, verb: Verb, given: Acknowledgements) -> Decision:
        """What another verb would be answered in the same world."""
        intent = replace(self.intent, verb=verb, acknowledged=given, snapshot=None)
        return _Case(intent, self.pair, self.context, self.recipe).decide()

    def _refuse_without_source(self) -> Refusal:
        if self.intent.verb is not Verb.DEMOTE:
            return self._refuse_to_take_over()
        guard = without_flag(GUARDS["no-source"].says_no(*self._both()))
        return self._refuse([*self._held(), *self._drill(), guard])

    # -- unplanned: one end alone ----------------------------------------------------------------------------

    def _take_over(self) -> Decision:
        goal = _alone(self.side)
        if goal.met_by(self.pair) and (self.new.unproven or not self._steps(Course.TAKEOVER)):
            return self._unchanged(goal)
        tail = self._own_tail(Course.TAKEOVER)
        if tail is not None:
            return tail
        guards = self._takeover_guards()
        if guards:
            return self._refuse(guards, self._planned_instead(guards))
        return self._plan(Course.TAKEOVER)

    def _refuse_to_take_over(self) -> Refusal:
        """A planned promotion that cannot be: what stands in the way of the unplanned one, and its flags."""
        return self._refuse(self._takeover_guards())

    def _takeover_guards(self) -> list[GuardRefusal]:
        """All that stands in the way; what it would lose matters only where flags can make it happen."""
        guards = [
            *self._held(),
            *consent.peer_guards(self.new, self.old, self.acknowledged, self._both()),
            *consent.drill_guards(self.new, self.intent),
            *self._new_source_guards(),
        ]
        if any(guard.override is None for guard in guards):
            return guards
        self.loss = self._statement()
        return [*guards, *self._loss_guards(self.loss)]

    def _new_source_guards(self) -> list[GuardRefusal]:
        """What bars an end from becoming the source alone because of its own state."""
        new = self.new
        if new.state is State.SYNCING:
            return [GUARDS["incomplete-copy"].says_no(state_fact(new))]
        needed = "failover_force" if new.flow is Flow.SEVERED else "failover_unplanned"
        busy = [] if self._is_stranded() and needed in new.permits else self._foreign()
        failed = new.state is State.FAILED and not self.acknowledged.from_failed
        guards = [GUARDS["state-failed"].says_no(state_fact(new))] if failed else []
        able = new.state in _MAY_TAKE_OVER and needed in new.permits
        if not (able or busy):
            guards.append(GUARDS["backend-state"].says_no(state_fact(new)))
        return [*guards, *busy]

    def _is_stranded(self) -> bool:
        """A planned promotion whose source went away. Somebody else's goes on while the link says that it lives."""
        ours = self.context.interrupted is Course.SWITCH
        gone = self.old.trouble is not None and (ours or self.new.link is not Link.OK)
        return gone and self.new.state is State.PROMOTING

    def _statement(self) -> DataLoss:
        """Counted from what will be promoted: the last copy, unless a snapshot or a test's copy is."""
        if self.intent.snapshot is not None:
            why = f"snapshot {self.intent.snapshot}: when it was taken is not known"
            return unknown_loss(why, self.new.observed_at)
        if self.new.drill:
            why = "the copy that the failover test writes to: when it was taken is not known"
            return unknown_loss(why, self.new.observed_at)
        return state_loss(self.new, self.context.now, self.context.last_contact.get(self.old.backend))

    def _loss_guards(self, loss: DataLoss) -> Iterator[GuardRefusal]:
        bound = self.acknowledged.accept_data_loss
        if bound is not None and accepts(bound, loss):
            return
        facts = [self._loss_fact(loss)]
        if bound is not None:
            known = "the loss is known" if bound.kind is BoundKind.UNKNOWN else "the loss may be larger"
            facts.append(Evidence(fact="accepted", value=f"{bound.text}: not enough, {known}"))
        yield replace(GUARDS["data-loss"].says_no(*facts), override=paste_form(loss))

    def _loss_fact(self, loss: DataLoss) -> Evidence:
        return Evidence(fact="loss", value=extent(loss), backend=self.new.backend, as_of=loss.read_at)

    def _planned_instead(self, guards: list[GuardRefusal]) -> str | None:
        """A peer that is up is asked to hand over, if the planned promotion could be made now."""
        if "peer-is-up" not in {guard.name for guard in guards}:
            return None
        hold = Acknowledgements(override_hold=self.acknowledged.override_hold or bool(self._held()))
        decided = self._asked_instead(self.intent.verb, hold)
        planned = replace(self.intent, acknowledged=hold, snapshot=None)
        return again(planned) if isinstance(decided, Plan) else None

    # -- after an unplanned promotion ------------------------------------------------------------------------

    def _reprotect(self) -> Decision:
        sources = [side for side in Side if self.pair.end(side).state is State.SOURCE]
        survivor = self._survivor(sources)
        if not sources:
            no_source = without_flag(GUARDS["no-source"].says_no(*self._both()))
            return self._refuse([*self._held(), *(self._foreign() or [no_source])])
        if survivor is None:
            guard = replace(GUARDS["split-brain"].says_no(*self._both()), override="--survivor=BACKEND")
            return self._refuse([*self._held(), guard])
        self.side = survivor
        return self._protect(_roles(survivor))

    def _survivor(self, sources: list[Side]) -> Side | None:
        if self.intent.survivor is not None:
            return self.aim
        if len(sources) == 1:
            return sources[0]
        remembered = self.context.survivor
        return self.intent.replication.side_of(remembered) if remembered else None

    def _protect(self, goal: Goal) -> Decision:
        running = goal.met_by(self.pair) and self.new.flow is self.old.flow is Flow.RUNNING
        if running and not self._steps(Course.REPROTECT):
            return self._unchanged(goal)
        tail = self._own_tail(Course.REPROTECT)
        if tail is not None:
            return tail
        course = Course.REPROTECT if running else self._way_to_protect()
        guards = [*self._held(), *self._drill(), *self._foreign()]
        if course is None:
            if not self._foreign():
                guards.append(self._backend_state())
            return self._refuse(guards, self._before_protecting())
        if not running:
            guards += [*self._stepping_down(course), *self._discarding(course)]
        return self._refuse(guards) if guards else self._plan(course)

    def _way_to_protect(self) -> Course | None:
        """The survivor that failed over is told to replicate; an old source that stepped down takes back.

        To replicate needs the link (CP §8). An end that has yet to step down is waited for, and its link with it.
        """
        kept, other = self.new, self.old
        severed = [end for end in (kept, other) if end.flow is Flow.SEVERED and end.state is State.SOURCE]
        linked = Link.LOST not in (kept.link, other.link)
        ready = other.state is State.SOURCE or (other.state is State.REPLICA and linked)
        if kept in severed and "reprotect" in kept.permits and ready:
            return Course.REPROTECT
        if other in severed and kept.state is State.REPLICA and "failover_force" in kept.permits:
            return Course.ABANDON
        return None

    def _before_protecting(self) -> str | None:
        """What leads on: the same command once the end has stepped down, or telling anew one that failed."""
        if self._has_yet_to_step_down():
            return again(self.intent)
        return command(self.intent, Verb.RESYNC.value) if copying.is_told_anew(self.old) else None

    def _has_yet_to_step_down(self) -> bool:
        """Whether the end that shall take back still takes itself for the source (CP §8: the array flips it)."""
        return self.new.state is self.old.state is State.SOURCE and self.old.flow is Flow.SEVERED

    def _discarding(self, course: Course) -> list[GuardRefusal]:
        """What is dropped beyond the loss that was accepted: the writes of the end that took over.

        An old source that takes back goes to the common copy first, so that its own writes after that go too. One
        that is told to step down may have been written to until now.
        """
        facts = [fact("writes since the promotion", "would be dropped", self.old)]
        if course is Course.ABANDON:
            self.loss = state_loss(self.new, self.context.now, None)
            facts.append(self._loss_fact(self.loss))
        elif self.context.survivor != self.old.backend and consent.STEP_DOWN not in self.old.permits:
            return []
        if self.acknowledged.discard_local_changes:
            return []
        return [GUARDS["discards-local-data"].says_no(*facts)]

    # -- no role is turned: copying, failover tests, making and ending replication ---------------------------

    def _leave_roles(self) -> Decision:
        verb, foreign = self.intent.verb, self._foreign()
        verdict = self._verdict()
        if verdict.unchanged:
            return replace(self._unchanged(self._after(so_already=True)), to_state=self._state_after())
        shared = [*self._held(), *(() if verb in _DESPITE_A_TEST else self._drill()), *foreign]
        if verb is Verb.RESYNC and copying.is_told_anew(self.old):
            shared += [*self._stepping_down(Course.RESYNC), *self._discarding(Course.RESYNC)]
        guards = [*shared, *(() if foreign else verdict.guards)]
        if guards:
            following = command(self.intent, verdict.next_verb) if verdict.next_verb else None
            return self._refuse(guards, None if shared else following)
        plan = self._plan(_ROLES_STAY[verb])
        if isinstance(plan, Refusal):
            return plan
        return replace(plan, goal=self._after(), to_state=self._state_after(), notes=verdict.notes)

    def _verdict(self) -> copying.Verdict:
        verb = self.intent.verb
        if verb in drills.COURSES:
            return drills.judge(self.intent, self.new, self.old)
        if verb in making.COURSES:
            return making.judge(self.intent, self.new, self.old, self.recipe, self.ending)
        return copying.judge(verb, self.new, self.old)

    def _after(self, *, so_already: bool = False) -> Goal:
        """What the verb leaves both ends as."""
        verb = self.intent.verb
        if verb in drills.COURSES:
            source, replica = drills.ends_after(verb, self.new, so_already=so_already)
        elif verb in making.COURSES:
            source, replica = making.ends_after(verb)
        else:
            source, replica = copying.ends_after(verb, self.old)
        return Goal(source, replica) if self.side is Side.LOCAL else Goal(replica, source)

    def _state_after(self) -> State:
        """Of the local end."""
        if self.intent.verb is Verb.DELETE:
            return State.NONE
        if self.intent.verb in copying.LEAVE_STATES and self.pair.local.state is State.SYNCING:
            return State.SYNCING
        return State.SOURCE if self.side is Side.LOCAL else State.REPLICA

    # -- answers ---------------------------------------------------------------------------------------------

    def _steps(self, course: Course) -> tuple[Step, ...]:
        told = arguments(self.intent, self.side, self.pair, since=self.context.now)
        return self.recipe.steps(course, self.side, self.pair, told)

    def _own_tail(self, course: Course) -> Plan | None:
        """What is left of a change of ours that the backend is busy with: to wait for it first."""
        if not self.context.own_transient:
            return None
        steps = self._steps(course)
        busy = self.new.changing or self.old.changing
        return self._made(course, steps) if busy and steps and steps[0].action is None else None

    def _plan(self, course: Course) -> Decision:
        steps = self._steps(course)
        if not steps:
            return self._refuse([self._backend_state()])
        return self._made(course, steps)

    def _made(self, course: Course | None, steps: tuple[Step, ...]) -> Plan:
        """The plan; no step of it moves an end against the state machine (R17)."""
        for step in steps:
            for _, origin, target in step.moves:
                validate(origin, target)
        return Plan(
            course=course,
            new_source=self.side,
            steps=steps,
            goal=_alone(self.side) if course is Course.TAKEOVER else _roles(self.side),
            from_state=self.pair.local.known_state,
            to_state=State.SOURCE if self.side is Side.LOCAL else State.REPLICA,
            acknowledged=self.acknowledged,
            data_loss=self._accepted(),
        )

    def _accepted(self) -> DataLoss | None:
        """The loss that was stated, with what a person accepted of it."""
        bound = self.acknowledged.accept_data_loss
        return replace(self.loss, accepted=bound.text if bound else None) if self.loss else None

    def _unchanged(self, goal: Goal) -> Plan:
        return replace(self._made(None, ()), goal=goal)

    def _refuse(self, guards: list[GuardRefusal], following: str | None = None) -> Refusal:
        """Words the way on: the flags that answer every guard, when there are such; else where to look."""
        names = {guard.name for guard in guards}
        if following is None and all(guard.override for guard in guards):
            following = again(self.intent, guards)
        return Refusal(
            guards=tuple(guards),
            next=following or self._other_way(names),
            conflict=names <= _TIME_ANSWERS,
            data_loss=self.loss,
        )

    def _other_way(self, names: set[str]) -> str:
        kinds = {end.trouble.kind for end in self._ends() if end.trouble is not None}
        if "operation-open" in names:
            return f"replctl op show {self.context.other_operation}"
        if "split-brain" in names:
            return command(self.intent, "reprotect")
        if "stale-observation" in names and TroubleKind.BREAKER in kinds:
            return f"{again(self.intent)} --probe"
        return command(self.intent, "explain")


def _aim(intent: Intent) -> Side | None:
    """The side that shall be the source in the end; None for a backend that is neither."""
    match intent.verb:
        case Verb.FAILOVER:
            return intent.replication.side_of(intent.to or "")
        case Verb.DEMOTE:
            return Side.PEER
        case Verb.REPROTECT if intent.survivor is not None:
            return intent.replication.side_of(intent.survivor)
    return Side.LOCAL


def _roles(new_source: Side) -> Goal:
    if new_source is Side.LOCAL:
        return Goal(local=_SOURCE, peer=_REPLICA)
    return Goal(local=_REPLICA, peer=_SOURCE)


def _alone(new_source: Side) -> Goal:
    return Goal(local=_SOURCE) if new_source is Side.LOCAL else Goal(peer=_SOURCE)
