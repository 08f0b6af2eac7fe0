"""What one command adds to the counters that the daemon will expose (design §7).

Pure. A sample is named as it stands in the exposition format, labels in alphabetical order, so that the store can
add up what many processes counted without knowing what it means.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache

from replctl.core.events import (
    CallEnded,
    Discovered,
    Event,
    Noticed,
    StateMoved,
    Translated,
    WillRetry,
)
from replctl.core.outcomes import Outcome
from replctl.core.states import shown

PREFIX = "unified_replication_"
NAMES_KEPT = (
    50_000  # names of samples, because a tick over thousands of replications uses the same ones again
)
OPERATION_BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # seconds
TRANSLATION_BUCKETS = (1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3)
TRANSLATION = "translation"  # the topic of a notice about a word that no table knows
_WELL = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})


def sample(family: str, /, **labels: str) -> str:
    """The name of one sample, e.g. `unified_replication_reconcile_total{name="ledger",…}`."""
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(labels.items()))
    return f"{PREFIX}{family}{{{inside}}}" if inside else f"{PREFIX}{family}"


@lru_cache(maxsize=NAMES_KEPT)
def reconciled(namespace: str, name: str, outcome: Outcome, error_code: str | None) -> Mapping[str, float]:
    """One command's result for one replication: `result` speaks of this one alone (R59)."""
    result = "success" if outcome in _WELL else "error"
    counts = {sample("reconcile_total", namespace=namespace, name=name, result=result): 1.0}
    if error_code is not None:
        kind = error_code.replace("-", "_")
        counts[sample("reconcile_errors_total", namespace=namespace, name=name, error_type=kind)] = 1.0
    return counts


def differed(namespace: str, name: str, aspects: Iterable[str]) -> Mapping[str, float]:
    """What the file asserts otherwise than the backends are, as the kinds of error that it is (design §8)."""
    return {
        sample("reconcile_errors_total", namespace=namespace, name=name, error_type=f"{aspect}_differs"): 1.0
        for aspect in aspects
    }


def observed(
    family: str, seconds: float, buckets: Sequence[float], labels: Mapping[str, str], times: int = 1
) -> dict[str, float]:
    """So many observations of a histogram, `seconds` each: its sum, its count, and every bucket that holds them."""
    total, count, bounded = _names(family, tuple(labels.items()), tuple(buckets))
    counts = {total: seconds * times, count: float(times)}
    for bound, name in bounded:
        counts[name] = float(times) if seconds <= bound else 0.0
    return counts


@lru_cache(maxsize=NAMES_KEPT)
def _names(
    family: str, labels: tuple[tuple[str, str], ...], buckets: tuple[float, ...]
) -> tuple[str, str, tuple[tuple[float, str], ...]]:
    """The samples of one histogram: sum, count, and its buckets by their bounds."""
    named = dict(labels)
    bounds = [(bound, repr(bound)) for bound in buckets] + [(math.inf, "+Inf")]
    bucket = f"{family}_bucket"
    return (
        sample(f"{family}_sum", **named),
        sample(f"{family}_count", **named),
        tuple((bound, sample(bucket, **named, le=text)) for bound, text in bounds),
    )


def added(*counted: Mapping[str, float]) -> dict[str, float]:
    """The sums of counters that several have counted."""
    sums: defaultdict[str, float] = defaultdict(float)
    for counts in counted:
        for name, value in counts.items():
            sums[name] += value
    return dict(sums)


def happened(event: Event, namespace: str = "", name: str = "") -> Mapping[str, float]:
    """What an event adds; of a retry only with the replication that it was made for."""
    match event:
        case CallEnded():
            return _call(event)
        case StateMoved():
            return _move(event)
        case WillRetry() if name:
            return {sample("retry_attempts_total", namespace=namespace, name=name): 1.0}
        case Discovered(hit=True):
            return {sample("discovery_cache_hits_total"): 1.0}
        case Discovered():
            missed = {sample("discovery_cache_misses_total"): 1.0}
            return missed | observed("discovery_duration_seconds", event.seconds, OPERATION_BUCKETS, {})
        case Translated():
            each = event.seconds / max(1, event.count)
            labels = {"backend": event.backend, "type": event.what}
            family = "translation_duration_seconds"
            return observed(family, each, TRANSLATION_BUCKETS, labels, event.count)
        case Noticed(topic=topic) if topic == TRANSLATION:
            field, _, value = event.message.partition("=")
            labels = {"backend": event.backend or "", "type": field, "value": value}
            return {sample("translation_errors_total", **labels): 1.0}
    return {}


def _call(event: CallEnded) -> Mapping[str, float]:
    result = "success" if event.result == "success" else "error"
    labels = {"backend": event.backend, "operation": event.operation}
    counts = observed("backend_operation_duration_seconds", event.seconds, OPERATION_BUCKETS, labels)
    return counts | {sample("backend_operations_total", **labels, result=result): 1.0}


def _move(event: StateMoved) -> Mapping[str, float]:
    moved = {"from_state": shown(event.origin), "to_state": shown(event.target)}
    counts = {sample("state_transitions_total", **moved, backend=event.backend): 1.0}
    if event.seconds is None:
        return counts
    family = "state_transition_duration_seconds"
    return counts | observed(family, event.seconds, OPERATION_BUCKETS, moved)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
