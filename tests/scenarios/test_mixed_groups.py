"""One application whose volumes live on both vendors: judged whole, moved in waves, told together."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import LEDGER, Ran, World, a_world

from replctl.core.durations import parse_time

EVENTS = "web/events"  # a claim in two clusters; the ledger is a volume group on two arrays
PAYMENTS = ("--group", "payments")
ONCE = {
    "REPLCTL_RETRY__MAX_ATTEMPTS": "1"
}  # who waits for a dead site here takes the time of those who ask another
COPIED_SECONDS = 400.0
CLOCKS_SECONDS = 5.0  # by which two looks at one point may differ
DETECTED_SECONDS = 20.0
SITES = (("east", "k8s-east"), ("west", "k8s-west"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("powerstore", "trident")) as made:
        path = made.config.parent / "replications.yaml"
        path.write_text(
            path.read_text().replace("  name: events\n", "  name: events\n  group: payments\n  order: 1\n")
        )
        made.control.advance(COPIED_SECONDS)
        yield made


def with_ontap(world: World) -> None:
    world.config.write_text(world.config.read_text().replace("    # ontap:", "    ontap:"))


def lose_the_east(world: World) -> None:
    for backend in SITES[0]:
        world.control.kill(backend)
    world.control.advance(DETECTED_SECONDS)


def of_each(ran: Ran) -> dict[str, Any]:
    return {f"{each['namespace']}/{each['name']}": each for each in ran.json["operations"]}


def outcomes(ran: Ran) -> dict[str, str]:
    return {name: each["outcome"] for name, each in of_each(ran).items()}


def sources(world: World) -> dict[str, str | None]:
    return {name: world.truth(name)["source"] for name in (LEDGER, EVENTS)}


def test_a_planned_failover_moves_both_in_their_waves_and_loses_nothing(world: World) -> None:
    world.control.stop_pods(EVENTS)
    ran = world.act("promote", *PAYMENTS)
    assert ran.code == 0, ran.out
    assert outcomes(ran) == {LEDGER: "succeeded", EVENTS: "succeeded"}
    assert sources(world) == {LEDGER: "west", EVENTS: "k8s-west"}
    for name in (LEDGER, EVENTS):
        assert (world.truth(name)["lost_writes"], world.truth(name)["both_wrote"]) == (0, 0)
    told = of_each(ran)
    assert told[LEDGER]["finished"] <= told[EVENTS]["started"]  # order 0, then order 1
    assert {each["group"] for each in told.values()} == {"payments"}
    world.control.clear_requests()
    again = world.act("promote", *PAYMENTS)
    assert (again.code, set(outcomes(again).values())) == (0, {"unchanged"})
    assert world.changes() == []


def test_a_claim_in_use_leaves_the_arrays_alone_too(world: World) -> None:
    ran = world.act("promote", *PAYMENTS)
    assert (ran.code, outcomes(ran)) == (6, {LEDGER: "planned", EVENTS: "refused"})
    assert [each["name"] for each in of_each(ran)[EVENTS]["refusal"]["guards"]] == ["source-in-use"]
    assert world.changes() == []
    going = world.act("promote", *PAYMENTS, "--keep-going")
    assert (going.code, outcomes(going)) == (3, {LEDGER: "succeeded", EVENTS: "refused"})
    assert {each["array"] for each in world.changes()} == {"east", "west"}


def test_a_disaster_is_judged_by_its_worst_member_and_answered_once(world: World) -> None:
    with_ontap(world)
    lose_the_east(world)
    world.control.clear_requests()
    refused = world.run("promote", *PAYMENTS, "-y", environ=ONCE)
    assert refused.code == 6
    assert world.changes() == []
    said = refused.err
    assert "the worst of 2 replications, and so of all" in said
    (command,) = [each.strip() for each in said.splitlines() if "--group payments -y" in each]
    ran = world.act(*(word for word in command.split()[1:] if word != "-y"), environ=ONCE)
    assert ran.code == 0, ran.out
    assert outcomes(ran) == {LEDGER: "succeeded", EVENTS: "succeeded"}
    losses = {name: each["data_loss"] for name, each in of_each(ran).items()}
    assert all(each["at_most_seconds"] is not None for each in losses.values())
    (stated,) = set(re.findall(r"what is lost: everything written after (\S+):", said))
    older = min(parse_time(each["point"]) for each in losses.values())
    assert abs(parse_time(stated) - older) < CLOCKS_SECONDS
    for name in (LEDGER, EVENTS):
        assert any(backend.endswith("west") for backend in world.truth(name)["sources"])


def test_what_only_one_of_them_knows_is_accepted_in_one_word(world: World) -> None:
    """Trident tells no time of a copy without ONTAP: the group's loss is unknown, the array's stays bounded."""
    lose_the_east(world)
    asked = ("promote", *PAYMENTS, "--peer-is-down")
    for bound, refused in (("unknown", LEDGER), ("15m", EVENTS), ("1s,unknown", LEDGER)):
        ran = world.act(*asked, f"--accept-data-loss={bound}")
        assert ran.code == 6
        assert outcomes(ran)[refused] == "refused", bound
    assert [each for each in world.changes() if each["array"] in ("west", "k8s-west")] == []
    ran = world.act(*asked, "--accept-data-loss=15m,unknown")
    assert ran.code == 0, ran.out
    assert of_each(ran)[EVENTS]["data_loss"]["at_most_seconds"] is None
    assert {each["data_loss"]["accepted"] for each in of_each(ran).values()} == {"15m,unknown"}


def test_what_becomes_of_one_is_not_told_of_the_other(world: World) -> None:
    """The array's part succeeds; of the mirror's promotion Trident says what nothing proves (H1)."""
    world.control.stop_pods(EVENTS)
    world.control.when(
        "ontap",
        {"cluster": "k8s-west", "state": "unreadable"},
        array="k8s-west",
        method="PATCH",
        path="tridentmirrorrelationships",
    )
    ran = world.act("promote", *PAYMENTS)
    assert outcomes(ran) == {LEDGER: "succeeded", EVENTS: "unknown"}
    assert ran.code == 9
    assert world.truth(LEDGER)["source"] == "west"
    assert world.truth(EVENTS)["writable"]["k8s-west"] is False
