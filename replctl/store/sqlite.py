"""The store on SQLite: locks and operations here, history and memory from their own modules (design §5).

Memory and manners, not authority: nothing here decides whether a change is right. What is written is on disk
when the method returns. Values come and go as the core's frozen records; SQL, JSON and files stay below.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import get_ident
from typing import cast

from replctl.clock import Clock
from replctl.core.errors import Conflict, Locked, NotFound, ReplctlError
from replctl.core.journal import OperationRecord, StepPhase, StepRecord
from replctl.core.model import Holder, Who
from replctl.core.outcomes import OPEN, Outcome
from replctl.store import locks, place, records
from replctl.store.database import BUSY_SECONDS, NOT_WRITTEN, NOTHING_SENT, Connection, Database
from replctl.store.history import DAY_SECONDS, History, head_of
from replctl.store.locks import Held
from replctl.store.memory import Memory

HISTORY_KEEP_SECONDS = 400 * DAY_SECONDS
OPERATIONS_SHOWN = 100

_NAMELESS = Holder(who=Who(user="unknown", host="unknown", pid=0), since=0.0, command="unknown")
_NOT_SENT_YET = frozenset({StepPhase.PENDING, StepPhase.INTENDED})


class SqliteStore(History, Memory):
    """Everything under `state_dir`; nothing is opened or made before it is needed.

    Readers raise StoreRefused only for a store that is there and cannot be read; one that is not there is
    empty. Writers raise StoreRefused when it cannot be written, Conflict when it stays busy. Any thread may
    call anything. `history_keep_seconds` is how long entries of the history, and ended operations, are kept.
    """

    def __init__(
        self,
        state_dir: Path,
        *,
        clock: Clock,
        history_keep_seconds: float = HISTORY_KEEP_SECONDS,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        database = Database(state_dir.absolute(), busy_seconds=busy_seconds)
        super().__init__(database, clock, history_keep_seconds)
        self._held: dict[str, Held] = {}

    def is_there(self) -> bool:
        """Whether anything was ever written to it."""
        return self._database.path.exists()

    def close(self) -> None:
        """Let go of the files. Locks end with their own blocks; the store may be used again."""
        self._database.close()

    # --- locks

    @contextmanager
    def lock(self, replication: str, holder: Holder) -> Iterator[None]:
        """Hold the replication for this process; raises Locked with the holder. No time-out frees it."""
        with self._alone(replication) as held:
            self._leave_word(held, holder)
            self._held[replication] = held
            try:
                yield
            finally:
                del self._held[replication]

    @contextmanager
    def _alone(self, replication: str) -> Iterator[Held]:
        """Nobody else holds the lock, nor gets it meanwhile; and the database stays the very file that it is."""
        self._database.pin()
        try:
            held = self._acquire(replication)
            try:
                yield held
            finally:
                held.release()
        finally:
            self._database.unpin()

    def _acquire(self, replication: str) -> Held:
        held = locks.acquire(self._database.where, replication)
        if held is None:
            raise Locked(replication, self.holder(replication))
        return held

    def _leave_word(self, held: Held, holder: Holder) -> None:
        try:
            held.write(records.encode(holder).encode())
        except OSError as error:
            raise place.refusal(held.path, error) from error

    def holder(self, replication: str) -> Holder | None:
        """Who holds the lock now, or None when nobody alive does."""
        text = locks.read(self._directory, replication)
        if text is None:
            return None
        try:
            return records.holder(text)
        except records.Unreadable:
            return _NAMELESS

    # --- operations

    def begin(self, operation: OperationRecord) -> None:
        """Write the operation down before anything is sent; Conflict when its id is taken."""
        with self._database.transaction(NOTHING_SENT) as connection:
            if _is_open(connection, operation.operation_id) is not None:
                raise Conflict(f"operation {operation.operation_id} exists already")
            self._forget_old_operations(connection)
            connection.execute(
                "INSERT INTO operations (operation_id, replication, is_open, finished, body) VALUES (?, ?, ?, ?, ?)",
                (operation.operation_id, operation.replication, *_columns(operation)),
            )
            for step in operation.steps:
                _put_step(connection, operation.operation_id, step)

    def write_step(self, operation_id: str, step: StepRecord) -> None:
        """Write one step, new or changed. Conflict when it is still to be sent and its operation has ended."""
        to_be_sent = step.phase in _NOT_SENT_YET
        with self._database.transaction(NOTHING_SENT if to_be_sent else NOT_WRITTEN) as connection:
            stands = _is_open(connection, operation_id)
            if stands is None:
                raise _no_such(operation_id)
            if to_be_sent and not stands:
                raise Conflict(f"operation {operation_id} no longer stands: {NOTHING_SENT}")
            _put_step(connection, operation_id, step)

    def finish(
        self,
        operation_id: str,
        outcome: Outcome,
        at: float,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> str | None:
        """Write the outcome; an open one (`in_progress`, `unknown`) leaves the operation open.

        Gives the line that was added to the anchors, to be logged elsewhere too; None when the replication has
        no history, or the line could not be written (`unproven` tells).
        """
        with self._database.transaction(NOT_WRITTEN) as connection:
            before = self._stored(connection, operation_id)
            if not before.is_open and before.abandoned_by is None and before.outcome is not outcome:
                raise Conflict(f"operation {operation_id} has ended already: {before.outcome}")
            after = replace(
                before,
                outcome=outcome,
                finished=None if outcome in OPEN else at,
                error_code=error_code,
                error_message=error_message,
            )
            _rewrite(connection, after)
            head = head_of(connection, before.replication)
        return self._anchor(before.replication, head) if head else None

    def abandon(self, operation_id: str, who: str, at: float) -> None:
        """Give an open operation up. Raises Locked, naming the holder, while somebody else holds its lock."""
        operation = self.operation(operation_id)
        if operation is None:
            raise _no_such(operation_id)
        with self._not_held_by_others(operation.replication), self._database.transaction() as connection:
            before = self._stored(connection, operation_id)
            if before.abandoned_by is not None:
                return
            if not before.is_open:
                raise Conflict(f"operation {operation_id} has ended already: {before.outcome}")
            _rewrite(connection, replace(before, abandoned_by=who, finished=at))

    @contextmanager
    def _not_held_by_others(self, replication: str) -> Iterator[None]:
        mine = self._held.get(replication)
        if mine is not None and mine.thread == get_ident():
            yield
            return
        with self._alone(replication):
            yield

    def operation(self, operation_id: str) -> OperationRecord | None:
        found = self._database.rows("SELECT body FROM operations WHERE operation_id = ?", operation_id)
        return self._with_steps(operation_id, cast(str, found[0][0])) if found else None

    def operations(
        self, replication: str | None = None, *, open_only: bool = False, limit: int = OPERATIONS_SHOWN
    ) -> list[OperationRecord]:
        """Newest first."""
        where = "WHERE 1" + (" AND replication = ?" if replication is not None else "")
        where += " AND is_open" if open_only else ""
        values = (replication, limit) if replication is not None else (limit,)
        found = self._database.rows(
            f"SELECT operation_id, body FROM operations {where} ORDER BY ordinal DESC LIMIT ?",  # noqa: S608 - fixed words
            *values,
        )
        return [self._with_steps(cast(str, key), cast(str, body)) for key, body in found]

    def journalled(self, *, open_only: bool = False) -> frozenset[str]:
        """The replications of which there is any operation, or an open one."""
        where = "WHERE is_open" if open_only else ""
        found = self._database.rows(f"SELECT DISTINCT replication FROM operations {where}")  # noqa: S608 - fixed words
        return frozenset(cast(str, replication) for (replication,) in found)

    def still_stands(self, operation_id: str) -> bool:
        """Whether the operation may go on sending: open, not abandoned, its lock and store still the same files.

        Never raises: a store that cannot tell says no.
        """
        with suppress(ReplctlError):
            found = self._database.rows(
                "SELECT replication, is_open FROM operations WHERE operation_id = ?", operation_id
            )
            if not found or not found[0][1] or not self._database.is_same():
                return False
            mine = self._held.get(cast(str, found[0][0]))
            return mine is None or mine.stands()
        return False

    def _with_steps(self, operation_id: str, body: str) -> OperationRecord:
        steps = self._database.rows(
            "SELECT body FROM steps WHERE operation_id = ? ORDER BY number", operation_id
        )
        with self._readable(operation_id):
            return records.operation(body, tuple(records.step(cast(str, text)) for (text,) in steps))

    def _stored(self, connection: Connection, operation_id: str) -> OperationRecord:
        """The operation without its steps; raises NotFound."""
        found = connection.execute(
            "SELECT body FROM operations WHERE operation_id = ?", (operation_id,)
        ).fetchone()
        if found is None:
            raise _no_such(operation_id)
        with self._readable(operation_id):
            return records.operation(found[0], ())

    @contextmanager
    def _readable(self, operation_id: str) -> Iterator[None]:
        try:
            yield
        except records.Unreadable as error:
            raise self._database.damaged(f"operation {operation_id} cannot be read: {error}") from error

    def _forget_old_operations(self, connection: Connection) -> None:
        limit = self._clock.now() - self._history_keep_seconds
        old = connection.execute(
            "SELECT operation_id FROM operations WHERE NOT is_open AND finished < ?", (limit,)
        ).fetchall()
        connection.executemany("DELETE FROM steps WHERE operation_id = ?", old)
        connection.executemany("DELETE FROM operations WHERE operation_id = ?", old)


def _no_such(operation_id: str) -> NotFound:
    return NotFound(f"there is no operation {operation_id}", remedy="see replctl op list")


def _columns(operation: OperationRecord) -> tuple[bool, float | None, str]:
    """What operations are searched by, and the whole record without its steps."""
    return (operation.is_open, operation.finished, records.encode(replace(operation, steps=())))


def _is_open(connection: Connection, operation_id: str) -> bool | None:
    """None when there is no such operation."""
    found = connection.execute(
        "SELECT is_open FROM operations WHERE operation_id = ?", (operation_id,)
    ).fetchone()
    return None if found is None else bool(found[0])


def _rewrite(connection: Connection, operation: OperationRecord) -> None:
    connection.execute(
        "UPDATE operations SET is_open = ?, finished = ?, body = ? WHERE operation_id = ?",
        (*_columns(operation), operation.operation_id),
    )


def _put_step(connection: Connection, operation_id: str, step: StepRecord) -> None:
    connection.execute(
        "INSERT OR REPLACE INTO steps (operation_id, number, body) VALUES (?, ?, ?)",
        (operation_id, step.number, records.encode(step)),
    )
