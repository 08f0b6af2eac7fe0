"""Locks below the store: names, lookers that get in nobody's way, files that vanish."""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.store import locks, place

LOOKS = 2000


@given(st.text(max_size=300))
def test_any_name_makes_one_file_name(name: str) -> None:
    made = locks.file_name(name)
    assert Path(made).name == made
    assert not made.startswith(".")
    assert len(made) < 128
    assert made.isascii()


def test_names_that_read_alike_are_kept_apart() -> None:
    names = ["a/b", "a_b", "a/c", "A/b", "a b"]
    assert len({locks.file_name(name) for name in names}) == len(names)


def test_looking_never_makes_anybody_lose(tmp_path: Path) -> None:
    where = place.prepare(tmp_path)
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            locks.read(tmp_path, "a/b")

    lookers = [threading.Thread(target=look) for _ in range(3)]
    for looker in lookers:
        looker.start()
    try:
        for _ in range(LOOKS):
            held = locks.acquire(where, "a/b")
            assert held is not None
            held.release()
    finally:
        done.set()
        for looker in lookers:
            looker.join()


def test_what_a_dead_holder_left_is_no_holder(tmp_path: Path) -> None:
    where = place.prepare(tmp_path)
    held = locks.acquire(where, "a/b")
    assert held is not None
    held.write(b"somebody")
    assert locks.read(tmp_path, "a/b") == b"somebody"
    held.forget()  # as dying does: the text stays
    assert held.path.read_bytes() == b"somebody"
    assert locks.read(tmp_path, "a/b") is None


def test_a_holder_without_a_word_is_a_holder(tmp_path: Path) -> None:
    held = locks.acquire(place.prepare(tmp_path), "a/b")
    assert held is not None
    assert locks.read(tmp_path, "a/b") == b""
    held.release()


def test_the_lock_is_not_handed_to_programs_that_we_start(tmp_path: Path) -> None:
    held = locks.acquire(place.prepare(tmp_path), "a/b")
    assert held is not None
    opened = [int(name) for name in os.listdir("/proc/self/fd")]
    mine = [number for number in opened if _names(number, held.path)]
    assert [fcntl.fcntl(number, fcntl.F_GETFD) & fcntl.FD_CLOEXEC for number in mine] == [1]
    held.release()


def test_a_replaced_file_no_longer_stands(tmp_path: Path) -> None:
    where = place.prepare(tmp_path)
    held = locks.acquire(where, "a/b")
    assert held is not None
    assert held.stands()
    held.path.unlink()
    assert not held.stands()
    other = locks.acquire(where, "a/b")  # which is why `stands` is asked before each send
    assert other is not None
    assert other.stands()
    assert not held.stands()
    for each in (held, other):
        each.release()
        assert not each.stands()


@pytest.mark.parametrize("again", [1, 2])
def test_letting_go_twice_is_harmless(tmp_path: Path, again: int) -> None:
    held = locks.acquire(place.prepare(tmp_path), "a/b")
    assert held is not None
    for _ in range(again):
        held.release()
    assert locks.read(tmp_path, "a/b") is None


def _names(descriptor: int, path: Path) -> bool:
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}") == str(path)
    except OSError:
        return False
