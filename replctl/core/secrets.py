"""Values that do not print, and the removal of known ones from any text.

A `Secret` is what a password is from the moment it is read until it is put into a request. `Secrets` knows the
values in use and takes them out of texts that others made: log records, and what a backend says about an error.
"""

from __future__ import annotations

import base64
import json
from typing import NoReturn, Self
from urllib.parse import quote, quote_plus

MASK = "********"
MOST_PASSING = 256  # values; each is searched for in every text that is to be shown
TELLING_LINE_CHARACTERS = 16  # of a key in PEM, which is never seen whole where it is cut into lines
SHORTEST_CHARACTERS = 4  # shorter ones occur in ordinary words; replacing them would say what they are


class Secret:
    """A value that prints as stars, whichever way it is printed, and that neither pickles nor serializes."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """The value itself, for the one place that sends it."""
        return self.__value

    def __bool__(self) -> bool:
        return bool(self.__value)

    def __repr__(self) -> str:
        return MASK

    def __format__(self, specification: str) -> str:
        return format(MASK, specification)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.__value == other.__value

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")

    def __getstate__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


class Passing(Secret):
    """One that is replaced again and again, such as a session's: of these the last ones are known."""

    __slots__ = ()


class Secrets:
    """The secret values in use, in the spellings in which they travel: plain, URL-quoted, JSON, Basic."""

    def __init__(self) -> None:
        self._known: dict[
            str, tuple[bool, frozenset[str]]
        ] = {}  # value: whether it passes, and its spellings
        self._spellings: tuple[str, ...] = ()

    def add(self, secret: Secret | str, username: str | None = None) -> None:
        """Know one more; with `username` its HTTP Basic form too. One too short to be told apart is left out."""
        value = secret.reveal() if isinstance(secret, Secret) else secret
        if len(value) < SHORTEST_CHARACTERS:
            return
        was_passing, before = self._known.pop(value, (True, frozenset()))
        passes = isinstance(secret, Passing) and was_passing
        spellings = before | _spellings(value, username)
        self._known[value] = passes, spellings  # at the end: the last that was heard of
        if spellings == before:
            return
        passing = [each for each, (goes, _) in list(self._known.items()) if goes]
        for old in passing[:-MOST_PASSING]:
            self._known.pop(old, None)
        self._spell()

    def _spell(self) -> None:
        """Longest first, so that one value inside another leaves no rest; a new tuple, so that readers need no lock.

        Done again where another thread added one meanwhile.
        """
        known: list[tuple[bool, frozenset[str]]] | None = None
        while known != (now := list(self._known.values())):
            known = now
            spelled = frozenset().union(*(spellings for _, spellings in known))
            self._spellings = tuple(sorted(spelled, key=lambda spelling: (-len(spelling), spelling)))

    def redact(self, text: str) -> str:
        """The text with every known secret replaced by stars."""
        for spelling in self._spellings:
            if spelling in text:
                text = text.replace(spelling, MASK)
        return text


def _spellings(value: str, username: str | None) -> frozenset[str]:
    lines = {line for line in value.splitlines() if len(line) >= TELLING_LINE_CHARACTERS and "--" not in line}
    found = {value, *lines, quote(value, safe=""), quote(value), quote_plus(value)}
    found |= {json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1]}
    if username is not None:
        found.add(base64.b64encode(f"{username}:{value}".encode()).decode())
    return frozenset(found)
