"""Which two ends are one replication, by the ids that they have of each other. Pure; nothing is guessed (R79).

An end says what it holds (`resource`) and perhaps what that is at the other end (`counterpart`). Two are a pair when
one names the other and neither names a third; where more than two fit together, none of them is a pair.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why something that is replicated got no entry."""

    AMBIGUOUS = "ambiguous"  # it could belong to more than one
    UNPAIRED = "unpaired"  # its other end was not found
    UNREAD = "unread"  # its other end, or where that could be, was not read
    UNSETTLED = "unsettled"  # it is not one source with its replica just now
    UNSUPPORTED = "unsupported"


UNDECIDED = frozenset({Reason.AMBIGUOUS, Reason.UNREAD, Reason.UNSETTLED})
"""What a person, or time, can decide; the others are no replications that replctl could be asked to change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """One end as a backend lists it: `named` is how the file would name it, `called` how people would."""

    backend: str
    kind: str
    called: str
    named: tuple[tuple[str, str], ...]
    identity: str
    resource: str | None = None
    counterpart: str | None = None


@dataclass(frozen=True, slots=True)
class Matched:
    """The pairs; the seats without another end; and those that have several, with what they would fit."""

    pairs: tuple[tuple[Seat, Seat], ...]
    alone: tuple[Seat, ...]
    several: Mapping[Seat, tuple[Seat, ...]]


def match(seats: Sequence[Seat]) -> Matched:
    """Put together what belongs together; each pair stands where its first end did."""
    fitting = _fitting(seats)
    pairs: dict[frozenset[Seat], tuple[Seat, Seat]] = {}
    alone: list[Seat] = []
    several: dict[Seat, tuple[Seat, ...]] = {}
    for seat in seats:
        others = fitting.get(seat, [])
        if not others:
            alone.append(seat)
        elif len(others) > 1 or len(fitting[others[0]]) > 1:
            several[seat] = tuple(others)
        else:
            pairs.setdefault(frozenset((seat, others[0])), (seat, others[0]))
    return Matched(tuple(pairs.values()), tuple(alone), several)


def _fitting(seats: Sequence[Seat]) -> Mapping[Seat, list[Seat]]:
    """Of each seat those that could be its other end."""
    holding: defaultdict[tuple[str, str], list[Seat]] = defaultdict(list)
    for seat in seats:
        if seat.resource is not None:
            holding[seat.kind, seat.resource].append(seat)
    found: defaultdict[Seat, list[Seat]] = defaultdict(list)
    for seat in seats:
        for other in holding[seat.kind, seat.counterpart or ""]:
            if other.backend == seat.backend or not _agree(seat, other):
                continue
            for one, two in ((seat, other), (other, seat)):
                if two not in found[one]:
                    found[one].append(two)
    return found


def _agree(seat: Seat, other: Seat) -> bool:
    """Whether the other one names this one, or nobody."""
    return other.counterpart is None or other.counterpart == seat.resource
