"""Completion in zsh, fish, and a bash with bash-completion, as it is installed: the same cases as in a plain bash."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from shelltalk import CASES, CASES_BEHIND, ROOT, Case, Home, Talk, bash, fish, home, talk, zsh

COMPLETIONS = ROOT / "completions"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return home(tmp_path_factory.mktemp("shells") / "home")


@pytest.fixture(scope="module")
def in_zsh(shared: Home) -> Iterator[Talk]:
    argv, set_up = zsh(f"fpath=({COMPLETIONS} $fpath); compinit -D")
    with talk(argv, shared, set_up) as talking:
        yield talking


@pytest.fixture(scope="module")
def in_fish(shared: Home) -> Iterator[Talk]:
    argv, set_up = fish(f"set fish_complete_path {COMPLETIONS} $fish_complete_path")
    with talk(argv, shared, set_up) as talking:
        yield talking


@pytest.fixture(scope="module")
def in_bash(shared: Home) -> Iterator[Talk]:
    """With bash-completion, which finds the script where the wheel puts it."""
    installed = shared.path / ".local" / "share" / "bash-completion" / "completions" / "replctl"
    installed.parent.mkdir(parents=True)
    shutil.copy(COMPLETIONS / "replctl.bash", installed)
    argv, set_up = bash("source /usr/share/bash-completion/bash_completion")
    with talk(argv, shared, set_up) as talking:
        yield talking


@pytest.mark.parametrize("case", [*CASES, *CASES_BEHIND], ids=lambda case: case.line)
def test_zsh_at_a_terminal(in_zsh: Talk, case: Case) -> None:
    in_zsh.try_out(case)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.line)
def test_fish_at_a_terminal(in_fish: Talk, case: Case) -> None:
    in_fish.try_out(case)


@pytest.mark.parametrize("case", [*CASES, *CASES_BEHIND], ids=lambda case: case.line)
def test_bash_with_bash_completion_at_a_terminal(in_bash: Talk, case: Case) -> None:
    in_bash.try_out(case)


ALIASED = Case("r pro", "r promote ")
BEHIND_SUDO = Case("sudo replctl op re", "sudo replctl op resume ")
TOLD = Case("replctl promote ban", shows=("payments", "bank/ledger"))


def test_zsh_tells_states_and_completes_aliases_and_after_sudo(in_zsh: Talk) -> None:
    in_zsh.enter("alias r=replctl")
    for case in (ALIASED, BEHIND_SUDO, TOLD):
        in_zsh.try_out(case)
    assert "bank/cards   -- source, payments" in in_zsh.screen.text


def test_fish_tells_states_and_completes_aliases(in_fish: Talk) -> None:
    in_fish.enter("alias r=replctl")
    for case in (ALIASED, Case("replctl promote ban", shows=("(replica,", "payments)"))):
        in_fish.try_out(case)


def test_bash_with_bash_completion_completes_after_sudo(in_bash: Talk) -> None:
    in_bash.try_out(BEHIND_SUDO)


@pytest.mark.parametrize("script", ["_replctl", "replctl.bash", "replctl.fish"])
def test_a_script_says_nothing_when_it_is_read(shared: Home, script: str, tmp_path: Path) -> None:
    import subprocess

    shell = {"_replctl": "zsh", "replctl.bash": "bash", "replctl.fish": "fish"}[script]
    before = "autoload -Uz compinit; compinit -D; " if shell == "zsh" else ""
    ran = subprocess.run(
        [shell, "-c", f"{before}source {COMPLETIONS / script}"],
        env=dict(shared.environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
