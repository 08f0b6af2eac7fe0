"""What random runs found, each as a small story of its own."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest
from worlds import LEDGER, a_world

from fuzz.turns import Killed, Process, TurnClock, running_as, taking_turns
from replctl.store.sqlite import SqliteStore

AT_ONCE = {"failover_dr": 1.0, "lag_west": 0.2, "lag_east": 0.2}


def test_a_change_that_was_taken_and_called_off_is_not_told_as_nothing(tmp_path: Path) -> None:
    """West is taken over right after east was told to hand over: east has begun, and cannot go on."""
    with a_world(tmp_path, replications=1, durations=AT_ONCE) as world:
        world.clock = clock = TurnClock(world.control, 1)  # type: ignore[assignment]  # the same, in turns
        operator = Process("promote")
        operator.deeds_at_change[2] = lambda: world.control.failover(LEDGER, "west", planned=False)
        with taking_turns(clock, 1), running_as(operator):
            ran = world.act("promote", LEDGER, "--timeout", "30s")
        assert world.effective() == [("east", "failover")]
        assert ran.code == 9, ran.out
        assert ran.operation["error"]["code"] == "outcome-unknown"


def test_a_change_is_in_the_journal_before_it_is_sent(tmp_path: Path) -> None:
    """The process dies right after its change has reached the array: what was intended is found by the next one."""
    with a_world(tmp_path, replications=1, durations=AT_ONCE) as world:
        world.clock = clock = TurnClock(world.control, 1)  # type: ignore[assignment]  # the same, in turns
        with taking_turns(clock, 1), running_as(dying := Process("promote", dies_at_change=2)):
            with pytest.raises(Killed):
                world.act("promote", LEDGER)
            dying.close()
        assert world.effective() == [("east", "failover")]
        with closing(SqliteStore(tmp_path / "state", clock=clock)) as store:
            (record,) = store.operations(LEDGER, open_only=True)
        assert (record.steps[0].name, record.steps[0].sends) == ("failover", 1)
