"""Running a program: what it is given, how it ends, and that nothing of it holds us up."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable

import pytest
from worlds import SimulatorClock

from replctl.clock import Cancel, SystemClock
from replctl.programs import DROPPED_BYTES, KEPT_BYTES, CannotStart, Finished, run

SOON_SECONDS = 10.0  # of real time: a busy machine is slow, a program that is waited for for ever slower
SHELL = "/bin/sh"


class Ticking:
    """Virtual time that only waiting moves."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def advance(self, seconds: float) -> None:
        self.at += seconds


def ran(body: str, *, seconds: float = 600.0, given: str = "", cancel: Cancel | None = None) -> Finished:
    clock = SimulatorClock(Ticking())
    return run(
        [SHELL, "-c", body],
        given,
        {"PATH": "/usr/bin:/bin"},
        timeout_seconds=seconds,
        clock=clock,
        cancel=cancel,
    )


def test_what_is_said_on_the_standard_error_may_be_nobody_s() -> None:
    finished = run(
        [SHELL, "-c", "echo told; echo muttered >&2"],
        "",
        {"PATH": "/usr/bin:/bin"},
        timeout_seconds=60.0,
        clock=SimulatorClock(Ticking()),
        complaints=False,
    )
    assert (finished.status, finished.output) == (0, "told\n")


def within(call: Callable[[], Finished], seconds: float = SOON_SECONDS) -> Finished:
    began = time.monotonic()
    finished = call()
    assert time.monotonic() - began < seconds
    return finished


def test_it_is_given_its_input_and_nothing_but_its_environment() -> None:
    finished = ran("cat; env; exit 7", given="a\nb\n")
    assert (finished.status, finished.interrupted) == (7, False)
    first, second, *environ = finished.output.split()
    assert (first, second) == ("a", "b")
    assert {each.partition("=")[0] for each in environ} <= {"PATH", "PWD", "SHLVL", "_", "OLDPWD"}


def test_it_need_not_read_what_it_is_given() -> None:
    assert ran("exit 0", given="x" * 10_000_000).status == 0


def test_only_the_end_of_its_output_is_kept() -> None:
    finished = ran("head -c 1000000 /dev/zero | tr '\\0' x; echo end")
    assert finished.output.endswith("xend\n")
    assert len(finished.output) == KEPT_BYTES - DROPPED_BYTES


def test_a_child_that_it_leaves_behind_holds_nobody_up() -> None:
    finished = within(lambda: ran("sleep 20 & echo begun"))
    assert (finished.status, finished.output) == (0, "begun\n")


def test_it_may_close_its_output_and_work_on() -> None:
    assert ran("exec >/dev/null 2>&1; sleep 0.2; exit 4", seconds=3600.0).status == 4


@pytest.mark.parametrize(
    "body", ["sleep 600", "exec >/dev/null 2>&1; trap '' TERM; while :; do sleep 600; done"]
)
def test_one_that_takes_too_long_is_stopped(body: str) -> None:
    finished = within(lambda: ran(f"echo begun; {body}", seconds=2.0))
    assert (finished.status, finished.output, finished.interrupted) == (None, "begun\n", False)


def test_a_friendly_signal_comes_first() -> None:
    body = "trap 'echo tidy; exit 0' TERM; echo begun; while :; do sleep 0.05; done"
    finished = within(lambda: run([SHELL, "-c", body], "", {}, timeout_seconds=0.5, clock=SystemClock()))
    assert finished.status is None
    assert finished.output.endswith("tidy\n")


def test_a_person_stops_it() -> None:
    cancel = Cancel()
    threading.Timer(0.1, cancel.set).start()
    finished = within(
        lambda: run(
            [SHELL, "-c", "sleep 600"], "", {}, timeout_seconds=600.0, clock=SystemClock(), cancel=cancel
        )
    )
    assert (finished.status, finished.interrupted) == (None, True)


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["/nonexistent/program"], "No such file or directory"),
        (["/tmp"], "Permission denied"),
        ([sys.executable, "a\0b"], "not a command line"),
    ],
)
def test_what_cannot_be_started_says_why(command: list[str], why: str) -> None:
    with pytest.raises(CannotStart, match=why):
        run(command, "", {}, timeout_seconds=1.0, clock=SystemClock())
