"""The history as it lies in the database: adding to the chains, showing, letting go, verifying.

What a chain is and when it is broken is `chain`; that heads are written down outside the database too is
`anchors`. Nothing here changes an entry: entries are added at the end and go from the front, on the record.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from heapq import merge
from typing import cast

from replctl.core.errors import StoreRefused
from replctl.core.journal import ChainFault, TransitionRecord
from replctl.core.model import State
from replctl.store import anchors, chain, records
from replctl.store.chain import Anchor, Head
from replctl.store.database import NOT_WRITTEN, Backed, Connection

DAY_SECONDS = 86400.0
REMOVAL_INTERVAL_SECONDS = DAY_SECONDS  # old entries go at most once a day, with one entry that says so
HISTORY_SHOWN = 100

_ENTRIES = "SELECT sequence, marker, body, hash FROM history WHERE replication = ? ORDER BY sequence"
_HEAD = "SELECT sequence, hash FROM chains WHERE replication = ?"
_LAST = (
    "SELECT sequence, hash FROM history WHERE replication = ? AND typeof(sequence) = 'integer'"
    " ORDER BY sequence DESC LIMIT 1"
)
_NAMES = "SELECT replication FROM history UNION SELECT replication FROM chains"


class History(Backed):
    """One hash chain per replication. Their writer holds the replication's lock."""

    def record(self, transition: TransitionRecord) -> None:
        """Add to the replication's chain; the number is given here, whatever the record says."""
        replication = transition.replication
        with self._database.transaction(NOT_WRITTEN) as connection:
            removed = self._remove_old(connection, replication)
            head = _append(connection, replication, 0, records.transition_text(transition))
        if removed:
            self._anchor(replication, head)

    def transitions(
        self, replication: str | None = None, limit: int = HISTORY_SHOWN, *, state: State | None = None
    ) -> list[TransitionRecord]:
        """The last `limit` of each replication, oldest first; with `state` only moves from or to it (R18, R20)."""
        if replication is not None:
            return self._transitions_of(replication, limit, state)
        names = self._database.rows("SELECT replication FROM chains ORDER BY replication")
        each = (self._transitions_of(cast(str, name), limit, state) for (name,) in names)
        return list(merge(*each, key=lambda transition: transition.at))

    def _transitions_of(self, replication: str, limit: int, state: State | None) -> list[TransitionRecord]:
        found = self._database.rows(
            "SELECT body, sequence FROM history WHERE replication = ? AND NOT marker"
            " ORDER BY sequence DESC LIMIT ?",
            replication,
            limit if state is None else -1,
        )
        try:
            read = [records.transition(cast(str, body), cast(int, sequence)) for body, sequence in found]
        except records.Unreadable as error:
            raise self._database.damaged(
                f"the history of {replication} cannot be read: {error}; see replctl history --verify"
            ) from error
        chosen = [one for one in read if state is None or state in (one.origin, one.target)]
        return chosen[:limit][::-1]

    def clear(self, replication: str, *, who: str) -> int:
        """Remove the replication's entries; one entry stays that says who did it and what the last hash was.

        Gives the number of entries removed. The chain goes on from there, and still verifies.
        """
        with self._database.transaction() as connection:
            last = head_of(connection, replication)
            if last is None:
                return 0
            count = connection.execute("DELETE FROM history WHERE replication = ?", (replication,)).rowcount
            body = chain.marker(replication, "cleared", last, self._clock.now(), who)
            head = _append(connection, replication, 1, body)
        self._anchor(replication, head)
        return count

    def _remove_old(self, connection: Connection, replication: str) -> bool:
        """Let go what is older than history is kept, from the front, and leave an entry that says so."""
        now = self._clock.now()
        gone = _last_before(connection, replication, now - self._history_keep_seconds)
        if gone is None or now - _removed_at(connection, replication) < REMOVAL_INTERVAL_SECONDS:
            return False
        _append(connection, replication, 1, chain.marker(replication, "dropped", gone, now, "replctl"))
        connection.execute(
            "DELETE FROM history WHERE replication = ? AND sequence <= ?", (replication, gone.sequence)
        )
        return True

    def verify(self, replication: str | None = None) -> list[ChainFault]:
        """Where a chain no longer says what was written: edits, gaps, order, tails cut since the last anchor."""
        anchored, unreadable = anchors.read(self._directory)
        found = [
            _fault(f"line {number} of the file {anchors.FILE} was torn or edited") for number in unreadable
        ]
        with self._database.snapshot() as connection:
            names = _names(connection, anchored) if replication is None else {replication}
            if not all(isinstance(name, str) for name in names):
                found.append(_fault("an entry belongs to no replication"))
            for name in sorted(name for name in names if isinstance(name, str)):
                of_it = [anchor for anchor in anchored if anchor.replication == name]
                found += chain.faults(name, _rows(connection, name), _said_head(connection, name), of_it)
        return found

    def unproven(self, replication: str) -> str:
        """What `verify` cannot prove about this chain, in words."""
        of_it = [anchor for anchor in anchors.read(self._directory)[0] if anchor.replication == replication]
        with self._database.snapshot() as connection:
            return chain.unproven(chain.well_formed(_rows(connection, replication)), of_it)

    def _anchor(self, replication: str, head: Head) -> str | None:
        anchor = Anchor(self._clock.now(), replication, head.sequence, head.hash)
        try:
            anchors.append(self._database.where, anchor)
        except StoreRefused:
            return None  # the outcome itself is on disk; `unproven` says what no anchor covers
        return anchors.line(anchor)


def head_of(connection: Connection, replication: str) -> Head | None:
    """What the next entry follows: where the chain was last said to end, or its last entry if that is later."""
    said = _said_head(connection, replication)
    last: chain.Row | None = connection.execute(_LAST, (replication,)).fetchone()
    if last is None or (said is not None and type(said[0]) is int and said[0] > last[0]):
        last = said
    return None if last is None else Head(*last)


def _said_head(connection: Connection | None, replication: str) -> chain.Row | None:
    if connection is None:
        return None
    found: chain.Row | None = connection.execute(_HEAD, (replication,)).fetchone()
    return found


def _rows(connection: Connection | None, replication: str) -> list[chain.Row]:
    return [] if connection is None else connection.execute(_ENTRIES, (replication,)).fetchall()


def _names(connection: Connection | None, anchored: Sequence[Anchor]) -> set[object]:
    """Every replication that any of the three speaks of: a chain may be gone from two of them."""
    names: set[object] = {anchor.replication for anchor in anchored}
    if connection is not None:
        names.update(name for (name,) in connection.execute(_NAMES))
    return names


def _fault(fault: str) -> ChainFault:
    """One that belongs to no chain."""
    return ChainFault(replication="", sequence=None, fault=fault)


def _append(connection: Connection, replication: str, kind: int, body: str) -> Head:
    before = head_of(connection, replication) or chain.genesis(replication)
    after = Head(before.sequence + 1, chain.seal(before.hash, before.sequence + 1, body))
    connection.execute(
        "INSERT INTO history (replication, sequence, marker, body, hash) VALUES (?, ?, ?, ?, ?)",
        (replication, after.sequence, kind, body, after.hash),
    )
    connection.execute(
        "INSERT OR REPLACE INTO chains (replication, sequence, hash) VALUES (?, ?, ?)",
        (replication, after.sequence, after.hash),
    )
    return after


def _removed_at(connection: Connection, replication: str) -> float:
    """When entries of this chain were last removed for their age; long ago when never."""
    found = connection.execute(
        "SELECT body FROM history WHERE replication = ? AND marker ORDER BY sequence DESC LIMIT 1",
        (replication,),
    ).fetchone()
    with suppress(records.Unreadable):
        return records.marked_at(found[0]) if found else 0.0
    return 0.0


def _last_before(connection: Connection, replication: str, limit: float) -> Head | None:
    """The last of the oldest entries that are all older than `limit`; None when the first is younger."""
    last: Head | None = None
    for sequence, _, body, known in connection.execute(_ENTRIES, (replication,)):
        try:
            if records.marked_at(body) >= limit:
                break
        except records.Unreadable:
            break  # what was tampered with stays to be found
        last = Head(sequence, known)
    return last
