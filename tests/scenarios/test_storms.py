"""A few storms, other ones than those that were blown by hand while replctl was written; more with `storms.blow`."""

from __future__ import annotations

from pathlib import Path

import pytest
from storms import blow

FIRST, STORMS = 4_000_000, 16


@pytest.mark.parametrize("seed", range(FIRST, FIRST + STORMS))
def test_no_promise_is_broken(tmp_path: Path, seed: int) -> None:
    storm = blow(seed, tmp_path)
    assert storm.deeds
    assert storm.broken == [], "\n".join(storm.said)
