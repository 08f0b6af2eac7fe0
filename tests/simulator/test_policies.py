"""Sessions are born and die by the protection policy of a volume (CP §6, §11, §16.13)."""

import pytest

LEDGER = "bank/ledger"


def group(world, array):
    return world[array].get(
        "volume_group/name:ledger-vg?select=id,protection_policy_id,is_replication_destination,replication_sessions(state)"
    )


def patch(world, array, body):
    return world[array].call("PATCH", "volume_group/name:ledger-vg", body)


@pytest.mark.parametrize("nothing", [None, ""])
def test_without_its_policy_a_session_is_deleted(world, nothing):
    policy = group(world, "east")["protection_policy_id"]
    old = world.session_id("east")
    assert patch(world, "east", {"protection_policy_id": nothing}).status == 204
    world.control.advance(4)
    assert world["east"].get(f"replication_session/{old}?select=state") == {"state": "Deleting"}
    world.control.advance(10)
    assert world["east"].call("GET", f"replication_session/{old}").status == 404
    assert group(world, "east")["replication_sessions"] == []
    assert group(world, "west")["is_replication_destination"] is True
    assert patch(world, "west", {"is_replication_destination": False}).status == 204
    assert group(world, "west")["is_replication_destination"] is False

    assert patch(world, "east", {"protection_policy_id": policy}).status == 204
    assert group(world, "east")["replication_sessions"] == []
    world.control.advance(10)
    assert group(world, "east")["replication_sessions"] == [{"state": "Initializing"}]
    world.control.advance(120)
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert world.session_id("east") != old
    assert world.control.truth(LEDGER)["lost_writes"] == 0


@pytest.mark.parametrize(
    ("array", "body", "status"),
    [
        ("east", {}, 400),
        ("east", {"mood": 1}, 400),
        ("east", {"name": 1}, 400),
        ("east", {"protection_policy_id": "nobody"}, 404),
        ("west", {"protection_policy_id": None}, 422),
        ("west", {"is_replication_destination": False}, 422),
    ],
)
def test_patches_that_cannot_be(world, array, body, status):
    assert patch(world, array, body).status == status
    assert world.see() == ("Source", "OK", "Destination", "OK")


def test_a_name_can_be_patched(world):
    assert patch(world, "east", {"name": "ledger-two"}).status == 204
    assert len(world["east"].get("volume_group?name=eq.ledger-two")) == 1
    assert world["east"].call("PATCH", "volume_group/name:ledger-vg", {"name": "x"}).status == 404
