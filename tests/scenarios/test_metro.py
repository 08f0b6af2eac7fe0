"""Metro sessions: shown in full, with their witness, in every phase of CP §9.1; every change is refused with why."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from worlds import LEDGER, World, a_world

ROLES = {"east": "Metro_Preferred", "west": "Metro_Non_Preferred"}
CHANGES = (
    ("promote", LEDGER),
    ("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown"),
    ("demote", LEDGER),
    ("failover", LEDGER, "--to", "west"),
    ("reprotect", LEDGER),
    ("resync", LEDGER),
    ("sync", LEDGER),
    ("pause", LEDGER),
    ("resume", LEDGER),
    ("drill", "start", LEDGER),
    ("drill", "stop", LEDGER),
    ("delete", LEDGER),
)


@pytest.fixture(params=["System_Defined", "System_Promoted"])
def metro(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[World]:
    """The ledger is served by both arrays, under either label that a fracture may show."""
    with a_world(tmp_path, assumptions={"metro_labels_on_fracture": request.param}) as world:
        for array, role in ROLES.items():
            world.control.set_state(
                LEDGER,
                array,
                role=role,
                type="Metro_Active_Active",
                state="OK",
                data_transfer_state="Active_Active",
                witness_state="Engaged",
            )
        world.control.advance(5)
        yield world


def shown(world: World) -> dict[str, Any]:
    line: dict[str, Any] = world.run("status", LEDGER, "-o", "json").json["replications"][0]
    return line


def test_all_of_it_is_shown(metro: World) -> None:
    line = shown(metro)
    assert (line["state"], line["local"]["state_note"], line["mode"]) == (None, "unknown", "synchronous")
    assert line["last_consistent_point"] is None or line["last_consistent_point"]["at"] is None
    for side, role in (("local", ROLES["west"]), ("peer", ROLES["east"])):
        vendor = line[side]["vendor"]
        assert vendor["role"] == role
        assert vendor["type"] == "Metro_Active_Active"
        assert vendor["data_transfer_state"] == "Active_Active"
        assert vendor["local_resource_state"] == "System_Defined"
        assert (vendor["witness"], vendor["witness_state"]) == ("quorum", "Engaged")
    wide = metro.run("status", LEDGER, "-o", "wide").out
    assert "Metro_Active_Active Metro_Non_Preferred OK Active_Active System_Defined witness Engaged" in wide
    explained = " ".join(metro.run("explain", LEDGER).out.split())
    assert "metro" in explained
    assert "use the array's own pause, resume, promote and demote" in explained


def test_a_fracture_is_shown_with_its_labels(metro: World) -> None:
    metro.control.link("down")
    metro.control.advance(10)
    line = shown(metro)
    assert line["health"] != "healthy"
    states = {side: line[side]["vendor"]["state"] for side in ("local", "peer")}
    assert states == {"local": "Fractured", "peer": "Fractured"}
    assert line["peer"]["vendor"]["local_resource_state"] in ("System_Defined", "System_Promoted")


@pytest.mark.parametrize("phase", ["well", "fractured", "preferred side dead"])
def test_every_change_is_refused_with_why_and_what_a_person_can_do(metro: World, phase: str) -> None:
    if phase == "fractured":
        metro.control.link("down")
    elif phase == "preferred side dead":
        metro.control.kill("east")
    metro.control.advance(10)
    for argv in CHANGES:
        ran = metro.act(*argv)
        assert ran.code in ((6,) if phase != "preferred side dead" else (6, 11)), (argv, ran.out)
        if ran.code == 6:
            assert "unsupported" in ran.guards, (argv, ran.guards)
            text = str(ran.operation["refusal"]["guards"])
            assert "use the array's own" in text, argv
    assert metro.changes() == []
    assert metro.truth()["role"] == ROLES
