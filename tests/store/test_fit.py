"""The store fits what the engine asks for, without either importing the other."""

from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

from replctl.engine.ports import Store
from replctl.store.sqlite import SqliteStore

MEMBERS = sorted(name for name in vars(Store) if not name.startswith("_"))
HEAVY = {"httpx", "pydantic", "rich", "typer", "yaml", "tenacity", "logging", "urllib.request", "asyncio"}


def fits(store: SqliteStore) -> Store:
    """For the type checker."""
    return store


@pytest.mark.parametrize("member", MEMBERS)
def test_every_member_takes_what_the_engine_gives(member: str) -> None:
    wanted = inspect.signature(getattr(Store, member)).parameters
    offered = inspect.signature(getattr(SqliteStore, member)).parameters
    assert list(offered)[: len(wanted)] == list(wanted)
    for name, parameter in wanted.items():
        assert (offered[name].kind, offered[name].default) == (parameter.kind, parameter.default)
    assert all(offered[name].default is not inspect.Parameter.empty for name in list(offered)[len(wanted) :])


def test_importing_it_is_light() -> None:
    program = "import sys, replctl.store.sqlite; print(*sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = set(answer.stdout.split())
    assert loaded & HEAVY == set()
    assert not any(name.startswith("replctl.engine") for name in loaded)
