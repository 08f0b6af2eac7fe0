"""The retry schedule, who may be retried, the counts per replication and the budget."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.core import errors
from replctl.core.retry import CHANGE, READ, Attempts, RetryBudget, RetryPolicy, is_retryable

POLICY = RetryPolicy()
UNWELL = errors.BackendUnwell("it answered 500")


def test_defaults() -> None:  # R25
    assert (
        RetryPolicy(
            max_attempts=5, initial_delay_seconds=1.0, max_delay_seconds=300.0, multiplier=2.0, jitter=0.1
        )
        == POLICY
    )


@pytest.mark.parametrize(
    ("wrong", "place"),
    [
        ({"max_attempts": 0}, "max_attempts"),
        ({"max_attempts": 2.5}, "max_attempts"),
        ({"initial_delay_seconds": 0.0}, "initial_delay_seconds"),
        ({"initial_delay_seconds": float("nan")}, "initial_delay_seconds"),
        ({"max_delay_seconds": None}, "max_delay_seconds"),
        ({"max_delay_seconds": 0.0}, "max_delay_seconds"),
        ({"max_delay_seconds": float("inf")}, "max_delay_seconds"),
        ({"multiplier": 0.5}, "multiplier"),
        ({"multiplier": float("inf")}, "multiplier"),
        ({"jitter": -0.1}, "jitter"),
        ({"jitter": 1.1}, "jitter"),
    ],
)
def test_wrong_numbers_are_refused(wrong: dict, place: str) -> None:  # R25, R26
    with pytest.raises(errors.InvalidInput) as refused:
        RetryPolicy(**wrong)
    assert [finding.place for finding in refused.value.findings] == [place]


def test_all_wrong_numbers_are_told_at_once() -> None:  # R25
    with pytest.raises(errors.InvalidInput) as refused:
        RetryPolicy(max_attempts=-1, max_delay_seconds=-1, jitter=7)
    assert len(refused.value.findings) == 3


@pytest.mark.parametrize(("failures", "delay"), [(0, 1), (1, 1), (2, 2), (3, 4), (4, 8), (5, 16), (9, 256)])
def test_the_schedule(failures: int, delay: float) -> None:  # R26
    assert POLICY.next_delay(failures, 0.0) == delay


@pytest.mark.parametrize("failures", [1, 2, 3, 4, 5])
def test_jitter_adds_at_most_a_tenth(failures: int) -> None:  # R26
    plain = 2.0 ** (failures - 1)
    assert POLICY.next_delay(failures, 0.5) == pytest.approx(plain * 1.05)
    assert plain < POLICY.next_delay(failures, 0.999_999) < plain * 1.1


@pytest.mark.parametrize("multiplier", [1.0, 2.0, 10.0, 1e300])
@pytest.mark.parametrize("failures", [1000, 10**9])
def test_far_along_it_stays_at_the_cap(multiplier: float, failures: int) -> None:  # R26
    expected = 1.0 if multiplier == 1.0 else 300.0
    assert RetryPolicy(multiplier=multiplier).next_delay(failures, 0.0) == expected


def test_the_cap_is_applied_after_the_jitter() -> None:  # R26
    assert POLICY.next_delay(10, 0.9) == 300.0
    assert RetryPolicy(max_delay_seconds=4.2).next_delay(3, 0.9) == 4.2


def test_a_cap_below_the_first_delay_clamps_it() -> None:  # R26
    low = RetryPolicy(max_delay_seconds=0.5)
    assert [low.next_delay(failures, 0.7) for failures in (0, 1, 5)] == [0.5, 0.5, 0.5]


def test_without_jitter_chance_is_nothing() -> None:  # R26
    even = RetryPolicy(jitter=0.0)
    assert even.next_delay(3, 0.0) == even.next_delay(3, 0.99) == 4.0


@settings(deadline=None)  # a busy machine proves nothing
@given(
    failures=st.integers(0, 5000),
    chance=st.floats(0, 1, exclude_max=True),
    initial=st.floats(0.001, 1000),
    cap=st.floats(0.001, 10_000),
    multiplier=st.floats(1, 100),
    jitter=st.floats(0, 1),
)
def test_any_delay_is_sane(failures, chance, initial, cap, multiplier, jitter) -> None:  # R26
    policy = RetryPolicy(
        initial_delay_seconds=initial, max_delay_seconds=cap, multiplier=multiplier, jitter=jitter
    )
    delay = policy.next_delay(failures, chance)
    assert min(initial, cap) <= delay <= cap
    assert delay <= policy.next_delay(failures + 1, chance) or jitter > multiplier - 1


@settings(deadline=None)  # a busy machine proves nothing
@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True), st.integers(1, 8))
def test_delays_differ_with_chance(one: float, other: float, failures: int) -> None:  # R30
    first, second = POLICY.next_delay(failures, one), POLICY.next_delay(failures, other)
    assert (first < second) == (one * 0.1 + 1 < other * 0.1 + 1)


READS_AGAIN = [
    errors.NeverSent("refused"),
    errors.NameUnresolved("no such name"),
    errors.BackendUnwell("500"),
    errors.TimedOut("no answer in 30 s"),
    errors.ConnectionLost("reset"),
    errors.UnreadableAnswer("a page"),
    errors.Busy("429"),
]
CHANGES_AGAIN = (errors.NeverSent, errors.NameUnresolved, errors.Busy)
NEVER = [
    errors.InvalidInput("no"),
    errors.NotFound("no"),
    errors.Unauthorized("no"),
    errors.Forbidden("no"),
    errors.IllegalTransition("source", "source", ()),
    errors.Rejected("no"),
    errors.Conflict("no"),
    errors.TlsFailed("no"),
    errors.BreakerOpen("no"),
    errors.OutcomeUnknown("lost"),
    errors.Interrupted("no"),
]


@pytest.mark.parametrize("error", READS_AGAIN, ids=lambda error: error.code)
def test_what_a_read_tries_again(error: errors.ReplctlError) -> None:  # R27
    assert is_retryable(error, READ)


@pytest.mark.parametrize("error", READS_AGAIN, ids=lambda error: error.code)
def test_a_change_is_tried_again_only_if_it_never_left(error: errors.ReplctlError) -> None:  # R27
    assert is_retryable(error, CHANGE) is isinstance(error, CHANGES_AGAIN)


@pytest.mark.parametrize("error", NEVER, ids=lambda error: error.code)
@pytest.mark.parametrize("call_class", [READ, CHANGE])
def test_what_is_never_tried_again(error: errors.ReplctlError, call_class: str) -> None:  # R27
    assert not is_retryable(error, call_class)


def test_should_retry() -> None:  # R29
    assert not POLICY.should_retry(None, 1)
    assert [POLICY.should_retry(UNWELL, attempts) for attempts in (1, 4, 5, 6)] == [True, True, False, False]
    assert not POLICY.should_retry(errors.Rejected("no"), 1)
    assert not POLICY.should_retry(UNWELL, 1, CHANGE)


def test_one_replications_failures_never_change_anothers() -> None:  # R28
    attempts = Attempts(POLICY)
    for _ in range(3):
        attempts.failed("bank/ledger", UNWELL, 0.0)
    assert attempts.failed("shop/orders", UNWELL, 0.0).delay_seconds == 1.0
    assert attempts["bank/ledger"].failures == 3
    assert attempts["bank/ledger"].delay_seconds == 4.0


def test_success_resets() -> None:  # R28
    attempts = Attempts(POLICY)
    attempts.failed("bank/ledger", UNWELL, 0.0)
    attempts.succeeded("bank/ledger")
    attempts.succeeded("shop/orders")
    assert dict(attempts) == {}
    assert attempts.failed("bank/ledger", UNWELL, 0.0).failures == 1


def test_exhaustion_ends_with_the_last_error_and_not_for_ever() -> None:  # R28
    attempts = Attempts(POLICY)
    last = errors.TimedOut("no answer in 30 s")
    tallies = [attempts.failed("bank/ledger", UNWELL, 0.0) for _ in range(4)]
    tallies.append(attempts.failed("bank/ledger", last, 0.0))
    assert [tally.exhausted for tally in tallies] == [False] * 4 + [True]
    assert tallies[-1].error is last
    assert attempts.failed("bank/ledger", UNWELL, 0.0).failures == 1
    assert list(attempts) == ["bank/ledger"]
    assert len(attempts) == 1


def test_the_budget_is_ten_and_a_tenth_for_each_first_attempt() -> None:
    budget = RetryBudget()
    assert budget.retries == 10
    for _ in range(25):
        budget = budget.earned()
    assert budget.retries == 12
    for _ in range(12):
        budget = budget.spent()
        assert budget is not None
    assert budget.spent() is None


def test_a_quiet_week_does_not_save_up_a_storm() -> None:
    budget = RetryBudget()
    for _ in range(100_000):
        budget = budget.earned()
    assert budget.retries == 100
