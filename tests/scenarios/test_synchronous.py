"""Synchronous sessions: shown in full, moved as the contract supports it, and never claimed to be in step when not.

What CP §9.2 leaves open is turned both ways: whether failover works at all, what a lost link looks like, and
whether sync and tests are taken.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from worlds import LEDGER, World, a_world

STALE_SECONDS = 60.0
BRIEFLY = "Synchronous Destination OK Synchronous System_Defined"


@contextmanager
def a_synchronous_world(directory: Path, **assumed: str) -> Iterator[World]:
    """The ledger mirrors each write from east to west, and the file says so."""
    with a_world(directory, assumptions=assumed) as world:
        for array in ("east", "west"):
            world.control.set_state(
                LEDGER, array, type="Synchronous", state="OK", data_transfer_state="Synchronous"
            )
        path = world.config.parent / "replications.yaml"
        path.write_text(path.read_text().replace("mode: asynchronous", "mode: synchronous", 1))
        world.control.advance(5)
        yield world


@pytest.fixture
def mirrored(tmp_path: Path) -> Iterator[World]:
    with a_synchronous_world(tmp_path) as world:
        yield world


def shown(world: World) -> dict[str, Any]:
    line: dict[str, Any] = world.run("status", LEDGER, "-o", "json").json["replications"][0]
    return line


def test_it_is_shown_in_full(mirrored: World) -> None:
    line = shown(mirrored)
    assert (line["mode"], line["state"], line["health"], line["in_sync"]) == (
        "synchronous",
        "replica",
        "healthy",
        True,
    )
    vendor = line["local"]["vendor"]
    assert (vendor["type"], vendor["data_transfer_state"]) == ("Synchronous", "Synchronous")
    assert (vendor["local_resource_state"], vendor["witness"], vendor["witness_state"]) == (
        "System_Defined",
        None,
        None,
    )
    assert line["last_consistent_point"]["at"] == line["local"]["observed_at"]
    assert BRIEFLY in mirrored.run("status", LEDGER, "-o", "wide").out
    explained = mirrored.run("explain", LEDGER).out
    assert "data_transfer_state Synchronous" in " ".join(explained.split())


def test_it_is_moved_there_and_back_and_paused(mirrored: World) -> None:
    for verb, source in (("promote", "west"), ("demote", "east")):
        ran = mirrored.act(verb, LEDGER)
        assert ran.code == 0, ran.err
        truth = mirrored.truth()
        assert (truth["source"], truth["lost_writes"]) == (source, 0)
        assert set(truth["state"].values()) == {"OK"}
        assert mirrored.act(verb, LEDGER).operation["outcome"] == "unchanged"
    assert mirrored.act("pause", LEDGER).code == 0
    assert set(mirrored.truth()["state"].values()) == {"Paused"}
    assert (
        shown(mirrored)["last_consistent_point"] is None
        or shown(mirrored)["last_consistent_point"]["at"] is None
    )
    assert mirrored.act("resume", LEDGER).code == 0
    assert set(mirrored.truth()["state"].values()) == {"OK"}
    assert shown(mirrored)["last_consistent_point"]["at"] is not None


def test_an_array_that_takes_no_failover_of_it_is_told_in_its_words_and_nothing_moves(tmp_path: Path) -> None:
    with a_synchronous_world(tmp_path, failover_on_synchronous="refuse") as world:
        ran = world.act("promote", LEDGER)
        assert ran.code == 1, ran.out
        assert ran.operation["outcome"] == "failed"
        assert "does not apply to a session of type Synchronous" in ran.operation["error"]["message"]
        assert world.truth()["source"] == "east"
        assert world.truth()["role_changes"] == 0


@pytest.mark.parametrize("lost_link", ["Fractured", "System_Paused"])
@pytest.mark.parametrize("destination", ["unchanged", "System_Paused"])
def test_without_its_link_the_point_is_unknown_and_a_takeover_says_so(
    tmp_path: Path, lost_link: str, destination: str
) -> None:
    with a_synchronous_world(
        tmp_path, synchronous_link_loss=lost_link, destination_on_link_loss=destination
    ) as world:
        world.control.link("down")
        world.control.advance(STALE_SECONDS)
        line = shown(world)
        assert line["health"] != "healthy"
        assert (line["last_consistent_point"] or {"at": None})["at"] is None

        world.control.kill("east")
        refused = world.act("promote", LEDGER, "--peer-is-down")
        assert refused.code == 6
        assert "data-loss" in refused.guards
        assert refused.operation["data_loss"]["at_most_seconds"] is None
        command = refused.operation["refusal"]["next"]
        assert "--accept-data-loss=unknown" in command
        taken = world.run(*shlex.split(command)[1:], "-y", "-o", "json")
        assert taken.code == 0, taken.err
        assert world.truth()["writable"]["west"]


def test_a_takeover_that_the_array_refuses_in_fractured_changes_nothing(tmp_path: Path) -> None:
    with a_synchronous_world(tmp_path, unplanned_from_fractured="refuse") as world:
        world.control.link("down")
        world.control.advance(STALE_SECONDS)
        world.control.kill("east")
        ran = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown")
        assert ran.code == 1, ran.out
        assert world.truth()["role"]["west"] == "Destination"


def test_after_a_takeover_it_is_reprotected(mirrored: World) -> None:
    mirrored.control.kill("east")
    mirrored.control.advance(STALE_SECONDS)
    taken = mirrored.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown")
    assert taken.code == 0, taken.out
    mirrored.control.revive("east")
    mirrored.control.advance(STALE_SECONDS)
    ran = mirrored.act("reprotect", LEDGER)
    assert ran.code == 0, ran.out
    assert mirrored.truth()["role"] == {"west": "Source", "east": "Destination"}
    assert shown(mirrored)["health"] == "healthy"


@pytest.mark.parametrize("taken", ["refuse", "accept"])
@pytest.mark.parametrize("argv", [("sync", LEDGER), ("drill", "start", LEDGER)])
def test_what_is_not_documented_for_it_is_not_tried(
    tmp_path: Path, taken: str, argv: tuple[str, ...]
) -> None:
    with a_synchronous_world(tmp_path, sync_on_synchronous=taken, test_on_synchronous=taken) as world:
        ran = world.act(*argv)
        assert ran.code == 6
        assert ran.guards == ["unsupported"]
        (evidence,) = ran.operation["refusal"]["guards"][0]["evidence"]
        assert "synchronous" in evidence["value"] or "mirrored" in evidence["value"]
        assert world.changes() == []
