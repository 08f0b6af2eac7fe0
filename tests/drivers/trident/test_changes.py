"""What is written: all six strings, the handle only while promoted, a mark that proves a promotion (CT §2, §4.3)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from drivers.trident.test_mirrors import body
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.core.plans import Errand
from replctl.drivers.trident import changes, errands
from replctl.drivers.trident.mirrors import Mirror
from replctl.drivers.trident.promotions import ANNOTATION, RETURN, Promotion, Return

STRINGS = {"state", "replicationPolicy", "replicationSchedule"}
ONE = errands.Errands("op-1")
MAPPING = {"localPVCName", "remoteVolumeHandle", "promotedSnapshotHandle"}


def bare() -> dict[str, Any]:
    """A source that was made without what may be left out."""
    made = body("promoted", "promoted", remoteVolumeHandle="", replicationPolicy="", replicationSchedule="")
    made["spec"] = {"state": "promoted", "volumeMappings": [{"localPVCName": "ledger-data"}]}
    return made


CHANGES = [
    changes.promotion(Mirror(body()), "op-1", "pvc-1/snap", "77"),
    changes.re_establishment(Mirror(bare()), "svm_west:v", "MirrorAllSnapshots", "5min", "78"),
    changes.clearing(Mirror(body("failed", "promoted"))),
]


@pytest.mark.parametrize("made", CHANGES)
def test_all_six_strings_are_there(made: dict[str, Any]) -> None:
    spec = made["spec"]
    (place,) = spec["volumeMappings"]
    assert spec.keys() - {"volumeMappings"} == STRINGS
    assert place.keys() == MAPPING
    assert place["localPVCName"] == "ledger-data"
    assert bool(place["promotedSnapshotHandle"]) is (spec["state"] == "promoted")
    assert "status" not in made
    assert made["metadata"].keys() == {"annotations"}


def test_what_the_source_names_itself_stays_and_what_it_lacks_is_given() -> None:
    given_all = changes.re_establishment(
        Mirror(body("promoted", "promoted")), "svm_west:v", "Other", "hourly", "78"
    )
    assert given_all["spec"]["replicationPolicy"] == "MirrorAllSnapshots"
    given_none = CHANGES[1]["spec"]
    assert (given_none["replicationPolicy"], given_none["replicationSchedule"]) == (
        "MirrorAllSnapshots",
        "5min",
    )
    assert given_none["volumeMappings"][0]["remoteVolumeHandle"] == "svm_west:v"


def moment(state: str, generation: int = 3) -> dict[str, Any]:
    made = body(state, "promoted")
    made["metadata"]["generation"] = generation
    return made


def test_a_mark_is_of_one_wish_of_one_object() -> None:
    said = CHANGES[0]["metadata"]["annotations"][ANNOTATION]
    mark = Promotion.of({"metadata": {"annotations": {ANNOTATION: said}}})
    assert mark == Promotion(operation="op-1", since="77", generation=3, was="established")
    assert mark.fits(3)
    assert not mark.fits(4)
    assert mark.passed([moment("established"), moment("promoting"), moment("promoted")])
    assert not mark.passed([moment("established"), moment("promoted")])
    assert not mark.passed([moment("promoting", generation=2), moment("promoted")])


def test_a_way_back_is_marked_and_a_promotion_after_it_is_not_taken_for_one() -> None:
    notes = CHANGES[1]["metadata"]["annotations"]
    mark = Return.of({"metadata": {"annotations": notes}})
    assert mark == Return(since="78", generation=3, was="promoted", policy="")
    assert (notes[ANNOTATION], CHANGES[0]["metadata"]["annotations"][RETURN]) == (None, None)
    assert (mark.fits(3), mark.fits(4)) == (True, False)
    assert mark.passed([moment("promoted"), moment("reestablishing"), moment("reestablished")])
    assert not mark.passed([moment("promoted"), moment("reestablished")])
    assert not mark.passed([moment("reestablishing", generation=2), moment("reestablished")])


def test_a_policy_that_was_not_told_before_proves_that_ontap_was_read() -> None:
    untold = Return(since="78", generation=3, was="promoted", policy="")
    told = Return(since="78", generation=3, was="promoted", policy="MirrorAllSnapshots")
    assert untold.tells("MirrorAllSnapshots")
    assert not untold.tells("")
    assert not told.tells("MirrorAllSnapshots")


def test_what_was_a_replica_already_is_only_called_otherwise() -> None:
    assert not Return(since="78", generation=3, was="established", policy="").fits(3)


def test_without_a_complete_copy_before_it_nothing_is_proven() -> None:
    mark = Promotion(operation="op-1", since="77", generation=3, was="failed")
    assert not mark.fits(3)


@settings(max_examples=50, deadline=None)
@given(st.one_of(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps)))
def test_whatever_stands_in_the_annotation_is_no_mark(text: str) -> None:
    assert Promotion.of({"metadata": {"annotations": {ANNOTATION: text}}}) is None
    assert Return.of({"metadata": {"annotations": {RETURN: text}}}) is None


def update(state: str | None, **spec: str) -> dict[str, Any]:
    status = {} if state is None else {"state": state, "message": "busy"}
    made = errands.new_copy(ONE, 1, "ledger-dr", spec.get("handle", ""))
    made["metadata"]["creationTimestamp"] = "2031-02-03T04:05:06Z"
    return {**made, "status": status}


def test_a_copy_holds_what_was_there_when_it_was_asked_for_and_no_more_than_its_snapshot() -> None:
    asked = 1927857906.0
    assert errands.copy_told(update(None), 0.0) == Errand()
    assert errands.copy_told(update("In progress"), 0.0) == Errand()
    assert errands.copy_told(update("Failed"), 0.0).failure == "busy"
    done = errands.copy_told(update("Succeeded"), 2.5)
    assert (done.done, done.copied_at) == (True, asked - 2.5)
    assert errands.copy_told(update("Succeeded"), None).copied_at is None
    assert errands.copy_told(update("Succeeded", handle="pvc-1/snap"), 0.0).copied_at is None


def test_what_bears_our_name_and_not_our_label_is_not_ours() -> None:
    made = errands.new_snapshot(ONE, "ledger-data", "snaps")
    assert made["metadata"]["name"] == "replctl-op-1"
    assert errands.Errands("op-1", 2).name(3) == "replctl-op-1-r2-3"
    assert errands.is_of(made, "op-1")
    assert not errands.is_of(made, "op-2")
    assert not errands.is_of({"metadata": {"name": "replctl-op-1"}}, "op-1")
