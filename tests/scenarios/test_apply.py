"""`diff` and `apply`: what the file says otherwise, and the planned changes of roles that carry it out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.test_documents import fits
from scenarios.test_daemon import AS_IT_WAS, TURNED, entries, roles, running
from scenarios.tridents import SOURCE_POD, at_rest
from worlds import LEDGER, Ran, World, a_world

OTHER, THIRD = "web/events", "lab/search"  # replica and source on west
QUIET = "saw 4 replications: nothing to do"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def rewrite(world: World, **by_name: dict[str, Any]) -> None:
    """Change entries of the file, by their name without namespace."""
    content = yaml.safe_load(entries(world).read_text())
    for entry in content["replications"]:
        entry |= by_name.get(entry["name"], {})
    entries(world).write_text(yaml.safe_dump(content, sort_keys=False))


def turned(world: World) -> None:
    """The file wants two promoted and one demoted, in waves."""
    rewrite(
        world,
        ledger={"state": "source", "order": 1},
        events={"state": "source", "order": 0},
        search={"state": "replica", "order": 2},
    )


def outcomes(ran: Ran) -> dict[str, str]:
    return {f"{each['namespace']}/{each['name']}": each["outcome"] for each in ran.json["operations"]}


def test_what_differs_is_told_and_applied_in_waves_and_then_nothing_differs(world: World) -> None:
    assert world.run("diff", "--exit-code").code == 0
    turned(world)
    told = world.run("diff", "--exit-code", "-o", "json")
    assert told.code == 10
    fits("differences", told.json)
    ways = {
        f"{each['namespace']}/{each['name']}": [found["verb"] for found in each["differences"]]
        for each in told.json["replications"]
    }
    assert ways == {LEDGER: ["promote"], OTHER: ["promote"], THIRD: ["demote"]}
    assert told.json["compared"] == 4
    assert world.run("diff", "-o", "name").out.split() == list(ways)
    assert world.run("diff", LEDGER).code == 0  # asked for: telling is no failure

    assert world.run("apply", "--dry-run").code == 0
    unconfirmed = world.run("apply", "-o", "json")
    assert unconfirmed.code == 6
    assert world.changes() == []

    ran = world.act("apply", "--reason", "moving house")
    assert (ran.code, ran.json["command"]) == (0, "apply")
    fits("action", ran.json)
    done = outcomes(ran)
    assert {done.pop(each) for each in ways} == {"succeeded"}
    assert set(done.values()) == {"unchanged"}
    assert roles(world) == roles(world, OTHER) == TURNED
    assert roles(world, THIRD) == AS_IT_WAS
    assert {world.truth(each)["lost_writes"] for each in ways} == {0}
    sessions = {identity: each for each in ways for identity in world.truth(each)["session_id"].values()}
    order = [sessions[change["path"].split("/")[-2]] for change in world.changes()]
    assert list(dict.fromkeys(order)) == [OTHER, LEDGER, THIRD]
    assert world.run("diff", "--exit-code").code == 0
    assert world.run("plan", "--exit-code").code == 0

    before = len(world.changes())
    again = world.act("apply")
    assert (again.code, set(outcomes(again).values())) == (0, {"unchanged"})
    assert len(world.changes()) == before


def test_one_that_is_held_stops_all_and_the_flag_or_keep_going_leads_on(world: World) -> None:
    turned(world)
    assert world.run("hold", OTHER, "--reason", "month end").code == 0
    ran = world.run("apply", "-y")
    assert ran.code == 6
    assert "replctl apply -y --override-hold" in ran.err
    assert "held by" in world.run("diff", OTHER).out
    assert world.changes() == []
    kept = world.act("apply", LEDGER, OTHER, "--keep-going")
    assert (kept.code, outcomes(kept)) == (3, {LEDGER: "succeeded", OTHER: "refused"})
    rest = world.act("apply", "--override-hold")
    assert rest.code == 0
    assert roles(world, OTHER) == TURNED


def test_nothing_is_promoted_unplanned_and_no_flag_of_apply_would(world: World) -> None:
    turned(world)
    world.control.kill("east")
    ran = world.run("apply", LEDGER, OTHER, "-y")
    assert ran.code == 6
    assert f"replctl promote {LEDGER} --peer-is-down --accept-data-loss=" in ran.err  # a person's to say
    assert "replctl apply" not in ran.err
    assert world.run("apply", LEDGER, "-y", "--peer-is-down").code == 2
    assert world.changes() == []
    told = world.run("diff", "--exit-code", "-o", "json")
    assert told.code == 3  # it cannot be told wholly: that comes before what differs
    assert {each["message"].split(" was")[0] for each in told.json["replications"]} == {"east"}


def test_what_the_file_only_asserts_is_told_and_not_applied(world: World) -> None:
    rewrite(world, ledger={"mode": "synchronous"}, events={"rpo": "1s"})
    told = world.run("diff", "--exit-code")
    assert told.code == 10
    assert "apply" not in told.out
    assert {row.split()[1] for row in told.out.splitlines()[1:3]} == {"mode", "rpo"}
    assert world.run("plan", "--exit-code").code == 0
    assert set(outcomes(world.act("apply")).values()) == {"unchanged"}
    assert world.changes() == []


def test_what_is_not_there_is_neither_created_nor_passed_over(world: World) -> None:
    rewrite(world, ledger={"local": {"backend": "west", "volume_group": "never-vg"}})
    told = world.run("diff", LEDGER, "-o", "json")
    (found,) = told.json["replications"]
    assert [(each["seen"], each["verb"]) for each in found["differences"]] == [("absent", "create")]
    ran = world.act("apply")
    assert ran.code == 5
    assert world.changes() == []


def test_what_is_too_much_for_the_daemon_at_once_waits_for_apply(world: World) -> None:
    with running(world) as one:
        one.tick()
        turned(world)
        said = one.tick(times=2)
        assert "at most 1 may turn by itself (replctl apply turns them all)" in said
        assert world.changes() == []
        assert world.act("apply").code == 0
        assert one.tick(times=2) == QUIET
        assert roles(world) == TURNED
        assert world.run("diff", "--exit-code").code == 0


def test_between_clusters_too_and_import_finds_what_came_of_it(tmp_path: Path) -> None:
    with at_rest(tmp_path) as world:
        rewrite(world, ledger={"state": "source"})
        plan = str(tmp_path / "plan.json")
        assert world.run("plan", "--out", plan, LEDGER).code == 0
        world.control.attach(**SOURCE_POD)
        used = world.act("apply", "--plan", plan)
        assert (used.code, used.guards) == (6, ["source-in-use"])
        assert world.run("apply", "--plan", plan, "-y", "--source-quiesced").code == 6  # never what is seen
        assert world.changes() == []
        world.control.stop_pods(LEDGER)
        assert world.act("apply", "--plan", plan).code == 0
        assert world.truth()["writable"] == {"k8s-west": True, "k8s-east": False}
        assert world.truth()["lost_writes"] == 0
        assert world.run("diff", "--exit-code").code == 0
        assert world.act("apply", "--plan", plan).code == 7
        entries(world).unlink()
        assert world.run("import").code == 0
        assert world.run("plan", "--exit-code").code == 0
