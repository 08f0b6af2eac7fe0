"""Hands: at most so many at once, one for each replication, and what hangs on a sick backend keeps nobody waiting."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from fakes import FakeClock

from replctl.daemon.hands import Hands

SOON_SECONDS = 10.0


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def test_no_more_than_so_many_and_one_for_each(release: threading.Event) -> None:
    hands = Hands(2, FakeClock())
    assert hands.take("a", release.wait)
    assert not hands.take("a", release.wait)
    assert hands.take("b", release.wait)
    assert not hands.take("c", release.wait)
    assert not hands.finish(0.0)
    release.set()
    assert hands.finish(SOON_SECONDS)
    assert hands.take("c", release.wait)
    assert hands.finish(SOON_SECONDS)


def test_what_is_stuck_takes_no_hand_from_the_others(release: threading.Event) -> None:
    hands = Hands(1, FakeClock())
    assert hands.take("sick", release.wait)
    assert not hands.take("well", release.wait)
    assert hands.take("well", release.wait, stuck=frozenset({"sick"}))
    assert not hands.take("more", release.wait, stuck=frozenset({"sick"}))
    assert not hands.take("sick", release.wait, stuck=frozenset({"sick"}))
    release.set()
    assert hands.finish(SOON_SECONDS)
