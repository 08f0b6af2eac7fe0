"""The history's hash chain, pure: how entries are sealed, and what no longer fits together.

One chain per replication. Each entry's hash covers the hash before it, its number and its text, so an edit, a
gap, an insertion or a new order shows. What a chain alone cannot show, a tail cut off with the head put back,
the anchors show: heads written down outside the database. Entries go only from the front, and the entry that
says so keeps the number and hash of the last one that went; a chain is checked from there on.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from replctl.core.journal import ChainFault
from replctl.core.values import dataclass

CHAIN_VERSION = "replctl history 1"
FIRST = 1
ENTRY_TYPES = (int, int, str, str)

Row = tuple[Any, ...]
Saying = tuple[int | None, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """One link: a transition, or (`marker` 1) the word that earlier entries were removed."""

    sequence: int
    marker: int
    body: str
    hash: str


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chain ends, and what the next entry follows."""

    sequence: int
    hash: str


@dataclass(frozen=True, slots=True)
class Anchor:
    """A head as it was written down outside the database, at `at` (epoch seconds)."""

    at: float
    replication: str
    sequence: int
    hash: str


def genesis(replication: str) -> Head:
    """What the first entry follows: bound to the name, so that a chain cannot pass for another's."""
    text = f"{CHAIN_VERSION}\n{replication}"
    return Head(FIRST - 1, hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest())


def seal(previous: str, sequence: int, body: str) -> str:
    text = f"{previous}\n{sequence}\n{body}"
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


def canonical(entry: Mapping[str, object]) -> str:
    """One text for one entry, whatever order its keys came in."""
    return json.dumps(entry, sort_keys=True, separators=(",", ":"))


def marker(replication: str, kind: str, gone: Head, at: float, who: str) -> str:
    """The entry that stands for those that were removed up to and with `gone`."""
    return canonical(
        {
            "marker": kind,
            "replication": replication,
            "through": gone.sequence,
            "hash": gone.hash,
            "at": at,
            "who": who,
        }
    )


def faults(
    replication: str, rows: Sequence[Row], head: Row | None, anchors: Sequence[Anchor]
) -> list[ChainFault]:
    """Everything about this chain that does not say what was written.

    `rows` are the entries by number, oldest first, and `head` the record of where the chain ends, both as they
    lie in the database: SQLite lets anything lie there, so nothing is believed unchecked.
    """
    entries = well_formed(rows)
    sayings = [
        *((None, "an entry holds what none can hold") for _ in rows[len(entries) :]),
        *_walk(replication, entries),
        *_compare_head(entries, head),
        *_compare_anchors(entries, anchors),
    ]
    return [ChainFault(replication=replication, sequence=number, fault=fault) for number, fault in sayings]


def well_formed(rows: Sequence[Row]) -> list[Entry]:
    """The rows that can be entries at all."""
    return [Entry(*row) for row in rows if tuple(map(type, row)) == ENTRY_TYPES]


def unproven(entries: Sequence[Entry], anchors: Sequence[Anchor]) -> str:
    """What checking cannot show about this chain: what lies outside its hashes and its anchors."""
    gone = floor(entries)
    covered = max((anchor.sequence for anchor in anchors), default=FIRST - 1)
    open_ended = sum(entry.sequence > covered for entry in entries)
    since = f"after entry {covered}, the last one anchored," if anchors else "nothing is anchored yet:"
    sentences = [
        f"{since} {open_ended or 'no'} {'entry' if open_ended < 2 else 'entries'} can be seen,"
        " and any number may have been rewritten or cut off",
        "whoever can write the database and the anchors both can forge all of it: compare the lines in the log",
    ]
    if gone is not None:
        sentences.insert(
            0, f"entries up to {gone.sequence} were removed: the last one's hash is all that is known"
        )
    return "; ".join(sentences)


def floor(entries: Sequence[Entry]) -> Head | None:
    """The last entry that was removed on the record, by the newest entry that says so; None: none was."""
    for entry in reversed(entries):
        said = _read(entry.body)
        if "marker" in said:
            through, known = said.get("through"), said.get("hash")
            return Head(through, known) if isinstance(through, int) and isinstance(known, str) else None
    return None


def _walk(replication: str, entries: Sequence[Entry]) -> Iterator[Saying]:
    before = floor(entries) or genesis(replication)
    expected, previous = before.sequence + 1, before.hash
    for entry in entries:
        if entry.sequence < expected:
            yield entry.sequence, "it stands before the entries that were removed on the record"
            continue
        if entry.sequence > expected:
            yield expected, _missing(expected, entry.sequence - 1)
        elif entry.hash != seal(previous, entry.sequence, entry.body):
            yield entry.sequence, "it does not follow from the entry before it: one of the two was changed"
        yield from ((entry.sequence, fault) for fault in _misplaced(replication, entry))
        expected, previous = entry.sequence + 1, entry.hash


def _misplaced(replication: str, entry: Entry) -> Iterator[str]:
    said = _read(entry.body)
    if said.get("replication") != replication:
        yield "it speaks of another replication"
    if entry.marker != int("marker" in said):
        yield "its kind was changed"


def _compare_head(entries: Sequence[Entry], head: Row | None) -> Iterator[Saying]:
    if not entries:
        if head is not None:
            yield None, "all entries are missing"
        return
    last = entries[-1]
    if head is None:
        yield last.sequence, "the record of where the chain ends is missing"
    elif type(head[0]) is int and head[0] > last.sequence:
        yield last.sequence + 1, _missing(last.sequence + 1, head[0])
    elif head != (last.sequence, last.hash):
        yield last.sequence, "the chain does not end where its record says"


def _compare_anchors(entries: Sequence[Entry], anchors: Sequence[Anchor]) -> Iterator[Saying]:
    known = {entry.sequence: entry.hash for entry in entries}
    gone = floor(entries)
    if gone is not None:
        known.setdefault(gone.sequence, gone.hash)
    for anchor in sorted(anchors, key=lambda anchor: anchor.sequence):
        present = known.get(anchor.sequence)
        if present is None and gone is not None and anchor.sequence < gone.sequence:
            continue
        if present is None:
            yield anchor.sequence, "it was anchored and is missing"
            return
        if present != anchor.hash:
            yield anchor.sequence, "its hash is not the anchored one: it or entries before it were rewritten"
            return  # everything after it differs too


def _missing(first: int, last: int) -> str:
    return f"entry {first} is missing" if first == last else f"entries {first} to {last} are missing"


def _read(body: object) -> Mapping[str, object]:
    try:
        said = json.loads(body) if isinstance(body, str) else None
    except (ValueError, RecursionError):
        said = None
    return said if isinstance(said, dict) else {}
