"""Outcomes and exit codes: the contract with scripts (design §9)."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.outcomes import CODES, MEANINGS, OPEN, ExitCode, Outcome, of_several, outcome_of

S, U, P = Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.PARTIAL
RUNNING, UNKNOWN, INTERRUPTED = Outcome.IN_PROGRESS, Outcome.UNKNOWN, Outcome.INTERRUPTED
FAILED, REFUSED, CONFLICT = Outcome.FAILED, Outcome.REFUSED, Outcome.CONFLICT
many = st.lists(st.sampled_from(Outcome), min_size=1, max_size=6)


def test_the_numbers_are_those_of_the_design() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "FAILED": 1,
        "USAGE": 2,
        "PARTIAL": 3,
        "UNAUTHORIZED": 4,
        "NOT_FOUND": 5,
        "REFUSED": 6,
        "CONFLICT": 7,
        "IN_PROGRESS": 8,
        "UNKNOWN": 9,
        "DIFFERENCES": 10,
        "UNREACHABLE": 11,
        "INTERRUPTED": 130,
        "TERMINATED": 143,
    }
    assert set(MEANINGS) == set(ExitCode)


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("succeeded", 0),
        ("unchanged", 0),
        ("planned", 0),
        ("refused", 6),
        ("failed", 1),
        ("partial", 3),
        ("in_progress", 8),
        ("unknown", 9),
        ("conflict", 7),
        ("unreachable", 11),
        ("not_found", 5),
        ("unauthorized", 4),
        ("interrupted", 130),
        ("invalid", 2),
        ("unsupported", 6),
    ],
)
def test_each_outcome_has_its_code(outcome: str, code: int) -> None:
    assert CODES[Outcome(outcome)] == code


def test_every_outcome_has_a_code() -> None:
    assert set(CODES) == set(Outcome)


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([], 0),
        ([S], 0),
        ([S, S, U], 0),
        ([U, U], 0),
        ([S, UNKNOWN, RUNNING, FAILED], 9),
        ([UNKNOWN, INTERRUPTED], 9),
        ([S, RUNNING, FAILED], 8),
        ([RUNNING, REFUSED], 8),
        ([INTERRUPTED, RUNNING], 130),
        ([INTERRUPTED, S], 130),
        ([S, FAILED], 3),
        ([S, REFUSED], 3),
        ([S, Outcome.UNREACHABLE], 3),
        ([P, P], 3),
        ([P, FAILED], 3),
        ([P, U], 3),
        ([FAILED, FAILED], 1),
        ([REFUSED, REFUSED], 6),
        ([REFUSED, Outcome.UNSUPPORTED], 6),
        ([CONFLICT, CONFLICT], 7),
        ([Outcome.UNREACHABLE, Outcome.UNREACHABLE], 11),
        ([REFUSED, CONFLICT], 1),
        ([U, REFUSED], 1),
        ([FAILED, REFUSED, U], 1),
    ],
)
def test_of_several_the_worst_truth_wins(outcomes: list[Outcome], code: int) -> None:
    for order in permutations(outcomes):
        assert of_several(order) == code


@given(outcomes=many)
def test_of_several_never_says_done_unless_all_is(outcomes: list[Outcome]) -> None:
    done = {Outcome.SUCCEEDED, Outcome.UNCHANGED, Outcome.PLANNED}
    assert (of_several(outcomes) == ExitCode.DONE) == (set(outcomes) <= done)


@given(outcomes=many)
def test_of_several_an_unknown_outcome_is_never_hidden(outcomes: list[Outcome]) -> None:
    assert of_several([*outcomes, Outcome.UNKNOWN]) == ExitCode.UNKNOWN
    if UNKNOWN not in outcomes:
        assert of_several([*outcomes, RUNNING]) in (ExitCode.IN_PROGRESS, ExitCode.INTERRUPTED)


@given(outcomes=many)
def test_of_several_no_change_is_denied(outcomes: list[Outcome]) -> None:
    """Exit 1 promises that no backend accepted a change."""
    assert of_several([*outcomes, S]) != ExitCode.FAILED


@pytest.mark.parametrize("outcome", [each for each in Outcome if each is not Outcome.UNSUPPORTED])
def test_an_error_s_code_gives_its_outcome_back(outcome: Outcome) -> None:
    assert CODES[outcome_of(int(CODES[outcome]))] == CODES[outcome]


@pytest.mark.parametrize(
    ("code", "outcome"), [(6, REFUSED), (9, UNKNOWN), (11, Outcome.UNREACHABLE), (1, FAILED), (77, FAILED)]
)
def test_the_outcome_of_a_code(code: int, outcome: Outcome) -> None:
    assert outcome_of(code) is outcome


def test_what_is_open_has_no_final_outcome() -> None:
    assert {RUNNING, UNKNOWN, INTERRUPTED} == OPEN
