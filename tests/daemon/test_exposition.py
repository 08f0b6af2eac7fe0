"""The text of `/metrics`: families, types, labels, order; what is unknown or gone is absent (R39-R59)."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from replctl.core.counts import (
    OPERATION_BUCKETS,
    TRANSLATION_BUCKETS,
    added,
    happened,
    observed,
    reconciled,
    sample,
)
from replctl.core.events import CallEnded, Discovered, Noticed, StateMoved, Translated, WillRetry
from replctl.core.metrics import FAMILIES, MISSION, Type
from replctl.core.model import State
from replctl.core.outcomes import Outcome
from replctl.daemon import exposition
from replctl.tally import MOST_WORDS, Tally

NAMES = """
reconcile_total counter namespace name result
reconcile_duration_seconds histogram namespace name
reconcile_errors_total counter namespace name error_type
state_transitions_total counter from_state to_state backend
state_transition_duration_seconds histogram from_state to_state
backend_operations_total counter backend operation result
backend_operation_duration_seconds histogram backend operation
state gauge namespace name state
mode gauge namespace name mode
health gauge namespace name
retry_attempts_total counter namespace name
circuit_breaker_state gauge operation backend
discovery_duration_seconds histogram
discovery_cache_hits_total counter
discovery_cache_misses_total counter
translation_duration_seconds histogram backend type
translation_errors_total counter backend type value
active_total gauge
by_backend gauge backend
"""


def test_the_nineteen_families_are_as_they_are_promised() -> None:  # R39-R57
    promised = {
        f"unified_replication_{name}": (kind, tuple(labels))
        for name, kind, *labels in (line.split() for line in NAMES.strip().splitlines())
    }
    assert {each.name: (each.type.value, each.labels) for each in MISSION} == promised
    kinds = [each.type for each in MISSION]
    assert [kinds.count(kind) for kind in (Type.COUNTER, Type.HISTOGRAM, Type.GAUGE)] == [8, 5, 6]


def test_the_buckets_are_as_they_are_promised() -> None:
    assert OPERATION_BUCKETS == (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
    assert TRANSLATION_BUCKETS == (1e-6, 5e-6, 1e-5, 5e-5, 1e-4, 5e-4, 1e-3)


EVENTS = {
    "state_transitions_total": StateMoved(
        replication="bank/ledger",
        backend="west",
        origin=State.REPLICA,
        target=State.PROMOTING,
        reason="user_requested",
        seconds=2.0,
    ),
    "backend_operations_total": CallEnded(
        backend="west", operation="failover", result="timed-out", seconds=0.2
    ),
    "retry_attempts_total": WillRetry(
        backend="west", operation="list", attempt=1, wait_seconds=1.0, reason="reset"
    ),
    "discovery_cache_hits_total": Discovered(backend="west", hit=True, seconds=0.0),
    "discovery_cache_misses_total": Discovered(backend="west", hit=False, seconds=0.2),
    "translation_errors_total": Noticed(topic="translation", message="state=Melting", backend="west"),
    "translation_duration_seconds_count": Translated(backend="west", what="session", count=3, seconds=3e-5),
}


@pytest.mark.parametrize("family", EVENTS)
def test_every_event_moves_its_family(family: str) -> None:  # R58
    counts = happened(EVENTS[family], "bank", "ledger")
    moved = {name.partition("{")[0].removeprefix("unified_replication_") for name in counts}
    assert family in moved


def test_result_is_success_or_error() -> None:  # R59
    assert reconciled("bank", "ledger", Outcome.UNCHANGED, None) == {
        'unified_replication_reconcile_total{name="ledger",namespace="bank",result="success"}': 1.0
    }
    failed = reconciled("bank", "ledger", Outcome.REFUSED, "held")
    assert sorted(re.findall(r'(?:result|error_type)="(\w+)"', " ".join(failed))) == ["error", "held"]


def test_a_histogram_is_cumulative_and_in_order() -> None:
    text = exposition.text(
        added(
            observed("reconcile_duration_seconds", 0.03, OPERATION_BUCKETS, {"namespace": "a", "name": "b"}),
            observed("reconcile_duration_seconds", 7.0, OPERATION_BUCKETS, {"namespace": "a", "name": "b"}),
        )
    )
    lines = text.splitlines()
    assert lines[1] == "# TYPE unified_replication_reconcile_duration_seconds histogram"
    buckets = re.findall(r'le="([^"]+)".*} (\d+)', text)
    assert [bound for bound, _ in buckets][-1] == "+Inf"
    counts = [int(count) for _, count in buckets]
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, 2)
    assert "reconcile_duration_seconds_sum" in text
    assert "_created" not in text


def test_what_is_no_longer_in_the_file_is_absent() -> None:  # R59
    counts: Mapping[str, float] = {
        sample("reconcile_total", namespace="bank", name=name, result="success"): 1.0 for name in ("a", "b")
    } | {sample("discovery_cache_hits_total"): 3.0}
    kept = exposition.present(counts, frozenset({("a", "bank")}))
    assert len(kept) == 2
    assert 'name="b"' not in " ".join(kept)


def test_vendors_words_are_bounded() -> None:  # R59
    tally = Tally()
    for number in range(5 * MOST_WORDS):
        tally(Noticed(topic="translation", message=f"state=Word{number}", backend="west"))
    words = {name for name in tally.seen() if "translation_errors_total" in name}
    assert len(words) == MOST_WORDS + 1
    assert tally.seen()[sample("translation_errors_total", backend="west", type="state", value="other")] == 80


def test_help_and_type_stand_once_before_the_samples() -> None:
    every = {family.name + "{}": 1.0 for family in FAMILIES.values() if family.type is not Type.HISTOGRAM}
    text = exposition.text({name.removesuffix("{}"): value for name, value in every.items()})
    for family in FAMILIES.values():
        if family.type is not Type.HISTOGRAM:
            assert text.count(f"# TYPE {family.name} {family.type}\n{family.name} 1\n") == 1


def test_no_word_of_a_backend_makes_a_sample_of_its_own() -> None:  # R59
    word = 'x"} 1\nreplctl_split_brain{name="ledger",namespace="bank"} 1\n\\'
    told = sample("translation_errors_total", backend="west", type="state", value=word)
    assert told.count("\n") == 0
    assert told.endswith(
        'value="x\\"} 1\\nreplctl_split_brain{name=\\"ledger\\",namespace=\\"bank\\"} 1\\n\\\\"}'
    )
    lines = exposition.text({told: 1.0}).splitlines()
    assert [line for line in lines if not line.startswith("#")] == [f"{told} 1"]
