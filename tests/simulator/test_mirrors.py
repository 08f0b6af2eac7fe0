"""Metro and synchronous sessions: read, paused, fractured, promoted, swapped (CP §9.1, §9.2, §16.11)."""

import pytest

LEDGER = "bank/ledger"


@pytest.fixture
def metro(world):
    """The ledger as a metro session that is well."""
    for array, role in (("east", "Metro_Preferred"), ("west", "Metro_Non_Preferred")):
        world.control.set_state(
            LEDGER,
            array,
            role=role,
            type="Metro_Active_Active",
            state="OK",
            data_transfer_state="Active_Active",
        )
    return world


@pytest.fixture
def synchronous(world):
    """The ledger as a synchronous session that is well."""
    for array in ("east", "west"):
        world.control.set_state(
            LEDGER, array, type="Synchronous", state="OK", data_transfer_state="Synchronous"
        )
    return world


def labels(world):
    return [world.session(array)["local_resource_state"] for array in ("east", "west")]


def writable(world):
    return list(world.control.truth(LEDGER)["writable"].values())


def test_a_metro_session_serves_on_both_sides_and_loses_nothing(metro):
    metro.control.advance(600)
    assert metro.see() == ("Metro_Preferred", "OK", "Metro_Non_Preferred", "OK")
    assert writable(metro) == [True, True]
    truth = metro.control.truth(LEDGER)
    assert truth["lost_writes"] == truth["both_wrote"] == 0
    assert truth["missing"] == {"east": 0, "west": 0}
    group = metro["west"].get(
        "volume_group/name:ledger-vg?select=metro_replication_session_id,is_replication_destination"
    )
    assert group == {
        "metro_replication_session_id": metro.session_id("west"),
        "is_replication_destination": False,
    }


@pytest.mark.parametrize(
    "action", ["sync", "failover", "reprotect", "start_failover_test", "resume", "promote", "demote"]
)
def test_what_does_not_apply_to_a_metro_session_that_is_well(metro, action):
    assert metro.act("west", action, query="").status in (400, 422)


def test_a_lost_link_fractures_and_the_preferred_side_serves(metro):
    metro.control.link("down")
    metro.control.advance(10)
    assert metro.see()[1::2] == ("Fractured", "Fractured")
    assert writable(metro) == [True, False]
    metro.control.link("up")
    metro.control.advance(60)
    assert metro.see()[1::2] == ("OK", "OK")
    assert writable(metro) == [True, True]


def test_losing_the_preferred_side_needs_a_promotion_that_changes_no_state(metro):
    metro.control.kill("east")
    metro.control.advance(10)
    assert writable(metro) == [False, False]
    assert metro.act("west", "promote", {}).status == 202
    metro.control.advance(5)
    assert (metro.session("west")["state"], metro.session("west")["local_resource_state"]) == (
        "Fractured",
        "Promoted",
    )
    assert writable(metro) == [False, True]
    assert metro.control.truth(LEDGER)["missing"]["west"] == 0


def test_both_promoted_diverge_and_that_can_be_seen(metro):
    metro.control.link("down")
    metro.control.advance(5)
    for array in ("west", "east"):
        metro.act(array, "promote", {})
    metro.control.advance(100)
    assert labels(metro) == ["Promoted", "Promoted"]
    assert metro.control.truth(LEDGER)["both_wrote"] == 100
    metro.control.link("up")
    metro.control.advance(60)
    assert metro.see()[1::2] == ("Fractured", "Fractured")


def test_a_safe_switch_demotes_first(metro):
    metro.act("east", "pause")
    metro.control.advance(10)
    assert metro.see()[1::2] == ("Paused", "Paused")
    assert writable(metro) == [True, False]
    metro.act("east", "demote", {})
    assert writable(metro) == [False, False]
    metro.act("west", "promote", {})
    assert writable(metro) == [False, True]
    metro.control.advance(50)
    metro.act("west", "resume")
    metro.control.advance(60)
    assert metro.see()[1::2] == ("OK", "OK")
    assert labels(metro) == ["System_Defined", "System_Defined"]
    # What hosts wrote on the preferred side alone, between the pause and the demotion.
    assert metro.control.truth(LEDGER)["lost_writes"] == 8


def test_the_roles_swap_by_a_patch_of_the_other_side(metro):
    path = f"replication_session/{metro.session_id('west')}?is_async=true"
    assert metro["west"].call("PATCH", path, {"role": "Metro_Preferred"}).status == 202
    metro.control.advance(60)
    assert metro.see() == ("Metro_Non_Preferred", "OK", "Metro_Preferred", "OK")
    assert metro.control.truth(LEDGER)["lost_writes"] == 0


@pytest.mark.parametrize(
    ("array", "body", "status"),
    [
        ("east", {"role": "Metro_Preferred"}, 422),
        ("east", {"role": "Metro_Non_Preferred"}, 400),
        ("west", {"role": "Source"}, 400),
        ("west", {}, 400),
        ("west", {"mood": "x"}, 400),
    ],
)
def test_patches_that_cannot_be(metro, array, body, status):
    path = f"replication_session/{metro.session_id(array)}"
    assert metro[array].call("PATCH", path, body).status == status


def test_the_spelling_of_the_other_client_is_an_assumption(open_world):
    world = open_world(assumptions={"patch_role_to_non_preferred": "accept"})
    for array, role in (("east", "Metro_Preferred"), ("west", "Metro_Non_Preferred")):
        world.control.set_state(LEDGER, array, role=role, type="Metro_Active_Active")
    path = f"replication_session/{world.session_id('east')}?is_async=true"
    assert world["east"].call("PATCH", path, {"role": "Metro_Non_Preferred"}).status == 202
    world.control.advance(60)
    assert world.see()[::2] == ("Metro_Non_Preferred", "Metro_Preferred")


def test_a_synchronous_session_has_everything_on_both_sides(synchronous):
    synchronous.control.advance(500)
    assert synchronous.control.truth(LEDGER)["missing"] == {"east": 0, "west": 0}
    synchronous.control.kill("east")
    synchronous.act("west", "failover", {"is_planned": False})
    synchronous.control.advance(10)
    truth = synchronous.control.truth(LEDGER)
    assert truth["lost_writes"] == 0
    assert truth["writable"] == {"east": False, "west": True}


@pytest.mark.parametrize("state", ["Fractured", "System_Paused"])
def test_a_synchronous_session_falls_behind_from_the_moment_the_link_is_lost(open_world, state):
    world = open_world(assumptions={"synchronous_link_loss": state})
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, type="Synchronous", data_transfer_state="Synchronous")
    world.control.advance(100)
    world.control.link("down")
    world.control.advance(50)
    assert world.see() == ("Source", state, "Destination", state)
    assert world.control.truth(LEDGER)["missing"]["west"] == 50
    world.control.link("up")
    world.control.advance(60)
    assert (world.session("west")["state"] == "OK") == (state == "Fractured")


def test_a_synchronous_session_fails_over_and_back(synchronous):
    assert synchronous.act("east", "failover", {"is_planned": True}).status == 202
    synchronous.control.advance(20)
    assert synchronous.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    synchronous.act("west", "reprotect")
    synchronous.control.advance(60)
    assert synchronous.see() == ("Destination", "OK", "Source", "OK")
    assert synchronous.session("east")["data_transfer_state"] == "Synchronous"
    synchronous.control.advance(100)
    assert synchronous.control.truth(LEDGER)["missing"]["east"] == 0


@pytest.mark.parametrize(
    ("name", "array", "action"),
    [
        ("failover_on_synchronous", "east", "failover"),
        ("sync_on_synchronous", "east", "sync"),
        ("test_on_synchronous", "west", "start_failover_test"),
    ],
)
@pytest.mark.parametrize("value", ["accept", "refuse"])
def test_what_applies_to_synchronous_sessions_is_assumed(open_world, name, array, action, value):
    world = open_world(assumptions={name: value})
    for each in ("east", "west"):
        world.control.set_state(LEDGER, each, type="Synchronous")
    assert world.control.gui(LEDGER, array, action)["status"] == (202 if value == "accept" else 422)


def test_older_releases_use_older_words(open_world):
    world = open_world(version="2.1.0.0")
    world.control.set_state(LEDGER, "east", state="Fractured")
    assert world.session("east")["state"] == "System_Paused"
