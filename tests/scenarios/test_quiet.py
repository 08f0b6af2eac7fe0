"""What looking at many replications costs the arrays when nothing is to be done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from scenarios.test_daemon import running
from worlds import World, a_world

MANY = 300
LISTS = 4  # sessions, volumes, volume groups, remote systems: a page each
STOPPED = "web/events"
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


def test_a_quiet_tick_asks_for_one_list_and_the_next_finds_the_one_that_differs(many: World) -> None:  # R71
    with running(many, REPLCTL_DAEMON__AUTONOMY="protect") as one:
        one.tick()
        many.control.clear_requests()
        assert one.tick() == f"saw {MANY} replications: nothing to do"
        assert many.changes() == []
        for array in ("east", "west"):
            asked = [each["path"].rsplit("/", 1)[-1] for each in many.control.requests(array)]
            assert asked.count("replication_session") == 1
            assert len(asked) <= 1 + BESIDE

        for array in ("east", "west"):
            many.control.set_state(STOPPED, array, state="System_Paused")
        assert f"resync {STOPPED} (the array stopped copying)" in one.tick()
        assert one.tick() == f"saw {MANY} replications: nothing to do"
        assert many.truth(STOPPED)["state"] == {"east": "OK", "west": "OK"}
        assert len(many.effective()) == 1
