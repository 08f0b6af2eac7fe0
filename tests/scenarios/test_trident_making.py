"""`create` and `delete` between two clusters: each end by itself, in an order that leaves no half of it unsaid."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from estates import CLAIMS, MIRRORS, Cluster
from scenarios.tridents import ask_ontap
from worlds import LEDGER, World, a_world

PATIENT_TIMES = 120
EAST, WEST = "k8s-east", "k8s-west"
REPLICA_CLAIM = f"{CLAIMS.format('bank')}/ledger-data"
MADE = ["tridentmirrorrelationships", "tridentmirrorrelationships", "persistentvolumeclaims", "ledger-dr"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",)) as made:
        yield made


@pytest.fixture
def bare(world: World) -> World:
    """Its ledger is an ordinary volume in the east; in the west there is nothing."""
    assert world.act("delete", LEDGER, "--delete-promotes").code == 0
    admin = Cluster(world.simulator, WEST, admin=True)
    assert admin.call("DELETE", REPLICA_CLAIM).status == 200
    admin.connection.close()
    world.control.advance(60)
    world.control.clear_requests()
    return world


def written(world: World) -> list[tuple[str, str, str]]:
    """(cluster, method, last word of the path) of each change that took effect."""
    return [
        (each["array"], each["method"], each["path"].rsplit("/", 1)[-1])
        for each in world.changes()
        if each["effect"]
    ]


def mirror(world: World, cluster: str) -> Any:
    name = "ledger" if cluster == EAST else "ledger-dr"
    found = world.control.objects(cluster, "tridentmirrorrelationships", "bank")
    return next((each for each in found if each["metadata"]["name"] == name), None)


def notes(world: World) -> tuple[str | None, str | None]:
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    return line["local"]["state_note"], line["peer"]["state_note"]


def test_delete_asks_first_because_it_opens_the_replica(world: World) -> None:
    ran = world.act("delete", LEDGER)
    assert (ran.code, ran.guards) == (6, ["delete-promotes"])
    assert ran.operation["refusal"]["guards"][0]["override"] == "--delete-promotes"
    assert world.changes() == []


def test_delete_takes_the_replica_first_and_leaves_both_volumes(world: World) -> None:
    ran = world.act("delete", LEDGER, "--delete-promotes")
    assert ran.code == 0, ran.err
    assert (ran.operation["from_state"], ran.operation["to_state"]) == ("replica", None)
    assert written(world) == [
        (WEST, "PATCH", "ledger-dr"),  # promoted, and proven so
        (WEST, "DELETE", "ledger-dr"),
        (EAST, "DELETE", "ledger"),
    ]
    assert (mirror(world, EAST), mirror(world, WEST)) == (None, None)
    assert notes(world) == ("absent", "absent")
    truth = world.truth()
    assert truth["writable"] == {EAST: True, WEST: True}
    assert truth["lost_writes"] == 0
    world.control.clear_requests()
    again = world.act("delete", LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


@pytest.mark.parametrize("state", ["unreadable", "dead"])
def test_where_ontap_cannot_be_read_nothing_is_deleted_and_the_mirror_not_called_ended(
    world: World, state: str
) -> None:
    """To be deleted, Trident would let its own object go and leave ONTAP's mirror as it is (CT §4.7)."""
    world.control.ontap(WEST, state)
    for _ in range(2):
        ran = world.act("delete", LEDGER, "--delete-promotes")
        assert (ran.code, ran.operation["outcome"], ran.operation["error"]["code"]) == (
            9,
            "unknown",
            "unverified",
        )
    assert written(world) == [(WEST, "PATCH", "ledger-dr")]
    assert world.truth()["volume_type"] == {EAST: "rw", WEST: "dp"}
    world.control.ontap(WEST, "alive")
    assert world.act("op", "abandon", ran.operation["operation_id"]).code == 0
    ask_ontap(world)
    again = ("reprotect", LEDGER, "--survivor", EAST, "--discard-local-changes")
    assert world.act(*again).code == 0
    assert world.act("delete", LEDGER, "--delete-promotes").code == 0
    assert world.truth()["writable"] == {EAST: True, WEST: True}
    assert world.truth()["lost_writes"] == 0


def test_create_makes_both_ends_and_waits_for_the_first_copy(bare: World) -> None:
    ran = bare.act("create", LEDGER)
    assert ran.code == 0, ran.err + ran.out
    assert ran.operation["to_state"] == "replica"
    assert [name for _, _, name in written(bare)] == MADE
    assert [cluster for cluster, _, _ in written(bare)] == [EAST, WEST, WEST, WEST]
    here = mirror(bare, WEST)
    assert set(here["spec"]) == {"state", "replicationPolicy", "replicationSchedule", "volumeMappings"}
    assert set(here["spec"]["volumeMappings"][0]) == {
        "localPVCName",
        "remoteVolumeHandle",
        "promotedSnapshotHandle",
    }
    assert here["metadata"]["generation"] == 1  # Trident had nothing to add (CT §3)
    (condition,) = here["status"]["conditions"]
    assert (condition["state"], condition["replicationPolicy"]) == ("established", "MirrorAllSnapshots")
    truth = bare.truth()
    assert (truth["writable"], truth["lost_writes"]) == ({EAST: True, WEST: False}, 0)
    moves = bare.run("history", LEDGER, "-o", "json").json["transitions"]
    made = [
        (each["backend"], each["from_state"], each["to_state"])
        for each in moves
        if each["from_state"] is None
    ]
    assert made == [(EAST, None, "source"), (WEST, None, "replica")]
    assert {each["reason"] for each in moves} == {"user_requested"}
    bare.control.clear_requests()
    again = bare.act("create", LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert bare.changes() == []


def test_what_was_made_can_be_promoted(bare: World) -> None:
    assert bare.act("create", LEDGER).code == 0
    bare.control.stop_pods(LEDGER)
    ran = bare.act("promote", LEDGER)
    assert ran.code == 0, ran.err + ran.out
    assert bare.truth()["lost_writes"] == 0


def test_a_claim_that_is_there_is_not_made_a_replica(world: World) -> None:
    """It holds what it was left with, and Trident would fill an empty one alone (CT §4.4)."""
    assert world.act("delete", LEDGER, "--delete-promotes").code == 0
    world.control.clear_requests()
    ran = world.act("create", LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert "is there already" in str(ran.operation["refusal"])
    assert world.changes() == []


def test_a_file_that_does_not_say_how_is_told_so(bare: World) -> None:
    path = bare.config.parent / "replications.yaml"
    path.write_text(path.read_text().replace(", storage_class: mirrored, size: 1Gi", ""))
    ran = bare.act("create", LEDGER)
    assert (ran.code, ran.guards) == (6, ["undeclared"])
    facts = {each["fact"] for each in ran.operation["refusal"]["guards"][0]["evidence"]}
    assert facts == {"local.storage_class", "local.size"}
    assert bare.changes() == []


def test_a_policy_that_trident_replaces_is_not_called_done(bare: World) -> None:
    path = bare.config.parent / "replications.yaml"
    path.write_text(
        path.read_text().replace("replication_policy: MirrorAllSnapshots", "replication_policy: Misspelt")
    )
    ran = bare.act("create", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (3, "partial")
    assert "replaced the policy Misspelt" in bare.run("explain", LEDGER).out
    bare.control.clear_requests()
    again = bare.act("create", LEDGER)
    assert (again.code, again.guards) == (6, ["backend-state"])
    assert "replaced the policy Misspelt" in str(again.operation["refusal"])
    assert bare.changes() == []


@pytest.mark.parametrize("number", range(len(MADE)))
@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_lost_answer_makes_nothing_twice(bare: World, number: int, effect: str) -> None:
    array = EAST if number == 0 else WEST
    skip = max(0, number - 1)
    bare.control.fault(array, "status", method="change", status=504, effect=effect, skip=skip)
    ran = bare.act("create", LEDGER)
    assert ran.code == 0, ran.err + ran.out
    assert sorted(name for _, _, name in written(bare)) == sorted(MADE)


@pytest.mark.parametrize("number", range(1, 5))
def test_what_was_begun_is_finished_by_the_same_command(bare: World, number: int) -> None:
    """One attempt after the other, each cut short; nothing is made twice."""
    array = EAST if number == 1 else WEST
    bare.control.fault(array, "status", method="change", status=403, skip=max(0, number - 2), times=1)
    first = bare.act("create", LEDGER)
    assert first.code in (3, 4), first.out
    bare.control.advance(30)
    assert bare.act("create", LEDGER).code == 0
    assert sorted(name for _, _, name in written(bare)) == sorted(MADE)


def test_a_relationship_of_somebody_else_is_left_alone(bare: World) -> None:
    other = Cluster(bare.simulator, WEST)
    body = {
        "apiVersion": "trident.netapp.io/v1",
        "kind": "TridentMirrorRelationship",
        "metadata": {"name": "ledger-dr"},
        "spec": {"state": "established", "volumeMappings": [{"localPVCName": "another"}]},
    }
    other.post(MIRRORS.format("bank"), body)
    other.connection.close()
    bare.control.clear_requests()
    ran = bare.act("create", LEDGER)
    assert ran.code == 6, ran.out
    assert bare.changes() == []


def until_over(world: World, verb: str, *flags: str) -> list[int]:
    """The codes of one command, given a second each time, until it ends otherwise than in the middle."""
    codes = []
    while not codes or codes[-1] == 8:
        codes.append(world.act(verb, LEDGER, "--timeout", "1s", *flags).code)
        assert len(codes) < PATIENT_TIMES
    return codes


def test_a_command_that_runs_out_of_time_is_taken_up_where_it_was(bare: World) -> None:
    codes = until_over(bare, "create")
    assert (codes[0], codes[-1]) == (8, 0)
    assert [name for _, _, name in written(bare)] == MADE
    bare.control.clear_requests()
    codes = until_over(bare, "delete", "--delete-promotes")
    assert (codes[0], codes[-1]) == (8, 0)
    assert [name for _, _, name in written(bare)] == ["ledger-dr", "ledger-dr", "ledger"]
