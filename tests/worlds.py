"""A simulated pair of arrays with replctl's clock driven by theirs: real sockets, real TLS, virtual time.

`World.run` runs a command line in this process; `World.spawn` in a process of its own, whose clock asks the
simulator's control port. Waiting moves the world on, so that no test sleeps.
"""

from __future__ import annotations

import heapq
import io
import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import worldclock
from forks import Forked
from papers import judge

from replctl.clock import Cancel
from replctl.simulator import Options, Simulator

PATIENCE = "15s"  # of real time for a look: a busy machine is no dead array
LEDGER = "bank/ledger"  # the first replication of every world: local replica on west, source on east


class SimulatorClock:
    """replctl's clock in this process: now is the world's, and a wait moves the world on."""

    def __init__(self, control: Any, seed: int = 7) -> None:
        self._control = control
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.offset_seconds = 0.0

    def now(self) -> float:
        return float(self._control.now()) + self.offset_seconds

    def monotonic(self) -> float:
        return float(self._control.now())

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        if cancel is not None and cancel.is_set:
            return True
        target = self.monotonic() + max(0.0, seconds)
        with self._lock:
            left = target - self.monotonic()
            if left > 0:
                self._control.advance(left)
        return cancel is not None and cancel.is_set

    def chance(self) -> float:
        with self._lock:
            return self._chance.random()


class StormClock(SimulatorClock):
    """The world's clock, on whose way things happen: each is done when its time has come, in order."""

    def __init__(self, control: Any, seed: int) -> None:
        super().__init__(control, seed)
        self._due: list[tuple[float, int, Callable[[Cancel | None], None]]] = []
        self._turn = threading.RLock()

    def schedule(self, seconds: float, deed: Callable[[Cancel | None], None]) -> None:
        heapq.heappush(self._due, (self.monotonic() + seconds, len(self._due), deed))

    def forget(self) -> None:
        self._due.clear()

    def wait(self, seconds: float, cancel: Cancel | None = None) -> bool:
        target = self.monotonic() + max(0.0, seconds)
        with self._turn:
            while self._due and self._due[0][0] <= target and not (cancel is not None and cancel.is_set):
                at, _, deed = heapq.heappop(self._due)
                super().wait(at - self.monotonic(), cancel)
                deed(cancel)
        return super().wait(target - self.monotonic(), cancel)


@dataclass(frozen=True)
class Ran:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def operation(self) -> Any:
        """The only operation of an action's document."""
        (operation,) = self.json["operations"]
        return operation

    @property
    def guards(self) -> list[str]:
        return [guard["name"] for guard in self.operation["refusal"]["guards"]]


class World:
    """Two linked arrays, their files, and ways to run replctl against them."""

    def __init__(self, simulator: Simulator, directory: Path) -> None:
        self.simulator = simulator
        self.control = simulator.control
        self.directory = directory
        self.clock = SimulatorClock(self.control)
        self.config = Path(simulator.ready["config"])

    def environ(self, state_dir: Path | None = None) -> dict[str, str]:
        home = self.directory / "home"
        home.mkdir(exist_ok=True)
        environ = {"HOME": str(home), "REPLCTL_CONFIG": str(self.config), "PATH": os.environ["PATH"]}
        environ["REPLCTL_STATE_DIR"] = str(state_dir or self.directory / "state")
        environ["REPLCTL_OBSERVE_TIMEOUT"] = PATIENCE
        return environ

    def run(self, *argv: str, state_dir: Path | None = None, environ: Mapping[str, str] | None = None) -> Ran:
        """One command in this process."""
        from replctl.cli.boundary import main

        out, err = io.StringIO(), io.StringIO()
        code = main(
            list(argv),
            clock=self.clock,
            environ={**self.environ(state_dir), **(environ or {})},
            stdin=io.StringIO(),
            stdout=out,
            stderr=err,
        )
        judge(argv, out.getvalue())
        return Ran(code, out.getvalue(), err.getvalue())

    def act(self, *argv: str, **more: Any) -> Ran:
        """A change as a script makes it: confirmed, and answered in JSON."""
        return self.run(*argv, "-y", "-o", "json", **more)

    def spawn(
        self, *argv: str, state_dir: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> Forked:
        """One command in a process of its own, over the world's clock."""
        face = self.directory / "time"
        if not face.exists():
            worldclock.show(self.simulator._clock, face)
        variables = {
            **self.environ(state_dir),
            worldclock.VARIABLE: self.simulator.ready["control"],
            worldclock.SHOWN: str(face),
            **(environ or {}),
        }
        return Forked(argv, variables)

    def changes(self, since: int = 0) -> list[dict[str, Any]]:
        """Changes that were asked of either array, in their order."""
        return list(self.control.requests(changes=True, since=since))

    def effective(self) -> list[tuple[str, str]]:
        """(array, action) of the changes that took effect; a policy is given or taken with the method PATCH."""
        return [
            (change["array"], "PATCH" if change["method"] == "PATCH" else change["path"].rsplit("/", 1)[-1])
            for change in self.changes()
            if change["effect"]
        ]

    def truth(self, name: str = LEDGER) -> dict[str, Any]:
        return dict(self.control.truth(name))


@contextmanager
def a_world(directory: Path, **options: Any) -> Iterator[World]:
    """A world whose time stands still unless somebody waits."""
    settings: dict[str, Any] = {"replications": 4, "seed": 1, "speed": 0.0, **options}
    with Simulator(Options(directory=directory / "world", **settings)) as simulator:
        yield World(simulator, directory)
