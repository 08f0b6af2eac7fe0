"""Where Trident says `promoted`, or `reestablished`, and it is not so (CT §4.3): we say 9, and do not believe it.

In each, a naive client that waits for what it asked for reports success.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from estates import Cluster, new_claim, new_mirror
from scenarios.tridents import EAST, MIRRORS, WEST, ask_ontap, at_rest, mirror, patches, when, word
from worlds import LEDGER, Ran, World

DR = "/apis/trident.netapp.io/v1/namespaces/bank/tridentmirrorrelationships/ledger-dr"
CLAIM = "/api/v1/namespaces/bank/persistentvolumeclaims"
UNREADABLE = {"cluster": WEST, "state": "unreadable"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with at_rest(tmp_path) as made:
        yield made


def naive(world: World) -> bool:
    """Ask for it and wait for the word, as a script with kubectl does."""
    client = Cluster(world.simulator, WEST)
    client.patch(DR, {"spec": {"state": "promoted"}})
    client.connection.close()
    world.control.advance(120)
    return word(world) == "promoted"


def is_not_believed(world: World, ran: Ran) -> None:
    assert (ran.code, ran.operation["outcome"], ran.operation["error"]["code"]) == (
        9,
        "unknown",
        "unverified",
    )
    assert patches(world) == [(WEST, "promoted")]  # the old source is not told to step down for that
    assert world.truth()["volume_type"] == {EAST: "rw", WEST: "dp"}


def test_h1_ontap_could_not_be_read(world: World) -> None:
    when(world, "ontap", UNREADABLE, WEST, "PATCH", MIRRORS)
    is_not_believed(world, world.act("promote", LEDGER))
    assert word(world) == "promoted"
    is_not_believed(world, world.act("promote", LEDGER))
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert line["local"]["unverified"] is True
    world.control.ontap(WEST, "alive")
    world.control.controller(WEST, "restart")  # which adds all objects anew
    world.control.advance(120)
    healed = world.act("promote", LEDGER)
    assert (healed.code, healed.operation["error"]["code"]) == (
        3,
        "unwatched",
    )  # east may have been written to
    kept = ("--survivor", WEST, "--discard-local-changes")
    assert world.act("reprotect", LEDGER, *kept).code == 0
    assert patches(world) == [(WEST, "promoted"), (EAST, "reestablished")]
    assert world.truth()["lost_writes"] == 0


def test_h1_believed_by_a_naive_client(world: World) -> None:
    world.control.ontap(WEST, "unreadable")
    assert naive(world)
    assert world.truth()["volume_type"][WEST] == "dp"
    is_unproven(world)


def is_unproven(world: World) -> None:
    """Somebody else's false promotion, with its peer dead: asked for what seems to be so, we say 9."""
    world.control.kill(EAST)
    ran = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown")
    assert (ran.code, ran.operation["error"]["code"]) == (9, "unverified")


def test_h2_the_mirror_was_only_paused(world: World) -> None:
    world.control.busy_ontap(WEST, 1)
    is_not_believed(world, world.act("promote", LEDGER))
    assert world.truth()["relationship"][WEST]["state"] == "paused"


def test_h2_believed_by_a_naive_client_and_contradicted_by_ontap(world: World) -> None:
    ask_ontap(world)
    world.control.busy_ontap(WEST, 1)
    assert naive(world)
    assert "ONTAP still has the mirror: paused" in world.run("explain", LEDGER).out
    is_unproven(world)


def test_h3_there_was_no_complete_copy_yet(world: World) -> None:
    client = Cluster(world.simulator, WEST, admin=True)
    client.call("DELETE", DR)
    client.call("DELETE", f"{CLAIM}/ledger-data")
    world.control.advance(60)
    world.control.stick_all_transfers(WEST)
    source = str(mirror(world, EAST)["status"]["conditions"][0]["localVolumeHandle"])
    client.post(DR.rsplit("/", 1)[0], new_mirror("ledger-dr", "ledger-data", "established", source))
    client.post(CLAIM, new_claim("ledger-data", "ledger-dr"))
    client.connection.close()
    world.control.advance(60)
    world.control.clear_requests()
    refused = world.act("promote", LEDGER)
    assert (refused.code, refused.guards) == (6, ["incomplete-copy"])
    assert world.act("sync", LEDGER).code == 7  # a copy of what has no conditions would crash the controller
    assert world.changes() == []
    assert naive(world)
    assert world.truth()["volume_type"][WEST] == "dp"
    is_unproven(world)


def test_h4_a_status_that_was_dropped_is_still_in_progress(tmp_path: Path) -> None:
    """Somebody wrote as the controller was about to: it broke the mirror, and never says so."""
    with at_rest(tmp_path, durations={"informer_lag": 30.0}) as world:
        touched = {"cluster": WEST, "plural": MIRRORS, "namespace": "bank", "name": "ledger-dr"}
        seconds_later = {
            "deed": "touch",
            "arguments": touched,
            "array": WEST,
            "path": "ledger-dr",
            "skip": 12,
        }
        when(world, "when", seconds_later, WEST, "PATCH", MIRRORS, effect="after")
        ran = world.act("promote", LEDGER)
        assert (ran.code, ran.operation["outcome"]) == (8, "in_progress"), ran.out
        assert word(world) == "established"
        assert world.truth()["volume_type"] == {EAST: "rw", WEST: "rw"}
        assert patches(world) == [(WEST, "promoted")]  # a naive client was content with its 200
        world.control.controller(WEST, "restart")
        world.control.advance(120)
        ran = world.act("promote", LEDGER)
        assert (ran.code, word(world)) == (9, "promoted")


def test_ontap_proves_what_kubernetes_has_forgotten(world: World) -> None:
    """The API server keeps no history that reaches back, and ONTAP no mirror."""
    started = world.act("promote", LEDGER, "--timeout", "18s")
    assert (started.code, patches(world)) == (8, [(WEST, "promoted")])
    world.control.advance(15)
    world.control.compact(WEST)
    is_open = world.act("promote", LEDGER)
    assert (is_open.code, is_open.operation["error"]["code"]) == (9, "unverified")
    ask_ontap(world)
    assert world.act("promote", LEDGER).code == 0
    assert world.truth()["lost_writes"] == 0


NOT_RESUMED = {"unreadable_mirror": "established"}


def goes_blind(world: World, cluster: str) -> None:
    """ONTAP cannot be read from right before the old source is told to follow."""
    when(world, "ontap", {"cluster": cluster, "state": "unreadable"}, cluster, "PATCH", MIRRORS)


def test_an_old_source_that_only_says_it_follows_is_not_believed(tmp_path: Path) -> None:
    """Where an unreadable mirror counts as one that is there, the word is written and nothing was undone."""
    with at_rest(tmp_path, assumptions=NOT_RESUMED) as world:
        goes_blind(world, EAST)
        ran = world.act("promote", LEDGER)
        assert word(world, EAST) == "reestablished"
        assert world.truth()["volume_type"] == {EAST: "rw", WEST: "rw"}
        assert (ran.code, ran.operation["error"]["code"]) == (9, "unverified"), ran.out
        assert "k8s-east says that it is the replica, which was not verified" in ran.err
        again = world.act("promote", LEDGER)
        assert (again.code, again.operation["error"]["code"]) == (9, "unverified")
        (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
        assert line["peer"]["unverified"] is True
        assert patches(world) == [(WEST, "promoted"), (EAST, "reestablished")]


def test_nor_one_that_was_a_replica_before(tmp_path: Path) -> None:
    """Its policy is known from then on, so that only what it passed through proves it."""
    with at_rest(tmp_path, assumptions=NOT_RESUMED) as world:
        assert world.act("promote", LEDGER).code == 0
        goes_blind(world, WEST)
        ran = world.act("demote", LEDGER)
        assert world.truth()["volume_type"] == {EAST: "rw", WEST: "rw"}
        assert (ran.code, ran.operation["error"]["code"]) == (9, "unverified"), ran.out


def test_one_that_follows_is_believed_by_whoever_looks_soon_after(tmp_path: Path) -> None:
    with at_rest(tmp_path) as world:
        assert world.act("promote", LEDGER).code == 0
        elsewhere = world.act("promote", LEDGER, state_dir=tmp_path / "elsewhere")
        assert (elsewhere.code, elsewhere.operation["outcome"]) == (0, "unchanged"), elsewhere.out
        assert world.truth()["volume_type"] == {EAST: "dp", WEST: "rw"}
