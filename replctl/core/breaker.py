"""The circuit breaker as values: ask before, report after, and ignore what began in an earlier state.

Pure: `now` is passed in. Numbers, names and rules: design §6, R32-R38. A breaker stands for one backend and one
class of calls (`read` or `change`); who keeps it, locks it and persists it is `replctl.resilience`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Position(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerSettings:
    failure_threshold: int = 5
    success_threshold: int = 2
    recovery_seconds: float = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerState:
    """What a breaker knows; `generation` grows with every change of position (R36, R37). Times are wall clock."""

    position: Position = Position.CLOSED
    failures: int = 0
    successes: int = 0
    generation: int = 0
    opened_at: float | None = None
    retry_at: float | None = None
    last_failure_at: float | None = None
    last_success_at: float | None = None
    last_error: str | None = None
