"""Planned promotions between two clusters: a snapshot, a copy of it, a proven promotion, and only then the way back.

In between both ends can be written to, so that whoever attaches the old source stops it, at whatever point.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import LEDGER, Ran, World, a_world

STEPS = ["snapshot", "copy", "promote", "reestablish"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """At rest, and nobody uses the ledger."""
    with a_world(tmp_path, vendors=("trident",)) as made:
        made.control.stop_pods(LEDGER)
        yield made


def writes(world: World) -> list[tuple[str, str, str]]:
    """(cluster, method, kind) of the changes that took effect, in their order."""
    found = []
    for change in world.changes():
        parts = change["path"].split("/")
        kind = parts[-1] if change["method"] == "POST" else parts[-2]
        if change["effect"]:
            found.append((change["array"], change["method"], kind))
    return found


PLANNED = [
    ("k8s-east", "POST", "volumesnapshots"),
    ("k8s-west", "POST", "tridentactionmirrorupdates"),
    ("k8s-west", "PATCH", "tridentmirrorrelationships"),
    ("k8s-east", "PATCH", "tridentmirrorrelationships"),
    ("k8s-west", "DELETE", "tridentactionmirrorupdates"),
]


def leftovers(world: World) -> list[str]:
    return [
        each["metadata"]["name"]
        for cluster in ("k8s-east", "k8s-west")
        for kind in ("volumesnapshots", "tridentactionmirrorupdates")
        for each in world.control.objects(cluster, kind, "bank")
        if not each["metadata"].get("deletionTimestamp")
    ]


def ended(ran: Ran) -> tuple[int, dict[str, Any]]:
    return ran.code, {step["name"]: step["outcome"] for step in ran.operation["steps"]}


def test_roles_swap_and_nothing_is_lost(world: World) -> None:
    ran = world.act("promote", LEDGER)
    assert ended(ran) == (0, dict.fromkeys(STEPS, "succeeded"))
    assert writes(world) == PLANNED
    truth = world.truth()
    assert truth["writable"] == {"k8s-west": True, "k8s-east": False}
    assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0)
    assert leftovers(world) == [
        f"replctl-{ran.operation['operation_id']}"
    ]  # its snapshot, until the next one


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
    assert ended(back) == (0, dict.fromkeys(STEPS, "succeeded"))
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
