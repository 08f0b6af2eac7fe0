"""A disk that fills up at any point of an operation: no change without its journal entry, and a way out."""

from __future__ import annotations

from pathlib import Path

import worldclock
from worlds import LEDGER, a_world

SMALLEST_KIB, LARGEST_KIB, STEP_KIB = 4, 260, 24


def test_wherever_the_disk_ends_nothing_is_sent_that_is_not_written_down(tmp_path: Path) -> None:
    codes: list[int] = []
    for size in range(SMALLEST_KIB, LARGEST_KIB, STEP_KIB):
        with a_world(tmp_path / str(size), replications=2) as world:
            process = world.spawn(
                "promote", LEDGER, "-y", "-o", "json", environ={worldclock.FILE_KIB: str(size)}
            )
            out, err = process.communicate(timeout=60)
            codes.append(process.returncode)
            effective = world.effective()
            if process.returncode == 4:
                assert effective == []
                assert "REPLCTL_STATE_DIR" in out
            elif process.returncode == 3:
                assert effective == [("east", "failover")]
            else:
                assert process.returncode == 0, (size, out, err)
                assert effective == [("east", "failover"), ("west", "reprotect")]
            truth = world.truth()
            assert (truth["both_wrote"], truth["lost_writes"]) == (0, 0)
    assert codes[0] == 4
    assert codes[-1] == 0
