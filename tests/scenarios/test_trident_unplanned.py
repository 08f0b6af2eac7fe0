"""Disasters between two clusters: promoted alone, on a person's word; the old source comes back; copies on demand."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from scenarios.test_unplanned import printed
from scenarios.tridents import EAST, MIRRORS, WEST, ask_ontap, leftovers, mirror, patches, word
from worlds import LEDGER, World, a_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """Its pods run on east, and write."""
    with a_world(tmp_path, vendors=("trident",)) as made:
        yield made


def lose_east(world: World) -> None:
    for name in (EAST, "ontap-east"):
        world.control.kill(name)
    world.control.advance(1)


def flags(world: World) -> list[str]:
    """What the refusal of a planned promotion prints, to be pasted."""
    refused = world.act("promote", LEDGER)
    assert (refused.code, refused.guards) == (6, ["peer-not-demoted", "data-loss"])
    (seen, _) = refused.operation["refusal"]["guards"]
    assert "this proves nothing" in seen["evidence"][0]["value"]
    return printed(refused)


def test_a_dead_source_is_replaced_by_a_persons_word_and_comes_back_as_the_replica(world: World) -> None:
    lose_east(world)
    given = flags(world)
    assert given == ["--peer-is-down", "--accept-data-loss=unknown"]
    assert world.changes() == []
    ran = world.act("promote", LEDGER, *given)
    assert ran.code == 0, ran.out
    assert patches(world) == [(WEST, "promoted")]
    assert world.truth()["writable"] == {EAST: False, WEST: True}
    again = world.act("promote", LEDGER, *given)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    world.control.attach(WEST, "bank", "ledger-data")

    for name in (EAST, "ontap-east"):
        world.control.revive(name)
    world.control.advance(60)
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert line["health"] == "split_brain"
    refused = world.act("reprotect", LEDGER, "--probe")
    assert refused.guards == ["source-in-use", "discards-local-data"]
    world.control.detach(EAST, "bank", "ledger-data")
    refused = world.act("reprotect", LEDGER)
    assert (refused.code, refused.guards) == (6, ["discards-local-data"])
    assert refused.operation["refusal"]["next"] == f"replctl reprotect {LEDGER} --discard-local-changes"
    assert patches(world) == [(WEST, "promoted")]
    done = world.act("reprotect", LEDGER, "--discard-local-changes")
    assert done.code == 0, done.out
    assert patches(world) == [(WEST, "promoted"), (EAST, "reestablished")]
    assert world.truth()["writable"] == {EAST: False, WEST: True}
    assert world.act("reprotect", LEDGER).operation["outcome"] == "unchanged"


def test_the_loss_that_is_stated_is_true(world: World) -> None:
    ask_ontap(world)
    world.control.advance(400)
    lose_east(world)
    world.control.advance(60)
    given = flags(world)
    ran = world.act("promote", LEDGER, *given)
    assert ran.code == 0, ran.out
    loss = ran.operation["data_loss"]
    truth = world.truth()
    assert loss["source"] == "ONTAP's lag_time"
    assert datetime.fromisoformat(loss["point"]).timestamp() <= truth["missing_since"][WEST]


def test_a_copy_on_demand_is_remembered_as_the_last_consistent_point(world: World) -> None:
    world.control.advance(100)
    before = world.control.now()
    ran = world.act("sync", LEDGER)
    assert (ran.code, [step["name"] for step in ran.operation["steps"]]) == (0, ["copy"])
    assert leftovers(world) == []
    world.control.advance(30)
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    at = datetime.fromisoformat(line["last_consistent_point"]["at"]).timestamp()
    assert before - 5 <= at <= world.truth()["consistent_at"]
    lose_east(world)
    ran = world.act("promote", LEDGER, *printed(world.act("promote", LEDGER)))
    assert ran.code == 0, ran.out
    assert ran.operation["data_loss"]["accepted"] != "unknown"
    assert (
        datetime.fromisoformat(ran.operation["data_loss"]["point"]).timestamp()
        <= world.truth()["missing_since"][WEST]
    )


def test_a_copy_that_fails_is_no_point(world: World) -> None:
    world.control.fail_transfers(LEDGER)
    ran = world.act("sync", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (1, "errand-failed")
    assert leftovers(world) == []
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert line["last_consistent_point"]["at"] is None


def test_a_source_that_answers_is_up(world: World) -> None:
    ran = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown")
    assert (ran.code, ran.guards) == (6, ["peer-is-up"])
    ran = world.act("promote", LEDGER, "--peer-is-fenced=cables out", "--accept-data-loss=unknown")
    assert ran.code == 0, ran.out
    assert patches(world) == [(WEST, "promoted")]


def test_another_counterpart_on_record_is_refused_before_anything_is_done(world: World) -> None:
    """Which counterpart it has is in the record for good (CT §2.4): only a new relationship could name another."""
    body: dict[str, Any] = mirror(world, EAST)
    place = {**body["spec"]["volumeMappings"][0], "remoteVolumeHandle": "svm_north:other"}
    from estates import Cluster

    client = Cluster(world.simulator, EAST)
    path = "/apis/trident.netapp.io/v1/namespaces/bank/tridentmirrorrelationships/ledger"
    client.patch(path, {"spec": {"volumeMappings": [place]}})
    client.connection.close()
    world.control.stop_pods(LEDGER)
    world.control.advance(30)
    world.control.clear_requests()
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.guards) == (6, ["not-a-pair"])
    assert world.changes() == []


def test_a_failed_mirror_is_promoted_only_if_that_is_said(world: World) -> None:
    from estates import Cluster

    client = Cluster(world.simulator, WEST)
    path = "/apis/trident.netapp.io/v1/namespaces/bank/tridentmirrorrelationships/ledger-dr"
    client.patch(path, {"spec": {"replicationPolicy": "MirrorAndVault"}})
    client.connection.close()
    world.control.advance(10)
    assert word(world) == "failed"
    lose_east(world)
    refused = world.act("promote", LEDGER)
    assert refused.guards == ["peer-not-demoted", "state-failed", "data-loss"]
    ran = world.act("promote", LEDGER, *printed(refused))
    assert (ran.code, ran.operation["error"]["code"]) == (
        9,
        "unverified",
    )  # no complete copy is known before it
    assert MIRRORS in world.changes()[-1]["path"]
