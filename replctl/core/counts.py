"""What one command adds to the counters that the daemon will expose (design §7).

Pure. A sample is named as it stands in the exposition format, labels in alphabetical order, so that the store can
add up what many processes counted without knowing what it means.
"""

from __future__ import annotations

from collections.abc import Mapping

from replctl.core.outcomes import Outcome

PREFIX = "unified_replication_"
_WELL = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})


def sample(family: str, **labels: str) -> str:
    """The name of one sample, e.g. `unified_replication_reconcile_total{name="ledger",…}`."""
    inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in sorted(labels.items()))
    return f"{PREFIX}{family}{{{inside}}}"


def reconciled(namespace: str, name: str, outcome: Outcome, error_code: str | None) -> Mapping[str, float]:
    """One command's result for one replication: `result` speaks of this one alone (R59)."""
    result = "success" if outcome in _WELL else "error"
    counts = {sample("reconcile_total", namespace=namespace, name=name, result=result): 1.0}
    if error_code is not None:
        kind = error_code.replace("-", "_")
        counts[sample("reconcile_errors_total", namespace=namespace, name=name, error_type=kind)] = 1.0
    return counts


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
