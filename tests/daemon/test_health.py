"""Health is the daemon's own: a heartbeat, our own mistakes, its parts; never a backend's illness (R63-R67)."""

from __future__ import annotations

import pytest
from fakes import FakeClock

from replctl.daemon.health import LEAST_SAMPLES, HealthBook


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def failing(book: HealthBook) -> set[str]:
    return {check["name"] for check in book.health()["checks"] if not check["healthy"]}


def ticked(book: HealthBook) -> None:
    book.tick_began()
    book.tick_ended()


def test_at_the_start_it_is_healthy_and_has_not_reconciled(clock: FakeClock) -> None:  # R63, R65
    told = HealthBook(clock).health()
    assert (told["healthy"], told["message"]) == (True, "All systems operational")
    assert (told["last_reconcile"], told["error_rate"]) == (None, 0.0)


def test_ten_minutes_without_a_tick_are_too_many(clock: FakeClock) -> None:  # R64
    book = HealthBook(clock)
    ticked(book)
    clock.advance(600)
    assert book.health()["healthy"] is True
    clock.advance(1)
    assert failing(book) == {"tick"}
    assert book.health()["message"].startswith("No reconciliation in 10m")
    ticked(book)
    assert failing(book) == set()


def test_idle_for_an_hour_with_nothing_to_reconcile_is_healthy(clock: FakeClock) -> None:  # R65
    book = HealthBook(clock)
    for _ in range(120):
        ticked(book)
        clock.advance(30)
    assert book.health()["healthy"] is True


def test_a_tick_that_does_not_end_is_a_stalled_loop(clock: FakeClock) -> None:  # R64
    book = HealthBook(clock)
    ticked(book)
    book.tick_began()
    clock.advance(301)
    assert failing(book) == {"loop"}
    assert book.is_moving is False
    book.tick_ended()
    assert book.is_moving is True


def test_half_of_our_own_errors_are_too_many_and_the_window_slides(clock: FakeClock) -> None:  # R64
    book = HealthBook(clock)
    for number in range(2 * LEAST_SAMPLES):
        book.counted(ours=number % 2 == 0)
    ticked(book)
    assert failing(book) == {"errors"}
    assert book.health()["error_rate"] == 0.5
    assert book.health()["message"].startswith("High error rate")
    clock.advance(601)
    ticked(book)
    assert failing(book) == set()


def test_few_errors_say_nothing(clock: FakeClock) -> None:
    book = HealthBook(clock)
    for _ in range(LEAST_SAMPLES - 1):
        book.counted(ours=True)
    assert failing(book) == set()


def test_all_that_fails_is_told(clock: FakeClock) -> None:  # R64
    book = HealthBook(clock)
    book.part("store", present=False, message="the store is not there")
    for _ in range(LEAST_SAMPLES):
        book.counted(ours=True)
    assert failing(book) == {"errors", "store"}
    assert "the store is not there" in book.health()["message"]
    assert "High error rate" in book.health()["message"]


def test_ready_only_after_marking_and_while_every_part_is_there(clock: FakeClock) -> None:  # R66
    book = HealthBook(clock)
    assert book.readiness()["ready"] is False
    book.mark_ready()
    assert book.readiness() == {"ready": True, "message": ""}
    book.part("store", present=False, message="the store is not there")
    assert book.readiness() == {"ready": False, "message": "the store is not there"}
