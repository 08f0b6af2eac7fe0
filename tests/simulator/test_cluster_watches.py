"""Watches, and everything that a cluster does to a client that it should survive (CT §12.4, §12.5, §17)."""

import http.client
import ssl

import pytest
from estates import ATTACHMENTS, LEDGER, MERGE, MIRRORS, UPDATES, an_estate, new_mirror, new_update

BANK = MIRRORS.format("bank")
REPLICA = f"{BANK}/ledger-dr"
BROKEN = (OSError, ssl.SSLError, http.client.HTTPException)


def annotate(estate, value):
    return estate.west.patch(REPLICA, {"metadata": {"annotations": {"v": value}}})


def version(estate):
    return estate.west.get(BANK)["metadata"]["resourceVersion"]


def test_every_change_is_told_in_order(estate):
    watch = estate.west.watch(BANK, resourceVersion=version(estate))
    for value in "abc":
        annotate(estate, value)
    estate.west.post(BANK, new_mirror("more", "c", ""))
    events = [watch.next() for _ in range(4)]
    assert [event["type"] for event in events] == ["MODIFIED"] * 3 + ["ADDED"]
    assert [event["object"]["metadata"]["annotations"]["v"] for event in events[:3]] == list("abc")
    watch.close()
    again = estate.west.watch(BANK, resourceVersion=events[1]["object"]["metadata"]["resourceVersion"])
    assert again.next() == events[2]
    again.close()


def test_a_watch_without_a_version_begins_with_what_is_there(estate):
    watch = estate.west.watch(BANK)
    first = watch.next()
    assert (first["type"], first["object"]["metadata"]["name"]) == ("ADDED", "ledger-dr")
    watch.close()
    watch = estate.west.watch(
        BANK, sendInitialEvents="true", resourceVersionMatch="NotOlderThan", allowWatchBookmarks="true"
    )
    watch.next()
    mark = watch.next()
    assert mark["type"] == "BOOKMARK"
    assert mark["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    watch.close()


def test_what_no_longer_matches_is_told_as_deleted(estate):
    watch = estate.west.watch(BANK, labelSelector="tier=gold", resourceVersion=version(estate))
    for tier in ("gold", "silver"):
        estate.west.patch(REPLICA, {"metadata": {"labels": {"tier": tier}}})
    assert [watch.next()["type"], watch.next()["type"]] == ["ADDED", "DELETED"]
    watch.close()


def test_bookmarks_come_by_the_minute_and_before_the_end(estate):
    watch = estate.west.watch(
        BANK, resourceVersion=version(estate), allowWatchBookmarks="true", timeoutSeconds="100"
    )
    estate.control.advance(61)
    mark = watch.next()
    assert (mark["type"], set(mark["object"]["metadata"])) == ("BOOKMARK", {"resourceVersion"})
    estate.control.advance(61)
    assert [event["type"] for event in watch.rest()] == ["BOOKMARK"]
    watch.close()


@pytest.mark.parametrize("assumed", ["event", "http"])
def test_a_version_that_is_gone(tmp_path, assumed):
    with an_estate(tmp_path, assumptions={"watch_from_expired_version": assumed}) as estate:
        old = version(estate)
        annotate(estate, "a")
        estate.control.compact("k8s-west")
        if assumed == "http":
            assert estate.west.call("GET", f"{BANK}?watch=1&resourceVersion={old}").said == (410, "Expired")
            return
        watch = estate.west.watch(BANK, resourceVersion=old)
        (event,) = watch.rest()
        assert (watch.status, event["type"]) == (200, "ERROR")
        assert (event["object"]["code"], event["object"]["reason"]) == (410, "Expired")
        watch.close()


@pytest.mark.parametrize(("how", "codes"), [("closed", []), ("expired", [410]), ("error", [500])])
def test_watches_end_as_they_are_told(estate, how, codes):
    watch = estate.west.watch(BANK, resourceVersion=version(estate))
    annotate(estate, "a")
    watch.next()
    assert estate.control.watches_open("k8s-west") == 1
    estate.control.end_watches("k8s-west", how)
    assert [event["object"]["code"] for event in watch.rest()] == codes
    watch.close()


def test_a_watch_breaks(estate):
    watch = estate.west.watch(BANK, resourceVersion=version(estate))
    estate.control.end_watches("k8s-west", "broken")
    with pytest.raises(BROKEN):
        watch.rest()
    watch.close()


def test_a_silent_watch_tells_later_what_it_kept(estate):
    watch = estate.west.watch(BANK, resourceVersion=version(estate), timeoutSeconds="30")
    estate.control.silence_watches("k8s-west")
    annotate(estate, "a")
    estate.control.advance(5)
    estate.control.silence_watches("k8s-west", silent=False)
    assert watch.next()["object"]["metadata"]["annotations"]["v"] == "a"
    watch.close()


# Stores, tokens, faults


@pytest.mark.parametrize(("landing", "state"), [("landed", ""), ("lost", "established")])
def test_a_frozen_store_says_nothing_about_a_write(estate, landing, state):
    estate.control.freeze("k8s-west", landing)
    assert estate.west.call("PATCH", REPLICA, {"spec": {"state": ""}}, MERGE).said == (504, "Timeout")
    assert estate.west.call("GET", REPLICA).said == (504, "Timeout")
    assert estate.west.call("GET", "/readyz").status == 200
    estate.control.thaw("k8s-west")
    assert estate.west.get(REPLICA)["spec"]["state"] == state


def test_a_refusal_is_not_heard_from_a_frozen_store_and_the_controller_rests(estate):
    estate.control.freeze("k8s-west", "landed")
    assert estate.west.call("PATCH", REPLICA, {"spec": {"state": "Nonsense"}}, MERGE).status == 504
    assert estate.west.call("PATCH", REPLICA, {"spec": {"state": "promoted"}}, MERGE).status == 504
    estate.control.advance(60)
    assert estate.truth()["writable"]["k8s-west"] is False
    estate.control.thaw("k8s-west")
    estate.until(estate.west, "promoted")


def test_a_frozen_store_lands_some_writes(estate):
    estate.control.freeze("k8s-west")
    for number in range(12):
        estate.west.call("POST", BANK, new_mirror(f"m{number}", "c", ""))
    estate.control.thaw("k8s-west")
    assert 0 < len(estate.west.get(BANK)["items"]) - 1 < 12


@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_connection_is_cut_before_the_effect_or_after(estate, effect):
    estate.control.fault("k8s-west", "reset", method="PATCH", effect=effect)
    with pytest.raises(BROKEN):
        estate.west.call("PATCH", REPLICA, {"spec": {"state": ""}}, MERGE)
    assert estate.client("k8s-west").get(REPLICA)["spec"]["state"] == (
        "" if effect == "after" else "established"
    )
    (change,) = estate.control.requests(array="k8s-west", changes=True)
    assert (change["effect"], change["status"]) == (effect == "after", None)


def test_a_request_arrives_late(estate):
    estate.control.fault("k8s-west", "late", method="PATCH", seconds=50.0)
    with pytest.raises(BROKEN):
        estate.west.call("PATCH", REPLICA, {"spec": {"state": ""}}, MERGE)
    client = estate.client("k8s-west")
    assert client.get(REPLICA)["spec"]["state"] == "established"
    estate.control.advance(51)
    assert client.get(REPLICA)["spec"]["state"] == ""


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"kind": "text"}, (429, "text/plain; charset=utf-8", "1")),
        ({"kind": "status", "status": 429}, (429, "application/json", "1")),
        ({"kind": "status", "status": 500}, (500, "application/json", None)),
        ({"kind": "text", "status": 503}, (503, "text/plain; charset=utf-8", None)),
    ],
)
def test_answers_in_trouble(estate, fault, said):
    estate.control.fault("k8s-west", **fault)
    answer = estate.west.call("GET", REPLICA)
    assert (answer.status, answer.headers["Content-Type"], answer.headers["Retry-After"]) == said
    if said[1] == "application/json":
        assert (answer.json["kind"], answer.json["code"]) == ("Status", said[0])


def test_a_status_after_the_effect(estate):
    estate.control.fault("k8s-west", "status", status=504, method="PATCH", effect="after")
    assert estate.west.call("PATCH", REPLICA, {"spec": {"state": ""}}, MERGE).said == (504, "Timeout")
    assert estate.west.get(REPLICA)["spec"]["state"] == ""


def test_tokens_rotate_and_expire(estate):
    old = estate.west.headers["Authorization"]
    estate.control.rotate_token("k8s-west")
    assert estate.west.call("GET", REPLICA).status == 200
    estate.control.expire_token("k8s-west")
    assert estate.west.call("GET", REPLICA).said == (401, "Unauthorized")
    estate.control.rotate_token("k8s-west")
    fresh = estate.client("k8s-west")
    assert fresh.headers["Authorization"] != old
    assert fresh.call("GET", REPLICA).status == 200


def test_a_role_can_be_narrowed(estate):
    estate.control.deny("k8s-west", "volumeattachments", "list")
    assert estate.west.call("GET", ATTACHMENTS).said == (403, "Forbidden")
    estate.control.deny("k8s-west", "volumeattachments", "list", denied=False)
    assert estate.west.call("GET", ATTACHMENTS).status == 200


def test_a_cluster_goes_dark_and_has_forgotten_its_versions(estate):
    old = version(estate)
    estate.control.kill("k8s-west")
    with pytest.raises(BROKEN):
        estate.west.call("GET", REPLICA)
    estate.control.revive("k8s-west")
    client = estate.client("k8s-west")
    assert client.get(REPLICA)["spec"]["state"] == "established"
    watch = client.watch(BANK, resourceVersion=old)
    (event,) = watch.rest()
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)
    watch.close()


# Pods


def test_pods_attach_and_detach(estate):
    (before,) = [
        each for each in estate.east.get(ATTACHMENTS)["items"] if "app-0" in each["metadata"]["name"]
    ][:1]
    assert before["status"]["attached"] is True
    estate.control.detach("k8s-east", "bank", "ledger-data")
    written = estate.truth()["writes"]["k8s-east"]
    estate.control.advance(30)
    assert estate.truth()["writes"]["k8s-east"] == written
    estate.control.attach("k8s-east", "bank", "ledger-data", pod="other")
    estate.control.advance(30)
    assert estate.truth()["writes"]["k8s-east"] == written + 30
    assert estate.truth()["attached"] == {"k8s-east": ["other"], "k8s-west": []}


@pytest.mark.parametrize("effect", ["before", "after"])
def test_a_pod_attaches_in_the_middle_of_something(estate, effect):
    estate.control.stop_pods(LEDGER)
    arguments = {"cluster": "k8s-east", "namespace": "bank", "claim": "ledger-data"}
    estate.control.when(
        "attach", arguments, array="k8s-west", method="POST", path="tridentactionmirrorupdates", effect=effect
    )
    names = [each["metadata"]["name"] for each in estate.east.get(ATTACHMENTS)["items"]]
    estate.west.post(UPDATES.format("bank"), new_update("now", "ledger-dr"))
    assert len(estate.east.get(ATTACHMENTS)["items"]) == len(names) + 1
    assert estate.truth()["attached"]["k8s-east"] == ["app-0"]


def test_a_paused_controller_acts_when_it_is_resumed(estate):
    estate.control.controller("k8s-west", "pause")
    estate.desire(estate.west, "promoted")
    estate.control.advance(60)
    assert estate.state(estate.west) == "established"
    estate.control.controller("k8s-west", "resume")
    estate.until(estate.west, "promoted")
