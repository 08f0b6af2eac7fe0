"""The driver of a cluster: it changes what was seen, and knows which volume its pods are given."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from estates import MIRRORS, Cluster
from worlds import World, a_world

from replctl.core.breaker import BreakerSettings
from replctl.core.errors import NotFound, Outdated
from replctl.core.model import End, Observation
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.trident import TridentDriver
from replctl.resilience import BreakerBoard, Look
from replctl.settings import load

LEDGER = End("k8s-west", "trident", (("namespace", "bank"), ("mirror", "ledger-dr"), ("pvc", "ledger-data")))
GONE = End("k8s-west", "trident", (("namespace", "bank"), ("mirror", "no-such")))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",)) as made:
        yield made


def driver_of(world: World) -> TridentDriver:
    configured: Any = load({"config": str(world.config)}, {}).backends["k8s-west"]
    return TridentDriver.open(
        configured,
        backend="k8s-west",
        password=lambda: Secret("unused"),
        clock=world.clock,
        board=BreakerBoard(BreakerSettings(), None, world.clock, lambda event: None),
        policy=RetryPolicy(),
        report=lambda event: None,
    )


@pytest.fixture
def driver(world: World) -> Iterator[TridentDriver]:
    made = driver_of(world)
    yield made
    made.close()


def look(world: World) -> Look:
    return Look(deadline=world.clock.monotonic() + 30)


def see(driver: TridentDriver, world: World, end: End) -> Observation:
    return driver.observe([end], look(world))[end]


def test_what_is_no_longer_as_it_was_seen_is_left_alone(driver: TridentDriver, world: World) -> None:
    seen = see(driver, world, LEDGER)
    other = Cluster(world.simulator, "k8s-west")
    other.patch(f"{MIRRORS.format('bank')}/ledger-dr", {"metadata": {"labels": {"touched": "yes"}}})
    other.connection.close()
    world.control.clear_requests()
    with pytest.raises(Outdated, match="nothing was sent"):
        driver.act(LEDGER, "promote", {"operation": "op-1"}, seen, look(world))
    assert world.changes() == []


def test_pods_are_given_the_volume_of_the_claim(driver: TridentDriver, world: World) -> None:
    (volume,) = driver.volumes(LEDGER, see(driver, world, LEDGER), look(world))
    assert volume.id.startswith("pvc-")
    assert volume.name == "ledger-data"


def test_of_a_mirror_that_is_not_there_no_volume_is_known(driver: TridentDriver, world: World) -> None:
    seen = see(driver, world, GONE)
    assert seen.absent
    with pytest.raises(NotFound):
        driver.volumes(GONE, seen, look(world))
