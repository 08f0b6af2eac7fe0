"""What is under the clusters: ONTAP's REST, volumes, snapshots, policies, deletions (CT §4 to §7, §14)."""

import base64
import http.client
import json
import ssl
from urllib.parse import urlsplit

import pytest
from estates import (
    ATTACHMENTS,
    CLAIMS,
    LEDGER,
    MIRRORS,
    SNAPSHOTS,
    UPDATES,
    Answer,
    an_estate,
    new_claim,
    new_mirror,
    new_snapshot,
    new_update,
)

BANK = MIRRORS.format("bank")
RELATIONSHIPS = "/api/snapmirror/relationships"


def ask(estate, path, system="ontap-west", method="GET", secret=None):
    directory = estate.sim.options.directory
    place = urlsplit(estate.sim.ready["ontap"][system])
    context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
    connection = http.client.HTTPSConnection("127.0.0.1", place.port, context=context, timeout=20)
    secret = secret or (directory / "credentials" / system).read_text().strip()
    word = base64.b64encode(f"replctl:{secret}".encode()).decode()
    connection.request(method, path, headers={"Authorization": f"Basic {word}"})
    answer = connection.getresponse()
    found = Answer(answer.status, answer.headers, answer.read())
    connection.close()
    return found


def relationship(estate, fields="state,healthy,lag_time,policy.name,transfer"):
    handle = estate.handle(estate.west)
    answer = ask(estate, f"{RELATIONSHIPS}?destination.path={handle}&fields={fields}")
    (record,) = answer.json["records"]
    return record


# ONTAP's REST


def test_a_relationship_tells_lag_health_and_state(estate):
    found = relationship(estate)
    assert (found["state"], found["healthy"]) == ("snapmirrored", True)
    assert found["policy"] == {"name": "MirrorAllSnapshots"}
    assert found["lag_time"] == "PT1M40S"
    assert found["source"]["path"] == estate.handle(estate.east)
    estate.control.advance(60)
    assert relationship(estate)["lag_time"] == "PT2M40S"
    estate.control.advance(600)
    assert relationship(estate)["lag_time"] == "PT2M40S"  # two scheduled transfers later
    assert "lag_time" not in relationship(estate, fields="*")
    one = ask(estate, f"{RELATIONSHIPS}/{found['uuid']}?fields=lag_time").json
    assert one["lag_time"] == "PT2M40S"


def test_what_ontap_refuses(estate):
    assert ask(estate, RELATIONSHIPS, secret="wrong").status == 401
    assert ask(estate, RELATIONSHIPS, method="POST").status == 405
    assert ask(estate, f"{RELATIONSHIPS}/none").status == 404
    assert ask(estate, "/api/cluster").json["version"]["generation"] == 9
    estate.control.ontap("k8s-west", "unreadable")
    assert ask(estate, RELATIONSHIPS).status == 500
    assert ask(estate, RELATIONSHIPS, "ontap-east").status == 200
    estate.control.kill("ontap-west")
    with pytest.raises(ConnectionRefusedError):
        ask(estate, RELATIONSHIPS)


def test_faults_and_the_log_know_ontap(estate):
    estate.control.fault("ontap-west", "status", status=503)
    assert ask(estate, RELATIONSHIPS).status == 503
    assert [each["status"] for each in estate.control.requests(array="ontap-west")] == [503]


# Transfers


def test_a_scheduled_transfer_brings_what_was_written_until_it_began(estate):
    before = estate.truth()["consistent_at"]
    estate.control.advance(205)  # the next whole five minutes are 200 seconds away
    assert relationship(estate)["transfer"]["state"] == "transferring"
    assert estate.truth()["consistent_at"] == before
    estate.control.advance(6)
    assert estate.truth()["consistent_at"] == before + 300
    assert estate.truth()["missing"]["k8s-west"] == 11


def test_a_link_that_is_down_fails_transfers(estate):
    estate.control.ontap_link(up=False)
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(5)
    assert estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"] == "Failed"
    assert relationship(estate)["healthy"] is False
    assert estate.state(estate.west) == "established"  # nobody looks
    estate.control.ontap_link(up=True)
    estate.control.advance(400)
    assert relationship(estate)["healthy"] is True


def test_a_transfer_that_runs_fails_an_update(open_estate):
    estate = open_estate(durations={"update": 100.0})
    for name in ("one", "two"):
        estate.west.post(UPDATES.format("bank"), new_update(name, "ledger-dr"))
    estate.control.advance(30)
    states = [
        estate.west.get(f"{UPDATES.format('bank')}/{name}")["status"]["state"] for name in ("one", "two")
    ]
    assert states == ["In progress", "Failed"]


def test_a_resync_without_a_common_snapshot_fails_and_leaves_no_relationship(estate):
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    estate.control.forget_snapshots(LEDGER)
    estate.desire(estate.east, "reestablished", remote=estate.handle(estate.west))
    failed = estate.until(estate.east, "failed")
    assert "common" in failed["status"]["conditions"][0]["message"]
    truth = estate.truth()
    assert truth["relationship"]["k8s-east"] is None
    assert truth["writable"]["k8s-east"] is True


@pytest.mark.parametrize(
    ("assume", "state"), [({}, "failed"), ({"release_drops_base": "no"}, "reestablished")]
)
def test_deleting_the_source_first_may_lose_the_base(open_estate, assume, state):
    estate = open_estate(assumptions=assume)
    assert estate.east.call("DELETE", f"{BANK}/ledger").status == 200
    estate.control.advance(10)
    assert estate.east.call("GET", f"{BANK}/ledger").status == 404
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    estate.east.post(BANK, new_mirror("ledger", "ledger-data", "reestablished", estate.handle(estate.west)))
    estate.until(estate.east, state)


# Policies


@pytest.mark.parametrize(
    ("policy", "schedule", "effective"),
    [
        ("MirrorAllSnapshots", "hourly", ("MirrorAllSnapshots", "hourly")),
        ("Async", "15m", ("MirrorAllSnapshots", "5min")),
        ("StrictSync", "", ("MirrorAllSnapshots", "5min")),
        ("Sync", "hourly", ("Sync", "")),
    ],
)
def test_policies_that_are_not_taken_are_replaced_without_a_word(estate, policy, schedule, effective):
    body = new_mirror("other", "other-data", "established", estate.handle(estate.east))
    body["spec"] |= {"replicationPolicy": policy, "replicationSchedule": schedule}
    estate.west.post(BANK, body)
    estate.west.post(CLAIMS.format("bank"), new_claim("other-data", "other"))
    (condition,) = estate.until(estate.west, "established", name="other")["status"]["conditions"]
    assert (condition["replicationPolicy"], condition["replicationSchedule"]) == effective


def test_a_back_end_without_a_policy_leaves_it_to_ontap(estate):
    estate.control.backend_policy("k8s-west", "")
    estate.west.post(BANK, new_mirror("other", "other-data", "established", estate.handle(estate.east)))
    estate.west.post(CLAIMS.format("bank"), new_claim("other-data", "other"))
    (condition,) = estate.until(estate.west, "established", name="other")["status"]["conditions"]
    assert (condition["replicationPolicy"], condition["replicationSchedule"]) == ("MirrorAndVault", "")


def test_a_back_end_that_cannot_mirror(estate):
    estate.control.cannot_mirror("k8s-west")
    estate.desire(estate.west, "reestablished")
    estate.until(estate.west, "invalid")
    estate.desire(estate.west, "promoted")
    promoted = estate.until(estate.west, "promoted")
    assert promoted["status"]["conditions"][0]["localVolumeHandle"].startswith(":")


@pytest.mark.parametrize(
    ("mapping", "state"),
    [
        ({"localPVCName": ""}, "promoted"),
        ({"promotedSnapshotHandle": "a/b"}, "established"),
        ({"remoteVolumeHandle": ""}, "reestablished"),
    ],
)
def test_what_the_controller_calls_invalid(estate, mapping, state):
    body = new_mirror("odd", "odd-data", state, "svm_east:x")
    body["spec"]["volumeMappings"][0] |= mapping
    estate.west.post(BANK, body)
    estate.until(estate.west, "invalid", name="odd")


def test_a_mirror_without_its_claim_waits_and_says_nothing(estate):
    estate.west.post(BANK, new_mirror("alone", "alone-data", "promoted"))
    estate.control.advance(300)
    assert estate.state(estate.west, "alone") is None
    estate.west.post(CLAIMS.format("bank"), new_claim("alone-data"))
    estate.control.advance(10)
    assert estate.state(estate.west, "alone") is None  # the next try is minutes away
    estate.west.patch(f"{BANK}/alone", {"metadata": {"annotations": {"touched": "1"}}})
    estate.until(estate.west, "promoted", name="alone")


# Claims and snapshots


def test_a_claim_names_a_mirror_that_must_be_there(estate):
    estate.west.post(CLAIMS.format("bank"), new_claim("early", "later"))
    estate.control.advance(30)
    claim = estate.west.get(f"{CLAIMS.format('bank')}/early")
    assert claim["status"]["phase"] == "Pending"
    estate.west.post(BANK, new_mirror("later", "early", "established", estate.handle(estate.east)))
    estate.until(estate.west, "established", name="later", seconds=1200)
    types = {volume["handle"]: volume["type"] for volume in estate.control.volumes("k8s-west")}
    assert types[estate.mirror(estate.west, "later")["status"]["conditions"][0]["localVolumeHandle"]] == "dp"


def test_a_claim_goes_with_its_volume_and_its_mirror(estate):
    admin = estate.admin("k8s-west")
    handle = estate.handle(estate.west)
    admin.call("DELETE", f"{CLAIMS.format('bank')}/ledger-data")
    estate.control.advance(30)
    assert admin.call("GET", f"{CLAIMS.format('bank')}/ledger-data").status == 404
    assert handle not in {volume["handle"] for volume in estate.control.volumes("k8s-west")}
    assert ask(estate, f"{RELATIONSHIPS}?destination.path={handle}").json["num_records"] == 0
    estate.west.call("DELETE", f"{BANK}/ledger-dr")
    estate.control.advance(5)
    assert estate.west.call("GET", f"{BANK}/ledger-dr").status == 404


def test_a_dead_ontap_makes_no_snapshot_and_lets_it_go(estate):
    estate.control.kill("ontap-east")
    path = SNAPSHOTS.format("bank")
    estate.east.post(path, new_snapshot("last", "ledger-data"))
    estate.control.advance(120)
    assert "status" not in estate.east.get(f"{path}/last")
    assert estate.east.call("DELETE", f"{path}/last").status == 200
    estate.control.advance(20)
    assert estate.east.call("GET", f"{path}/last").status == 404


@pytest.mark.parametrize(("assume", "status"), [({}, 200), ({"replica_snapshots": "deletable"}, 404)])
def test_a_snapshot_of_a_volume_that_became_a_replica(open_estate, assume, status):
    estate = open_estate(assumptions=assume)
    path = SNAPSHOTS.format("bank")
    estate.east.post(path, new_snapshot("last", "ledger-data"))
    estate.control.advance(5)
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(20)
    estate.desire(estate.west, "promoted")
    estate.until(estate.west, "promoted")
    estate.desire(estate.east, "reestablished", remote=estate.handle(estate.west))
    estate.until(estate.east, "reestablished")
    estate.east.call("DELETE", f"{path}/last")
    estate.control.advance(20)
    assert estate.east.call("GET", f"{path}/last").status == status


def test_a_finished_update_is_deleted_at_once(estate):
    path = f"{UPDATES.format('bank')}/now"
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(30)
    assert estate.west.get(path)["status"]["state"] == "Succeeded"
    assert estate.west.call("DELETE", path).status == 200
    estate.control.advance(2)
    assert estate.west.call("GET", path).status == 404


# Worlds


def test_a_world_of_both_vendors(tmp_path):
    with an_estate(tmp_path, vendors=("powerstore", "trident"), replications=6) as estate:
        truths = estate.control.truths()
        assert len(truths) == 6
        mirrored = [name for name, truth in truths.items() if "volume_type" in truth]
        assert len(mirrored) == 3
        config = (tmp_path / "config.yaml").read_text()
        assert config.count("kind: powerstore") == config.count("kind: trident") == 2
        entries = (tmp_path / "replications.yaml").read_text()
        assert entries.count("mirror:") == 6
        assert sorted(estate.sim.ready) == ["arrays", "clusters", "config", "control", "ontap", "ready"]
        modes = {path.stat().st_mode & 0o777 for path in tmp_path.glob("kubeconfig-*.yaml")}
        assert modes == {0o600}


def test_the_same_seed_makes_the_same_clusters(tmp_path):
    found = []
    for number in range(2):
        with an_estate(tmp_path / str(number), seed=5) as estate:
            found.append([estate.east.get(BANK), estate.west.get(ATTACHMENTS)])
    assert json.dumps(found[0]) == json.dumps(found[1])


def test_a_world_without_clusters_says_so(tmp_path):
    from replctl.simulator import Options, Simulator
    from replctl.simulator.handle import ControlError

    with Simulator(Options(directory=tmp_path, replications=1)) as sim:
        assert "clusters" not in sim.ready
        with pytest.raises(ControlError, match="without trident"):
            sim.control.freeze("k8s-west")
    with pytest.raises(ValueError, match="powerstore and trident, not netapp"):
        Simulator(Options(directory=tmp_path, vendors=("netapp",)))


# Trouble below


@pytest.mark.parametrize("operation", ["quiesce", "abort", "break", "delete"])
def test_a_promotion_that_fails_below(estate, operation):
    estate.control.fail_ontap("k8s-west", operation)
    estate.desire(estate.west, "promoted")
    failed = estate.until(estate.west, "failed")
    assert operation in failed["status"]["conditions"][0]["message"]
    assert estate.truth()["writable"]["k8s-west"] is (operation == "delete")


def test_a_new_replica_that_never_becomes_one(estate):
    estate.control.stick_all_transfers("k8s-west")
    estate.west.post(BANK, new_mirror("fresh", "fresh-data", "established", estate.handle(estate.east)))
    estate.west.post(CLAIMS.format("bank"), new_claim("fresh-data", "fresh"))
    estate.control.advance(600)
    assert estate.state(estate.west, "fresh") is None
    estate.control.stick_all_transfers("k8s-west", stuck=False)
    estate.until(estate.west, "established", name="fresh", seconds=1200)


def test_a_volume_that_goes_while_data_are_on_their_way(open_estate):
    estate = open_estate(durations={"update": 60.0})
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(2)
    estate.admin("k8s-west").call("DELETE", f"{CLAIMS.format('bank')}/ledger-data")
    estate.control.advance(300)
    assert estate.west.get(f"{UPDATES.format('bank')}/now")["status"]["state"] == "Failed"


def test_clocks_that_are_wrong(estate):
    estate.control.skew("k8s-west", 3600)
    estate.control.skew("ontap-west", -3600)
    answer = estate.west.call("GET", BANK)
    assert answer.headers["Date"] == "Sun, 17 Mar 2030 18:46:40 GMT"
    assert ask(estate, RELATIONSHIPS).headers["Date"] == "Sun, 17 Mar 2030 16:46:40 GMT"
    assert estate.east.call("GET", BANK).headers["Date"] == "Sun, 17 Mar 2030 17:46:40 GMT"
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    estate.control.advance(30)
    status = estate.west.get(f"{UPDATES.format('bank')}/now")["status"]
    assert status["previousTransferTime"].startswith("2030-03-17T16:")
    assert status["completionTime"].startswith("2030-03-17T18:")


# What is assumed


def test_each_assumption_of_the_hazards_can_be_turned_to_the_kind_side(open_estate):
    kind = {
        "unreadable_mirror": "established",
        "paused_mirror": "established",
        "status_conflict": "retried",
        "finalizer_write": "plain",
        "illegal_edit_and_deletion": "deleted",
    }
    estate = open_estate(assumptions=kind, durations={"informer_lag": 2.0})
    estate.control.busy_ontap("k8s-west", 1)
    watch = estate.west.watch(BANK, fieldSelector="metadata.name=ledger-dr")
    watch.next()
    estate.desire(estate.west, "promoted")
    watch.next()
    estate.control.advance(3)
    estate.west.patch(f"{BANK}/ledger-dr", {"metadata": {"annotations": {"touched": "1"}}})
    watch.next()
    estate.until(estate.west, "promoted")
    assert watch.next()["object"]["status"]["conditions"][0]["state"] == "promoting"
    watch.close()
    assert estate.truth()["writable"]["k8s-west"] is True


def test_a_promotion_before_the_first_copy_may_be_refused(open_estate):
    estate = open_estate(
        assumptions={"promotion_before_first_copy": "refused", "first_transfer": "establishing"}
    )
    estate.west.post(BANK, new_mirror("early", "early-data", "established", estate.handle(estate.east)))
    estate.west.post(CLAIMS.format("bank"), new_claim("early-data", "early"))
    estate.until(estate.west, "establishing", name="early")
    estate.west.patch(f"{BANK}/early", {"spec": {"state": "promoted"}})
    estate.until(estate.west, "failed", name="early")


@pytest.mark.parametrize(("assume", "restarts"), [("crash", 1), ("invalid", 0)])
def test_a_mirror_without_a_spec(open_estate, assume, restarts):
    estate = open_estate(assumptions={"mirror_without_spec": assume})
    body = new_mirror("empty", "c", "")
    del body["spec"]
    estate.west.post(BANK, body)
    estate.control.advance(10)
    assert estate.control.controller_restarts("k8s-west") == restarts
