"""The checker for safety, on histories made by hand that must be flagged and others that must not."""

from __future__ import annotations

import pytest

from fuzz.safety import Change, Finding, History, Kind, two_sides_written

EAST_UNTIL_100 = {"east": [(0.0, 100.0)]}


def flagged(changes: list[Change], **written: list[tuple[float, float]]) -> list[tuple[float, int]]:
    return [(found.since, found.writes) for found in two_sides_written(History(changes, written))]


def switch(at: float, to: str = "west") -> Change:
    return Change(at, Kind.SWITCH, to)


def promotion(at: float, to: str = "west") -> Change:
    return Change(at, Kind.PROMOTION, to)


def takeover(at: float, to: str = "west", *, acknowledged: bool = True) -> Change:
    return Change(at, Kind.TAKEOVER, to, acknowledged)


def test_one_side_at_a_time_is_well() -> None:
    assert flagged([]) == []
    assert flagged([], east=[(0, 100)], west=[(100, 200)]) == []
    assert flagged([switch(100)], east=[(0, 103)], west=[(105, 200)]) == []
    assert flagged([switch(100), switch(200, "east")], east=[(0, 103), (207, 300)], west=[(105, 203)]) == []


def test_two_sides_without_any_change_are_found() -> None:
    assert flagged([], east=[(0, 100)], west=[(90, 200)]) == [(90.0, 10)]


def test_an_old_source_that_did_not_step_down_is_found() -> None:
    assert flagged([switch(100)], east=[(0, 300)], west=[(105.5, 200)]) == [(106.0, 94)]


def test_an_acknowledged_takeover_answers_for_two_sides() -> None:
    assert flagged([takeover(100)], east=[(0, 300)], west=[(101, 300)]) == []


def test_a_takeover_that_nobody_acknowledged_does_not() -> None:
    changes = [takeover(100, acknowledged=False)]
    assert flagged(changes, east=[(0, 300)], west=[(101, 300)]) == [(101.0, 199)]


def test_what_was_acknowledged_once_is_not_for_ever() -> None:
    """A planned change after it begins anew; what was written before that stays answered for."""
    changes = [takeover(100), switch(400, "east")]
    assert flagged(changes, east=[(0, 300), (410, 500)], west=[(101, 403)]) == []
    assert flagged(changes, east=[(0, 300), (410, 500)], west=[(101, 420)]) == [(410.0, 10)]


def test_a_failover_test_is_written_to_beside_production_until_it_ends() -> None:
    test = [Change(100, Kind.TEST, ""), Change(200, Kind.REST, "")]
    assert flagged(test, east=[(0, 300)], west=[(103, 200)]) == []
    assert flagged(test, east=[(0, 300)], west=[(103, 210)]) == [(200.0, 10)]


def test_what_somebody_else_did_is_not_by_our_hand() -> None:
    assert flagged([Change(100, Kind.FOREIGN, "west")], east=[(0, 300)], west=[(101, 300)]) == []


@pytest.mark.parametrize("west", [[(101.0, 200.0)], []])
def test_a_planned_promotion_whose_old_source_is_written_to_is_found(west: list[tuple[float, float]]) -> None:
    """Also where the new source was not written to meanwhile: the next step would drop those writes."""
    history = History([promotion(100)], {"east": [(0.0, 50.0), (110.0, 120.0)], "west": west})
    (found,) = two_sides_written(history)
    assert (found.since, found.writes) == (110.0, 10)


def test_a_planned_promotion_is_well_while_nobody_writes_to_the_old_source() -> None:
    assert flagged([promotion(100)], east=[(0, 100)], west=[(103, 200)]) == []
    assert (
        flagged([promotion(100), promotion(300, "east")], east=[(0, 100), (305, 400)], west=[(103, 250)])
        == []
    )


def test_a_stretch_without_a_whole_second_holds_no_write() -> None:
    assert flagged([], east=[(0, 100)], west=[(50.2, 50.8)]) == []
    assert flagged([promotion(100)], east=[(0, 100), (100.1, 100.9)], west=[(103, 200)]) == []


def test_the_order_of_the_changes_as_told_does_not_matter() -> None:
    changes = [switch(400, "east"), takeover(100)]
    assert flagged(changes, east=[(0, 300), (410, 500)], west=[(101, 420)]) == [(410.0, 10)]


def test_each_time_between_two_changes_is_judged_by_itself() -> None:
    found = two_sides_written(History([switch(100)], {"east": [(0.0, 200.0)], "west": [(90.0, 110.0)]}))
    assert [(each.since, each.writes) for each in found] == [(90.0, 10), (100.0, 10)]
    assert isinstance(found[0], Finding)
    assert "both sides" in found[0].why
