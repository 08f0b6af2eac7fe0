"""How an API server answers, by the observations of a real one (CT §12, §17)."""

import itertools
import json
import re
from pathlib import Path

import pytest
import yaml
from estates import (
    ATTACHMENTS,
    CLAIMS,
    JSON,
    LEASES,
    MERGE,
    MIRRORS,
    TABLE,
    UPDATES,
    an_estate,
    new_mirror,
    new_update,
)

from replctl.simulator.kubernetes.kinds import KINDS

BANK = MIRRORS.format("bank")
REPLICA = f"{BANK}/ledger-dr"
ALL = "/apis/trident.netapp.io/v1/tridentmirrorrelationships"
STRATEGIC = "application/strategic-merge-patch+json"


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A world that these tests change only in names of their own."""
    with an_estate(tmp_path_factory.mktemp("shared"), replications=6) as estate:
        yield estate


@pytest.fixture
def west(shared):
    return shared.west


@pytest.fixture
def admin(shared):
    return shared.admin("k8s-west")


def spec(**changes):
    return {**new_mirror("m", "c", "promoted")["spec"], **changes}


# Creation


def test_a_creation_drops_status_and_starts_at_generation_one(west):
    body = {**new_mirror("made", "c", "promoted"), "status": {"conditions": [{"state": "promoted"}]}}
    made = west.post(BANK, body)
    assert "status" not in made
    assert made["metadata"]["generation"] == 1
    assert west.call("POST", BANK, body).said == (409, "AlreadyExists")


def test_an_update_keeps_the_status_it_is_created_with_and_has_no_subresource(west, admin):
    body = {**new_update("odd", "ledger-dr"), "status": {"state": "Succeeded"}}
    assert west.post(UPDATES.format("bank"), body)["status"] == {"state": "Succeeded"}
    assert admin.call("GET", f"{UPDATES.format('bank')}/odd/status").said == (404, "NotFound")


def test_unknown_fields_are_pruned_with_a_warning(west):
    answer = west.call("POST", BANK, new_mirror("pruned", "c", "promoted", volumeGroupName="g"))
    assert answer.status == 201
    assert answer.headers["Warning"].startswith('299 - "unknown field')
    assert "volumeGroupName" not in answer.json["spec"]
    strict = west.call("POST", f"{BANK}?fieldValidation=Strict", new_mirror("p2", "c", "promoted", more=1))
    assert strict.said == (400, "BadRequest")
    strict = west.call("PATCH", f"{REPLICA}?fieldValidation=Strict", {"spec": {"more": 1}}, MERGE)
    assert strict.said == (422, "Invalid")


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({"state": "Promoted"}, ("FieldValueNotSupported", "spec.state")),
        ({"state": 7}, ("FieldValueTypeInvalid", "spec.state")),
        ({"volumeMappings": []}, ("FieldValueInvalid", "spec.volumeMappings")),
        ({"volumeMappings": [{"localPVCName": "a"}] * 2}, ("FieldValueTooMany", "spec.volumeMappings")),
        ({"volumeMappings": [{}]}, ("FieldValueRequired", "spec.volumeMappings[0].localPVCName")),
    ],
)
def test_a_violation_of_the_schema_is_told_by_its_cause(west, changed, cause):
    body = {**new_mirror("bad", "c", "promoted"), "spec": spec(**changed)}
    answer = west.call("POST", BANK, body)
    assert answer.said == (422, "Invalid")
    assert answer.json["details"]["kind"] == "TridentMirrorRelationship"
    assert answer.causes == {cause}


def test_all_violations_come_at_once(west):
    answer = west.call("POST", BANK, {**new_mirror("bad", "c", "x"), "spec": {"state": "x"}})
    assert answer.causes == {
        ("FieldValueNotSupported", "spec.state"),
        ("FieldValueRequired", "spec.volumeMappings"),
    }


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        (BANK, b"{", (400, "BadRequest")),
        (BANK, {**new_mirror("a", "c", ""), "apiVersion": "v2"}, (400, "BadRequest")),
        (MIRRORS.format("nowhere"), new_mirror("a", "c", ""), (404, "NotFound")),
        (BANK, {**new_mirror("a", "c", ""), "metadata": {"name": "a", "namespace": "x"}}, (400, "BadRequest")),
        (BANK, {**new_mirror("a", "c", ""), "metadata": {"name": "Not_A_Name"}}, (422, "Invalid")),
        (BANK, {**new_mirror("a", "c", ""), "metadata": {"name": "a", "resourceVersion": "1"}}, (500, None)),
        (BANK, {**new_mirror("a", "c" * 2_000_000, "")}, (500, None)),
        (BANK, b'{"a":"' + b"c" * 3_200_000 + b'"}', (413, "RequestEntityTooLarge")),
    ],
)  # fmt: skip
def test_what_cannot_be_created(west, path, body, said):
    assert west.call("POST", path, body).said == said


def test_a_name_is_made_from_a_prefix(west):
    made = west.post(
        UPDATES.format("bank"), {**new_update("x", "ledger-dr"), "metadata": {"generateName": "sync-"}}
    )
    assert made["metadata"]["name"].startswith("sync-")


# Change


def test_the_subresource_takes_the_status_alone(admin):
    body = admin.post(BANK, new_mirror("halves", "c", "promoted"))
    path = f"{BANK}/halves"
    changed = {**body, "spec": spec(state=""), "status": {"conditions": [{"state": "promoted"}]}}
    done = admin.call("PUT", f"{path}/status", changed).json
    assert done["spec"]["state"] == "promoted"
    assert (done["status"]["conditions"][0]["state"], done["metadata"]["generation"]) == ("promoted", 1)
    done = admin.call("PUT", path, {**done, "spec": spec(state=""), "status": {}}).json
    assert (done["spec"]["state"], done["metadata"]["generation"]) == ("", 2)
    assert done["status"]["conditions"][0]["state"] == "promoted"


def test_a_write_that_changes_nothing_makes_no_version(west):
    body = west.get(REPLICA)
    assert west.patch(REPLICA, {"spec": {"state": body["spec"]["state"]}}) == body


def test_versions_and_identities_must_be_the_present_ones(admin):
    admin.post(BANK, new_mirror("versions", "c", "promoted"))
    path = f"{BANK}/versions"
    old = admin.get(path)
    admin.patch(path, {"metadata": {"labels": {"a": "b"}}})
    assert admin.call("PUT", path, old).said == (409, "Conflict")
    stale = {"metadata": {"resourceVersion": old["metadata"]["resourceVersion"]}, "spec": {"state": ""}}
    assert admin.call("PATCH", path, stale, MERGE).said == (409, "Conflict")
    now = admin.get(path)
    other = {**now, "metadata": {**now["metadata"], "uid": "other"}}
    assert admin.call("PUT", path, other).said == (409, "Conflict")
    none = {
        **now,
        "metadata": {name: value for name, value in now["metadata"].items() if name != "resourceVersion"},
    }
    answer = admin.call("PUT", path, none)
    assert answer.said == (422, "Invalid")
    assert answer.causes == {("FieldValueInvalid", "metadata.resourceVersion")}
    assert answer.json["details"]["kind"] == "tridentmirrorrelationships"
    assert admin.call("PUT", f"{BANK}/missing", {**none, "metadata": {"name": "missing"}}).said == (
        404,
        "NotFound",
    )


def test_a_json_patch_is_guarded_and_atomic(west):
    uid = west.get(REPLICA)["metadata"]["uid"]
    guard = {"op": "test", "path": "/metadata/uid", "value": uid}
    put = {"op": "add", "path": "/metadata/annotations", "value": {"a": "b"}}
    assert west.patch(REPLICA, [guard, put], JSON)["metadata"]["annotations"] == {"a": "b"}
    answer = west.call("PATCH", REPLICA, [{**guard, "value": "other"}, put], JSON)
    assert (answer.said, answer.json["details"]) == ((422, "Invalid"), {})
    assert west.call("PATCH", REPLICA, [{"op": "remove", "path": "/spec/none"}], JSON).status == 422
    assert west.call("PATCH", REPLICA, {"op": "add"}, JSON).status == 400
    assert west.call("PATCH", REPLICA, [guard] * 10_001, JSON).status == 413


def test_other_patches_are_not_taken_for_custom_kinds(west, admin):
    for media in (STRATEGIC, "application/json", "application/apply-patch+yaml"):
        assert west.call("PATCH", REPLICA, {"spec": {}}, media).said == (415, "UnsupportedMediaType")
    claim = f"{CLAIMS.format('bank')}/ledger-data"
    assert admin.patch(claim, {"metadata": {"labels": {"a": "b"}}}, STRATEGIC)["metadata"]["labels"] == {
        "a": "b"
    }


def test_a_dry_run_changes_nothing(west):
    before = west.get(REPLICA)
    assert (
        west.call("PATCH", f"{REPLICA}?dryRun=All", {"spec": {"state": ""}}, MERGE).json["spec"]["state"]
        == ""
    )
    assert west.call("POST", f"{BANK}?dryRun=All", new_mirror("dry", "c", "")).status == 201
    assert west.call("DELETE", f"{REPLICA}?dryRun=All").status == 200
    assert west.get(REPLICA) == before
    assert west.call("GET", f"{BANK}/dry").status == 404


# Deletion


def test_a_deletion_waits_for_finalizers_and_holds_preconditions(admin):
    body = new_mirror("going", "c", "promoted")
    body["metadata"]["finalizers"] = ["example.com/mine"]
    made = admin.post(BANK, body)
    path, wrong = f"{BANK}/going", {"kind": "DeleteOptions", "preconditions": {"uid": "other"}}
    assert admin.call("DELETE", path, wrong).said == (409, "Conflict")
    right = {"kind": "DeleteOptions", "preconditions": {"uid": made["metadata"]["uid"]}}
    first = admin.call("DELETE", path, right).json
    assert first["metadata"]["deletionTimestamp"]
    assert first["metadata"]["generation"] == 2
    assert admin.call("DELETE", path).json == first
    more = {"metadata": {"finalizers": ["example.com/mine", "example.com/other"]}}
    assert admin.call("PATCH", path, more, MERGE).said == (422, "Invalid")
    assert admin.call("PATCH", path, {"metadata": {"finalizers": []}}, MERGE).status == 200
    assert admin.call("GET", path).said == (404, "NotFound")
    admin.post(BANK, new_mirror("gone", "c", "promoted"))
    gone = admin.call("DELETE", f"{BANK}/gone").json
    assert (gone["kind"], gone["status"]) == ("Status", "Success")


def test_a_terminating_namespace_takes_nothing(admin):
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "leaving", "finalizers": ["a/b"]}}
    admin.post("/api/v1/namespaces", body)
    assert admin.call("DELETE", "/api/v1/namespaces/leaving").status == 200
    answer = admin.call("POST", MIRRORS.format("leaving"), new_mirror("late", "c", ""))
    assert answer.said == (403, "Forbidden")
    assert answer.causes == {("NamespaceTerminating", "metadata.namespace")}


# Leases


def test_leases_are_made_by_put_and_count_microseconds(west):
    path = f"{LEASES.format('bank')}/replctl"
    head = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "replctl"}}
    when = "2031-02-03T04:05:06.000001Z"
    lease = {**head, "spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "renewTime": when}}
    assert west.call("PUT", path, lease).status == 201
    for wrong, status in (({"renewTime": "2031-02-03T04:05:06Z"}, 400), ({"leaseDurationSeconds": 0}, 422)):
        held = west.get(path)
        assert west.call("PUT", path, {**held, "spec": {**held["spec"], **wrong}}).status == status


# Who may do what


def test_what_the_driver_may_not_do(shared, west):
    for method, path, body in (
        ("GET", "/api/v1/namespaces/bank/secrets", None),
        ("GET", "/api/v1/persistentvolumes", None),
        ("GET", "/apis/nothing.example.com/v1/things", None),
        ("GET", f"{ATTACHMENTS}/one", None),
        ("PUT", REPLICA, {}),
        ("PATCH", f"{REPLICA}/status", {}),
        ("DELETE", f"{CLAIMS.format('bank')}/ledger-data", None),
        ("GET", f"{BANK}/missing/status", None),
    ):
        answer = west.call(method, path, body, MERGE)
        assert answer.said == (403, "Forbidden"), path


def test_strangers(shared):
    stranger = shared.client("k8s-west", token="wrong")
    assert stranger.call("GET", REPLICA).said == (401, "Unauthorized")
    stranger.headers = {}
    answer = stranger.call("GET", REPLICA)
    assert answer.said == (403, "Forbidden")
    assert "system:anonymous" in answer.json["message"]
    assert stranger.call("GET", "/readyz").data == b"ok"
    stranger.headers = {"Authorization": "Basic YTpi"}
    assert stranger.call("GET", REPLICA).status == 401


OBJECTS = "get list watch create delete"
ROLE = {  # CT §11, for a driver that patches
    ("trident.netapp.io", "tridentmirrorrelationships"): f"{OBJECTS} patch",
    ("trident.netapp.io", "tridentactionmirrorupdates"): OBJECTS,
    ("trident.netapp.io", "tridentsnapshotinfos"): OBJECTS,
    ("", "persistentvolumeclaims"): "get list watch create patch",
    ("", "persistentvolumes"): "get",
    ("", "events"): "list watch",
    ("snapshot.storage.k8s.io", "volumesnapshots"): OBJECTS,
    ("snapshot.storage.k8s.io", "volumesnapshotcontents"): "get",
    ("storage.k8s.io", "volumeattachments"): "list",
    ("coordination.k8s.io", "leases"): "get create update",
    ("apiextensions.k8s.io", "customresourcedefinitions"): "get",
    ("authorization.k8s.io", "selfsubjectaccessreviews"): "create",  # as everybody may
}
VERBS = ("get", "list", "watch", "create", "update", "patch", "delete", "deletecollection")


def test_the_driver_may_do_exactly_what_the_contract_lists(west):
    """Of every kind that the cluster has, each verb, on the objects and on their status."""
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    head = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    kinds = {(kind.group, kind.plural) for kind in KINDS}
    assert ROLE.keys() <= kinds
    for (group, resource), part, verb in itertools.product(sorted(kinds), ("", "status"), VERBS):
        wish = {"verb": verb, "group": group, "resource": resource, "subresource": part, "namespace": "bank"}
        answer = west.call("POST", path, {**head, "spec": {"resourceAttributes": wish}})
        granted = not part and verb in ROLE.get((group, resource), "").split()
        assert answer.json["status"]["allowed"] is granted, wish


# Reading


def test_discovery_lists_the_mirror_and_its_status(west):
    found = {each["name"]: each for each in west.get("/apis/trident.netapp.io/v1")["resources"]}
    assert found["tridentmirrorrelationships"]["shortNames"] == [
        "tmr",
        "tmrelationship",
        "tmirrorrelationship",
    ]
    assert "tridentmirrorrelationships/status" in found
    assert "tridentactionmirrorupdates/status" not in found
    groups = [group["name"] for group in west.get("/apis")["groups"]]
    assert "trident.netapp.io" in groups
    definition = west.get(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/tridentmirrorrelationships.trident.netapp.io"
    )
    assert definition["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_a_missing_definition_is_plain_text(tmp_path):
    with an_estate(tmp_path) as estate:
        estate.control.uninstall("k8s-west")
        answer = estate.west.call("GET", REPLICA)
        assert (answer.status, answer.data) == (404, b"404 page not found\n")
        assert answer.headers["Content-Type"].startswith("text/plain")
        assert estate.west.call("GET", "/apis/trident.netapp.io/v1").status == 404
        assert estate.east.call("GET", "/apis/trident.netapp.io/v1").status == 200


def test_a_missing_object_is_named_by_its_plural(west):
    answer = west.call("GET", f"{BANK}/missing")
    assert answer.json["details"] == {
        "name": "missing",
        "group": "trident.netapp.io",
        "kind": "tridentmirrorrelationships",
    }


def test_pages_show_a_list_as_it_was_when_it_began(tmp_path):
    with an_estate(tmp_path, replications=5) as estate:
        west = estate.west
        first = west.get(f"{ALL}?limit=2")
        assert (len(first["items"]), first["metadata"]["remainingItemCount"]) == (2, 3)
        west.post(MIRRORS.format("web"), new_mirror("zz", "c", ""))
        last = west.get(ALL)["items"][-2]["metadata"]
        west.patch(f"{MIRRORS.format(last['namespace'])}/{last['name']}", {"spec": {"state": ""}})
        rest = west.get(f"{ALL}?limit=10&continue={first['metadata']['continue']}")
        found = [*first["items"], *rest["items"]]
        assert "zz" not in {each["metadata"]["name"] for each in found}
        assert len({each["metadata"]["uid"] for each in found}) == 5
        assert all(each["spec"]["state"] for each in found)
        assert rest["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        estate.control.compact("k8s-west")
        gone = west.call("GET", f"{ALL}?limit=2&continue={first['metadata']['continue']}")
        assert gone.said == (410, "Expired")
        again = west.get(f"{ALL}?limit=2&continue={gone.json['metadata']['continue']}")
        assert len(again["items"]) == 2


def test_versions_age(tmp_path):
    with an_estate(tmp_path, replications=3) as estate:
        first = estate.west.get(f"{ALL}?limit=2")
        estate.west.post(BANK, new_mirror("new", "c", ""))
        estate.control.advance(301)
        path = f"{ALL}?limit=2&continue={first['metadata']['continue']}"
        assert estate.west.call("GET", path).said == (410, "Expired")


def test_selectors(west):
    west.patch(REPLICA, {"metadata": {"labels": {"tier": "gold"}}})

    def names(query):
        return [each["metadata"]["name"] for each in west.get(f"{ALL}?{query}")["items"]]

    assert names("labelSelector=tier%3Dgold") == ["ledger-dr"]
    assert names("labelSelector=tier+in+(gold,silver)") == ["ledger-dr"]
    assert "ledger-dr" not in names("labelSelector=!tier")
    assert "ledger-dr" not in names("labelSelector=tier!%3Dgold")
    assert names("fieldSelector=metadata.name%3Dledger-dr") == ["ledger-dr"]
    assert west.call("GET", f"{ALL}?fieldSelector=spec.state%3Dx").said == (400, "BadRequest")
    assert west.call("GET", f"{ALL}?limit=many").said == (400, "BadRequest")


def test_a_version_in_the_future_times_out(west):
    answer = west.call("GET", f"{ALL}?resourceVersion=99999999")
    assert answer.said == (504, "Timeout")
    assert answer.causes == {("ResourceVersionTooLarge", "")}
    assert answer.json["details"]["retryAfterSeconds"] == 1


def test_a_table_has_the_printer_columns(west):
    table = west.get(f"{BANK}?fieldSelector=metadata.name%3Dledger-dr", Accept=TABLE)
    assert [column["name"] for column in table["columnDefinitions"]] == [
        "Name",
        "Desired State",
        "Local PVC",
        "Actual state",
        "Message",
    ]
    (row,) = table["rows"]
    assert row["cells"] == ["ledger-dr", "established", "ledger-data", "established", ""]
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert west.call("GET", BANK, Accept="application/yaml").said == (406, "NotAcceptable")


def test_methods_that_a_path_does_not_know(admin):
    assert admin.call("DELETE", BANK).said == (405, "MethodNotAllowed")
    assert admin.call("POST", "/version").said == (405, "MethodNotAllowed")


def test_nothing_of_an_answer_is_shared(west):
    one = west.get(REPLICA)
    one["spec"]["state"] = "spoilt"
    assert json.dumps(west.get(REPLICA)).find("spoilt") < 0


def test_somebody_else_may_write_to_an_object(shared, west):
    before = west.get(REPLICA)["metadata"]
    shared.control.touch("k8s-west", "tridentmirrorrelationships", "bank", "ledger-dr")
    after = west.get(REPLICA)["metadata"]
    assert after["annotations"]["touched"] == "1"
    assert after["generation"] == before["generation"]
    assert after["resourceVersion"] != before["resourceVersion"]
    with pytest.raises(ValueError, match="no kind 'mirrors'"):
        shared.control.touch("k8s-west", "mirrors", "bank", "ledger-dr")


def test_the_role_that_people_are_told_is_the_one_that_is_held_here():
    page = (Path(__file__).parents[2] / "docs" / "trident.md").read_text()
    (text,) = re.findall(r"```yaml\n(apiVersion: rbac.*?)```", page, re.DOTALL)
    told = {
        (group, resource): frozenset(rule["verbs"])
        for rule in yaml.safe_load(text)["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    everybody = ("authorization.k8s.io", "selfsubjectaccessreviews")
    assert told == {name: frozenset(verbs.split()) for name, verbs in ROLE.items() if name != everybody}
