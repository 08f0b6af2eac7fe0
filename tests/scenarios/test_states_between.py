"""Promoting from every state that is neither healthy nor simple: as the design says, and never by accident."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from estates import MIRRORS, Cluster
from scenarios.test_unplanned import printed
from scenarios.tridents import EAST, WEST, at_rest, mirror, patches, word
from worlds import LEDGER, World


def put(world: World, state: str, *, arrays: tuple[str, ...] = ("east", "west"), **fields: object) -> None:
    for array in arrays:
        world.control.set_state(LEDGER, array, state=state, **fields)


def test_from_synchronizing_a_planned_promotion_goes(world: World) -> None:
    world.control.slow_copy(LEDGER, 60)
    world.control.gui(LEDGER, "east", "sync")
    world.control.advance(5)
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize("state", ["System_Paused", "Paused", "Paused_For_NDU"])
def test_from_a_pause_planned_is_refused_by_the_backend_s_state(world: World, state: str) -> None:
    put(world, state)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert state in ran.out
    assert world.effective() == []


@pytest.mark.parametrize("state", ["System_Paused", "Paused"])
def test_from_a_pause_unplanned_goes_when_the_peer_is_dead(world: World, state: str) -> None:
    world.control.advance(900)
    put(world, state)
    world.control.kill("east")
    refused = world.act("promote", LEDGER)
    ran = world.act("promote", LEDGER, *printed(refused))
    assert ran.code == 0, ran.err
    assert world.truth()["role"]["west"] == "Source"


def test_from_failed_only_with_its_own_flag(world: World) -> None:
    world.control.advance(900)
    put(world, "Error")
    world.control.kill("east")
    refused = world.act("promote", LEDGER, "--peer-is-down")
    assert refused.code == 6
    assert "state-failed" in refused.guards
    assert "--from-failed" in printed(refused)
    assert world.effective() == []


def test_with_no_source_only_with_its_own_flag(world: World) -> None:
    world.control.advance(900)
    put(world, "Failed_Over", role="Destination")
    refused = world.act("promote", LEDGER)
    assert refused.code == 6
    assert "no-source" in refused.guards
    ran = world.act("promote", LEDGER, *printed(refused))
    assert ran.code == 0, ran.err
    (failover,) = world.changes()
    assert failover["body"]["force"] is True


@pytest.mark.parametrize("state", ["Initializing", "Reprotecting"])
def test_a_copy_that_is_not_complete_is_never_promoted(world: World, state: str) -> None:
    put(world, state)
    for flags in ((), ("--peer-is-fenced=cables out", "--accept-data-loss=unknown")):
        ran = world.act("promote", LEDGER, *flags)
        assert ran.code == 6, ran.out
        assert "incomplete-copy" in ran.guards
    assert world.effective() == []


def test_a_transient_that_we_did_not_begin_is_a_conflict(world: World) -> None:
    world.control.stick(LEDGER, "Failing_Over")
    world.control.gui(LEDGER, "east", "failover", {"is_planned": True})
    world.control.advance(10)
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.guards) == (7, ["foreign-operation"])


def test_metro_is_shown_and_every_change_refused(world: World) -> None:
    for array, role in (("east", "Metro_Preferred"), ("west", "Metro_Non_Preferred")):
        world.control.set_state(LEDGER, array, role=role, type="Metro_Active_Active")
    ran = world.act("promote", LEDGER)
    assert ran.code == 6
    assert ran.operation["outcome"] == "unsupported"
    assert world.run("status", LEDGER).code == 0


def test_unknown_words_are_shown_and_refuse_changes(world: World) -> None:
    world.control.fault("west", "unknown_enum", times=10**6)
    report = world.run("status", LEDGER, "-o", "json").json
    (line,) = report["replications"]
    assert line["state"] is None
    assert line["local"]["state_note"] == "unknown"
    ran = world.act("promote", LEDGER)
    assert ran.code == 6
    assert world.effective() == []


# The same between two clusters


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[World]:
    with at_rest(tmp_path) as made:
        yield made


def desire(world: World, cluster: str, state: str) -> None:
    """Somebody with kubectl asks for something."""
    other = Cluster(world.simulator, cluster)
    name = "ledger" if cluster == EAST else "ledger-dr"
    body = other.get(f"{MIRRORS.format('bank')}/{name}")
    there = mirror(world, WEST if cluster == EAST else EAST)["status"]["conditions"][0]["localVolumeHandle"]
    place = {**body["spec"]["volumeMappings"][0], "remoteVolumeHandle": there}
    other.patch(f"{MIRRORS.format('bank')}/{name}", {"spec": {"state": state, "volumeMappings": [place]}})
    other.connection.close()


def test_somebody_elses_promotion_is_a_conflict_while_it_runs(clusters: World) -> None:
    desire(clusters, WEST, "promoted")
    ran = clusters.act("promote", LEDGER)
    assert (ran.code, ran.guards) == (7, ["foreign-operation"])
    assert patches(clusters) == [(WEST, "promoted")]  # theirs


def test_two_replicas_have_no_source_and_one_is_made_by_its_own_flag(clusters: World) -> None:
    desire(clusters, WEST, "promoted")
    clusters.control.advance(60)
    desire(clusters, EAST, "reestablished")
    clusters.control.advance(60)
    desire(clusters, WEST, "reestablished")
    clusters.control.advance(60)
    assert (word(clusters, EAST), word(clusters, WEST)) == ("reestablished", "reestablished")
    clusters.control.clear_requests()
    (line,) = clusters.run("status", LEDGER, "-o", "json").json["replications"]
    assert line["health"] == "no_source"
    refused = clusters.act("promote", LEDGER)
    assert refused.code == 6
    assert "no-source" in refused.guards
    assert clusters.changes() == []
    ran = clusters.act("promote", LEDGER, *printed(refused))
    assert ran.code == 0, ran.out
    assert patches(clusters) == [(WEST, "promoted")]


def test_a_word_of_trident_that_nobody_knows_refuses_changes(clusters: World) -> None:
    clusters.control.fault(WEST, "unknown_enum", times=10**6)
    (line,) = clusters.run("status", LEDGER, "-o", "json").json["replications"]
    assert (line["state"], line["local"]["state_note"]) == (None, "unknown")
    assert clusters.act("promote", LEDGER).code == 6
    assert clusters.changes() == []
