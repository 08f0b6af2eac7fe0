"""From the names that people type to the replications of the file (R77, design §9).

Pure. A bare name means the default namespace if one is given, else whatever single replication bears it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

from replctl.cli.options import Choosing
from replctl.core.errors import Finding, InvalidInput, NotFound
from replctl.core.fleet import Selection, parse_selector, select
from replctl.core.model import Replication
from replctl.core.names import parse_key

SUGGESTIONS = 3


def choose(
    words: Sequence[str] | None, choosing: Choosing, known: Sequence[Replication], namespace: str | None
) -> list[Replication] | None:
    """The replications meant by names or by a selection, never by both; None when neither is given."""
    if not choosing.given:
        return resolve(words, known, namespace) if words else None
    if words:
        raise InvalidInput(
            f"names or a selection, not both: {words[0]} was named beside --group, -l or --all"
        )
    if choosing.everything and (choosing.group is not None or choosing.selector is not None):
        raise InvalidInput("--all stands alone: it leaves nothing to choose for --group and --selector")
    labels = () if choosing.selector is None else parse_selector(choosing.selector)
    return select(Selection(group=choosing.group, labels=labels, namespace=namespace), known)


def resolve(words: Iterable[str], known: Sequence[Replication], namespace: str | None) -> list[Replication]:
    """The replications meant, each once, in the order typed.

    Raises InvalidInput for what is not a name or means several, NotFound for what means none.
    """
    found: dict[str, Replication] = {}
    for word in words:
        each = resolve_one(word, known, namespace)
        found.setdefault(each.key, each)
    return list(found.values())


def resolve_one(word: str, known: Sequence[Replication], namespace: str | None) -> Replication:
    where, name = parse_key(word, namespace)
    candidates = [each for each in known if each.name == name and where in (None, each.namespace)]
    if len(candidates) == 1:
        return candidates[0]
    if candidates:
        raise _ambiguous(word, sorted(each.key for each in candidates))
    raise _unknown(word if where is None or "/" in word else f"{where}/{name}", known)


def _ambiguous(word: str, keys: Sequence[str]) -> InvalidInput:
    allowed = ", ".join(keys)
    return InvalidInput(
        f"{word} means several replications: {allowed}",
        findings=[Finding("name", word, allowed)],
        remedy="give the namespace too: NAMESPACE/NAME, or -n NAMESPACE",
    )


def _unknown(word: str, known: Sequence[Replication]) -> NotFound:
    near = suggestions(word, known)
    remedy = f"did you mean {' or '.join(near)}? " if near else ""
    remedy += "replctl status -o name lists what there is"
    return NotFound(f"there is no replication {word}", remedy=remedy, replication=None)


def suggestions(word: str, known: Sequence[Replication]) -> list[str]:
    """Keys that look like the word, best first."""
    keys = [each.key for each in known]
    if "/" in word:
        same_name = [key for key in keys if key.rpartition("/")[2] == word.rpartition("/")[2]]
        near = difflib.get_close_matches(word, keys, SUGGESTIONS)
        return list(dict.fromkeys([*near, *same_name]))[:SUGGESTIONS]
    names = difflib.get_close_matches(word, {each.name for each in known}, SUGGESTIONS)
    return [each.key for name in names for each in known if each.name == name][:SUGGESTIONS]


def known_backend(name: str, backends: Iterable[str]) -> str:
    """The backend's name; raises NotFound with what looks like it."""
    known = sorted(backends)
    if name in known:
        return name
    near = difflib.get_close_matches(name, known, SUGGESTIONS)
    remedy = f"did you mean {' or '.join(near)}?" if near else f"the configuration has {', '.join(known)}"
    raise NotFound(f"there is no backend {name}", remedy=f"{remedy} replctl backends shows each")
