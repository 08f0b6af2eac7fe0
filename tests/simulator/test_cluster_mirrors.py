"""What Trident's controller makes of mirror relationships (CT §3, §4, §6, §8; the acceptance checks of §14)."""

import pytest
from estates import (
    CLAIMS,
    CONTENTS,
    EVENTS,
    INFOS,
    LEDGER,
    MIRRORS,
    SNAPSHOTS,
    UPDATES,
    new_claim,
    new_mirror,
    new_snapshot,
    new_update,
)

BANK = MIRRORS.format("bank")


def words(watch, until, seen=()):
    """State words that a watch shows, each once in a row, up to one."""
    found = list(seen)
    while not found or found[-1] != until:
        event = watch.next()
        assert event is not None
        conditions = event["object"].get("status", {}).get("conditions")
        word = conditions[0]["state"] if conditions else None
        if not found or found[-1] != word:
            found.append(word)
    return found


def test_a_new_replica_has_no_conditions_until_its_first_transfer_ends(estate):
    source = estate.east.post(BANK, new_mirror("fresh", "fresh-data", "promoted"))
    assert source["metadata"]["generation"] == 1
    estate.east.post(CLAIMS.format("bank"), new_claim("fresh-data"))
    estate.control.advance(30)
    handle = estate.mirror(estate.east, "fresh")["status"]["conditions"][0]["localVolumeHandle"]
    estate.west.post(
        BANK, new_mirror("fresh", "fresh-data", "established", handle, replicationSchedule="5min")
    )
    estate.west.post(CLAIMS.format("bank"), new_claim("fresh-data", "fresh"))
    estate.control.advance(20)
    claim = estate.west.get(f"{CLAIMS.format('bank')}/fresh-data")
    assert claim["status"]["phase"] == "Bound"
    assert estate.state(estate.west, "fresh") is None
    estate.control.advance(60)
    (condition,) = estate.mirror(estate.west, "fresh")["status"]["conditions"]
    assert condition["state"] == "established"
    assert condition["replicationPolicy"] == "MirrorAllSnapshots"
    assert set(condition) == {
        "state",
        "message",
        "lastTransitionTime",
        "observedGeneration",
        "localVolumeHandle",
        "localPVCName",
        "remoteVolumeHandle",
        "replicationPolicy",
        "replicationSchedule",
    }


def test_a_promotion_shows_promoting_and_loses_only_the_tail(estate):
    watch = estate.west.watch(BANK, fieldSelector="metadata.name=ledger-dr")
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    assert words(watch, "promoted") == ["established", "promoting", "promoted"]
    watch.close()
    truth = estate.truth()
    assert truth["writable"] == {"k8s-east": True, "k8s-west": True}
    assert 0 < truth["missing"]["k8s-west"] < 320
    assert truth["missing"]["k8s-east"] == 0


def test_a_planned_promotion_keeps_every_write(estate):
    estate.control.stop_pods(LEDGER)
    written = estate.truth()["writes"]["k8s-east"]
    estate.east.post(SNAPSHOTS.format("bank"), new_snapshot("last", "ledger-data"))
    estate.control.advance(5)
    status = estate.east.get(f"{SNAPSHOTS.format('bank')}/last")["status"]
    assert status["readyToUse"] is True
    content = estate.east.get(f"{CONTENTS}/{status['boundVolumeSnapshotContentName']}")
    handle = content["status"]["snapshotHandle"]
    estate.west.post(UPDATES.format("bank"), new_update("last", "ledger-dr", handle))
    estate.control.advance(30)
    update = estate.west.get(f"{UPDATES.format('bank')}/last")
    assert update["status"]["state"] == "Succeeded"
    assert update["metadata"]["generation"] > 1  # status is not a subresource
    estate.desire(estate.west, "promoted", promotedSnapshotHandle=handle)
    estate.until(estate.west, "promoted")
    estate.desire(estate.east, "reestablished", remote=estate.handle(estate.west))
    estate.until(estate.east, "reestablished")
    truth = estate.truth()
    assert written >= 3600
    assert (truth["lost_writes"], truth["both_wrote"]) == (0, 0)
    assert truth["writable"] == {"k8s-east": False, "k8s-west": True}


def test_resync_overwrites_what_was_written_since(estate):
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    estate.control.attach("k8s-west", "bank", "ledger-data")
    estate.control.advance(60)
    estate.desire(estate.east, "reestablished", remote=estate.handle(estate.west))
    estate.until(estate.east, "reestablished")
    truth = estate.truth()
    assert truth["source"] == "k8s-west"
    assert truth["lost_writes"] > 60  # nobody asked whether a pod was using the old source
    assert truth["both_wrote"] > 0 or truth["writes"]["k8s-west"] >= 60


def test_reestablished_on_an_established_mirror_transfers_nothing(estate):
    before = estate.truth()["consistent_at"]
    estate.desire(estate.west, "reestablished")
    estate.control.advance(3)
    assert estate.state(estate.west) == "reestablished"
    assert estate.truth()["consistent_at"] == before


def test_established_after_a_promotion_fails_and_again_without_a_write(estate):
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    estate.desire(estate.west, "established")
    failed = estate.until(estate.west, "failed")
    assert "DP volume" in failed["status"]["conditions"][0]["message"]
    estate.control.fail_ontap("k8s-west", "resync")
    written = estate.desire(estate.west, "reestablished")
    estate.control.advance(30)
    again = estate.mirror(estate.west)
    assert again["metadata"]["resourceVersion"] == written["metadata"]["resourceVersion"]
    assert again["status"] == failed["status"]
    events = estate.west.get(EVENTS.format("bank"))["items"]
    assert [each["type"] for each in events if each["reason"] == "failed"] == ["Warning", "Warning"]


def test_an_illegal_edit_fails_and_blocks_the_deletion(estate):
    answer = estate.west.call(
        "PATCH",
        f"{BANK}/ledger-dr",
        [{"op": "replace", "path": "/spec/volumeMappings/0/remoteVolumeHandle", "value": "svm_east:other"}],
        "application/json-patch+json",
    )
    assert answer.status == 200
    estate.control.advance(2)
    assert estate.state(estate.west) == "failed"
    assert estate.west.call("DELETE", f"{BANK}/ledger-dr").status == 200
    estate.control.advance(600)
    assert estate.mirror(estate.west)["metadata"]["deletionTimestamp"]
    estate.control.controller("k8s-west", "restart")
    estate.control.advance(60)
    assert estate.west.call("GET", f"{BANK}/ledger-dr").status == 404


def test_deleting_a_replica_promotes_it(estate):
    assert estate.west.call("DELETE", f"{BANK}/ledger-dr").json["metadata"]["generation"] == 2
    estate.control.advance(60)
    assert estate.west.call("GET", f"{BANK}/ledger-dr").said == (404, "NotFound")
    assert estate.truth()["writable"]["k8s-west"] is True
    assert estate.state(estate.east) == "promoted"


def test_the_finalizer_writes_what_was_left_out(estate):
    body = new_mirror("brief", "ledger-data", "promoted")
    body["spec"] = {"state": "promoted", "volumeMappings": [{"localPVCName": "ledger-data"}]}
    assert estate.east.post(BANK, body)["metadata"]["generation"] == 1
    estate.control.advance(5)
    found = estate.mirror(estate.east, "brief")
    assert found["metadata"]["generation"] == 2
    assert found["metadata"]["finalizers"] == ["trident.netapp.io"]
    assert found["spec"]["replicationPolicy"] == ""
    assert found["status"]["conditions"][0]["state"] == "promoted"


def test_h1_a_promotion_while_ontap_cannot_be_read_is_a_lie(estate):
    estate.control.ontap("k8s-west", "unreadable")
    watch = estate.west.watch(BANK, fieldSelector="metadata.name=ledger-dr")
    estate.desire(estate.west, "promoted")
    estate.control.advance(10)
    assert words(watch, "promoted") == ["established", "promoted"]
    watch.close()
    assert estate.truth()["writable"]["k8s-west"] is False


def test_h2_a_break_that_was_not_ready_counts_as_promoted(estate):
    estate.control.busy_ontap("k8s-west", 1)
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    truth = estate.truth()
    assert truth["writable"]["k8s-west"] is False
    assert truth["relationship"]["k8s-west"]["state"] == "paused"


def test_h3_a_promotion_before_the_first_transfer_leaves_the_volume_protected(open_estate):
    estate = open_estate(durations={"initialize": 600.0})
    handle = estate.handle(estate.east)
    estate.west.post(BANK, new_mirror("early", "early-data", "established", handle))
    estate.west.post(CLAIMS.format("bank"), new_claim("early-data", "early"))
    estate.control.advance(30)
    assert estate.state(estate.west, "early") is None
    estate.west.patch(f"{BANK}/early", {"spec": {"state": "promoted"}})
    estate.until(estate.west, "promoted", name="early")
    volumes = {volume["handle"]: volume for volume in estate.control.volumes("k8s-west")}
    handle = estate.mirror(estate.west, "early")["status"]["conditions"][0]["localVolumeHandle"]
    assert volumes[handle]["type"] == "dp"


def test_h4_a_write_in_mid_operation_has_the_status_dropped(open_estate):
    estate = open_estate(durations={"informer_lag": 30.0})
    estate.desire(estate.west, "promoted")
    estate.control.advance(31)
    estate.west.patch(f"{BANK}/ledger-dr", {"metadata": {"annotations": {"touched": "yes"}}})
    estate.control.advance(300)
    assert estate.truth()["writable"]["k8s-west"] is True
    assert estate.state(estate.west) == "established"


@pytest.mark.parametrize(
    ("assume", "state"),
    [({}, "failed"), ({"missing_promoted_snapshot": "waits"}, "promoting")],
)
def test_promoting_at_a_snapshot_that_has_not_arrived(open_estate, assume, state):
    estate = open_estate(assumptions=assume)
    estate.desire(estate.west, "promoted", promotedSnapshotHandle="pvc-1/snapshot-1")
    estate.control.advance(20)
    assert estate.state(estate.west) == state
    assert estate.truth()["writable"]["k8s-west"] is False


@pytest.mark.parametrize(("mirror", "restarts"), [("ledger-dr", 0), ("empty", 1)])
def test_an_update_of_a_mirror_without_conditions_crashes_the_controller(estate, mirror, restarts):
    estate.west.post(BANK, new_mirror("empty", "nothing", "promoted"))
    estate.west.post(UPDATES.format("bank"), new_update("now", mirror))
    estate.control.advance(14)
    assert estate.control.controller_restarts("k8s-west") == restarts


def test_an_update_fails_where_the_mirror_is_not_established(estate):
    estate.east.post(UPDATES.format("bank"), new_update("now", "ledger"))
    estate.east.post(UPDATES.format("bank"), new_update("nobody", "missing"))
    estate.control.advance(5)
    for name in ("now", "nobody"):
        assert estate.east.get(f"{UPDATES.format('bank')}/{name}")["status"]["state"] == "Failed"


def test_a_restart_fails_an_update_in_progress(open_estate):
    estate = open_estate(durations={"update": 120.0})
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(5)
    assert estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"] == "In progress"
    estate.control.controller("k8s-west", "restart")
    estate.control.advance(30)
    assert estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"] == "Failed"


def test_a_snapshot_info_tells_the_handle(estate):
    estate.east.post(SNAPSHOTS.format("bank"), new_snapshot("last", "ledger-data"))
    body = {
        "apiVersion": "trident.netapp.io/v1",
        "kind": "TridentSnapshotInfo",
        "metadata": {"name": "last"},
        "spec": {"snapshotName": "last"},
    }
    estate.east.post(INFOS.format("bank"), body)
    estate.control.advance(30)
    handle = estate.east.get(f"{INFOS.format('bank')}/last")["status"]["snapshotHandle"]
    assert handle.startswith("pvc-")
    assert "/snapshot-" in handle


@pytest.mark.parametrize("way", ["stuck", "failing"])
def test_a_transfer_that_does_not_end_well(estate, way):
    estate.control.advance(5)
    if way == "stuck":
        estate.control.stick_transfers(LEDGER)
    else:
        estate.control.fail_transfers(LEDGER)
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(60)
    state = estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"]
    assert state == ("In progress" if way == "stuck" else "Failed")
    if way == "stuck":
        estate.control.stick_transfers(LEDGER, stuck=False)
        estate.control.advance(120)
        assert estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"] == "Succeeded"


def test_a_dead_ontap_promotes_nothing_and_writes_nothing(estate):
    estate.control.kill("ontap-east")
    written = estate.truth()["writes"]["k8s-east"]
    estate.control.advance(60)
    assert estate.truth()["writes"]["k8s-east"] == written
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    assert estate.truth()["writable"] == {"k8s-east": False, "k8s-west": True}
