"""Hooks: which plan has which, who is the last of a group, and how what a program said is made fit to be shown."""

from __future__ import annotations

import pytest

from replctl.core.hooks import SAID_CHARACTERS, Hook, HookSet, Ran, readable
from replctl.core.model import Side, State
from replctl.core.plans import Course, Goal, Plan, Step
from replctl.core.secrets import Secrets
from replctl.core.surrounding import NOT_ASKED, ends_group, lasts, surrounded

HOOKS = HookSet(
    own={"before_demote": Hook(("quiesce",), 30.0), "after_promote": Hook(("map",), 30.0)},
    group={"before_demote": Hook(("freeze",), 30.0), "after_promote": Hook(("thaw",), 30.0)},
)
STEPS_DOWN = ((Side.PEER, State.SOURCE, State.DEMOTING),)


def plan(course: Course | None, *moves: tuple[tuple[Side, State, State], ...]) -> Plan:
    steps = tuple(
        Step(
            name=f"step-{number}",
            side=Side.LOCAL,
            action="act",
            goal=Goal(),
            begins=Goal(),
            moves=each,
            deadline_seconds=1.0,
        )
        for number, each in enumerate(moves, 1)
    )
    return Plan(
        course=course,
        new_source=Side.LOCAL,
        steps=steps,
        goal=Goal(),
        from_state=State.REPLICA,
        to_state=State.SOURCE,
    )


def names(planned: Plan) -> list[str]:
    return [step.name for step in planned.steps]


def test_a_switch_is_enclosed_by_all_hooks() -> None:
    made = surrounded(plan(Course.SWITCH, STEPS_DOWN, ()), HOOKS, "payments")
    before, after = ["group_before_demote", "before_demote"], ["after_promote", "group_after_promote"]
    assert names(made) == [*before, "step-1", "step-2", *after]
    assert [step.side for step in made.steps if step.hook] == [Side.PEER, Side.PEER, Side.LOCAL, Side.LOCAL]
    assert [ends_group(step) for step in made.steps] == [False] * 5 + [True]
    assert made.notes == ()


def test_who_is_in_no_group_has_none_of_its_hooks() -> None:
    assert names(surrounded(plan(Course.SWITCH, STEPS_DOWN), HOOKS, None)) == [
        "before_demote",
        "step-1",
        "after_promote",
    ]


def test_the_rest_of_a_switch_asks_nobody_any_more() -> None:
    made = surrounded(plan(Course.SWITCH, ()), HOOKS, None)
    assert (names(made), made.notes) == (["step-1", "after_promote"], ())


def test_an_unplanned_promotion_says_that_it_asks_nobody() -> None:
    made = surrounded(plan(Course.TAKEOVER, ()), HOOKS, None)
    assert (names(made), made.notes) == (["step-1", "after_promote"], (NOT_ASKED,))


@pytest.mark.parametrize("course", [each for each in Course if each not in (Course.SWITCH, Course.TAKEOVER)])
def test_nothing_else_has_hooks(course: Course) -> None:
    made = plan(course, STEPS_DOWN)
    assert surrounded(made, HOOKS, "payments") == made


def test_what_is_so_already_runs_none_unless_they_are_what_is_left() -> None:
    assert names(surrounded(plan(None), HOOKS, None)) == []
    assert names(surrounded(plan(Course.SWITCH), HOOKS, None)) == []
    assert names(surrounded(plan(Course.SWITCH), HOOKS, None, goes_on=True)) == ["after_promote"]


def test_the_last_of_a_group_is_of_its_last_wave() -> None:
    members = [("a", "g", 5), ("b", "g", 0), ("c", "h", 0), ("d", None, 9), ("e", "g", 5), ("f", "g", 1)]
    assert lasts(members) == {"c", "e"}


def test_what_was_said_is_one_printable_line_without_secrets() -> None:
    secrets = Secrets()
    secrets.add("hunter2-and-more")
    said = "\x1b[31mred\x1b[0m\r\n\n  \x1b]0;title\x07 hunter2-\x00and-more\tx\x9b \n"
    assert readable(said, secrets.redact) == "red / ********x"
    long = readable("y" * 2000 + "\nend", secrets.redact)
    assert len(long) == SAID_CHARACTERS + 1
    assert long.startswith("…y")
    assert long.endswith("y / end")
    assert readable("", secrets.redact) == ""


@pytest.mark.parametrize(
    ("ran", "well", "sentence"),
    [
        (Ran(status=0), True, "ended with status 0"),
        (Ran(status=3, said="no"), False, "ended with status 3; it said: no"),
        (Ran(status=-9), False, "was ended by signal 9"),
        (Ran(fault="cannot be started: x"), False, "cannot be started: x"),
        (Ran(interrupted=True), False, "was ended by signal 0"),
    ],
)
def test_how_it_ended(ran: Ran, well: bool, sentence: str) -> None:
    assert (ran.well, ran.sentence) == (well, sentence)
