"""Counts of results for the daemon's metrics (design §7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from replctl.core.counts import reconciled
from replctl.core.model import Intent, Replication
from replctl.core.results import OperationResult
from replctl.engine.requests import Proposal


def of_result(replication: Replication, result: OperationResult) -> Mapping[str, float]:
    """One result, with the code of what failed or the guard that refused."""
    guard = result.refusal.names[0] if result.refusal else None
    code = result.failure.code if result.failure else guard
    return reconciled(replication.namespace, replication.name, result.outcome, code)


def of_judged(intents: Sequence[Intent], judged: Sequence[Proposal | OperationResult]) -> dict[str, float]:
    """Of several, those that are not carried out."""
    counts: dict[str, float] = {}
    for intent, each in zip(intents, judged, strict=True):
        if isinstance(each, OperationResult):
            counts |= of_result(intent.replication, each)
    return counts
