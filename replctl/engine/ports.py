"""What the engine needs of others, as protocols: drivers that look and act, a store that remembers.

Drivers and stores fit these shapes without importing them; the type checker confirms the fit in `bootstrap`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol, runtime_checkable

from replctl.clock import Cancel
from replctl.core.breaker import BreakerState
from replctl.core.hooks import Hook, HookSet, Ran
from replctl.core.journal import ChainFault, Drill, OperationRecord, Proof, StepRecord, TransitionRecord
from replctl.core.model import End, Hold, Holder, Observation, Replication, Scalar, Volume
from replctl.core.outcomes import Outcome
from replctl.core.plans import Errand, Followed, Receipt, Recipe
from replctl.core.reconciling import Settled
from replctl.core.results import OperationResult
from replctl.core.waiting import DaemonWord, Waiting
from replctl.resilience import Look


class Driver(Protocol):
    """One backend. `observe` never raises for a backend's trouble: the observation carries it.

    `act` sends one change, exactly once unless it provably never left, and raises NeverSent, Rejected, Busy,
    Unauthorized, NotFound or OutcomeUnknown (core.errors).
    """

    @property
    def backend(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def recipe(self) -> Recipe: ...

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]: ...

    def act(
        self, end: End, action: str, arguments: Mapping[str, Scalar], seen: Observation, look: Look
    ) -> Receipt: ...

    def follow(self, receipt: Receipt, look: Look) -> Followed: ...

    def errand(self, end: End, action: str, arguments: Mapping[str, Scalar], look: Look) -> Errand:
        """What an errand has come to, by the operation that its arguments name; raises where that cannot be told."""
        ...

    def tidy(self, end: End, operation: str, look: Look, *, in_vain: bool) -> None:
        """Remove what errands left at an end: all of this operation's when it was `in_vain`, else what is spent.

        Raises ReplctlError; what is gone already is no error.
        """
        ...

    def volumes(self, end: End, seen: Observation, look: Look) -> Sequence[Volume]:
        """What hosts are given of an end; raises ReplctlError when it cannot be read."""
        ...

    def close(self) -> None: ...


Told = Callable[[Collection[str]], None]
"""Takes the things of a backend, as `thing` calls them, of which a watch was told something new."""


@runtime_checkable
class Watchable(Protocol):
    """What a driver may be able to do besides: have itself told of changes, so that they are seen as they come."""

    def watches(self) -> Mapping[str, Callable[[Told, Cancel], None]]:
        """What can be followed, by what it is called. Each call follows until the cancel, or raises ReplctlError.

        What is told is kept too, for looks that are content with it (`Look.kept`).
        """
        ...

    def thing(self, end: End) -> str:
        """What a watch calls that which an end is on this backend."""
        ...


class Programs(Protocol):
    """The hooks of the desired-state file, and a way to run one."""

    def of(self, replication: Replication) -> HookSet: ...

    def run(self, hook: Hook, told: OperationResult, timeout_seconds: float, cancel: Cancel | None) -> Ran:
        """Run it, the operation so far on its standard input; it is over when this returns. Never raises for it."""
        ...


class Store(Protocol):
    """Memory and manners, not authority (design §5). Every method that writes is durable when it returns.

    Writers raise StoreRefused when the store cannot be written; readers work on a read-only store.
    """

    def is_there(self) -> bool:
        """Whether anything was ever written to it."""
        ...

    def lock(self, replication: str, holder: Holder) -> AbstractContextManager[None]:
        """Hold the replication for this process; raises Locked with the holder. No time-out frees it."""
        ...

    def holder(self, replication: str) -> Holder | None:
        """Who holds the lock now, or None when nobody alive does."""
        ...

    def begin(self, operation: OperationRecord) -> None: ...
    def write_step(self, operation_id: str, step: StepRecord) -> None: ...
    def finish(
        self,
        operation_id: str,
        outcome: Outcome,
        at: float,
        error_code: str | None = None,
        error_message: str | None = None,
    ) -> str | None:
        """Gives the line added to the anchors, to be logged too (design §5); None when none was."""
        ...

    def abandon(self, operation_id: str, who: str, at: float) -> None: ...
    def still_stands(self, operation_id: str) -> bool:
        """Whether the operation is still open and the store is still the one it was begun in."""
        ...

    def operation(self, operation_id: str) -> OperationRecord | None: ...
    def operations(
        self, replication: str | None = None, *, open_only: bool = False, limit: int = 100
    ) -> list[OperationRecord]:
        """Newest first."""
        ...

    def journalled(self, *, open_only: bool = False) -> frozenset[str]:
        """The replications of which there is any operation, or an open one."""
        ...

    def record(self, transition: TransitionRecord) -> None: ...
    def transitions(self, replication: str | None = None, limit: int = 100) -> list[TransitionRecord]:
        """The last `limit` of each replication, oldest first (R18)."""
        ...

    def verify(self, replication: str | None = None) -> list[ChainFault]: ...
    def unproven(self, replication: str) -> str:
        """What `verify` cannot prove about this replication's chain, in words."""
        ...

    def hold(self, replication: str) -> Hold | None: ...
    def holds(self) -> Mapping[str, Hold]: ...
    def set_hold(self, replication: str, hold: Hold) -> None: ...
    def remove_hold(self, replication: str) -> bool:
        """Whether there was one."""
        ...

    def survivor(self, replication: str) -> str | None:
        """The source since an acknowledged unplanned promotion of ours, until it is reprotected."""
        ...

    def survivors(self) -> Mapping[str, str]: ...
    def set_survivor(self, replication: str, backend: str | None) -> None: ...

    def drill(self, replication: str) -> Drill | None:
        """The last failover test of it, running or ended."""
        ...

    def drills(self) -> Mapping[str, Drill]: ...
    def set_drill(self, replication: str, drill: Drill) -> None: ...

    def settled(self) -> Mapping[str, Settled]:
        """How the daemon last saw each at rest."""
        ...

    def remember_settled(self, settled: Mapping[str, Settled]) -> None: ...
    def forget_settled(self, replications: Collection[str]) -> None: ...

    def daemon_word(self) -> DaemonWord | None:
        """What the daemon said last; None where none ever ran on this store."""
        ...

    def waiting(self) -> Mapping[str, Waiting]:
        """What the daemon leaves to a person, by replication."""
        ...

    def tell(self, word: DaemonWord, waiting: Mapping[str, Waiting | None]) -> bool:
        """Keep the daemon's word, and what is new of what waits; None forgets. False where it cannot be written."""
        ...

    def unverified(self, replication: str) -> frozenset[str]: ...
    def all_unverified(self) -> Mapping[str, frozenset[str]]: ...
    def set_unverified(self, replication: str, backends: Iterable[str]) -> None: ...

    def identities(self, replication: str) -> Mapping[str, str]: ...
    def all_identities(self) -> Mapping[str, Mapping[str, str]]: ...
    def remember_identity(self, replication: str, backend: str, identity: str) -> None: ...

    def proofs(self, replication: str) -> Mapping[str, Proof]: ...
    def all_proofs(self) -> Mapping[str, Mapping[str, Proof]]: ...
    def remember_proof(self, replication: str, backend: str, proof: Proof) -> None: ...

    def remember_observations(self, seen: Mapping[tuple[str, str], Observation]) -> None:
        """Keep the last readable observation by (replication, backend); best effort on a read-only store."""
        ...

    def observations(
        self, replications: Collection[str] | None = None
    ) -> Mapping[tuple[str, str], Observation]:
        """Of all replications, or of those named."""
        ...

    def names(self, subjects: Collection[str]) -> Mapping[str, str]:
        """What drivers found names to mean, kept to spare the next process the question."""
        ...

    def remember_names(self, names: Mapping[str, str | None]) -> None:
        """Best effort, as observations are; None forgets."""
        ...

    def breaker(self, backend: str, call_class: str) -> BreakerState | None: ...
    def breakers(self) -> Mapping[tuple[str, str], BreakerState]: ...
    def save_breaker(self, backend: str, call_class: str, state: BreakerState) -> None: ...

    def counts(self) -> Mapping[str, float]: ...

    def add_counts(self, counts: Mapping[str, float]) -> bool:
        """Add to the counters that the daemon exposes; False where the store cannot be written now."""
        ...

    def close(self) -> None: ...
