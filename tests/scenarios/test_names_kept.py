"""Every command and the daemon leave behind the names that completion offers, and write them when they changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.test_daemon import running
from worlds import LEDGER, World, a_world

from replctl.completing import answering, kept


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def tab(world: World, *words: str) -> list[str]:
    """What zsh would be shown."""
    asked = ["zsh", "80", str(len(words) - 1), *words]
    text, code = answering.answer(asked, world.environ())
    assert code == answering.OFFERS
    return [line.partition("\t")[2] for line in text.splitlines()]


def test_commands_keep_names_with_the_states_that_they_saw(world: World) -> None:
    assert tab(world, "promote", "") == []
    world.run("history")  # makes no store, and so no file
    assert tab(world, "promote", "") == []
    assert world.run("status").code == 0
    (ledger,) = (line for line in tab(world, "promote", "") if line.startswith(LEDGER))
    assert ledger.split()[1:3] == ["--", "replica,"]
    assert tab(world, "failover", LEDGER, "--to", "") == ["east", "west"]
    assert tab(world, "op", "wait", "") == []

    begun = world.run("promote", LEDGER, "-y", "--no-wait", "-o", "json").operation
    (offered,) = tab(world, "op", "wait", "")
    assert offered == f"{begun['operation_id']}  -- promote {LEDGER}"
    assert world.act("promote", LEDGER).code == 0
    assert tab(world, "op", "wait", "") == []
    (ledger,) = (line for line in tab(world, "promote", "") if line.startswith(LEDGER))
    assert ledger.split()[1:3] == ["--", "source,"]


def test_the_daemon_keeps_them_and_writes_what_changed_only(world: World) -> None:
    path = world.directory / "state" / kept.file_name(str(world.config))
    with running(world) as one:
        one.tick()
        first = os.stat(path)
        assert first.st_mode & 0o777 == 0o600
        one.tick()
        assert os.stat(path).st_ino == first.st_ino
        one.edit(LEDGER, "source")
        one.tick(times=2)
        assert os.stat(path).st_ino != first.st_ino
    (ledger,) = (line for line in tab(world, "promote", "") if line.startswith(LEDGER))
    assert ledger.split()[1:3] == ["--", "source,"]
