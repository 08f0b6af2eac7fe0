"""The program as it is started: what it prints at once, and what it may not import for that."""

from __future__ import annotations

import resource
import subprocess
import sys
from importlib.metadata import version

import pytest

import replctl
from replctl.__main__ import main as entry
from replctl.cli import boundary, options
from replctl.cli.boundary import main

SLOW = {"httpx", "pydantic", "yaml", "sqlite3", "rich", "ssl", "tenacity", "typer"}


def start(*argv: str, importing: bool = False) -> subprocess.CompletedProcess[str]:
    flags = ["-X", "importtime"] if importing else []
    return subprocess.run(
        [sys.executable, *flags, "-m", "replctl", *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def imported(*argv: str) -> set[str]:
    words = [line.rpartition("|")[2].strip() for line in start(*argv, importing=True).stderr.splitlines()]
    return {word.partition(".")[0] for word in words} & SLOW


def test_the_version_is_that_of_the_package() -> None:
    assert replctl.__version__ == version("replctl")
    ran = start("--version")
    assert (ran.returncode, ran.stdout) == (0, f"replctl {version('replctl')}\n")


def test_the_version_is_answered_before_anything_is_imported() -> None:
    assert imported("--version") == set()


@pytest.mark.parametrize(
    "argv", [("-h",), ("--help",), ("promote", "-h"), ("op", "--help"), ("op", "wait", "-h")]
)
def test_help_imports_nothing_slow(argv: tuple[str, ...]) -> None:
    assert imported(*argv) <= {"typer"}
    ran = start(*argv)
    assert ran.returncode == 0
    assert ran.stdout.startswith("Usage: replctl")


def test_a_crash_leaves_no_image_of_its_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is read; the limit that others may set again is left as it was."""
    at_work: list[tuple[int, int]] = []
    before = resource.getrlimit(resource.RLIMIT_CORE)
    monkeypatch.setattr(
        boundary, "main", lambda: at_work.append(resource.getrlimit(resource.RLIMIT_CORE)) or 7
    )
    monkeypatch.setattr(sys, "argv", ["replctl", "status"])
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))
    try:
        with pytest.raises(SystemExit) as ended:
            entry()
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert ended.value.code == 7
    assert at_work == [(0, before[1])]


def test_the_exit_code_is_the_process_s() -> None:
    assert start("promote").returncode == 2
    assert start("op").returncode == 2
    assert start().returncode == 2


def test_a_closed_pipe_is_quiet() -> None:
    words = f"{sys.executable} -m replctl simulate --assumptions | head -n 1"
    ran = subprocess.run(
        ["bash", "-o", "pipefail", "-c", words], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stderr) == (0, "")


def test_help_groups_options_by_what_they_are_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["promote", "-h"]) == 0
    text = capsys.readouterr().out
    for heading in ("Acting:", "Guards, each answered by its own flag:", "Looking:", "Everywhere:"):
        assert heading in text
    assert text.splitlines()[0] == "Usage: replctl promote [OPTIONS] [NAME...]"


def test_every_flag_that_a_guard_asks_for_exists(capsys: pytest.CaptureFixture[str]) -> None:
    from replctl.core.guards import GUARDS

    assert main(["promote", "-h"]) == 0
    promote = capsys.readouterr().out
    assert main(["reprotect", "-h"]) == 0
    assert main(["delete", "-h"]) == 0
    known = promote + capsys.readouterr().out
    for guard in GUARDS.values():
        if guard.override is not None:
            assert guard.override.partition("=")[0] in known


def test_every_bundle_has_a_heading() -> None:
    bundles = {each for each in vars(options).values() if getattr(each, "__module__", "") == options.__name__}
    bundles = {each for each in bundles if hasattr(each, "__dataclass_fields__")}
    assert bundles == set(options.HEADINGS)
