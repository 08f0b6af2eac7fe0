"""What looking at many replications costs the arrays when nothing is to be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import World, a_world

MANY = 300
LISTS = 4  # sessions, volumes, volume groups, remote systems: a page each
BESIDE = 5  # what a backend and look may cost beside the lists, signing in and out among it


@pytest.fixture
def many(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, replications=MANY) as made:
        yield made


@pytest.mark.parametrize("command", ["status", "plan"])
def test_a_look_changes_nothing_and_asks_for_lists(many: World, command: str) -> None:  # R71
    many.run(command)
    many.control.clear_requests()
    assert many.run(command).code == 0
    for array in ("east", "west"):
        asked = many.control.requests(array)
        written = {each["path"] for each in asked if each["method"] != "GET"}
        assert 0 < len(asked) <= LISTS + BESIDE
        assert {path.rsplit("/", 1)[-1] for path in written} <= {"logout"}
