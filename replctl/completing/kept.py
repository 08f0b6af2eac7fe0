"""The names that are offered: what is kept of them, in which file, and what is believed of such a file.

One file for each configuration, beside its store. It is text, one thing a line, its fields parted by tabs:

    replctl names 1 <which configuration, in hex>
    replication <key> <state or -> <group or -> <backend,backend> <label=value,…>
    backend     <name>
    operation   <id> <verb> <key>

Whoever could write the file could put words on somebody's screen and command line, so one character that stands in
none of our names makes all of it worth nothing. A file that is damaged, from another version or of another
configuration is worth nothing either: then nothing is offered, and the next command writes it anew.
"""

from __future__ import annotations

import os
import stat

from replctl.completing import places

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

HEAD = "replctl names 1"
NONE = "-"
LARGEST_BYTES = 16 * 1024 * 1024
LETTERS = "abcdefghijklmnopqrstuvwxyz"
HARMLESS = f"{LETTERS}{LETTERS.upper()}0123456789-._/=,\t\n ".encode()
STATES = frozenset(
    {"absent", "replica", "promoting", "source", "demoting", "syncing", "failed", "unknown", "removing"}
)
FIELDS = {"replication": 6, "backend": 2, "operation": 4}


class Replication:
    """One of the desired-state file. `state` is how its local end was seen last, or empty."""

    __slots__ = ("ends", "group", "key", "labels", "state")

    def __init__(self, key: str, state: str, group: str, ends: Sequence[str], labels: Sequence[str]) -> None:
        self.key = key
        self.state = state
        self.group = group
        self.ends = ends
        self.labels = labels

    @property
    def namespace(self) -> str:
        return self.key.partition("/")[0]

    @property
    def name(self) -> str:
        return self.key.partition("/")[2]


class Operation:
    """One that is open."""

    __slots__ = ("identity", "key", "verb")

    def __init__(self, identity: str, verb: str, key: str) -> None:
        self.identity = identity
        self.verb = verb
        self.key = key


class Kept:
    """All that is kept."""

    __slots__ = ("backends", "operations", "replications")

    def __init__(
        self,
        replications: Sequence[Replication] = (),
        backends: Sequence[str] = (),
        operations: Sequence[Operation] = (),
    ) -> None:
        self.replications = replications
        self.backends = backends
        self.operations = operations


def file_name(config: str) -> str:
    """What the file of a configuration is called, beside its store."""
    which = os.path.normpath(config)
    return f"names-{_digest(which):016x}.txt"


def _digest(text: str) -> int:
    """FNV-1a, 64 bits: only to tell configurations apart that share a store; the head of the file names its own."""
    value = 0xCBF29CE484222325
    for byte in os.fsencode(text):
        value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return value


def read(directory: str, config: str) -> Kept:
    """What is kept for a configuration; nothing, when its file is worth nothing."""
    path = os.path.join(directory, file_name(config))
    content = places.read(path, LARGEST_BYTES) if is_ours(path) else None
    return parse(content, config) if content is not None else Kept()


def is_ours(path: str) -> bool:
    """Whether only its owner and its group can have written it: no link, and not open to everybody."""
    try:
        info = os.lstat(path)
    except (OSError, ValueError):
        return False
    return stat.S_ISREG(info.st_mode) and not info.st_mode & stat.S_IWOTH


def parse(content: bytes, config: str) -> Kept:
    """What the bytes say; nothing, when they are not those of this configuration, whole and harmless."""
    if content.translate(None, HARMLESS) or not content.endswith(b"\n"):
        return Kept()
    head, *lines = content.decode("ascii").split("\n")[:-1]
    rows = [line.split("\t") for line in lines]
    if head != _head(config) or any(len(row) != FIELDS.get(row[0]) for row in rows):
        return Kept()
    return Kept(
        [_replication(row) for row in rows if row[0] == "replication" and is_key(row[1])],
        [row[1] for row in rows if row[0] == "backend" and is_word(row[1])],
        [Operation(*row[1:]) for row in rows if row[0] == "operation" and is_word(row[1])],
    )


def is_word(text: str) -> bool:
    """No option, and nothing that a shell would part."""
    return text[:1].isalnum() and " " not in text


def is_key(text: str) -> bool:
    return is_word(text) and text.count("/") == 1


def _replication(row: Sequence[str]) -> Replication:
    _, key, state, group, ends, labels = row
    return Replication(
        key,
        state if state in STATES else "",
        group if is_word(group) else "",
        _listed(ends),
        _listed(labels),
    )


def _listed(text: str) -> list[str]:
    return [each for each in text.split(",") if is_word(each)]


def text(
    config: str,
    replications: Iterable[Replication],
    backends: Iterable[str],
    operations: Iterable[Operation],
) -> str:
    """The content of the file, in an order of its own: the same things give the same bytes."""
    lines = [
        "\t".join(
            (
                "replication",
                each.key,
                each.state or NONE,
                each.group or NONE,
                ",".join(each.ends),
                ",".join(each.labels),
            )
        )
        for each in sorted(replications, key=lambda each: each.key)
    ]
    lines += [f"backend\t{name}" for name in sorted(backends)]
    lines += [
        f"operation\t{each.identity}\t{each.verb}\t{each.key}"
        for each in sorted(operations, key=lambda each: each.identity)
    ]
    return "\n".join((_head(config), *lines, ""))


def _head(config: str) -> str:
    return f"{HEAD} {os.fsencode(os.path.normpath(config)).hex()}"
