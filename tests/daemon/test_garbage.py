"""When garbage is looked for: not in a look or a scrape, and of what lives on only now and then."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest
from fakes import FakeClock

from replctl.daemon.garbage import WHOLE_SECONDS, Garbage


class Knot:
    """Something that holds itself."""

    def __init__(self) -> None:
        self.self = self


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    yield FakeClock()
    gc.unfreeze()
    gc.enable()


def dropped() -> weakref.ref[Knot]:
    return weakref.ref(Knot())


def test_nothing_is_searched_until_the_last_one_has_ended(clock: FakeClock) -> None:
    garbage = Garbage(clock)
    with garbage.left():
        with garbage.left():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_it_is_searched_again_after_a_look_that_failed(clock: FakeClock) -> None:
    with pytest.raises(ValueError, match="no"), Garbage(clock).left():
        raise ValueError("no")
    assert gc.isenabled()


def test_what_lives_on_is_set_aside_and_what_does_not_is_found_now_and_then(clock: FakeClock) -> None:
    garbage = Garbage(clock)
    garbage.sets_aside = True
    with garbage.left():
        knot = dropped()
    assert gc.get_freeze_count() > 0
    assert gc.isenabled()
    gc.collect()
    assert knot() is not None  # nobody looks there
    clock.wait(WHOLE_SECONDS)
    with garbage.left(), garbage.left():
        assert knot() is not None
    assert knot() is None
    assert gc.get_freeze_count() > 0
