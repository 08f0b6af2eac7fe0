"""What every session of a world depends on: the two arrays, the links between them, durations, assumptions, chance.

The link state is kept with its history, because an array notices a lost link only after a while. Nothing here knows
a session; the world settles all sessions before it changes anything here, so that a session that catches up later
never has to ask how the conditions were in the meantime.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from replctl.simulator.assumptions import Assumptions
from replctl.simulator.chance import between, chance

ARRAYS = ("east", "west")
PEER = {"east": "west", "west": "east"}
_ARRAY_NUMBER = {"east": 1, "west": 2}

# Virtual seconds that things take unless somebody says otherwise (CP §16.2).
DURATIONS: dict[str, float] = {
    "failover": 8.0,
    "failover_dr": 5.0,
    "reprotect": 10.0,
    "pause": 2.0,
    "resume": 2.0,
    "cycle": 20.0,
    "sync": 20.0,
    "initial": 30.0,
    "create": 5.0,
    "delete": 5.0,
    "test": 3.0,
    "metro": 2.0,
    "flip": 20.0,
    "role_gap": 1.0,
    "detection": 10.0,
}
# How far the view of an array trails the truth, unless durations name `lag_east` or `lag_west` (CP §16.2).
LAG_SECONDS = (1.0, 3.0)
LAG_NAMES = ("lag_east", "lag_west")
LOG_LENGTH = 100_000


class UnknownDuration(ValueError):
    """A duration that nothing in the world takes, or a negative one."""


class Line:
    """Whether something was up, with its history."""

    __slots__ = ("_turns",)

    def __init__(self, at: float) -> None:
        self._turns = [(at - 1e9, True)]

    @property
    def up(self) -> bool:
        """Whether it is up now."""
        return self._turns[-1][1]

    def turn(self, at: float, up: bool) -> None:
        """It is up or down from this time on."""
        if up != self.up:
            self._turns.append((at, up))

    def was_up(self, at: float) -> bool:
        """Whether it was up at a time in the past."""
        return next(up for since, up in reversed(self._turns) if since <= at)


@dataclass(slots=True)
class ArrayState:
    """How one array is: powered, cut off from the world, its clock's error in seconds."""

    name: str
    alive: bool = True
    isolated: bool = False
    link_cut: bool = False
    hosts_alive: bool = True
    skew: float = 0.0


class Note(NamedTuple):
    """Something that the world did, for whoever wonders why."""

    at: float
    name: str
    array: str
    what: str
    why: str


@dataclass(slots=True)
class Conditions:
    """Everything outside a session that decides what it does."""

    seed: int
    version: tuple[int, ...]
    start_at: float
    assume: Assumptions
    durations: dict[str, float]
    arrays: dict[str, ArrayState] = field(default_factory=lambda: {name: ArrayState(name) for name in ARRAYS})
    data_link: bool = True
    management_link: bool = True
    data: Line = field(init=False)
    management: Line = field(init=False)
    notes: deque[Note] = field(default_factory=lambda: deque(maxlen=LOG_LENGTH))

    def __post_init__(self) -> None:
        self.data = Line(self.start_at)
        self.management = Line(self.start_at)

    def changed(self, now: float) -> None:
        """Work out anew which links work, after a change to an array or a link."""
        working = all(a.alive and not a.link_cut for a in self.arrays.values())
        self.data.turn(now, working and self.data_link)
        self.management.turn(now, working and self.management_link)

    @property
    def both_links(self) -> bool:
        """Whether commands that need the peer's help reach it."""
        return self.data.up and self.management.up

    @property
    def demotion_path(self) -> bool:
        """Whether an unplanned failover can demote the old source at once."""
        if self.assume["demotion_path"] == "any_link":
            return self.data.up or self.management.up
        return self.both_links

    def seen_up(self, line: Line, now: float) -> bool:
        """What an array believes of a link: the truth of one detection time ago."""
        return line.was_up(now - self.durations["detection"])

    def lag(self, array: str, *keys: int) -> float:
        """Seconds until an array shows a change to those who ask."""
        fixed = self.durations.get("lag_" + array)
        if fixed is not None:
            return fixed
        return between(*LAG_SECONDS, self.seed, _ARRAY_NUMBER[array], *keys)

    def chance(self, *keys: int) -> float:
        """A number in [0, 1) that the world's seed and the keys decide."""
        return chance(self.seed, *keys)

    def unreachable_delay(self) -> float:
        """Seconds until a command learns that it cannot reach the peer."""
        return float(self.assume["peer_unreachable_delay"])

    def note(self, at: float, name: str, array: str, what: str, why: str) -> None:
        """Write down what happened."""
        self.notes.append(Note(at, name, array, what, why))


def read_durations(chosen: Mapping[str, float]) -> dict[str, float]:
    """The defaults with the chosen ones in their places; raises UnknownDuration."""
    for name, seconds in chosen.items():
        if name not in DURATIONS and name not in LAG_NAMES:
            raise UnknownDuration(f"there is no duration named {name!r}")
        if seconds < 0:
            raise UnknownDuration(f"the duration {name} cannot be negative")
    return {**DURATIONS, **chosen}


def read_version(text: str) -> tuple[int, ...]:
    """`4.1.0.0` as numbers that compare."""
    return tuple(int(part) for part in text.split("."))
