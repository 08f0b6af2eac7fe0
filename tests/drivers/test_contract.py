"""What every driver owes its callers, held against each of ours over the wire (R72, R74, R75, R76, R79).

One world with both vendors; what a test breaks it mends. What a vendor's words mean is tested with its driver.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from estates import CLAIMS, Cluster
from worlds import LEDGER, World, a_world

from replctl.bootstrap import Backend, Services, assemble
from replctl.cli import documents
from replctl.core.errors import NeverSent, NotFound, OutcomeUnknown, Rejected, ReplctlError
from replctl.core.events import ignore
from replctl.core.model import End, Observation, Pair, Side, State, StateNote, TroubleKind, Who
from replctl.core.plans import Course, Step
from replctl.drivers import REGISTRY
from replctl.drivers.discovery import Presence
from replctl.resilience import Look

SECONDS = 30.0  # virtual; what a look may take
SETTLED_SECONDS = 700.0  # after so long every session has copied once
TTL_SECONDS = 300.0
KEYS = {
    *("operation_id", "correlation_id", "namespace", "name", "backend", "outcome", "exit_code", "from_state"),
    *("to_state", "started", "finished", "who", "reason", "group", "acknowledged", "steps", "data_loss"),
    *("refusal", "conflict", "error", "drill", "left_to_do"),
}
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
def a_bench(
    directory: Path, vendors: tuple[str, ...] = ("powerstore", "trident"), replications: int = 8
) -> Iterator[tuple[World, Services]]:
    with a_world(directory, vendors=vendors, replications=replications) as world:
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


# -- changing -----------------------------------------------------------------------------------------------------


class Acting:
    """One vendor alone, of which a test may change what it likes: the first step of a planned promotion."""

    def __init__(self, world: World, services: Services, vendor: Vendor) -> None:
        self.world, self.control, self.vendor = world, world.control, vendor
        self.replication = services.replications[LEDGER]
        self._services = services
        pair = Pair(*(self.see(end) for end in (self.replication.local, self.replication.peer)))
        recipe = services.engine.driver(vendor.replica).recipe
        self.step: Step = recipe.steps(Course.SWITCH, Side.LOCAL, pair, {})[0]
        self.end = self.replication.end(self.step.side)
        self.seen = pair.end(self.step.side)

    @property
    def look(self) -> Look:
        return Look(deadline=self.world.clock.monotonic() + SECONDS)

    def see(self, end: End) -> Observation:
        return self._services.engine.driver(end.backend).observe([end], self.look)[end]

    def act(self) -> None:
        carried = {name: "op-1" for name in self.step.carries}
        arguments = {**self.step.arguments, **carried}
        driver = self._services.engine.driver(self.end.backend)
        driver.act(self.end, self.step.action or "", arguments, self.seen, self.look)

    @property
    def done(self) -> list[bool]:
        """Of each change that was asked for, whether it took effect."""
        return [each["effect"] for each in self.world.changes()]


@pytest.fixture(params=VENDORS, ids=str)
def acting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Acting]:
    with a_bench(tmp_path, vendors=(request.param.kind,), replications=1) as (world, services):
        if request.param.kind == "trident":
            world.control.stop_pods(LEDGER)
        yield Acting(world, services, request.param)


def test_a_change_is_sent_once(acting: Acting) -> None:  # R72
    acting.act()
    assert acting.done == [True]


FAILURES: dict[str, tuple[dict[str, Any], type[ReplctlError], list[bool]]] = {
    "answer lost after it": ({"kind": "reset", "effect": "after"}, OutcomeUnknown, [True]),
    "answer lost before it": ({"kind": "reset"}, OutcomeUnknown, [False]),
    "504 after it": ({"kind": "status", "status": 504, "effect": "after"}, OutcomeUnknown, [True]),
    "an odd answer": ({"kind": "html", "effect": "after"}, OutcomeUnknown, [True]),
    "refused": ({"kind": "status", "status": 422}, Rejected, [False]),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_an_error_says_whether_the_change_may_have_arrived(acting: Acting, failure: str) -> None:  # R75
    fault, kind, effects = FAILURES[failure]
    acting.control.fault(acting.end.backend, method="change", times=5, **fault)
    with pytest.raises(kind) as caught:
        acting.act()
    assert acting.done == effects
    error = caught.value
    assert error.backend == acting.end.backend
    assert error.operation
    assert error.message
    assert error.maybe_happened is (kind is OutcomeUnknown)


def test_what_never_left_changed_nothing(acting: Acting) -> None:  # R75
    acting.control.kill(acting.end.backend, mode="refuse")
    with pytest.raises(NeverSent) as caught:
        acting.act()
    assert acting.done == []
    assert (caught.value.backend, caught.value.maybe_happened) == (acting.end.backend, False)
    assert caught.value.remedy


def test_replication_ends_twice_and_begins_twice_and_is_changed_once(acting: Acting) -> None:  # R72
    world, trident = acting.world, acting.vendor.kind == "trident"
    flags = ("--delete-promotes",) if trident else ()
    for verb, more in (("delete", flags), ("create", ())):
        first = world.act(verb, LEDGER, *more)
        assert (first.code, first.operation["outcome"]) == (0, "succeeded"), first.out
        world.control.clear_requests()
        again = world.act(verb, LEDGER)
        assert (again.code, again.operation["outcome"]) == (0, "unchanged")
        assert world.changes() == []
        if verb == "delete" and trident:  # what was the replica's is somebody's now, and not made one again
            admin = Cluster(world.simulator, "k8s-west", admin=True)
            admin.call("DELETE", f"{CLAIMS.format('bank')}/ledger-data")
            admin.connection.close()
            world.control.advance(60)


OUTCOMES = {
    ("promote", "--dry-run"): (0, "planned"),
    ("promote",): (0, "succeeded"),
    ("reprotect",): (0, "unchanged"),
    ("sync",): (0, "succeeded"),
    ("demote",): (0, "succeeded"),
    ("promote", "--peer-is-down", "--accept-data-loss=15m,unknown"): (6, "refused"),
}


def test_the_same_story_has_the_same_exit_codes_and_keys(acting: Acting) -> None:
    """One command after the other, told alike whatever the vendor."""
    for argv, told in OUTCOMES.items():
        ran = acting.world.act(argv[0], LEDGER, *argv[1:])
        assert (ran.code, ran.operation["outcome"]) == told, (argv, ran.out)
        assert set(ran.operation) == KEYS
    line = acting.world.run("status", LEDGER, "-o", "json").json["replications"][0]
    assert (line["state"], line["local"]["state"], line["peer"]["state"]) == ("replica", "replica", "source")
    moves = acting.world.run("history", LEDGER, "-o", "json").json["transitions"]
    west = [
        (each["from_state"], each["to_state"]) for each in moves if each["backend"] == acting.vendor.replica
    ]
    ours = ("replica", "promoting"), ("promoting", "source"), ("source", "demoting"), ("demoting", "replica")
    assert [each for each in west if each in ours] == list(ours)
    assert acting.world.truth()["lost_writes"] == 0
    written = acting.world.changes()
    assert written
    assert [
        each
        for each in written
        if each["path"].endswith("/status") or "finalizers" in json.dumps(each["body"])
    ] == []
