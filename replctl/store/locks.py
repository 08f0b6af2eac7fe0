"""One lock per replication, held by the operating system for the life of a process.

`flock` on a file below `locks/`: released by leaving, by dying and by `kill -9`, by no time-out. Two opens of
the file compete even within one process, so a second thread loses as a second process does. The file is never
deleted; its text is only for the loser, and says nothing unless the lock is really taken. Whoever only looks
takes the lock shared for a moment; whoever wants it tells such a look from a holder and tries again.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
import weakref
from contextlib import suppress
from pathlib import Path

from replctl.core.errors import StoreRefused
from replctl.store import place
from replctl.store.place import Place

DIRECTORY = "locks"
READABLE_CHARACTERS = 80
DIGEST_CHARACTERS = 16
TEXT_BYTES = 65536
LOOKS_OUTWAITED = 10_000  # spins past others' looks, microseconds each; a stopped looker must not hang us
WRITERS_OUTWAITED = 1000  # looks at a lock whose holder is just writing its text, microseconds each
REPLACED_FILES_FOLLOWED = 16

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-")


class Held:
    """A lock that this process holds until `release`. A forked child does not hold it."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.thread = threading.get_ident()
        self._descriptor = descriptor
        _HELD.add(self)

    def write(self, text: bytes) -> None:
        """Leave word for whoever comes second. Not durable: it means nothing after our death."""
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, text, 0)

    def stands(self) -> bool:
        """Whether the name still means the file that we locked; another one could be locked by others."""
        if self._descriptor < 0:
            return False
        info = os.fstat(self._descriptor)
        try:
            return place.identity(self.path) == (info.st_dev, info.st_ino)
        except StoreRefused:
            return False

    def release(self) -> None:
        with suppress(OSError):  # the text means nothing once the lock is free
            os.ftruncate(self._descriptor, 0)
        self.forget()

    def forget(self) -> None:
        """Close without unlocking: what a forked child does with the lock of its parent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


_HELD: weakref.WeakSet[Held] = weakref.WeakSet()


def _forget_all() -> None:
    for held in list(_HELD):
        held.forget()


os.register_at_fork(after_in_child=_forget_all)


def file_name(replication: str) -> str:
    """A safe name that people can still read; the digest keeps apart what the reading part cannot."""
    readable = "".join(sign if sign in _PLAIN else "_" for sign in replication[:READABLE_CHARACTERS])
    digest = hashlib.sha256(replication.encode(errors="surrogatepass")).hexdigest()[:DIGEST_CHARACTERS]
    return f"{readable.lstrip('.')}-{digest}.lock"


def acquire(where: Place, replication: str) -> Held | None:
    """Take the lock, or None when somebody holds it. Raises StoreRefused when the place may not be used."""
    path = place.subdirectory(where, DIRECTORY) / file_name(replication)
    for _ in range(REPLACED_FILES_FOLLOWED):
        descriptor = place.open_file(where, path, os.O_RDWR)
        try:
            taken = _take(descriptor)
        except OSError as error:
            os.close(descriptor)
            raise place.refusal(path, error) from error
        if not taken:
            os.close(descriptor)
            return None
        held = Held(path, descriptor)
        if held.stands():
            return held
        held.forget()  # the file was replaced between opening and locking
    return None


def read(directory: Path, replication: str) -> bytes | None:
    """The holder's text, or None when nobody holds the lock; empty when it left none. Changes nothing.

    Raises StoreRefused.
    """
    path = directory / DIRECTORY / file_name(replication)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise place.refusal(path, error) from error
    try:
        return _read(descriptor)
    finally:
        os.close(descriptor)


def _read(descriptor: int) -> bytes | None:
    for _ in range(WRITERS_OUTWAITED):
        if _try(descriptor, fcntl.LOCK_SH):
            return None
        text = os.pread(descriptor, TEXT_BYTES, 0)
        if text:
            return text
        os.sched_yield()  # taken or let go this very moment
    return b""


def _take(descriptor: int) -> bool:
    for _ in range(LOOKS_OUTWAITED):
        if _try(descriptor, fcntl.LOCK_EX):
            return True
        if not _try(descriptor, fcntl.LOCK_SH):
            return False  # not shared either: somebody holds it
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.sched_yield()
    return False


def _try(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
