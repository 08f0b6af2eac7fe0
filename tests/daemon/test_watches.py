"""Following backends: what is told finds its replications; what cannot be followed is left alone, or said once."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from fakes import FakeClock

from replctl.clock import Cancel
from replctl.core.errors import NeverSent
from replctl.core.model import End, Replication, State
from replctl.daemon.watches import AGAIN_SECONDS, Watches
from replctl.engine.ports import Told

SURELY_SECONDS = 10.0


class Teller:
    """A backend that tells what it is given to tell, and then waits for the end."""

    def __init__(self, *things: Any) -> None:
        self.things = list(things)
        self.all_told = threading.Event()

    def watches(self) -> Mapping[str, Callable[[Told, Cancel], None]]:
        return {"mirrors": self._follow}

    def thing(self, end: End) -> str:
        return end.words["mirror"]

    def _follow(self, told: Told, cancel: Cancel) -> None:
        while self.things:
            each = self.things.pop(0)
            if isinstance(each, Exception):
                raise each
            told({each})
        self.all_told.set()
        cancel.wait(SURELY_SECONDS)


def pair(name: str) -> Replication:
    ends = [End(backend, "any", (("mirror", f"{name}-{backend}"),)) for backend in ("west", "east")]
    return Replication(namespace="bank", name=name, desired_state=State.REPLICA, local=ends[0], peer=ends[1])


class Following:
    def __init__(self) -> None:
        self.cancel = Cancel()
        self.clock = FakeClock()
        self.drivers: dict[str, Any] = {"east": object()}
        self.watches = Watches(lambda backend: self.drivers[backend], self.clock, self.cancel)

    def follow(self, west: Teller, *replications: Replication) -> None:
        self.drivers["west"] = west
        self.watches.follow(replications)
        assert west.all_told.wait(SURELY_SECONDS)


@pytest.fixture
def following() -> Iterator[Following]:
    made = Following()
    yield made
    made.cancel.set()
    assert made.watches.finish(SURELY_SECONDS)


def test_what_is_told_is_taken_once_and_by_the_replications_that_it_is_about(following: Following) -> None:
    following.follow(Teller("ledger-west", "ledger-west", "nobody-s"), pair("ledger"), pair("orders"))
    assert following.watches.pending == 1
    assert following.watches.take() == {"bank/ledger"}
    assert following.watches.take() == frozenset()


def test_a_backend_that_cannot_be_followed_is_left_alone(following: Following) -> None:
    following.watches.follow([])
    assert not following.watches.any
    following.follow(Teller(), pair("ledger"))
    assert following.watches.any
    names = [thread.name for thread in threading.enumerate()]
    assert not [name for name in names if name.startswith("watch-east")]


def test_entries_that_were_read_anew_are_told_of_over_the_same_watch(following: Following) -> None:
    west = Teller()
    following.follow(west, pair("ledger"))
    following.watches.follow([pair("orders")])
    count = sum(thread.name == "watch-west-mirrors" for thread in threading.enumerate())
    assert count == 1


@pytest.mark.parametrize("error", [NeverSent("no route to it", backend="west"), RuntimeError("a mistake")])
def test_a_watch_that_breaks_off_is_taken_up_again_after_a_while(
    following: Following, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    with caplog.at_level(logging.WARNING, logger="replctl"):
        following.follow(Teller(error, error, "ledger-west"), pair("ledger"))
    assert following.watches.take() == {"bank/ledger"}
    assert following.clock.waits == [AGAIN_SECONDS] * 2
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == (
        1 if isinstance(error, NeverSent) else 2
    )  # trouble is said once, a mistake each time
