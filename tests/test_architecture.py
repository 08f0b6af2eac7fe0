"""The shape of the source: layers, sizes, habits. What ruff and mypy check is left to them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median, quantiles

import pytest
from importlinter import cli as importlinter

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "replctl"
SOURCES = {str(path.relative_to(ROOT)): path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
TESTS = sorted(path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__))
MOST_MODULE_LINES = 600
MOST_FUNCTION_LINES = 45
FUNCTION_LINES_P95 = 25
FUNCTION_LINES_MEDIAN = 10
PRINTS = re.compile(r"\bprint\(|\bsys\.stdout\b")
WAYS_TO_SKIP = re.compile(r"\b(skip|skipif|skipTest|xfail|importorskip)\s*\(|\bmark\.(skip|xfail)")


def test_dependencies_point_down(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    status = importlinter.lint_imports(config_filename="pyproject.toml", no_cache=True, no_logo=True)
    assert status == importlinter.EXIT_STATUS_SUCCESS, capsys.readouterr().out


def test_a_module_opens_with_what_it_knows() -> None:
    silent = [name for name, text in SOURCES.items() if text and not ast.get_docstring(ast.parse(text))]
    assert silent == []


def test_a_module_is_read_in_one_sitting() -> None:
    long = {name: text.count("\n") for name, text in SOURCES.items() if text.count("\n") > MOST_MODULE_LINES}
    assert long == {}


def test_functions_are_seen_whole() -> None:
    sizes = {
        f"{name}:{each.lineno} {each.name}": code_lines(each, text.splitlines())
        for name, text in SOURCES.items()
        for each in functions(text)
    }
    assert {where: lines for where, lines in sizes.items() if lines > MOST_FUNCTION_LINES} == {}
    assert median(sizes.values()) <= FUNCTION_LINES_MEDIAN
    assert quantiles(sizes.values(), n=20)[-1] <= FUNCTION_LINES_P95


def functions(text: str) -> Iterator[ast.FunctionDef]:
    return (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef))


def code_lines(function: ast.FunctionDef, lines: list[str]) -> int:
    """Lines of the body without blanks, comments and the docstring."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    if not body:
        return 0
    code = (line.strip() for line in lines[body[0].lineno - 1 : function.end_lineno])
    return sum(1 for line in code if line and not line.startswith("#"))


def test_nobody_prints_but_the_command_line() -> None:
    below = {name: text for name, text in SOURCES.items() if not name.startswith("replctl/cli/")}
    below.pop("replctl/__main__.py")  # `--version`, answered before anything is imported
    assert [name for name, text in below.items() if PRINTS.search(text)] == []


def test_nothing_is_skipped() -> None:
    assert [str(path) for path in TESTS if WAYS_TO_SKIP.search(path.read_text(encoding="utf-8"))] == []


def test_a_verb_imports_nothing_of_the_simulator() -> None:
    verb = (
        "import sys, replctl.bootstrap, replctl.cli.acting, replctl.drivers.powerstore; print(*sys.modules)"
    )
    imported = subprocess.run([sys.executable, "-c", verb], capture_output=True, text=True, check=True).stdout
    assert {"trustme", "cryptography", "bcrypt", "replctl.simulator"}.isdisjoint(imported.split())
