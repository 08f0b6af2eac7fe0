"""Several processes, killed ones and forked ones: what the operating system keeps and lets go."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from store.values import HOLDER, LEDGER, ORDERS, transition

from replctl.core.errors import Locked
from replctl.core.journal import StepPhase
from replctl.store.sqlite import SqliteStore

CHILD = Path(__file__).with_name("child.py")
ROUNDS = 200
THREADS = 16


def start(*arguments: object) -> subprocess.Popen[str]:
    words = [sys.executable, str(CHILD), *map(str, arguments)]
    return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


@contextmanager
def holding(state_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the ledger's lock; killed at the end at the latest."""
    with start("hold", state_dir) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "held\n"
        try:
            yield child
        finally:
            child.kill()


def test_kill_9_frees_the_lock_and_what_was_written_is_there(store: SqliteStore, state_dir: Path) -> None:
    with holding(state_dir) as child:
        assert store.holder(LEDGER) == HOLDER
        with pytest.raises(Locked), store.lock(LEDGER, HOLDER):
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert store.holder(LEDGER) is None
        with store.lock(LEDGER, HOLDER):
            (left,) = store.operations(LEDGER, open_only=True)
            assert left.steps[0].phase is StepPhase.INTENDED
            assert len(store.transitions(LEDGER)) == 1  # R18
            assert store.verify() == []


def test_leaving_frees_the_lock(store: SqliteStore, state_dir: Path) -> None:
    with holding(state_dir) as child:
        child.communicate()
        assert child.returncode == 0
        assert store.holder(LEDGER) is None


def test_two_processes_take_turns_at_one_chain(store: SqliteStore, state_dir: Path) -> None:
    children = [start("append", state_dir, name, ROUNDS) for name in ("first", "second")]
    assert [child.communicate()[0] for child in children] == ["first\n", "second\n"]
    assert [child.returncode for child in children] == [0, 0]
    shown = store.transitions(LEDGER, limit=2 * ROUNDS)
    assert [each.sequence for each in shown] == list(range(1, 2 * ROUNDS + 1))
    assert store.verify() == []


def test_sixteen_threads_share_one_store(store: SqliteStore) -> None:
    troubles: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(10):
                store.record(transition(turn, f"bank/{number % 4}"))
                store.add_counts({"turns": 1.0})
                store.transitions(f"bank/{number % 4}")
        except BaseException as trouble:
            troubles.append(trouble)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert troubles == []
    assert store.counts()["turns"] == THREADS * 10
    assert [len(store.transitions(f"bank/{number}")) for number in range(4)] == [40] * 4
    assert store.verify() == []


def test_a_forked_child_holds_nothing_and_breaks_nothing(store: SqliteStore) -> None:
    with store.lock(LEDGER, HOLDER):
        store.record(transition())
        result = in_fork(lambda: b"%d %r" % (len(store.transitions()), store.holder(LEDGER) is not None))
        assert result == b"1 True"  # the parent's lock is seen, from the outside
        assert in_fork(lambda: store.record(transition(2, ORDERS)) or b"written") == b"written"
        with pytest.raises(Locked), store.lock(LEDGER, HOLDER):
            pass
    assert store.holder(LEDGER) is None
    assert len(store.transitions()) == 2


def test_a_forked_child_begins_with_nothing_open(store: SqliteStore) -> None:
    store.record(transition())
    assert store.transitions()
    database = store._database
    assert in_fork(lambda: b"%r %r" % (database._reader, database._writer)) == b"None None"
    assert len(store.transitions()) == 1


def test_a_program_that_we_started_keeps_no_lock(store: SqliteStore) -> None:
    with store.lock(LEDGER, HOLDER):
        sleeper = subprocess.Popen(["/bin/cat"], stdin=subprocess.PIPE)
    assert store.holder(LEDGER) is None
    sleeper.communicate()


def test_a_forked_child_keeps_no_lock_of_a_killed_parent(store: SqliteStore, state_dir: Path) -> None:
    with start("fork", state_dir) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert store.holder(LEDGER) == HOLDER
        parent.kill()
        parent.wait()
        os.kill(child, 0)  # it lives on
        assert store.holder(LEDGER) is None


def in_fork(work: Callable[[], bytes]) -> bytes:
    """What the work gives in a forked child."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # 3.12: the runner may have threads; the child has one
        child = os.fork()
    if child == 0:
        try:
            os.write(writer, work())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer
