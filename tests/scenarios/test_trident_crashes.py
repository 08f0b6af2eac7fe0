"""kill -9 around each write to the journal, in the middle of what Trident needs several steps for.

One world, there and back again: each promotion is cut short somewhere else, and finished by the same command. Right
before a write all is done since the one before it; right after an intent nothing of that was sent.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import worldclock
from scenarios.test_crashes import crashed, open_operations
from scenarios.test_trident_unplanned import flags, lose_east
from scenarios.tridents import COPIES, EAST, MIRRORS, SNAPSHOTS, WEST, at_rest, patches, writes
from worlds import LEDGER, World, a_world

MOST_WRITES = 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("moment", "least"), [(worldclock.CRASH_SENDING, 4), (worldclock.CRASH_BEFORE, 14)])
def test_planned_promotion_killed_at_each_journal_write(tmp_path: Path, moment: str, least: int) -> None:
    with at_rest(tmp_path) as world:
        number = 0
        for number in range(1, MOST_WRITES):
            verb, new, old = ("promote", WEST, EAST) if number % 2 else ("demote", EAST, WEST)
            world.control.advance(330 - world.control.now() % 300)  # no copy by schedule lets ours fail
            world.control.clear_requests()
            if not crashed(world, verb, LEDGER, number=number, moment=moment):
                break
            begun = open_operations(world)
            again = world.act(verb, LEDGER)
            assert again.code == 0, (number, again.out, again.err)
            assert not begun or again.operation["operation_id"] in (*begun, None)
            assert open_operations(world) == []
            sent = Counter(writes(world, effective=False))
            once = {(old, "POST", SNAPSHOTS), (new, "POST", COPIES)}
            once |= {(new, "PATCH", MIRRORS), (old, "PATCH", MIRRORS)}
            assert {each: sent[each] for each in once} == dict.fromkeys(once, 1), number
            truth = world.truth()
            assert truth["writable"] == {new: True, old: False}, number
            assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0), number
            world.control.attach(new, "bank", "ledger-data")
            world.control.advance(20)
            world.control.stop_pods(LEDGER)
        assert number > least


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("moment", "least"), [(worldclock.CRASH_SENDING, 2), (worldclock.CRASH_BEFORE, 5)])
def test_takeover_and_the_way_back_killed_at_each_journal_write(
    tmp_path: Path, moment: str, least: int
) -> None:
    number, died = 0, True
    for number in range(1, MOST_WRITES):
        if not died:
            break
        with a_world(tmp_path / str(number), vendors=("trident",), seed=number) as world:
            lose_east(world)
            given = flags(world)
            died = crashed(world, "promote", LEDGER, *given, number=number, moment=moment)
            ended(world, "promote", LEDGER, *given)
            assert patches(world) == [(WEST, "promoted")], number
            for name in (EAST, "ontap-east"):
                world.control.revive(name)
            world.control.advance(60)
            world.control.stop_pods(LEDGER)
            back = ("reprotect", LEDGER, "--discard-local-changes", "--probe")
            died = crashed(world, *back, number=number, moment=moment) or died
            ended(world, *back)
            assert patches(world) == [(WEST, "promoted"), (EAST, "reestablished")], number
            assert world.truth()["writable"] == {EAST: False, WEST: True}, number
    assert number > least


def ended(world: World, *argv: str) -> None:
    """The same command again: it joins what was begun, or finds it done, and leaves nothing open."""
    begun = open_operations(world)
    again = world.act(*argv)
    assert again.code == 0, (again.out, again.err)
    assert not begun or again.operation["operation_id"] in (*begun, None)
    assert open_operations(world) == []
