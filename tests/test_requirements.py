"""The list of proven requirements: each number stands as a comment, such as `# R47`, at a test that proves it."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).parent
KNOWN = range(1, 80)
NUMBERS = re.compile(r"#\s*(R\d+(?:\s*[-–,]\s*R\d+)*)\b")
SPAN = re.compile(r"R(\d+)(?:\s*[-–]\s*R(\d+))?")


def test_every_requirement_is_proven() -> None:
    proven = {number for _, number, at_a_test in claims() if at_a_test}
    assert sorted(set(KNOWN) - proven) == []


def test_only_known_requirements_are_named() -> None:
    assert [(where, number) for where, number, _ in claims() if number not in KNOWN] == []


def claims() -> Iterator[tuple[str, int, bool]]:
    """Every number that a comment names: where, which, and whether a test stands there."""
    for path in sorted(TESTS.rglob("*.py")):
        if path == Path(__file__):
            continue
        text = path.read_text(encoding="utf-8")
        tests = list(lines_of_tests(text))
        for line, comment in comments(text):
            for number in numbers(comment):
                yield f"{path.relative_to(TESTS)}:{line}", number, any(line in test for test in tests)


def comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def lines_of_tests(text: str) -> Iterator[range]:
    """The lines of each test, from the comments right above it to its end."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name.lower().startswith("test"):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            yield range(first, (node.end_lineno or first) + 1)


def numbers(comment: str) -> list[int]:
    """`# R2-R4, R7` names 2, 3, 4 and 7; a comment that does not begin so names nothing."""
    found = NUMBERS.match(comment)
    spans = SPAN.findall(found.group(1)) if found else []
    return [number for low, high in spans for number in range(int(low), int(high or low) + 1)]


def test_how_a_comment_is_read() -> None:
    assert numbers("# R2-R4, R7: all of them") == [2, 3, 4, 7]
    assert numbers("# R15") == [15]
    assert numbers("# as R15 says") == []
