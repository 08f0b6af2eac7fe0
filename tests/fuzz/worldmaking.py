"""A world drawn by a seed: what is in it, what its vendors are assumed to do, how long things take."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from worlds import World, a_world

from replctl.simulator.assumptions import list_assumptions
from replctl.simulator.scene import POWERSTORE, TRIDENT, password

START_AT = 1_924_992_000.0  # 2031-01-01T00:00:00Z
WARM_UP_SECONDS = 900.0  # so that the stamps of the last copy are by the clocks as they are set
SITES = ("west", "east")  # of every entry the local end, and the other one
BACKENDS = {POWERSTORE: SITES, TRIDENT: ("k8s-west", "k8s-east")}
QUICK = {"failover": 1.0, "failover_dr": 1.0, "reprotect": 1.0, "sync": 2.0, "lag_west": 0.2, "lag_east": 0.2}
DURATIONS = {
    "failover": (0.0, 8.0, 25.0),
    "failover_dr": (0.0, 5.0, 20.0),
    "reprotect": (0.0, 10.0, 40.0),
    "pause": (0.0, 2.0, 15.0),
    "flip": (0.0, 20.0, 60.0),
    "role_gap": (0.0, 1.0, 4.0),
    "detection": (0.0, 10.0),
    "lag_west": (0.0, 1.5, 3.0),
    "lag_east": (0.0, 1.5, 3.0),
}
SECOND_STORE = "store-east"  # of another operator


@dataclass(frozen=True)
class Drawn:
    """What the seed decided of a world."""

    seed: int
    vendors: tuple[str, ...]
    replications: int
    assumptions: dict[str, str]
    durations: dict[str, float]
    skews: dict[str, float]
    ontap: bool

    def __str__(self) -> str:
        assumed = ", ".join(f"{name}={value}" for name, value in self.assumptions.items()) or "as by default"
        lasting = ", ".join(f"{name} {seconds}" for name, seconds in self.durations.items())
        return (
            f"a world of {' and '.join(self.vendors)}, replications: {self.replications}\n"
            f"    assumed: {assumed}\n    seconds: {lasting}\n    clocks: {self.skews}, ONTAP is read: {self.ontap}"
        )


def draw(seed: int) -> Drawn:
    """A world from its seed alone."""
    chance = random.Random(f"world {seed}")
    both = (POWERSTORE, TRIDENT)
    (vendors,) = chance.choices([(POWERSTORE,), (TRIDENT,), both], (9, 8, 2))
    (count,) = chance.choices([1, 2, 3], (7, 3, 1))
    durations = dict(QUICK) if chance.random() < 0.6 else {}
    durations |= {name: chance.choice(values) for name, values in DURATIONS.items() if chance.random() < 0.25}
    backends = [backend for vendor in vendors for backend in BACKENDS[vendor]]
    apart = {name: round(chance.uniform(-90, 90), 1) for name in backends if chance.random() < 0.4}
    return Drawn(
        seed=seed,
        vendors=vendors,
        replications=max(count, len(vendors)),
        assumptions=_draw_assumptions(chance),
        durations=durations,
        skews=apart,
        ontap=TRIDENT in vendors and chance.random() < 0.3,
    )


def _draw_assumptions(chance: random.Random) -> dict[str, str]:
    """A value for every named assumption, and those told that are not as by default."""
    drawn = {}
    for name, values, default, _, _ in list_assumptions():
        value = chance.choice(values) if chance.random() < 0.5 else default
        if value != default:
            drawn[name] = value
    return drawn


@contextmanager
def made(drawn: Drawn, directory: Path) -> Iterator[World]:
    """The world, warmed up: hosts have been writing, and the last copies are stamped by its clocks."""
    options: dict[str, Any] = {"seed": drawn.seed, "start_at": START_AT, "vendors": drawn.vendors}
    options |= {"assumptions": drawn.assumptions, "durations": drawn.durations}
    with a_world(directory, replications=drawn.replications, **options) as world:
        if drawn.ontap:
            world.config.write_text(world.config.read_text().replace("    # ontap:", "    ontap:"))
        for backend, seconds in drawn.skews.items():
            world.control.skew(backend, seconds)
        world.control.advance(WARM_UP_SECONDS)
        yield world


def secrets_of(world: World) -> frozenset[bytes]:
    """Whatever must be in no output, store or report."""
    seed = world.simulator.options.seed
    found = {password(seed, name).encode() for name in (*SITES, "ontap-west", "ontap-east")}
    tokens = (world.config.parent / "credentials").glob("*.token")
    return frozenset(found | {token.read_bytes().strip() for token in tokens})
