"""One login for each array that a command asks, and a logout at its end, however it ends (design §9)."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from worlds import LEDGER, SimulatorClock, World

from replctl.clock import Cancel

ARRAYS = ("east", "west")


def sign_ins(world: World) -> list[tuple[int, int]]:
    """Logins and logouts of each array."""
    counted = []
    for array in ARRAYS:
        paths = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(array)]
        counted.append((paths.count("login_session"), paths.count("logout")))
    return counted


def refuse(world: World) -> None:
    world.run("hold", LEDGER, "--reason", "month end")


def fail(world: World) -> None:
    world.control.fault("east", "status", path="failover$", status=400, effect="before")


def read_badly(world: World) -> None:
    world.control.fault("west", "status", path="replication_session", status=500, times=50)


def nothing(world: World) -> None:
    """All is well."""


@pytest.mark.parametrize(
    ("argv", "before", "code"),
    [
        (("status",), nothing, 0),
        (("promote", LEDGER, "--dry-run"), nothing, 0),
        (("promote", LEDGER, "-y"), nothing, 0),
        (("promote", LEDGER, "-y"), refuse, 6),
        (("promote", LEDGER, "-y"), fail, 1),
        (("status",), read_badly, 3),
    ],
)
def test_one_login_and_one_logout(
    world: World, argv: tuple[str, ...], before: Callable[[World], None], code: int
) -> None:
    before(world)
    world.control.clear_requests()
    assert world.run(*argv).code == code
    assert sign_ins(world) == [(1, 1), (1, 1)]


class InterruptedClock(SimulatorClock):
    """The first wait brings the process a Ctrl-C."""

    def __init__(self, control: Any) -> None:
        super().__init__(control)
        self._interrupted = False

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if not self._interrupted and cancel is not None:
            self._interrupted = True
            signal.raise_signal(signal.SIGINT)
        return super().wait(seconds, cancel)


def test_who_is_interrupted_signs_out_too(world: World) -> None:
    world.clock = InterruptedClock(world.control)
    world.control.clear_requests()
    ran = world.run("promote", LEDGER, "-y")
    assert ran.code == 130, ran.err
    assert sign_ins(world) == [(1, 1), (1, 1)]
