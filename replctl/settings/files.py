"""Reading a configuration file whole: its text and who may read it, or one precise refusal."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from replctl.core.errors import Finding, InvalidConfiguration

LARGEST_CONFIG_BYTES = 1024 * 1024
LARGEST_REPLICATIONS_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class File:
    """A file's text and mode; `shown` is how it is named to people."""

    path: Path
    shown: str
    text: str = field(repr=False)
    mode: int

    @property
    def is_private(self) -> bool:
        """Whether its owner alone can read it."""
        return not self.mode & (stat.S_IRWXG | stat.S_IRWXO)


class Unreadable(Exception):
    """Why a file cannot be read, in words that hold nothing of it."""


def slurp(path: Path, limit_bytes: int) -> tuple[bytes, int]:
    """Content and mode of a regular file; raises Unreadable. Never waits, as for the other end of a pipe."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            mode = os.fstat(handle).st_mode
            if not stat.S_ISREG(mode):
                raise Unreadable("not a regular file")
            with os.fdopen(handle, "rb", closefd=False) as stream:
                content = stream.read(limit_bytes + 1)
        finally:
            os.close(handle)
    except (OSError, ValueError) as error:
        raise Unreadable(getattr(error, "strerror", None) or "no such path") from None
    if len(content) > limit_bytes:
        raise Unreadable(f"larger than {limit_bytes // 1024} KiB")
    return content, stat.S_IMODE(mode)


def read(path: Path, limit_bytes: int, shown: str, remedy: str = "") -> File:
    """Read a file of UTF-8 text; raises InvalidConfiguration."""
    try:
        content, mode = slurp(path, limit_bytes)
    except Unreadable as error:
        raise _refused(shown, str(error), "a readable file", remedy) from None
    try:
        return File(path, shown, content.decode("utf-8-sig"), mode)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
    raise _refused(shown, "not UTF-8", "UTF-8 text", remedy, line)


def _refused(
    shown: str, what: str, allowed: str, remedy: str, line: int | None = None
) -> InvalidConfiguration:
    place = shown if line is None else f"{shown}:{line}"
    return InvalidConfiguration(
        f"{shown} cannot be read: {what}", findings=[Finding(place, what, allowed)], remedy=remedy
    )
