"""`status --watch`: what keys do to the view, what stands on the screen, looks in a pipe, and a real terminal."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import struct
import sys
import termios
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from cli import stage
from cli.conftest import Runner
from fakes import START, FakeClock
from worlds import a_world

from replctl.cli.lines import length, plain
from replctl.cli.watchscreen import BACKSPACE, DOWN, ENTER, ESCAPE, UP, Sort, View, press, screen, shown
from replctl.core.model import Health, State
from replctl.core.results import StatusReport

PATIENCE_SECONDS = 20.0  # of real time, for a frame of a real terminal
AUDIT = replace(
    stage.line_of(stage.replication("bank/audit", group="ledgers")),
    health=Health.DEGRADED,
    message="copying was paused by a person and this sentence is long enough to be cut on any screen that is narrow",
    point_at=START - 7200.0,
)
LINES = (
    replace(stage.line_of(stage.replication("bank/ledger")), point_at=START - 60.0),
    AUDIT,
    replace(stage.line_of(stage.replication("shop/orders", group="ledgers", order=-1)), state=State.SOURCE),
)
REPORT = StatusReport(
    observed_at=START, replications=LINES, answered=frozenset({"west", "east"}), silent=frozenset()
)


def pressed(*keys: str, view: View | None = None) -> View:
    view = view or View()
    for key in keys:
        view = press(view, key, names(view))
    return view


def names(view: View) -> list[str]:
    return [each.replication.key for each in shown(view, REPORT)]


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ("", ["bank/audit", "bank/ledger", "shop/orders"]),
        ("s", ["bank/audit", "bank/ledger", "shop/orders"]),
        ("ss", ["bank/audit", "bank/ledger", "shop/orders"]),
        ("sss", ["bank/ledger", "shop/orders", "bank/audit"]),
        ("/ledgers", ["bank/audit", "shop/orders"]),
        ("/DEGRADED", ["bank/audit"]),
        ("/source", ["shop/orders"]),
        ("/nothing", []),
    ],
)
def test_sort_and_filter_choose_the_lines(keys: str, expected: list[str]) -> None:
    assert names(pressed(*keys)) == expected


def test_a_point_that_is_not_known_comes_before_all_ages() -> None:
    unknown = replace(LINES[0], point_at=None)
    report = replace(REPORT, replications=(unknown, AUDIT))
    assert [each.point_at for each in shown(View(sort=Sort.POINT), report)] == [None, START - 7200.0]


def test_keys_move_choose_and_end() -> None:
    assert pressed(DOWN).chosen == "bank/audit"
    assert pressed(DOWN, DOWN, DOWN, "j").chosen == "shop/orders"
    assert pressed(DOWN, DOWN, UP, "k").chosen == "bank/audit"
    assert pressed(UP).chosen == "shop/orders"
    assert pressed(ENTER) == View(chosen="bank/audit", details=True)
    assert pressed(ENTER, ESCAPE) == View(chosen="bank/audit")
    assert pressed("q").over
    assert pressed("r").again
    assert not pressed("r", "x").again
    assert press(View(), DOWN, ()).chosen is None


def test_while_a_filter_is_typed_keys_are_letters() -> None:
    typing = pressed("/", "q", "s")
    assert (typing.filter, typing.typing, typing.over, typing.sort) == ("qs", True, False, Sort.WORST)
    assert pressed("/", "q", "s", BACKSPACE, UP).filter == "q"
    assert pressed("/", "q", ENTER) == View(filter="q")
    assert pressed("/", "q", ENTER, ESCAPE) == View()
    assert pressed("/", "q", ESCAPE) == View()


def drawn(view: View, width: int = 80, height: int = 24, report: StatusReport = REPORT) -> list[str]:
    lines = screen(view, report, START + 3.0, width, height, every_seconds=5.0)
    assert all(length(each) <= width for each in lines)
    assert len(lines) <= height
    return plain(lines).splitlines()


def test_a_message_that_has_no_room_is_cut() -> None:
    assert drawn(View(), 104) == [
        "  NAME         MODE   HEALTH    POINT    LOCAL         PEER         GROUP",
        "  bank/audit   async  degraded  2h ago   west replica  east source  ledgers  copying was paused by a pe…",
        "  bank/ledger  async  healthy   1m ago   west replica  east source  -",
        "  shop/orders  async  healthy   47s ago  west replica  east source  ledgers",
        "",
        "3 replications: 1 degraded, 2 healthy",
        "next: copying does not run as it should",
        "  replctl explain bank/audit",
        "looked 3s ago, every 5s · worst first",
        "q quit · s sort · / filter · ↑↓ choose · enter details · r look now",
    ]


def test_the_chosen_one_is_told_in_full_below() -> None:
    lines = drawn(pressed(ENTER))
    assert lines[1].startswith("> bank/audit")
    told = lines[lines.index("bank/audit: degraded") :]
    assert told[1:3] == [
        "  copying was paused by a person and this sentence is long enough to be cut on",
        "  any screen that is narrow",
    ]
    assert told[3].startswith("  local west: ")
    assert told[4].startswith("  peer  east: ")
    assert told[5:7] == ["  rpo 5m; group ledgers", "  replctl explain bank/audit"]


def test_a_small_terminal_shows_the_lines_around_the_chosen_one() -> None:
    many = tuple(stage.line_of(stage.replication(f"bank/r{number:03}")) for number in range(100))
    report = replace(REPORT, replications=many)
    lines = drawn(View(chosen="bank/r050"), 80, 12, report)
    chosen = next(at for at, each in enumerate(lines) if each.startswith("> bank/r050"))
    assert lines[chosen - 1].startswith("  bank/r049")
    assert lines[chosen + 1].startswith("  bank/r051")
    assert lines[-1].startswith("q quit")
    assert drawn(View(chosen="bank/r099"), 80, 12, report)[-5].startswith("> bank/r099")


def test_a_filter_is_shown_as_it_is_typed() -> None:
    assert drawn(pressed("/", "a", "u"))[-2:] == [
        "looked 3s ago, every 5s · worst first · filter /au_: 1 of 3",
        "enter keeps the filter · esc takes it away",
    ]
    assert drawn(pressed(*"/zzz", ENTER))[0] == '  nothing fits "zzz"'


# -- off a terminal ---------------------------------------------------------------------------------------------


class Impatient(FakeClock):
    """The third wait is ended by a Ctrl-C."""

    def wait(self, seconds: float, cancel: object = None) -> bool:
        if len(self.waits) == 2:
            raise KeyboardInterrupt
        return super().wait(seconds)


def test_in_a_pipe_each_look_is_a_table_under_its_time(run: Runner) -> None:
    run.clock = Impatient(START)
    ran = run("status", "--watch", "--every", "10s")
    assert ran.code == 130
    first, second, third = ran.out.split("\n\n2031")
    assert first.splitlines()[0] == "2031-02-03T01:00:00Z"
    assert first.splitlines()[1].startswith("NAME")
    assert "1 replication: 1 healthy" in second
    assert third
    assert run.clock.waits == [10.0, 10.0]


def test_as_json_lines_each_look_is_one_line(run: Runner) -> None:
    run.clock = Impatient(START)
    ran = run("status", "--watch", "-o", "jsonl")
    *looks, last = [json.loads(each) for each in ran.out.splitlines()]
    assert [each["replications"][0]["name"] for each in looks] == ["ledger"] * 3
    assert last["outcome"] == "interrupted"
    (one,) = run("status", "-o", "jsonl").out.splitlines()
    assert json.loads(one)["schema_version"] == 1


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("-o", "json"), "-o jsonl"),
        (("-o", "yaml"), "-o jsonl"),
        (("--every", "250ms"), "at least 1s"),
        (("--every", "soon"), "--every"),
    ],
)
def test_what_cannot_be_watched_is_told(run: Runner, argv: Sequence[str], words: str) -> None:
    ran = run("status", "--watch", *argv)
    assert ran.code == 2
    assert words in ran.err


class Deaf(FakeClock):
    """The reader of a pipe goes away in the first wait."""

    def __init__(self, reader: int) -> None:
        super().__init__(START)
        self._reader = reader

    def wait(self, seconds: float, cancel: object = None) -> bool:
        if not self.waits:
            os.close(self._reader)
        return super().wait(seconds)


def test_when_nobody_reads_any_more_it_ends(run: Runner) -> None:
    from replctl.cli.boundary import main

    reader, writer = os.pipe()
    clock = Deaf(reader)
    with os.fdopen(writer, "w") as pipe:
        code = main(
            ["status", "--watch"],
            clock=clock,
            environ={"HOME": "/nonexistent"},
            stdin=pipe,
            stdout=pipe,
            stderr=sys.stderr,
            assemble=run.world.assemble,
            leave=lambda code: None,
        )
    assert code == 0
    assert len(clock.waits) == 1


# -- on a real terminal -----------------------------------------------------------------------------------------


class Typist:
    """A person at a pseudo-terminal: types, and waits until the screen says what is expected."""

    def __init__(self, master: int) -> None:
        self._master = master
        self._text = ""

    def sees(self, words: str) -> str:
        """All that came until these words did."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while words not in self._text:
            assert time.monotonic() < deadline, f"{words!r} is not in {self._text[-2000:]!r}"
            if select.select([self._master], [], [], 0.2)[0]:
                said = os.read(self._master, 65536).decode("utf-8", "replace")
                self._text += re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", said)
        text, self._text = self._text, ""
        return text

    def answers(self, question: str, words: str) -> str:
        """Waits for the question and answers it; what was seen until then."""
        text = self.sees(question)
        self.types(f"{words}\r")
        return text

    def types(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def drain(self) -> str:
        with contextlib.suppress(OSError):  # EIO: the other end is closed
            while said := os.read(self._master, 65536):
                self._text += said.decode("utf-8", "replace")
        return self._text


def test_on_a_terminal_it_is_live_and_leaves_the_terminal_as_it_was(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=6) as world:
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 110, 0, 0))
        before = termios.tcgetattr(slave)
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "replctl", "status", "--watch", "--every", "1s"],
            {**world.environ(), "TERM": "xterm-256color"},
            file_actions=[(os.POSIX_SPAWN_DUP2, slave, descriptor) for descriptor in (0, 1, 2)],
        )
        person = Typist(master)
        person.sees("6 replications: 6 healthy")
        person.types("\x1b[B\r")
        person.sees("replctl explain bank/ledger")
        person.types("/ledger\r")
        person.sees("filter /ledger: 1 of 6")
        world.control.kill("east")
        person.sees("east did not answer")
        person.types("q")
        _, status = os.waitpid(pid, 0)
        assert os.waitstatus_to_exitcode(status) == 3
        assert termios.tcgetattr(slave) == before
        os.close(slave)
        assert "\x1b[?1049l" in person.drain()
        os.close(master)
