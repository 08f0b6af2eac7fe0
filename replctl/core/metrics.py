"""The metric families: names, types, labels and what each tells (design §7). One table for exposition and manual."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from replctl.core.counts import PREFIX

OURS = "replctl_"
_COUNTED = frozenset(
    {"active_total", "by_backend", "holds", "operations_open"}
)  # gauges of how many there are


class Type(StrEnum):
    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric: its whole name, its type, its labels, and one sentence."""

    name: str
    type: Type
    labels: tuple[str, ...]
    help: str

    @property
    def unit(self) -> str:
        """What its numbers are, as its name and type tell."""
        if self.name.endswith("_timestamp_seconds"):
            return "seconds since the epoch"
        if self.name.endswith("_seconds"):
            return "seconds"
        if self.type is Type.COUNTER:
            return "a count"
        return "a count" if self.name.removeprefix(PREFIX).removeprefix(OURS) in _COUNTED else "none"


def _family(name: str, kind: Type, labels: str, help: str, prefix: str = PREFIX) -> Family:
    return Family(prefix + name, kind, tuple(labels.split()), help)


_C, _G, _H = Type.COUNTER, Type.GAUGE, Type.HISTOGRAM
_ALL = (
    _family("reconcile_total", _C, "namespace name result", "Reconciles and commands, by their result."),
    _family("reconcile_duration_seconds", _H, "namespace name", "How long a reconcile took."),
    _family("reconcile_errors_total", _C, "namespace name error_type", "Reconciles that went wrong, by why."),
    _family("state_transitions_total", _C, "from_state to_state backend", "Moves of an end between states."),
    _family(
        "state_transition_duration_seconds",
        _H,
        "from_state to_state",
        "How long an end was in a state that it left.",
    ),
    _family("backend_operations_total", _C, "backend operation result", "Calls to a backend."),
    _family(
        "backend_operation_duration_seconds", _H, "backend operation", "How long a call to a backend took."
    ),
    _family("state", _G, "namespace name state", "1 for the state that the local end is in."),
    _family("mode", _G, "namespace name mode", "1 for the mode that it replicates in."),
    _family("health", _G, "namespace name", "1 if the replication is healthy, 0 if not."),
    _family("retry_attempts_total", _C, "namespace name", "Calls that were made again after a failure."),
    _family(
        "circuit_breaker_state", _G, "operation backend", "0 closed, 1 open, 2 half-open; by class of call."
    ),
    _family("discovery_duration_seconds", _H, "", "How long it took to ask a backend what is there."),
    _family("discovery_cache_hits_total", _C, "", "Questions that what was known still answered."),
    _family("discovery_cache_misses_total", _C, "", "Questions that a backend had to answer."),
    _family(
        "translation_duration_seconds",
        _H,
        "backend type",
        "How long it took to put a vendor's words into ours.",
    ),
    _family("translation_errors_total", _C, "backend type value", "Vendor's words that no table knows."),
    _family("active_total", _G, "", "Replications that the desired-state file names."),
    _family("by_backend", _G, "backend", "Replications that have an end on the backend."),
    _family(
        "last_consistent_point_timestamp_seconds",
        _G,
        "namespace name",
        "When the replica's data was taken.",
        OURS,
    ),
    _family("rpo_target_seconds", _G, "namespace name", "How old the replica's data may be.", OURS),
    _family("observation_age_seconds", _G, "namespace name", "How long ago both ends were read.", OURS),
    _family("observation_success", _G, "backend", "1 if the backend answered at the last tick.", OURS),
    _family("holds", _G, "", "Replications that are held.", OURS),
    _family("operations_open", _G, "", "Operations that are not finished.", OURS),
    _family("split_brain", _G, "namespace name", "1 if both ends read as the source.", OURS),
    _family("no_source", _G, "namespace name", "1 if neither end is the source.", OURS),
    _family("config_last_reload_successful", _G, "", "1 if the files that lie there are in force.", OURS),
    _family("build_info", _G, "version", "1; which version this is.", OURS),
    _family("last_tick_timestamp_seconds", _G, "", "When the last look at everything ended.", OURS),
)
FAMILIES: Mapping[str, Family] = {family.name: family for family in _ALL}
MISSION = tuple(family for family in _ALL if family.name.startswith(PREFIX))
