"""`backends` and `discover`: what is there, what is on it, and that one silent site hides no other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cli.test_documents import fits
from scenarios.test_breakers import open_it
from worlds import LEDGER, World

from replctl.bootstrap import Services, assemble
from replctl.cli import documents
from replctl.clock import Cancel
from replctl.core.errors import Interrupted
from replctl.core.model import Who
from replctl.diagnosis import survey
from replctl.diagnosis.doctor import examine
from replctl.diagnosis.visiting import Patience


def backends(world: World, code: int = 0) -> dict[str, Any]:
    ran = world.run("backends", "-o", "json")
    assert ran.code == code, ran.err
    fits("backends", ran.json)
    return {each["name"]: each for each in ran.json["backends"]}


def found(world: World, *argv: str, code: int = 0) -> dict[str, Any]:
    ran = world.run("discover", *argv, "-o", "json")
    assert ran.code == code, ran.err
    fits("discovery", ran.json)
    return {each["backend"]: each for each in ran.json["backends"]}


def sessions(inventory: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in inventory["things"] if each["kind"] == "session"]


def drop(world: World) -> None:
    """Take the first replication out of the desired-state file."""
    path = Path(world.config).parent / "replications.yaml"
    head, *entries = path.read_text(encoding="utf-8").split("- namespace:")
    kept = [entry for entry in entries if "name: ledger" not in entry]
    path.write_text(head + "".join("- namespace:" + entry for entry in kept), encoding="utf-8")


def test_each_backend_tells_what_it_is(world: World) -> None:  # R72
    world.control.skew("east", 12.0)
    known = backends(world)
    assert set(known) == {"east", "west"}
    east = known["east"]
    assert (east["kind"], east["version"], east["sessions"], east["error"]) == (
        "powerstore",
        "4.1.0.0",
        4,
        None,
    )
    assert abs(east["clock_offset_seconds"] - 12.0) <= east["clock_margin_seconds"]
    assert east["latency_seconds"] is not None
    assert "Asynchronous_Block_Replication" in east["capabilities"]
    assert east["url"] == world.simulator.ready["arrays"]["east"]
    for format in ("table", "wide"):
        assert "4.1.0.0" in world.run("backends", "-o", format).out
    assert world.run("backends", "-o", "name").out == "east\nwest\n"


def test_a_dead_site_is_told_and_hides_no_other(world: World) -> None:  # R76
    world.control.kill("east", mode="refuse")
    known = backends(world, code=3)
    assert (known["east"]["reachable"], known["west"]["reachable"]) == (False, True)
    assert "refused" in known["east"]["error"]["message"]
    assert known["east"]["sessions"] is None
    inventories = found(world, code=3)
    assert inventories["east"]["presence"] == "unknown"
    assert "refused" in inventories["east"]["missing"]["powerstore"]["message"]
    assert len(sessions(inventories["west"])) == 4
    assert "refused" in world.run("discover").out
    world.control.kill("west", mode="refuse")
    backends(world, code=11)
    found(world, code=11)


def test_an_open_breaker_is_told_and_passed_on_request(world: World) -> None:
    open_it(world, "east")
    world.control.revive("east")
    known = backends(world, code=3)
    assert known["east"]["breakers"]["read"] == "open"
    assert "circuit breaker" in known["east"]["error"]["message"]
    assert "read open" in world.run("backends").out
    assert world.run("backends", "--probe").code == 0


def test_what_is_not_in_the_file_is_told_as_unmanaged(world: World) -> None:
    (ledger,) = [each for each in sessions(found(world)["west"]) if each["managed_by"] == LEDGER]
    drop(world)
    inventories = found(world)
    (loose,) = [each for each in sessions(inventories["west"]) if each["managed_by"] is None]
    assert loose["id"] == ledger["id"]
    (group,) = [each for each in inventories["west"]["things"] if each["id"] == loose["replicates"]]
    assert (group["name"], group["replicated"], group["managed_by"]) == ("ledger-vg", True, None)
    out = world.run("discover").out
    assert "volume group ledger-vg" in out
    assert "unmanaged" in out
    assert "4 sessions, 1 not in the file" in out


def test_an_end_named_by_its_session_is_managed(world: World) -> None:
    path = Path(world.config).parent / "replications.yaml"
    ids = {
        name: next(each["id"] for each in sessions(inventory) if each["managed_by"] == LEDGER)
        for name, inventory in found(world).items()
    }
    text = path.read_text(encoding="utf-8")
    for name, session in ids.items():
        text = text.replace(
            f"backend: {name}, volume_group: ledger-vg", f"backend: {name}, session: {session}"
        )
    path.write_text(text, encoding="utf-8")
    for inventory in found(world).values():
        assert LEDGER in {each["managed_by"] for each in sessions(inventory)}


def test_one_backend_by_name_and_the_ids_bare(world: World) -> None:
    assert set(found(world, "west")) == {"west"}
    ids = world.run("discover", "west", "-o", "name").out.split()
    assert sorted(ids) == sorted(each["id"] for each in sessions(found(world, "west")["west"]))
    assert "scratch-1" in world.run("discover", "-o", "wide").out
    assert "scratch-1" not in world.run("discover").out
    unknown = world.run("discover", "wets")
    assert unknown.code == 5
    assert "west" in unknown.err


def test_a_kind_that_cannot_be_read_hides_no_other(world: World) -> None:
    world.control.fault("west", "status", path="volume_group", status=403, times=50)
    west = found(world, code=3)["west"]
    assert west["presence"] == "partly"
    assert set(west["missing"]) == {"volume_group"}
    assert len(sessions(west)) == 4
    assert "volume group" in world.run("discover").out


def test_nothing_is_changed(world: World) -> None:
    for argv in (("backends",), ("discover",), ("doctor",)):
        world.run(*argv)
    assert world.changes() == []


def test_a_site_that_swallows_everything_costs_one_timeout(world: World) -> None:
    world.control.kill("east", mode="silent")
    for command, shape in (("backends", "backends"), ("discover", "discovery"), ("doctor", "diagnosis")):
        ran = world.run(command, "--observe-timeout", "2s", "-o", "json")
        fits(shape, ran.json)
        assert ran.code == (1 if command == "doctor" else 3)
    (check,) = [each for each in ran.json["checks"] if each["level"] == "fail"]
    assert (check["name"], check["subject"]) == ("tls", "east")
    assert "in time" in check["sentence"]


def test_an_interrupt_ends_each_of_them(world: World) -> None:
    cancel = Cancel()
    cancel.set()
    patience = Patience(seconds=5.0, cancel=cancel)
    looks: list[Callable[[Services], object]] = [
        lambda services: survey.standings(services, patience),
        lambda services: survey.discover(services, ["west"], patience),
        lambda services: examine(services, patience),
    ]
    with assemble(
        flags={},
        environ=world.environ(),
        clock=world.clock,
        report=lambda _: None,
        command="replctl",
        who=Who(user="ann", host="runner", pid=1),
        document=documents.operation,
    ) as services:
        for look in looks:
            with pytest.raises(Interrupted):
                look(services)
