"""Loss statements: in seeded disasters the true loss never exceeds what was stated before it happened."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest
from scenarios.test_unplanned import stamp
from scenarios.vendors import POWERSTORE, TRIDENT, Vendor, over_both
from worlds import World

SITES = {POWERSTORE: 10, TRIDENT: 2}
EACH = {
    POWERSTORE: 20,
    TRIDENT: 6,
}  # replications of a site; of clusters two hundred by hand, with `disasters`
RPO_SECONDS = 300.0
IN_FLIGHT = 1 / 5  # of the disasters, at least, in which a copy was under way
BELIEVED = 1.5  # times the interval between copies that a statement may overstate, in the median


def disaster(world: World, vendor: Vendor, survivor: str, chance: random.Random) -> tuple[list[float], int]:
    """One site dies with slow copies in flight and clocks apart.

    What was overstated for each replica, seconds; and for how many of them a copy was under way.
    """
    vendor.set_clocks_apart(world, chance)
    names = vendor.replicas(world, survivor)
    for name in names:
        if chance.random() < 0.6:
            vendor.slow_copy(world, name, chance.uniform(5, 400))
    world.control.advance(chance.uniform(600, 2000))
    in_flight = sum(vendor.is_copying(world, name, survivor) for name in names)
    vendor.kill(world, vendor.other(survivor), mode="refuse")
    world.control.advance(chance.uniform(1, 600))
    return [promoted(world, vendor, name, survivor) for name in names], in_flight


def promoted(world: World, vendor: Vendor, name: str, survivor: str) -> float:
    verb = ("failover", name, "--to", survivor, "--peer-is-down", "--probe")
    refused = world.act(*verb)
    stated_at = world.clock.now()
    assert refused.guards == ["data-loss"], refused.out
    loss = refused.operation["data_loss"]
    point = stamp(loss["point"])
    override = refused.operation["refusal"]["guards"][0]["override"]
    done = world.act(*verb, override)
    assert done.code == 0, done.out
    truth = world.truth(name)
    first_lost = vendor.lost_since(truth, survivor)
    assert first_lost is None or first_lost >= point, (name, loss, truth)
    assert first_lost is None or stated_at - first_lost <= loss["at_most_seconds"], (name, loss, truth)
    assert loss["at_least_seconds"] <= loss["at_most_seconds"]
    return 0.0 if first_lost is None else float(first_lost) - point


@pytest.mark.timeout(600)
@over_both
def test_true_loss_is_within_the_statement(tmp_path: Path, vendor: Vendor) -> None:  # 200 disasters of arrays
    disasters(tmp_path, vendor, sites=SITES[vendor], each=EACH[vendor])


def disasters(directory: Path, vendor: Vendor, *, sites: int, each: int) -> None:
    overstated: list[float] = []
    in_flight = 0
    for seed in range(sites):
        chance = random.Random(seed)
        with vendor.disaster_world(directory / str(seed), chance, seed=seed, replications=each * 2) as world:
            survivor = max((vendor.east, vendor.west), key=lambda name: len(vendor.replicas(world, name)))
            found, copying = disaster(world, vendor, survivor, chance)
            overstated += found
            in_flight += copying
    assert len(overstated) >= sites * each
    assert in_flight >= len(overstated) * IN_FLIGHT
    lost = sum(seconds > 0 for seconds in overstated)
    assert lost >= sites * each / 2  # something was lost in most of them
    assert statistics.median(overstated) <= BELIEVED * RPO_SECONDS
