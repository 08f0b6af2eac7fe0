"""Calls behind breakers: how often, how long between, what the caller gets, and what other processes learn."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from timeit import timeit
from typing import Any

import pytest
from fakes import START, FakeClock

from replctl.clock import Cancel, SystemClock
from replctl.core import errors
from replctl.core.breaker import BreakerSettings, BreakerState, Position
from replctl.core.events import BreakerMoved, Event, Noticed, WillRetry
from replctl.core.retry import CHANGE, READ, RetryBudget, RetryPolicy
from replctl.core.states import validate
from replctl.correlation import correlation
from replctl.resilience import BreakerBoard, Budget, Look, NotAsked, Slots, call

FOREVER = 1e9


class Shelf:
    """A store of breakers, as small as the protocol; `broken` makes it refuse."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], BreakerState] = {}
        self.writes = 0
        self.broken = False

    def breaker(self, backend: str, call_class: str) -> BreakerState | None:
        self._check()
        return self.kept.get((backend, call_class))

    def save_breaker(self, backend: str, call_class: str, state: BreakerState) -> None:
        self._check()
        self.writes += 1
        self.kept[backend, call_class] = state

    def _check(self) -> None:
        if self.broken:
            raise errors.StoreRefused("the disk is full")


class Caller:
    """A process: one clock, one board over a shelf, and everything that it reported."""

    def __init__(self, shelf: Shelf | None = None, clock: Any = None, **settings: Any) -> None:
        self.shelf = shelf or Shelf()
        self.clock = clock or FakeClock()
        self.events: list[Event] = []
        self.board = BreakerBoard(BreakerSettings(**settings), self.shelf, self.clock, self.events.append)
        self.budget = Budget()
        self.runs = 0

    def look(self, seconds: float = FOREVER, **how: Any) -> Look:
        return Look(deadline=self.clock.monotonic() + seconds, **{"retry": True, **how})

    def call(
        self,
        *results: errors.ReplctlError | str,
        look: Look | None = None,
        call_class: str = READ,
        backend: str = "west",
        policy: RetryPolicy | None = None,
    ) -> str:
        """Call something that gives these results one after another, the last one for ever."""
        script = list(results)

        def function() -> str:
            self.runs += 1
            result = script.pop(0) if len(script) > 1 else script[0]
            if isinstance(result, errors.ReplctlError):
                raise result
            return result

        return self.run(function, look, call_class, backend, policy)

    def run(
        self,
        function: Callable[[], str],
        look: Look | None = None,
        call_class: str = READ,
        backend: str = "west",
        policy: RetryPolicy | None = None,
    ) -> str:
        return call(
            function,
            policy=policy or RetryPolicy(),
            board=self.board,
            backend=backend,
            call_class=call_class,
            operation="session list",
            look=look or self.look(),
            clock=self.clock,
            report=self.events.append,
            budget=self.budget,
        )

    def trip(self, call_class: str = READ, backend: str = "west") -> None:
        for _ in range(5):
            with pytest.raises(errors.TimedOut):
                self.call(unwell(), look=self.look(retry=False), call_class=call_class, backend=backend)

    def state(self, call_class: str = READ, backend: str = "west") -> BreakerState:
        return self.board.breaker(backend, call_class).state

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


def unwell(text: str = "no answer in 30 s") -> errors.TimedOut:
    return errors.TimedOut(text, backend="west")


def test_a_success_is_handed_through() -> None:
    caller = Caller()
    assert caller.call("ok") == "ok"
    assert (caller.runs, caller.clock.waits, caller.events) == (1, [], [])


def test_one_call_runs_five_times_and_sleeps_four_times() -> None:  # R25, R26
    caller = Caller()
    last = unwell("the fifth")
    with pytest.raises(errors.TimedOut) as raised:
        caller.call(*(unwell() for _ in range(4)), last)
    assert raised.value is last
    assert (caller.runs, caller.clock.waits) == (5, [1, 2, 4, 8])


def test_reaching_the_cap_cuts_no_attempts() -> None:  # R26
    caller = Caller(failure_threshold=99)
    with pytest.raises(errors.TimedOut):
        caller.call(unwell(), policy=RetryPolicy(max_attempts=7, max_delay_seconds=2.0))
    assert (caller.runs, caller.clock.waits) == (7, [1, 2, 2, 2, 2, 2])


def test_a_success_in_between_ends_it() -> None:
    caller = Caller()
    assert caller.call(unwell(), unwell(), "ok") == "ok"
    assert caller.clock.waits == [1, 2]
    assert caller.state().failures == 0


def test_every_wait_is_announced() -> None:
    caller = Caller()
    caller.call(unwell(), "ok")
    assert caller.events == [
        WillRetry(
            backend="west",
            operation="session list",
            attempt=2,
            wait_seconds=1.0,
            reason="no answer in 30 s",
        )
    ]


def test_jitter_is_drawn_anew_for_each_wait_and_call() -> None:  # R30
    caller = Caller(clock=FakeClock(chances=[0.1, 0.9, 0.5]))
    caller.call(unwell(), unwell(), "ok")
    caller.call(unwell(), "ok")
    assert caller.clock.waits == [pytest.approx(1.01), pytest.approx(2.18), pytest.approx(1.05)]


@pytest.mark.parametrize("error", [errors.Rejected("no"), errors.Unauthorized("no"), errors.TlsFailed("no")])
def test_what_cannot_get_better_is_asked_once(error: errors.ReplctlError) -> None:  # R27
    caller = Caller()
    with pytest.raises(type(error)):
        caller.call(error)
    assert (caller.runs, caller.clock.waits) == (1, [])


def test_a_change_whose_answer_is_lost_is_never_sent_again() -> None:  # R27
    caller = Caller()
    with pytest.raises(errors.OutcomeUnknown):
        caller.call(errors.OutcomeUnknown("reset"), call_class=CHANGE)
    assert caller.runs == 1


def test_a_change_that_never_left_is_sent_again() -> None:  # R27
    caller = Caller()
    assert caller.call(errors.NeverSent("refused"), "ok", call_class=CHANGE) == "ok"
    assert caller.runs == 2


def test_a_look_without_retry_makes_one_attempt() -> None:
    caller = Caller()
    with pytest.raises(errors.TimedOut):
        caller.call(unwell(), look=caller.look(retry=False))
    assert (caller.runs, caller.clock.waits) == (1, [])


def test_the_deadline_ends_it_before_a_wait_in_vain() -> None:  # R31
    caller = Caller()
    with pytest.raises(errors.TimedOut):
        caller.call(unwell(), look=caller.look(3.5))
    assert (caller.runs, caller.clock.waits) == (3, [1, 2])


def test_a_cancel_ends_a_wait_at_once() -> None:  # R31
    cancel = Cancel()
    caller = Caller(clock=FakeClock(during=lambda seconds: cancel.set()))
    first = unwell()
    with pytest.raises(errors.Interrupted) as raised:
        caller.call(first, look=caller.look(cancel=cancel))
    assert raised.value.__cause__ is first
    assert (caller.runs, caller.clock.waits) == (1, [])


def test_a_cancel_ends_a_wait_at_once_on_the_real_clock() -> None:  # R31
    cancel, clock = Cancel(), SystemClock()
    caller = Caller(clock=clock)
    waiting = threading.Event()
    look = caller.look(cancel=cancel)

    def function() -> str:
        waiting.set()
        raise unwell()

    with ThreadPoolExecutor(1) as pool:
        policy = RetryPolicy(initial_delay_seconds=100)
        began = clock.monotonic()
        result = pool.submit(caller.run, function, look, policy=policy)
        assert waiting.wait(10)
        cancel.set()
        with pytest.raises(errors.Interrupted):
            result.result(10)
    assert clock.monotonic() - began < 5


def test_a_cancelled_look_asks_nothing() -> None:  # R31
    caller, cancel = Caller(), Cancel()
    cancel.set()
    with pytest.raises(errors.Interrupted):
        caller.call("ok", look=caller.look(cancel=cancel))
    assert caller.runs == 0


def test_retry_after_is_honoured() -> None:
    caller = Caller()
    busy = errors.Busy("asks for patience", retry_at=START + 20)
    assert caller.call(busy, "ok") == "ok"
    assert caller.clock.waits == [20.0]


def test_a_retry_after_beyond_the_deadline_fails_now_and_says_when() -> None:
    caller = Caller()
    with pytest.raises(errors.Busy) as raised:
        caller.call(errors.Busy("asks for patience", retry_at=START + 20), look=caller.look(15))
    assert (raised.value.retry_at, caller.clock.waits) == (START + 20, [])


def test_patience_asked_for_is_not_a_failure() -> None:
    caller = Caller()
    for _ in range(6):
        with pytest.raises(errors.Busy):
            caller.call(errors.Busy("429"), look=caller.look(retry=False))
    assert caller.state() == BreakerState(last_success_at=START)


def test_the_budget_ends_retries_of_a_sick_backend() -> None:
    caller = Caller(failure_threshold=10_000)
    for _ in range(50):
        with pytest.raises(errors.TimedOut):
            caller.call(unwell())
    # fifty first attempts, ten retries at first and one for every ten first attempts
    assert caller.runs == 50 + 10 + 5


def test_the_budget_is_shared_between_threads() -> None:
    budget = Budget(RetryBudget(tenths=500))
    with ThreadPoolExecutor(8) as pool:
        spent = sum(pool.map(lambda _: budget.spend(), range(200)))
    assert (spent, budget.retries) == (50, 0)


def test_the_fifth_failure_opens_and_then_nothing_is_asked() -> None:  # R33, R34
    caller = Caller()
    caller.trip()
    with pytest.raises(errors.BreakerOpen) as raised:
        caller.call("ok")
    error = raised.value
    assert caller.runs == 5
    assert "circuit breaker is open until 2031-02-03T01:01:00Z" in str(error)
    assert str(error).startswith("west: session list: ")
    assert str(error.__cause__) == "west: no answer in 30 s"
    assert "--probe" in error.remedy
    assert "replctl breaker reset west" in error.remedy
    assert error.retry_at == START + 60


def test_a_breaker_that_opens_in_between_does_not_hide_the_last_real_error() -> None:  # R34
    caller = Caller(failure_threshold=2)
    last = unwell("the second")
    with pytest.raises(errors.TimedOut) as raised:
        caller.call(unwell(), last)
    assert raised.value is last
    # nor is there a wait for a call that would be rejected
    assert (caller.runs, caller.clock.waits) == (2, [1])


def test_a_call_rejected_after_its_own_failure_gives_that_failure() -> None:  # R34
    caller = Caller(failure_threshold=2)
    breaker = caller.board.breaker("west", READ)
    beside = breaker.ask(caller.look())
    caller.clock = FakeClock(during=lambda _: breaker.report(beside, unwell("another thread's")))
    mine = unwell("mine")
    with pytest.raises(errors.TimedOut) as raised:
        caller.call(mine)
    assert raised.value is mine
    assert (caller.runs, caller.clock.waits) == (1, [1])


def test_two_successes_after_the_recovery_time_close() -> None:  # R35
    caller = Caller()
    caller.trip()
    caller.clock.advance(60)
    caller.call("ok")
    assert caller.state().position is Position.HALF_OPEN
    caller.call("ok")
    assert caller.state().position is Position.CLOSED
    moves = [(event.origin, event.target, event.retry_at) for event in caller.said(BreakerMoved)]
    assert moves == [
        ("closed", "open", START + 60),
        ("open", "half-open", None),
        ("half-open", "closed", None),
    ]


def test_a_failed_probe_opens_again() -> None:  # R35
    caller = Caller()
    caller.trip()
    caller.clock.advance(61)
    with pytest.raises(errors.TimedOut):
        caller.call(unwell(), look=caller.look(retry=False))
    assert caller.state().retry_at == START + 121


@pytest.mark.parametrize(
    "error", [errors.Rejected("no"), errors.NotFound("no"), errors.Unauthorized("no"), errors.Busy("no")]
)
def test_an_answer_is_a_sign_of_health(error: errors.ReplctlError) -> None:  # R33
    caller = Caller()
    for result in (*[unwell()] * 4, error, *[unwell()] * 4):
        with pytest.raises(errors.ReplctlError):
            caller.call(result, look=caller.look(retry=False))
    assert caller.state().position is Position.CLOSED


@pytest.mark.parametrize("error", [NotAsked("busy"), errors.Interrupted("Ctrl-C")])
def test_what_was_never_asked_counts_neither_way(error: errors.ReplctlError) -> None:  # R33
    caller = Caller()
    for _ in range(4):
        with pytest.raises(errors.TimedOut):
            caller.call(unwell(), look=caller.look(retry=False))
    with pytest.raises(type(error)):
        caller.call(error)
    assert caller.state().failures == 4


def test_a_bug_of_ours_frees_the_permit_and_counts_as_nothing() -> None:  # R36
    caller = Caller()
    caller.trip()
    caller.clock.advance(60)

    def bug() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        caller.run(bug)
    assert (caller.state().position, caller.state().permit) == (Position.HALF_OPEN, None)


def at_once(caller: Caller, threads: int, seconds: float) -> tuple[list[str], int]:
    """So many threads ask at once while a probe is under way; it ends when all the others have an answer."""
    others_done = threading.Semaphore(0)
    started = threading.Barrier(threads)
    look = caller.look(seconds, retry=False)

    def function() -> str:
        for _ in range(threads - 1 if not seconds else 0):
            assert others_done.acquire(timeout=30)
        caller.runs += 1
        return "ran"

    def one() -> str:
        started.wait(30)
        try:
            return caller.run(function, look)
        except errors.BreakerOpen:
            return "rejected"
        finally:
            others_done.release()

    with ThreadPoolExecutor(threads) as pool:
        results = [future.result(30) for future in [pool.submit(one) for _ in range(threads)]]
    return results, caller.runs


def test_of_fifty_at_once_one_runs_and_49_are_rejected() -> None:  # R36
    caller = Caller()
    caller.trip()
    caller.clock.advance(60)
    caller.runs = 0
    results, runs = at_once(caller, 50, 0.0)
    assert (results.count("ran"), results.count("rejected"), runs) == (1, 49, 1)


def test_with_time_left_the_others_wait_for_the_probes_result() -> None:  # R36
    caller = Caller(clock=SystemClock(), recovery_seconds=1e-9)
    caller.trip()
    caller.runs = 0
    results, _ = at_once(caller, 50, 30.0)
    assert results == ["ran"] * 50
    assert caller.state().position is Position.CLOSED


def test_a_failed_probe_wakes_the_waiting_at_once() -> None:  # R36
    clock = SystemClock()
    caller = Caller(clock=clock)
    breaker = caller.board.breaker("west", READ)
    caller.trip()
    probe = breaker.ask(caller.look(probe=True))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(breaker.ask, caller.look(100))
        breaker.report(probe, unwell())
        began = clock.monotonic()
        with pytest.raises(errors.BreakerOpen):
            waiting.result(30)
    assert clock.monotonic() - began < 5


def test_a_cancel_ends_the_wait_for_a_probe() -> None:  # R31, R36
    cancel = Cancel()
    caller = Caller(clock=FakeClock(during=lambda _: cancel.set()))
    caller.trip()
    breaker = caller.board.breaker("west", READ)
    breaker.ask(caller.look(probe=True))
    with pytest.raises(errors.Interrupted):
        breaker.ask(caller.look(cancel=cancel))


def test_a_waiting_call_takes_over_from_a_holder_that_fell_silent() -> None:  # R36
    caller = Caller()
    caller.trip()
    caller.clock.advance(60)
    breaker = caller.board.breaker("west", READ)
    silent = breaker.ask(caller.look(3))
    assert breaker.ask(caller.look(20)) != silent
    assert 8 <= sum(caller.clock.waits) < 9


def test_threads_lose_no_failure() -> None:  # R37
    caller = Caller(failure_threshold=10_000)
    breaker = caller.board.breaker("west", READ)

    def fail(_: int) -> None:
        breaker.report(breaker.ask(caller.look()), unwell())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(fail, range(400)))
    assert caller.state().failures == caller.shelf.kept["west", READ].failures == 400


def test_the_board_gives_every_thread_the_same_breaker() -> None:  # R37
    caller = Caller()
    with ThreadPoolExecutor(8) as pool:
        breakers = set(pool.map(lambda _: caller.board.breaker("west", READ), range(200)))
    assert len(breakers) == 1
    assert list(caller.board.figures()) == [("west", READ)]


def test_manual_reset_lets_calls_through_and_is_kept() -> None:  # R37
    caller = Caller()
    caller.trip()
    caller.trip(CHANGE)
    caller.board.reset("west")
    assert caller.call("ok") == "ok"
    assert {state.position for state in caller.shelf.kept.values()} == {Position.CLOSED}


def test_a_reset_that_cannot_be_kept_is_an_error() -> None:  # R37
    caller = Caller()
    caller.trip()
    caller.shelf.broken = True
    with pytest.raises(errors.StoreRefused):
        caller.board.reset("west")


def test_the_next_process_fails_fast() -> None:  # R38
    first = Caller()
    first.trip()
    second = Caller(first.shelf)
    with pytest.raises(
        errors.BreakerOpen, match="circuit breaker is open until 2031-02-03T01:01:00Z"
    ) as raised:
        second.call("ok")
    assert second.runs == 0
    assert str(raised.value.__cause__) == "west: no answer in 30 s"


def test_failures_of_several_processes_add_up() -> None:  # R33, R38
    shelf = Shelf()
    for _ in range(5):
        with pytest.raises(errors.TimedOut):
            (process := Caller(shelf)).call(unwell(), look=process.look(retry=False))
    with pytest.raises(errors.BreakerOpen):
        Caller(shelf).call("ok")


def test_a_success_in_another_process_starts_the_count_anew() -> None:  # R33, R38
    shelf = Shelf()
    for result in (*[unwell()] * 4, "ok", *[unwell()] * 4):
        process = Caller(shelf)
        try:
            process.call(result, look=process.look(retry=False))
        except errors.TimedOut:
            continue
    assert shelf.kept["west", READ].position is Position.CLOSED


def test_one_success_a_process_closes_after_two() -> None:  # R35, R38
    first = Caller()
    first.trip()
    for _ in range(2):
        Caller(first.shelf, FakeClock(START + 61)).call("ok")
    assert first.shelf.kept["west", READ].position is Position.CLOSED


def test_only_failures_and_changes_are_written() -> None:  # R38
    caller = Caller()
    for _ in range(10):
        caller.call("ok")
    assert caller.shelf.writes == 0
    caller.trip()
    assert caller.shelf.writes == 5


def test_a_permit_is_not_handed_down_to_the_next_process() -> None:  # R38
    first = Caller()
    first.trip()
    first.clock.advance(60)
    first.board.breaker("west", READ).ask(first.look())
    killed = first.shelf.kept["west", READ]
    assert (killed.position, killed.permit) == (Position.HALF_OPEN, None)
    assert Caller(first.shelf, first.clock).call("ok") == "ok"


def test_a_reset_by_another_process_reaches_this_one() -> None:  # R37, R38
    daemon = Caller()
    daemon.trip()
    Caller(daemon.shelf).board.reset("west")
    assert daemon.call("ok") == "ok"
    assert daemon.state().position is Position.CLOSED


def test_what_another_process_found_later_is_not_overwritten() -> None:  # R36, R38
    daemon = Caller()
    daemon.call("ok")
    Caller(daemon.shelf).trip()
    with pytest.raises(errors.TimedOut):
        daemon.call(unwell(), look=daemon.look(retry=False))
    assert daemon.shelf.kept["west", READ].position is Position.OPEN
    with pytest.raises(errors.BreakerOpen):
        daemon.call("ok")


def test_stored_times_from_the_future_count_as_past() -> None:  # R38
    later = Caller(clock=FakeClock(START + 86_400))
    later.trip()
    assert Caller(later.shelf).call("ok") == "ok"


def test_a_store_that_cannot_be_used_does_not_stop_looking() -> None:  # R38
    shelf = Shelf()
    shelf.broken = True
    caller = Caller(shelf)
    assert caller.call("ok") == "ok"
    caller.trip()
    with pytest.raises(errors.BreakerOpen):
        caller.call("ok")
    assert [(event.topic, event.backend) for event in caller.said(Noticed)] == [("breaker-store", "west")]


def test_without_a_store_it_lives_in_memory() -> None:  # R38
    caller = Caller()
    caller.board = BreakerBoard(BreakerSettings(), None, caller.clock, caller.events.append)
    caller.trip()
    with pytest.raises(errors.BreakerOpen):
        caller.call("ok")
    caller.board.reset("west")
    assert caller.call("ok") == "ok"


@pytest.mark.parametrize(("backend", "call_class"), [("east", READ), ("west", CHANGE)])
def test_one_breaker_never_touches_another(backend: str, call_class: str) -> None:  # R38
    caller = Caller()
    caller.trip()
    assert caller.call("ok", backend=backend, call_class=call_class) == "ok"


def test_a_probe_asks_past_an_open_breaker_and_counts() -> None:  # R38
    caller = Caller()
    caller.trip()
    assert caller.call("ok", look=caller.look(probe=True)) == "ok"
    assert caller.call("ok", look=caller.look(probe=True)) == "ok"
    assert caller.state().position is Position.CLOSED


def test_a_probe_retries_past_the_breaker_that_it_opened() -> None:  # R38
    caller = Caller()
    caller.trip()
    assert caller.call(unwell(), "ok", look=caller.look(probe=True)) == "ok"


def test_subscribers_may_ask_the_board() -> None:
    caller = Caller()
    seen: list[Position] = []
    caller.board = BreakerBoard(
        BreakerSettings(), caller.shelf, caller.clock, lambda _: seen.append(caller.state().position)
    )
    caller.trip()
    assert seen == [Position.OPEN]


def test_a_long_text_is_cut_before_it_is_kept() -> None:
    caller = Caller(failure_threshold=1)
    with pytest.raises(errors.TimedOut):
        caller.call(unwell("\x1b[31m" + "x" * 5000), look=caller.look(retry=False))
    kept = caller.state().last_error
    assert kept is not None
    assert len(kept) < 400
    assert kept.isprintable()


def test_slots_bound_what_runs_at_once() -> None:
    clock = SystemClock()
    slots = Slots(3, clock)
    look = Look(deadline=clock.monotonic() + 30)
    full = threading.Barrier(3)
    inside, most = 0, 0
    lock = threading.Lock()

    def work(_: int) -> None:
        nonlocal inside, most
        with slots.taken(look):
            with lock:
                inside += 1
                most = max(most, inside)
            full.wait(30)  # breaks unless three get in
            with lock:
                inside -= 1

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(work, range(12)))
    assert most == 3


@pytest.mark.parametrize(("cancelled", "error"), [(False, NotAsked), (True, errors.Interrupted)])
def test_a_wait_for_a_slot_ends_with_deadline_or_cancel(
    cancelled: bool, error: type[Exception]
) -> None:  # R31
    clock, cancel = FakeClock(), Cancel()
    slots = Slots(1, clock)
    if cancelled:
        cancel.set()
    look = Look(deadline=clock.monotonic(), cancel=cancel)
    with slots.taken(look), pytest.raises(error), slots.taken(look):
        pass
    with slots.taken(look):
        pass


def test_what_a_call_costs() -> None:  # R70
    caller, times = Caller(), 500
    breaker = caller.board.breaker("west", READ)
    look = caller.look()

    def one_reconcile() -> None:
        with correlation("bank", "ledger", caller.clock):
            validate("replica", "promoting")
            caller.call("ok", look=look)

    assert timeit(lambda: breaker.report(breaker.ask(look), None), number=times) / times < 100e-6
    assert timeit(one_reconcile, number=times) / times < 1e-3


@pytest.mark.parametrize(
    "error", [errors.InvalidConfiguration("no such file"), errors.NoCredential("the plugin failed")]
)
def test_what_fails_on_our_own_side_says_nothing_of_the_backend(error: errors.ReplctlError) -> None:
    """Neither well nor unwell: failures are not forgotten for it, and a probe stays to be made."""
    caller = Caller(failure_threshold=2, success_threshold=1)
    look = caller.look(retry=False)
    with pytest.raises(errors.BackendUnwell):
        caller.call(errors.BackendUnwell("it is ill"), look=look)
    with pytest.raises(type(error)):
        caller.call(error, look=look)
    assert caller.board.breaker("west", READ).state.failures == 1
    with pytest.raises(errors.BackendUnwell):
        caller.call(errors.BackendUnwell("it is ill"), look=look)
    caller.clock.advance(3600)
    with pytest.raises(type(error)):
        caller.call(error, look=caller.look(retry=False))
    assert caller.board.breaker("west", READ).state.position is not Position.CLOSED
    assert caller.call("well", look=caller.look(retry=False)) == "well"
    assert caller.board.breaker("west", READ).state.position is Position.CLOSED
