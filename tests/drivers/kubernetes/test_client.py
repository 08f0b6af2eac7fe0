"""Objects, lists and changes over the wire, and what an API server's errors mean for each (CT §12, §17)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from clusters import CLAIMS, MIRRORS, MIRRORS_PATH, VOLUMES, kubeconfig, listed, mirror, status
from estates import new_mirror
from sites import always
from wire import Seen, just_close, raw, reply

from replctl.core import errors
from replctl.core.model import TroubleKind
from replctl.core.retry import CHANGE, READ
from replctl.drivers.kubernetes.objects import Seen as SeenObject
from replctl.drivers.kubernetes.statuses import Expired
from replctl.resilience import Look

PLAIN = {"Content-Type": "text/plain; charset=utf-8"}
HTML = {"Content-Type": "text/html"}
PRIORITY = {"X-Kubernetes-PF-FlowSchema-UID": "a", "X-Kubernetes-PF-PriorityLevel-UID": "b"}
NOT_INSTALLED = raw(404, b"404 page not found\n", PLAIN)
RELEASE = reply(200, {"gitVersion": "v1.36.2"})


def seen(**how: Any) -> SeenObject:
    return SeenObject.of(MIRRORS, mirror(**how))


def said(code: int, reason: str | None, **how: Any) -> bytes:
    headers = how.pop("headers", {})
    return raw(
        code,
        json.dumps(status(code, reason, **how)).encode(),
        {"Content-Type": "application/json", **headers},
    )


def attempts(client: Any, look: Look) -> dict[str, Any]:
    """One read and each kind of change, as calls."""
    was = seen()
    return {
        "get": lambda: client.get(MIRRORS, "bank", "ledger-dr", look),
        "create": lambda: client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted"), look),
        "replace": lambda: client.replace(was, was.body, look),
        "patch": lambda: client.patch(was, {"spec": {"state": "promoted"}}, look),
        "delete": lambda: client.delete(was, look),
    }


CHANGES = ("create", "replace", "patch", "delete")


# Against the simulated cluster


def test_a_life_of_an_object(estate, desk):
    client, look = desk.west(estate), desk.look()
    made = client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted"), look)
    assert (made.name, made.namespace, made.generation) == ("m", "bank", 1)
    with pytest.raises(errors.AlreadyExists):
        client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted"), look)
    merged = client.patch(made, {"spec": {"state": ""}, "metadata": {"annotations": {"a": "b"}}}, look)
    assert merged.is_same(made)
    assert (merged.spec["state"], merged.metadata["annotations"]) == ("", {"a": "b"})
    operated = client.patch_json(merged, [{"op": "remove", "path": "/metadata/annotations/a"}], look)
    assert operated.metadata.get("annotations") in ({}, None)
    found = client.get(MIRRORS, "bank", "m", look)
    assert (found.uid, found.version) == (operated.uid, operated.version)
    assert client.delete(operated, look) is None or client.get(MIRRORS, "bank", "m", look).is_going
    assert client.version(look).startswith("v1.")


def test_what_is_no_longer_what_was_seen_is_left_alone(estate, desk):
    client, look = desk.west(estate, "west-admin"), desk.look()
    was = client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted"), look)
    now = client.patch(was, {"metadata": {"labels": {"tier": "gold"}}}, look)
    changes = (
        lambda: client.patch(was, {"spec": {"state": ""}}, look),
        lambda: client.patch_json(was, [{"op": "replace", "path": "/spec/state", "value": ""}], look),
        lambda: client.replace(was, was.body, look),
        lambda: client.delete(was, look),
    )
    for change in changes:
        with pytest.raises(errors.Outdated) as raised:
            change()
        assert (raised.value.exit_code, raised.value.maybe_happened) == (7, False)
    assert client.get(MIRRORS, "bank", "m", look).version == now.version


def test_a_name_used_again_is_another_object(estate, desk):
    client, look = desk.west(estate, "west-admin"), desk.look()
    was = client.get(CLAIMS, "bank", "ledger-data", look)
    again = SeenObject(was.resource, was.body, was.name, was.namespace, "uid-of-before", was.version)
    with pytest.raises(errors.Outdated):
        client.delete(again, look)


def test_a_refused_operation_is_a_refusal_where_the_object_is_what_was_seen(estate, desk):
    client, look = desk.west(estate), desk.look()
    was = client.get(MIRRORS, "bank", "ledger-dr", look)
    with pytest.raises(errors.Rejected) as raised:
        client.patch_json(was, [{"op": "replace", "path": "/spec/nothing/here", "value": 1}], look)
    assert not isinstance(raised.value, errors.Outdated)
    assert raised.value.vendor_code == "Invalid"


def test_a_schema_s_no_names_the_field(estate, desk):
    client, look = desk.west(estate), desk.look()
    with pytest.raises(errors.Rejected) as raised:
        client.create(MIRRORS, "bank", new_mirror("m", "c", "Promoted"), look)
    assert (raised.value.status, raised.value.vendor_code) == (422, "Invalid")
    assert "spec.state: " in raised.value.message


def test_an_unknown_field_is_refused_and_not_dropped(estate, desk):
    client, look = desk.west(estate), desk.look()
    with pytest.raises(errors.Rejected) as raised:
        client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted", stat="promoted"), look)
    assert "spec.stat" in raised.value.message


def test_what_is_not_there_and_what_is_not_installed(estate, desk):
    client, look = desk.west(estate), desk.look()
    with pytest.raises(errors.NotFound) as raised:
        client.get(MIRRORS, "bank", "nothing", look)
    assert raised.value.trouble is TroubleKind.ABSENT
    assert {"tridentmirrorrelationships", "tridentmirrorrelationships/status"} <= client.served(MIRRORS, look)
    estate.control.uninstall("k8s-west")
    for ask in (
        lambda: client.get(MIRRORS, "bank", "ledger-dr", look),
        lambda: client.list(MIRRORS, look),
        lambda: client.served(MIRRORS, look),
        lambda: client.create(MIRRORS, "bank", new_mirror("m", "c", "promoted"), look),
    ):
        with pytest.raises(errors.NotInstalled) as gone:
            ask()
        assert "knows no tridentmirrorrelationships.trident.netapp.io" in gone.value.message
        assert gone.value.trouble is not TroubleKind.ABSENT
    assert desk.board.breaker("west", READ).state.failures == 0
    assert desk.board.breaker("west", CHANGE).state.failures == 0


def test_no_right_is_said_once_and_not_asked_again(estate, desk):
    client = desk.west(estate)
    estate.control.deny("k8s-west", "tridentmirrorrelationships", "get")
    before = len(estate.control.requests("k8s-west"))
    with pytest.raises(errors.Forbidden) as raised:
        client.get(MIRRORS, "bank", "ledger-dr", desk.look(retry=True))
    assert "kubeconfig-west.yaml: users[" in raised.value.remedy
    assert len(estate.control.requests("k8s-west")) == before + 1


# Lists


def test_pages_make_one_list(served, desk):
    def serve(request: Seen) -> bytes:
        if "continue=two" in request.target:
            return listed(mirror("c"), version=7)
        return listed(mirror("a"), mirror("b"), version=7, token="two")

    server, client = served(serve)
    found = client.list(MIRRORS, desk.look(), namespace="bank", labels="tier=gold")
    assert [each.name for each in found.items] == ["a", "b", "c"]
    assert found.version == "7"
    assert all("labelSelector=tier%3Dgold" in request.target for request in server.requests)
    assert all("resourceVersion=" not in request.target for request in server.requests)


@pytest.mark.parametrize(("left", "count"), [({"remainingItemCount": 8}, 9), ({}, None)])
def test_how_many_there_are_is_known_where_it_is_said(served, desk, left, count):
    body = {
        "kind": f"{MIRRORS.kind}List",
        "metadata": {"resourceVersion": "7", "continue": "two", **left},
        "items": [mirror("a")],
    }
    server, client = served(lambda seen: reply(200, body))
    assert client.count(MIRRORS, desk.look()) == count
    (asked,) = server.requests
    assert "limit=1" in asked.target


def test_a_few_are_counted_by_the_page(served, desk):
    _, client = served(lambda seen: listed(mirror("a"), version=7))
    assert client.count(MIRRORS, desk.look()) == 1


def test_a_list_that_expires_between_its_pages_is_begun_again(served, desk):
    answers = [
        listed(mirror("a"), version=7, token="two"),
        said(410, "Expired"),
        listed(mirror("b"), version=9),
    ]
    server, client = served(lambda request: answers[len(server.requests) - 1])
    found = client.list(MIRRORS, desk.look())
    assert ([each.name for each in found.items], found.version) == (["b"], "9")
    assert "continue" not in server.requests[2].target


def test_a_list_that_always_expires_is_an_error(served, desk):
    def serve(request: Seen) -> bytes:
        return said(410, "Expired") if "continue" in request.target else listed(version=7, token="two")

    _, client = served(serve)
    with pytest.raises(Expired):
        client.list(MIRRORS, desk.look())


def test_pages_that_never_end_are_no_list(served, desk):
    _, client = served(always(listed(mirror("a"), token="same")))
    with pytest.raises(errors.UnreadableAnswer):
        client.list(MIRRORS, desk.look())


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {"kind": "TridentMirrorRelationshipList", "metadata": {"resourceVersion": "1"}}),
        reply(200, {"kind": "PodList", "metadata": {"resourceVersion": "1"}, "items": []}),
        reply(200, {"kind": "TridentMirrorRelationshipList", "metadata": {}, "items": []}),
        reply(200, [1]),
        listed({"metadata": {"name": "a"}}),
        raw(200, b"<html>", HTML),
        raw(200, b""),
    ],
)
def test_what_is_no_list_is_not_an_empty_one(served, desk, answer):
    _, client = served(always(answer))
    with pytest.raises(errors.UnreadableAnswer) as raised:
        client.list(MIRRORS, desk.look())
    assert raised.value.operation == "list tridentmirrorrelationships"


def test_a_kind_without_namespaces(estate, desk):
    client, look = desk.west(estate, "west-admin"), desk.look()
    first = client.list(VOLUMES, look).items[0]
    assert client.get(VOLUMES, "", first.name, look).is_same(first)


# Errors, by code and reason (CT §12.4, §17)


@pytest.mark.parametrize(
    ("answer", "read", "change"),
    [
        (said(400, "BadRequest"), errors.Rejected, errors.Rejected),
        (said(401, "Unauthorized"), errors.Unauthorized, errors.Unauthorized),
        (said(403, "Forbidden"), errors.Forbidden, errors.Forbidden),
        (
            said(403, "Forbidden", causes=[{"reason": "NamespaceTerminating", "message": "it goes"}]),
            errors.Rejected,
            errors.Rejected,
        ),
        (said(404, "NotFound", name="x"), errors.NotFound, errors.NotFound),
        (said(405, "MethodNotAllowed"), errors.Rejected, errors.Rejected),
        (said(406, "NotAcceptable"), errors.Rejected, errors.Rejected),
        (said(409, "AlreadyExists"), errors.AlreadyExists, errors.AlreadyExists),
        (said(409, "Conflict"), errors.Outdated, errors.Outdated),
        (said(410, "Expired"), Expired, Expired),
        (said(410, "Gone"), Expired, Expired),
        (said(413, "RequestEntityTooLarge"), errors.Rejected, errors.Rejected),
        (said(415, "UnsupportedMediaType"), errors.Rejected, errors.Rejected),
        (said(422, "Invalid"), errors.Rejected, errors.Rejected),
        (said(429, "TooManyRequests", retryAfterSeconds=1), errors.Busy, errors.Busy),
        (raw(429, b"Too many requests", {**PLAIN, **PRIORITY, "Retry-After": "1"}), errors.Busy, errors.Busy),
        (raw(429, b"slow down", {**PLAIN, "Retry-After": "1"}), errors.Busy, errors.OutcomeUnknown),
        (said(429, "TooManyRequests"), errors.Busy, errors.OutcomeUnknown),
        (said(500, "InternalError"), errors.BackendUnwell, errors.OutcomeUnknown),
        (said(500, "ServerTimeout", retryAfterSeconds=2), errors.BackendUnwell, errors.OutcomeUnknown),
        (said(500, None), errors.BackendUnwell, errors.OutcomeUnknown),
        (raw(502, b"<html>bad gateway", HTML), errors.BackendUnwell, errors.OutcomeUnknown),
        (said(503, "ServiceUnavailable"), errors.BackendUnwell, errors.OutcomeUnknown),
        (said(503, "ServiceUnavailable", retryAfterSeconds=1), errors.Busy, errors.Busy),
        (raw(503, b"starting", {**PLAIN, "Retry-After": "1"}), errors.Busy, errors.OutcomeUnknown),
        (said(504, "Timeout"), errors.BackendUnwell, errors.OutcomeUnknown),
        (
            raw(504, b'{"metadata":{},"status":"Failure","code":504}', PLAIN),
            errors.BackendUnwell,
            errors.OutcomeUnknown,
        ),
        (raw(400, b"<html>", HTML), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (raw(401, b"<html>", HTML), errors.Unauthorized, errors.Unauthorized),
        (raw(403, b"<html>", HTML), errors.Forbidden, errors.Forbidden),
        (raw(404, b"<html>", HTML), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (raw(404, b'{"error":"no such route"}'), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (raw(409, b"conflict", PLAIN), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (raw(422, b"", PLAIN), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (
            raw(302, b"", {"Location": "https://localhost/login"}),
            errors.UnreadableAnswer,
            errors.OutcomeUnknown,
        ),
        (just_close, errors.ConnectionLost, errors.OutcomeUnknown),
        (raw(200, b"<html>welcome", HTML), errors.UnreadableAnswer, errors.OutcomeUnknown),
        (reply(200, {"kind": "Pod"}), errors.UnreadableAnswer, errors.OutcomeUnknown),
    ],
)
def test_what_each_answer_means(served, desk, answer, read, change):  # R27
    _, client = served(always(answer))
    for name, ask in attempts(client, desk.look()).items():
        expected = read if name == "get" else change
        with pytest.raises(expected) as raised:
            ask()
        error = raised.value
        assert error.backend == "west"
        if type(error) is not errors.Unauthorized:  # which is remembered
            assert error.operation == f"{name} tridentmirrorrelationships"
        assert isinstance(error, errors.OutcomeUnknown) == (expected is errors.OutcomeUnknown)
        assert isinstance(error, errors.Outdated | errors.AlreadyExists) == (
            expected in (errors.Outdated, errors.AlreadyExists)
        )


def test_a_read_is_tried_again(served, desk):  # R27
    answers = [said(504, "Timeout"), raw(429, b"", {"Retry-After": "7"}), reply(200, mirror())]
    server, client = served(lambda request: answers[len(server.requests) - 1])
    assert client.get(MIRRORS, "bank", "ledger-dr", desk.look(60, retry=True)).name == "ledger-dr"
    assert desk.clock.waits == [1.0, 7.0]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_sent_again_only_where_it_was_turned_away(served, desk, name):
    turned = said(429, "TooManyRequests", retryAfterSeconds=3)
    answers = [turned, said(504, "Timeout"), reply(200, mirror())]
    server, client = served(lambda request: answers[len(server.requests) - 1])
    with pytest.raises(errors.OutcomeUnknown):
        attempts(client, desk.look(60, retry=True))[name]()
    assert len(server.requests) == 2
    assert desk.clock.waits == [3.0]


def test_a_dead_api_server_is_never_reached(desk, tmp_path, site):
    server = site.server(always(RELEASE))
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    client = desk.of(kubeconfig(tmp_path, place))
    server.close()
    for ask in attempts(client, desk.look()).values():
        with pytest.raises(errors.NeverSent) as raised:
            ask()
        assert f"{tmp_path}/config: clusters[west].cluster.server" in raised.value.remedy


@pytest.mark.parametrize("proxy", [raw(404, b"<html>", HTML), raw(503, b"<html>", HTML), just_close])
def test_a_proxy_s_404_proves_nothing(served, desk, proxy):
    def serve(request: Seen) -> Any:
        return NOT_INSTALLED if "tridentmirror" in request.path else proxy

    _, client = served(serve)
    with pytest.raises(errors.UnreadableAnswer):
        client.get(MIRRORS, "bank", "ledger-dr", desk.look())
    with pytest.raises(errors.OutcomeUnknown):
        client.delete(seen(), desk.look())


def test_a_404_in_plain_text_of_a_kind_that_is_served_proves_nothing(served, desk):
    def serve(request: Seen) -> Any:
        if request.path == "/version":
            return RELEASE
        names = {"resources": [{"name": MIRRORS.plural}]}
        return reply(200, names) if request.path == MIRRORS.root else NOT_INSTALLED

    _, client = served(serve)
    with pytest.raises(errors.OutcomeUnknown):
        client.delete(seen(), desk.look())


def test_what_the_server_says_is_shown_without_secrets(served, desk):
    _, client = served(always(said(400, "BadRequest", message="you said sesame-token")))
    with pytest.raises(errors.Rejected) as raised:
        client.get(MIRRORS, "bank", "ledger-dr", desk.look())
    assert "sesame" not in str(raised.value)


# What is sent


def test_each_change_carries_what_was_seen(served, desk):
    server, client = served(always(reply(200, mirror())))
    for ask in attempts(client, desk.look()).values():
        ask()
    sent = {request.method: request for request in server.requests}
    bodies = {method: json.loads(request.body) for method, request in sent.items() if request.body}
    locked = {"uid": "uid-ledger-dr", "resourceVersion": "1"}
    assert bodies["PATCH"] == {"spec": {"state": "promoted"}, "metadata": locked}
    assert sent["PATCH"].headers["content-type"] == "application/merge-patch+json"
    assert {key: bodies["PUT"]["metadata"][key] for key in locked} == locked
    assert bodies["DELETE"]["preconditions"] == locked
    assert bodies["POST"]["metadata"] == {"name": "m", "namespace": "bank"}
    for method in ("POST", "PUT", "PATCH"):
        assert "fieldManager=replctl" in sent[method].target
        assert "fieldValidation=Strict" in sent[method].target
    assert {request.path for request in server.requests} == {MIRRORS_PATH, f"{MIRRORS_PATH}/ledger-dr"}


@pytest.mark.parametrize(
    "changes",
    [
        {"status": {}},
        {"metadata": None},
        {"metadata": {"finalizers": []}},
        {"metadata": {"resourceVersion": "2"}},
        {"metadata": {"uid": "other"}},
        {"metadata": {"name": "other"}},
    ],
)
def test_a_patch_of_what_is_not_ours_is_a_mistake(served, desk, changes):
    server, client = served(always(reply(200, mirror())))
    with pytest.raises(ValueError, match=r"ours|controller|parts"):
        client.patch(seen(), changes, desk.look())
    assert server.requests == []


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "add", "path": "/status/conditions", "value": []},
        {"op": "remove", "path": "/metadata/finalizers/0"},
        {"op": "replace", "path": "/metadata/resourceVersion", "value": "2"},
        {"op": "replace", "path": "/metadata", "value": {}},
        {"op": "replace", "path": "", "value": {}},
        {"op": "move", "from": "/status", "path": "/spec/state"},
        {"op": "add", "path": "status", "value": {}},
    ],
)
def test_an_operation_on_what_is_not_ours_is_a_mistake(served, desk, operation):
    server, client = served(always(reply(200, mirror())))
    with pytest.raises(ValueError, match="ours"):
        client.patch_json(seen(), [operation], desk.look())
    assert server.requests == []


@pytest.mark.parametrize(
    "changes",
    [
        {"status": {"conditions": []}},
        {"metadata": {**mirror()["metadata"], "finalizers": ["x"]}},
        {"metadata": {}},
    ],
)
def test_a_replacement_keeps_what_is_not_ours(served, desk, changes):
    server, client = served(always(reply(200, mirror())))
    with pytest.raises(ValueError, match=r"ours|controller"):
        client.replace(seen(), {**mirror(), **changes}, desk.look())
    assert server.requests == []


@pytest.mark.parametrize(
    "body",
    [
        {"metadata": {}},
        {"metadata": {"name": "m", "resourceVersion": "1"}},
        {"metadata": {"name": "m", "finalizers": ["x"]}},
        {"metadata": {"name": "m"}, "status": {}},
    ],
)
def test_a_new_object_says_nothing_that_is_not_ours(served, desk, body):
    server, client = served(always(reply(201, mirror())))
    with pytest.raises(ValueError, match=r"name|ours|controller"):
        client.create(MIRRORS, "bank", body, desk.look())
    assert server.requests == []


def test_names_cannot_lead_elsewhere(served, desk):
    server, client = served(always(reply(200, mirror())))
    client.get(MIRRORS, "bank", "../secrets/x", desk.look())
    assert server.requests[0].path == f"{MIRRORS_PATH}/..%2Fsecrets%2Fx"
    with pytest.raises(ValueError, match="within a namespace"):
        client.get(MIRRORS, "", "x", desk.look())
    with pytest.raises(ValueError, match="in no namespace"):
        client.get(VOLUMES, "bank", "x", desk.look())


def test_a_deletion_that_is_done_and_one_that_waits(served, desk):
    done = reply(200, {"kind": "Status", "status": "Success"})
    going = reply(200, mirror(deletionTimestamp="2031-02-03T04:05:06Z"))
    server, client = served(lambda request: (done, going)[len(server.requests) - 1])
    assert client.delete(seen(), desk.look()) is None
    left = client.delete(seen(), desk.look())
    assert left is not None
    assert left.is_going


def test_the_path_of_an_address_stands_before_everything(served, desk, site, tmp_path):
    server, client = served(always(RELEASE))
    assert client.version(desk.look()) == "v1.36.2"
    behind = desk.of(
        kubeconfig(
            tmp_path,
            {"server": f"{server.url}/k8s/clusters/c-1/", "certificate-authority": str(site.ca_file)},
        )
    )
    assert behind.version(desk.look()) == "v1.36.2"
    assert server.requests[-1].path == "/k8s/clusters/c-1/version"
