"""The heads of the chains, written down outside the database: an append-only text file, one line a head.

    2031-02-03T02:13:07.250Z bank/ledger 17 4f1c…

A line is on disk when `append` returns. The file is never shortened; a line that cannot be read, torn by a
power cut or edited, is told by its number and not passed over.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from replctl.store import place
from replctl.store.chain import Anchor
from replctl.store.place import Place

FILE = "anchors"
HASH_CHARACTERS = 64


def line(anchor: Anchor) -> str:
    """The anchor as it stands in the file, without the newline."""
    at = datetime.fromtimestamp(anchor.at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    name = anchor.replication.encode("unicode_escape").decode("ascii")
    return f"{at} {name} {anchor.sequence} {anchor.hash}"


def append(where: Place, anchor: Anchor) -> None:
    """Raises StoreRefused when it cannot be written."""
    path = where.directory / FILE
    descriptor = place.open_file(where, path, os.O_RDWR | os.O_APPEND)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        text = line(anchor) + "\n"
        os.write(descriptor, ("\n" + text if torn else text).encode())
        os.fsync(descriptor)
        if size == 0:
            place.sync_directory(where.directory)
    except OSError as error:
        raise place.refusal(path, error) from error
    finally:
        os.close(descriptor)


def read(directory: Path) -> tuple[list[Anchor], list[int]]:
    """All anchors, and the numbers of the lines that cannot be read. No file: none. Raises StoreRefused."""
    path = directory / FILE
    place.refuse_symlink(path)
    try:
        lines = path.read_text(encoding="ascii", errors="replace").splitlines()
    except FileNotFoundError:
        return [], []
    except OSError as error:
        raise place.refusal(path, error) from error
    parsed = [(number, _parse(text)) for number, text in enumerate(lines, 1) if text]
    return [anchor for _, anchor in parsed if anchor], [number for number, anchor in parsed if not anchor]


def _parse(text: str) -> Anchor | None:
    try:
        at, rest = text.split(" ", 1)
        name, sequence, known = rest.rsplit(" ", 2)
        moment = datetime.fromisoformat(at).timestamp()
        replication = name.encode("ascii").decode("unicode_escape")
        return Anchor(moment, replication, int(sequence), known) if len(known) == HASH_CHARACTERS else None
    except ValueError:
        return None
