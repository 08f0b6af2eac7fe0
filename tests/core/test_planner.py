"""The planner, told as transcripts (cases/*.txt), and held to its promises in every world that can be made up."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import MappingProxyType

import pytest
from core.arbitrary import any_world, intents
from core.transcripts import NOW, RECIPE, Case, World, cases, intent_of, observation, typed
from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from replctl.core.guards import GUARDS
from replctl.core.loss import accepts
from replctl.core.model import (
    Bound,
    BoundKind,
    Flow,
    Intent,
    Observation,
    Pair,
    Side,
    State,
    TroubleKind,
    Verb,
)
from replctl.core.pairing import settle
from replctl.core.planner import FRESH_SECONDS, decide
from replctl.core.plans import Context, Course, Decision, EndGoal, Evidence, Plan, Refusal, Step
from replctl.core.states import is_valid
from replctl.drivers.powerstore import words

FILES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
CASES = [pytest.param(case, id=f"{path.stem}: {case.title}") for path in FILES for case in cases(path)]


@pytest.mark.parametrize("case", CASES)
def test_the_planner_answers_as_written(case: Case) -> None:
    for answered, expected in case.play():
        assert answered == expected


# -- promises: each holds for any world, any intent, and the answer to it --------------------------------------


def says_why(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Refusal):
        assert decision.guards
        assert set(decision.names) <= set(GUARDS)
        assert all(guard.evidence for guard in decision.guards)
        assert all(evidence.value for guard in decision.guards for evidence in guard.evidence)


def says_what_to_type(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Refusal):
        program, verb, *rest = shlex.split(decision.next)
        assert program == "replctl"
        if verb == "drill":
            verb, *rest = (f"{verb} {rest[0]}", *rest[1:])
        if verb in list(Verb):
            assert intent_of(decision.next).verb is Verb(verb)
            starts_copying = verb in ("resume", "resync") and intent.verb in (Verb.PROMOTE, Verb.DEMOTE)
            assert not starts_copying or isinstance(answer(world, intent_of(decision.next)), Plan)
        else:
            assert (verb, *rest) in (("explain", "bank/ledger"), ("op", "show", "op-1"))


def carries_out_what_it_prints(world: World, intent: Intent, decision: Decision) -> None:
    """When flags answer every guard, the command that is printed is a plan in the same world."""
    if not isinstance(decision, Refusal) or not all(guard.override for guard in decision.guards):
        return
    if any(end.trouble and end.trouble.kind is TroubleKind.BREAKER for end in ends(world)):
        return  # the engine asks past an open breaker, so that the world is another then
    following = typed("next with HOW=cables out, BACKEND=west", decision.next)
    again = answer(world, intent_of(following))
    if "split-brain" in decision.names:  # which survivor it is decides what else is asked
        assert isinstance(again, Plan) or "split-brain" not in again.names
    else:
        assert isinstance(again, Plan), (following, again.names)


def moves_legally(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Plan):
        moves = [move for step in decision.steps for move in step.moves]
        assert all(is_valid(origin, target) for _, origin, target in moves)
        role = State.SOURCE if decision.new_source is Side.LOCAL else State.REPLICA
        was = settle(world.pair).local.known_state
        if intent.verb in (Verb.PAUSE, Verb.RESUME):  # a first copy is as far as it was
            assert was is role or (role, was) == (State.REPLICA, State.SYNCING)
            role = was
        assert decision.to_state is (State.NONE if intent.verb is Verb.DELETE else role)
        assert decision.from_state is was


def is_unplanned_only_when_told_so(world: World, intent: Intent, decision: Decision) -> None:
    flags = intent.acknowledged
    if isinstance(decision, Plan) and decision.unplanned:
        if intent.verb is Verb.REPROTECT:
            assert decision.course is Course.ABANDON
            assert flags.discard_local_changes
        else:
            assert decision.course is Course.TAKEOVER
            assert flags.unplanned
            assert intent.verb is not Verb.DEMOTE


def switches_two_ends_at_rest(world: World, intent: Intent, decision: Decision) -> None:
    if not isinstance(decision, Plan) or decision.course is not Course.SWITCH:
        return
    new, old = new_and_old(world, decision)
    assert (new.trouble, old.trouble) == (None, None)
    assert (new.unsupported, old.unsupported) == (None, None)
    first = decision.steps[0]
    if first.action == "failover":
        assert (new.state, old.state) == (State.REPLICA, State.SOURCE)
        assert (new.flow, old.flow) == (Flow.RUNNING, Flow.RUNNING)
        assert (new.drill, old.drill) == (False, False)
        assert first.side is decision.new_source.other
    elif first.action == "reprotect":
        assert world.context.interrupted is Course.SWITCH
        assert (new.state, old.state) == (State.SOURCE, State.REPLICA)
    else:
        assert world.context.own_transient


def takes_over_with_every_guard_answered(world: World, intent: Intent, decision: Decision) -> None:
    if not isinstance(decision, Plan) or decision.course is not Course.TAKEOVER or is_watching(decision):
        return
    new, old = new_and_old(world, decision)
    flags, loss = intent.acknowledged, decision.data_loss
    assert loss is not None
    assert flags.accept_data_loss is not None
    assert accepts(flags.accept_data_loss, loss)
    assert new.trouble is None
    assert new.state in (State.REPLICA, State.FAILED, State.PROMOTING)
    assert new.state is not State.FAILED or flags.from_failed
    assert new.drill == flags.use_test_copy
    assert _peer_is_answered_for(intent, old)
    if not world.context.own_transient:
        assert old.trouble is not None or not old.changing
        assert not new.changing or (new.state is State.PROMOTING and old.trouble is not None)


def _peer_is_answered_for(intent: Intent, old: Observation) -> bool:
    flags = intent.acknowledged
    fenced = (flags.peer_is_fenced or "").strip() not in ("", "HOW")
    if old.trouble is None:
        return flags.from_replica if old.state in (State.REPLICA, State.SYNCING) else fenced
    if old.trouble.kind in (TroubleKind.ABSENT, TroubleKind.AMBIGUOUS):
        return fenced
    return (flags.peer_is_down or fenced) and old.trouble.kind is not TroubleKind.BREAKER


def heeds_the_journal(world: World, intent: Intent, decision: Decision) -> None:
    if not isinstance(decision, Plan):
        return
    context = world.context
    assert context.other_operation is None
    if context.held_by is not None and not intent.acknowledged.override_hold:
        assert decision.unchanged or is_watching(decision)
    for seen in ends(world):
        known = context.identities.get(seen.backend)
        assert None in (known, seen.resource) or known == seen.resource
        assert seen.trouble is not None or NOW - seen.observed_at <= FRESH_SECONDS


def is_unchanged_only_when_it_was_read_so(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Plan) and decision.unchanged:
        assert decision.goal.met_by(settle(world.pair))
        alone = intent.acknowledged.unplanned and intent.verb in (Verb.PROMOTE, Verb.FAILOVER)
        alone = alone or (intent.verb is Verb.DRILL_STOP and any(end.trouble for end in ends(world)))
        assert len(decision.goal.sides) == (1 if alone else len(Side))


def never_acts_on_strangers(world: World, intent: Intent, decision: Decision) -> None:
    local, peer = ends(world)
    pairs = ((local.counterpart, peer.resource), (peer.counterpart, local.resource))
    if any(None not in pair and pair[0] != pair[1] for pair in pairs):
        assert isinstance(decision, Refusal)
        assert "not-a-pair" in decision.names


def opens_a_copy_beside_its_source(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Plan) and decision.course is Course.DRILL_START:
        source, replica = new_and_old(world, decision)
        assert (source.state, replica.state) == (State.SOURCE, State.REPLICA)
        assert "start_test" in replica.permits
        assert not replica.drill
        (step,) = decision.steps
        assert step.side is decision.new_source.other
        assert step.goal.of(decision.new_source) == EndGoal(frozenset({State.SOURCE}))


def closes_what_is_open(world: World, intent: Intent, decision: Decision) -> None:
    if isinstance(decision, Plan) and decision.course is Course.DRILL_STOP:
        source, replica = new_and_old(world, decision)
        assert replica.drill
        assert replica.state is not State.SOURCE
        (step,) = decision.steps
        assert step.side is decision.new_source.other
        assert step.arguments["create_end_of_test_snapshot"] is intent.keep_test_data
        assert source.trouble is None or step.arguments["force"] is True


def makes_and_ends_in_the_roles_of_the_file(world: World, intent: Intent, decision: Decision) -> None:
    if not isinstance(decision, Plan) or decision.course not in (Course.CREATE, Course.DELETE):
        return
    source, replica = new_and_old(world, decision)
    if decision.course is Course.CREATE:
        assert decision.new_source is intent.replication.born_at
        assert (source.known_state, replica.known_state) in (
            (State.NONE, State.NONE),
            (State.SOURCE, State.SYNCING),
        )
    else:
        assert source.state is State.SOURCE
        assert replica.known_state in (State.REPLICA, State.SYNCING, State.NONE)
        there = [end for end in (source, replica) if end.known_state is not State.NONE]
        assert Flow.SEVERED not in [end.flow for end in there]  # what is not there copies nothing either way
        assert (source.drill, replica.drill) == (False, False)


def ends_a_split_brain_by_reprotect_alone(world: World, intent: Intent, decision: Decision) -> None:
    both = settle(world.pair)
    if both.local.state is both.peer.state is State.SOURCE and intent.verb is not Verb.REPROTECT:
        assert isinstance(decision, Refusal)
        assert "split-brain" in decision.names


PROMISES: tuple[Callable[[World, Intent, Decision], None], ...] = (
    says_why,
    says_what_to_type,
    carries_out_what_it_prints,
    moves_legally,
    is_unplanned_only_when_told_so,
    switches_two_ends_at_rest,
    takes_over_with_every_guard_answered,
    heeds_the_journal,
    is_unchanged_only_when_it_was_read_so,
    never_acts_on_strangers,
    ends_a_split_brain_by_reprotect_alone,
    opens_a_copy_beside_its_source,
    closes_what_is_open,
    makes_and_ends_in_the_roles_of_the_file,
)


def ends(world: World) -> tuple[Observation, Observation]:
    return world.pair.local, world.pair.peer


def new_and_old(world: World, plan: Plan) -> tuple[Observation, Observation]:
    pair = settle(world.pair)
    return pair.end(plan.new_source), pair.end(plan.new_source.other)


def is_watching(plan: Plan) -> bool:
    """Waiting for what is under way already; the steps after it are judged again before they are sent."""
    return bool(plan.steps) and plan.steps[0].action is None


def answer(world: World, intent: Intent) -> Decision:
    return decide(intent, world.pair, world.context, RECIPE)


def keep_every_promise(world: World, intent: Intent) -> Decision:
    decision = answer(world, intent)
    for promise in PROMISES:
        promise(world, intent, decision)
    return decision


# -- worlds ----------------------------------------------------------------------------------------------------

ALL_FLAGS = (
    " --peer-is-down --peer-is-fenced=cables --from-failed --from-replica --override-hold"
    " --accept-data-loss=1h --discard-local-changes"
)
COMMANDS = [
    f"replctl {verb} bank/ledger{more}{flags}"
    for verb, more in (
        ("promote", ""),
        ("demote", ""),
        ("failover", " --to east"),
        ("reprotect", ""),
        ("reprotect", " --survivor west"),
        ("reprotect", " --survivor east"),
        ("drill start", ""),
        ("drill start", " --snapshot snap-7"),
        ("drill stop", ""),
        ("drill stop", " --keep"),
        ("create", ""),
        ("delete", ""),
        ("pause", ""),
        ("resume", ""),
        ("sync", ""),
        ("resync", ""),
    )
    for flags in ("", " --peer-is-down --accept-data-loss=unknown", ALL_FLAGS)
]
INTENTS = [intent_of(command) for command in COMMANDS]
FIRST_COPY = "transfer Asynchronous_Initial_Sync"
SAID = [
    *(f"{role} {state}" for role in (words.SOURCE, words.DESTINATION) for state in words.STATES),
    *(f"{words.DESTINATION} {state}; {FIRST_COPY}" for state in ("OK", "Synchronizing", "Paused")),
]
PEERS = [
    *SAID,
    "unread silent: no answer",
    "unread credentials: 401",
    "unread absent: no volume",
    "no session",
]
CONTEXTS = [
    Context(now=NOW),
    Context(now=NOW, survivor="west", held_by="ops: hands off"),
    Context(now=NOW, interrupted=Course.SWITCH, own_transient=True),
]


@pytest.mark.parametrize("said", SAID)
def test_every_pair_of_words_keeps_every_promise(said: str) -> None:  # R17, R24
    local = observation(f"west (local): {said}")
    for other, context in product(PEERS, CONTEXTS):
        world = World(Pair(local, observation(f"east: {other}")), context)
        for intent in INTENTS:
            keep_every_promise(world, intent)


@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(world=any_world(), intent=intents())
def test_any_world_keeps_every_promise(world: World, intent: Intent) -> None:
    decision = keep_every_promise(world, intent)
    event(str(decision.course) if isinstance(decision, Plan) else "refused")


@settings(max_examples=400, deadline=None)
@given(world=any_world(), intent=intents())
def test_failover_to_either_end_is_one_verb_seen_from_two_sides(world: World, intent: Intent) -> None:
    """`failover --to east` is to the pair what `promote` is to the same pair with its ends exchanged."""
    promote = replace(intent, verb=Verb.PROMOTE, to=None, survivor=None)
    replication = promote.replication
    turned = replace(
        promote, replication=replace(replication, local=replication.peer, peer=replication.local)
    )
    mirrored = answer(World(Pair(world.pair.peer, world.pair.local), world.context), turned)
    failed_over = answer(world, replace(promote, verb=Verb.FAILOVER, to="east"))
    assert type(mirrored) is type(failed_over)
    if isinstance(mirrored, Refusal) and isinstance(failed_over, Refusal):
        assert (mirrored.names, mirrored.data_loss) == (failed_over.names, failed_over.data_loss)
    if isinstance(mirrored, Plan) and isinstance(failed_over, Plan):
        assert mirrored.course is failed_over.course
        assert [step.sentence for step in mirrored.steps] == [step.sentence for step in failed_over.steps]


class Speechless:
    """A recipe that knows no steps to anything."""

    declared = ((), ())
    lacks: Mapping[Course, str] = MappingProxyType({})
    switches_to_snapshot = False
    pairing = ""
    makes_ends_apart = False
    deletion_promotes = False

    def bars(self, *_: object) -> tuple[Evidence, ...]:
        return ()

    def steps(self, *_: object) -> tuple[Step, ...]:
        return ()


@pytest.mark.parametrize("intent", INTENTS, ids=COMMANDS)
def test_without_steps_nothing_is_called_done(intent: Intent) -> None:
    said = [
        f"{role} {state}" for role in (words.SOURCE, words.DESTINATION) for state in ("OK", "Failed_Over")
    ]
    for west, east in product(said, repeat=2):
        pair = Pair(observation(f"west (local): {west}"), observation(f"east: {east}"))
        decision = decide(intent, pair, CONTEXTS[0], Speechless())
        assert isinstance(decision, Refusal) or decision.goal.met_by(settle(pair))


@given(minutes=st.integers(0, 600), accepted=st.integers(0, 600), older=st.integers(1, 600))
@example(minutes=10, accepted=10, older=1)
def test_an_older_point_never_passes_where_a_newer_one_did_not(
    minutes: int, accepted: int, older: int
) -> None:
    """The same accepted time, the same world, and a point that is further back."""
    bound = Bound(BoundKind.TIME, NOW - accepted * 60.0, "as typed")
    flags = intent_of("replctl promote bank/ledger --peer-is-down").acknowledged
    intent = replace(INTENTS[0], acknowledged=replace(flags, accept_data_loss=bound))

    def passes(age: int) -> bool:
        local = observation(f"west (local): Destination OK; link lost; copied {age}m ago in 0s")
        world = World(Pair(local, observation("east: unread silent: no answer")), CONTEXTS[0])
        return isinstance(answer(world, intent), Plan)

    assert passes(minutes) == (minutes <= accepted)
    assert passes(minutes) or not passes(minutes + older)
