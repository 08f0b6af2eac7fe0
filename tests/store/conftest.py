"""A store on a directory of its own, and further ones over the same place as other processes would open them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from fakes import FakeClock

from replctl.store.sqlite import SqliteStore


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    return tmp_path / "state" / "replctl"


@pytest.fixture
def again(state_dir: Path, clock: FakeClock) -> Iterator[Callable[..., SqliteStore]]:
    with ExitStack() as stack:

        def open_again(**options: float) -> SqliteStore:
            return stack.enter_context(closing(SqliteStore(state_dir, clock=clock, **options)))

        yield open_again


@pytest.fixture
def store(again: Callable[..., SqliteStore]) -> SqliteStore:
    return again()
