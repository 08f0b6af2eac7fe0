"""Which two ends are one replication, and what they are called: nothing is guessed, and names follow Kubernetes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.matching import Seat, match
from replctl.core.names import LONGEST_NAME, is_name
from replctl.core.naming import distinct, name_from


def seat(backend: str, resource: str | None, counterpart: str | None, identity: str = "") -> Seat:
    return Seat(
        backend=backend,
        kind="session",
        called=resource or "",
        named=(("session", identity),),
        identity=identity or f"{backend}:{resource}",
        resource=resource,
        counterpart=counterpart,
    )


WEST, EAST = seat("west", "w1", "e1"), seat("east", "e1", "w1")


def test_two_that_name_each_other_are_a_pair() -> None:
    other = seat("west", "w2", "e2")
    found = match([WEST, other, EAST])
    assert found.pairs == ((WEST, EAST),)
    assert found.alone == (other,)
    assert not found.several


@pytest.mark.parametrize("order", [0, 1])
def test_one_that_names_nobody_is_the_other_end_of_the_one_that_names_it(order: int) -> None:
    quiet = seat("east", "e1", None)
    both = [WEST, quiet] if order else [quiet, WEST]
    assert [set(pair) for pair in match(both).pairs] == [{WEST, quiet}]


def test_one_that_names_a_third_is_none() -> None:
    third = seat("east", "e1", "w9")
    found = match([WEST, third])
    assert (found.pairs, found.alone) == ((), (WEST, third))


def test_ends_of_one_backend_or_without_ids_are_no_pair() -> None:
    seats = [
        seat("west", "w1", "w2"),
        seat("west", "w2", "w1"),
        seat("east", None, None),
        seat("north", None, ""),
    ]
    found = match(seats)
    assert (found.pairs, set(found.alone)) == ((), set(seats))


def test_where_three_fit_together_none_is_a_pair() -> None:  # R79
    source, one, two = seat("west", "w1", None), seat("east", "e1", "w1"), seat("north", "n1", "w1")
    found = match([source, one, two])
    assert found.pairs == ()
    assert set(found.several) == {source, one, two}
    assert set(found.several[source]) == {one, two}
    twice = match([WEST, EAST, seat("east", "e1", "w1", "again")])
    assert (twice.pairs, len(twice.several)) == ((), 3)


@given(st.text())
def test_every_text_becomes_a_name(text: str) -> None:  # R77
    assert is_name(name_from(text))


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("ledger-vg", "ledger-vg"),
        ("Ledger VG_01", "ledger-vg-01"),
        ("--Büro--", "b-ro"),
        ("a.-b..c", "a.b.c"),
        ("日本", "replication"),
        ("x" * 300, "x" * LONGEST_NAME),
    ],
)
def test_names_stay_near_the_words(words: str, name: str) -> None:
    assert name_from(words) == name


def test_those_that_would_bear_one_name_are_told_apart_by_their_ids() -> None:
    wanted = [("a", "x", "0123456789"), ("a", "x", "abcdefghij"), ("b", "x", "1"), ("a", "y", "77")]
    assert distinct(wanted, {"a/y"}) == [("a", "x-01234567"), ("a", "x-abcdefgh"), ("b", "x"), ("a", "y-77")]
    assert distinct(wanted[1::-1], set()) == [("a", "x-abcdefgh"), ("a", "x-01234567")]


@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["x", "x-1", "y" * 253]), st.text(max_size=9)))
)
def test_no_two_are_the_same_and_all_are_names(wanted: list[tuple[str, str, str]]) -> None:
    found = distinct(wanted, {"a/x", "b/y"})
    assert len(set(found)) == len(wanted)
    assert not {"a/x", "b/y"} & {"/".join(each) for each in found}
    assert all(is_name(name) for _, name in found)
