"""Visiting every backend at the same time, each with a driver of its own, within a bound (design §1, promise 5)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from replctl.bootstrap import Backend, Services
from replctl.clock import Cancel
from replctl.core.errors import Interrupted, ReplctlError, TimedOut
from replctl.engine.backends import OVERRUN_SECONDS, at_once
from replctl.resilience import Look

T = TypeVar("T")

GOODBYE_SECONDS = 3.0  # for signing out


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one look at a backend may take, whether open breakers are passed, and what ends it early."""

    seconds: float
    probe: bool = False
    cancel: Cancel | None = None

    def look(self, services: Services) -> Look:
        """One attempt, from now on."""
        deadline = services.clock.monotonic() + self.seconds
        return Look(deadline=deadline, retry=False, probe=self.probe, cancel=self.cancel)


def visit(
    services: Services,
    names: Iterable[str],
    ask: Callable[[Backend], T],
    instead: Callable[[str, ReplctlError], T],
    seconds: float,
) -> dict[str, T]:
    """What `ask` gives for each backend; `instead` makes the answer of one that raised, or was too slow."""
    wanted = list(names)

    def call(name: str) -> T:
        try:
            with closing(services.open_driver(name)) as driver:
                return ask(driver)
        except Interrupted:
            raise
        except ReplctlError as error:
            return instead(name, error)

    calls = {name: partial(call, name) for name in wanted}
    answers = at_once(calls, seconds + GOODBYE_SECONDS + OVERRUN_SECONDS)
    late = TimedOut("no answer in time")
    return {name: answers[name] if name in answers else instead(name, late) for name in wanted}
