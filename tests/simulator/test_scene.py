"""What a world contains and the files that it writes (design §8, §11)."""

import stat
import threading

import pytest
import yaml

from replctl.simulator import Options, Simulator
from replctl.simulator.scene import list_entries

LEDGER = "bank/ledger"


def read(world, name):
    return yaml.safe_load((world.sim.options.directory / name).read_text())


def test_the_ready_line_says_where_everything_is(world):
    ready = world.sim.ready
    assert ready["ready"] is True
    assert ready["config"].endswith("config.yaml")
    assert set(ready["arrays"]) == {"east", "west"}
    assert all(url.startswith("https://127.0.0.1:") for url in ready["arrays"].values())
    assert ready["control"].startswith("http://127.0.0.1:")


def test_the_configuration_names_two_arrays_with_secrets_in_files(world):
    config = read(world, "config.yaml")
    assert set(config) == {"backends", "replications", "state_dir"}
    for array, url in world.sim.ready["arrays"].items():
        assert config["backends"][array] == {
            "kind": "powerstore",
            "url": url,
            "username": "replctl",
            "password": {"file": f"credentials/{array}"},
            "tls": {"ca_file": "ca.pem"},
        }
        secret = world.sim.options.directory / "credentials" / array
        assert stat.S_IMODE(secret.stat().st_mode) == 0o600


def test_the_replications_are_those_of_the_arrays(open_world):
    world = open_world(replications=40)
    entries = read(world, "replications.yaml")["replications"]
    assert len(entries) == 40
    for entry in entries:
        kind = "volume_group" if "volume_group" in entry["local"] else "volume"
        name = entry["local"][kind]
        source, replica = ("local", "peer") if entry["state"] == "source" else ("peer", "local")
        policy = f"gold-dr-{entry[source]['backend']}"
        assert entry[source] == {**entry[replica], "backend": entry[source]["backend"], "policy": policy}
        assert entry["peer"].items() >= {"backend": "east", kind: name}.items()
        row = world["west"].get(f"{kind}/name:{name}?select=replication_sessions(role,resource_type)")
        role = {"source": "Source", "replica": "Destination"}[entry["state"]]
        assert row["replication_sessions"] == [{"role": role, "resource_type": kind}]
        assert (entry["mode"], entry["rpo"]) == ("asynchronous", "5m")


def test_the_first_is_always_the_ledger(open_world):
    for seed in (1, 2, 99):
        entry = read(open_world(seed=seed), "replications.yaml")["replications"][0]
        assert (entry["namespace"], entry["name"], entry["state"]) == ("bank", "ledger", "replica")
        assert entry["local"] == {"backend": "west", "volume_group": "ledger-vg"}
        peer = {"backend": "east", "volume_group": "ledger-vg", "policy": "gold-dr-east"}
        assert entry["peer"] == peer


def test_most_are_replicas_here_and_kinds_and_groups_are_mixed():
    entries = list_entries(7, 200)
    assert 100 < sum(entry.source == "east" for entry in entries) < 200
    assert {entry.kind for entry in entries} == {"volume", "volume_group"}
    assert {None, "payments"} <= {entry.group for entry in entries}
    assert any(entry.labels for entry in entries)


def test_names_are_all_different_and_as_kubernetes_wants_them():
    names = [entry.full_name for entry in list_entries(3, 1000)]
    assert len(set(names)) == 1000
    assert all(name.replace("-", "").replace("/", "").isalnum() and name.islower() for name in names)


def test_the_same_seed_gives_the_same_world_and_another_another(open_world):
    one, two, other = open_world(seed=5), open_world(seed=5), open_world(seed=6)
    assert one.session("west") == two.session("west")
    assert read(one, "replications.yaml") == read(two, "replications.yaml")
    assert one.session_id("west") != other.session_id("west")


def test_a_world_may_be_empty(open_world):
    world = open_world(replications=0)
    assert read(world, "replications.yaml") == {"replications": []}
    assert world["east"].get("replication_session") == []


def test_the_ends_mirror_each_other_with_ids_of_their_own(world):
    east, west = world.session("east"), world.session("west")
    assert east["local_resource_id"] == west["remote_resource_id"] != east["remote_resource_id"]
    assert east["remote_system_id"] != west["remote_system_id"]
    assert east["id"] != west["id"]
    for mine, theirs in zip(east["storage_element_pairs"], west["storage_element_pairs"], strict=True):
        assert mine["local_storage_element_id"] == theirs["remote_storage_element_id"]
    serial = world["east"].get("remote_system?select=serial_number")[0]["serial_number"]
    assert world["west"].get("cluster?select=global_id") == [{"global_id": serial}]


def test_one_id_for_both_if_so_assumed(open_world):
    world = open_world(assumptions={"session_id_same_on_peer": "yes"})
    assert world.session_id("east") == world.session_id("west")


def test_rules_and_policies_are_mirrored_read_only(world):
    for array, other in (("east", "west"), ("west", "east")):
        rows = world[array].get(
            "replication_rule?select=name,is_replica,is_read_only,policies(name)&order=is_replica"
        )
        assert [(row["name"], row["is_replica"]) for row in rows] == [
            (f"dr-5min-{array}", False),
            (f"dr-5min-{other}", True),
        ]
        assert rows[0]["policies"] == [{"name": f"gold-dr-{array}"}]
    volume = world["east"].get(
        "volume_group/name:ledger-vg?select=protection_policy(name,replication_rules(rpo))"
    )
    assert volume["protection_policy"]["replication_rules"] == [{"rpo": "Five_Minutes"}]


def test_hosts_may_use_the_source_and_not_the_destination(world):
    selection = "select=is_replication_destination,volumes(is_host_access_available,wwn,size)"
    for array, destination in (("east", False), ("west", True)):
        group = world[array].get(f"volume_group/name:ledger-vg?{selection}")
        assert group["is_replication_destination"] is destination
        assert {volume["is_host_access_available"] for volume in group["volumes"]} == {not destination}
        assert all(volume["wwn"].startswith("naa.") for volume in group["volumes"])


def test_a_start_that_fails_leaves_nothing_open(tmp_path):
    (tmp_path / "file").write_text("")
    simulator = Simulator(Options(directory=tmp_path / "file" / "below"))
    with pytest.raises(NotADirectoryError):
        simulator.start()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("east-", "west-"))]
