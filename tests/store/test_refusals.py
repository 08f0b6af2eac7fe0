"""Where the store cannot be used: every time a sentence, the group and the way out; never a traceback."""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest
from fakes import FakeClock
from store.values import HOLDER, LEDGER, NOW, OBSERVATION, operation, step, transition

from replctl.core.breaker import BreakerState
from replctl.core.errors import Conflict, ReplctlError, StoreRefused
from replctl.core.journal import Proof, StepPhase
from replctl.core.outcomes import Outcome
from replctl.store import place, schema
from replctl.store.database import Database
from replctl.store.sqlite import SqliteStore

NOBODY = 65534
WAY_OUT = "REPLCTL_STATE_DIR="


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights, if we have them; tests run as root in many build machines."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(was)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """No file of this process may grow beyond `size` bytes: a full disk that needs no disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In a place that nobody can reach too; the directories of the runner are its owner's alone."""
    root = Path("/tmp") / f"replctl-store-{os.urandom(6).hex()}"
    root.mkdir(0o755)
    yield root / "replctl"
    for path in (root, *root.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(root)


@pytest.fixture
def filled(again: Callable[..., SqliteStore], state_dir: Path) -> Path:
    """A store with something in it, closed, that everybody may read and nobody write."""
    with closing(again()) as store:
        store.begin(operation())
        store.record(transition())
        store.save_breaker("east", "read", BreakerState())
        with store.lock(LEDGER, HOLDER):
            pass
    for path in (state_dir, state_dir / "locks", *state_dir.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    return state_dir


def read_all(store: SqliteStore) -> None:
    assert store.operations() == [operation()]
    assert len(store.transitions()) == 1
    assert store.verify() == []
    assert store.breaker("east", "read") == BreakerState()
    assert store.holder(LEDGER) is None
    assert dict(store.observations()) == {}


def writers(store: SqliteStore) -> list[Callable[[], object]]:
    def lock() -> None:
        with store.lock(LEDGER, HOLDER):
            pass

    return [
        lock,
        lambda: store.begin(operation("op-2")),
        lambda: store.write_step("op-1", step()),
        lambda: store.finish("op-1", Outcome.FAILED, NOW),
        lambda: store.abandon("op-1", "mara", NOW),
        lambda: store.record(transition()),
        lambda: store.set_survivor(LEDGER, "west"),
        lambda: store.set_unverified(LEDGER, ["west"]),
        lambda: store.remember_identity(LEDGER, "west", "5b6f"),
        lambda: store.remember_proof(LEDGER, "west", Proof()),
        lambda: store.save_breaker("west", "read", BreakerState()),
        lambda: store.clear(LEDGER, who="mara"),
    ]


class TestLookingWhereNothingMayBeWritten:
    def test_looking_makes_nothing(self, store: SqliteStore, state_dir: Path) -> None:
        assert store.operations() == store.transitions() == store.verify() == []
        assert store.holder(LEDGER) is None
        assert not state_dir.exists()

    def test_a_read_only_store_is_read(self, filled: Path, again: Callable[..., SqliteStore]) -> None:
        before = sorted(path.name for path in filled.iterdir())
        with as_nobody(), closing(again()) as store:
            read_all(store)
        assert sorted(path.name for path in filled.iterdir()) == before

    def test_a_read_only_store_is_read_while_its_owner_writes(
        self, filled: Path, again: Callable[..., SqliteStore]
    ) -> None:
        filled.chmod(0o755)
        (filled / "replctl.db").chmod(0o644)
        owner = again()
        owner.set_survivor(LEDGER, "west")
        filled.chmod(0o555)
        with as_nobody(), closing(again()) as looker:
            read_all(looker)
            assert looker.survivor(LEDGER) == "west"
            with pytest.raises(StoreRefused):
                looker.set_survivor(LEDGER, "east")

    def test_every_change_is_refused_naming_the_group(
        self, filled: Path, again: Callable[..., SqliteStore]
    ) -> None:
        group = place.group_name(filled.stat().st_gid)
        with as_nobody(), closing(again()) as store:
            for write in writers(store):
                with pytest.raises(StoreRefused) as refused:
                    write()
                assert refused.value.exit_code == 4
                assert f"group {group}" in refused.value.message
                assert WAY_OUT in refused.value.remedy

    def test_what_is_kept_as_well_as_may_be_is_quietly_not(
        self, filled: Path, again: Callable[..., SqliteStore]
    ) -> None:
        with as_nobody(), closing(again()) as store:
            store.remember_observations({(LEDGER, "west"): OBSERVATION})
            assert not store.add_counts({"retries": 1.0})
            assert dict(store.observations()) == {}

    def test_a_directory_that_cannot_be_made(
        self, again: Callable[..., SqliteStore], state_dir: Path
    ) -> None:
        state_dir.parent.chmod(0o555)
        with as_nobody(), closing(again()) as store:
            assert store.operations() == []
            with pytest.raises(StoreRefused, match="belongs to user"):
                store.begin(operation())

    def test_a_store_that_may_not_even_be_read(self, filled: Path, again: Callable[..., SqliteStore]) -> None:
        for path in (filled, filled / "replctl.db"):
            path.chmod(0o700 if path.is_dir() else 0o600)
            if os.geteuid() != 0:
                path.chmod(0)
            with as_nobody(), closing(again()) as store, pytest.raises(StoreRefused) as refused:
                store.operations()
            assert WAY_OUT in refused.value.remedy
            path.chmod(0o755)

    def test_a_log_that_cannot_be_folded_in_is_not_passed_over(
        self, filled: Path, again: Callable[..., SqliteStore]
    ) -> None:
        filled.chmod(0o755)
        (filled / "replctl.db-wal").write_bytes(b"x" * 64)
        filled.chmod(0o555)
        with as_nobody(), closing(again()) as store, pytest.raises(StoreRefused):
            store.operations()


class TestHowFilesAreMade:
    def modes(self, state_dir: Path) -> set[int]:
        return {stat.S_IMODE(path.stat().st_mode) for path in state_dir.rglob("*") if path.is_file()}

    def write(self, store: SqliteStore) -> None:
        with store.lock(LEDGER, HOLDER):
            store.begin(operation())
            store.record(transition())
            store.finish("op-1", Outcome.SUCCEEDED, NOW)

    @pytest.mark.parametrize("umask", [0, 0o022, 0o077])
    def test_private_by_default(self, store: SqliteStore, state_dir: Path, umask: int) -> None:
        was = os.umask(umask)
        try:
            self.write(store)
        finally:
            os.umask(was)
        assert stat.S_IMODE(state_dir.stat().st_mode) == 0o700
        assert self.modes(state_dir) == {0o600}

    def test_shared_in_a_directory_that_the_group_shares(self, store: SqliteStore, state_dir: Path) -> None:
        state_dir.mkdir()
        state_dir.chmod(0o2770)
        was = os.umask(0o077)
        try:
            self.write(store)
        finally:
            os.umask(was)
        assert self.modes(state_dir) == {0o660}
        assert stat.S_IMODE((state_dir / "locks").stat().st_mode) == 0o2770

    def test_root_leaves_the_files_to_the_directorys_owner(self, store: SqliteStore, state_dir: Path) -> None:
        state_dir.mkdir()
        owner = os.geteuid()
        if owner == 0:
            owner = NOBODY
            os.chown(state_dir, NOBODY, NOBODY)
        self.write(store)
        assert {path.stat().st_uid for path in state_dir.rglob("*")} == {owner}

    def test_nothing_half_made_is_left(self, store: SqliteStore, state_dir: Path) -> None:
        self.write(store)
        store.close()
        assert {path.name for path in state_dir.iterdir()} == {"replctl.db", "anchors", "locks"}

    @pytest.mark.parametrize("name", ["replctl.db", "replctl.db-wal", "replctl.db-shm"])
    def test_links_are_refused(self, store: SqliteStore, state_dir: Path, name: str) -> None:
        state_dir.mkdir()
        elsewhere = state_dir.parent / "elsewhere"
        (state_dir / name).symlink_to(elsewhere)
        with pytest.raises(StoreRefused, match="symbolic link"):
            store.begin(operation())
        assert not elsewhere.exists()

    def test_linked_locks_are_refused(self, store: SqliteStore, state_dir: Path) -> None:
        store.begin(operation())
        (state_dir / "locks").symlink_to(state_dir.parent)
        with pytest.raises(StoreRefused, match="symbolic link"), store.lock(LEDGER, HOLDER):
            pass

    def test_a_linked_lock_is_refused(self, store: SqliteStore, state_dir: Path) -> None:
        with store.lock(LEDGER, HOLDER):
            (lock,) = (state_dir / "locks").iterdir()
        lock.rename(state_dir.parent / "elsewhere")
        lock.symlink_to(state_dir.parent / "elsewhere")
        with pytest.raises(StoreRefused, match="symbolic link"), store.lock(LEDGER, HOLDER):
            pass
        with pytest.raises(StoreRefused, match="symbolic link"):
            store.holder(LEDGER)

    def test_a_linked_directory_is_a_way_to_move_it(self, store: SqliteStore, state_dir: Path) -> None:
        (state_dir.parent / "disk").mkdir()
        state_dir.symlink_to(state_dir.parent / "disk")
        store.begin(operation())
        assert (state_dir.parent / "disk" / "replctl.db").exists()

    def test_a_file_where_the_directory_should_be(self, store: SqliteStore, state_dir: Path) -> None:
        state_dir.write_text("")
        with pytest.raises(StoreRefused):
            store.begin(operation())
        with pytest.raises(StoreRefused):
            store.operations()


class TestNetworkFileSystems:
    MOUNTS = "\n".join(
        [
            "22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw",
            "30 22 0:40 / /home rw - nfs4 filer:/home rw",
            "31 30 8:2 / /home/local rw - xfs /dev/sda2 rw",
            r"32 22 0:41 / /mnt/my\040share rw master:1 - cifs //filer/share rw",
            "33 22 0:42 / /mnt/over rw - ext4 /dev/sda3 rw",
            "34 22 0:43 / /mnt/over rw - fuse.sshfs mara@host:/ rw",
            "",
            "no mount at all",
        ]
    )

    @pytest.mark.parametrize(
        ("path", "kind"),
        [
            ("/var/lib/replctl", "ext4"),
            ("/home/mara/.local/state", "nfs4"),
            ("/home/local/state", "xfs"),
            ("/homes", "ext4"),
            ("/mnt/my share/state", "cifs"),
            ("/mnt/over/state", "fuse.sshfs"),
        ],
    )
    def test_the_mount_nearest_above_counts(self, path: str, kind: str) -> None:
        assert place.file_system(Path(path), self.MOUNTS) == kind

    def test_nothing_known_is_nothing_said(self) -> None:
        assert place.file_system(Path("/var"), "") is None

    def test_they_are_refused(
        self, store: SqliteStore, state_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mounts = tmp_path / "mountinfo"
        mounts.write_text(f"22 1 0:40 / {state_dir.parent} rw - nfs4 filer:/home rw\n")
        monkeypatch.setattr(place, "MOUNTS", mounts)
        with pytest.raises(StoreRefused, match=r"network file system \(nfs4\)") as refused:
            store.begin(operation())
        assert WAY_OUT in refused.value.remedy


class TestFullDisk:
    @pytest.fixture
    def full(self, store: SqliteStore) -> SqliteStore:
        """A store whose file may not grow any more."""
        store.begin(operation())
        with store._database.transaction() as connection:
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return store

    def test_a_change_that_cannot_be_written_down_is_not_sent(self, full: SqliteStore) -> None:
        long = "x" * 50_000
        for write in (
            lambda: full.begin(operation("op-2", reason=long)),
            lambda: full.write_step("op-1", step(3, phase=StepPhase.INTENDED, error_message=long)),
        ):
            with pytest.raises(StoreRefused, match="is full: no change was sent") as refused:
                write()
            assert refused.value.exit_code == 4
            assert WAY_OUT in refused.value.remedy
        assert full.operations() == [operation()]

    def test_what_came_of_a_change_is_not_called_unsent(self, full: SqliteStore) -> None:
        with pytest.raises(StoreRefused, match="is full") as refused:
            full.write_step("op-1", step(1, phase=StepPhase.ACCEPTED, error_message="x" * 50_000))
        assert "no change was sent" not in refused.value.message

    def test_it_goes_on_when_there_is_room_again(self, full: SqliteStore) -> None:
        with pytest.raises(StoreRefused):
            full.begin(operation("op-2", reason="x" * 50_000))
        full.write_step("op-1", step(1, phase=StepPhase.ENDED))
        assert full.transitions() == []

    @pytest.mark.parametrize("room", range(0, 100_000, 4096))
    def test_wherever_the_room_ends_no_half_store_is_left(
        self, again: Callable[..., SqliteStore], room: int
    ) -> None:
        with largest_file(room), closing(again()) as store:
            with suppress(StoreRefused):
                store.begin(operation())
            begun = store.operations()
        assert begun in ([], [operation()])
        with closing(again()) as store:
            assert store.operations() == begun
            store.begin(operation("op-2"))
            assert store.operations() == [operation("op-2"), *begun]


class TestOnDisk:
    """That nothing is lost with the power is SQLite's word for these settings, and ours for the anchors."""

    def test_every_write_is_synced(self, store: SqliteStore) -> None:
        with store._database.transaction() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)  # FULL
            assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)

    def test_the_anchors_are_synced(
        self, store: SqliteStore, state_dir: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.begin(operation())
        store.record(transition())
        synced: list[str] = []
        monkeypatch.setattr(os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}")))
        store.finish("op-1", Outcome.SUCCEEDED, NOW)
        assert synced == [str(state_dir / "anchors"), str(state_dir)]


class TestBusyStore:
    def test_another_process_that_keeps_it_is_a_conflict(
        self, again: Callable[..., SqliteStore], state_dir: Path
    ) -> None:
        store = again(busy_seconds=0.01)
        store.begin(operation())
        with closing(sqlite3.connect(state_dir / "replctl.db", isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(Conflict, match="no change was sent") as busy:
                store.begin(operation("op-2"))
            assert busy.value.exit_code == 7
            assert store.operations() == [operation()]  # reading waits for no writer
            assert not store.add_counts({"retries": 1.0})
            other.execute("ROLLBACK")
        store.begin(operation("op-2"))
        assert dict(store.counts()) == {}


class TestDamagedStore:
    def damage(self, state_dir: Path, offset: int, data: bytes) -> None:
        with (state_dir / "replctl.db").open("r+b") as file:
            file.seek(offset)
            file.write(data)

    @pytest.fixture
    def closed(self, again: Callable[..., SqliteStore], state_dir: Path) -> Path:
        with closing(again()) as store:
            store.begin(operation())
            store.record(transition())
        return state_dir

    @pytest.mark.parametrize("offset", [0, 100, 4096])
    def test_it_is_named_with_the_way_out(
        self, closed: Path, again: Callable[..., SqliteStore], offset: int
    ) -> None:
        self.damage(closed, offset, b"\xff" * 4096)
        for use in (lambda store: store.operations(), lambda store: store.begin(operation("op-2"))):
            with closing(again()) as store, pytest.raises(StoreRefused) as refused:
                use(store)
            assert f"{closed}/replctl.db is damaged" in refused.value.message
            assert f"mv {closed}/replctl.db" in refused.value.remedy
            assert WAY_OUT in refused.value.remedy

    def test_an_empty_or_cut_file(self, closed: Path, again: Callable[..., SqliteStore]) -> None:
        for size in (5000, 0):
            os.truncate(closed / "replctl.db", size)
            with closing(again()) as store, pytest.raises(StoreRefused) as refused:
                store.operations()
            assert WAY_OUT in refused.value.remedy

    @pytest.mark.parametrize("body", ["", "{", "[]", "{}", '{"operation_id":1}'])
    def test_rows_that_make_no_sense(
        self, closed: Path, again: Callable[..., SqliteStore], body: str
    ) -> None:
        with closing(sqlite3.connect(closed / "replctl.db")) as connection, connection:
            connection.execute("UPDATE operations SET body = ?", (body,))
            connection.execute("UPDATE facts SET body = ?", (body,))
            connection.execute("UPDATE history SET body = ?", (body,))
        store = again()
        for use in (
            store.operations,
            store.transitions,
            lambda: store.operation("op-1"),
            lambda: store.finish("op-1", Outcome.FAILED, NOW),
        ):
            with pytest.raises(StoreRefused, match="is damaged"):
                use()
        assert store.verify() != []

    def test_anothers_database_is_left_alone(
        self, again: Callable[..., SqliteStore], state_dir: Path
    ) -> None:
        state_dir.mkdir()
        with closing(sqlite3.connect(state_dir / "replctl.db")) as connection, connection:
            connection.execute("CREATE TABLE theirs (x)")
        for use in (lambda store: store.operations(), lambda store: store.begin(operation("op-2"))):
            with closing(again()) as store, pytest.raises(StoreRefused, match="not a store of replctl"):
                use(store)


class TestVersions:
    NEXT = (*schema.MIGRATIONS, ("CREATE TABLE more (x)", "INSERT INTO more VALUES (1)"))

    def test_a_newer_store_is_refused(
        self, store: SqliteStore, again: Callable[..., SqliteStore], state_dir: Path
    ) -> None:
        store.begin(operation())
        with closing(sqlite3.connect(state_dir / "replctl.db")) as connection:
            connection.execute(f"PRAGMA user_version = {len(schema.MIGRATIONS) + 1}")
        for use in (lambda store: store.operations(), lambda store: store.begin(operation("op-2"))):
            with (
                closing(again()) as other,
                pytest.raises(StoreRefused, match="by a newer replctl") as refused,
            ):
                use(other)
            assert "\n" not in refused.value.message

    def test_an_older_one_is_brought_forward_when_first_used(
        self, store: SqliteStore, state_dir: Path
    ) -> None:
        store.begin(operation())
        with closing(Database(state_dir, migrations=self.NEXT)) as newer:
            assert newer.rows("SELECT x FROM more") == [(1,)]
            assert newer.rows("SELECT count(*) FROM operations") == [(1,)]

    def test_all_of_a_migration_or_nothing(self, store: SqliteStore, state_dir: Path) -> None:
        store.begin(operation())
        broken = (*self.NEXT, ("CREATE TABLE more_still (x)", "INSERT INTO nowhere VALUES (1)"))
        with closing(Database(state_dir, migrations=broken)) as newer, pytest.raises(ReplctlError):
            newer.rows("SELECT 1")
        assert store.operations() == [operation()]
        with closing(sqlite3.connect(state_dir / "replctl.db")) as connection:
            names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        assert "more" not in names

    def test_an_older_one_that_may_not_be_written_says_so(self, filled: Path) -> None:
        with as_nobody(), closing(Database(filled, migrations=self.NEXT)) as newer:
            with pytest.raises(StoreRefused, match="by an older replctl") as refused:
                newer.rows("SELECT 1")
            assert "group" in refused.value.remedy


class TestTheStoreGoesAwayUnderUs:
    def replace(self, state_dir: Path, clock: FakeClock) -> None:
        shutil.rmtree(state_dir)
        with closing(SqliteStore(state_dir, clock=clock)) as other:
            other.begin(operation())

    @pytest.mark.parametrize("replaced", [False, True])
    def test_while_we_hold_a_lock_nothing_is_written_any_more(
        self, store: SqliteStore, state_dir: Path, clock: FakeClock, replaced: bool
    ) -> None:
        with store.lock(LEDGER, HOLDER):
            store.begin(operation())
            assert store.still_stands("op-1")
            if replaced:
                self.replace(state_dir, clock)
            else:
                shutil.rmtree(state_dir)
            assert not store.still_stands("op-1")
            for write in (
                lambda: store.write_step("op-1", step(1, phase=StepPhase.INTENDED)),
                lambda: store.finish("op-1", Outcome.SUCCEEDED, NOW),
                lambda: store.save_breaker("west", "read", BreakerState()),
            ):
                with pytest.raises(StoreRefused, match="deleted or replaced"):
                    write()
        assert state_dir.exists() == replaced

    def test_without_a_lock_it_begins_anew(self, store: SqliteStore, state_dir: Path) -> None:
        store.begin(operation())
        shutil.rmtree(state_dir)
        store.set_survivor(LEDGER, "west")
        assert store.survivor(LEDGER) == "west"
        assert store.operations() == []

    def test_a_database_that_was_put_back_from_elsewhere(self, store: SqliteStore, state_dir: Path) -> None:
        with store.lock(LEDGER, HOLDER):
            store.begin(operation())
            copy = state_dir / "copy"
            shutil.copy(state_dir / "replctl.db", copy)
            assert store.still_stands("op-1")
            copy.rename(state_dir / "replctl.db")
            assert not store.still_stands("op-1")

    def test_a_lock_file_that_was_replaced_no_longer_protects(
        self, store: SqliteStore, state_dir: Path
    ) -> None:
        with store.lock(LEDGER, HOLDER):
            store.begin(operation())
            (lock,) = (state_dir / "locks").iterdir()
            lock.unlink()
            assert not store.still_stands("op-1")
