"""Values made for less behave as those of the standard library."""

from __future__ import annotations

import copy
import dataclasses
import math
import pickle
from collections.abc import Callable
from dataclasses import FrozenInstanceError, field, replace
from typing import Any

import pytest

from replctl.core import values

FORMS: tuple[dict[str, bool], ...] = (
    {"frozen": True, "slots": True},
    {"frozen": True, "slots": True, "kw_only": True},
    {"frozen": True},
    {"frozen": True, "slots": True, "repr": False},
    {"frozen": True, "order": True},
    {"frozen": True, "eq": False},
    {"slots": True},
)


def made(decorate: Callable[..., Any], form: dict[str, bool]) -> Any:
    @decorate(**form)
    class Thing:
        """A thing."""

        name: str
        number: float = 0.0
        apart: int = field(default=0, compare=False)
        hidden: list[int] = field(default_factory=list, repr=False, hash=False)

    return Thing


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_as_the_library_makes_them(form: dict[str, bool]) -> None:
    ours, theirs = made(values.dataclass, form), made(dataclasses.dataclass, form)
    given: tuple[dict[str, Any], ...] = (
        {"name": "a"},
        {"name": "a", "apart": 1},
        {"name": "a", "hidden": [1]},
        {"name": "b", "number": math.nan},
        {"name": "a", "number": 1.0},
    )
    for left in given:
        for right in given:
            equal = theirs(**left) == theirs(**right)
            assert (ours(**left) == ours(**right)) is equal
            if ours.__hash__ is not None and ours.__eq__ is not object.__eq__:
                assert not equal or hash(ours(**left)) == hash(ours(**right))
        if form.get("repr", True):
            assert repr(ours(**left)) == repr(theirs(**left))
    assert (ours.__hash__ is None) is (theirs.__hash__ is None)
    assert hasattr(ours, "__slots__") is hasattr(theirs, "__slots__")
    assert hasattr(ours, "__lt__") is hasattr(theirs, "__lt__")
    one = ours(name="a")
    assert one != theirs(name="a")
    assert replace(one, number=2.0).number == 2.0
    assert copy.deepcopy(one).name == "a"
    if form.get("frozen"):
        with pytest.raises(FrozenInstanceError):
            one.name = "b"
        with pytest.raises(FrozenInstanceError):
            del one.name


@values.dataclass(frozen=True, slots=True)
class Alone:
    """One field, which is compared as the library compares: what is the same is equal."""

    number: float


@values.dataclass(frozen=True, slots=True)
class Own:
    """A class with ways of its own."""

    word: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own) and self.word.casefold() == other.word.casefold()

    def __hash__(self) -> int:
        return hash(self.word.casefold())

    def __repr__(self) -> str:
        return "own"


@values.dataclass(frozen=True, slots=True)
class Empty:
    """Nothing."""


def test_small_ones_and_those_with_ways_of_their_own() -> None:
    assert Alone(math.nan) != Alone(float("nan"))
    assert Alone(nan := math.nan) == Alone(nan)
    assert (Own("A") == Own("a"), hash(Own("A")) == hash(Own("a")), repr(Own("A"))) == (True, True, "own")
    assert (Empty() == Empty(), repr(Empty()), len({Empty(), Empty()})) == (True, "Empty()", 1)
    assert pickle.loads(pickle.dumps(Alone(1.0))) == Alone(1.0)
