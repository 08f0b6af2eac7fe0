"""Observations of a cluster's objects, each made once as long as nothing that it rests on is new.

What a watch keeps is the same objects with each look. Over ten thousand of which nothing was told, only the moment of
looking is new, and to translate them all again would be most of what a quiet look costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from replctl.core.model import End, Observation
from replctl.drivers.trident import mirrors
from replctl.drivers.trident.lookup import Found
from replctl.drivers.trident.mirrors import Surroundings

Strange = tuple[str, str]  # a field and its value that no table of ours knows
Made = Mapping[End, "Translated"]


@dataclass(frozen=True, slots=True)
class Translated:
    """One end's objects in our words; `strange` is what no table knows of them."""

    found: Found
    seen: Observation
    strange: frozenset[Strange]


def translate(found: Mapping[End, Found], around: Surroundings, before: Made) -> dict[End, Translated]:
    """Everything that was found; from `before` what rests on the same objects, as of now."""
    return {
        end: _again(before.get(end), each, around) or _anew(end, each, around) for end, each in found.items()
    }


def _anew(end: End, found: Found, around: Surroundings) -> Translated:
    seen = mirrors.mirror_seen(end, found.mirror, found.claim, around)
    return Translated(found, seen, mirrors.strange_words(found.mirror))


def _again(made: Translated | None, found: Found, around: Surroundings) -> Translated | None:
    """What was made of the very same objects; None where anything may be new. ONTAP's words are, each time."""
    if made is None or around.relationships is not None:
        return None
    if made.found.mirror.body is not found.mirror.body or made.found.claim is not found.claim:
        return None
    if made.seen.in_use != mirrors.attached_to(found.claim, around):
        return None
    if made.seen.observed_at == around.read_at:
        return made
    point = made.seen.point and replace(made.seen.point, read_at=around.read_at)
    return replace(made, seen=replace(made.seen, observed_at=around.read_at, point=point))
