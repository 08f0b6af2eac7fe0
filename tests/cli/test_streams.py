"""Where what is printed goes: to a reader who goes away, to nothing, to a full disk. Real pipes, real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import LEDGER, World, a_world

from replctl.cli.boundary import main

FULL = "No space left on device"
OTHER = "web/catalog"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("streams")) as made:
        assert made.run("status").code == 0
        yield made


def shell(world: World, words: str) -> subprocess.CompletedProcess[str]:
    """The words in a bash, with `R` for the program; the code is that of the first command of a pipe."""
    program = f"{sys.executable} -m replctl"
    return subprocess.run(
        ["bash", "-c", f'R() {{ {program} "$@"; }}; {words}; exit ${{PIPESTATUS[0]}}'],
        env={**world.environ(), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    ("words", "begins"),
    [
        ("R simulate --assumptions | head -n 1", "NAME "),
        ("R --version | true", ""),
        ("R -h | true", ""),
        ("R promote -h | head -n 1", "Usage: "),
        ("R history | true", ""),
        ("R status | head -n 1", "NAME "),
        ("R status -o json | head -c 1", "{"),
        ("R status --watch --every 1s -o jsonl | head -n 1", '{"schema_version": 1, '),
        ("R status >&-", ""),
        ("R status -o name 2>&-", "bank/ledger\n"),
        ("R status >&- 2>&- <&-", ""),
        ("R --version >&-", ""),
        ("R status -o name 2>/dev/full", "bank/ledger\n"),
    ],
)
def test_a_reader_who_goes_away_is_nobody_s_trouble(world: World, words: str, begins: str) -> None:
    ran = shell(world, words)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert begins in ran.stdout
    assert bool(begins) is bool(ran.stdout)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("R promote nobody -o json >&-", 5),
        ("R status --nonsense 2>/dev/full", 2),
        ("R promote nobody -o json >/dev/full", 5),
    ],
)
def test_a_failure_keeps_its_code_whoever_reads_of_it(world: World, words: str, code: int) -> None:
    ran = shell(world, words)
    assert ran.returncode == code
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ("-h", 1),
        ("completion fish", 1),
        ("status", 1),
        ("status --watch --every 1s -o jsonl", 1),
        ("check", 3),
    ],
)
def test_a_full_disk_is_no_success(world: World, words: str, code: int) -> None:
    ran = shell(world, f"R {words} >/dev/full")
    assert ran.returncode == code
    first, *_ = ran.stderr.splitlines()
    assert first == f"error[output-lost]: what was to be printed was lost: {FULL}"
    assert "Traceback" not in ran.stderr


def test_a_version_that_could_not_be_written_is_no_success(world: World) -> None:
    ran = shell(world, "R --version >/dev/full")
    assert (ran.returncode, ran.stderr) == (1, "")


def test_a_change_whose_outcome_could_not_be_told_is_no_success_and_no_failure(
    world: World, capfd: pytest.CaptureFixture[str]
) -> None:
    def act(*argv: str) -> int:
        with open("/dev/full", "w") as full:
            return main([*argv, "-y"], clock=world.clock, environ=world.environ(), stdout=full)

    assert act("pause", OTHER) == 3
    assert world.truth(OTHER)["state"] == {"east": "Paused", "west": "Paused"}
    assert "what was done stands, and replctl op list shows it" in capfd.readouterr().err
    assert act("pause", OTHER) == 1  # it is paused: nothing was changed
    assert "what was done stands" not in capfd.readouterr().err
    assert act("promote", LEDGER, "--peer-is-down") == 6


def test_no_file_is_taken_for_a_stream_that_was_closed(tmp_path: Path) -> None:
    """What is written to standard error must not get into whatever was opened first, such as the journal."""
    seen = (
        "import os, sys; from replctl import __main__ as entry; entry._stand_on_open_streams(); "
        f"file = open({str(tmp_path / 'journal')!r}, 'w'); "
        f"open({str(tmp_path / 'number')!r}, 'w').write(str(file.fileno())); os.write(2, b'noise'); "
        "print('words', file=sys.stderr); print('words')"
    )
    words = f'{sys.executable} -c "{seen}" <&- >&- 2>&-'
    subprocess.run(["bash", "-c", words], check=True, timeout=60)
    assert (tmp_path / "journal").read_text() == ""
    assert int((tmp_path / "number").read_text()) > 2
