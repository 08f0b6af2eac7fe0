"""The SQLite file: opened when first needed, made whole or not at all, and every error said in a sentence.

Two connections serve all threads of a process: one looks (read-only, so that looking works in a place that may
not be written), one changes. Writers wait for each other here, never inside SQLite; readers wait for no writer.
A file that is not there is an empty store for those who look. The file that was opened is remembered by its
inode: when the name comes to mean another one, writing stops while a lock is held, and begins anew otherwise.
"""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from replctl.clock import Clock
from replctl.core.errors import Conflict, ReplctlError, StoreRefused
from replctl.store import place
from replctl.store.schema import APPLICATION_ID, MIGRATIONS, Migration

FILE = "replctl.db"
BUSY_SECONDS = 5.0
NOTHING_SENT = "no change was sent"
NOT_WRITTEN = "what was to be remembered is not written down"
MAIN_CODE = 0xFF  # the low byte of an SQLite result code names its class
NAME_BYTES = 8

_NO_PLACE_FOR_THE_LOG = frozenset(
    {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL}
)

Connection = sqlite3.Connection
Row = tuple[Any, ...]


class Database:
    """Raises StoreRefused, or Conflict when another process keeps the file busy for `busy_seconds`."""

    def __init__(
        self,
        directory: Path,
        *,
        busy_seconds: float = BUSY_SECONDS,
        migrations: Sequence[Migration] = MIGRATIONS,
    ) -> None:
        self.directory = directory
        self.path = directory / FILE
        self._busy_seconds = busy_seconds
        self._migrations = migrations
        self._begin()
        _OPEN.add(self)

    def _begin(self) -> None:
        """Nothing is open."""
        self._changing = threading.RLock()
        self._looking = threading.RLock()
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        self._fleeting = False
        self._identity: tuple[int, int] | None = None
        self._pins = 0
        self._where: place.Place | None = None

    @property
    def where(self) -> place.Place:
        """The directory as it was found when the store was opened for writing."""
        with self._changing:
            if self._where is None:
                self._change()
            assert self._where is not None
            return self._where

    def rows(self, sql: str, *values: object) -> list[Row]:
        """What a query gives; nothing when there is no store yet."""
        with self._looking:
            if self._reader is not None:
                try:
                    return self._reader.execute(sql, values).fetchall()
                except sqlite3.Error as error:
                    raise self._refusal(error) from error
        with self.snapshot() as connection:
            return [] if connection is None else connection.execute(sql, values).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[Connection | None]:
        """Several queries over one state of the store; None when there is none."""
        with self._changing, self._looking:
            try:
                connection = self._reader or self._look()
                if connection is None:
                    yield None
                    return
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise self._refusal(error) from error
            finally:
                if self._fleeting:
                    self._close_reader()

    @contextmanager
    def transaction(
        self, consequence: str = NOTHING_SENT, *, busy_seconds: float | None = None
    ) -> Iterator[Connection]:
        """All or nothing, on disk when it ends. `consequence` is what a refusal says it means."""
        with self._changing:
            connection = self._change(consequence)
            try:
                if busy_seconds is not None:
                    _wait_at_most(connection, busy_seconds)
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise self._refusal(error, consequence) from error
            finally:
                self._settle(connection)

    def _settle(self, connection: Connection) -> None:
        """Nothing stays half done or half set; a connection that cannot even do that is given up."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            _wait_at_most(connection, self._busy_seconds)
        except sqlite3.Error:
            self._close_writer()

    def pin(self) -> None:
        """Open for writing, and hold on to this very file until `unpin`."""
        with self._changing:
            self._change()
            self._pins += 1

    def unpin(self) -> None:
        with self._changing:
            self._pins = max(0, self._pins - 1)

    def is_same(self) -> bool:
        """Whether the name still means the file that was opened for writing."""
        return self._identity is not None and place.identity(self.path) == self._identity

    def close(self) -> None:
        with self._changing, self._looking:
            self._close_reader()  # first: the writer, leaving last, folds the log into the file
            self._close_writer()

    def _close_reader(self) -> None:
        connection, self._reader = self._reader, None
        if connection is not None:
            connection.close()

    def _close_writer(self) -> None:
        connection, self._writer = self._writer, None
        if connection is not None:
            connection.close()

    def after_fork(self) -> None:
        """SQLite's connections may not cross a fork, not even to be closed."""
        _INHERITED.extend((self._reader, self._writer))
        self._begin()

    # --- looking

    def _look(self) -> Connection | None:
        """Open for reading. A file that cannot be read beside its log is read as it lies, and not kept open."""
        place.refuse_symlink(self.path)
        if place.identity(self.path) is None:
            return None
        if not os.access(self.path, os.R_OK, effective_ids=os.access in os.supports_effective_ids):
            raise place.unwritable(self.path)
        try:
            self._reader, self._fleeting = self._connect("mode=ro"), False
        except sqlite3.OperationalError as error:
            if _code(error) not in _NO_PLACE_FOR_THE_LOG or not self._log_is_empty():
                raise
            self._reader, self._fleeting = self._connect("mode=ro&immutable=1"), True
        if _version(self._reader) < len(self._migrations):
            self._bring_up_to_date()
        return self._reader

    def _bring_up_to_date(self) -> None:
        try:
            self._change()
        except StoreRefused as error:
            self._close_reader()
            raise StoreRefused(
                f"the store {self.path} was written by an older replctl and cannot be brought up to date here",
                remedy=error.remedy,
            ) from error

    def _log_is_empty(self) -> bool:
        try:
            return os.stat(f"{self.path}-wal").st_size == 0
        except FileNotFoundError:
            return True

    # --- changing

    def _change(self, consequence: str = NOTHING_SENT) -> Connection:
        if self._identity is not None and not self.is_same():
            self._refuse_when_pinned()
            self.close()  # the reader too: both see one file
        return self._writer or self._open_writer(consequence)

    def _refuse_when_pinned(self) -> None:
        if self._pins:
            raise StoreRefused(
                f"the store {self.path} was deleted or replaced while this command held a lock in it:"
                " nothing is changed any more",
                remedy="see what both sides say (replctl status), then begin anew",
            )

    def _open_writer(self, consequence: str) -> Connection:
        self._where = where = place.prepare(self.directory)
        for path in (self.path, *(Path(f"{self.path}{end}") for end in ("-wal", "-shm"))):
            place.refuse_symlink(path)
        if place.identity(self.path) is None:
            self._make(where)
        place.refuse_unwritable(self.path)
        try:
            self._identity = place.identity(self.path)
            self._writer = self._connect("mode=rw")
            self._writer.execute("PRAGMA synchronous = FULL")
            self._migrate(self._writer)
        except sqlite3.Error as error:
            self._close_writer()
            raise self._refusal(error, consequence) from error
        except ReplctlError:
            self._close_writer()
            raise
        return self._writer

    def _make(self, where: place.Place) -> None:
        """Made under another name and linked when it is whole: nobody ever meets half a store."""
        fresh = self.directory / f"{FILE}.new-{os.urandom(NAME_BYTES).hex()}"
        os.close(place.open_file(where, fresh, os.O_RDWR))
        try:
            self._fill(fresh)
            with suppress(FileExistsError):  # another process was faster: its store is ours
                os.link(fresh, self.path)
            place.sync_directory(self.directory)
        except OSError as error:
            raise place.refusal(self.path, error) from error
        except sqlite3.Error as error:
            raise self._refusal(error, NOTHING_SENT) from error
        finally:
            for end in ("", "-journal", "-wal", "-shm"):
                with suppress(OSError):  # its name is nobody's: what stays is in nobody's way
                    os.unlink(f"{fresh}{end}")

    def _fill(self, fresh: Path) -> None:
        """The log comes last: closing folds it in, and would not say if the disk were full by then."""
        with closing(sqlite3.connect(fresh, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            self._migrate(connection)
            if connection.execute("PRAGMA journal_mode = WAL").fetchone() != ("wal",):
                raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        with closing(sqlite3.connect(f"{fresh.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            self._refuse_foreign(connection)  # as it lies in the file alone
            if _version(connection) != len(self._migrations):
                raise OSError(errno.EIO, os.strerror(errno.EIO))

    def _migrate(self, connection: Connection) -> None:
        """Forward to the newest version that we know, in one transaction."""
        if _version(connection) == len(self._migrations):
            return
        connection.execute("BEGIN IMMEDIATE")
        try:
            for migration in self._migrations[_version(connection) :]:
                for statement in migration:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(self._migrations)}")
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")

    # --- both

    def _connect(self, options: str) -> Connection:
        connection = sqlite3.connect(
            f"{self.path.as_uri()}?{options}",
            uri=True,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
        )
        try:
            self._refuse_foreign(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _refuse_foreign(self, connection: Connection) -> None:
        version = _version(connection)
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        if application != APPLICATION_ID:
            raise StoreRefused(f"{self.path} is not a store of replctl", remedy=self._way_out())
        if version > len(self._migrations):
            raise StoreRefused(
                f"the store {self.path} was written by a newer replctl"
                f" (version {version}; this one knows {len(self._migrations)})",
                remedy="use that replctl here too",
            )

    def _refusal(self, error: sqlite3.Error, consequence: str = "nothing was read") -> ReplctlError:
        code = _code(error)
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Conflict(
                f"the store {self.path} is kept busy by another process: {consequence}",
                remedy="ask again; if it stays so, see who uses it: fuser -v " + str(self.path),
            )
        if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and place.is_full(self.directory)):
            return place.full(self.path, consequence)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return self.damaged(str(error))
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN):
            return place.unwritable(self.path)
        return StoreRefused(f"the store {self.path} failed: {error}; {consequence}", remedy=self._way_out())

    def damaged(self, what: str) -> StoreRefused:
        return StoreRefused(f"the store {self.path} is damaged: {what}", remedy=self._way_out())

    def _way_out(self) -> str:
        return (
            f"move it aside and begin a new one: mv {self.path} {self.path}.damaged (with -wal and -shm);"
            f" both sides are read afresh, its history and locks are not known to the new one,"
            f" {place.ANOTHER_PLACE}"
        )


class Backed:
    """What the parts of the store stand on: the database, where it lies, the clock, how long things are kept."""

    def __init__(self, database: Database, clock: Clock, history_keep_seconds: float) -> None:
        self._database = database
        self._directory = database.directory
        self._clock = clock
        self._history_keep_seconds = history_keep_seconds


def _version(connection: Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _code(error: sqlite3.Error) -> int:
    return int(getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)) & MAIN_CODE


def _wait_at_most(connection: Connection, seconds: float) -> None:
    connection.execute(f"PRAGMA busy_timeout = {int(seconds * 1000)}")


_OPEN: weakref.WeakSet[Database] = weakref.WeakSet()
_INHERITED: list[Connection | None] = []


def _forget_all() -> None:
    for database in list(_OPEN):
        database.after_fork()


os.register_at_fork(after_in_child=_forget_all)
