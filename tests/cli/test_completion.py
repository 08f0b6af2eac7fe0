"""Completion scripts: bash is asked for real; all three offer every command and option there is."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from replctl.cli import shells
from replctl.cli.app import command
from replctl.cli.boundary import main

ASK = """
. "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _replctl; printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("completion") / "replctl.bash"
    path.write_text(shells.bash(shells.places(command())))
    return path


def tab(script: Any, *words: str) -> list[str]:
    argv = ["bash", "--norc", "-c", ASK, "ask", str(script), "replctl", *words]
    ran = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    assert ran.stderr == ""
    return ran.stdout.split()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("pro",), ["promote"]),
        (("op", ""), ["list", "show", "wait", "resume", "abandon"]),
        (("op", "re"), ["resume"]),
        (("promote", "--peer-is-"), ["--peer-is-down", "--peer-is-fenced"]),
        (("promote", "bank/ledger", "-y", "--acc"), ["--accept-data-loss"]),
        (("promote", "--reason", "op", "--peer-is-d"), ["--peer-is-down"]),
        (("status", "-o", "j"), ["json", "jsonl"]),
        (("status", "--output", "=", "w"), ["wide"]),
        (("status", "--output", "="), ["table", "wide", "json", "jsonl", "yaml", "name"]),
        (("status", "--color", ""), ["auto", "always", "never"]),
        (("completion", ""), ["bash", "zsh", "fish"]),
        (("failover", "--to", ""), []),
        (("status", ""), []),
        (("--vers",), ["--version"]),
        (("nonsense", ""), [each for each, _ in shells.places(command())[0].offers]),
    ],
)
def test_bash_offers_what_belongs_there(script: Any, words: tuple[str, ...], offered: list[str]) -> None:
    assert tab(script, *words) == offered


def test_bash_offers_files_for_a_configuration(script: Any) -> None:
    assert tab(script, "status", "--config", "/etc/pass") != []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_knows_every_command_and_option(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    text = capsys.readouterr().out
    for place in shells.places(command()):
        names = [name for name, _ in place.offers]
        options = [name for option in place.options for name in option.names if name.startswith("--")]
        for word in (*names, *(each if shell != "fish" else each[2:] for each in options)):
            assert word in text


def test_an_unknown_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "bash" in capsys.readouterr().err
