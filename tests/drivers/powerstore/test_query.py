"""Questions and pages as values (CP §1, §4)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.drivers.powerstore.query import (
    FILTER_CHARACTERS,
    FILTER_VALUES,
    SESSION_FIELDS,
    ContentRange,
    content_range,
    filters,
    looks_like_id,
    next_offset,
    one,
    release_of,
    select,
)


@pytest.mark.parametrize(
    ("text", "release"),
    [
        ("4.1.0.0", (4, 1, 0, 0)),
        ("1.0.2.0.5.003", (1, 0, 2, 0, 5, 3)),
        ("10", (10,)),
        ("", None),
        ("4.x", None),
        ("²", None),
        ("4.1.0.0-12345", None),
    ],
)
def test_releases(text: str, release: tuple[int, ...] | None) -> None:
    assert release_of(text) == release


@pytest.mark.parametrize(
    ("release", "has", "lacks"),
    [
        ("1.0.0.0", {"state", "role", "last_sync_timestamp"}, {"last_sync_duration", "type"}),
        ("2.1.0.0", {"last_sync_duration", "failover_test_in_progress"}, {"type", "data_transfer_state"}),
        ("3.2.0.0", {"type", "data_transfer_state", "error_code"}, set()),
        ("4.1.0.0", set(SESSION_FIELDS), set()),
        ("9.0.0.0", set(SESSION_FIELDS), set()),
    ],
)
def test_a_release_is_asked_only_for_the_fields_that_it_has(
    release: str, has: set[str], lacks: set[str]
) -> None:
    asked = set(select(SESSION_FIELDS, release_of(release)).split(","))
    assert has <= asked
    assert not lacks & asked


def test_an_unread_release_is_asked_for_whatever_it_has() -> None:
    assert select(SESSION_FIELDS, None) == "*"


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("0-99/1000", ContentRange(0, 99, 1000)),
        (" 2000-3999/4001 ", ContentRange(2000, 3999, 4001)),
        (None, None),
        ("", None),
        ("bytes 0-99/1000", None),
        ("99-0/1000", None),
        ("0-99/*", None),
        ("0-99/50", None),
    ],
)
def test_content_ranges(header: str | None, read: ContentRange | None) -> None:
    assert content_range(header) == read


@pytest.mark.parametrize(
    ("status", "header", "offset", "rows", "following"),
    [
        (200, None, 0, 100, None),
        (206, "0-1999/5000", 0, 2000, 2000),
        (206, "4000-4999/5000", 4000, 1000, None),
        (206, "0-99/1000", 0, 100, 100),  # the array cut our wish
        (206, "2000-3999/4000", 2000, 2000, None),
        (206, "2000-3999/6000", 2000, 2000, 4000),  # the total grew meanwhile
        (206, None, 0, 100, 100),
        (206, "nonsense", 200, 100, 300),
        (206, "0-99/1000", 100, 100, None),  # the same page again: never go round in circles
        (206, "0-99/1000", 0, 0, None),
    ],
)
def test_where_the_next_page_starts(
    status: int, header: str | None, offset: int, rows: int, following: int | None
) -> None:
    assert next_offset(status, header, offset, rows) == following


def test_one_value_and_many() -> None:
    assert filters([]) == []
    assert filters(["b"]) == ["eq.b"]
    assert filters(["b", "a", "b"]) == ["in.(a,b)"]


@pytest.mark.parametrize("odd", ["a,b", "a(b", "a)b", 'a"b', "a\\b", " a", "a "])
def test_a_value_that_would_end_a_list_entry_goes_alone(odd: str) -> None:
    assert filters([odd, "x", "y"]) == [f"eq.{odd}", "in.(x,y)"] or filters([odd, "x", "y"])[0] == f"eq.{odd}"
    assert f"eq.{odd}" in filters([odd, "x", "y"])
    assert "in.(x,y)" in filters([odd, "x", "y"])


@given(st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=128)))
def test_every_value_is_asked_for_once_and_no_question_is_too_long(values: list[str]) -> None:
    asked: list[str] = []
    for expression in filters(values):
        operator, _, rest = expression.partition(".")
        entries = rest.strip("()").split(",") if operator == "in" else [rest]
        assert len(entries) <= FILTER_VALUES
        assert len(rest) <= FILTER_CHARACTERS + 2
        asked.extend(entries)
    assert sorted(asked) == sorted(set(values))


def test_a_look_at_49_ids_is_one_question() -> None:
    assert len(filters(f"5c77a1de-3b1f-4c5e-8a55-9a6e0c3f{number:04d}" for number in range(49))) == 1


@pytest.mark.parametrize(
    ("value", "yes"), [("5c77a1de-3b1f-4c5e-8a55-9a6e0c3f1101", True), ("ledger-vg", False), ("A1", False)]
)
def test_what_looks_like_an_id(value: str, yes: bool) -> None:
    assert looks_like_id(value) is yes


def test_an_id_leads_nowhere_else() -> None:
    assert one("/job", "a-1") == "/job/a-1"
    assert one("/job", "../x?y#z") == "/job/..%2Fx%3Fy%23z"
