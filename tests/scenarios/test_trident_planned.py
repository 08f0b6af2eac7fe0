"""Planned promotions between two clusters: a snapshot, a copy of it, a proven promotion, and only then the way back.

In between both ends can be written to, so that whoever attaches the old source stops it, at whatever point.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from estates import Cluster
from scenarios.tridents import (
    COPIES,
    EAST,
    MIRRORS,
    SNAPSHOTS,
    SOURCE_POD,
    STEPS,
    WEST,
    at_rest,
    leftovers,
    outcomes,
    patches,
    when,
    word,
    writes,
)
from worlds import LEDGER, World

PLANNED = [
    (EAST, "POST", SNAPSHOTS),
    (WEST, "POST", COPIES),
    (WEST, "PATCH", MIRRORS),
    (EAST, "PATCH", MIRRORS),
    (WEST, "DELETE", COPIES),
]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with at_rest(tmp_path) as made:
        yield made


def test_roles_swap_and_nothing_is_lost(world: World) -> None:
    ran = world.act("promote", LEDGER)
    assert (ran.code, outcomes(ran)) == (0, dict.fromkeys(STEPS, "succeeded"))
    assert writes(world) == PLANNED
    truth = world.truth()
    assert truth["writable"] == {"k8s-west": True, "k8s-east": False}
    assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0)
    assert leftovers(world) == [
        f"replctl-{ran.operation['operation_id']}"
    ]  # its snapshot, until the next one
    sent = [str(change["path"]) + str(change["body"]) for change in world.changes()]
    assert [each for each in sent if "status" in each or "finalizer" in each] == []
    assert all("resourceVersion" in each for each in sent[2:])  # on what was seen


def test_a_second_promotion_is_unchanged_and_writes_nothing(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.clear_requests()
    again = world.act("promote", LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


def test_there_and_back_again_leaves_one_snapshot(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.attach("k8s-west", "bank", "ledger-data")
    world.control.advance(60)
    assert world.act("demote", LEDGER).guards == ["source-in-use"]
    world.control.stop_pods(LEDGER)
    back = world.act("demote", LEDGER)
    assert (back.code, outcomes(back)) == (0, dict.fromkeys(STEPS, "succeeded"))
    truth = world.truth()
    assert truth["writable"] == {"k8s-east": True, "k8s-west": False}
    assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0)
    assert leftovers(world) == [f"replctl-{back.operation['operation_id']}"]


def test_a_source_in_use_is_never_told_to_step_down(world: World) -> None:
    world.control.attach("k8s-east", "bank", "ledger-data")
    for flags in ((), ("--source-quiesced",)):
        ran = world.act("promote", LEDGER, *flags)
        assert (ran.code, ran.guards) == (6, ["source-in-use"])
    assert world.changes() == []


def test_where_attachments_cannot_be_read_a_person_must_say(world: World) -> None:
    world.control.deny("k8s-east", "volumeattachments", "list")
    refused = world.act("promote", LEDGER)
    assert (refused.code, refused.guards) == (6, ["source-in-use"])
    assert refused.operation["refusal"]["next"] == f"replctl promote {LEDGER} --source-quiesced"
    assert world.changes() == []
    assert world.act("promote", LEDGER, "--source-quiesced").code == 0


@pytest.mark.parametrize("kind", [SNAPSHOTS, COPIES])
def test_who_comes_before_the_promotion_stops_it_and_nothing_was_changed(world: World, kind: str) -> None:
    """And may be gone again by then: what it wrote would be dropped."""
    cluster = EAST if kind == SNAPSHOTS else WEST
    when(world, "attach", SOURCE_POD, cluster, "POST", kind)
    when(world, "detach", SOURCE_POD, EAST, "GET", "volumeattachments", skip=4)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) in [(7, "source-in-use"), (7, "world-changed")], ran.out
    assert patches(world) == []
    assert leftovers(world) == []
    assert world.truth()["writable"] == {EAST: True, WEST: False}
    world.control.stop_pods(LEDGER)
    assert world.act("promote", LEDGER).code == 0
    assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize("effect", ["before", "after"])
def test_who_comes_after_the_promotion_stops_the_rest_and_that_is_split_brain(
    world: World, effect: str
) -> None:
    when(world, "attach", SOURCE_POD, WEST, "PATCH", MIRRORS, effect=effect)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (3, "partial")
    assert "split brain" in ran.operation["error"]["message"]
    assert outcomes(ran)["promote"] == "succeeded"
    assert patches(world) == [(WEST, "promoted")]
    assert world.act("promote", LEDGER).guards == ["split-brain"]
    world.control.stop_pods(LEDGER)
    kept = world.act("reprotect", LEDGER, "--survivor", EAST, "--discard-local-changes")
    assert kept.code == 0, kept.out
    assert world.truth()["writable"] == {EAST: True, WEST: False}
    assert world.truth()["lost_writes"] == 0


def test_somebody_elses_write_is_looked_at_and_judged_anew(world: World) -> None:
    touched = {"cluster": WEST, "plural": MIRRORS, "namespace": "bank", "name": "ledger-dr"}
    when(world, "touch", touched, WEST, "PATCH", MIRRORS)
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.out
    assert [(each["status"], each["effect"]) for each in world.changes() if each["method"] == "PATCH"] == [
        (409, False),
        (200, True),
        (200, True),
    ]
    assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize("cluster", [EAST, WEST])
@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_lost_answer_is_read_back_and_nothing_is_meant_twice(
    world: World, cluster: str, effect: str
) -> None:
    """504: a write that landed, and one that did not (CT §17)."""
    world.control.fault(cluster, "status", method="PATCH", path=MIRRORS, status=504, effect=effect)
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.out
    assert patches(world) == [(WEST, "promoted"), (EAST, "reestablished")]
    assert len([each for each in world.changes() if each["method"] == "PATCH"]) == (
        2 if effect == "after" else 3
    )
    assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize(("cluster", "kind"), [(EAST, SNAPSHOTS), (WEST, COPIES)])
@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_lost_answer_to_an_errand_makes_one_of_it(
    world: World, cluster: str, kind: str, effect: str
) -> None:
    world.control.fault(cluster, "status", method="POST", path=kind, status=504, effect=effect)
    assert world.act("promote", LEDGER).code == 0
    assert len([each for each in world.control.objects(EAST, SNAPSHOTS, "bank")]) == 1
    assert [each for each in writes(world) if each[1] == "POST"] == [
        (EAST, "POST", SNAPSHOTS),
        (WEST, "POST", COPIES),
    ]


@pytest.mark.parametrize("dead", [EAST, WEST])
def test_a_dead_ontap_ends_it_before_anything_was_promoted(world: World, dead: str) -> None:
    world.control.ontap(dead, "dead")
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (1, "errand-failed")
    assert patches(world) == []
    assert leftovers(world) == []
    world.control.ontap(dead, "alive")
    world.control.advance(30)
    assert world.act("promote", LEDGER).code == 0


def test_a_copy_that_runs_already_is_waited_for(world: World) -> None:
    world.control.advance(300 - world.control.now() % 300 - 2)  # the next one by schedule begins in a moment
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.out
    copies = [each for each in writes(world) if each[1:] == ("POST", COPIES)]
    assert len(copies) == 2
    assert world.truth()["lost_writes"] == 0


def test_a_snapshot_that_is_named_stands_for_both_errands(world: World) -> None:
    assert world.act("promote", LEDGER, "--dry-run", "--snapshot", "pvc-1/snapshot-1").code == 0
    ran = world.act("promote", LEDGER, "--snapshot", "pvc-1/no-such-snapshot")
    assert ran.code == 3, ran.out
    assert list(outcomes(ran)) == ["promote", "reestablish"]
    assert word(world) == "failed"
    assert world.truth()["writable"] == {EAST: True, WEST: False}
    refused = world.act("resync", LEDGER)
    assert (refused.code, refused.guards) == (6, ["discards-local-data"])
    assert world.act("resync", LEDGER, "--discard-local-changes").code == 0
    assert word(world) == "reestablished"
    assert world.act("promote", LEDGER).code == 0


def test_no_snapshot_class_is_said_before_anything_is_made(world: World) -> None:
    text = world.config.read_text()
    world.config.write_text("".join(line for line in text.splitlines(True) if "snapshot_class" not in line))
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (6, "unsupported")
    assert "snapshot_class" in ran.operation["error"]["remedy"]
    assert world.changes() == []


def test_a_schedule_that_was_replaced_without_a_word_is_not_what_was_wanted(world: World) -> None:
    """CT §7: ONTAP knows no schedule of that name, and Trident takes the back end's."""
    client = Cluster(world.simulator, EAST)
    path = f"/apis/trident.netapp.io/v1/namespaces/bank/{MIRRORS}/ledger"
    client.patch(path, {"spec": {"replicationSchedule": "15m"}})
    client.connection.close()
    world.control.advance(10)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (3, "ended-elsewhere")
    assert "replaced the schedule 15m" in ran.operation["error"]["message"]
    assert world.truth()["lost_writes"] == 0


def used_for_a_while(world: World) -> None:
    """Nobody looks, and somebody uses the source meanwhile."""
    world.control.attach(**SOURCE_POD)
    world.control.advance(60)
    world.control.stop_pods(LEDGER)


def test_an_operation_that_was_left_alone_makes_its_snapshot_anew(world: World) -> None:
    started = world.act("promote", LEDGER, "--no-wait")
    assert (started.code, len(world.control.objects(EAST, SNAPSHOTS, "bank"))) == (8, 1)
    used_for_a_while(world)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["operation_id"]) == (0, started.operation["operation_id"])
    assert len(world.control.objects(EAST, SNAPSHOTS, "bank")) == 2
    assert world.truth()["lost_writes"] == 0


def test_a_promotion_that_was_left_alone_drops_nothing_by_itself(world: World) -> None:
    started = world.act("promote", LEDGER, "--timeout", "18s")
    assert (started.code, patches(world)) == (8, [(WEST, "promoted")])
    used_for_a_while(world)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (3, "unwatched")
    assert patches(world) == [(WEST, "promoted")]
    assert world.act("reprotect", LEDGER, "--survivor", WEST).guards == ["discards-local-data"]


def test_op_wait_sends_nothing_and_the_next_change_clears_away(world: World) -> None:
    begun = world.act("promote", LEDGER, "--timeout", "26s")
    assert (begun.code, outcomes(begun)["promote"]) == (8, "succeeded"), begun.out
    world.control.advance(60)
    sent, made = len(world.changes()), leftovers(world)
    waited = world.run("op", "wait", begun.operation["operation_id"])
    assert waited.code == 0, waited.err
    assert (len(world.changes()), leftovers(world)) == (sent, made)
    assert len(made) == 2  # the snapshot, and the copy with its handle
    back = world.act("demote", LEDGER)
    assert back.code == 0, back.out
    assert leftovers(world) == [f"replctl-{back.operation['operation_id']}"]
