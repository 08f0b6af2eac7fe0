"""What a promotion of ours leaves at the object, so that whoever looks later can tell that it was true (CT §4.3).

Trident says `promoted` also where nothing was broken. A true promotion of a mirror that held a complete copy always
passes `promoting`; where that was is found again in the history of the object, from the version on which we wrote.
All this is one annotation, written by the change itself. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

from replctl.drivers.kubernetes.objects import Body, part, text

ANNOTATION = "replctl/promotion"
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
        try:
            said: Any = json.loads(text(part(body, "metadata", "annotations"), ANNOTATION) or "null")
            texts = {name: said[name] for name in ("operation", "since", "was")}
            number = said["generation"]
        except (ValueError, TypeError, KeyError, RecursionError):
            return None
        if not all(isinstance(each, str) for each in texts.values()) or not isinstance(number, int):
            return None
        return cls(generation=number, **texts)

    @property
    def annotation(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    def fits(self, generation: int | None) -> bool:
        """Whether what is asked of the object now is this promotion, of a mirror that held a complete copy."""
        return self.was in _COMPLETE and generation == self.generation

    def passed(self, history: Iterable[Body]) -> bool:
        """Whether the object, as it was one time after the other, was being promoted at this very wish."""
        return any(
            part(body, "metadata").get("generation") == self.generation and _state(body) == "promoting"
            for body in history
        )


def _state(body: Body) -> str:
    listed = part(body, "status").get("conditions")
    return text(part(listed[0]), "state") if isinstance(listed, list) and listed else ""
