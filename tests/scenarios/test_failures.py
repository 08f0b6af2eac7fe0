"""What goes wrong on our side: one clear sentence, the right code, nothing changed."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from worlds import LEDGER, World

WITHIN_SECONDS = 3.5  # the observation budget and half a second (design §1, promise 5)
CHANCES = 5  # of which one must do: a busy machine is slow, and no promise of ours is broken by that
# httpx imports a command line of its own where click is installed, as tools of development have it, and only they.
ALONE = "import sys; sys.modules['click'] = None; from replctl.__main__ import main; main()"


def test_a_wrong_password_is_tried_once(world: World) -> None:
    (world.config.parent / "credentials" / "west").write_text("wrong\n")
    before = world.control.requests("west")
    ran = world.act("promote", LEDGER)
    assert ran.code == 4
    assert ran.operation["outcome"] == "unauthorized"
    asked = world.control.requests("west")[len(before) :]
    assert [request["path"].rsplit("/", 1)[-1] for request in asked] == ["login_session"]
    assert "wrong" not in ran.err.replace("wrong password", "") + ran.out


def test_an_unknown_replication_is_not_found(world: World) -> None:
    ran = world.act("promote", "bank/legder")
    assert ran.code == 5
    assert "bank/ledger" in ran.err
    assert ran.json["outcome"] == "not_found"


@pytest.mark.parametrize(
    ("file", "right", "wrong"),
    [("config.yaml", "username:", "usrename:"), ("replications.yaml", "namespace:", "namspace:")],
)
def test_a_misspelt_key_is_told_with_its_line(world: World, file: str, right: str, wrong: str) -> None:
    path = world.config.parent / file
    text = path.read_text()
    line = text[: text.index(right)].count("\n") + 1
    path.write_text(text.replace(right, wrong, 1))
    ran = world.act("promote", LEDGER)
    assert ran.code == 2
    assert f"{file}:{line}" in ran.err
    assert wrong.rstrip(":") in ran.err
    assert right.rstrip(":") in ran.err
    assert world.control.requests() == []


def test_no_change_without_a_store_that_can_be_written(world: World, tmp_path: object) -> None:
    file_in_the_way = world.directory / "blocked"
    file_in_the_way.write_text("")
    ran = world.act("promote", LEDGER, state_dir=file_in_the_way / "state")
    assert ran.code == 4
    assert "REPLCTL_STATE_DIR" in ran.out
    assert world.changes() == []
    assert world.run("status", state_dir=file_in_the_way / "state").code == 0


def test_off_a_terminal_a_change_wants_a_yes(world: World) -> None:
    ran = world.run("promote", LEDGER, "-o", "json")
    assert (ran.code, ran.guards) == (6, ["confirmation"])
    assert world.changes() == []


@pytest.mark.parametrize("mode", ["refuse", "silent"])
def test_status_with_a_dead_site_is_quick_and_complete_for_the_other(world: World, mode: str) -> None:
    usual = {"REPLCTL_OBSERVE_TIMEOUT": "3s"}
    assert world.run("status", environ=usual).code == 0
    world.control.kill("east", mode=mode)
    took: list[float] = []
    while len(took) < CHANCES and (not took or took[-1] >= WITHIN_SECONDS):
        began = time.monotonic()
        ran = world.run("status", "-o", "json", environ=usual)
        took.append(time.monotonic() - began)
    assert took[-1] < WITHIN_SECONDS, took
    assert ran.code == 3
    for line in ran.json["replications"]:
        ends = {line["local"]["backend"]: line["local"], line["peer"]["backend"]: line["peer"]}
        assert ends["west"]["reachable"] is True
        assert ends["west"]["state"] in ("replica", "source")
        assert ends["east"]["reachable"] is False
        assert ends["east"]["state"] in ("replica", "source")  # from memory, with its age
        assert ends["east"]["observed_at"]


def test_the_whole_process_is_as_quick_from_its_start_on(world: World) -> None:
    """What starting Python takes is the person's waiting too."""
    environ = {**world.environ(), "REPLCTL_OBSERVE_TIMEOUT": "3s"}
    command = [sys.executable, "-c", ALONE, "status", "-o", "name"]
    world.control.kill("east", mode="silent")
    took = []
    while len(took) < CHANCES and (not took or took[-1] >= WITHIN_SECONDS):
        began = time.monotonic()
        done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
        took.append(time.monotonic() - began)
        assert done.returncode == 3, done.stderr
        assert LEDGER in done.stdout
    assert took[-1] < WITHIN_SECONDS


def test_both_sites_dead(world: World) -> None:
    for array in ("east", "west"):
        world.control.kill(array)
    assert world.run("status").code == 11
