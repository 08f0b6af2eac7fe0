"""`import`: the desired-state file from what the backends have, both ends paired by what they say of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.test_documents import fits
from scenarios.test_daemon import entries, running
from scenarios.test_metro import ROLES
from worlds import LEDGER, Ran, World, a_world

MANY = 500
BOTH = ("powerstore", "trident")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, replications=6, vendors=BOTH) as made:
        yield made


def imported(world: World, *argv: str, code: int = 0) -> Any:
    ran = world.run("import", *argv, "-o", "json")
    assert ran.code == code, ran.err
    fits("import", ran.json)
    return ran.json


def nothing_differs(world: World) -> None:
    planned = world.run("plan", "--exit-code", "-o", "json")
    assert planned.code == 0, planned.err
    assert {each["outcome"] for each in planned.json["operations"]} == {"unchanged"}
    assert world.run("diff", "--exit-code").code == 0


def ends(entry: dict[str, Any]) -> frozenset[tuple[str, ...]]:
    """What an entry is about, whichever of its ends is the local one."""
    things = ("volume", "volume_group", "mirror")
    return frozenset(
        (end["backend"], end.get("namespace", ""), next(end[key] for key in things if key in end))
        for end in (entry["local"], entry["peer"])
    )


def listed(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["replications"]
    return found


@pytest.mark.timeout(180)
def test_five_hundred_of_both_vendors_are_written_and_then_nothing_differs(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=MANY, vendors=BOTH) as world:
        path = entries(world)
        truth = listed(path)
        path.unlink()
        told = world.run("import", "-o", "json").json
        assert (told["written"], told["known"], told["left_out"]) == (True, 0, [])
        assert len(told["added"]) == MANY
        written = listed(path)
        assert {ends(each) for each in written} == {ends(each) for each in truth}
        states = {ends(each): (each["local"]["backend"], each["state"]) for each in truth}
        turned = {"source": "replica", "replica": "source"}
        for each in written:
            backend, state = states[ends(each)]
            assert each["state"] == (state if each["local"]["backend"] == backend else turned[state])
            assert each["mode"] == "asynchronous"
        nothing_differs(world)
        before = path.read_bytes()
        again = world.run("import", "-o", "json").json
        assert (again["written"], again["known"], again["added"]) == (False, MANY, [])
        assert path.read_bytes() == before
        assert world.changes() == []


def test_who_is_local_and_in_which_namespace_can_be_said(world: World) -> None:
    entries(world).unlink()
    asked = imported(world, "--local", "west", "--local", "k8s-west", "-n", "vault")
    assert Counter(each["local"]["backend"] for each in asked["added"]) == {"west": 3, "k8s-west": 3}
    assert {each["state"] for each in asked["added"]} == {"source", "replica"}
    names = {each["local"]["backend"]: each["namespace"] for each in asked["added"]}
    assert names["west"] == "vault"
    assert names["k8s-west"] != "vault"  # it has its own
    nothing_differs(world)


def test_what_is_new_stands_behind_what_there_is_and_faces_as_it_does(world: World) -> None:
    path = entries(world)
    whole = path.read_text()
    head, first, *others = whole.split("- namespace:")
    path.write_text(f"# ours\n{head}- namespace:{first}  # the end of it\n")
    dry = world.run("import", "--dry-run")
    assert dry.code == 0
    assert "would be added" in dry.err
    assert dry.out.count("\n+- namespace: ") == len(others)
    before = path.read_text()
    assert imported(world, "--dry-run")["written"] is False
    assert path.read_text() == before
    assert len(world.run("import", "-o", "name", "--dry-run").out.split()) == len(others)

    shown = world.run("import", "-n", "shop")
    assert shown.code == 0
    assert f"{len(others)} entries added to" in shown.err
    assert path.read_text().startswith(before.rstrip().removesuffix("# the end of it").rstrip())
    assert "# ours" in path.read_text()
    assert "# the end of it" in path.read_text()
    faces = {each["local"]["backend"] for each in listed(path) if "volume" in each["local"]}
    assert faces == {"west"}  # as the entry that was there
    nothing_differs(world)
    with running(world) as one:
        assert one.tick(times=2).endswith("nothing to do")


def test_what_the_file_names_by_other_words_is_no_other_thing(world: World) -> None:
    path = entries(world)
    content = listed(path)
    (ledger,) = [each for each in content if each["name"] == "ledger"]
    for end in ("local", "peer"):
        session = world.truth(LEDGER)["session_id"][ledger[end]["backend"]]
        ledger[end] = {"backend": ledger[end]["backend"], "session": session}
    other = next(each for each in content if "volume" in each["local"])
    for found in world.run("discover", "west", "east", "-o", "json").json["backends"]:
        ids = {each["name"]: each["id"] for each in found["things"] if each["kind"] == "volume"}
        end = next(each for each in (other["local"], other["peer"]) if each["backend"] == found["backend"])
        end["volume"] = ids[end["volume"]]
    path.write_text(yaml.safe_dump({"replications": content}))
    before = path.read_text()
    told = imported(world)
    assert (told["added"], told["known"], path.read_text()) == ([], len(content), before)


def test_it_goes_elsewhere_if_it_shall_and_over_no_other_file(world: World, tmp_path: Path) -> None:
    path = entries(world)
    before = path.read_text()
    out = tmp_path / "new.yaml"
    path.write_text("\n- namespace:".join(before.split("\n- namespace:")[:2]) + "\n")
    kept = path.read_text()
    assert imported(world, "--out", str(out))["written"]
    assert path.read_text() == kept
    assert {ends(each) for each in listed(out)} == {
        ends(each) for each in yaml.safe_load(before)["replications"]
    }
    assert imported(world, "--out", str(out))["written"] is False  # it is there already
    mine = tmp_path / "notes"
    mine.write_text("mine")
    ran: Ran = world.run("import", "--out", str(mine), "-o", "json")
    assert (ran.code, ran.json["outcome"]) == (2, "invalid")
    assert mine.read_text() == "mine"
    assert world.run("import", "nowhere").code == 5
    assert world.run("import", "--local", "nowhere").code == 5
    assert world.run("import", "-n", "Not A Name").code == 2


def test_what_is_not_clear_is_told_and_left_out(world: World) -> None:
    path = entries(world)
    path.write_text("replications: []\n")
    world.control.kill("east")
    told = imported(world, "west", "east", code=3)
    assert told["added"] == []
    reasons = Counter(each["reason"] for each in told["left_out"])
    assert reasons == {"unread": len(told["left_out"])}
    assert any(each["message"].startswith("its other end may be on east") for each in told["left_out"])
    world.control.revive("east")
    assert world.run("breaker", "reset", "east").code == 0

    alone = imported(world, "west")
    assert {each["reason"] for each in alone["left_out"]} == {"unpaired"}
    assert alone["added"] == []
    assert path.read_text() == "replications: []\n"


def test_what_is_on_its_way_is_left_for_later(world: World) -> None:
    whole = entries(world).read_text()
    world.control.stick(LEDGER, "Failing_Over")
    assert world.act("promote", LEDGER, "--timeout", "1m").code == 8
    entries(world).write_text("replications: []\n")
    told = imported(world, "west", "east", code=3)
    (left,) = told["left_out"]
    assert (left["name"], left["reason"]) == ("ledger-vg", "unsettled")
    assert "import it once one is the source of the other" in left["message"]
    assert len(told["added"]) == whole.count("backend: west") - 1
    shown = world.run("import", "west", "east")
    assert shown.code == 3
    assert "! ledger-vg on " in shown.err


def test_what_replctl_would_refuse_to_change_is_no_entry_and_no_trouble(world: World) -> None:
    for array, role in ROLES.items():
        world.control.set_state(
            LEDGER,
            array,
            role=role,
            type="Metro_Active_Active",
            state="OK",
            data_transfer_state="Active_Active",
        )
    world.control.advance(5)
    entries(world).write_text("replications: []\n")
    told = imported(world, "west", "east")
    assert [(each["name"], each["reason"]) for each in told["left_out"]] == [("ledger-vg", "unsupported")]
    nothing_differs(world)
