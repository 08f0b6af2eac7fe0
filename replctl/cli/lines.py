"""Text with meaning: spans that name a role, lines of spans, and tables laid out for a width.

Screens are made of these so that they can be tested as plain text. Nothing here knows a terminal, a stream or a
colour: `output` turns roles into colours and is the one place that makes foreign text harmless.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

GAP = "  "
NARROWEST_TEXT = 20
WIDEST_COLUMN = 300  # characters; a longer cell stands out of line, or each row would be padded to its length
UNLIMITED = 100_000  # columns, for a pipe
NARROWEST_NAME = 16  # columns; a name that is cut to fewer says nothing
CUT = "…"
_WORDS = re.compile(r"\s+|\S+")
_ZERO_WIDTH = frozenset({"Mn", "Me", "Cf"})


class Role(StrEnum):
    """What a span means; never a colour."""

    PLAIN = "plain"
    STRONG = "strong"
    DIM = "dim"
    GOOD = "good"
    BUSY = "busy"
    WARN = "warn"
    BAD = "bad"
    TYPE = "type"  # something to type


class Span(NamedTuple):
    text: str
    role: Role = Role.PLAIN


Line = tuple[Span, ...]
BLANK: Line = ()


def line(*parts: str | Span) -> Line:
    """One line; bare strings are plain."""
    return tuple(part if isinstance(part, Span) else Span(part) for part in parts if part)


def strong(text: str) -> Span:
    return Span(text, Role.STRONG)


def plural(count: int, noun: str) -> str:
    """So many of them, in words: `1 replication`, `3 replications`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def dim(text: str) -> Span:
    return Span(text, Role.DIM)


def columns(text: str) -> int:
    """How many columns of a terminal the text takes: two for what is written wide, none for what combines."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width

    wide = sum(east_asian_width(letter) in "WF" for letter in text)
    return len(text) + wide - sum(category(letter) in _ZERO_WIDTH for letter in text)


def length(of: Line) -> int:
    return sum(columns(span.text) for span in of)


def plain(lines: Iterable[Line]) -> str:
    """The lines without their roles, each ended by a newline."""
    return "".join("".join(span.text for span in each).rstrip() + "\n" for each in lines)


def wrapped(
    text: str, width: int, *, first: Line = (), indent: int = 0, role: Role = Role.PLAIN
) -> list[Line]:
    """`text` after `first`, broken at words to `width`; what does not fit stands `indent` deep.

    A word is never broken: it may be a name, or something to type.
    """
    room = max(NARROWEST_TEXT, width)
    pieces = _broken(text, room - length(first), room - indent)
    if not pieces:
        return [first]
    head = (*first, Span(pieces[0], role)) if pieces[0] else first
    return [head, *(line(" " * indent, Span(piece, role)) for piece in pieces[1:])]


def _broken(text: str, first: int, rest: int) -> list[str]:
    """The text in pieces of so many columns; the first is empty where its first word fits below alone."""
    pieces: list[str] = []
    piece: list[str] = []
    used, room, gap = 0, first, ""
    for word in _WORDS.findall(text):
        if word.isspace():
            gap = word if word.isprintable() else " "
            continue
        wide, blank = columns(word), gap if piece else ""
        if used + len(blank) + wide > room and (piece or (not pieces and wide <= rest)):
            pieces.append("".join(piece))
            piece, used, room, blank = [], 0, rest, ""
        piece += [blank, word]
        used += len(blank) + wide
    return [*pieces, "".join(piece)] if piece else pieces


def flowed(
    parts: Iterable[Line], width: int, *, first: Line = (), indent: int = 0, between: str = ", "
) -> list[Line]:
    """Parts one after the other; a line is only broken between two of them."""
    lines: list[Line] = []
    made, at_start = first, True
    room = width - len(between.rstrip())
    for part in parts:
        if not at_start and length(made) + len(between) + length(part) > room:
            lines.append((*made, Span(between.rstrip(), part[0].role)))
            made, at_start = line(" " * indent), True
        made = (*made, *part) if at_start else (*made, Span(between, part[0].role), *part)
        at_start = False
    return [*lines, made]


def cropped(of: Line, width: int) -> Line:
    """As much of a line as no terminal of this width wraps."""
    if length(of) <= width:
        return of
    kept: list[Span] = []
    room = width - len(CUT)
    for span in of:
        text = _beginning(span.text, room)
        kept.append(Span(text, span.role))
        room -= columns(text)
        if text != span.text:
            break
    return (*kept, Span(CUT, kept[-1].role))


def _beginning(text: str, room: int) -> str:
    """As many of the first letters as have room."""
    if text.isascii():
        return text[:room]
    used = 0
    for at, letter in enumerate(text):
        used += columns(letter)
        if used > room:
            return text[:at]
    return text


def abridged(key: str, room: int) -> str:
    """A name of so many columns at most, cut in its middle: the namespace first, the name itself if it must be."""
    if columns(key) <= room:
        return key
    namespace, slash, name = key.partition("/")
    left = room - columns(slash + name)
    if slash and left >= NARROWEST_NAME // 4:
        return f"{_middle_cut(namespace, left)}{slash}{name}"
    return _middle_cut(key, room)


def _middle_cut(text: str, room: int) -> str:
    head = _beginning(text, room // 2)
    tail = _beginning(text[::-1], room - len(CUT) - columns(head))
    return f"{head}{CUT}{tail[::-1]}"


@dataclass(frozen=True, slots=True)
class Row:
    """Cells of one row, and a remark that stands under it when the table has no room beside it."""

    cells: tuple[Span, ...]
    remark: Span | None = None


def table(
    headers: Sequence[str],
    rows: Sequence[Row],
    width: int | None,
    *,
    remark: str = "",
    dispensable: bool = False,
    gives_way: Sequence[str] = (),
) -> list[Line]:
    """Columns as wide as their widest cell; the remarks as last column where each fits there, else under their rows.

    A remark that is `dispensable` is left out where it does not fit. Columns that `gives_way` names are left out one
    after the other while all have no room; what has none even then is told row by row, cells with their headers.

    `width` None means unlimited (a pipe): nothing is wrapped, every row is one line. No cell is ever cut: a
    name that one cannot copy is worth nothing.
    """
    headers, rows = fitted(headers, rows, width, gives_way)
    widths = _widths(headers, rows)
    if not fits(headers, rows, width):
        assert width is not None
        return [each for row in rows for each in _told_apart(headers, row, width, dispensable)]
    widths = [min(each, WIDEST_COLUMN) for each in widths]
    beside = bool(remark) and fits_beside(headers, rows, width, remark)
    titles = [*headers, remark] if beside else list(headers)
    lines = [_header(titles, widths)]
    for row in rows:
        if dispensable and not beside:
            row = Row(row.cells)
        lines.extend(_row(row, widths, width, beside=beside))
    return lines


def fitted(
    headers: Sequence[str],
    rows: Sequence[Row],
    width: int | None,
    gives_way: Sequence[str],
    abridge: Callable[[str, int], str] | None = None,
) -> tuple[Sequence[str], Sequence[Row]]:
    """What of a table has room: without columns that give way, and at last with the names in the first one shorter.

    Names are shortened by `abridge`, and only where they still tell the rows apart.
    """
    if width is None:
        return headers, rows
    for header in gives_way:
        if fits(headers, rows, width):
            return headers, rows
        if header in headers:
            at = list(headers).index(header)
            headers = _without(headers, at)
            rows = [Row(tuple(_without(row.cells, at)), row.remark) for row in rows]
    excess = _used(_widths(headers, rows)) - width
    if abridge is None or excess <= 0:
        return headers, rows
    return headers, _abridged(rows, max(columns(row.cells[0].text) for row in rows) - excess, abridge)


def fits(headers: Sequence[str], rows: Sequence[Row], width: int | None) -> bool:
    return width is None or _used(_widths(headers, rows)) <= width


def fits_beside(headers: Sequence[str], rows: Sequence[Row], width: int | None, title: str) -> bool:
    """Whether every remark has room at the end of its row, on one line, and their title above them."""
    if width is None:
        return True
    room = width - _used(_widths(headers, rows)) - len(GAP)
    remarks = [title, *(row.remark.text for row in rows if row.remark is not None)]
    return all(columns(each) <= room for each in remarks)


def _without(of: Sequence[Any], at: int) -> list[Any]:
    return [*of[:at], *of[at + 1 :]]


def _abridged(rows: Sequence[Row], room: int, abridge: Callable[[str, int], str]) -> Sequence[Row]:
    if room < NARROWEST_NAME:
        return rows
    names = [abridge(row.cells[0].text, room) for row in rows]
    if len(set(names)) < len({row.cells[0].text for row in rows}):
        return rows
    pairs = zip(rows, names, strict=True)
    return [Row((Span(name, row.cells[0].role), *row.cells[1:]), row.remark) for row, name in pairs]


def _widths(headers: Sequence[str], rows: Sequence[Row]) -> list[int]:
    return [
        max([len(head), *(columns(row.cells[at].text) for row in rows)]) for at, head in enumerate(headers)
    ]


def _used(widths: Sequence[int]) -> int:
    return sum(widths) + len(GAP) * (len(widths) - 1)


def _header(titles: Sequence[str], widths: Sequence[int]) -> Line:
    spread = [title.ljust(widths[at]) if at < len(widths) else title for at, title in enumerate(titles)]
    return (Span(GAP.join(spread).rstrip(), Role.DIM),)


def _row(row: Row, widths: Sequence[int], width: int | None, *, beside: bool) -> list[Line]:
    spans: list[Span] = []
    for cell, wide in zip(row.cells, widths, strict=True):
        spans.append(cell)
        spans.append(Span(" " * (wide - columns(cell.text)) + GAP))
    if row.remark is None or not row.remark.text:
        return [tuple(spans)]
    if beside:
        return [(*spans, row.remark)]
    return [tuple(spans), *_under(row.remark, width)]


def _under(remark: Span, width: int | None) -> list[Line]:
    return wrapped(remark.text, width or len(remark.text) + 4, first=line("    "), indent=4, role=remark.role)


def _told_apart(headers: Sequence[str], row: Row, width: int, dispensable: bool) -> list[Line]:
    """A row that is wider than the terminal: its cells with their headers, on as many lines as they need."""
    name, *cells = row.cells
    parts = [line(dim(f"{header.lower()} "), cell) for header, cell in zip(headers[1:], cells, strict=True)]
    lines = flowed(parts, width, first=line(name, GAP), indent=4, between=GAP)
    if row.remark is None or not row.remark.text or dispensable:
        return lines
    return [*lines, *_under(row.remark, width)]
