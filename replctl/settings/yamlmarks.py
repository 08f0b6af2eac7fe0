"""YAML as values that know their line.

Built from libyaml's events rather than from its nodes: that keeps duplicate keys visible, cannot be made to
recurse, and is several times as fast. What a configuration has no use for is refused here with its line: tags,
several documents, merge keys, keys that are no text. An alias shares its anchor's value, and a document is
refused when it would unfold beyond a number of values. What the keys mean is for others.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.core.model import Scalar

MAX_CHARACTERS = 32 * 1024 * 1024
MAX_VALUES = 3_000_000  # after unfolding aliases; a replication takes about 17
FEW_VALUES = 100_000  # of a file that is not made of thousands of entries
MAX_DEPTH = 32
MOST_MISTAKES = 20_000  # in one file: one for each entry and more can be told, and not one for each value
LONGEST_NUMBER = 40  # characters; what is longer is a text, or counting in sixties would take minutes

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONSTRUCTOR = SafeConstructor()
_CONSTRUCTED: Mapping[str, Callable[[yaml.ScalarNode], Any]] = MappingProxyType(
    {
        "tag:yaml.org,2002:null": lambda node: None,
        "tag:yaml.org,2002:bool": _CONSTRUCTOR.construct_yaml_bool,
        "tag:yaml.org,2002:int": _CONSTRUCTOR.construct_yaml_int,
        "tag:yaml.org,2002:float": _CONSTRUCTOR.construct_yaml_float,
    }
)
_RESOLVERS: Mapping[str, list[tuple[str, Any]]] = Resolver.yaml_implicit_resolvers


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar: what it means, and the text as typed. Dates stay text: no key of ours wants one."""

    line: int
    value: Scalar
    text: str


@dataclass(frozen=True, slots=True)
class Row:
    """A sequence."""

    line: int
    items: tuple[Node, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping; `lines` are those of the keys. A duplicate key keeps its first value."""

    line: int
    items: Mapping[str, Node]
    lines: Mapping[str, int]
    weight: int


Node = Leaf | Row | Table


@dataclass(frozen=True, slots=True)
class Document:
    """A file's content; `root` is None when it is empty."""

    root: Node | None
    findings: tuple[Finding, ...]


def parse(text: str, place: str, most_values: int = MAX_VALUES) -> Document:
    """Read one document of at most `most_values`, aliases unfolded; `place` names the file in findings.

    Duplicate keys and the like are told as findings beside the values, so that the caller can add its own;
    what cannot be read at all raises InvalidConfiguration.
    """
    if len(text) > MAX_CHARACTERS:
        raise refused(place, 1, "too large", f"at most {MAX_CHARACTERS // 1024**2} MiB")
    builder = _Builder(place, most_values)
    try:
        with uncollected():
            for event in yaml.parse(text, Loader=_LOADER):
                builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise refused(place, line, "not YAML", error.problem or "cannot be read") from None
    except yaml.YAMLError as error:
        line = text.count("\n", 0, getattr(error, "position", 0)) + 1
        raise refused(place, line, "not YAML", "holds a character that YAML does not allow") from None
    return Document(builder.root, tuple(builder.findings))


def plain(node: Node | None) -> Any:
    """The values alone, aliases unfolded."""
    if node is None or isinstance(node, Leaf):
        return node and node.value
    if isinstance(node, Row):
        return [plain(item) for item in node.items]
    return {key: plain(item) for key, item in node.items.items()}


def refused(place: str, line: int, what: str, allowed: str) -> InvalidConfiguration:
    """The error of a file that cannot be used at all."""
    return InvalidConfiguration(
        f"{place} cannot be read", findings=[Finding(f"{place}:{line}", what, allowed)]
    )


def too_many(place: str, line: int) -> InvalidConfiguration:
    """The error of a file that is made of mistakes; its line is where reading ended."""
    return refused(place, line, "too many mistakes", f"what is left after {MOST_MISTAKES} is not read")


@contextmanager
def uncollected() -> Iterator[None]:
    """Without the cyclic collector, which would search values again and again that all live on."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _Missing:
    """No key yet, or one that is dropped with its value."""


_AWAITED: Final = _Missing()
_DROPPED: Final = _Missing()


@dataclass(slots=True, eq=False)
class _Open:
    """A sequence or mapping whose end has not come."""

    line: int
    anchor: str | None
    is_table: bool
    rows: list[Node] = field(default_factory=list)
    items: dict[str, Node] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    key: str | _Missing = _AWAITED
    key_line: int = 0
    weight: int = 1

    def closed(self) -> Node:
        if self.is_table:
            return Table(self.line, self.items, self.lines, self.weight)
        return Row(self.line, tuple(self.rows), self.weight)


class _Builder:
    """Events in, a value out; never deeper than `MAX_DEPTH`, never wider than `most_values`."""

    def __init__(self, place: str, most_values: int) -> None:
        self.root: Node | None = None
        self.findings: list[Finding] = []
        self._place = place
        self._most_values = most_values
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._takers: dict[type, Callable[[Any], None]] = {
            yaml.ScalarEvent: self._scalar,
            yaml.AliasEvent: self._alias,
            yaml.SequenceStartEvent: self._start,
            yaml.MappingStartEvent: self._start,
            yaml.SequenceEndEvent: self._end,
            yaml.MappingEndEvent: self._end,
            yaml.DocumentStartEvent: self._document,
        }

    def take(self, event: yaml.Event) -> None:
        taker = self._takers.get(type(event))
        if taker is not None:
            taker(event)

    def _document(self, event: Any) -> None:
        self._documents += 1
        if self._documents > 1:
            raise refused(
                self._place, event.start_mark.line + 1, "a second document", "one document in a file"
            )

    def _scalar(self, event: Any) -> None:
        line = event.start_mark.line + 1
        text = event.value
        self._refuse_tag(event, line)
        leaf = Leaf(line, _meaning(text) if event.implicit[0] and not event.style else text, text)
        self._add(leaf, line, event.anchor)

    def _alias(self, event: Any) -> None:
        line = event.start_mark.line + 1
        node = self._anchors.get(event.anchor)
        if node is None:
            raise refused(self._place, line, "an alias without its anchor", "an anchor that stands before it")
        self._add(node, line, None)

    def _start(self, event: Any) -> None:
        line = event.start_mark.line + 1
        self._refuse_tag(event, line)
        if len(self._open) >= MAX_DEPTH:
            raise refused(self._place, line, "nested too deep", f"at most {MAX_DEPTH} levels")
        self._open.append(_Open(line, event.anchor, type(event) is yaml.MappingStartEvent))

    def _end(self, _event: Any) -> None:
        done = self._open.pop()
        self._add(done.closed(), done.line, done.anchor)

    def _add(self, node: Node, line: int, anchor: str | None) -> None:
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        parent = self._open[-1]
        parent.weight += 1 if isinstance(node, Leaf) else node.weight
        if parent.weight > self._most_values:
            allowed = f"at most {self._most_values}, aliases unfolded"
            raise refused(self._place, line, "too many values", allowed)
        if not parent.is_table:
            parent.rows.append(node)
        elif parent.key is _AWAITED:
            parent.key, parent.key_line = self._key(parent, node, line), line
        else:
            if isinstance(parent.key, str):
                parent.items[parent.key] = node
                parent.lines[parent.key] = parent.key_line
            parent.key = _AWAITED

    def _key(self, parent: _Open, node: Node, line: int) -> str | _Missing:
        key = node.value if isinstance(node, Leaf) else None
        if not isinstance(key, str):
            self._find(line, "a key that is no text", "a word; quote what reads as a number, yes, no or null")
        elif key == "<<":
            self._find(line, "a merge key", "every key written out")
        elif key in parent.items:
            allowed = f"each key once; line {parent.lines[key]} has it already"
            self._find(line, "a duplicate key", allowed)
        else:
            return key
        return _DROPPED

    def _find(self, line: int, what: str, allowed: str) -> None:
        if len(self.findings) >= MOST_MISTAKES:
            raise too_many(self._place, line)
        self.findings.append(Finding(f"{self._place}:{line}", what, allowed))

    def _refuse_tag(self, event: Any, line: int) -> None:
        if event.tag is not None and event.tag != "!":
            self._find(line, "a tag", "values without tags")


def _meaning(text: str) -> Scalar:
    """What a plain scalar stands for, by YAML 1.1 as PyYAML reads it."""
    if len(text) > LONGEST_NUMBER:
        return text
    for tag, pattern in _RESOLVERS.get(text[:1], ()):
        if pattern.match(text):
            construct = _CONSTRUCTED.get(tag)
            try:
                return construct(yaml.ScalarNode(tag, text)) if construct else text
            except ValueError:  # such as 0b_, or more digits than an int may have
                return text
    return text
