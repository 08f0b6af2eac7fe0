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
from scenarios.tridents import COPIES, EAST, MIRRORS, SNAPSHOTS, WEST, at_rest, writes
from worlds import LEDGER

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
