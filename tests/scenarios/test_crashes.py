"""kill -9 right before and right after each write to the journal: the next command joins or finishes.

Nothing is sent twice. A kill right after a write shows what is written and not yet done, one right before it what is
done and not yet written: a change that took effect whose answer nobody kept.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import worldclock
from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, World, a_world

MOST_WRITES = 40
MOMENTS = (worldclock.CRASH_AT, worldclock.CRASH_BEFORE)


def crashed(world: World, *argv: str, number: int, moment: str = worldclock.CRASH_AT) -> bool:
    """Run in a process that dies at its n-th journal write; whether it got that far."""
    process = world.spawn(*argv, "-y", "-o", "json", environ={moment: str(number)})
    process.communicate(timeout=60)
    return process.returncode == -9


def open_operations(world: World) -> list[str]:
    listed = world.run("op", "list", "-o", "json").json["operations"]
    return [each["operation_id"] for each in listed if each["finished"] is None]


def finish(world: World, *argv: str) -> None:
    """The same command again, after another one that must not take over."""
    begun = open_operations(world)
    if begun:
        other = world.act("demote", LEDGER)
        assert other.code in (6, 7, 11), other.out
    again = world.act(*argv)
    assert again.code == 0, (again.out, again.err)
    if begun:
        assert again.operation["operation_id"] in (*begun, None)
    assert open_operations(world) == []


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", MOMENTS)
def test_planned_promotion_killed_at_each_journal_write(tmp_path: Path, moment: str) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            if not crashed(world, "promote", LEDGER, number=number, moment=moment):
                break
            finish(world, "promote", LEDGER)
            assert world.effective() == [("east", "failover"), ("west", "reprotect")], number
            assert len(world.changes()) == 2, number
            truth = world.truth()
            assert truth["role"] == {"west": "Source", "east": "Destination"}
            assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0)
    assert number > 6  # intent and outcome of two steps, begin, moves


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", MOMENTS)
def test_unplanned_promotion_killed_at_each_journal_write(tmp_path: Path, moment: str) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            lose_the_source(world)
            flags = printed(world.act("promote", LEDGER))
            if not crashed(world, "promote", LEDGER, *flags, number=number, moment=moment):
                break
            finish(world, "promote", LEDGER, *flags)
            assert world.effective() == [("west", "failover")], number
            assert len(world.changes()) == 1, number
    assert number > 4


@pytest.mark.timeout(600)
@pytest.mark.parametrize("moment", MOMENTS)
def test_reprotect_killed_at_each_journal_write(tmp_path: Path, moment: str) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            lose_the_source(world)
            flags = printed(world.act("promote", LEDGER))
            assert world.act("promote", LEDGER, *flags).code == 0
            world.control.revive("east")
            if not crashed(world, "reprotect", LEDGER, "--probe", number=number, moment=moment):
                break
            finish(world, "reprotect", LEDGER, "--probe")
            assert world.effective() == [("west", "failover"), ("west", "reprotect")], number
            assert len(world.changes()) == 2, number
            assert world.truth()["role"] == {"west": "Source", "east": "Destination"}
    assert number > 4


def test_killed_operations_are_known_to_op_list(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        assert crashed(world, "promote", LEDGER, number=2)
        (identity,) = open_operations(world)
        shown = world.run("op", "show", identity, "-o", "json").operation
        assert shown["who"]
        assert shown["steps"][0]["name"] == "failover"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def test_a_lost_state_directory_between_steps_does_no_harm(world: World) -> None:
    import shutil

    started = world.act("promote", LEDGER, "--no-wait")
    assert started.code == 8
    shutil.rmtree(world.directory / "state")
    during = world.act("promote", LEDGER)
    assert during.code in (6, 7, 9), during.out
    if during.code == 9:  # asked before the arrays showed what they were at: whose it is, nobody can tell
        shutil.rmtree(world.directory / "state")
    world.control.advance(60)
    after = world.act("promote", LEDGER)
    assert (after.code, after.guards) == (6, ["backend-state"])
    assert after.operation["refusal"]["next"] == f"replctl reprotect {LEDGER}"
    assert world.act("reprotect", LEDGER).code == 0
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]
