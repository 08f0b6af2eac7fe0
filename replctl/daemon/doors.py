"""Who is let in at the daemon's ports, and in which words: TLS and basic auth by the web config file.

The file, and those that it names, are read anew when one of them changes; while they are no use, what was in force
stays, is said once in the log, and shows in `config_last_reload_successful`. Requests are served in threads, so that
a hash that is slow to prove holds up its own request alone.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import TYPE_CHECKING

from replctl.core.errors import InvalidConfiguration
from replctl.logs import LOGGER
from replctl.settings.webconfig import load_web_config, server_context

if TYPE_CHECKING:
    import ssl

LONGEST_PASSWORD_BYTES = 72  # what bcrypt looks at; a longer one is wrong, not cut
MOST_PROVEN = 1000  # that are remembered
PROOF_SECONDS = 5.0  # how long a request waits for its turn to be proven

Signature = tuple[int, int, int] | None


class Verdict(Enum):
    """What becomes of a request."""

    WELCOME = auto()
    UNKNOWN = auto()  # no credentials, or wrong ones
    BUSY = auto()  # so many wrong ones are being judged that this one was not


class Keys:
    """Users with the hashes of their passwords.

    One hash is proven at a time: whoever tries many keeps one processor busy at most. What was proven is remembered
    by a keyed digest, so that a scraper's every visit costs nothing. A name that nobody has takes as long as any.
    """

    def __init__(self, users: Mapping[str, bytes]) -> None:
        self._users = users
        self._nobody = _nobodys_hash(users)
        self._pepper = secrets.token_bytes(32)
        self._proven: set[bytes] = set()
        self._turn = threading.Lock()

    def judge(self, header: str | None) -> Verdict:
        """By the `Authorization` header of a request."""
        given = _credentials(header)
        if given is None:
            return Verdict.UNKNOWN
        name, password = given
        mark = self._mark(name, password)
        if mark in self._proven:
            return Verdict.WELCOME
        if not self._turn.acquire(timeout=PROOF_SECONDS):
            return Verdict.BUSY
        try:
            return self._prove(name, password, mark)
        finally:
            self._turn.release()

    def _prove(self, name: str, password: bytes, mark: bytes) -> Verdict:
        import bcrypt  # only where somebody has a password

        known = name in self._users
        fits = len(password) <= LONGEST_PASSWORD_BYTES and b"\0" not in password
        right = bcrypt.checkpw(password if fits else b"", self._users.get(name, self._nobody))
        if not (known and fits and right):
            return Verdict.UNKNOWN
        if len(self._proven) < MOST_PROVEN:
            self._proven.add(mark)
        return Verdict.WELCOME

    def _mark(self, name: str, password: bytes) -> bytes:
        return hmac.digest(self._pepper, name.encode() + b"\0" + password, hashlib.sha256)


def _nobodys_hash(users: Mapping[str, bytes]) -> bytes:
    """As dear as the dearest there is, of a password that nobody knows."""
    dearest = max(int(hashed[4:6]) for hashed in users.values())
    return b"$2b$%02d$" % dearest + b"." * 53


def _credentials(header: str | None) -> tuple[str, bytes] | None:
    scheme, _, encoded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, UnicodeDecodeError):
        return None


@dataclass(frozen=True, slots=True)
class Door:
    """What is in force: how TLS is spoken, if it is, and who may come in, if not everybody."""

    context: ssl.SSLContext | None = None
    keys: Keys | None = None

    def judge(self, header: str | None) -> Verdict:
        return self.keys.judge(header) if self.keys is not None else Verdict.WELCOME


class OpenDoor:
    """Plain HTTP for everybody, where no web config file is named."""

    is_good = True

    def current(self) -> Door:
        return Door()


class GuardedDoor:
    """What the web config file says; raises InvalidConfiguration when it is no use at first."""

    def __init__(self, path: Path, shown: str) -> None:
        self._path, self._shown = path, shown
        self._lock = threading.Lock()
        self._log = logging.getLogger(LOGGER)
        self._seen: dict[Path, Signature] = {}
        self._door = self._read()
        self._is_good = True

    @property
    def is_good(self) -> bool:
        """Whether the files that lie there now are in force."""
        self.current()
        return self._is_good

    def current(self) -> Door:
        """What is in force now."""
        with self._lock:
            if any(_signature(path) != seen for path, seen in self._seen.items()):
                self._read_anew()
            return self._door

    def _read_anew(self) -> None:
        try:
            self._door = self._read()
        except InvalidConfiguration as error:
            self._is_good = False
            wrong = "; ".join(str(each) for each in error.findings) or error.message
            self._log.error("the web config file is no use, and what was in force stays: %s", wrong)
        else:
            self._is_good = True
            self._log.info("the web config file was read anew")

    def _read(self) -> Door:
        """Every file is looked at before it is opened, so that no change in between is missed."""
        self._seen = {path: _signature(path) for path in (self._path, *self._seen)}
        config = load_web_config(self._path, self._shown)
        named = {path: _signature(path) for path in config.paths if path != self._path}
        self._seen = {self._path: self._seen[self._path], **named}
        return Door(server_context(config), Keys(config.users) if config.users else None)


Doors = OpenDoor | GuardedDoor


def doors(path: Path | None, shown: str) -> Doors:
    """By the file, where one is named."""
    return GuardedDoor(path, shown) if path is not None else OpenDoor()


def _signature(path: Path) -> Signature:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
