"""Loss statements: in seeded disasters the true loss never exceeds what was stated before it happened."""

from __future__ import annotations

import random
import statistics
from pathlib import Path

import pytest
from scenarios.test_unplanned import stamp
from worlds import World, a_world

SITES = 10
EACH = 20  # replications of a site; together 200 disasters
RPO_SECONDS = 300.0
QUICK = {
    "failover_dr": 0.5,
    "lag_east": 0.1,
    "lag_west": 0.1,
}  # what comes after the statement is not at stake
IN_FLIGHT = SITES * EACH / 5  # disasters, at least, in which a copy was under way
BELIEVED = 1.5  # times the interval between copies that a statement may overstate, in the median


def replicas_on(world: World, array: str) -> list[str]:
    """The replications that end on the array as replicas; their source is the other one."""
    truths = world.control.truths()
    return sorted(name for name, truth in truths.items() if truth["role"][array] == "Destination")


def disaster(world: World, survivor: str, chance: random.Random) -> tuple[list[float], int]:
    """One array dies with slow copies in flight and clocks apart.

    What was overstated for each replica, seconds; and for how many of them a copy was under way.
    """
    lost = "east" if survivor == "west" else "west"
    for array in ("east", "west"):
        world.control.skew(array, chance.uniform(-90, 90))
    names = replicas_on(world, survivor)
    for name in names:
        if chance.random() < 0.6:
            world.control.slow_copy(name, chance.uniform(5, 400))
    world.control.advance(chance.uniform(600, 2000))
    truths = world.control.truths()
    in_flight = sum(truths[name]["state"][survivor] == "Synchronizing" for name in names)
    world.control.kill(lost, mode="refuse")
    world.control.advance(chance.uniform(1, 600))
    return [promoted(world, name, survivor) for name in names], in_flight


def promoted(world: World, name: str, survivor: str) -> float:
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
    first_lost = truth["lost_at_failover_since"]
    assert first_lost is None or first_lost >= point, (name, loss, truth)
    assert first_lost is None or stated_at - first_lost <= loss["at_most_seconds"], (name, loss, truth)
    assert loss["at_least_seconds"] <= loss["at_most_seconds"]
    return 0.0 if first_lost is None else float(first_lost) - point


@pytest.mark.timeout(600)
def test_true_loss_is_within_the_statement_in_200_disasters(tmp_path: Path) -> None:
    overstated: list[float] = []
    in_flight = 0
    for seed in range(SITES):
        chance = random.Random(seed)
        with a_world(tmp_path / str(seed), seed=seed, replications=EACH * 2, durations=QUICK) as world:
            replicas = {array: len(replicas_on(world, array)) for array in ("east", "west")}
            survivor = max(replicas, key=lambda array: replicas[array])
            found, copying = disaster(world, survivor, chance)
            overstated += found
            in_flight += copying
    assert len(overstated) >= SITES * EACH
    assert in_flight >= IN_FLIGHT
    assert (
        sum(seconds > 0 for seconds in overstated) >= SITES * EACH / 2
    )  # something was lost in most of them
    assert statistics.median(overstated) <= BELIEVED * RPO_SECONDS
