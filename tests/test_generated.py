"""What is generated is what would be generated now, and it tells the whole truth."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import matrix
import pytest

from replctl.cli import manual, reference
from replctl.core import errors
from replctl.core.errors import ReplctlError
from replctl.settings import schema

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "replctl"
NOT_OURS = PACKAGE / "simulator"  # it speaks of the array's codes


GENERATED = {
    **{ROOT / name: text for name, text in reference.files().items()},
    **schema.written(),
    ROOT / matrix.PAGE: matrix.page(),
}


@pytest.mark.parametrize("path", GENERATED, ids=lambda path: path.name)
def test_a_generated_file_is_fresh(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == GENERATED[path], "make generate"


def test_no_page_of_the_manual_is_left_over() -> None:
    there = {path for path in (ROOT / manual.DIRECTORY).rglob("*") if path.is_file()}
    assert there == {path for path in GENERATED if path.is_relative_to(ROOT / manual.DIRECTORY)}


def test_every_error_code_is_explained_and_no_other() -> None:
    given = {
        code for path in PACKAGE.rglob("*.py") if NOT_OURS not in path.parents for code in codes_in(path)
    }
    explained = {*reference.ERRORS, *reference.ENDINGS}
    assert given == explained


def codes_in(path: Path) -> Iterator[str]:
    """Codes that the module writes down: `code = "…"` of a class, `code="…"` of a call, `stopped(…, "…", …)`."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ClassDef):
            yield from (text(each.value) for each in node.body if is_code(each) and text(each.value))
        elif isinstance(node, ast.Call):
            yield from (text(each.value) for each in node.keywords if each.arg == "code" and text(each.value))
            called = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if called == "stopped":
                yield from filter(None, [text(node.args[1])])


def is_code(node: ast.stmt) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
    return any(isinstance(each, ast.Name) and each.id == "code" for each in targets)


def text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def test_every_error_ends_with_the_exit_code_that_is_told() -> None:
    told = {code: int(exit_code) for code, (exit_code, _) in reference.ERRORS.items()}
    assert {each.code: each.exit_code for each in family(ReplctlError)}.items() <= told.items()


def family(root: type[ReplctlError]) -> Iterator[type[ReplctlError]]:
    yield root
    for child in root.__subclasses__():
        yield from family(child)


def test_the_errors_drawn_as_a_tree_are_those_that_there_are() -> None:
    drawn = errors.__doc__ or ""
    assert [each.__name__ for each in ReplctlError.__subclasses__() if each.__name__ not in drawn] == []


def test_the_tables_cover_every_code_guard_and_move() -> None:
    page = reference.page()
    assert "| 143 | terminated (SIGTERM) |" in page
    assert "| `data-loss` | `--accept-data-loss=BOUND` |" in page
    assert "replica --> promoting: promote" in page
