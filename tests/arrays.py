"""Drivers over real TLS sockets to two simulated arrays, in the arrays' own virtual time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worlds import SimulatorClock

from replctl.core.breaker import BreakerSettings
from replctl.core.events import Event, Noticed
from replctl.core.model import End, Observation
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.powerstore import PowerStoreDriver
from replctl.resilience import BreakerBoard, Look
from replctl.settings import load, resolve_secret
from replctl.simulator import Options, Simulator

SECONDS = 30.0  # virtual; what a look may take
SETTLED = 700.0  # virtual; after so long every session has copied once
NAME = "bank/ledger"  # local replica on west, source on east


def volume(name: str, backend: str = "west") -> End:
    return End(backend, "powerstore", (("volume", name),))


def group(name: str, backend: str = "west") -> End:
    return End(backend, "powerstore", (("volume_group", name),))


def session(name: str, backend: str = "west") -> End:
    return End(backend, "powerstore", (("session", name),))


LEDGER = group("ledger-vg")
LEDGER_EAST = group("ledger-vg", "east")


class Arrays:
    """Two arrays and a driver for each; `events` is what the drivers reported."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.control: Any = simulator.control
        self.clock = SimulatorClock(self.control)
        self.events: list[Event] = []
        self.password: str | None = None
        self._settings = load({"config": simulator.ready["config"]}, {})
        self._drivers: list[PowerStoreDriver] = []
        self._usual: dict[str, PowerStoreDriver] = {}

    def driver(self, backend: str = "west") -> PowerStoreDriver:
        """The one driver of a backend."""
        if backend not in self._usual:
            self._usual[backend] = self.another(backend)
        return self._usual[backend]

    def another(
        self, backend: str = "west", clock_margin_seconds: float | None = None, **more: Any
    ) -> PowerStoreDriver:
        """One more driver, which remembers nothing."""
        configured = self._settings.backends[backend].model_copy(
            update={"clock_margin_seconds": clock_margin_seconds}
        )
        made = PowerStoreDriver.open(
            configured,
            backend=backend,
            password=lambda: self._secret(backend),
            clock=self.clock,
            board=BreakerBoard(BreakerSettings(), None, self.clock, self.events.append),
            policy=RetryPolicy(),
            report=self.events.append,
            **more,
        )
        self._drivers.append(made)
        return made

    def _secret(self, backend: str) -> Secret:
        return Secret(self.password) if self.password else resolve_secret(self._settings, backend).secret

    @property
    def look(self) -> Look:
        return Look(deadline=self.clock.monotonic() + SECONDS)

    def see(self, end: End) -> Observation:
        return self.driver(end.backend).observe([end], self.look)[end]

    def asked(self, backend: str = "west") -> list[str]:
        """What was asked since the log was cleared, without the sign-in: the collections' names."""
        paths = [request["path"] for request in self.control.requests(array=backend)]
        return [path.split("/")[3] for path in paths if not path.endswith(("login_session", "logout"))]

    def changes(self) -> list[dict[str, Any]]:
        """The requests that were no reads, sign-in apart."""
        return [
            request
            for request in self.control.requests()
            if request["method"] != "GET" and not request["path"].endswith("logout")
        ]

    def noticed(self, topic: str) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Noticed) and event.topic == topic]

    def close(self) -> None:
        for driver in self._drivers:
            driver.close()


@contextmanager
def two_arrays(directory: Path, **options: Any) -> Iterator[Arrays]:
    """Arrays whose time stands still unless it is moved, after every session has copied once."""
    settings: dict[str, Any] = {"replications": 6, "seed": 1, "speed": 0.0, **options}
    with Simulator(Options(directory=directory, **settings)) as simulator:
        simulator.control.advance(SETTLED)
        made = Arrays(simulator)
        yield made
        made.close()
