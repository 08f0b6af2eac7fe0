"""`plan --out` and `apply --plan`: what was shown is what is done, or nothing is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.test_documents import fits
from scenarios.test_apply import OTHER, THIRD, outcomes, rewrite, turned
from scenarios.test_daemon import TURNED, entries, roles
from worlds import LEDGER, World, a_world

ANEW = "make it anew: replctl plan --out"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        turned(made)
        yield made


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which nothing changes, with a plan of all."""
    with a_world(tmp_path_factory.mktemp("planned")) as made:
        turned(made)
        assert made.run("plan", "--out", str(plan_of(made))).code == 0
        yield made
        assert made.changes() == []


def plan_of(world: World) -> Path:
    return world.directory / "move.json"


def test_what_was_planned_is_done_and_a_second_time_it_is_outdated(world: World) -> None:
    path = plan_of(world)
    ran = world.run("plan", "--out", str(path), "--exit-code")
    assert ran.code == 10
    assert f"replctl apply --plan {path}" in ran.err
    assert path.stat().st_mode & 0o777 == 0o600
    kept = json.loads(path.read_text())
    fits("saved-plan", kept)
    assert [len(each["steps"]) for each in kept["replications"]] == [2, 2, 0, 2]
    secret = (world.config.parent / "credentials" / "east").read_text().strip()
    assert secret not in path.read_text()
    assert world.changes() == []

    assert world.run("apply", "--plan", str(path)).code == 6  # it wants to be confirmed
    dry = world.run("apply", "--plan", str(path), "--dry-run")
    assert (dry.code, world.changes()) == (0, [])
    done = world.act("apply", "--plan", str(path))
    assert done.code == 0, done.err
    assert [outcomes(done)[each] for each in (LEDGER, OTHER, THIRD)] == ["succeeded"] * 3
    before = len(world.changes())
    again = world.act("apply", "--plan", str(path))
    assert again.code == 7
    by_key = {f"{each['namespace']}/{each['name']}": each for each in again.json["operations"]}
    assert {by_key[each]["error"]["code"] for each in (LEDGER, OTHER, THIRD)} == {"world-changed"}
    assert len(world.changes()) == before


def test_one_that_somebody_turned_meanwhile_stops_all(world: World) -> None:
    path = plan_of(world)
    assert world.run("plan", "--out", str(path)).code == 0
    assert world.act("promote", LEDGER).code == 0
    before = len(world.changes())
    ran = world.run("apply", "--plan", str(path), "-y")
    assert ran.code == 7
    assert "west was replica, and is source; east was source, and is replica" in ran.err
    assert f"{ANEW} {path}" in ran.err
    assert world.run("apply", "--plan", str(path), "--dry-run").code == 7
    assert len(world.changes()) == before
    kept = world.act("apply", "--plan", str(path), "--keep-going")
    assert (kept.code, outcomes(kept)[LEDGER], outcomes(kept)[OTHER]) == (3, "conflict", "succeeded")


def test_a_guard_is_answered_when_it_is_applied_and_not_by_the_plan(world: World) -> None:
    path = plan_of(world)
    assert world.run("plan", LEDGER, "--out", str(path)).code == 0
    assert world.run("hold", LEDGER, "--reason", "month end").code == 0
    held = world.act("apply", "--plan", str(path))
    assert (held.code, held.guards) == (6, ["held"])
    assert world.run("plan", LEDGER, "--out", str(path)).code == 6  # what is refused is not planned …
    assert json.loads(path.read_text())["replications"][0]["name"] == "ledger"  # … and the old plan stays
    assert world.act("apply", "--plan", str(path), "--override-hold").code == 0
    assert roles(world) == TURNED
    assert outcomes(world.act("apply", OTHER, "--dry-run")) == {OTHER: "planned"}


def test_paused_meanwhile_is_refused_by_its_guard(world: World) -> None:
    path = plan_of(world)
    assert world.run("plan", LEDGER, "--out", str(path)).code == 0
    assert world.act("pause", LEDGER).code == 0
    before = len(world.changes())
    ran = world.act("apply", "--plan", str(path))
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert len(world.changes()) == before


def test_a_site_that_is_silent_now_is_told_as_silent(world: World) -> None:
    path = plan_of(world)
    assert world.run("plan", LEDGER, "--out", str(path)).code == 0
    world.control.kill("east")
    ran = world.act("apply", "--plan", str(path))
    assert ran.code == 6
    assert "peer-not-demoted" in ran.guards
    assert world.changes() == []


def test_what_a_failed_wave_leaves_is_planned_anew(world: World) -> None:
    path = plan_of(world)
    assert world.run("plan", "--out", str(path)).code == 0
    session = world.truth(LEDGER)["session_id"]["east"]
    world.control.fault("east", "status", path=f"{session}/failover$", status=400, effect="before")
    ran = world.run("apply", "--plan", str(path), "-y")
    assert ran.code == 3
    assert f"was not begun: replctl plan --out {path} makes the plan of the rest" in ran.err
    assert world.act("apply", "--plan", str(path)).code == 7
    assert world.run("plan", "--out", str(path)).code == 0
    assert world.act("apply", "--plan", str(path)).code == 0
    assert roles(world) == TURNED


def touched(world: World, change: Callable[[Any], object]) -> Path:
    """The plan with something in it changed."""
    kept = json.loads(plan_of(world).read_text())
    change(kept)
    path = world.directory / "touched.json"
    path.write_text(json.dumps(kept))
    return path


def first(kept: Any) -> Any:
    return kept["replications"][0]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda kept: first(kept)["local"].update(identity="0"), 7, "west: the session was 0, and is "),
        (lambda kept: first(kept)["peer"].update(resource=None), 7, "east: the copy was none, and is "),
        (lambda kept: first(kept)["steps"].pop(), 7, "it would take failover on east then reprotect on west"),
        (lambda kept: first(kept)["steps"].clear(), 7, ", and nothing was planned"),
        (
            lambda kept: first(kept).update(verb="demote"),
            7,
            "the file asks to promote it, and it was planned",
        ),
        (lambda kept: first(kept)["local"].update(named="x"), 7, "and meant x"),
        (lambda kept: first(kept).update(name="gone"), 7, "was made for bank/gone, which "),
        (lambda kept: kept.update(state_dir="/elsewhere"), 2, "was made over the store /elsewhere"),
        (
            lambda kept: kept["backends"]["east"].update(place="https://a"),
            2,
            "made for another configuration",
        ),
        (lambda kept: kept["backends"].update(north=kept["backends"]["east"]), 2, "has no such backend"),
        (lambda kept: kept.update(schema_version=2), 2, "schema_version: 2: 1"),
        (lambda kept: kept.update(kind="tiramisu"), 2, "it is no plan"),
        (lambda kept: kept.update(surprise=1), 2, "surprise: unknown: one of schema_version, kind"),
        (lambda kept: first(kept)["steps"][0].pop("action"), 2, "replications[0].steps[0].action: missing"),
        (lambda kept: first(kept)["local"].update(state="tired"), 2, "replications[0].local.state: tired"),
        (lambda kept: first(kept).update(steps={}), 2, "replications[0].steps: a table: a list"),
    ],
)
def test_a_plan_can_hold_back_and_lead_nowhere_else(
    planned: World, change: Callable[[Any], object], code: int, said: str
) -> None:
    path = touched(planned, change)
    ran = planned.run("apply", "--plan", str(path), "-y")
    assert ran.code == code, ran.err
    assert said in " ".join(ran.err.split())


def test_what_is_no_plan_is_said_in_one_sentence(planned: World, tmp_path: Path) -> None:
    for name, content in (("deep", "[" * 100_000), ("list", "[]"), ("bytes", "\x00\x01"), ("empty", "")):
        path = tmp_path / name
        path.write_text(content)
        ran = planned.act("apply", "--plan", str(path))
        assert (ran.code, ran.json["outcome"]) == (2, "invalid")
        assert "it is no plan" in ran.err
    assert planned.run("apply", "--plan", str(tmp_path / "none"), "-y").code == 2
    assert planned.run("apply", LEDGER, "--plan", str(plan_of(planned)), "-y").code == 2
    assert planned.run("apply", "--all", "--plan", str(plan_of(planned)), "-y").code == 2


def test_another_configuration_or_store_is_another_place(planned: World, tmp_path: Path) -> None:
    path = str(plan_of(planned))
    ran = planned.run("apply", "--plan", path, "-y", state_dir=tmp_path / "state")
    assert (ran.code, "was made over the store" in ran.err) == (2, True)
    content = yaml.safe_load(planned.config.read_text())
    content["backends"]["east"]["url"] = "https://east.invalid"
    other = planned.config.parent / "other.yaml"
    other.write_text(yaml.safe_dump(content))
    ran = planned.run("apply", "--plan", path, "-y", "--config", str(other))
    assert (ran.code, "and " in ran.err, "https://east.invalid" in ran.err) == (2, True, True)


def test_no_other_file_is_overwritten(planned: World, tmp_path: Path) -> None:
    mine = tmp_path / "notes"
    mine.write_text("mine")
    for out in (mine, tmp_path, tmp_path / "none" / "plan.json", entries(planned)):
        ran = planned.run("plan", "--out", str(out), "-o", "json")
        assert ran.code == 2
        assert ran.json["outcome"] == "invalid"
    assert mine.read_text() == "mine"
    again = tmp_path / "again.json"
    shutil.copy(plan_of(planned), again)
    again.chmod(0o644)
    assert planned.run("plan", "--out", str(again)).code == 0
    assert again.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["again.json", "notes"]


def test_the_file_that_was_edited_since_is_another_wish(planned: World) -> None:
    before = entries(planned).read_text()
    try:
        rewrite(planned, ledger={"state": "replica"})
        ran = planned.run("apply", "--plan", str(plan_of(planned)), "-y")
        assert ran.code == 7
        assert "the file asks to demote it, and it was planned to promote it" in ran.err
    finally:
        entries(planned).write_text(before)
