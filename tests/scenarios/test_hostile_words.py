"""Backends whose every word may be anything: no command makes a mistake of it, and none prints what moves a cursor.

What the simulator answers is garbled on its way out: escapes, line ends, letters that turn others around, halves of
letters, numbers without end, lists where a word should be, nesting to just below what can be read. Seeded; more of it
by hand, with a line of figures at the end:

    RUNS=2000 SEED=7 .venv/bin/pytest -q -s -n 0 tests/scenarios/test_hostile_words.py
"""

from __future__ import annotations

import json
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scenarios.tridents import ask_ontap
from worlds import LEDGER, World, a_world

from replctl.simulator.server import Reply, Request

RUNS = int(os.environ.get("RUNS", "20"))
SEED = int(os.environ.get("SEED", "1"))
FRESH_STORE_EVERY = 5  # runs: what was garbled once is not to stand in the way of all that follows
LARGEST_OUTPUT = 2_000_000  # characters, of answers in which one word has fifty thousand
DEEP = "@DEEP"

WORDS = [
    *("\x1b[2J\x1b]0;owned\x07", "a\nOK all is well\r\nb", "\u202egnp.exe\u2066", "a | 'b'=1;2;3;4"),
    *("x" * 50_000, "é" * 3000, "\ud800", "\x00", "\u2028", "\x9b31m", "", '"', "'", "%s%n{0}", "[bold]x[/]"),
    *("../../etc/passwd", "-rf", "$(id)", "OK", "Source", "promoted", "Failing_Over", "unknown"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00+23:59"),
    *("P-1D", "PT99999999999H", "99999999999999999999h", "1e999", "NaN"),
]
OTHERS: list[Any] = [
    *(None, True, False, -1, 0, 10**4000, 2**63, 1.5, 1e308, [], {}, {"a": "b"}, [None], ["\x1b[31m"]),
    *("@INFINITE", DEEP, DEEP),
]
LOOKS = [
    *("status", "status -o wide", "status -o json", "status -o yaml", "check", "check -o json", "diff"),
    *(f"explain {LEDGER}", f"explain {LEDGER} -o json", f"plan {LEDGER}", "doctor", "doctor -o json"),
    *("discover", "discover -o wide", "discover -o name", "discover -o json", "backends -o wide"),
    *("import --dry-run", "import --dry-run -o json", "history", "op list -o json", "breaker list"),
]
DEEDS = [
    f"{verb} {LEDGER} -y --timeout 30s -o {form}"
    for verb in ("promote", "demote", "pause", "resume", "sync", "resync", "drill start")
    for form in ("table", "json")
]


def garbled(body: bytes, chance: random.Random) -> bytes:
    """The answer with some of its values exchanged, one by one or wherever a key stands."""
    try:
        value = json.loads(body)
    except ValueError:
        return body
    places = [place for place in _places(value, ()) if place]
    for _ in range(chance.choice([1, 1, 2, 4]) if places else 0):
        place = chance.choice(places)
        new = chance.choice(WORDS if chance.random() < 0.6 else OTHERS)
        everywhere = chance.random() < 0.3
        for each in places:
            if each == place or (everywhere and each[-1] == place[-1]):
                _put(value, each, new)
    text = json.dumps(value).replace('"@INFINITE"', "1e999")
    return re.sub(f'"{DEEP}"', lambda _: _nested(chance.choice([40, 400, 850, 5000])), text).encode()


def _places(value: Any, place: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inner:
        yield from _places(each, (*place, key))
    yield place


def _put(value: Any, place: tuple[Any, ...], new: Any) -> None:
    for key in place[:-1]:
        if not isinstance(value, dict | list) or (isinstance(value, dict) and key not in value):
            return  # what was exchanged before lay around it
        if isinstance(value, list) and (not isinstance(key, int) or key >= len(value)):
            return
        value = value[key]
    if isinstance(value, dict) or (isinstance(value, list) and place[-1] in range(len(value))):
        value[place[-1]] = new


def _nested(depth: int) -> str:
    return "[" * depth + "]" * depth


class Liar:
    """Garbles what the world's servers answer, as often as `rate` says; by the question, whatever thread asks it."""

    def __init__(self, world: World) -> None:
        self.run, self.rate = 0, 0.0
        self._asked: Counter[str] = Counter()
        for name, server in world.simulator._servers.items():
            server._handler = self._lying(name, server._handler)

    def begin(self, run: int, rate: float) -> None:
        self.run, self.rate = run, rate
        self._asked.clear()

    def _lying(self, name: str, honest: Callable[[Request], Reply]) -> Callable[[Request], Reply]:
        def handle(request: Request) -> Reply:
            reply = honest(request)
            question = f"{name} {request.method} {request.path}"
            self._asked[question] += 1
            chance = random.Random(f"{SEED} {self.run} {question} {self._asked[question]}")
            if reply.body and reply.stream is None and chance.random() < self.rate:
                reply.body = garbled(reply.body, chance)
            return reply

        return handle


@pytest.mark.parametrize("vendor", ["powerstore", "trident"])
def test_whatever_a_backend_says_is_only_said(tmp_path: Path, vendor: str) -> None:
    chance, codes = random.Random(SEED), Counter[int]()
    with a_world(tmp_path, vendors=(vendor,)) as world:
        if vendor == "trident":
            ask_ontap(world)
        liar = Liar(world)
        for number in range(RUNS):
            liar.begin(number, chance.choice([0.1, 0.3, 0.6, 1.0]))
            command = chance.choice(LOOKS if chance.random() < 0.7 else DEEDS)
            ran = world.run(*command.split(), state_dir=tmp_path / f"state-{number // FRESH_STORE_EVERY}")
            told = f"seed {SEED}, run {number}: {command}: {ran.code}\n{ran.err[:2000]}"
            codes[ran.code] += 1
            for text in (ran.out, ran.err):
                assert text.replace("\n", "").isprintable(), told
                assert len(text) < LARGEST_OUTPUT, told
            assert "made a mistake" not in ran.err + ran.out, told + _reports(world, tmp_path)
            if "json" in command:
                json.loads(ran.out)
            world.control.clear_requests()
    print(f"seed {SEED}: {RUNS} commands over {vendor}, ended by {dict(sorted(codes.items()))}")


def _reports(world: World, directory: Path) -> str:
    return "\n".join(path.read_text()[-3000:] for path in directory.rglob("report-*.txt"))
