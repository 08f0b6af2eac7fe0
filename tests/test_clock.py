"""A flag that ends waits: set from another thread, or by a signal in the midst of the waiting itself."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import pytest

from replctl import clock
from replctl.clock import Cancel

SURELY_SECONDS = 10.0
LINES_OF_A_WAIT = 6  # until it sleeps


@contextmanager
def traced(tracer: Any) -> Iterator[None]:
    """Each line of what is called within is told; whatever measured coverage goes on afterwards."""
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        yield
    finally:
        sys.settrace(before)


@pytest.mark.parametrize("line", range(LINES_OF_A_WAIT))
def test_a_signal_that_sets_it_in_the_midst_of_a_wait_ends_the_wait(line: int) -> None:
    """At each line of it: none holds what the handler wants, and none misses that it was set."""
    cancel, lines, sent = Cancel(), iter(range(LINES_OF_A_WAIT)), threading.Event()

    def tracer(frame: FrameType, event: str, _: Any) -> Any:
        if frame.f_code.co_filename != clock.__file__:
            return None
        if event == "line" and next(lines, None) == line:
            sys.settrace(None)
            signal.raise_signal(signal.SIGUSR1)
            sent.set()
        return tracer

    before = signal.signal(signal.SIGUSR1, lambda *_: cancel.set())
    try:
        with traced(tracer):
            assert cancel.wait(SURELY_SECONDS) is True
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sent.is_set()


def test_all_who_wait_are_woken() -> None:
    cancel, woken = Cancel(), []
    threads = [threading.Thread(target=lambda: woken.append(cancel.wait(SURELY_SECONDS))) for _ in range(5)]
    for thread in threads:
        thread.start()
    cancel.set()
    cancel.set()
    for thread in threads:
        thread.join(SURELY_SECONDS)
    assert woken == [True] * 5
    assert cancel.wait(SURELY_SECONDS) is True


def test_a_wait_that_nobody_ends_ends_by_itself() -> None:
    cancel = Cancel()
    assert (cancel.wait(0.01), cancel.wait(0.0), cancel.wait(-1.0), cancel.is_set) == (False,) * 4
