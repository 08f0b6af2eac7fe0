"""What names of ends were found to mean, kept between processes to spare the next one the question (design §12).

A help, never a proof: what is kept is believed for the discovery's time to live by looks that only show, and is
confirmed by id before a change. Both ways are best effort: a store that does not answer remembers nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from replctl.core.errors import ReplctlError
from replctl.core.model import End


@dataclass(frozen=True, slots=True)
class Known:
    """The ids that a name stood for, and when it was last seen to; on our clock, seconds since the epoch."""

    resource: str
    session: str | None
    confirmed_at: float


class Names(Protocol):
    """Where a driver keeps what it found; `None` is kept for a name that no longer means what it did."""

    def recall(self, ends: Collection[End]) -> Mapping[End, Known]: ...
    def keep(self, found: Mapping[End, Known | None]) -> None: ...


class NameStore(Protocol):
    """The part of the store that names need; its reader may raise ReplctlError."""

    def is_there(self) -> bool: ...
    def names(self, subjects: Collection[str]) -> Mapping[str, str]: ...
    def remember_names(self, names: Mapping[str, str | None]) -> None: ...


class NoNames:
    """Remembers nothing."""

    def recall(self, ends: Collection[End]) -> Mapping[End, Known]:
        return {}

    def keep(self, found: Mapping[End, Known | None]) -> None: ...


class KeptNames:
    """Names in the store, by the words that the file has for an end: other words begin anew."""

    def __init__(self, store: NameStore) -> None:
        self._store = store

    def recall(self, ends: Collection[End]) -> Mapping[End, Known]:
        by_words = {str(end): end for end in ends}
        found: dict[End, Known] = {}
        with suppress(ReplctlError):
            for words, text in self._store.names(by_words).items():
                # what cannot be understood is not known
                with suppress(ValueError, TypeError, RecursionError):
                    resource, session, confirmed_at = json.loads(text)
                    found[by_words[words]] = Known(resource, session, float(confirmed_at))
        return found

    def keep(self, found: Mapping[End, Known | None]) -> None:
        texts = {
            str(end): json.dumps([known.resource, known.session, known.confirmed_at]) if known else None
            for end, known in found.items()
        }
        if not self._store.is_there():
            return  # who only looks makes no store: it may be another user's to make
        if texts:
            self._store.remember_names(texts)
