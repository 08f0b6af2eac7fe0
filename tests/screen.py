"""As much of a terminal as shells write on: a grid of characters, a cursor, and answers to what they ask of it."""

from __future__ import annotations

import re

COLUMNS, ROWS = 100, 40
SEQUENCE = re.compile(
    r"\x1b(?:\[([<=>?]?)([\d;:]*)[ !$']?([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|P[^\x1b]*\x1b\\|[()*+].|[=>78MDEHc])"
)
UNFINISHED = re.compile(r"\x1b(?:\[[<=>?]?[\d;:]*[ !$']?|\][^\x07\x1b]*\x1b?|P[^\x1b]*\x1b?|[()*+])?\Z")
ATTRIBUTES = "\x1b[?62c"


class Screen:
    """What stands on the terminal. `feed` returns what the terminal answers."""

    def __init__(self) -> None:
        self._rest = ""
        self.clear()

    def clear(self) -> None:
        self._rows = [[" "] * COLUMNS for _ in range(ROWS)]
        self._row = self._column = 0
        self._kept = (0, 0)

    @property
    def text(self) -> str:
        return "\n".join("".join(row).rstrip() for row in self._rows).rstrip()

    def feed(self, text: str) -> str:
        answers, text, at = "", self._rest + text, 0
        unfinished = UNFINISHED.search(text)
        end = unfinished.start() if unfinished else len(text)
        self._rest = text[end:]
        while at < end:
            found = SEQUENCE.match(text, at)
            if found is None:
                self._put(text[at])
                at += 1
            else:
                answers += self._obey(found)
                at = found.end()
        return answers

    def _put(self, character: str) -> None:
        if character == "\r":
            self._column = 0
        elif character == "\n":
            self._down()
        elif character == "\b":
            self._column = max(self._column - 1, 0)
        elif character == "\t":
            self._column = min(self._column // 8 * 8 + 8, COLUMNS - 1)
        elif character.isprintable():
            if self._column == COLUMNS:
                self._column = 0
                self._down()
            self._rows[self._row][self._column] = character
            self._column += 1

    def _down(self) -> None:
        if self._row == ROWS - 1:
            self._rows = [*self._rows[1:], [" "] * COLUMNS]
        else:
            self._row += 1

    def _obey(self, found: re.Match[str]) -> str:
        private, numbers, final = found.group(1), found.group(2), found.group(3)
        if final is None:
            self._obey_short(found.group()[1:])
            return ""
        first, *more = [int(each or 0) for each in re.split("[;:]", numbers or "")]
        if private:
            return ""
        if final == "c":
            return ATTRIBUTES
        if final == "n" and first == 6:
            return f"\x1b[{self._row + 1};{self._column + 1}R"
        self._move(final, first or 1, (more or [1])[0] or 1)
        self._change(final, first)
        return ""

    def _obey_short(self, what: str) -> None:
        if what == "7":
            self._kept = (self._row, self._column)
        elif what == "8":
            self._row, self._column = self._kept
        elif what == "M":
            self._row = max(self._row - 1, 0)
        elif what in ("D", "E"):
            self._down()

    def _move(self, final: str, first: int, second: int) -> None:
        by = {"A": (-first, 0), "B": (first, 0), "C": (0, first), "D": (0, -first)}
        if final in by:
            self._row += by[final][0]
            self._column += by[final][1]
        elif final == "G":
            self._column = first - 1
        elif final == "d":
            self._row = first - 1
        elif final in "Hf":
            self._row, self._column = first - 1, second - 1
        self._row = min(max(self._row, 0), ROWS - 1)
        self._column = min(max(self._column, 0), COLUMNS)

    def _change(self, final: str, first: int) -> None:
        row, column = self._rows[self._row], self._column
        if final == "K":
            begin, end = {0: (column, COLUMNS), 1: (0, column + 1), 2: (0, COLUMNS)}[first]
            row[begin:end] = [" "] * (end - begin)
        elif final == "J":
            self._change("K", first)
            rows = {0: range(self._row + 1, ROWS), 1: range(self._row), 2: range(ROWS)}.get(first, range(0))
            for each in rows:
                self._rows[each] = [" "] * COLUMNS
        elif final == "P":
            row[column:] = [*row[column + (first or 1) :], *[" "] * (first or 1)]
        elif final == "@":
            row[column:] = [*[" "] * (first or 1), *row[column:]][: COLUMNS - column]
        elif final == "X":
            row[column : column + (first or 1)] = [" "] * (first or 1)
