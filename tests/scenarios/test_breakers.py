"""The circuit breaker over real sockets, and over processes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.vendors import VENDORS, Vendor
from worlds import LEDGER, World


@pytest.fixture(params=VENDORS, ids=str)
def vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.param
    return found


@pytest.fixture
def world(vendor: Vendor, tmp_path: Path) -> Iterator[World]:
    with vendor.world(tmp_path) as made:
        yield made


def positions(world: World, backend: str) -> set[str]:
    listed = world.run("breaker", "list", "-o", "json").json["breakers"]
    return {each["state"] for each in listed if each["backend"] == backend and each["class"] == "read"}


def open_it(world: World, backend: str) -> None:
    world.control.kill(backend, mode="refuse")
    for _ in range(6):
        world.run("status")
    assert positions(world, backend) == {"open"}


def test_five_failures_open_it_and_the_next_process_fails_fast(
    world: World, vendor: Vendor
) -> None:  # R33, R34, R38
    open_it(world, vendor.east)
    asked = len(world.control.requests(vendor.east))
    process = world.spawn("demote", LEDGER, "-y", "-o", "json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 11, (out, err)
    assert "circuit breaker is open" in err
    assert "--probe" in out
    assert '"retry_at": "' in out or '"retry_at":"' in out
    assert len(world.control.requests(vendor.east)) == asked


def test_it_closes_again_after_the_recovery(world: World, vendor: Vendor) -> None:  # R35
    open_it(world, vendor.east)
    world.control.revive(vendor.east)
    assert world.run("status").code == 3
    world.control.advance(61)
    for _ in range(
        2
    ):  # of one replication: who waits for a probe takes the time of the probe, which is virtual
        assert world.run("status", LEDGER).code == 0
    assert positions(world, vendor.east) == {"closed"}


def test_an_acknowledged_unplanned_promotion_goes_past_it(world: World, vendor: Vendor) -> None:
    world.control.advance(900)
    open_it(world, vendor.west)
    world.control.revive(vendor.west)
    world.control.kill(vendor.east, mode="refuse")
    blocked = world.act("promote", LEDGER)
    assert blocked.code == 11
    refused = world.act("promote", LEDGER, "--peer-is-down")
    assert (refused.code, refused.guards) == (6, ["data-loss"])
    bound = refused.operation["refusal"]["guards"][0]["override"]
    done = world.act("promote", LEDGER, "--peer-is-down", bound)
    assert done.code == 0, done.err


def test_one_backend_s_breaker_never_touches_another_s(world: World, vendor: Vendor) -> None:
    open_it(world, vendor.east)
    assert positions(world, vendor.west) <= {"closed"}


def test_reset_by_hand(world: World, vendor: Vendor) -> None:
    open_it(world, vendor.east)
    world.control.revive(vendor.east)
    assert world.run("breaker", "reset", vendor.east).code == 0
    assert world.run("status").code == 0


def test_probe_asks_all_the_same(world: World, vendor: Vendor) -> None:
    open_it(world, vendor.east)
    world.control.revive(vendor.east)
    assert world.act("promote", LEDGER).code == 11
    assert world.act("promote", LEDGER, "--probe").code == 0
