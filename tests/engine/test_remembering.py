"""What is kept of ends that are looked at again and again: little is written, and nothing is lost by that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START, FakeClock

from replctl.core.model import Observation, Point, State
from replctl.engine.remembering import WRITTEN_ANEW_SECONDS, Remembering
from replctl.store.sqlite import SqliteStore

WEST, EAST = ("bank/ledger", "west"), ("bank/ledger", "east")


class Counting(SqliteStore):
    """A store that counts what is written into it."""

    written = 0

    def remember_observations(self, seen):  # type: ignore[no-untyped-def]  # the store's own
        self.written += len(seen)
        super().remember_observations(seen)


@pytest.fixture
def store(tmp_path: Path) -> Counting:
    return Counting(tmp_path / "state", clock=FakeClock())


def seen(after: float, **changes: object) -> Observation:
    made = Observation(backend="west", observed_at=START + after, state=State.REPLICA, word="OK")
    return replace(made, **changes)  # type: ignore[arg-type]  # names are Observation's own


def at(store: SqliteStore) -> float:
    """When the store last knew of it, after the start."""
    return store.observations()[WEST].observed_at - START


def test_the_first_look_is_written(store: Counting) -> None:
    Remembering(store).keep({WEST: seen(0), EAST: seen(0)})
    assert (store.written, at(store)) == (2, 0)


def test_what_says_nothing_new_is_written_anew_only_after_a_while(store: Counting) -> None:
    kept = Remembering(store)
    for after in range(0, int(WRITTEN_ANEW_SECONDS) + 1, 1):
        point = Point(at=START + after, source="a clock", read_at=START + after)
        kept.keep({WEST: seen(after, point=point, as_of=START + after)})
    assert 2 <= store.written <= 3
    assert WRITTEN_ANEW_SECONDS / 2 <= at(store) <= WRITTEN_ANEW_SECONDS


@pytest.mark.parametrize(
    "changes", [{"state": State.PROMOTING}, {"word": "Error"}, {"healthy": True}, {"in_use": 1}]
)
def test_what_is_new_is_written_at_once(store: Counting, changes: dict[str, object]) -> None:
    kept = Remembering(store)
    kept.keep({WEST: seen(0)})
    kept.keep({WEST: seen(1, **changes)})
    assert (store.written, at(store)) == (2, 1)


def test_an_end_that_falls_silent_is_known_as_it_was_last_seen(store: Counting) -> None:
    kept = Remembering(store)
    for after in (0, 10, 20):
        kept.keep({WEST: seen(after)})
    assert at(store) == 0
    kept.lost([WEST, EAST])
    assert at(store) == 20
    kept.lost([WEST])
    assert store.written == 2


def test_what_another_process_saw_since_stays(store: Counting, tmp_path: Path) -> None:
    kept = Remembering(store)
    kept.keep({WEST: seen(0)})
    kept.keep({WEST: seen(10)})
    other = SqliteStore(tmp_path / "state", clock=FakeClock())
    other.remember_observations({WEST: seen(15)})
    kept.lost([WEST])
    assert at(store) == 15


def test_what_was_put_off_is_written_at_the_end_and_after_a_change(store: Counting) -> None:
    kept = Remembering(store)
    kept.keep({WEST: seen(0)})
    kept.keep({WEST: seen(10)}, at_once=True)
    assert at(store) == 10
    kept.keep({WEST: seen(20)})
    kept.close()
    assert at(store) == 20


def test_a_clock_that_was_set_back_holds_nothing_up(store: Counting) -> None:
    kept = Remembering(store)
    kept.keep({WEST: seen(0)})
    kept.keep({WEST: seen(-3600)})
    assert at(store) == -3600
