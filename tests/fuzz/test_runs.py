"""Some runs of the model, at a size that fits; `make fuzz` plays as many as one likes.

A run is the same each time: what it does is decided by its seed, whatever the machine is busy with.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import worldclock

from fuzz.runs import play

FIRST, RUNS = 3020, 26
FOUND_SOMETHING = ()  # seeds by which a defect was found once


@pytest.fixture(scope="module", autouse=True)
def _everything_is_loaded() -> None:
    """What is made to take turns is what is there when a run begins."""
    worldclock.warm_up()


@pytest.mark.parametrize("seed", [*FOUND_SOMETHING, *range(FIRST, FIRST + RUNS)])
def test_every_outcome_is_true(tmp_path: Path, seed: int) -> None:
    run = play(seed, tmp_path)
    assert run.deeds
    assert run.faults == [], "\n".join(run.said)


def test_a_seed_tells_the_same_story_each_time(tmp_path: Path) -> None:
    first, again = (play(FIRST, tmp_path / turn).said for turn in ("first", "again"))
    assert first == again
