"""What the same story is called over each vendor: how its ends are named, and what of its changes moves a role.

A scenario that takes `vendor` is told over both, without a word of either in it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from scenarios.tridents import ask_ontap
from worlds import LEDGER, World, a_world

QUICK = {"failover_dr": 0.5, "lag_east": 0.1, "lag_west": 0.1}
TRANSFERS_STUCK_FROM_SECONDS = 250.0


@dataclass(frozen=True)
class Vendor:
    """The ledger's local end, on `west`, is the replica."""

    name: str
    west: str
    east: str
    planned: tuple[
        tuple[str, str], ...
    ]  # the changes that move the roles when west is promoted, in their order
    taken_over: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        return self.name

    @contextmanager
    def world(self, directory: Path, **options: Any) -> Iterator[World]:
        """Nobody is in the way of a planned promotion."""
        with a_world(directory, vendors=(self.name,), **options) as made:
            self.rest(made, list(made.control.truths()))
            yield made

    def rest(self, world: World, names: Sequence[str] = (LEDGER,)) -> None:
        """Hosts that write through a promotion are an array's own business; pods must be stopped before."""
        if self is TRIDENT:
            for name in names:
                world.control.stop_pods(name)

    def moves(self, world: World, by: str | None = None) -> list[tuple[str, str]]:
        """(backend, change) of the changes of roles that took effect, in their order; of one command's alone."""
        took = [each for each in world.changes() if each["effect"] and by in (None, each["correlation_id"])]
        if self is POWERSTORE:
            return [(each["array"], each["path"].rsplit("/", 1)[-1]) for each in took]
        return [(each["array"], each["body"]["spec"]["state"]) for each in took if each["method"] == "PATCH"]

    def errands(self, world: World, by: str) -> list[str]:
        """What one command had made before a change of roles; somebody else may have turned them after that."""
        took = [each for each in world.changes() if each["effect"] and each["correlation_id"] == by]
        return [each["path"] for each in took if self is TRIDENT and each["method"] == "POST"]

    def turns(self, world: World) -> list[tuple[str, str]]:
        """Of these the ones that gave an end the role of the source."""
        return [move for move in self.moves(world) if move[1] in ("failover", "promoted")]

    def put_right(self, world: World, store: Path) -> None:
        """Have whatever was left half done finished, and the source used for a while."""
        if self is POWERSTORE:
            if "Failed_Over" in world.truth()["state"].values():
                assert world.act("reprotect", LEDGER, state_dir=store).code in (0, 6, 7)
                world.control.advance(60)
            return
        if all(world.truth()["writable"].values()):
            again = ("reprotect", LEDGER, "--survivor", self.west, "--discard-local-changes")
            ran = world.act(*again, state_dir=store)
            assert ran.code == 0, ran.out
        world.control.attach(world.truth()["source"], "bank", "ledger-data")
        world.control.advance(20)
        self.rest(world)

    # -- disasters -------------------------------------------------------------------------------------------

    def other(self, backend: str) -> str:
        return self.east if backend == self.west else self.west

    @contextmanager
    def disaster_world(self, directory: Path, chance: random.Random, **options: Any) -> Iterator[World]:
        """Its hosts write all the time, and ages of copies can be known; what comes after a statement is quick."""
        slow = (
            {"update": chance.uniform(5, 290)} if self is TRIDENT else QUICK
        )  # of clusters all copies are slow
        with a_world(directory, vendors=(self.name,), durations=slow, **options) as made:
            if self is TRIDENT:
                ask_ontap(made)
            yield made

    def set_clocks_apart(self, world: World, chance: random.Random) -> None:
        for backend in (self.east, self.west):
            for name in (backend, *self._under(backend)):
                world.control.skew(name, chance.uniform(-90, 90))

    def replicas(self, world: World, backend: str) -> list[str]:
        """The replications that end on the backend as replicas; their source is the other one."""
        truths = world.control.truths()
        if self is TRIDENT:
            return sorted(name for name, truth in truths.items() if truth["source"] != backend)
        return sorted(name for name, truth in truths.items() if truth["role"][backend] == "Destination")

    def slow_copy(self, world: World, name: str, seconds: float) -> None:
        if self is POWERSTORE:
            world.control.slow_copy(name, seconds)
        elif seconds > TRANSFERS_STUCK_FROM_SECONDS:
            world.control.stick_transfers(name)

    def is_copying(self, world: World, name: str, replica: str) -> bool:
        truth = world.truth(name)
        if self is TRIDENT:
            return bool(truth["relationship"][replica]["transfer"] == "transferring")
        return bool(truth["state"][replica] == "Synchronizing")

    def lost_since(self, truth: dict[str, Any], survivor: str) -> float | None:
        """When the first write was made that the survivor lacks, of those that were made before it took over."""
        found: float | None = (
            truth["missing_since"][survivor] if self is TRIDENT else truth["lost_at_failover_since"]
        )
        return found

    def _under(self, backend: str) -> tuple[str, ...]:
        """The storage of a cluster, which dies with it."""
        return (f"ontap-{backend.removeprefix('k8s-')}",) if self is TRIDENT else ()

    # -- getting in the way ----------------------------------------------------------------------------------

    def hold_up(self, world: World) -> None:
        """A planned promotion begins, and gets no further for now."""
        if self is TRIDENT:
            world.control.stick_transfers(LEDGER)
        else:
            world.control.stick(LEDGER, "Failing_Over")

    def let_go(self, world: World) -> None:
        if self is TRIDENT:
            world.control.stick_transfers(LEDGER, False)
        else:
            world.control.unstick(LEDGER)

    def kill(self, world: World, backend: str, **how: Any) -> None:
        """A site dies, storage and all."""
        for name in (backend, *self._under(backend)):
            world.control.kill(name, **how)

    def revive(self, world: World, backend: str) -> None:
        for name in (backend, *self._under(backend)):
            world.control.revive(name)


POWERSTORE = Vendor(
    name="powerstore",
    west="west",
    east="east",
    planned=(("east", "failover"), ("west", "reprotect")),
    taken_over=(("west", "failover"),),
)
TRIDENT = Vendor(
    name="trident",
    west="k8s-west",
    east="k8s-east",
    planned=(("k8s-west", "promoted"), ("k8s-east", "reestablished")),
    taken_over=(("k8s-west", "promoted"),),
)
VENDORS = (POWERSTORE, TRIDENT)
over_both = pytest.mark.parametrize("vendor", VENDORS, ids=str)
