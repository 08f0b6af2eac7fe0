"""Links that somebody laid where replctl is about to write: nothing is written, or made, where they lead to."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from worlds import World

MINE = "mine\n"


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    path = tmp_path / "victim"
    path.write_text(MINE)
    return path


@pytest.fixture
def common(tmp_path: Path) -> Path:
    """A directory of everyone's, as /tmp is."""
    path = tmp_path / "common"
    path.mkdir()
    path.chmod(0o1777)
    return path


@pytest.mark.parametrize("there", [True, False])
def test_metrics_take_the_place_of_a_link(world: World, victim: Path, common: Path, there: bool) -> None:
    link, leads = common / "replctl.prom", victim if there else common / "nothing"
    link.symlink_to(leads)
    assert world.run("status", "--metrics-textfile", str(link)).code == 0
    assert not link.is_symlink()
    assert "unified_replication_" in link.read_text()
    assert (victim.read_text(), (common / "nothing").exists()) == (MINE, False)


def test_a_plan_is_written_through_no_link(world: World, victim: Path, common: Path) -> None:
    link = common / "plan.json"
    link.symlink_to(victim)
    assert world.run("plan", "--out", str(link)).code == 2  # what is there is no plan
    link.unlink()
    link.symlink_to(common / "nothing")
    assert world.run("plan", "--out", str(link)).code == 0
    assert stat.S_IMODE(link.lstat().st_mode) == 0o600
    assert (victim.read_text(), (common / "nothing").exists()) == (MINE, False)


def test_what_import_makes_is_made_behind_no_link(world: World, common: Path) -> None:
    link = common / "replications.yaml"
    link.symlink_to(common / "nothing")
    world.run("import", "--out", str(link))
    assert not (common / "nothing").exists()


def test_a_report_lies_behind_no_link(world: World, victim: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name can be guessed by who knows the time and the process; it is made anew or not at all."""
    state = world.directory / "state"
    state.mkdir(mode=0o700)
    monkeypatch.setattr("os.getpid", lambda: 7)
    link = state / f"report-{int(world.clock.now() * 1000)}-7.txt"
    link.symlink_to(victim)

    def mistaken(*_: object, **__: object) -> None:
        raise RuntimeError("so it was")

    monkeypatch.setattr("replctl.engine.engine.Engine.status", mistaken)
    ran = world.run("status", "-o", "json")
    assert ran.json["error"]["code"] == "internal"
    assert victim.read_text() == MINE
    assert str(link) not in ran.err
