"""Every list in every document and table has an order of its own: not a set's, a thread's, or of who answers first.

The same commands are run by processes that hash otherwise and switch threads otherwise. They say the same, but for
times, ids and how long things took.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from worlds import LEDGER, World, a_world

REPLICATIONS = 14
PAUSED, DRILLED, CLUSTERED = "web/catalog", "shop/search", "web/events"
COMMANDS = (
    ("status",),
    ("status", "--group", "payments"),
    ("plan",),
    ("diff",),
    ("discover",),
    ("backends",),
    ("explain", LEDGER),
    ("explain", CLUSTERED),
    ("history",),
    ("history", "--verify"),
    ("op", "list"),
    ("breaker", "list"),
    ("check",),
    ("import", "--dry-run"),
    ("config", "show"),
    ("config", "validate"),
    ("promote", "--all", "--dry-run"),
    ("delete", "--all", "--dry-run"),
)
FORMATS = ("json", "table")
RUN_ALL = """
import io, json, sys
from replctl.cli.boundary import main
sys.setswitchinterval(float(sys.argv[1]))
said = []
for argv in json.load(sys.stdin):
    out = io.StringIO()
    code = main(argv, stdin=io.StringIO(), stdout=out, stderr=io.StringIO())
    said.append([argv, code, out.getvalue()])
json.dump(said, sys.stdout)
"""
TIME = r"\d{4}-\d\d-\d\dT[\d:.]+Z"
AGE = r"\b\d+(\.\d+)?(ms|s|m|h|d)(\d+(ms|s|m|h))*\b"
CORRELATION = r"\b[a-z0-9-]+-\d{13,}\b"
OURSELVES = r"\bpid \d+|\b(ahead of|behind) that of\b"
PASSING = re.compile("|".join((TIME, AGE, CORRELATION, OURSELVES)))
JUDGED = re.compile(
    r'("(?:sentence|level|cure)"): (?:"(?:[^"\\]|\\.)*"|null)'
)  # by doctor, of a busy machine too
SECONDS = re.compile(r'("[a-z_]*(?:seconds|_ms)"): [-\d.e+]+')


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    directory, vendors = tmp_path_factory.mktemp("order"), ("powerstore", "trident")
    with a_world(directory, replications=REPLICATIONS, vendors=vendors) as made:
        assert made.act("pause", PAUSED).code == 0
        assert made.act("drill", "start", DRILLED).code == 0
        assert made.act("promote", LEDGER).code == 0
        made.run("status")
        yield made


def said(world: World, seed: int, interval_seconds: float) -> list[Any]:
    """What each command says in each format: (argv, exit code, output)."""
    asked = [[*words, "-o", format] for words in COMMANDS for format in FORMATS]
    asked.append(["doctor", "-o", "json"])
    ran = subprocess.run(
        [sys.executable, "-c", RUN_ALL, str(interval_seconds)],
        input=json.dumps(asked),
        env={**world.environ(), "PATH": os.environ["PATH"], "PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=True,
        timeout=100,
    )
    return [[argv, code, lasting(out)] for argv, code, out in json.loads(ran.stdout)]


def lasting(text: str) -> str:
    """The text without what differs from one moment to the next."""
    text = JUDGED.sub(r"\1: …", text)
    blank = SECONDS.sub(r"\1: …", PASSING.sub("…", text))
    return re.sub(r" +", " ", blank)


def test_the_same_world_is_told_in_the_same_words(world: World) -> None:
    first = said(world, seed=1, interval_seconds=0.005)
    again = said(world, seed=2, interval_seconds=0.00001)
    assert [each[:2] for each in first] == [each[:2] for each in again]
    different = [one for one, other in zip(first, again, strict=True) if one[2] != other[2]]
    assert [" ".join(each[0]) for each in different] == []
    assert sum(bool(each[2]) for each in first) > len(first) * 0.9
