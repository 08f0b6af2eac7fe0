"""`--metrics-textfile`: whole, readable by everybody, the sums of all commands; and never the reason of an ending."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest
from scenarios.test_daemon_process import free_port
from worlds import LEDGER, World

from replctl.daemon import textfile

P = "unified_replication_"
MOVED = f'{P}state_transitions_total{{backend="west",from_state="replica",to_state="promoting"}}'


def samples(path: Path) -> dict[str, float]:
    lines = (line.rpartition(" ") for line in path.read_text().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "collector").mkdir()
    return tmp_path / "collector" / "replctl.prom"


def test_a_command_leaves_the_sums_of_all_commands(world: World, path: Path) -> None:
    assert world.act("promote", LEDGER).code == 0
    assert world.act("demote", LEDGER, "--metrics-textfile", str(path)).code == 0
    first = samples(path)
    assert (first[MOVED], first[f"{P}active_total"]) == (1, 4)
    assert first[f'{P}reconcile_total{{name="ledger",namespace="bank",result="success"}}'] == 2
    assert f'{P}state{{name="ledger",namespace="bank",state="replica"}}' not in first  # it looked at no state
    assert world.act("promote", LEDGER, "--metrics-textfile", str(path)).code == 0
    assert samples(path)[MOVED] == 2
    assert samples(path)["replctl_holds"] == 1
    assert (stat.S_IMODE(path.stat().st_mode), list(path.parent.iterdir())) == (0o644, [path])


def test_a_look_adds_up_too_and_tells_what_it_saw(world: World, path: Path) -> None:
    asked = re.compile(rf"{P}backend_operations_total")
    totals = []
    for _ in range(2):
        assert world.run("status", "--metrics-textfile", str(path)).code == 0
        now = samples(path)
        totals.append(sum(value for name, value in now.items() if asked.match(name)))
    assert totals[1] > totals[0] > 0
    assert now[f'{P}state{{name="ledger",namespace="bank",state="replica"}}'] == 1
    assert now[f'{P}by_backend{{backend="east"}}'] == 4
    assert now['replctl_observation_success{backend="east"}'] == 1
    assert "replctl_last_tick_timestamp_seconds" not in now  # that is the daemon's heart
    world.control.kill("east", mode="refuse")
    ran = world.run("status", LEDGER, "--metrics-textfile", str(path))
    assert ran.code == 3
    assert samples(path)['replctl_observation_success{backend="east"}'] == 0
    assert samples(path)[f"{P}active_total"] == 4


@pytest.mark.parametrize("command", ["check", "diff"])
def test_whatever_looks_at_states_tells_them(world: World, path: Path, command: str) -> None:
    assert world.run(command, "--metrics-textfile", str(path)).code == 0
    assert samples(path)[f'{P}state{{name="ledger",namespace="bank",state="replica"}}'] == 1


def test_the_daemon_leaves_what_it_serves(world: World, path: Path) -> None:
    ports = {f"REPLCTL_DAEMON__{each}_ADDRESS": f"127.0.0.1:{free_port()}" for each in ("METRICS", "HEALTH")}
    ran = world.run("daemon", "--once", "--metrics-textfile", str(path), environ=ports)
    assert ran.code == 0
    now = samples(path)
    assert now["replctl_config_last_reload_successful"] == 1
    assert now[f'{P}reconcile_total{{name="ledger",namespace="bank",result="success"}}'] == 1
    assert now["replctl_last_tick_timestamp_seconds"] > 0


@pytest.mark.parametrize("command", ["promote", "daemon"])
def test_where_no_file_can_be_made_nothing_begins(world: World, tmp_path: Path, command: str) -> None:
    words = ["promote", LEDGER, "-y"] if command == "promote" else ["daemon", "--once"]
    for wrong, said in (
        (tmp_path / "gone" / "x.prom", "there is no directory"),
        (tmp_path, "it is a directory"),
    ):
        ran = world.run(*words, "--metrics-textfile", str(wrong))
        assert ran.code == 2
        assert said in ran.err
    assert world.changes() == []


def test_what_cannot_be_written_in_the_end_is_said_and_changes_no_code(
    world: World, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise textfile.NotWritten(f"{path} could not be written: No space left on device")

    monkeypatch.setattr(textfile, "write", full)
    ran = world.act("promote", LEDGER, "--metrics-textfile", str(path))
    assert (ran.code, ran.operation["outcome"]) == (0, "succeeded")
    assert "could not be written: No space left on device" in ran.err


def test_a_reader_sees_the_old_file_or_the_new_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    textfile.write(path, "old 1\n")
    really = Path.replace

    def seen(made: Path, target: Path) -> Path:
        assert path.read_text() == "old 1\n"
        assert (made.read_text(), made.suffix != ".prom") == ("new 1\n", True)
        return really(made, target)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", seen)
        textfile.write(path, "new 1\n")
    assert path.read_text() == "new 1\n"
    with pytest.raises(textfile.NotWritten, match="could not be written"):
        textfile.write(path.parent, "x")
    assert list(path.parent.iterdir()) == [path]
