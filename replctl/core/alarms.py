"""What of a replication a monitoring system is to be told: its level, by health, proof, file and age of the copy.

Pure. The levels are those of Nagios and its kin, with their numbers. A copy may be as old as the file's `rpo` says,
and is critical at twice that age, unless whoever asks says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType

from replctl.core.differences import asserted_of
from replctl.core.durations import format_duration
from replctl.core.model import Health, Mode
from replctl.core.results import ReplicationStatus
from replctl.core.states import shown

CRITICAL_RPOS = 2.0  # times the rpo


class Level(IntEnum):
    """By its exit code; which of two is worse says `SEVERITY`."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


SEVERITY = (Level.OK, Level.WARNING, Level.UNKNOWN, Level.CRITICAL)
"""From well to worst: what is known to be critical is told before what is not known."""
_OF_HEALTH: Mapping[Health, Level] = MappingProxyType(
    {
        Health.HEALTHY: Level.OK,
        Health.DEGRADED: Level.WARNING,
        Health.UNKNOWN: Level.UNKNOWN,
        Health.FAILED: Level.CRITICAL,
        Health.SPLIT_BRAIN: Level.CRITICAL,
        Health.NO_SOURCE: Level.CRITICAL,
    }
)


@dataclass(frozen=True, slots=True)
class Limits:
    """How old a copy may be, in seconds; None: as the file's `rpo` says, and no limit without one."""

    warning: float | None = None
    critical: float | None = None

    def of(self, status: ReplicationStatus) -> tuple[float | None, float | None]:
        """The limits of one replication; of a synchronous one no age is asked."""
        if status.mode is Mode.SYNCHRONOUS:
            return None, None
        rpo = status.replication.rpo_seconds
        critical = None if rpo is None else rpo * CRITICAL_RPOS
        return (
            rpo if self.warning is None else self.warning,
            critical if self.critical is None else self.critical,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """One replication: its worst level and every reason that is not well; `age_seconds` None is not known."""

    key: str
    level: Level
    reasons: tuple[tuple[Level, str], ...]
    age_seconds: float | None
    limits: tuple[float | None, float | None]

    @property
    def why(self) -> str:
        return "; ".join(reason for _, reason in self.reasons)


def worst(levels: Iterable[Level]) -> Level:
    """The worst of them; of none `OK`."""
    return max(levels, key=SEVERITY.index, default=Level.OK)


def judge(status: ReplicationStatus, limits: Limits, now: float) -> Alarm:
    """What is to be told of one replication, as it was seen `now`."""
    age = None if status.point_at is None else max(0.0, now - status.point_at)
    allowed = limits.of(status)
    found = [
        (_OF_HEALTH[status.health], status.message or status.health.value.replace("_", " ")),
        *_of_proof(status),
        *_of_file(status),
        *_of_age(status, age, allowed, asked=limits != Limits()),
    ]
    reasons = tuple((level, why) for level, why in found if level is not Level.OK)
    return Alarm(
        key=status.replication.key,
        level=worst(level for level, _ in reasons),
        reasons=reasons,
        age_seconds=age,
        limits=allowed,
    )


def _of_proof(status: ReplicationStatus) -> Iterable[tuple[Level, str]]:
    for end in (status.local, status.peer):
        if end.unverified:
            yield Level.WARNING, f"{end.backend}: its last change was never verified"


def _of_file(status: ReplicationStatus) -> Iterable[tuple[Level, str]]:
    """What the file says otherwise; a hold says that somebody knows."""
    if status.in_sync is not False or status.hold is not None:
        return
    wanted = status.replication
    if status.state is not None and status.state is not wanted.desired_state:
        yield Level.WARNING, f"it is {shown(status.state)}, and the file says {wanted.desired_state.value}"
    elif wanted.mode is not None and status.mode is not wanted.mode:
        yield Level.WARNING, f"it is not {wanted.mode.value}, as the file says"
    else:
        for each in asserted_of(status):
            yield Level.WARNING, f"its {each.aspect} is {each.seen}, and the file says {each.wanted}"


def _of_age(
    status: ReplicationStatus, age: float | None, allowed: tuple[float | None, float | None], *, asked: bool
) -> Iterable[tuple[Level, str]]:
    """The age of the copy. One that is not known counts where somebody asked for it; health says the rest."""
    warning, critical = allowed
    if age is None:
        if asked and status.mode is not Mode.SYNCHRONOUS:
            yield Level.UNKNOWN, "how old the copy is, is not known"
        return
    old = f"the copy is {format_duration(age)} old"
    if critical is not None and age > critical:
        yield Level.CRITICAL, f"{old}, more than {format_duration(critical)}"
    elif warning is not None and age > warning:
        yield Level.WARNING, f"{old}, more than {format_duration(warning)}"
