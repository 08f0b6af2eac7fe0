"""What a change of ours leaves at the object, so that whoever looks later can tell that it was true (CT §4.3).

Trident says `promoted` also where nothing was broken. A true promotion of a mirror that held a complete copy always
passes `promoting`; where that was is found again in the history of the object, from the version on which we wrote.
`reestablished` is no better proven where ONTAP could not be read, which may count as a mirror that is there. A true
way back passes `reestablishing`, or tells a policy that ONTAP reported and that was not known before.
All this is one annotation, written by the change itself. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from replctl.drivers.kubernetes.objects import Body, part, text

ANNOTATION = "replctl/promotion"
RETURN = "replctl/return"
_COMPLETE = frozenset({"established", "reestablished"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """One promotion: of which operation, on which version, which generation it made, and the state before it."""

    operation: str
    since: str
    generation: int
    was: str

    @classmethod
    def of(cls, body: Body) -> Self | None:
        """None where the object bears none, or what is no promotion of ours."""
        texts, number = _noted(body, ANNOTATION, ("operation", "since", "was"))
        return None if number is None else cls(generation=number, **texts)

    @property
    def annotation(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    def fits(self, generation: int | None) -> bool:
        """Whether what is asked of the object now is this promotion, of a mirror that held a complete copy."""
        return self.was in _COMPLETE and generation == self.generation

    def passed(self, history: Iterable[Body]) -> bool:
        """Whether the object, as it was one time after the other, was being promoted at this very wish."""
        return _was(history, self.generation, "promoting")


@dataclass(frozen=True, slots=True, kw_only=True)
class Return:
    """One way back to the replica: on which version, which generation it made, and state and policy before it."""

    since: str
    generation: int
    was: str
    policy: str

    @classmethod
    def of(cls, body: Body) -> Self | None:
        """None where the object bears none, or what is no return of ours."""
        texts, number = _noted(body, RETURN, ("since", "was", "policy"))
        return None if number is None else cls(generation=number, **texts)

    @property
    def annotation(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    def fits(self, generation: int | None) -> bool:
        """Whether what is asked of the object now is this way back, of an end that was no replica already.

        One that was is only called otherwise (CT §4.2), and passes nothing.
        """
        return self.was not in _COMPLETE and generation == self.generation

    def tells(self, policy: str) -> bool:
        """Whether ONTAP was read for what the object says now: the policy that it reports was not known before."""
        return bool(policy) and policy != self.policy

    def passed(self, history: Iterable[Body]) -> bool:
        """Whether the object, as it was one time after the other, was being made the replica at this very wish."""
        return _was(history, self.generation, "reestablishing")


def _noted(body: Body, key: str, names: Iterable[str]) -> tuple[dict[str, str], int | None]:
    """The texts of an annotation, and the generation that it speaks of; None where it is not one of ours."""
    try:
        said: Any = json.loads(text(part(body, "metadata", "annotations"), key) or "null")
        texts = {name: said[name] for name in names}
        number = said["generation"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return {}, None
    if not all(isinstance(each, str) for each in texts.values()) or not isinstance(number, int):
        return {}, None
    return texts, number


def _was(history: Iterable[Body], generation: int, state: str) -> bool:
    return any(
        part(body, "metadata").get("generation") == generation and _state(body) == state for body in history
    )


def _state(body: Body) -> str:
    listed = part(body, "status").get("conditions")
    return text(part(listed[0]), "state") if isinstance(listed, list) and listed else ""
