"""What a promotion would lose: never a number that is not known, never smaller than it is (promise 3)."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from core.transcripts import NOW
from hypothesis import assume, given
from hypothesis import strategies as st

from replctl.core.durations import parse_bound, parse_time
from replctl.core.loss import PASTE_SLACK_SECONDS, accepts, extent, paste_form, state_loss, unknown_loss
from replctl.core.model import Bound, BoundKind, Link, Mode, Observation, Point, State
from replctl.core.plans import DataLoss

YEAR = 366 * 86400.0
ages = st.floats(min_value=0.0, max_value=YEAR, allow_nan=False)
moments = ages.map(lambda age: NOW - age)
any_moment = st.one_of(st.none(), moments, ages.map(lambda age: NOW + age))


@st.composite
def replicas(draw: st.DrawFn) -> Observation:
    """A replica with a point that may be true, false or missing."""
    at = draw(st.one_of(any_moment, st.sampled_from([0.0, -1.0, math.inf, math.nan, -math.inf])))
    point = Point(at=at, source="a stamp", read_at=draw(moments), contact_at=draw(any_moment))
    return Observation(
        backend="west",
        observed_at=draw(moments),
        state=State.REPLICA,
        link=draw(st.sampled_from(Link)),
        point=draw(st.sampled_from([point, point, point, None])),
    )


def replica(
    age: float | None, *, contact: float | None = None, link: Link = Link.LOST, **more: float
) -> Observation:
    """A replica whose point is `age` seconds old, read now."""
    at = None if age is None else NOW - age
    point = Point(at=at, source="a stamp", read_at=more.pop("read_at", NOW), contact_at=contact)
    return Observation(backend="west", observed_at=NOW, state=State.REPLICA, point=point, link=link, **more)


def flag_of(loss: DataLoss) -> Bound:
    name, _, text = paste_form(loss).partition("=")
    assert name == "--accept-data-loss"
    return parse_bound(text)


# -- the statement ---------------------------------------------------------------------------------------------


@given(seen=replicas(), last_contact=any_moment)
def test_the_lower_bound_is_never_above_the_upper(seen: Observation, last_contact: float | None) -> None:
    loss = state_loss(seen, NOW, last_contact)
    if loss.point is None:
        assert (loss.at_least_seconds, loss.at_most_seconds) == (None, None)
    else:
        assert loss.at_least_seconds is not None
        assert loss.at_most_seconds is not None
        assert 0.0 <= loss.at_least_seconds <= loss.at_most_seconds


@given(seen=replicas(), last_contact=any_moment)
def test_unknown_is_never_a_number(seen: Observation, last_contact: float | None) -> None:
    loss = state_loss(seen, NOW, last_contact)
    known = seen.point is not None and seen.point.at is not None and 0 < seen.point.at <= NOW
    assert (loss.point is not None) == known
    assert loss.source
    assert ("unknown" in extent(loss)) == (not known)


@given(seen=replicas(), last_contact=any_moment)
def test_all_that_came_after_the_point_counts(seen: Observation, last_contact: float | None) -> None:
    loss = state_loss(seen, NOW, last_contact)
    if loss.point is not None:
        assert seen.point is not None
        assert loss.point == seen.point.at
        assert loss.at_most_seconds == NOW - loss.point


def test_the_bounds_count_from_the_last_contact_and_to_now() -> None:
    loss = state_loss(replica(300.0, contact=NOW - 270.0), NOW, None)
    assert (loss.at_least_seconds, loss.at_most_seconds) == (30.0, 300.0)


def test_an_earlier_look_at_the_source_is_a_contact_too() -> None:
    seen = replica(300.0, contact=NOW - 270.0)
    assert state_loss(seen, NOW, NOW - 100.0).at_least_seconds == 200.0
    assert state_loss(seen, NOW, NOW - 290.0).at_least_seconds == 30.0


def test_a_link_that_works_is_a_contact_at_the_time_of_the_look() -> None:
    assert state_loss(replica(300.0, link=Link.OK), NOW, None).at_least_seconds == 300.0
    for link in (Link.IMPAIRED, Link.LOST, Link.UNKNOWN):
        assert state_loss(replica(300.0, link=link), NOW, None).at_least_seconds == 0.0


def test_without_any_contact_nothing_is_certain_to_be_lost() -> None:
    assert state_loss(replica(300.0), NOW, None).at_least_seconds == 0.0


def test_a_contact_after_now_counts_as_now() -> None:
    assert state_loss(replica(300.0, contact=NOW + 50.0), NOW, None).at_least_seconds == 300.0


def test_a_point_in_the_future_is_no_promise_that_nothing_is_lost() -> None:
    loss = state_loss(replica(-1.0), NOW, None)
    assert (loss.point, loss.at_most_seconds) == (None, None)
    assert "future" in loss.source


def test_a_clock_that_was_set_back_makes_no_loss_smaller() -> None:
    """Read at ten, the point is from half past nine; at a quarter to ten, again, it is still half an hour."""
    seen = replica(1800.0)
    assert state_loss(seen, NOW - 900.0, None).at_most_seconds == 1800.0


@pytest.mark.parametrize("at", [0.0, -86400.0, math.nan, math.inf, parse_time("0001-01-01T00:00:00Z")])
def test_a_stamp_that_means_never_is_unknown(at: float) -> None:
    point = Point(at=at, source="last_sync_timestamp", read_at=NOW)
    loss = state_loss(replace(replica(1.0), point=point), NOW, None)
    assert loss.point is None
    assert loss.source.startswith("last_sync_timestamp: ")
    assert paste_form(loss) == "--accept-data-loss=unknown"


def test_a_mirror_without_its_link_is_not_in_step_whatever_its_state_says() -> None:
    mirror = replace(replica(0.2), mode=Mode.SYNCHRONOUS)
    assert state_loss(mirror, NOW, None).point is None
    for link in (Link.OK, Link.IMPAIRED, Link.UNKNOWN):
        assert state_loss(replace(mirror, link=link), NOW, None).point == NOW - 0.2


def test_a_missing_stamp_says_which_one() -> None:
    point = Point(at=None, source="last_sync_duration is null", read_at=NOW)
    loss = state_loss(replace(replica(1.0), point=point), NOW, None)
    assert (loss.point, loss.source) == (None, "last_sync_duration is null")
    assert state_loss(replace(replica(1.0), point=None), NOW, None).source


def test_how_old_the_reading_is_and_whose_clock_it_was_are_told() -> None:
    point = Point(at=NOW - 60.0, source="a stamp", read_at=NOW - 7.0, clock_offset_seconds=-4.5)
    loss = state_loss(replace(replica(1.0), point=point), NOW, None)
    assert (loss.read_at, loss.clock_offset_seconds, loss.source) == (NOW - 7.0, -4.5, "a stamp")


# -- what was accepted ---------------------------------------------------------------------------------------


def known(age: float) -> DataLoss:
    return state_loss(replica(age), NOW, None)


UNKNOWN = unknown_loss("no stamp", NOW)


@pytest.mark.parametrize(
    ("bound", "loss", "enough"),
    [
        ("5m", known(300.0), True),
        ("5m", known(300.5), False),
        ("0s", known(0.0), True),
        ("2031-02-03T01:55:00Z", known(300.0), True),
        ("2031-02-03T01:55:00Z", known(299.0), True),
        ("2031-02-03T01:55:00Z", known(301.0), False),
        ("2031-02-03T02:55:00+01:00", known(300.0), True),
        ("2099-01-01T00:00:00Z", known(0.0), False),
        ("unknown", known(0.0), False),
        ("unknown", UNKNOWN, True),
        ("36500d", UNKNOWN, False),
        ("1970-01-01T00:00:00Z", UNKNOWN, False),
    ],
)
def test_what_covers_what(bound: str, loss: DataLoss, enough: bool) -> None:
    assert accepts(parse_bound(bound), loss) is enough


@given(seen=replicas(), last_contact=any_moment, later=ages)
def test_the_printed_flag_is_accepted_now_and_later(
    seen: Observation, last_contact: float | None, later: float
) -> None:
    loss = state_loss(seen, NOW, last_contact)
    assume(loss.point is not None or seen.point is None or seen.point.at is None)
    bound = flag_of(loss)
    assert accepts(bound, loss)
    assert accepts(bound, state_loss(seen, NOW + later, last_contact))


@given(age=ages, drift=st.floats(min_value=0.0, max_value=PASTE_SLACK_SECONDS, allow_nan=False))
def test_the_next_look_may_measure_the_clock_a_little_differently(age: float, drift: float) -> None:
    assert accepts(flag_of(known(age)), known(age + drift))


@given(age=ages)
def test_the_printed_flag_accepts_hardly_more_than_is_stated(age: float) -> None:
    bound, loss = flag_of(known(age)), known(age)
    assert bound.kind is BoundKind.TIME
    assert bound.value is not None
    assert loss.point is not None
    assert 0.0 <= loss.point - bound.value <= PASTE_SLACK_SECONDS + 1.0


@given(age=ages, older=ages, bound=moments)
def test_an_older_point_is_never_accepted_where_a_newer_one_was_not(
    age: float, older: float, bound: float
) -> None:
    accepted = Bound(BoundKind.TIME, bound, "as typed")
    if accepts(accepted, known(age + older)):
        assert accepts(accepted, known(age))


@given(age=ages, wider=ages, seconds=ages)
def test_who_accepts_more_accepts_the_less(age: float, wider: float, seconds: float) -> None:
    if accepts(Bound(BoundKind.DURATION, seconds, "as typed"), known(age)):
        assert accepts(Bound(BoundKind.DURATION, seconds + wider, "as typed"), known(age))


@given(age=ages)
def test_no_number_covers_the_unknown(age: float) -> None:
    assert not accepts(Bound(BoundKind.DURATION, age, "as typed"), UNKNOWN)
    assert not accepts(Bound(BoundKind.TIME, NOW - age, "as typed"), UNKNOWN)
    assert not accepts(Bound(BoundKind.UNKNOWN, None, "unknown"), known(age))


@given(age=ages, accepted=ages)
def test_what_is_not_known_besides_makes_no_known_loss_acceptable(age: float, accepted: float) -> None:
    bound = Bound(BoundKind.DURATION, accepted, "as typed")
    both = replace(bound, or_unknown=True)
    assert accepts(both, UNKNOWN)
    assert accepts(both, known(age)) == accepts(bound, known(age))


# -- words ---------------------------------------------------------------------------------------------------


def test_the_flag_is_a_time_ready_to_paste() -> None:
    assert paste_form(known(300.0)) == "--accept-data-loss=2031-02-03T01:54:55Z"


def test_words_round_the_upper_bound_up_and_the_lower_one_down() -> None:
    loss = replace(known(100.0), at_least_seconds=59.9, at_most_seconds=3661.2)
    assert extent(loss) == "at least 59s, at most 1h2m of writes (a stamp)"
    assert extent(UNKNOWN) == "unknown: no stamp"
