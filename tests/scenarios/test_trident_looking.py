"""Looking at clusters with Trident: what is seen is told, what is not known is said so, and nothing is written."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from estates import MIRRORS, Cluster
from worlds import LEDGER, Ran, World, a_world

DR = f"{MIRRORS.format('bank')}/ledger-dr"
CLUSTERS = ("k8s-east", "k8s-west")
MANY = 1001  # three pages; of ten thousand there are twenty
BESIDE = 5
LACKING = (("pause",), ("resume",), ("drill", "start"), ("drill", "stop"))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",)) as made:
        yield made


def line(ran: Ran, name: str = LEDGER) -> Any:
    (found,) = [each for each in ran.json["replications"] if f"{each['namespace']}/{each['name']}" == name]
    return found


def look(world: World) -> Any:
    return line(world.run("status", "-o", "json"))


def desire(world: World, spec: dict[str, Any], backend: str = "k8s-west", path: str = DR) -> None:
    """Written past replctl, as somebody with kubectl would."""
    client = Cluster(world.simulator, backend)
    client.patch(path, {"spec": spec})
    client.connection.close()


def test_a_mirror_at_rest_is_told_without_a_health_that_nobody_knows(world: World) -> None:
    ran = world.run("status", "-o", "json")
    found = line(ran)
    assert ran.code == 0
    assert (found["state"], found["peer"]["state"], found["mode"]) == ("replica", "source", "asynchronous")
    assert (found["health"], found["in_sync"]) == ("unknown", None)  # nothing tells whether the rpo is kept
    compared = world.run("diff", LEDGER, "--exit-code")
    assert (compared.code, "of 1 of 1 the rpo cannot be told" in compared.out) == (0, True)
    assert found["last_consistent_point"]["at"] is None
    assert found["peer"]["vendor"]["attached"] == 1
    assert (found["local"]["unverified"], found["peer"]["unverified"]) == (False, False)


@pytest.mark.parametrize("argv", LACKING, ids=" ".join)
def test_what_trident_has_not_is_refused_with_the_reason(world: World, argv: tuple[str, ...]) -> None:
    ran = world.act(*argv, LEDGER)
    assert (ran.code, ran.guards) == (6, ["unsupported"])
    value = ran.operation["refusal"]["guards"][0]["evidence"][0]["value"]
    assert "Trident cannot" in value
    assert world.changes() == []


def test_a_promotion_that_broke_nothing_is_not_told_as_proven(world: World) -> None:
    """H1: `promoted` in the status of a mirror that ONTAP never broke."""
    world.control.ontap("k8s-west", "unreadable")
    desire(world, {"state": "promoted"})
    world.control.advance(30)
    found = look(world)
    assert found["local"]["vendor"]["state"] == "promoted"
    assert world.truth()["writable"]["k8s-west"] is False
    assert (found["local"]["state"], found["local"]["unverified"]) == ("source", True)
    assert found["health"] == "split_brain"


def test_somebody_elses_promotion_is_seen_as_it_goes(world: World) -> None:
    desire(world, {"state": "promoted"})
    assert look(world)["state"] == "promoting"
    world.control.advance(60)
    assert look(world)["state"] == "source"


def test_a_failure_is_told_with_tridents_reason(world: World) -> None:
    desire(world, {"state": "promoted"})
    world.control.advance(60)
    desire(world, {"state": "established"})
    world.control.advance(30)
    found = look(world)
    assert (found["state"], found["health"]) == ("failed", "failed")
    assert "DP volume" in found["message"]


def test_a_mirror_that_is_gone_is_absent_beside_its_claim(world: World) -> None:
    client = Cluster(world.simulator, "k8s-west")
    client.call("DELETE", DR)
    client.connection.close()
    assert look(world)["local"]["state_note"] == "removing"
    world.control.advance(60)
    found = look(world)
    assert (found["local"]["state"], found["local"]["state_note"]) == (None, "absent")
    assert found["local"]["reachable"] is True


def test_a_token_that_was_rotated_is_read_again(world: World) -> None:
    assert world.run("status").code == 0
    world.control.rotate_token("k8s-west")
    world.control.expire_token("k8s-west")
    world.control.rotate_token("k8s-west")
    assert look(world)["local"]["reachable"] is True


def test_a_token_that_has_expired_is_our_own_trouble(world: World) -> None:
    world.control.expire_token("k8s-west")
    found = look(world)
    assert found["local"]["reachable"] is False
    ran = world.run("explain", LEDGER)
    assert "kubeconfig" in ran.out


PLUGIN = """#!{python} -I
import json, os, pathlib
here = pathlib.Path({directory!r})
(here / "seen.json").write_text(json.dumps(dict(os.environ)))
token = (here / "credentials" / "k8s-west.token").read_text().strip()
said = {{"kind": "ExecCredential", "apiVersion": os.environ["VERSION"], "status": {{"token": token}}}}
print(json.dumps(said))
"""
VERSION = "client.authentication.k8s.io/v1"


def plugged_in(world: World, content: str = PLUGIN) -> Path:
    """The driver's context signs in by a credential plugin; the file that tells what that saw."""
    directory = world.config.parent
    program = directory / "login"
    program.write_text(content.format(python=sys.executable, directory=str(directory)))
    program.chmod(0o700)
    path = directory / "kubeconfig-west.yaml"
    said = yaml.safe_load(path.read_text())
    environ = [{"name": "VERSION", "value": VERSION}]
    given = {"apiVersion": VERSION, "command": "./login", "env": environ, "interactiveMode": "IfAvailable"}
    said["users"][0]["user"] = {"exec": given}
    path.write_text(yaml.safe_dump(said))
    return directory / "seen.json"


def test_a_credential_plugin_signs_in_and_sees_nothing_of_ours(world: World) -> None:
    seen = plugged_in(world)
    ran = world.run("status", "-o", "json", environ={"REPLCTL_DEBUG_TOKEN": "hunter2", "PROFILE": "dr"})
    assert line(ran)["local"]["reachable"] is True
    told = json.loads(seen.read_text())
    assert told["PROFILE"] == "dr"
    assert [name for name in told if name.startswith("REPLCTL_")] == []


def test_a_credential_plugin_that_fails_is_our_own_trouble(world: World) -> None:
    plugged_in(world, "#!/bin/sh\necho hunter2; exit 3\n")
    found = look(world)
    assert (found["local"]["reachable"], found["peer"]["reachable"]) == (False, True)
    ran = world.run("explain", LEDGER)
    assert "ended with status 3" in ran.out
    assert "hunter2" not in ran.out + ran.err
    backends = world.run("backends", "-o", "json").json["backends"]
    (west,) = [each for each in backends if each["name"] == "k8s-west"]
    assert west["error"]["code"] == "no-credential"


def test_a_client_certificate_is_as_good_as_a_token(world: World) -> None:
    world.config.write_text(world.config.read_text().replace("context: west", "context: west-admin"))
    world.control.expire_token("k8s-west")
    assert look(world)["local"]["reachable"] is True


def test_a_key_that_does_not_belong_to_its_certificate_is_our_own_trouble(world: World) -> None:
    world.config.write_text(world.config.read_text().replace("context: west", "context: west-admin"))
    path, other = (world.config.parent / f"kubeconfig-{site}.yaml" for site in ("west", "east"))
    said, there = (yaml.safe_load(each.read_text()) for each in (path, other))
    said["users"][1]["user"]["client-key-data"] = there["users"][1]["user"]["client-certificate-data"]
    path.write_text(yaml.safe_dump(said))
    ran = world.run("explain", LEDGER)
    assert "the client certificate and its key cannot be used" in ran.out


def test_a_list_that_expired_is_begun_again(tmp_path: Path) -> None:
    with a_world(tmp_path, vendors=("trident",), replications=60) as world:
        world.control.fault("k8s-west", "status", path="tridentmirrorrelationships", status=410, times=1)
        assert world.run("status").code == 0


def test_a_cluster_that_asks_for_patience_is_shown_as_not_read(world: World) -> None:
    world.control.fault("k8s-west", "text", status=429, times=50)
    found = look(world)
    assert (found["local"]["reachable"], found["peer"]["reachable"]) == (False, True)
    assert "asks for patience" in found["message"]


def test_a_cluster_without_trident_is_told_as_such(world: World) -> None:
    world.control.uninstall("k8s-west")
    ran = world.run("explain", LEDGER)
    assert "Trident is not installed on k8s-west" in ran.out
    assert look(world)["local"]["state_note"] == "unknown"
    backends = world.run("backends", "-o", "json").json["backends"]
    (west,) = [each for each in backends if each["name"] == "k8s-west"]
    assert west["error"]["code"] == "not-installed"


@pytest.mark.parametrize(
    ("resource", "verb", "fact"),
    [("persistentvolumeclaims", "get", "persistent_volume"), ("volumeattachments", "list", "attached")],
)
def test_a_right_that_lacks_takes_only_what_it_gave(
    world: World, resource: str, verb: str, fact: str
) -> None:
    world.control.deny("k8s-west", resource, verb)
    found = look(world)
    assert found["state"] == "replica"
    assert found["local"]["vendor"][fact] is None


def test_a_missing_right_on_mirrors_is_a_matter_of_credentials(world: World) -> None:
    world.control.deny("k8s-west", "tridentmirrorrelationships", "get")
    found = look(world)
    assert found["local"]["reachable"] is False
    assert "403" in found["message"]


def test_a_proxys_404_is_no_cluster_without_trident(world: World) -> None:
    """It proves nothing of what is behind it."""
    world.control.fault("k8s-west", "html", status=404, times=10)
    ran = world.run("status", "-o", "json")
    assert ran.code == 3
    assert "not JSON" in line(ran)["message"]


def test_a_gateways_404_in_json_does_not_make_a_mirror_absent(world: World) -> None:
    world.control.fault("k8s-west", "vanish", times=10)
    found = look(world)
    assert (found["local"]["reachable"], found["local"]["state_note"]) == (False, "unknown")


def test_a_silent_cluster_costs_no_one_else_anything(world: World) -> None:
    world.control.fault("k8s-west", "status", status=503, times=10)
    found = look(world)
    assert (found["local"]["reachable"], found["peer"]["reachable"]) == (False, True)


def test_many_are_read_in_lists(tmp_path: Path) -> None:
    with a_world(tmp_path, vendors=("trident",), replications=60) as world:
        ran = world.run("status", "-o", "json")
        assert ran.code == 0
        assert len(ran.json["replications"]) == 60
        asked = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(array="k8s-west")]
        assert sorted(asked) == [
            "persistentvolumeclaims",
            "tridentmirrorrelationships",
            "volumeattachments",
        ]


def test_a_look_keeps_to_its_budget_however_many_there_are(tmp_path: Path) -> None:
    """Design §12: of each listed type its pages of 500, and five requests a backend beside."""
    with a_world(tmp_path, vendors=("trident",), replications=MANY) as world:
        attached = {name: len(world.control.objects(name, "volumeattachments")) for name in CLUSTERS}
        world.control.clear_requests()
        assert world.run("status", "-o", "name").code == 0
        for name in CLUSTERS:
            budget = 2 * pages(MANY) + pages(attached[name]) + BESIDE
            asked = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(name)]
            assert asked.count("tridentmirrorrelationships") == pages(MANY) == 3
            assert len(asked) <= budget

        world.control.clear_requests()
        assert world.run("status", LEDGER).code == 0
        for name in CLUSTERS:
            asked = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(name)]
            assert not {"tridentmirrorrelationships", "persistentvolumeclaims"} & set(asked)
            assert len(asked) <= pages(attached[name]) + BESIDE


def pages(count: int) -> int:
    return math.ceil(count / 500)


def test_few_are_asked_for_by_name(world: World) -> None:
    world.run("status", LEDGER)
    asked = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(array="k8s-west")]
    assert asked == ["ledger-dr", "ledger-data", "volumeattachments"]


def test_discover_says_which_mirrors_the_file_names(world: World) -> None:
    entries = yaml.safe_load((world.config.parent / "replications.yaml").read_text())
    entries["replications"] = [each for each in entries["replications"] if each["namespace"] == "bank"]
    (world.config.parent / "replications.yaml").write_text(yaml.safe_dump(entries))
    (west,) = world.run("discover", "k8s-west", "-o", "json").json["backends"]
    managed = {each["name"]: each["managed_by"] for each in west["things"] if each["kind"] == "mirror"}
    assert managed.pop("bank/ledger-dr") == LEDGER
    assert set(managed.values()) == {None}


def test_doctor_walks_the_way_to_each_cluster(world: World) -> None:
    ran = world.run("doctor")
    assert ran.code == 0
    assert "signed in to trident" in ran.out


def test_doctor_names_the_kubeconfig_that_is_wrong(world: World) -> None:
    path = world.config.parent / "kubeconfig-west.yaml"
    path.write_text(path.read_text().replace("    tokenFile:", "    exec: {command: aws}\n    tokenFile:"))
    ran = world.run("doctor")
    assert ran.code != 0
    assert f"{path}: users[replctl].user.exec" in ran.out


def test_both_vendors_stand_in_one_status(tmp_path: Path) -> None:
    with a_world(tmp_path, vendors=("powerstore", "trident"), replications=4) as world:
        ran = world.run("status", "-o", "json")
        kinds = {each["local"]["backend"].startswith("k8s") for each in ran.json["replications"]}
        assert (ran.code, kinds) == (0, {True, False})


def test_the_daemon_promotes_nothing_whose_source_is_in_use(world: World) -> None:
    assert world.run("daemon", "--once").code == 0
    path = world.config.parent / "replications.yaml"
    path.write_text(path.read_text().replace("state: replica", "state: source"))
    assert world.run("daemon", "--once").code == 0
    assert look(world)["in_sync"] is False
    assert world.changes() == []
