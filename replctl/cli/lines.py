"""Text with meaning: spans that name a role, lines of spans, and tables laid out for a width.

Screens are made of these so that they can be tested as plain text. Nothing here knows a terminal, a stream or a
colour: `output` turns roles into colours and is the one place that makes foreign text harmless.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

GAP = "  "
NARROWEST_TEXT = 20
WIDEST_COLUMN = 300  # characters; a longer cell stands out of line, or each row would be padded to its length


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


def dim(text: str) -> Span:
    return Span(text, Role.DIM)


def length(of: Line) -> int:
    return sum(len(span.text) for span in of)


def plain(lines: Iterable[Line]) -> str:
    """The lines without their roles, each ended by a newline."""
    return "".join("".join(span.text for span in each).rstrip() + "\n" for each in lines)


def wrapped(
    text: str, width: int, *, first: Line = (), indent: int = 0, role: Role = Role.PLAIN
) -> list[Line]:
    """`text` after `first`, broken at words to `width`; what does not fit stands `indent` deep."""
    room = max(NARROWEST_TEXT, width)
    pieces = textwrap.wrap(
        text,
        room,
        initial_indent=" " * length(first),
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
    if not pieces:
        return [first]
    head = (*first, Span(pieces[0][length(first) :], role))
    return [head, *(line(" " * indent, Span(piece[indent:], role)) for piece in pieces[1:])]


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
) -> list[Line]:
    """Columns as wide as their widest cell; the remark as last column if it fits, else under its row.

    A remark that is `dispensable` is left out where it does not fit.

    `width` None means unlimited (a pipe): nothing is wrapped, every row is one line. No cell is ever cut: a
    name that one cannot copy is worth nothing.
    """
    longest = [
        max([len(head), *(len(row.cells[at].text) for row in rows)]) for at, head in enumerate(headers)
    ]
    widths = [min(each, WIDEST_COLUMN) for each in longest]
    used = sum(widths) + len(GAP) * len(widths)
    beside = bool(remark) and (width is None or width - used >= NARROWEST_TEXT)
    titles = [*headers, remark] if beside else list(headers)
    lines = [_header(titles, widths)]
    for row in rows:
        if dispensable and not beside:
            row = Row(row.cells)
        lines.extend(_row(row, widths, used if beside else None, width))
    return lines


def _header(titles: Sequence[str], widths: Sequence[int]) -> Line:
    padded = [title.ljust(widths[at]) if at < len(widths) else title for at, title in enumerate(titles)]
    return (Span(GAP.join(padded).rstrip(), Role.DIM),)


def _row(row: Row, widths: Sequence[int], column: int | None, width: int | None) -> list[Line]:
    spans: list[Span] = []
    for cell, wide in zip(row.cells, widths, strict=True):
        spans.append(cell)
        spans.append(Span(" " * (wide - len(cell.text)) + GAP))
    if row.remark is None or not row.remark.text:
        return [tuple(spans)]
    if column is None:
        return [tuple(spans), *_under(row.remark, width)]
    if width is None:
        return [(*spans, row.remark)]
    return wrapped(row.remark.text, width, first=tuple(spans), indent=column, role=row.remark.role)


def _under(remark: Span, width: int | None) -> list[Line]:
    return wrapped(remark.text, width or len(remark.text) + 4, first=line("    "), indent=4, role=remark.role)
