"""Holds: hands off, asked of people and of the daemon, and seen wherever one looks."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

from cli.test_documents import fits
from scenarios.vendors import Vendor, over_both
from worlds import LEDGER, World

from replctl.core.model import DAEMON, Hold
from replctl.store.sqlite import SqliteStore


def held(world: World, name: str = LEDGER) -> dict[str, str] | None:
    (line,) = world.run("status", name, "-o", "json").json["replications"]
    found: dict[str, str] | None = line["hold"]
    return found


def hold_of(world: World, owner: str, reason: str = "hands off", ends_at: float | None = None) -> None:
    store = SqliteStore(world.directory / "state", clock=world.clock)
    store.set_hold(LEDGER, Hold(owner=owner, reason=reason, since=world.clock.now(), ends_at=ends_at))
    store.close()


@over_both
def test_a_hold_saves_somebody_and_the_flag_lets_one_go_on(tmp_path: Path, vendor: Vendor) -> None:
    with vendor.world(tmp_path) as world:
        saved_by_a_hold(world)


def saved_by_a_hold(world: World) -> None:
    world.control.advance(900)
    assert world.run("hold", LEDGER, "--reason", "month end").code == 0
    refused = world.act("promote", LEDGER)
    assert (refused.code, refused.guards) == (6, ["held"])
    (guard,) = refused.operation["refusal"]["guards"]
    assert guard["override"] == "--override-hold"
    assert "month end" in guard["evidence"][0]["value"]
    assert "--override-hold" in refused.operation["refusal"]["next"]
    assert world.changes() == []
    done = world.act("promote", LEDGER, "--override-hold")
    assert (done.code, done.operation["acknowledged"]) == (0, ["--override-hold"])
    assert held(world) is not None, "going on once ends no hold"


def test_a_hold_stands_in_status_and_explain(world: World) -> None:
    ran = world.run("hold", LEDGER, "--reason", "month end", "--for", "2h", "-o", "json")
    fits("action", ran.json)
    assert (ran.code, ran.json["outcome"], ran.json["command"]) == (0, "succeeded", "hold")
    found = held(world)
    assert found is not None
    assert found["reason"] == "month end"
    assert socket.gethostname() in found["owner"]
    assert found["ends_at"] is not None
    for argv in (("status",), ("status", "-o", "wide"), ("explain", LEDGER)):
        assert "month end" in world.run(*argv).out
    world.control.kill("east", mode="refuse")
    assert "month end" in world.run("status", LEDGER).out


def test_its_end_only_reminds(world: World) -> None:
    world.run("hold", LEDGER, "--reason", "month end", "--for", "2h")
    world.control.advance(1800)
    assert "replctl release" not in world.run("status", LEDGER).out
    world.control.advance(7200)
    assert "replctl release" in world.run("status", LEDGER).out
    assert world.act("promote", LEDGER).guards == ["held"]


def test_what_has_begun_goes_on_and_is_named(world: World) -> None:
    world.control.advance(900)
    begun = world.act("promote", LEDGER, "--no-wait")
    assert begun.code == 8
    operation = begun.operation["operation_id"]
    held_now = world.run("hold", LEDGER, "--reason", "month end")
    assert f"operation {operation} is open; a hold does not stop it" in held_now.err
    assert world.run("op", "resume", operation, "-y").code == 0
    assert world.act("demote", LEDGER).guards == ["held"]


def test_holding_and_releasing_twice_is_fine(world: World) -> None:
    outcomes = [
        world.run(*argv, "-o", "json").json["outcome"]
        for argv in (
            ("release", LEDGER),
            ("hold", LEDGER, "--reason", "month end"),
            ("hold", LEDGER, "--reason", "month end"),
            ("hold", LEDGER, "--reason", "month end", "--for", "1h"),
            ("release", LEDGER),
            ("release", LEDGER),
        )
    ]
    assert outcomes == ["unchanged", "succeeded", "unchanged", "succeeded", "succeeded", "unchanged"]
    assert held(world) is None


def test_somebody_elses_hold_is_neither_replaced_nor_ended_without_the_flag(world: World) -> None:
    for argv in (("hold", LEDGER, "--reason", "mine"), ("release", LEDGER)):
        hold_of(world, "eve on elsewhere")
        refused = world.run(*argv, "-o", "json")
        assert (refused.code, refused.guards) == (6, ["held"])
        assert "eve on elsewhere" in world.run(*argv).err
        found = held(world)
        assert found is not None
        assert found["owner"] == "eve on elsewhere"
        assert world.run(*argv, "--override-hold").code == 0
        found = held(world)
        assert found is None or found["reason"] == "mine"


def test_the_daemon_s_hold_stops_no_person_and_is_released_by_anybody(world: World) -> None:
    world.control.advance(900)
    hold_of(world, DAEMON, "changed from outside")
    assert world.run("promote", LEDGER, "--dry-run", "-o", "json").json["outcome"] == "planned"
    assert world.run("release", LEDGER).code == 0
    assert held(world) is None


def test_a_hold_wants_a_reason_a_name_and_a_duration(world: World) -> None:
    assert world.run("hold", LEDGER).code == 2
    assert world.run("hold", LEDGER, "--reason", " ").code == 2
    assert world.run("hold", LEDGER, "--reason", "x", "--for", "soon").code == 2
    assert world.run("hold", "bank/nothing", "--reason", "x").code == 5
    assert world.run("release", "bank/nothing").code == 5
    assert held(world) is None


def test_names_and_lines_are_printed(world: World) -> None:
    assert world.run("hold", LEDGER, "--reason", "x", "-o", "name").out == f"{LEDGER}\n"
    assert f"held by {getpass.getuser()}" in world.run("hold", LEDGER, "--reason", "y").out
    assert "held by" in world.run("release", LEDGER).out
    assert "nobody holds it" in world.run("release", LEDGER).out


def test_no_backend_is_asked(world: World) -> None:
    before = len(world.control.requests())
    world.run("hold", LEDGER, "--reason", "x")
    world.run("release", LEDGER)
    assert len(world.control.requests()) == before
