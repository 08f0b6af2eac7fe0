"""The breaker's rules, as tables and as properties over any order of asking, reporting and passing time."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.core.breaker import (
    PERMIT_GRACE_SECONDS,
    BreakerSettings,
    BreakerState,
    Position,
    Rejection,
    Ticket,
    ask,
    is_worth_keeping,
    release,
    report,
    reset,
)
from replctl.core.errors import InvalidInput

SETTINGS = BreakerSettings()
NOON = 1_927_886_400.0


def told(state: BreakerState, results: str, now: float = NOON) -> BreakerState:
    """One call after another: `f` is a failure, `s` a success."""
    for result in results:
        state, ticket = ask(state, SETTINGS, now)
        assert isinstance(ticket, Ticket)
        state = report(state, SETTINGS, ticket, result == "s", now, "it hung" if result == "f" else None)
    return state


def opened(now: float = NOON) -> BreakerState:
    return told(BreakerState(), "fffff", now)


def test_words_and_defaults() -> None:  # R32
    assert [str(position) for position in Position] == ["closed", "open", "half-open"]
    assert BreakerSettings(failure_threshold=5, success_threshold=2, recovery_seconds=60.0) == SETTINGS


@pytest.mark.parametrize("name", ["failure_threshold", "success_threshold", "recovery_seconds"])
@pytest.mark.parametrize("value", [0, -1, float("nan"), float("inf")])
def test_numbers_that_would_never_move_it_are_refused(name: str, value: float) -> None:  # R32
    with pytest.raises(InvalidInput) as refused:
        BreakerSettings(**{name: value})
    assert [finding.place for finding in refused.value.findings] == [name]


@pytest.mark.parametrize(
    ("results", "position", "failures"),
    [
        ("", Position.CLOSED, 0),
        ("ffff", Position.CLOSED, 4),
        ("fffff", Position.OPEN, 5),
        ("ffffs", Position.CLOSED, 0),
        ("ffffsffff", Position.CLOSED, 4),
        ("ffffsfffff", Position.OPEN, 5),
    ],
)
def test_the_fifth_failure_in_a_row_opens(results: str, position: Position, failures: int) -> None:  # R33
    state = told(BreakerState(), results)
    assert (state.position, state.failures) == (position, failures)


def test_open_rejects_and_says_until_when_and_why() -> None:  # R34
    state, answer = ask(opened(), SETTINGS, NOON + 59.9)
    assert answer == Rejection(NOON + 60, "it hung")
    assert state == opened()


def test_after_the_recovery_time_two_successes_close() -> None:  # R35
    state, first = ask(opened(), SETTINGS, NOON + 60)
    assert state.position is Position.HALF_OPEN
    assert isinstance(first, Ticket)
    state = report(state, SETTINGS, first, True, NOON + 61)
    assert (state.position, state.successes) == (Position.HALF_OPEN, 1)
    state = told(state, "s", NOON + 62)
    assert state.position is Position.CLOSED
    assert (state.failures, state.successes, state.opened_at, state.retry_at) == (0, 0, None, None)


@pytest.mark.parametrize("results", ["f", "sf"])
def test_one_failure_in_half_open_opens_with_a_fresh_recovery_time(results: str) -> None:  # R35
    state = told(opened(), results, NOON + 100)
    assert (state.position, state.opened_at, state.retry_at) == (Position.OPEN, NOON + 100, NOON + 160)


def test_half_open_gives_one_permit_at_a_time() -> None:  # R36
    state, first = ask(opened(), SETTINGS, NOON + 60, patience_seconds=3)
    rejections = []
    for _ in range(49):
        state, answer = ask(state, SETTINGS, NOON + 60)
        rejections.append(answer)
    assert isinstance(first, Ticket)
    assert all(isinstance(answer, Rejection) and answer.waiting for answer in rejections)
    state = report(state, SETTINGS, first, True, NOON + 61)
    assert isinstance(ask(state, SETTINGS, NOON + 61)[1], Ticket)


def test_a_permit_whose_holder_is_silent_past_its_deadline_is_free() -> None:  # R36
    silent_until = NOON + 60 + 3 + PERMIT_GRACE_SECONDS
    state, silent = ask(opened(), SETTINGS, NOON + 60, patience_seconds=3)
    assert isinstance(ask(state, SETTINGS, silent_until - 0.1)[1], Rejection)
    state, second = ask(state, SETTINGS, silent_until)
    assert isinstance(silent, Ticket)
    assert isinstance(second, Ticket)
    # the late holder ends at last: its own result counts, the second's permit stays taken
    state = report(state, SETTINGS, silent, True, silent_until + 1)
    assert (state.successes, state.permit) == (1, second.permit)
    assert isinstance(ask(state, SETTINGS, silent_until + 1)[1], Rejection)


def test_a_released_permit_is_never_given_under_the_number_of_a_silent_holder() -> None:  # R36
    state, silent = ask(opened(), SETTINGS, NOON + 60)
    state, second = ask(state, SETTINGS, NOON + 70)
    assert isinstance(silent, Ticket)
    assert isinstance(second, Ticket)
    state, third = ask(release(state, second), SETTINGS, NOON + 71)
    assert release(state, silent) == state
    assert isinstance(third, Ticket)
    assert len({silent.permit, second.permit, third.permit}) == 3


def test_results_of_an_earlier_state_change_nothing() -> None:  # R36
    before, early = ask(BreakerState(), SETTINGS, NOON)
    state = told(before, "fffff")
    assert isinstance(early, Ticket)
    for ok in (True, False):
        assert report(state, SETTINGS, early, ok, NOON + 1) == state
        half_open, _ = ask(state, SETTINGS, NOON + 60)
        assert report(half_open, SETTINGS, early, ok, NOON + 61) == half_open
    assert release(state, early) == state


def test_a_released_permit_counts_as_nothing() -> None:
    state, ticket = ask(opened(), SETTINGS, NOON + 60)
    assert isinstance(ticket, Ticket)
    freed = release(state, ticket)
    assert (freed.position, freed.successes, freed.permit) == (Position.HALF_OPEN, 0, None)


def test_manual_reset_closes_and_forgets_what_is_under_way() -> None:  # R37
    half_open, ticket = ask(opened(), SETTINGS, NOON + 60)
    state = reset(half_open)
    assert isinstance(ticket, Ticket)
    assert (state.position, state.failures, state.retry_at) == (Position.CLOSED, 0, None)
    assert report(state, SETTINGS, ticket, False, NOON + 61) == state


def test_figures() -> None:  # R37
    state = told(told(BreakerState(), "s", NOON - 5), "fffff")
    assert (state.last_success_at, state.last_failure_at) == (NOON - 5, NOON)
    assert (state.opened_at, state.retry_at) == (NOON, NOON + 60)
    assert (state.failures, state.successes, state.last_error) == (5, 0, "it hung")


@pytest.mark.parametrize("past", [False, True])
def test_a_call_past_an_open_breaker_counts(past: bool) -> None:  # R38
    state, answer = ask(opened(), SETTINGS, NOON + 1, past=past)
    assert isinstance(answer, Ticket) is past
    if isinstance(answer, Ticket):
        assert report(state, SETTINGS, answer, False, NOON + 2).retry_at == NOON + 62
        assert report(state, SETTINGS, answer, True, NOON + 2).successes == 1
        _, beside = ask(state, SETTINGS, NOON + 1, past=True)
        assert isinstance(beside, Ticket)


@pytest.mark.parametrize(
    "now",
    [
        pytest.param(NOON - 3600, id="opened in the future"),
        pytest.param(NOON - 0.5, id="a moment before it opened"),
    ],
)
def test_a_stored_time_in_the_future_counts_as_past(now: float) -> None:  # R38
    assert isinstance(ask(opened(), SETTINGS, now)[1], Ticket)


def test_a_wait_longer_than_the_recovery_time_counts_as_over() -> None:  # R38
    long = BreakerSettings(recovery_seconds=7200)
    state, ticket = ask(BreakerState(), long, NOON)
    assert isinstance(ticket, Ticket)
    for _ in range(5):
        state = report(state, long, ticket, False, NOON)
    assert isinstance(ask(state, long, NOON + 600)[1], Rejection)
    assert isinstance(ask(state, SETTINGS, NOON + 600)[1], Ticket)


def test_a_permit_from_the_future_is_free() -> None:  # R38
    state, _ = ask(opened(), SETTINGS, NOON + 60, patience_seconds=30)
    assert isinstance(ask(state, SETTINGS, NOON + 59)[1], Ticket)


def test_what_the_next_process_must_know() -> None:  # R38
    closed = BreakerState()
    assert not is_worth_keeping(closed, told(closed, "s"))
    assert is_worth_keeping(closed, told(closed, "f"))
    assert is_worth_keeping(told(closed, "f"), told(closed, "fs"))
    probing, _ = ask(opened(), SETTINGS, NOON + 60)
    assert is_worth_keeping(opened(), probing)
    permitted, _ = ask(probing.memorable, SETTINGS, NOON + 60)
    assert not is_worth_keeping(probing, permitted)
    assert probing.memorable.permit is None


@dataclass
class World:
    """A breaker with calls under way, to be driven through any course of events."""

    settings: BreakerSettings
    state: BreakerState = field(default_factory=BreakerState)
    now: float = NOON
    running: list[Ticket] = field(default_factory=list)
    failed_in_a_row: int = 0

    def asks(self, patience: float, past: bool) -> None:
        before = self.state
        self.state, answer = ask(before, self.settings, self.now, patience_seconds=patience, past=past)
        if isinstance(answer, Rejection):
            assert before.position is not Position.CLOSED
            assert self.state == before
            assert not past
        else:
            assert answer.generation == self.state.generation
            self.running.append(answer)

    def ends(self, which: int, ok: bool) -> None:
        if not self.running:
            return
        ticket = self.running.pop(which % len(self.running))
        before = self.state
        self.state = report(before, self.settings, ticket, ok, self.now, "no")
        if ticket.generation != before.generation:
            assert self.state is before
        elif before.position is Position.CLOSED:
            self.failed_in_a_row = 0 if ok else self.failed_in_a_row + 1
            opens = self.failed_in_a_row >= self.settings.failure_threshold
            assert (self.state.position is Position.OPEN) is opens
        else:
            assert ok or self.state.position is Position.OPEN

    def holds(self, before: BreakerState) -> None:
        state = self.state
        assert state.generation >= before.generation
        if state.position is not before.position:
            assert state.generation > before.generation
            self.failed_in_a_row = 0
        if state.position is Position.OPEN:
            assert state.opened_at is not None
            assert state.retry_at == state.opened_at + self.settings.recovery_seconds
        if state.position is Position.CLOSED:
            assert state.failures < self.settings.failure_threshold
            assert state.retry_at is None
        assert state.permit is None or state.position is Position.HALF_OPEN
        assert state.successes < self.settings.success_threshold


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("ask"), st.floats(0, 30), st.booleans()),
        st.tuples(st.just("end"), st.integers(0, 50), st.booleans()),
        st.tuples(st.just("pass"), st.floats(-100, 200), st.just(False)),
        st.tuples(st.just("reset"), st.just(0.0), st.just(False)),
    ),
    max_size=60,
)


@settings(deadline=None)  # a busy machine proves nothing
@given(EVENTS, st.integers(1, 6), st.integers(1, 3))
def test_any_course_of_events_keeps_the_rules(events, failures: int, successes: int) -> None:  # R33-R37
    world = World(BreakerSettings(failure_threshold=failures, success_threshold=successes))
    for kind, number, flag in events:
        before = world.state
        if kind == "ask":
            world.asks(number, flag)
        elif kind == "end":
            world.ends(int(number), flag)
        elif kind == "pass":
            world.now += number
        else:
            world.state = reset(world.state)
            world.failed_in_a_row = 0
        world.holds(before)


@settings(deadline=None)  # a busy machine proves nothing
@given(st.lists(st.booleans(), max_size=40), st.floats(0, 30))
def test_never_two_permits_at_once(results: list[bool], patience: float) -> None:  # R36
    state, now = opened(), NOON + 60
    for ok in results:
        state, ticket = ask(state, SETTINGS, now, patience_seconds=patience)
        if state.position is Position.CLOSED:
            return
        assert isinstance(ticket, Ticket)
        assert isinstance(ask(state, SETTINGS, now + patience)[1], Rejection)
        state = report(state, SETTINGS, ticket, ok, now)
        now += 60
