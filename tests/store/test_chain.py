"""The history's chain: honest ones verify, and whatever is done to one in the database is found."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from fakes import FakeClock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from store.values import LEDGER, ORDERS, operation, transition

from replctl.core.outcomes import Outcome
from replctl.store import anchors, chain
from replctl.store.history import DAY_SECONDS
from replctl.store.sqlite import SqliteStore

LENGTH = 12
ANCHORED = 8
EXAMPLES = 600


@contextmanager
def meddling(state_dir: Path) -> Iterator[sqlite3.Connection]:
    """A hand in the database that is not ours."""
    with closing(sqlite3.connect(state_dir / "replctl.db")) as connection, connection:
        yield connection


def fill(store: SqliteStore, length: int = LENGTH, anchored: int = ANCHORED) -> None:
    """A chain with an operation that ended in the middle of it, and another one beside it."""
    store.begin(operation())
    for number in range(1, length + 1):
        store.record(transition(number))
        store.record(transition(number, ORDERS))
        if number == anchored:
            assert store.finish("op-1", Outcome.SUCCEEDED, 0.0)


def places(store: SqliteStore, replication: str = LEDGER) -> list[int | None]:
    return [fault.sequence for fault in store.verify(replication)]


class TestFaults:
    """Each kind of meddling by hand, and the place that is named."""

    @pytest.fixture
    def full(self, store: SqliteStore) -> SqliteStore:
        fill(store)
        assert store.verify() == []
        return store

    def test_an_edit(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            database.execute(
                "UPDATE history SET body = replace(body, 'user_requested 5', 'external') WHERE replication = ?",
                (LEDGER,),
            )
        assert places(full) == [5]
        assert full.verify(ORDERS) == []

    def test_an_edit_with_its_own_hash_made_good(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            rewrite(database, 5, 5)
        assert places(full) == [6]

    def test_everything_after_an_edit_made_good(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            rewrite(database, 5, LENGTH)
        assert places(full) == [ANCHORED]
        assert "anchored" in full.verify(LEDGER)[0].fault

    def test_a_gap(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            database.execute("DELETE FROM history WHERE replication = ? AND sequence IN (3, 4)", (LEDGER,))
        (fault,) = full.verify()
        assert (fault.replication, fault.sequence) == (LEDGER, 3)
        assert fault.fault == "entries 3 to 4 are missing"

    def test_the_oldest_removed_without_a_word(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            database.execute("DELETE FROM history WHERE replication = ? AND sequence < 3", (LEDGER,))
        assert [fault.fault for fault in full.verify()] == ["entries 1 to 2 are missing"]

    def test_a_tail_cut_and_the_head_put_back(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            cut(database, ANCHORED - 1)
        assert places(full) == [ANCHORED]
        full.record(transition(99))
        full.record(transition(99))
        assert places(full) == [ANCHORED]  # writing on does not heal it

    def test_a_tail_cut_and_the_head_left(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            database.execute("DELETE FROM history WHERE replication = ? AND sequence > 10", (LEDGER,))
        assert places(full) == [11]
        full.record(transition(99))
        assert places(full) == [11]

    @pytest.mark.parametrize("damage", ["DELETE FROM chains", "UPDATE chains SET sequence = 3, hash = 'x'"])
    def test_writing_goes_on_whatever_was_done_to_the_head(
        self, full: SqliteStore, state_dir: Path, damage: str
    ) -> None:
        with meddling(state_dir) as database:
            database.execute(damage)
        assert places(full) == [LENGTH]
        full.record(transition(99))
        assert full.transitions(LEDGER)[-1].sequence == LENGTH + 1

    def test_a_tail_cut_after_the_last_anchor_is_what_cannot_be_proven(
        self, full: SqliteStore, state_dir: Path
    ) -> None:
        assert f"after entry {ANCHORED}, the last one anchored, 4 entries" in full.unproven(LEDGER)
        with meddling(state_dir) as database:
            cut(database, ANCHORED)
        assert full.verify() == []
        assert f"after entry {ANCHORED}, the last one anchored, no entry" in full.unproven(LEDGER)

    def test_another_order(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            swap(database, 3, 6)
        assert places(full)[0] == 3

    def test_the_whole_chain_gone(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            cut(database, 0)
            database.execute("DELETE FROM chains WHERE replication = ?", (LEDGER,))
        assert [(fault.replication, fault.sequence) for fault in full.verify()] == [(LEDGER, ANCHORED)]

    def test_the_whole_database_gone(self, full: SqliteStore, state_dir: Path) -> None:
        full.close()
        (state_dir / "replctl.db").unlink()
        assert [(fault.replication, fault.sequence) for fault in full.verify()] == [(LEDGER, ANCHORED)]

    def test_a_chain_that_passes_for_anothers(self, full: SqliteStore, state_dir: Path) -> None:
        with meddling(state_dir) as database:
            for table in ("history", "chains"):
                database.execute(
                    f"UPDATE {table} SET replication = 'bank/copy' WHERE replication = ?", (ORDERS,)
                )
        assert {fault.replication for fault in full.verify()} == {"bank/copy"}

    def test_an_edited_line_of_the_anchors(self, full: SqliteStore, state_dir: Path) -> None:
        path = state_dir / anchors.FILE
        path.write_text(path.read_text().replace(f" {ANCHORED} ", f" {ANCHORED + 1} "))
        assert places(full) == [ANCHORED + 1]
        path.write_text("2031-02-03 scribble\n" + path.read_text())
        assert full.verify()[0].fault == "line 1 of the file anchors was torn or edited"

    def test_a_torn_line_of_the_anchors_spoils_no_later_one(self, full: SqliteStore, state_dir: Path) -> None:
        path = state_dir / anchors.FILE
        path.write_text(path.read_text() + "2031-02-03T01:00:00.0")
        full.begin(operation("op-2"))
        full.finish("op-2", Outcome.SUCCEEDED, 0.0)
        assert [fault.fault for fault in full.verify()] == ["line 2 of the file anchors was torn or edited"]
        assert len(anchors.read(state_dir)[0]) == 2


class TestHonestChains:
    def test_nothing_is_found_wherever_operations_end(self, store: SqliteStore) -> None:
        for number in range(5):
            store.begin(operation(f"op-{number}"))
            store.record(transition(number))
            line = store.finish(f"op-{number}", Outcome.SUCCEEDED, 0.0)
            assert line is not None
            at, name, sequence, known = line.split(" ")
            assert (at, name, sequence) == ("2031-02-03T01:00:00.000Z", LEDGER, str(number + 1))
            assert len(known) == anchors.HASH_CHARACTERS
        assert store.verify() == []

    def test_without_history_there_is_nothing_to_anchor(self, store: SqliteStore, state_dir: Path) -> None:
        store.begin(operation())
        assert store.finish("op-1", Outcome.UNCHANGED, 0.0) is None
        assert not (state_dir / anchors.FILE).exists()

    def test_names_that_a_line_cannot_hold_are_escaped(self, store: SqliteStore) -> None:
        name = 'a b/\n"ü\\'
        store.begin(operation(replication=name))
        store.record(transition(1, name))
        store.finish("op-1", Outcome.SUCCEEDED, 0.0)
        assert store.verify() == []
        assert store.verify(name) == []

    def test_an_anchor_that_cannot_be_written_does_not_undo_the_outcome(
        self, store: SqliteStore, state_dir: Path
    ) -> None:
        store.begin(operation())
        store.record(transition())
        (state_dir / anchors.FILE).symlink_to("/dev/null")
        assert store.finish("op-1", Outcome.SUCCEEDED, 0.0) is None
        assert store.operations(open_only=True) == []


class TestRetention:
    """Old entries go from the front, on the record, and the rest still verifies."""

    def test_what_is_older_than_it_is_kept_goes(  # R18
        self, again: Callable[..., SqliteStore], clock: FakeClock, state_dir: Path
    ) -> None:
        store = again(history_keep_seconds=400 * DAY_SECONDS)
        for day in range(450):
            if day % 30 == 0:
                store.record(transition(day, at=clock.now()))
            clock.advance(DAY_SECONDS)
        store.record(transition(450, at=clock.now()))
        shown = [each.reason for each in store.transitions(LEDGER)]
        assert shown[0] == "user_requested 60"
        assert shown[-1] == "user_requested 450"
        assert store.verify() == []
        assert "were removed" in store.unproven(LEDGER)
        assert anchors.read(state_dir)[0] != []  # that something went is written down outside too

    def test_it_happens_at_most_once_a_day(self, again: Callable[..., SqliteStore], clock: FakeClock) -> None:
        store = again(history_keep_seconds=DAY_SECONDS)
        for hour in range(24 * 5):
            store.record(transition(hour, at=clock.now()))
            clock.advance(3600.0)
        sequences = [each.sequence for each in store.transitions(LEDGER)]
        assert sequences[-1] == 24 * 5 + 4  # entries of their own say what went, one a day
        assert len(sequences) <= 48
        assert store.verify() == []

    def test_an_entry_that_was_tampered_with_is_not_swept_away(
        self, again: Callable[..., SqliteStore], clock: FakeClock, state_dir: Path
    ) -> None:
        store = again(history_keep_seconds=DAY_SECONDS)
        store.record(transition(1, at=clock.now()))
        with meddling(state_dir) as database:
            database.execute("UPDATE history SET body = 'gone'")
        clock.advance(9 * DAY_SECONDS)
        store.record(transition(2, at=clock.now()))
        assert places(store) == [1, 1]

    def test_old_operations_go_when_they_have_ended(
        self, again: Callable[..., SqliteStore], clock: FakeClock
    ) -> None:
        store = again(history_keep_seconds=DAY_SECONDS)
        for name in ("ended", "open"):
            store.begin(operation(name))
        store.finish("ended", Outcome.FAILED, clock.now())
        clock.advance(2 * DAY_SECONDS)
        store.begin(operation("new"))
        assert [each.operation_id for each in store.operations()] == ["new", "open"]
        steps = store._database.rows("SELECT DISTINCT operation_id FROM steps ORDER BY 1")
        assert steps == [("new",), ("open",)]


def rewrite(database: sqlite3.Connection, first: int, last: int) -> None:
    """Edit entry `first`, and make the hashes good up to `last`; the head too when that is the end."""
    rows = database.execute(
        "SELECT sequence, body, hash FROM history WHERE replication = ? ORDER BY sequence", (LEDGER,)
    ).fetchall()
    previous = rows[first - 2][2] if first > 1 else chain.genesis(LEDGER).hash
    for sequence, body, _ in rows[first - 1 : last]:
        text = body.replace("user_requested", "external") if sequence == first else body
        previous = chain.seal(previous, sequence, text)
        put(database, sequence, "body = ?, hash = ?", text, previous)
    if last == len(rows):
        database.execute("UPDATE chains SET hash = ? WHERE replication = ?", (previous, LEDGER))


def put(database: sqlite3.Connection, sequence: int, assignments: str, *values: object) -> None:
    database.execute(
        f"UPDATE history SET {assignments} WHERE replication = ? AND sequence = ?",
        (*values, LEDGER, sequence),
    )


def cut(database: sqlite3.Connection, last: int) -> None:
    """Everything after `last` goes, and the head says that it was never there."""
    database.execute("DELETE FROM history WHERE replication = ? AND sequence > ?", (LEDGER, last))
    known = database.execute(
        "SELECT hash FROM history WHERE replication = ? AND sequence = ?", (LEDGER, last)
    ).fetchone()
    database.execute(
        "UPDATE chains SET sequence = ?, hash = ? WHERE replication = ?", (last, *(known or ("",)), LEDGER)
    )


def swap(database: sqlite3.Connection, one: int, other: int) -> None:
    for here, there in ((one, -1), (other, one), (-1, other)):
        put(database, here, "sequence = ?", there)


SEQUENCES = st.integers(1, LENGTH)
SOMETHING = st.one_of(
    st.integers(-3, LENGTH + 3),
    st.floats(allow_nan=False),
    st.text("abc0 ", max_size=5),
    st.binary(max_size=3),
    st.just(LEDGER),
    st.just(ORDERS),
    st.just("0" * 64),
)


def edits() -> st.SearchStrategy[Callable[[sqlite3.Connection], None]]:
    def edit(column: str, sequence: int, value: object) -> Callable[[sqlite3.Connection], None]:
        return lambda database: put(database, sequence, f"{column} = ?", value)

    columns = st.sampled_from(["replication", "sequence", "marker", "body", "hash"])
    return st.builds(edit, columns, SEQUENCES, SOMETHING)


def head_edits() -> st.SearchStrategy[Callable[[sqlite3.Connection], None]]:
    def edit(column: str, value: object) -> Callable[[sqlite3.Connection], None]:
        return lambda database: database.execute(
            f"UPDATE chains SET {column} = ? WHERE replication = ?", (value, LEDGER)
        )

    return st.builds(edit, st.sampled_from(["replication", "sequence", "hash"]), SOMETHING)


def insertions() -> st.SearchStrategy[Callable[[sqlite3.Connection], None]]:
    def insert(name: str, sequence: int, honest: bool) -> Callable[[sqlite3.Connection], None]:
        def meddle(database: sqlite3.Connection) -> None:
            body = chain.canonical({"replication": name, "at": 0.0})
            known = chain.seal(chain.genesis(name).hash, sequence, body) if honest else "0" * 64
            database.execute("INSERT INTO history VALUES (?, ?, 0, ?, ?)", (name, sequence, body, known))

        return meddle

    names = st.sampled_from([LEDGER, ORDERS, "bank/never"])
    return st.builds(insert, names, st.integers(-2, LENGTH + 3), st.booleans())


MEDDLING = st.one_of(
    edits(),
    head_edits(),
    insertions(),
    st.builds(
        lambda gone: (
            lambda database: database.executemany(
                "DELETE FROM history WHERE replication = ? AND sequence = ?",
                [(LEDGER, each) for each in gone],
            )
        ),
        st.sets(SEQUENCES, min_size=1),
    ),
    st.builds(lambda one, other: lambda database: swap(database, one, other), SEQUENCES, SEQUENCES),
    st.builds(lambda last: lambda database: cut(database, last), st.integers(0, ANCHORED - 1)),
    st.builds(lambda first: lambda database: rewrite(database, first, LENGTH), st.integers(1, ANCHORED)),
    st.just(lambda database: database.execute("DELETE FROM chains WHERE replication = ?", (LEDGER,))),
)


@pytest.fixture(scope="module")
def honest() -> Iterator[tuple[SqliteStore, Path]]:
    with (
        tempfile.TemporaryDirectory() as directory,
        closing(SqliteStore(Path(directory), clock=FakeClock())) as store,
    ):
        fill(store)
        yield store, Path(directory)


def content(database: sqlite3.Connection) -> list[tuple[object, ...]]:
    """All that the history says, with the types it says it in."""
    return [
        tuple((type(value), value) for value in row)
        for table in ("history", "chains")
        for row in database.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
    ]


@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(meddle=MEDDLING)
def test_whatever_is_done_to_a_chain_is_found(
    honest: tuple[SqliteStore, Path], meddle: Callable[[sqlite3.Connection], None]
) -> None:
    store, directory = honest
    with meddling(directory) as database:
        tables = ("history", "chains")
        kept = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
        before = content(database)
        try:
            meddle(database)
        except sqlite3.IntegrityError:
            database.rollback()  # two entries of one number: SQLite does not let it happen
        changed = content(database) != before
    try:
        assert bool(store.verify()) == changed
    finally:
        with meddling(directory) as database:
            for table, rows in kept.items():
                database.execute(f"DELETE FROM {table}")
                signs = ", ".join("?" * len(rows[0]))
                database.executemany(f"INSERT INTO {table} VALUES ({signs})", rows)
    assert store.verify() == []
