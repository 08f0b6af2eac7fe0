"""The state machine: all 49 ordered pairs, unknown words, and what the error says (R1-R24)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from types import MappingProxyType

import pytest
from core.transcripts import NOW, intent_of, observation

from replctl.core.errors import IllegalTransition, ReplctlError
from replctl.core.model import Pair, Side, State
from replctl.core.planner import decide
from replctl.core.plans import Context, Course, EndGoal, Evidence, Goal, Step
from replctl.core.states import (
    DESIRABLE,
    MOVES,
    diagram,
    is_valid,
    known,
    next_states,
    operation,
    shown,
    validate,
    way,
)
from replctl.settings.entries import STATES

WORDS = ["", "replica", "source", "promoting", "demoting", "syncing", "failed"]
DIRECTED = """
    absent    -> replica    create
    absent    -> source     create
    replica   -> promoting  promote
    replica   -> syncing    resync
    promoting -> source     observed
    promoting -> failed     observed
    source    -> demoting   demote
    demoting  -> replica    observed
    demoting  -> failed     observed
    syncing   -> replica    observed
    syncing   -> failed     observed
    failed    -> syncing    resync
    failed    -> replica    observed
"""
CAUSES = {
    (origin.replace("absent", ""), target): cause
    for origin, target, cause in re.findall(r"(\w+)\s+-> (\w+)\s+(\w+)", DIRECTED)
}
STRANGE = [
    "absent",
    "unknown",
    "Replica",
    " replica",
    "REPLICA",
    "primary",
    "none",
    "None",
    "nan",
    "\0",
    "ﬁled",
]


def test_the_states() -> None:  # R1
    assert sorted(State) == sorted(WORDS)


@pytest.mark.parametrize(("origin", "target"), list(product(WORDS, WORDS)))
def test_all_49_pairs(origin: str, target: str) -> None:  # R2-R16
    valid = origin == target or (origin, target) in CAUSES
    assert is_valid(origin, target) is valid
    if valid:
        validate(origin, target)
        assert operation(State(origin), State(target)) == CAUSES.get((origin, target), "none")
        return
    with pytest.raises(IllegalTransition) as caught:
        validate(origin, target)
    assert (caught.value.origin, caught.value.target) == (shown(origin), shown(target))


def test_twenty_of_the_pairs_are_valid() -> None:  # R16
    found = [is_valid(origin, target) for origin, target in product(WORDS, WORDS)]
    assert (found.count(True), found.count(False)) == (20, 29)
    assert len(MOVES) == len(CAUSES) == 13


@pytest.mark.parametrize("word", STRANGE)
def test_an_unknown_word_is_never_valid(word: str) -> None:  # R15
    assert known(word) is None
    assert not is_valid(word, word)
    for state in WORDS:
        assert not is_valid(word, state)
        assert not is_valid(state, word)
    with pytest.raises(IllegalTransition, match="legal next: none"):
        validate(word, word)


def test_the_table_cannot_be_written_to() -> None:
    with pytest.raises(TypeError):
        MOVES[State.SOURCE, State.REPLICA] = "force"  # type: ignore[index]  # that is what is tested


@pytest.mark.parametrize(
    ("state", "following"),
    [
        ("", {"replica", "source"}),
        ("replica", {"promoting", "syncing"}),
        ("promoting", {"source", "failed"}),
        ("source", {"demoting"}),
        ("demoting", {"replica", "failed"}),
        ("syncing", {"replica", "failed"}),
        ("failed", {"syncing", "replica"}),
    ],
)
def test_the_next_states_are_the_directed_ones(state: str, following: set[str]) -> None:  # R20
    assert next_states(State(state)) == following
    assert state not in following


def test_the_error_names_both_states_and_the_legal_ones() -> None:  # R21
    with pytest.raises(IllegalTransition) as caught:
        validate("replica", "source")
    error = caught.value
    assert str(error).startswith("invalid state transition from replica to source")
    assert error.legal == ("promoting", "syncing")
    assert "promoting, syncing" in str(error)
    assert error.remedy
    assert isinstance(error, ReplctlError)
    assert (error.code, error.exit_code, error.retryable) == ("invalid-state-transition", 6, False)


def test_the_error_shows_the_empty_state_as_absent() -> None:  # R21
    with pytest.raises(IllegalTransition, match="from source to absent "):
        validate("source", "")


def test_only_source_and_replica_can_be_desired() -> None:  # R24
    assert {"source", "replica"} == DESIRABLE == set(STATES)


@pytest.mark.parametrize(
    ("origin", "target", "path"),
    [
        ("replica", "source", ("promoting", "source")),
        ("source", "replica", ("demoting", "replica")),
        ("replica", "promoting", ("promoting",)),
        ("failed", "promoting", ("replica", "promoting")),
        ("source", "", ()),
        ("failed", "source", ()),
    ],
)
def test_the_shortest_legal_way(origin: str, target: str, path: tuple[str, ...]) -> None:
    assert way(State(origin), State(target)) == path


@pytest.mark.parametrize(("origin", "target"), list(product(State, State)))
def test_every_step_of_a_way_is_legal(origin: State, target: State) -> None:
    path = way(origin, target)
    assert all(is_valid(*step) for step in zip((origin, *path), path, strict=False))
    assert not path or path[-1] is target


def test_the_diagram_is_the_table() -> None:
    drawn = re.findall(r"^    (\w+) --> (\w+): (\w+)$", diagram(), re.MULTILINE)
    assert {(origin.replace("absent", ""), target): cause for origin, target, cause in drawn} == CAUSES


class Reckless:
    """A recipe that would turn a replica into a source in one go."""

    lacks: Mapping[Course, str] = MappingProxyType({})
    switches_to_snapshot = False
    pairing = ""

    def bars(self, *_: object) -> tuple[Evidence, ...]:
        return ()

    def steps(self, *_: object) -> tuple[Step, ...]:
        return (
            Step(
                name="jump",
                side=Side.LOCAL,
                action="failover",
                goal=Goal(local=EndGoal(frozenset({State.SOURCE}))),
                begins=Goal(),
                moves=((Side.LOCAL, State.REPLICA, State.SOURCE),),
                deadline_seconds=1.0,
            ),
        )


def test_a_move_is_judged_before_there_is_a_plan_to_send() -> None:  # R17
    pair = Pair(observation("west: Destination OK"), observation("east: Source OK"))
    with pytest.raises(IllegalTransition, match="from replica to source "):
        decide(intent_of("replctl promote bank/ledger"), pair, Context(now=NOW), Reckless())
