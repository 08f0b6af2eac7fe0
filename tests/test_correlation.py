"""Correlation ids: their form, that no two are equal, and how they travel."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from timeit import timeit

import pytest
from fakes import START, FakeClock

from replctl.clock import SystemClock
from replctl.correlation import REMEMBERED_NAMES, _Stamps, carried, correlation, current


def test_outside_of_a_correlation_it_is_empty() -> None:  # R68
    assert current() == ""


def test_its_form() -> None:  # R68
    with correlation("forms", "ledger", FakeClock(START + 0.25)) as identity:
        assert identity == current() == "forms-ledger-1927846800250"
        assert re.fullmatch(r"forms-ledger-\d{13,}", identity)
    assert current() == ""


def test_within_another_the_outer_one_comes_back() -> None:
    clock = FakeClock()
    with correlation("bank", "outer", clock) as outer:
        with correlation("bank", "inner", clock) as inner:
            assert current() == inner
        assert current() == outer


def test_it_comes_back_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), correlation("bank", "ledger", FakeClock()):
        raise ZeroDivisionError
    assert current() == ""


def test_200_000_from_eight_threads_all_differ() -> None:  # R68
    clock = SystemClock()

    def many(_: int) -> set[str]:
        found = set()
        for _ in range(25_000):
            with correlation("bank", "ledger", clock) as identity:
                found.add(identity)
        return found

    with ThreadPoolExecutor(8) as pool:
        found = set().union(*pool.map(many, range(8)))
    assert len(found) == 200_000


def test_names_that_join_to_the_same_text_differ_too() -> None:  # R68
    clock = FakeClock()
    with correlation("a-b", "c", clock) as one, correlation("a", "b-c", clock) as other:
        assert one != other


def test_a_clock_that_is_set_back_repeats_nothing() -> None:  # R68
    clock = FakeClock(START + 5000)
    found = set()
    for _ in range(10):
        with correlation("bank", "set-back", clock) as identity:
            found.add(identity)
        clock.set_back(1)
    assert len(found) == 10


def test_forgetting_names_repeats_nothing() -> None:  # R68
    stamps = _Stamps()
    given = {(name, stamps.next(name, 1000)) for name in ("ledger", "ledger", "orders")}
    for number in range(REMEMBERED_NAMES + 10):
        stamps.next(f"passing-{number}", 1000)
    assert len(stamps._last) < REMEMBERED_NAMES
    again = {(name, stamps.next(name, 1000)) for name in ("ledger", "ledger", "orders")}
    assert not given & again


def test_threads_start_without_one_unless_it_is_carried() -> None:  # R69
    with ThreadPoolExecutor(4) as pool, correlation("bank", "ledger", FakeClock()) as identity:
        together = threading.Barrier(4)

        def tell(word: str) -> str:
            together.wait(30)  # all four are inside at the same time
            return word + current()

        assert list(pool.map(tell, "abcd")) == ["a", "b", "c", "d"]
        assert list(pool.map(carried(tell), "abcd")) == [word + identity for word in "abcd"]


def test_what_one_costs() -> None:  # R70
    clock = SystemClock()

    def one() -> None:
        with correlation("bank", "ledger", clock):
            current()

    assert timeit(one, number=2000) / 2000 < 100e-6
