"""How hard to try: retrying through tenacity, behind persisted circuit breakers, within a deadline.

The decisions are the core's (`core.retry`, `core.breaker`); here they meet the clock, threads and the store.
"""

from __future__ import annotations

from dataclasses import dataclass

from replctl.clock import Cancel


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """How hard to look: until when (on the monotonic clock), retrying or not, past an open breaker or not."""

    deadline: float
    retry: bool = False
    probe: bool = False
    cancel: Cancel | None = None
