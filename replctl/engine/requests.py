"""How a command wants its work done, and what it is offered before it agrees."""

from __future__ import annotations

from dataclasses import dataclass, field

from replctl.clock import Cancel
from replctl.core.errors import InvalidInput
from replctl.core.journal import OperationRecord
from replctl.core.model import Intent, Pair
from replctl.core.plans import Plan
from replctl.engine.together import Together


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """`timeout_seconds` bounds the whole operation (None: each step's own deadline); `wait` False returns after
    the first change was accepted; `probe` asks past open breakers; `cancel` stops waiting, not the operation. All
    that one command does has one request: by `together` its members know of each other.
    `began_at` (monotonic) is when the command began: what it spent on starting counts toward its time to look.
    `kept`: for `status`, what watches have told lately will do.
    """

    reason: str | None = None
    group: str | None = None
    timeout_seconds: float | None = None
    wait: bool = True
    probe: bool = False
    cancel: Cancel | None = None
    began_at: float | None = None
    kept: bool = False
    together: Together = field(default_factory=Together, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """A plan for one replication with what it was made from; `joins` is the open operation that it goes on with."""

    intent: Intent
    plan: Plan
    pair: Pair
    correlation_id: str
    joins: OperationRecord | None = None
    resumed: bool = False


def check_backends_named(intent: Intent) -> None:
    """A backend named by flag must be one of the two (R79: nothing is guessed)."""
    replication = intent.replication
    for flag, backend in (("--to", intent.to), ("--survivor", intent.survivor)):
        if backend is not None and replication.side_of(backend) is None:
            allowed = f"{replication.local.backend} or {replication.peer.backend}"
            raise InvalidInput(f"{flag} {backend}: {replication.key} lives on {allowed}")
