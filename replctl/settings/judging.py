"""Judging marked YAML by hand: is it a table, a text, a word of a few, and if not, what was wanted and where."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypeGuard

from replctl.core.durations import DURATION_ALLOWED, InvalidDuration, parse_duration
from replctl.core.errors import Finding, excerpt
from replctl.core.names import NAME_ALLOWED, is_name
from replctl.settings.mistakes import suggest
from replctl.settings.yamlmarks import MOST_MISTAKES, Leaf, Node, Row, Table, too_many

TEXT_ALLOWED = "a text that is not empty; quote it if it reads as a number, yes, no or null"
MOST_HINTS = 1000  # mistakes after which nobody is helped by one more

Trail = tuple[str | int, ...]


class TextLeaf(Leaf):
    """A leaf whose value is a text; only a name for the type checker."""

    value: str


class Judge:
    """Tells what is wrong in `findings`; each method returns None after it did."""

    def __init__(self, shown: str) -> None:
        self.findings: list[Finding] = []
        self.shown = shown

    def find(self, line: int, trail: Trail, value: str, allowed: str) -> None:
        if len(self.findings) >= MOST_MISTAKES:
            raise too_many(self.shown, line)
        place = f"{self.shown}:{line}: {dotted(trail)}".removesuffix(": ")
        self.findings.append(Finding(place, value, allowed))

    def hint(self, word: str, known: Collection[str]) -> str:
        """What was meant perhaps; not looked for any more where there are many mistakes."""
        return suggest(word, known) if len(self.findings) < MOST_HINTS else ""

    def table(
        self, node: Node, trail: Trail, known: Collection[str], required: Collection[str] = ()
    ) -> Table | None:
        if not isinstance(node, Table):
            self.find(node.line, trail, shown(node), "a table of keys")
            return None
        for key in node.items:
            if key not in known:
                allowed = f"{self.hint(key, known)}allowed: {', '.join(known)}"
                self.find(node.lines[key], (*trail, key), "unknown key", allowed)
        for key in required:
            if key not in node.items:
                self.find(node.line, (*trail, key), "missing", "required")
        return node

    def text(self, node: Node, trail: Trail) -> str | None:
        if isinstance(node, Leaf) and isinstance(node.value, str) and node.value:
            return node.value
        self.find(node.line, trail, shown(node), TEXT_ALLOWED)
        return None

    def name(self, node: Node, trail: Trail) -> str | None:
        text = self.text(node, trail)
        if text is None or is_name(text):
            return text
        self.find(node.line, trail, shown(node), NAME_ALLOWED)
        return None

    def word(self, node: Node, trail: Trail, words: Collection[str]) -> str | None:
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, str) and value in words:
            return value
        hint = self.hint(value, words) if isinstance(value, str) else ""
        self.find(node.line, trail, shown(node), f"{hint}allowed: {', '.join(words)}")
        return None

    def duration(self, node: Node, trail: Trail, least_seconds: float = 0.0) -> float | None:
        allowed = DURATION_ALLOWED
        if is_text(node):
            try:
                seconds = parse_duration(node.value)
                if seconds >= least_seconds:
                    return seconds
                allowed = "a duration above zero, such as 5s"
            except InvalidDuration as error:
                allowed = error.findings[0].allowed
        self.find(node.line, trail, shown(node), allowed)
        return None

    def whole(self, node: Node, trail: Trail, most: int) -> int | None:
        """A whole number from minus to plus `most`."""
        value = node.value if isinstance(node, Leaf) else None
        if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= most:
            return value
        self.find(node.line, trail, shown(node), f"a whole number from -{most} to {most}")
        return None


def is_text(node: Node) -> TypeGuard[TextLeaf]:
    return isinstance(node, Leaf) and isinstance(node.value, str)


def shown(node: Node) -> str:
    """A value as typed, cut short; a list or table is only named, and what may hold a password is not shown."""
    if isinstance(node, Row):
        return "a list"
    if isinstance(node, Table):
        return "a table"
    if node.value is None:
        return "nothing"
    return f'"{excerpt(node.text)}"' if isinstance(node.value, str) else excerpt(node.text)


def dotted(trail: Trail) -> str:
    """`replications[3].local.backend`."""
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in trail)
    return path.removeprefix(".")
