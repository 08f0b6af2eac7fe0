"""Promotions between two clusters in bad weather, drawn by seed: whatever happens, no promise is broken.

Assumptions are drawn too, so that nothing is right under one of them alone. `told` of a storm says what it was.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from scenarios.tridents import (
    COPIES,
    EAST,
    MIRRORS,
    SNAPSHOTS,
    SOURCE_POD,
    WEST,
    ask_ontap,
    at_rest,
    patches,
    when,
)
from worlds import LEDGER, Ran, World

SEEDS = range(7_000, 7_010)
ASSUMED = {
    "unreadable_mirror": ("promoted", "established"),
    "paused_mirror": ("nothing", "established"),
    "status_conflict": ("dropped", "retried"),
    "missing_promoted_snapshot": ("failed", "waits"),
    "replica_snapshots": ("kept", "deletable"),
    "watch_from_expired_version": ("event", "http"),
}
WANTED = [(WEST, "promoted"), (EAST, "reestablished")]
NOTHING_CHANGED = (1, 2, 4, 5, 6, 7, 11)


@dataclass
class Storm:
    """One seed's weather over one world."""

    world: World
    chance: random.Random
    told: list[Any] = field(default_factory=list)

    def blow(self) -> None:
        for _ in range(self.chance.randint(1, 3)):
            deed = self.chance.choice([self.fault, self.fault, self.storage, self.people, self.servers])
            self.told.append(deed())

    def where(self) -> dict[str, Any]:
        path = self.chance.choice([MIRRORS, SNAPSHOTS, COPIES, "volumeattachments", "claims", None])
        method = self.chance.choice(["GET", "POST", "PATCH", "DELETE", None])
        return {"method": method, "path": path, "skip": self.chance.randint(0, 6)}

    def fault(self) -> Any:
        cluster, place = self.chance.choice([EAST, WEST]), self.where()
        kind = self.chance.choice(["status", "status", "html", "empty", "truncated", "late"])
        more: dict[str, Any] = {"seconds": 20.0} if kind == "late" else {}
        if kind == "status":
            status, effect = self.chance.choice([429, 500, 503, 504]), self.chance.choice(["before", "after"])
            more = {"status": status, "effect": effect}
        if kind == "html":
            more = {"status": self.chance.choice([404, 502])}
        self.world.control.fault(cluster, kind, times=self.chance.randint(1, 3), **place, **more)
        return cluster, kind, place, more

    def storage(self) -> Any:
        """ONTAP is away for a while, or busy."""
        cluster, skip = self.chance.choice([EAST, WEST]), self.chance.randint(0, 8)
        state = self.chance.choice(["unreadable", "dead", "busy"])
        if state == "busy":
            self.world.control.busy_ontap(cluster, 1)
            return cluster, state
        method = self.chance.choice(["GET", "POST", "PATCH"])
        when(self.world, "ontap", {"cluster": cluster, "state": state}, cluster, method, ".", skip=skip)
        again = {"cluster": cluster, "state": "alive"}
        when(self.world, "ontap", again, cluster, "GET", ".", skip=skip + self.chance.randint(5, 60))
        return cluster, state, method, skip

    def people(self) -> Any:
        """Somebody starts a pod on the source, or writes to an object."""
        skip = self.chance.randint(0, 8)
        if self.chance.random() < 0.5:
            when(self.world, "attach", SOURCE_POD, EAST, "GET", "volumeattachments", skip=skip)
            return "attach", skip
        touched = {"cluster": WEST, "plural": MIRRORS, "namespace": "bank", "name": "ledger-dr"}
        when(self.world, "touch", touched, WEST, self.chance.choice(["GET", "PATCH"]), MIRRORS, skip=skip)
        return "touch", skip

    def servers(self) -> Any:
        """A controller restarts, a store stands still, a history is forgotten."""
        cluster, skip = self.chance.choice([EAST, WEST]), self.chance.randint(0, 8)
        deed = self.chance.choice(["restart", "freeze", "compact"])
        named = {"cluster": cluster}
        if deed == "restart":
            when(self.world, "controller", {**named, "deed": deed}, cluster, "GET", MIRRORS, skip=skip)
        else:
            when(
                self.world, deed, named, cluster, self.chance.choice(["GET", "POST", "PATCH"]), ".", skip=skip
            )
        when(self.world, "thaw", named, cluster, "GET", ".", skip=skip + self.chance.randint(3, 20))
        return cluster, deed, skip

    def clear(self) -> None:
        control = self.world.control
        control.clear_faults()
        for cluster in (EAST, WEST):
            control.thaw(cluster)
            control.ontap(cluster, "alive")
        control.stop_pods(LEDGER)
        control.advance(120)


def broken(world: World, ran: Ran) -> list[Any]:
    """The promises that are not kept."""
    truth, sent = world.truth(), patches(world)
    promoted = (WEST, "promoted") in sent
    kept = {
        "each intent once, and in this order": sent == WANTED[: len(sent)],
        "0 is the truth": ran.code != 0 or truth["writable"] == {EAST: False, WEST: True},
        "0 loses nothing": ran.code != 0 or truth["missing"][WEST] == 0,
        "nobody steps down for a lie": len(sent) < 2 or truth["volume_type"][WEST] == "rw",
        "what was changed is said": not (promoted and ran.code in NOTHING_CHANGED),
        "no error of ours": '"internal"' not in ran.out,
    }
    return [promise for promise, is_kept in kept.items() if not is_kept]


@pytest.mark.parametrize("seed", SEEDS)
def test_no_promise_is_broken(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    assumed = {name: chance.choice(values) for name, values in ASSUMED.items()}
    with at_rest(tmp_path, seed=seed, assumptions=assumed) as world:
        if chance.random() < 0.3:
            ask_ontap(world)
        world.control.advance(chance.randint(0, 400))
        storm = Storm(world, chance)
        storm.blow()
        world.control.clear_requests()
        ran = world.act("promote", LEDGER)
        assert broken(world, ran) == [], (storm.told, ran.out)
        storm.clear()
        again = world.act("promote", LEDGER, "--probe")
        assert again.code in (0, 3, 6, 7, 9), (storm.told, ran.code, again.out)
        if ran.code in NOTHING_CHANGED:
            assert again.code == 0, (storm.told, ran.out, again.out)
        assert not (again.code == 0 and world.truth()["lost_writes"]), storm.told
