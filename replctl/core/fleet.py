"""Several replications at once: which are meant, in which waves they move, and what their group would lose.

Pure. A selection never guesses: names or a selection, not both; what fits nothing is an error and not an empty
success. Judging and moving are the engine's (design §4).
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from replctl.core.errors import Finding, InvalidInput, NotFound, excerpt
from replctl.core.model import Replication
from replctl.core.names import is_label_key, is_label_value
from replctl.core.outcomes import Outcome
from replctl.core.plans import DataLoss

ALLOWED = "KEY=VALUE, KEY!=VALUE or KEY in (VALUE,VALUE), joined by commas"
SUGGESTIONS = 3
WAVE_GOES_ON = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})
"""What every member of a wave must have come to before the next wave begins."""
_IN = re.compile(r"(?P<key>\S+)\s+in\s*\((?P<values>[^()]*)\)")
_EQUAL = re.compile(r"(?P<key>[^\s=!]+)\s*(?P<sign>!=|=)\s*(?P<value>[^\s=!]*)")
_Thing = TypeVar("_Thing")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One term of a selector; a replication without the label fits only a term that `excludes`."""

    key: str
    values: frozenset[str]
    excludes: bool = False

    def fits(self, replication: Replication) -> bool:
        value = dict(replication.labels).get(self.key)
        return (value in self.values) is not self.excludes


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What is wanted of all that the file names; everything given must fit, and nothing given means all."""

    group: str | None = None
    labels: tuple[Requirement, ...] = ()
    namespace: str | None = None

    def fits(self, replication: Replication) -> bool:
        return (
            self.group in (None, replication.group)
            and self.namespace in (None, replication.namespace)
            and all(each.fits(replication) for each in self.labels)
        )


def parse_selector(text: str) -> tuple[Requirement, ...]:
    """The terms of `key=value,key!=value,key in (a,b)`; raises InvalidInput for what is none."""
    return tuple(_requirement(term.strip(), text) for term in _terms(text))


def _terms(text: str) -> list[str]:
    """Split at the commas that stand outside of parentheses."""
    return re.split(r",(?![^()]*\))", text)


def _requirement(term: str, whole: str) -> Requirement:
    listed = _IN.fullmatch(term)
    if listed:
        values = frozenset(value.strip() for value in listed["values"].split(","))
        return _checked(Requirement(listed["key"], values), whole)
    single = _EQUAL.fullmatch(term)
    if single is None:
        raise _no_selector(whole)
    return _checked(Requirement(single["key"], frozenset({single["value"]}), single["sign"] == "!="), whole)


def _checked(term: Requirement, whole: str) -> Requirement:
    if not is_label_key(term.key) or not all(is_label_value(value) for value in term.values):
        raise _no_selector(whole)
    return term


def _no_selector(text: str) -> InvalidInput:
    shown = f'"{excerpt(text)}"'
    return InvalidInput(
        f"{shown} is not a selector: {ALLOWED}", findings=[Finding("selector", shown, ALLOWED)]
    )


def select(selection: Selection, known: Sequence[Replication]) -> list[Replication]:
    """What the selection means, in the file's order; raises NotFound for a group that is none, or for nothing."""
    groups = sorted({each.group for each in known if each.group})
    if selection.group is not None and selection.group not in groups:
        near = _near(selection.group, groups) or _either(groups)
        raise NotFound(
            f"there is no group {excerpt(selection.group)}",
            remedy=near or "no entry of the file names a group",
        )
    namespaces = sorted({each.namespace for each in known})
    if selection.namespace is not None and selection.namespace not in namespaces:
        near = _near(selection.namespace, namespaces)
        raise NotFound(
            f"there is no replication in the namespace {excerpt(selection.namespace)}", remedy=near
        )
    found = [each for each in known if selection.fits(each)]
    if not found:
        remedy = _near_labels(selection, known) or "replctl status -o wide lists what there is"
        raise NotFound("no replication fits what was selected", remedy=remedy)
    return found


def _near_labels(selection: Selection, known: Sequence[Replication]) -> str:
    """What looks like a label that is wanted and that nothing bears."""
    borne = sorted({f"{key}={value}" for each in known for key, value in each.labels})
    for term in selection.labels:
        wanted = [f"{term.key}={value}" for value in sorted(term.values)]
        if not term.excludes and not set(wanted) & set(borne):
            return _near(wanted[0], borne)
    return ""


def _near(word: str, known: Sequence[str]) -> str:
    return _either(difflib.get_close_matches(word, known, SUGGESTIONS))


def _either(words: Sequence[str]) -> str:
    return f"did you mean {' or '.join(words[:SUGGESTIONS])}?" if words else ""


def waves(members: Iterable[_Thing], orders: Iterable[int]) -> tuple[tuple[int, tuple[_Thing, ...]], ...]:
    """The members by their order, lowest first; within a wave they stay as they came."""
    by_order: dict[int, list[_Thing]] = {}
    for member, order in zip(members, orders, strict=True):
        by_order.setdefault(order, []).append(member)
    return tuple((order, tuple(by_order[order])) for order in sorted(by_order))


def goes_on(outcomes: Iterable[Outcome]) -> bool:
    """Whether the wave after these may begin."""
    return WAVE_GOES_ON.issuperset(outcomes)


def worst_loss(losses: Iterable[DataLoss | None]) -> DataLoss | None:
    """What the group would lose: its worst member's statement. Nothing is worse than the unknown."""
    stated = [loss for loss in losses if loss is not None]
    return max(stated, key=_severity, default=None)


def _severity(loss: DataLoss) -> float:
    return math.inf if loss.at_most_seconds is None else loss.at_most_seconds
