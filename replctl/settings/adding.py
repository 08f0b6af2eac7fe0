"""Adding entries to the desired-state file as text, with all that stands there kept to the byte (design §8).

Comments, order, quotes and line ends are the author's; new entries stand behind the last one, in the form that the
documentation shows. What comes of it is read as the file will be, and must be the old entries and the new ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from replctl.core.errors import InvalidConfiguration
from replctl.core.model import End, Replication
from replctl.settings.desired import Replications, parse_replications
from replctl.settings.editing import BOM, Edit, NotEditable, text_of

LIST = "replications"
HIGHEST_SHORT = 0xFFFF  # what four digits can say
DEPTH = 2  # of the list: in the table that the file is
HEAD = f"{LIST}:\n"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN = re.compile(r"[a-z][-a-z0-9._]*")  # what YAML takes as a text and nothing else …
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})  # … but for these


def added(known: Replications, entries: Sequence[Replication], path: Path | None = None) -> Edit:
    """What these entries make of the file as it is now; `path` is where it shall be written, if not in its place.

    Raises NotEditable where the text leaves no place that is clearly theirs, or is not any more what is known.
    """
    before = text_of(known.path, known.shown) if has_text(known.path) else ""
    bare = before.removeprefix(BOM)
    after = before[: len(before) - len(bare)] + _with(bare, entries, known.shown)
    _refuse_other_changes(known, after, entries)
    if path is None or path == known.path:
        return Edit(known.path, known.shown, before, after)
    return Edit(path, str(path), text_of(path, str(path)) if has_text(path) else "", after)


def has_text(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


def _with(text: str, entries: Sequence[Replication], shown: str) -> str:
    if not entries:
        return text
    place = _place(text)
    newline = "\r\n" if "\r\n" in text else "\n"
    if place is None:
        if text.strip():
            raise NotEditable(f"{shown}: there is no place for entries in it", remedy="write them by hand")
        return text + (HEAD + _block(entries, 0)).replace("\n", newline)
    return place.with_entries(text, entries, newline)


@dataclass(frozen=True, slots=True)
class _Place:
    """The list of entries in the text: where it begins and ends, and where its last entry does; None without one."""

    begin: int
    end: int
    column: int
    flow: bool
    last: int | None

    def with_entries(self, text: str, entries: Sequence[Replication], newline: str) -> str:
        if self.flow and self.last is not None:
            lines = "".join(f",\n{_in_json(each)}" for each in entries).replace("\n", newline)
            return text[: self.last] + lines + text[self.last :]
        if self.last is None:  # `[]`: what stands behind it on the line may be a comment
            text = text[: self.begin].rstrip(" ") + text[self.end :]
            at, column = _line_end(text, len(text[: self.begin].rstrip(" "))), 0
        else:
            at, column = _line_end(text, self.last), self.column
        head = text[:at] if text[:at].endswith("\n") else text[:at] + newline
        return head + _block(entries, column).replace("\n", newline) + text[at:]


def _line_end(text: str, at: int) -> int:
    """Behind the line that `at` is in; `at` itself where a line ends just before, as after a block of text."""
    if at and text[at - 1] == "\n":
        return at
    found = text.find("\n", at)
    return len(text) if found < 0 else found + 1


def _place(text: str) -> _Place | None:
    """Where the list stands, by YAML's own events: an alias counts where it stands, not where it leads."""
    key, list_begins, last = "", None, None
    flows: list[bool] = []
    for event in yaml.parse(text, Loader=_LOADER):
        begins, ends = _marks(event)
        if isinstance(event, yaml.CollectionStartEvent):
            flows.append(bool(event.flow_style))
            if len(flows) == DEPTH and key == LIST and isinstance(event, yaml.SequenceStartEvent):
                list_begins, last = begins, None
        elif isinstance(event, yaml.CollectionEndEvent):
            flow = flows.pop()
            if list_begins is not None and len(flows) < DEPTH:
                return _Place(list_begins.index, ends.index, list_begins.column, flow, last)
            last = ends.index if flow else last  # the end of a block is where the next thing begins
        elif isinstance(event, yaml.ScalarEvent | yaml.AliasEvent):
            key = getattr(event, "value", "") if len(flows) < DEPTH else key
            last = ends.index
    return None


def _marks(event: Any) -> tuple[Any, Any]:
    return event.start_mark, event.end_mark


# -- entries as text -------------------------------------------------------------------------------------------


def _block(entries: Iterable[Replication], column: int) -> str:
    indent = " " * column
    return "".join(f"{indent}{line}\n" for each in entries for line in _lines(each))


def _lines(entry: Replication) -> Iterator[str]:
    lead = "- "
    for key, value in _values(entry):
        shown = _flow(value) if isinstance(value, dict) else _word(value)
        yield f"{lead}{key}: {shown}"
        lead = "  "


def _values(entry: Replication) -> Iterator[tuple[str, str | dict[str, str]]]:
    yield "namespace", entry.namespace
    yield "name", entry.name
    yield "state", entry.desired_state.value
    if entry.mode is not None:
        yield "mode", entry.mode.value
    yield "local", _end(entry.local)
    yield "peer", _end(entry.peer)


def _end(end: End) -> dict[str, str]:
    return {"backend": end.backend, **end.words}


def _flow(table: dict[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {_word(value)}" for key, value in table.items()) + "}"


def _word(text: str) -> str:
    """As one would write it; in quotes what YAML would take for something else."""
    plain = _PLAIN.fullmatch(text) is not None and text not in _WORDS
    return text if plain else _quoted(text)


def _in_json(entry: Replication) -> str:
    return _quoted(dict(_values(entry)))


def _quoted(value: object) -> str:
    """In JSON, which is YAML too; what would move a terminal's cursor, or turn its letters around, is escaped."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    number = ord(character)
    return f"\\u{number:04x}" if number <= HIGHEST_SHORT else f"\\U{number:08x}"


def _refuse_other_changes(known: Replications, after: str, entries: Sequence[Replication]) -> None:
    """The old entries as they were and the new ones as meant, whatever the author did with anchors and aliases."""
    unclear = f"{known.shown}: new entries cannot be put behind the others"
    try:
        new = parse_replications(
            after.removeprefix(BOM) or f"{LIST}: []", known.path, known.kinds, known.shown
        )
    except InvalidConfiguration as error:
        raise NotEditable(unclear, remedy="write them by hand") from error
    same = all(new.entries.get(key) == entry for key, entry in known.entries.items())
    meant = all(new.get(each.key) == each for each in entries)
    if not (same and meant and len(new) == len(known) + len(entries)) or new.group_hooks != known.group_hooks:
        raise NotEditable(unclear, remedy="write them by hand")
