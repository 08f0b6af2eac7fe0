"""kill -9 right after each write to the journal of a pause, a resume, a sync, a resync: finished, and never twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios.test_crashes import crashed, open_operations
from worlds import LEDGER, World, a_world

MOST_WRITES = 20
AFTER = {
    "pause": {"east": "Paused", "west": "Paused"},
    "resume": {"east": "OK", "west": "OK"},
    "sync": {"east": "OK", "west": "OK"},
    "resync": {"east": "OK", "west": "OK"},
}
SENT = {"pause": "pause", "resume": "resume", "sync": "sync", "resync": "resume"}


def prepared(world: World, verb: str) -> None:
    if verb in ("resume", "resync"):
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, state="Paused")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", list(AFTER))
def test_killed_at_each_journal_write(tmp_path: Path, verb: str) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            prepared(world, verb)
            if not crashed(world, verb, LEDGER, number=number):
                break
            begun = open_operations(world)
            again = world.act(verb, LEDGER)
            assert again.code == 0, (number, again.out, again.err)
            assert open_operations(world) == []
            if begun:
                assert again.operation["operation_id"] in begun
                assert world.effective() == [("east", SENT[verb])], number
            assert world.truth()["state"] == AFTER[verb]
    assert number > 3  # begin, intent, answer, outcome
