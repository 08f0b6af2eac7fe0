"""The recipe: which cluster is told what, in which order, from whatever is seen (CT §8)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.transcripts import observation

from replctl.core.model import Observation, Pair, Scalar, Side, State
from replctl.core.pairing import settle
from replctl.core.plans import Course, EndGoal, Step, Unused
from replctl.core.states import is_valid
from replctl.drivers.trident.recipe import TridentRecipe

RECIPE = TridentRecipe()
AT_REST = ("established", "promoted; remote none")
ALL = ["snapshot@peer", "copy@local", "promote@local", "reestablish@peer"]


def pair(west: str, east: str) -> Pair:
    return settle(Pair(observation(f"west (local): mirror {west}"), observation(f"east: mirror {east}")))


def told(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.name}@{step.side}" if step.action else f"wait {step.name}" for step in steps]


def plan(course: Course, side: Side, west: str, east: str, **arguments: Scalar) -> tuple[Step, ...]:
    return RECIPE.steps(course, side, pair(west, east), arguments)


@pytest.mark.parametrize(
    ("west", "east", "steps"),
    [
        (*AT_REST, ALL),
        ("reestablished", "promoted", ALL),
        ("promoting wanted promoted", "promoted; remote none", ["wait promote", "reestablish@peer"]),
        ("established wanted promoted", "promoted; remote none", ["wait promote", "reestablish@peer"]),
        ("promoted", "promoted; remote none", ["wait promote", "reestablish@peer"]),  # which nothing proves
        ("promoted; watched", "promoted; remote none", ["reestablish@peer"]),
        ("promoted; watched", "promoted wanted reestablished", ["wait reestablish"]),
        ("promoted; watched", "reestablishing wanted reestablished", ["wait reestablish"]),
        ("promoted; watched", "reestablished", []),
    ],
)
def test_switch_gives_the_tail_from_wherever_it_stands(west: str, east: str, steps: list[str]) -> None:
    assert told(plan(Course.SWITCH, Side.LOCAL, west, east)) == steps


@pytest.mark.parametrize(
    ("west", "steps"),
    [
        ("established", ["promote@local"]),
        ("failed wanted established", ["promote@local"]),
        ("promoting wanted promoted", ["wait promote"]),
        ("promoted", ["wait promote"]),
        ("promoted; watched", []),
    ],
)
def test_takeover_speaks_to_one_end(west: str, steps: list[str]) -> None:
    made = plan(Course.TAKEOVER, Side.LOCAL, west, "promoted; remote none")
    assert told(made) == steps
    assert [step.goal.sides for step in made] == [(Side.LOCAL,)] * len(made)
    assert all(step.unplanned for step in made if step.action)


@pytest.mark.parametrize(
    ("west", "steps"),
    [
        ("failed wanted promoted", ["reset@local", "reestablish@local"]),
        ("invalid wanted established", ["reset@local", "reestablish@local"]),
        ("established wanted ", ["reestablish@local"]),  # after a reset
        ("reestablished", []),
    ],
)
def test_resync_asks_for_nothing_before_it_asks_anew(west: str, steps: list[str]) -> None:
    made = plan(Course.RESYNC, Side.PEER, west.strip(), "promoted; remote none")
    if "wanted" in west and west.startswith("established"):
        cleared = replace(pair("established", "promoted; remote none").local, vendor={"spec_state": ""})
        both = Pair(cleared, pair("established", "promoted; remote none").peer)
        made = RECIPE.steps(Course.RESYNC, Side.PEER, both, {})
    assert told(made) == steps
    assert all(step.unplanned for step in made)


def ends(step: Step) -> tuple[EndGoal, EndGoal]:
    new, old = step.begins.local, step.begins.peer
    assert new is not None
    assert old is not None
    return new, old


@pytest.mark.parametrize(("quiesced", "unused"), [(False, Unused.PROVEN), (True, Unused.SAID)])
def test_every_planned_step_wants_the_old_source_unused(quiesced: bool, unused: Unused) -> None:
    steps = plan(Course.SWITCH, Side.LOCAL, *AT_REST, quiesced=quiesced)
    assert [ends(step)[1].unused for step in steps] == [unused] * 4
    assert [ends(step)[1].states for step in steps] == [frozenset({State.SOURCE})] * 4


def test_the_way_back_begins_with_a_promotion_that_is_proven() -> None:
    *_, promote, back = plan(Course.SWITCH, Side.LOCAL, *AT_REST)
    assert ends(back)[0].proven
    assert promote.goal.local is not None
    assert promote.goal.local.proven
    assert dict(back.arguments) == {"remote": "svm_west:v", "policy": "MirrorAllSnapshots"}


def test_what_was_made_is_carried_by_the_steps_after_it() -> None:
    steps = plan(Course.SWITCH, Side.LOCAL, *AT_REST)
    assert [sorted(step.carries) for step in steps] == [
        ["operation"],
        ["operation", "snapshot"],
        ["operation", "snapshot"],
        [],
    ]
    assert [step.errand for step in steps] == [True, True, False, False]


@pytest.mark.parametrize(
    "words", [("established; policy Sync", "promoted; remote none; policy Sync"), AT_REST]
)
def test_a_synchronous_mirror_or_a_named_snapshot_needs_no_errand(words: tuple[str, str]) -> None:
    handle = None if "Sync" in words[0] else "pvc-1/snap"
    steps = plan(Course.SWITCH, Side.LOCAL, *words, snapshot=handle)
    assert told(steps) == ALL[2:]
    assert steps[0].arguments.get("snapshot") == handle
    assert "snapshot" not in steps[0].carries


def test_moves_are_those_of_the_state_machine() -> None:
    for course in RECIPE_COURSES:
        for west in ("established", "failed wanted established", "promoted; watched"):
            for step in plan(course, Side.LOCAL, west, "promoted; remote none"):
                assert all(is_valid(origin, target) for _, origin, target in step.moves)


LACKED = sorted(RECIPE.lacks)
RECIPE_COURSES = (Course.SWITCH, Course.TAKEOVER, Course.REPROTECT, Course.SYNC, Course.RESYNC)


@pytest.mark.parametrize(
    ("west", "steps"),
    [
        ("established", ["open_replica@local", "delete_replica@local", "delete_source@peer"]),
        ("promoting wanted promoted", ["wait open_replica", "delete_replica@local", "delete_source@peer"]),
        (
            "promoted",
            ["wait open_replica", "delete_replica@local", "delete_source@peer"],
        ),  # which nothing proves
        ("promoted; watched", ["delete_replica@local", "delete_source@peer"]),
        (
            "establishing wanted established",
            ["delete_replica@local", "delete_source@peer"],
        ),  # nothing to be promoted
    ],
)
def test_what_is_deleted_is_promoted_before_and_that_is_proven(west: str, steps: list[str]) -> None:
    assert told(plan(Course.DELETE, Side.PEER, west, "promoted; remote none")) == steps


@pytest.mark.parametrize("course", LACKED)
def test_of_what_trident_lacks_there_are_no_steps(course: Course) -> None:
    assert plan(course, Side.LOCAL, *AT_REST) == ()


def test_a_mirror_out_of_step_loses_nothing_by_our_hand() -> None:
    both = pair("established; policy Sync", "promoted; remote none; policy Sync")
    ill: Observation = replace(both.local, healthy=False, sentence="ONTAP has the mirror as out_of_sync")
    assert RECIPE.bars(Course.SWITCH, Side.LOCAL, both) == ()
    (why,) = RECIPE.bars(Course.SWITCH, Side.LOCAL, Pair(ill, both.peer))
    assert "out_of_sync" in why.value
