"""The README does what it says: its five minutes are typed into a shell, its files are read, its links followed."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from replctl.cli.app import command
from replctl.core.model import Observation, Pair, Side
from replctl.core.outcomes import ExitCode
from replctl.core.plans import Course
from replctl.drivers.trident.recipe import TridentRecipe

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PROMPT = "$ "
ANYTHING = "..."
TIMES_FASTER = 20
MARK = "=== exit"
# A bare machine has no curl; this is as much of it as the README uses.
CURL = """#!{python}
import sys, urllib.request
_, _, url, _, data = sys.argv
print(urllib.request.urlopen(url, data=data.encode()).read().decode(), end="")
"""


@dataclass(frozen=True)
class Line:
    """One line that is typed, and what is said to come back; `...` stands for any text."""

    typed: str
    shown: str

    def fits(self, output: str) -> bool:
        parts = (re.escape(part) for part in self.shown.split(ANYTHING))
        return re.fullmatch(".*".join(parts), output.strip(), re.DOTALL) is not None


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def transcript() -> Iterator[Line]:
    for block in blocks("console"):
        for typed in block.split(f"\n{PROMPT}"):
            command, _, shown = typed.removeprefix(PROMPT).partition("\n")
            yield Line(command, shown.strip())


class Shell:
    """One bash that keeps its variables and its jobs from line to line."""

    def __init__(self, directory: Path) -> None:
        path = os.pathsep.join([str(directory / "bin"), os.path.dirname(sys.executable), os.environ["PATH"]])
        self._bash = subprocess.Popen(
            ["bash", "--noprofile", "--norc"],
            cwd=directory,
            env={"PATH": path, "HOME": str(directory), "COLUMNS": "200"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def type(self, command: str) -> tuple[str, int]:
        """What comes back, and the exit code."""
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.write(f"{{ {command}\n}} </dev/null; printf '\\n{MARK} %s\\n' $?\n")
        self._bash.stdin.flush()
        output = ""
        for line in self._bash.stdout:
            if line.startswith(MARK):
                return output, int(line.removeprefix(MARK))
            output += line
        raise AssertionError(f"the shell ended: {output}")

    def close(self) -> None:
        assert self._bash.stdin is not None
        assert self._bash.stdout is not None
        self._bash.stdin.close()
        self._bash.stdout.read()
        self._bash.stdout.close()
        self._bash.wait()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text(CURL.format(python=sys.executable), encoding="utf-8")
    curl.chmod(0o755)
    shell = Shell(tmp_path)
    yield shell
    shell.type("kill %1 2>/dev/null; wait")
    shell.close()


def test_the_five_minutes(shell: Shell) -> None:
    """Exit code 0 unless the next line asks for it; only the simulator's time passes faster than a reader's."""
    lines = list(transcript())
    code = 0
    for line, following in zip(lines, [*lines[1:], None], strict=True):
        if line.typed == "echo $?":
            assert str(code) == line.shown
            continue
        output, code = shell.type(hastened(line.typed))
        assert line.fits(output), f"{line.typed}\n{output}"
        asked = following is not None and following.typed == "echo $?"
        assert code == 0 or asked, f"{line.typed}\n{output}"
        if line.typed.endswith("&"):  # who types takes a breath here
            shell.type("until [ -s sim.json ]; do sleep 0.05; done")


def hastened(command: str) -> str:
    return command.replace("replctl simulate", f"replctl simulate --speed {TIMES_FASTER}")


def test_every_verb_shown_is_there_and_the_story_is_whole() -> None:
    typed = [shlex.split(line.typed) for line in transcript() if line.typed.startswith("replctl")]
    assert {words[1] for words in typed} >= {"simulate", "status", "promote", "history", "reprotect"}


def test_its_files_are_valid(tmp_path: Path) -> None:
    config, replications, daemon, web = blocks("yaml")
    (tmp_path / "web.yaml").write_text(web, encoding="utf-8")
    (tmp_path / "config.yaml").write_text(config + daemon, encoding="utf-8")
    (tmp_path / "replications.yaml").write_text(replications, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "replctl",
        "config",
        "validate",
        "--config",
        str(tmp_path / "config.yaml"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "web.yaml" in done.stdout


def test_its_exit_codes_are_all_there() -> None:
    (table,) = re.findall(r"^\| code \| meaning \|\n.*?\n\n", README, re.DOTALL | re.MULTILINE)
    told = {
        int(code) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for code in row.split(",")
    }
    assert told == {int(code) for code in ExitCode}


def test_its_links_lead_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_what_it_says_is_not_there_is_not_there() -> None:
    (section,) = re.findall(r"^## Not yet\n(.*?)^## ", README, re.DOTALL | re.MULTILINE)
    there = set(command().commands)
    named = set(re.findall(r"`([a-z]+)", section))
    assert section.strip()
    assert named & there == set()
    end = Observation(backend="k8s-west", observed_at=0.0)
    steps = TridentRecipe().steps(Course.SWITCH, Side.LOCAL, Pair(end, end), {})
    made = TridentRecipe().steps(Course.CREATE, Side.LOCAL, Pair(end, end), {})
    assert steps
    assert ("Trident" in section) is (made == ())


def test_its_commands_are_what_ci_runs() -> None:
    first, second = (line.split("#")[0].strip() for line in blocks("sh")[0].splitlines())
    assert (first, second) == ("make demo", "make test")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    (called,) = re.findall(r"^make (.+)$", ci, re.MULTILINE)
    assert {"test", "check"} <= set(called.split())


def test_the_python_it_asks_for_is_the_packages_own() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["requires-python"] == ">=3.11"
    assert "Python 3.11 or newer" in README
