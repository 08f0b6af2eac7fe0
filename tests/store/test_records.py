"""Every value comes back from its text exactly as it went in, and what others wrote is read as far as may be."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.values import HOLDER, OBSERVATION, operation, step, transition

from replctl.core.breaker import BreakerState
from replctl.core.journal import OperationRecord, StepRecord, TransitionRecord
from replctl.core.model import Hold, Holder, Observation
from replctl.store import records

SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())
VENDORS = st.dictionaries(st.text(), SCALARS).map(MappingProxyType)


def read_operation(text: str) -> OperationRecord:
    return records.operation(text, ())


KINDS: dict[type[Any], Callable[[str], object]] = {
    Observation: records.observation,
    StepRecord: records.step,
    OperationRecord: read_operation,
    Holder: records.holder,
    Hold: records.hold,
    BreakerState: records.breaker,
}


def any_of(kind: type[Any]) -> st.SearchStrategy[Any]:
    """Any value of the kind, every field filled by its type: a field that is new is tried by itself."""
    hints = typing.get_type_hints(kind)
    given_fields = {field.name: st.from_type(hints[field.name]) for field in dataclasses.fields(kind)}
    if kind is Observation:
        given_fields["vendor"] = VENDORS
    if kind is OperationRecord:
        given_fields["steps"] = st.just(())  # they have rows of their own
    return st.builds(kind, **given_fields)


@pytest.mark.parametrize("kind", KINDS)
@given(data=st.data())
def test_any_value_comes_back_equal(kind: type[Any], data: st.DataObject) -> None:
    value = data.draw(any_of(kind))
    text = records.encode(value)
    assert text.isascii()
    assert "\n" not in text
    again = KINDS[kind](text)
    assert again == value or "NaN" in text  # which is never equal to itself
    assert records.encode(again) == text


@given(value=any_of(TransitionRecord))
def test_transitions_leave_their_number_to_the_chain(value: TransitionRecord) -> None:
    text = records.transition_text(value)
    assert "sequence" not in json.loads(text)
    again = records.transition(text, value.sequence)
    assert again == value or "NaN" in text


def test_types_come_back_too() -> None:
    again = records.observation(records.encode(OBSERVATION))
    assert again == OBSERVATION
    for name in ("state", "note", "mode", "flow", "link", "point", "progress", "permits"):
        assert type(getattr(again, name)) is type(getattr(OBSERVATION, name))
    assert [type(value) for value in again.vendor.values()] == [
        type(OBSERVATION.vendor[key]) for key in again.vendor
    ]
    with pytest.raises(TypeError):
        again.vendor["state"] = "forged"  # type: ignore[index]  # that it cannot be done is the point


def test_what_a_newer_one_added_is_passed_over() -> None:
    for value, read in (
        (OBSERVATION, records.observation),
        (operation(steps=()), read_operation),
        (HOLDER, records.holder),
    ):
        data = json.loads(records.encode(value)) | {"invented": {"later": [1]}}
        assert read(json.dumps(data)) == value


def test_what_an_older_one_did_not_know_takes_its_default() -> None:
    data = json.loads(records.encode(step(receipt="job-9", sends=3)))
    for name in ("sends", "unplanned", "error_code"):
        del data[name]
    assert records.step(json.dumps(data)) == step(receipt="job-9")


@pytest.mark.parametrize("text", ["", "x", "[]", "{}", "null", '{"number": 1}', '{"phase": "invented"}'])
def test_what_makes_no_value_is_said_to_be_unreadable(text: str) -> None:
    for read in (*KINDS.values(), lambda text: records.transition(text, 1), records.marked_at):
        if read is records.breaker and text.startswith("{"):
            continue  # a breaker of which nothing is known is a closed one
        with pytest.raises(records.Unreadable):
            read(text)


def test_what_has_no_place_in_the_store_is_not_let_in() -> None:
    with pytest.raises(TypeError):
        records.encode({"thing": object()})


def test_times_of_entries_are_read_from_either_kind() -> None:
    assert records.marked_at(records.transition_text(transition(7))) == transition(7).at
