"""Objects become observations: what was not said is not known, and foreign values break nothing (CT §2, §7)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.core.model import End, Mode, Observation, State, StateNote, TroubleKind
from replctl.drivers.trident.mirrors import (
    Mirror,
    Surroundings,
    attachments_by_volume,
    mirror_seen,
    not_found,
)

NOW = 1_900_000_000.0
END = End("k8s-west", "trident", (("namespace", "bank"), ("mirror", "ledger-dr"), ("pvc", "ledger-data")))
AROUND = Surroundings(backend="k8s-west", read_at=NOW, attached={"pv-1": 2})
CLAIM = {"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}}


def body(state: str = "established", wanted: str = "established", **said: Any) -> dict[str, Any]:
    """The contract's own example (CT §2.5), changed by `said` in its condition."""
    place = {
        "localPVCName": "ledger-data",
        "remoteVolumeHandle": "svm_east:tri_pvc_0f3a",
        "promotedSnapshotHandle": "",
    }
    condition = {
        "state": state,
        "message": "",
        "lastTransitionTime": "2031-02-03T04:05:06Z",
        "observedGeneration": 2,
        "localVolumeHandle": "svm_west:tri_pvc_91cd",
        "localPVCName": "ledger-data",
        "remoteVolumeHandle": "svm_east:tri_pvc_0f3a",
        "replicationPolicy": "MirrorAllSnapshots",
        "replicationSchedule": "5min",
        **said,
    }
    return {
        "metadata": {"name": "ledger-dr", "namespace": "bank", "uid": "uid-1", "generation": 2},
        "spec": {
            "state": wanted,
            "replicationPolicy": "MirrorAllSnapshots",
            "replicationSchedule": "5min",
            "volumeMappings": [place],
        },
        "status": {"conditions": [condition]},
    }


def see(
    told: dict[str, Any], claim: Any = CLAIM, end: End = END, around: Surroundings = AROUND
) -> Observation:
    return mirror_seen(end, Mirror(told), claim, around)


def test_the_contracts_example_is_a_replica() -> None:
    seen = see(body())
    assert (seen.state, seen.mode, seen.word) == (State.REPLICA, Mode.ASYNCHRONOUS, "established")
    assert (seen.identity, seen.resource) == ("uid-1", "svm_west:tri_pvc_91cd")
    assert seen.counterpart == "svm_east:tri_pvc_0f3a"
    assert (seen.observed_at, seen.as_of) == (NOW, datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC).timestamp())
    assert seen.point is not None
    assert seen.point.at is None
    assert seen.vendor["attached"] == 2


def test_what_is_permitted_hangs_on_the_state_and_on_nothing_that_is_going_away() -> None:
    assert see(body()).permits == {"failover_unplanned", "proven_copy"}
    source = see(body("promoted", "promoted"))
    assert source.permits == {"failover_planned", "reprotect", "step_down"}
    assert (source.in_use, source.unsupported) == (2, None)
    going = body()
    going["metadata"]["deletionTimestamp"] = "2031-02-03T04:05:06Z"
    assert see(going).unsupported is not None
    assert see(body(localVolumeHandle=":tri_pvc_91cd")).unsupported is not None


@pytest.mark.parametrize(
    ("changed", "word"),
    [({"replicationPolicy": "MirrorAndVault"}, "policy"), ({"replicationSchedule": "hourly"}, "schedule")],
)
def test_a_policy_that_was_replaced_without_a_word_is_not_well(changed: dict[str, str], word: str) -> None:
    seen = see(body(**changed))
    assert seen.healthy is False
    assert f"Trident replaced the {word}" in seen.sentence


def test_a_failure_says_why_and_nothing_else_does() -> None:
    assert "must be an empty DP volume" in see(body("failed", message="must be an empty DP volume")).sentence
    assert "waiting" not in see(body("promoting", "promoted", message="waiting")).sentence


def test_the_counterpart_is_the_one_that_trident_took_up() -> None:
    told = body("failed")
    told["spec"]["volumeMappings"][0]["remoteVolumeHandle"] = "svm_east:other"
    assert see(told).counterpart == "svm_east:tri_pvc_0f3a"


def test_another_claim_than_the_files_is_told() -> None:
    seen = see(body(localPVCName="x"), end=End("k8s-west", "trident", (*END.locator[:2], ("pvc", "other"))))
    assert seen.unsupported is not None
    assert "ledger-data" in seen.unsupported


@pytest.mark.parametrize("attached", [None, {}])
def test_attachments_that_cannot_be_read_are_not_none(attached: dict[str, int] | None) -> None:
    seen = see(body(), around=Surroundings(backend="k8s-west", read_at=NOW, attached=attached))
    assert seen.vendor["attached"] == (None if attached is None else 0)
    assert see(body(), claim=None).vendor["attached"] is None


def test_a_claim_that_is_not_there_is_not_a_copy_under_way() -> None:
    told = body()
    del told["status"]
    assert see(told).state is State.SYNCING
    waiting = see(told, claim={})
    assert (waiting.state, waiting.note) == (State.NONE, StateNote.UNKNOWN)
    assert see(told, claim=None).state is State.SYNCING


def test_attachments_count_from_the_moment_they_are_asked_for() -> None:
    asked = {"spec": {"source": {"persistentVolumeName": "pv-1"}}, "status": {"attached": False}}
    inline = {"spec": {"source": {"inlineVolumeSpec": {}}}}
    assert attachments_by_volume([asked, asked, inline, {}]) == {"pv-1": 2}


def test_what_is_not_there_is_proven_absent() -> None:
    seen = not_found("k8s-west", "mirror relationship bank/ledger-dr", NOW)
    assert seen.trouble is not None
    assert seen.trouble.kind is TroubleKind.ABSENT
    assert seen.known_state is State.NONE


_KEYS = st.sampled_from(
    ["metadata", "spec", "status", "conditions", "volumeMappings", "state", "message", "name", "phase"]
)
_FOREIGN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=20,
)


@given(_FOREIGN, _FOREIGN)
@settings(max_examples=300, deadline=None)
def test_no_object_whatever_breaks_the_translation(told: Any, claim: Any) -> None:
    made = told if isinstance(told, dict) else {"spec": told, "status": told, "metadata": told}
    seen = mirror_seen(END, Mirror(made), claim if isinstance(claim, dict) else None, AROUND)
    assert seen.sentence
    assert seen.sentence.isprintable()
