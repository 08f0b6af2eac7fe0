"""What lies in the database, as migrations forward; version n is the first n of them applied.

Rows hold their values as JSON; columns beside it are only what is searched for. No table says "now": who holds
a lock is known by the lock alone.
"""

from __future__ import annotations

APPLICATION_ID = 0x7265706C  # "repl": so that a database of another program is not taken for ours

Migration = tuple[str, ...]

MIGRATIONS: tuple[Migration, ...] = (
    (
        """CREATE TABLE operations (
            ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
            operation_id TEXT NOT NULL UNIQUE,
            replication TEXT NOT NULL,
            is_open INTEGER NOT NULL,
            finished REAL,
            body TEXT NOT NULL
        )""",
        "CREATE INDEX operations_of ON operations (replication, ordinal)",
        "CREATE INDEX operations_open ON operations (ordinal) WHERE is_open",
        "CREATE INDEX operations_finished ON operations (finished) WHERE NOT is_open",
        """CREATE TABLE steps (
            operation_id TEXT NOT NULL,
            number INTEGER NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (operation_id, number)
        ) WITHOUT ROWID""",
        """CREATE TABLE history (
            replication TEXT NOT NULL,
            sequence INTEGER NOT NULL,
            marker INTEGER NOT NULL,
            body TEXT NOT NULL,
            hash TEXT NOT NULL,
            PRIMARY KEY (replication, sequence)
        ) WITHOUT ROWID""",
        """CREATE TABLE chains (
            replication TEXT NOT NULL PRIMARY KEY,
            sequence INTEGER NOT NULL,
            hash TEXT NOT NULL
        ) WITHOUT ROWID""",
        """CREATE TABLE facts (
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            detail TEXT NOT NULL,
            body TEXT NOT NULL,
            PRIMARY KEY (kind, subject, detail)
        ) WITHOUT ROWID""",
        "CREATE TABLE counters (name TEXT NOT NULL PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID",
    ),
)
