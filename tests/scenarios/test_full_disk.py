"""A disk that fills up at any point of an operation: no change without its journal entry, and a way out."""

from __future__ import annotations

from pathlib import Path

import worldclock
from scenarios.vendors import Vendor, over_both
from worlds import LEDGER

SMALLEST_KIB, LARGEST_KIB, STEP_KIB = 4, 160, 24


@over_both
def test_wherever_the_disk_ends_nothing_is_sent_that_is_not_written_down(
    tmp_path: Path, vendor: Vendor
) -> None:
    codes: list[int] = []
    for size in range(SMALLEST_KIB, LARGEST_KIB, STEP_KIB):
        with vendor.world(tmp_path / str(size), replications=2) as world:
            process = world.spawn(
                "promote", LEDGER, "-y", "-o", "json", environ={worldclock.FILE_KIB: str(size)}
            )
            out, err = process.communicate(timeout=60)
            codes.append(process.returncode)
            moves = vendor.moves(world)
            print(
                size,
                process.returncode,
                moves,
                world.changes() and [(c["array"], c["method"], c["path"][-30:]) for c in world.changes()],
                out[-300:],
            )
            if process.returncode == 4:
                assert moves == []
                assert "REPLCTL_STATE_DIR" in out
            elif process.returncode == 3:
                assert moves == list(vendor.planned[:1])
            else:
                assert process.returncode == 0, (size, out, err)
                assert moves == list(vendor.planned)
            truth = world.truth()
            assert (truth["both_wrote"], truth["lost_writes"]) == (0, 0)
    assert codes[0] == 4
    assert codes[-1] == 0
