"""Names for what has none of ours yet: of the words of a backend, by the rules of Kubernetes (R77). Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from replctl.core.names import LONGEST_NAME

NAMELESS = "replication"  # of whose words nothing may stand in a name
TOLD_APART_CHARACTERS = 8  # of an id, behind a name that several would bear
_NOT_ALLOWED = re.compile(r"[^a-z0-9.]+")
_DOTS = re.compile(r"-*\.[-.]*")


def name_from(words: str) -> str:
    """The nearest name: lower case, what is not allowed as `-`, cut to the longest."""
    dashed = _NOT_ALLOWED.sub("-", words.lower())
    return _DOTS.sub(".", dashed)[:LONGEST_NAME].strip("-.") or NAMELESS


def distinct(wanted: Sequence[tuple[str, str, str]], taken: Collection[str]) -> list[tuple[str, str]]:
    """A (namespace, name) for each (namespace, name, id) that was wanted: no two the same, and none of the `taken`.

    All that would bear one name are told apart by their ids, so that none depends on the order; what is left the same
    even so is counted.
    """
    often = Counter((namespace, name) for namespace, name, _ in wanted)
    used = set(taken)
    found = []
    for namespace, name, identity in wanted:
        free = often[namespace, name] == 1 and f"{namespace}/{name}" not in used
        tail = name_from(identity)[:TOLD_APART_CHARACTERS].strip("-.")
        best = name if free else _with(name, tail)
        number = 1
        while f"{namespace}/{best}" in used:
            number += 1
            best = _with(name, f"{tail}-{number}")
        used.add(f"{namespace}/{best}")
        found.append((namespace, best))
    return found


def _with(name: str, tail: str) -> str:
    return f"{name[: LONGEST_NAME - len(tail) - 1].rstrip('-.')}-{tail}"
