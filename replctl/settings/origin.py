"""Where a value came from, and how the layers lie over one another: flag > environment > file > default.

Values are plain tables by path; each path remembers who set it last, which is what `config show --origin`
prints and what a mistake is placed by. A secret's source is taken whole from one layer: parts of two sources
would contradict each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from replctl.core.errors import Finding
from replctl.core.values import dataclass

Path = tuple[str, ...]
MOST_TOLD = (
    100  # mistakes of a configuration, which is short; one that is made of them would take minutes to word
)
HIDDEN_KEY = "password"  # what lies at or beneath such a key is never shown


class OriginKind(StrEnum):
    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Origin:
    """Who set a value: a flag or variable by name, or a file by name and line."""

    kind: OriginKind
    name: str = ""
    line: int | None = None

    def __str__(self) -> str:
        if self.kind is OriginKind.DEFAULT:
            return "default"
        if self.kind is OriginKind.FILE:
            return f"{self.name}:{self.line}"
        return f"{self.kind.value} {self.name}"


DEFAULT = Origin(OriginKind.DEFAULT)


class Typed(str):
    """A text from a flag or a variable, which becomes a number or a truth where one is wanted.

    In a file the type is written; there `"8"` is no number.
    """

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Notice:
    """Nothing wrong, but worth saying: where, and what."""

    place: str
    message: str

    def __str__(self) -> str:
        return f"{self.place}: {self.message}"


@dataclass(frozen=True, slots=True)
class Setting:
    """One value of one layer."""

    path: Path
    value: Any
    origin: Origin


@dataclass(slots=True)
class Layers:
    """The values so far, as one table, and who set each path. Lay the weakest layer first."""

    values: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path, Origin] = field(default_factory=dict)

    def lay(self, layer: Iterable[Setting]) -> None:
        replaced: set[Path] = set()
        for setting in layer:
            whole = _whole(setting.path)
            if whole is not None and whole not in replaced:
                self._drop(whole)
                replaced.add(whole)
            self._set(setting)

    def origin(self, path: Path) -> Origin:
        """Who set the value at the path or a part of it, or the nearest table around it."""
        for length in range(len(path), -1, -1):
            if (found := self.set_by(path[:length])) is not DEFAULT:
                return found
        return DEFAULT

    def set_by(self, path: Path) -> Origin:
        """Who set exactly this value, or a part of it; the default when nobody did."""
        parts = (origin for known, origin in self.origins.items() if known[: len(path)] == path)
        return self.origins.get(path) or next(parts, DEFAULT)

    def place(self, path: Path) -> str:
        """Where a finding about the path points to: `config.yaml:7: backends.west.url`."""
        origin = self.origin(path)
        where = "" if origin is DEFAULT else f"{origin}: "
        return where + ".".join(path)

    def finding(self, path: Path, value: str, allowed: str) -> Finding:
        return Finding(self.place(path).removesuffix(": "), value, allowed)

    def _set(self, setting: Setting) -> None:
        table = self.values
        for key in setting.path[:-1]:
            inner = table.setdefault(key, {})
            if not isinstance(inner, dict):
                return  # a weaker layer has something else here, and that is the mistake to tell
            table = inner
        if isinstance(setting.value, Mapping):
            _open(table, setting.path)
        elif setting.path:
            table[setting.path[-1]] = setting.value
        self.origins[setting.path] = setting.origin

    def _drop(self, path: Path) -> None:
        table: Any = self.values
        for key in path[:-1]:
            table = table.get(key) if isinstance(table, dict) else None
        if isinstance(table, dict) and path[-1] in table:
            del table[path[-1]]
            for known in [known for known in self.origins if known[: len(path)] == path]:
                del self.origins[known]


def _open(table: dict[str, Any], path: Path) -> None:
    """Make sure that there is a table; one that a weaker layer began is added to."""
    if path and not isinstance(table.get(path[-1]), dict):
        table[path[-1]] = {}


def _whole(path: Path) -> Path | None:
    return path[: path.index(HIDDEN_KEY) + 1] if HIDDEN_KEY in path else None


def is_secret(path: Path) -> bool:
    """Whether what stands at the path must not be shown."""
    return HIDDEN_KEY in path


def counted(shown: str, count: int) -> str:
    """The headline over a file's findings."""
    return f"{shown}: {count} {'mistake' if count == 1 else 'mistakes'}"


def in_order(found: Iterable[Finding], shown: str) -> list[Finding]:
    """Findings by line of the file, then those that stand elsewhere."""
    return sorted(found, key=lambda finding: _line(finding.place, shown))


def _line(place: str, shown: str) -> float:
    number, _, _ = place.removeprefix(f"{shown}:").partition(":")
    return int(number) if place.startswith(f"{shown}:") and number.isdecimal() else float("inf")
