"""With read access to ONTAP: how old a copy is, whether it keeps up, and where Trident's word is a lie."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from estates import MIRRORS, Cluster
from worlds import LEDGER, World, a_world

DR = f"{MIRRORS.format('bank')}/ledger-dr"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",)) as made:
        made.config.write_text(made.config.read_text().replace("    # ontap:", "    ontap:"))
        made.control.advance(400)  # a scheduled transfer is over
        yield made


def look(world: World) -> Any:
    ran = world.run("status", "-o", "json")
    (found,) = [each for each in ran.json["replications"] if f"{each['namespace']}/{each['name']}" == LEDGER]
    return found


def test_a_mirror_that_keeps_up_is_healthy_and_its_point_is_ontaps(world: World) -> None:
    found = look(world)
    assert (found["health"], found["message"]) == ("healthy", "")
    assert found["last_consistent_point"]["source"] == "ONTAP's lag_time"
    assert world.changes() == []


def test_the_point_is_never_later_than_the_truth(world: World) -> None:
    at = datetime.fromisoformat(look(world)["last_consistent_point"]["at"]).timestamp()
    truth = world.truth()["consistent_at"]
    assert truth - 5 <= at <= truth


def test_a_copy_that_is_too_old_is_no_health(world: World) -> None:
    world.control.stick_transfers(LEDGER)
    world.control.advance(1200)
    found = look(world)
    assert found["health"] != "healthy"
    assert found["last_consistent_point"]["at"] is not None


def test_a_promotion_that_broke_nothing_is_contradicted(world: World) -> None:
    """H1: Trident says promoted because ONTAP could not be read; ONTAP, read again, still has the mirror."""
    world.control.ontap("k8s-west", "unreadable")
    client = Cluster(world.simulator, "k8s-west")
    client.patch(DR, {"spec": {"state": "promoted"}})
    client.connection.close()
    world.control.advance(30)
    world.control.ontap("k8s-west", "alive")
    found = look(world)
    assert found["local"]["unverified"] is True
    assert "ONTAP still has the mirror" in world.run("explain", LEDGER).out
    assert world.truth()["writable"]["k8s-west"] is False


@pytest.mark.parametrize("way", ["unreadable", "dead", "silent", "strange"])
def test_without_ontap_everything_else_is_told_all_the_same(world: World, way: str) -> None:
    if way == "unreadable":
        world.control.ontap("k8s-west", "unreadable")
    elif way == "dead":
        world.control.kill("ontap-west")
    elif way == "silent":
        world.control.fault("ontap-west", "hang", times=5)
    else:
        world.control.fault("ontap-west", "html", times=5)
    found = look(world)
    assert (found["local"]["reachable"], found["state"], found["health"]) == (True, "replica", "unknown")
    assert found["last_consistent_point"]["at"] is None


def test_a_password_that_is_refused_takes_only_the_point(world: World) -> None:
    (world.config.parent / "credentials" / "ontap-west").write_text("wrong\n")
    found = look(world)
    assert (found["local"]["reachable"], found["health"]) == (True, "unknown")
