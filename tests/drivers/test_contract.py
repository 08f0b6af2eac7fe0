"""What every driver owes its callers, held against each of ours over the wire (R72, R74, R75, R76, R79).

One world with both vendors; what a test breaks it mends. What a vendor's words mean is tested with its driver.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from worlds import World, a_world

from replctl.bootstrap import Backend, Services, assemble
from replctl.cli import documents
from replctl.core.errors import NotFound, ReplctlError
from replctl.core.events import ignore
from replctl.core.model import End, Observation, State, StateNote, TroubleKind, Who
from replctl.drivers import REGISTRY
from replctl.drivers.discovery import Presence
from replctl.resilience import Look

SECONDS = 30.0  # virtual; what a look may take
SETTLED_SECONDS = 700.0  # after so long every session has copied once
TTL_SECONDS = 300.0
STRANGE = "Quantum_Entangled"  # the simulator's word that nobody knows


@dataclass(frozen=True)
class Vendor:
    """Where a driver's replica and source are, and how its backend is asked for its release."""

    kind: str
    replica: str
    source: str
    release: tuple[str, str]  # path, field
    expired: str  # the control's method for a sign-in that is not valid any more

    def __str__(self) -> str:
        return self.kind


VENDORS = (
    Vendor("powerstore", "west", "east", ("software_installed", "release_version"), "expire_logins"),
    Vendor("trident", "k8s-west", "k8s-east", ("/version", "gitVersion"), "expire_token"),
)


class Bench:
    """One vendor's driver at the replica of the first of its replications, which is at rest."""

    def __init__(self, world: World, services: Services, vendor: Vendor) -> None:
        self.world, self.control, self.vendor = world, world.control, vendor
        self._services = services
        entries = (each for each in services.replications.values() if each.local.kind == vendor.kind)
        self.replication = next(each for each in entries if each.desired_state is State.REPLICA)
        self._opened: list[Backend] = []

    @property
    def end(self) -> End:
        return self.replication.local

    @property
    def nowhere(self) -> End:
        """An end that bears no name that the backend knows."""
        words = {key: f"no-such-{value}" for key, value in self.end.locator}
        return End(self.end.backend, self.end.kind, tuple(words.items()))

    def driver(self, backend: str | None = None) -> Backend:
        """One that remembers nothing."""
        self._opened.append(self._services.open_driver(backend or self.vendor.replica))
        return self._opened[-1]

    @property
    def look(self) -> Look:
        return Look(deadline=self.world.clock.monotonic() + SECONDS)

    def see(self, end: End, driver: Backend | None = None) -> Observation:
        return (driver or self.driver(end.backend)).observe([end], self.look)[end]

    def close(self) -> None:
        for driver in self._opened:
            driver.close()


@contextmanager
def a_bench(directory: Path) -> Iterator[tuple[World, Services]]:
    with a_world(directory, vendors=("powerstore", "trident"), replications=8) as world:
        world.control.advance(SETTLED_SECONDS)
        with assemble(
            flags={},
            environ=world.environ(),
            clock=world.clock,
            report=ignore,
            document=documents.operation,
            command="replctl status",
            who=Who(user="replctl", host="here", pid=1),
        ) as services:
            yield world, services


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, Services]]:
    with a_bench(tmp_path_factory.mktemp("contract")) as made:
        yield made


@pytest.fixture(params=VENDORS, ids=str)
def bench(request: pytest.FixtureRequest, shared: tuple[World, Services]) -> Iterator[Bench]:
    world, services = shared
    made = Bench(world, services, request.param)
    world.control.clear_requests()
    yield made
    made.close()
    world.control.clear_faults()


def test_a_kind_is_found_by_its_name_alone_and_a_driver_says_what_it_is(bench: Bench) -> None:  # R72, R79
    driver = bench.driver()
    assert isinstance(driver, REGISTRY.find(bench.vendor.kind))
    assert (driver.kind, driver.backend) == (bench.vendor.kind, bench.vendor.replica)
    assert bench.control.requests() == []  # opening it asks nobody anything


def test_version_and_capabilities_are_what_the_backend_says(bench: Bench) -> None:  # R72
    path, field = bench.vendor.release
    told = bench.driver().capabilities(bench.look)
    assert told.kind == bench.vendor.kind
    assert told.version
    assert told.words
    bench.control.fault(bench.vendor.replica, "unknown_enum", path=path, field=field)
    assert bench.driver().capabilities(bench.look).version in (
        STRANGE,
        None,
    )  # a release that is none is not told


def test_both_ends_are_what_they_are_and_looking_writes_nothing(bench: Bench) -> None:  # R71
    here, there = bench.see(bench.end), bench.see(bench.replication.peer)
    assert (here.state, there.state) == (State.REPLICA, State.SOURCE)
    assert (here.backend, there.backend) == (bench.vendor.replica, bench.vendor.source)
    for seen in (here, there):
        assert seen.readable
        assert seen.sentence
        assert seen.word
        assert seen.observed_at <= bench.world.clock.now()
    assert here.identity != there.identity
    assert bench.world.changes() == []


def test_every_end_that_is_asked_for_is_answered_for(bench: Bench) -> None:
    seen = bench.driver().observe([bench.end, bench.nowhere, bench.end], bench.look)
    assert set(seen) == {bench.end, bench.nowhere}
    assert seen[bench.end].state is State.REPLICA


def test_what_is_not_there_is_proven_absent(bench: Bench) -> None:
    seen = bench.see(bench.nowhere)
    assert (seen.state, seen.note) == (None, StateNote.ABSENT)
    assert seen.trouble is not None
    assert seen.trouble.kind is TroubleKind.ABSENT
    assert seen.trouble.remedy
    with pytest.raises(NotFound):
        bench.driver().volumes(bench.nowhere, seen, bench.look)


TROUBLES: dict[str, tuple[dict[str, Any], TroubleKind]] = {
    "reset": ({"kind": "reset"}, TroubleKind.SILENT),
    "503": ({"kind": "status", "status": 503}, TroubleKind.UNWELL),
    "403": ({"kind": "status", "status": 403}, TroubleKind.CREDENTIALS),
    "a page": ({"kind": "html"}, TroubleKind.UNWELL),
    "half an answer": ({"kind": "truncated"}, TroubleKind.UNWELL),
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_trouble_is_told_in_the_observation_and_never_raised(bench: Bench, trouble: str) -> None:
    fault, kind = TROUBLES[trouble]
    bench.control.fault(bench.vendor.replica, times=50, method="GET", **fault)
    seen = bench.see(bench.end)
    assert (seen.state, seen.note, seen.readable) == (None, StateNote.UNKNOWN, False)
    assert seen.trouble is not None
    assert seen.trouble.kind is kind
    assert seen.trouble.message


def test_a_sign_in_that_is_not_valid_any_more(bench: Bench) -> None:
    """PowerStore is signed in to anew; who has but an old token is told so."""
    driver = bench.driver()
    bench.see(bench.end, driver)
    getattr(bench.control, bench.vendor.expired)(bench.vendor.replica)
    seen = bench.see(bench.end, driver)
    if bench.vendor.expired == "expire_token":
        assert seen.trouble is not None
        assert seen.trouble.kind is TroubleKind.CREDENTIALS
        bench.control.rotate_token(bench.vendor.replica)
        seen = bench.see(bench.end, driver)
    assert seen.state is State.REPLICA


def test_a_backend_that_is_dead_is_silent_and_says_so(bench: Bench) -> None:
    driver = bench.driver()
    bench.control.kill(bench.vendor.replica, mode="refuse")
    try:
        seen = bench.see(bench.end, driver)
        assert seen.trouble is not None
        assert seen.trouble.kind is TroubleKind.SILENT
        with pytest.raises(ReplctlError) as caught:
            driver.capabilities(bench.look)
    finally:
        bench.control.revive(bench.vendor.replica)
        bench.control.advance(SETTLED_SECONDS)
    error = caught.value
    assert (error.backend, error.code) == (bench.vendor.replica, "unreachable")  # R75
    assert error.operation
    assert error.message
    assert error.remedy


def test_volumes_are_those_that_hosts_are_given(bench: Bench) -> None:
    driver = bench.driver()
    found = driver.volumes(bench.end, bench.see(bench.end, driver), bench.look)
    assert found
    assert all(each.id and each.name for each in found)


def test_what_is_there_is_remembered_for_a_while(bench: Bench) -> None:  # R76
    driver: Any = bench.driver()
    found = driver.discover(bench.look)
    assert (found.kind, found.presence) == (bench.vendor.kind, Presence.EVERYTHING)
    assert found.version
    assert found.things
    bench.control.clear_requests()
    assert driver.discover(bench.look) is found
    assert bench.control.requests() == []
    assert (driver.discovery.figures.hits, driver.discovery.figures.misses) == (1, 1)
    bench.control.advance(TTL_SECONDS + 1)
    assert driver.discover(bench.look) is not found
    driver.discovery.invalidate()
    driver.discover(bench.look)
    assert driver.discovery.figures.misses == 3


def test_a_clock_is_read_to_within_a_margin(bench: Bench) -> None:
    bench.control.skew(bench.vendor.replica, 90.0)
    try:
        offset = bench.driver().clock_offset(bench.look)
    finally:
        bench.control.skew(bench.vendor.replica, 0.0)
    assert offset is not None
    assert abs(offset.seconds - 90.0) <= offset.margin_seconds


def test_closing_twice_is_fine(bench: Bench) -> None:
    driver = bench.driver()
    bench.see(bench.end, driver)
    driver.close()
    driver.close()
