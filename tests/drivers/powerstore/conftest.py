"""The arrays that the driver's tests talk to."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from arrays import Arrays, two_arrays


@pytest.fixture
def arrays(tmp_path: Path) -> Iterator[Arrays]:
    with two_arrays(tmp_path) as made:
        yield made
