"""Lost links, dead and isolated arrays, and what happens when they are back (CP §8, §16.8-§16.10)."""

import http.client
import ssl
from urllib.parse import urlsplit

import pytest

LEDGER = "bank/ledger"
PLANNED = {"is_planned": True}
UNPLANNED = {"is_planned": False}


def truth(world):
    return world.control.truth(LEDGER)


def remote(world, array):
    return world[array].get("remote_system?select=state,data_connection_state")[0]


def test_an_array_notices_a_lost_peer_after_a_while(world):
    world.control.link("down")
    world.control.advance(5)
    assert remote(world, "west") == {"state": "OK", "data_connection_state": "OK"}
    world.control.advance(6)
    lost = {"state": "Management_Connection_Lost", "data_connection_state": "Complete_Data_Connection_Loss"}
    assert remote(world, "west") == remote(world, "east") == lost
    assert world.session("west")["data_connection_state"] == "Complete_Data_Connection_Loss"
    world.control.link("up")
    world.control.advance(11)
    assert remote(world, "west") == {"state": "OK", "data_connection_state": "OK"}


@pytest.mark.parametrize(
    ("state", "seen"),
    [
        ("data_down", {"state": "OK", "data_connection_state": "Complete_Data_Connection_Loss"}),
        ("management_down", {"state": "Management_Connection_Lost", "data_connection_state": "OK"}),
    ],
)
def test_each_link_is_told_apart(world, state, seen):
    world.control.link(state)
    world.control.advance(30)
    assert remote(world, "east") == seen


def test_without_the_link_the_next_cycle_pauses_the_session(world):
    world.control.link("data_down")
    world.control.advance(300)
    assert world.session("east")["state"] == "System_Paused"
    assert world.session("east")["error_code"]
    assert world.session("west")["state"] == "OK"
    world.control.link("up")
    world.control.advance(60)
    assert world.see() == ("Source", "System_Paused", "Destination", "System_Paused")
    world.act("east", "sync")
    world.control.advance(60)
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert world.session("east")["error_code"] is None


def test_the_destination_may_notice_too(open_world):
    world = open_world(assumptions={"destination_on_link_loss": "System_Paused"})
    world.control.link("data_down")
    world.control.advance(300)
    assert world.see() == ("Source", "System_Paused", "Destination", "System_Paused")


def test_a_cycle_on_the_way_fails_with_the_link(world):
    while world.session("east")["state"] != "Synchronizing":
        world.control.advance(5)
    before = truth(world)["consistent_at"]
    world.control.link("data_down")
    world.control.advance(10)
    assert world.session("east")["state"] == "System_Paused"
    assert truth(world)["consistent_at"] == before


def test_planned_failover_without_the_link_is_an_error_after_a_while(world):
    world.control.link("down")
    answer = world.act("east", "failover", PLANNED)
    world.control.advance(10)
    assert truth(world)["writable"]["east"] is False
    job = world.outcome(answer, "east")
    assert (job["phase"], job["response_status"]) == ("Failed", "422")
    world.control.advance(5)
    assert world.session("east")["state"] == "System_Paused"
    assert truth(world)["writable"] == {"east": True, "west": False}


def test_planned_failover_whose_link_breaks_stops_where_it_was(world):
    world.control.slow_copy(LEDGER, 100)
    world.act("east", "failover", PLANNED)
    world.control.advance(50)
    world.control.link("down")
    world.control.advance(10)
    assert world.see()[:2] == ("Source", "System_Paused")
    assert truth(world)["writable"] == {"east": True, "west": False}


@pytest.mark.parametrize("order", ["source_first", "destination_first"])
def test_a_link_that_breaks_between_the_flips_heals_into_one_source(open_world, order):
    world = open_world(assumptions={"role_flip_order": order}, durations={"role_gap": 2.4})
    world.act("east", "failover", PLANNED)
    world.control.advance(6)
    world.control.link("down")
    world.control.advance(30)
    roles = truth(world)["role"]
    assert len(set(roles.values())) == 1
    assert truth(world)["writable"] == {"east": False, "west": order == "destination_first"}
    world.control.link("up")
    world.control.advance(30)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    assert truth(world)["lost_writes"] == truth(world)["both_wrote"] == 0


def test_a_source_that_was_never_told_can_be_made_one_by_hand_and_stays_well(open_world):
    world = open_world(assumptions={"role_flip_order": "source_first"}, durations={"role_gap": 2.4})
    world.act("east", "failover", PLANNED)
    world.control.advance(6)
    world.control.link("down")
    world.control.advance(10)
    assert world.act("west", "failover", UNPLANNED).status == 202
    world.control.advance(10)
    assert truth(world)["writable"] == {"east": False, "west": True}
    world.control.link("up")
    assert world.act("west", "reprotect").status == 202
    world.control.advance(120)
    assert world.see() == ("Destination", "OK", "Source", "OK")
    assert truth(world)["lost_writes"] == 0


def test_unplanned_with_a_dead_peer_leaves_two_sources_until_it_is_back(world):
    world.control.kill("east")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(100)
    assert truth(world)["role"] == {"east": "Source", "west": "Source"}
    world.control.revive("east")
    world.control.advance(10)
    assert world.see()[::2] == ("Source", "Source")
    assert truth(world)["writable"] == {"east": True, "west": True}
    world.control.advance(20)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")
    assert 0 < truth(world)["both_wrote"] <= 21


@pytest.mark.parametrize("state", ["Failed_Over", "System_Paused", "Paused"])
def test_how_the_old_source_steps_down_is_an_assumption(open_world, state):
    world = open_world(assumptions={"old_source_after_reconnect": state})
    world.control.kill("east")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(10)
    world.control.revive("east")
    world.control.advance(30)
    assert world.see()[:2] == ("Destination", state)
    assert world.act("west", "reprotect").status == 202
    world.control.advance(60)
    assert world.see() == ("Destination", "OK", "Source", "OK")


@pytest.mark.parametrize(("value", "status"), [("refuse", 422), ("accept", 202)])
def test_reprotect_before_the_flip_is_an_assumption(open_world, value, status):
    world = open_world(assumptions={"reprotect_before_flip": value, "refusal_place": "direct"})
    world.control.kill("east")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(10)
    world.control.revive("east")
    assert world.act("west", "reprotect").status == status


def test_an_isolated_array_lives_on_and_its_hosts_write(world):
    world.control.isolate("east")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(100)
    after = truth(world)
    assert after["writable"] == {"east": True, "west": True}
    assert after["writes"]["east"] == 3700
    assert after["both_wrote"] == pytest.approx(96, abs=1)
    assert after["lost_writes"] == after["missing"]["west"] > after["lost_at_failover"]
    assert after["missing"]["east"] == after["writes"]["west"]
    world.control.rejoin("east")
    world.control.advance(30)
    assert world.see() == ("Destination", "Failed_Over", "Source", "Failed_Over")


def test_an_isolated_source_pauses_itself_at_its_next_cycle(world):
    world.control.isolate("east")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(600)
    assert truth(world)["state"]["east"] == "System_Paused"


def test_hosts_can_be_dead_while_the_array_lives(world):
    world.control.isolate("east", hosts_alive=False)
    world.control.advance(100)
    assert truth(world)["writes"]["east"] == 3600
    world.control.rejoin("east")
    world.control.advance(10)
    assert truth(world)["writes"]["east"] == 3610


def test_silent_to_us_but_linked_is_demoted_over_the_link(world):
    world.control.isolate("east", link_up=True)
    world.control.advance(30)
    assert remote(world, "west")["state"] == "OK"
    world.act("west", "failover", UNPLANNED)
    world.control.advance(30)
    assert truth(world)["role"] == {"east": "Destination", "west": "Source"}
    assert truth(world)["both_wrote"] == 0


@pytest.mark.parametrize(
    ("value", "roles"), [("both_links", ["Source"] * 2), ("any_link", ["Destination", "Source"])]
)
def test_which_links_a_demotion_needs_is_an_assumption(open_world, value, roles):
    world = open_world(assumptions={"demotion_path": value})
    world.control.link("management_down")
    world.act("west", "failover", UNPLANNED)
    world.control.advance(30)
    assert list(truth(world)["role"].values()) == roles


def test_a_pause_that_does_not_reach_the_peer_is_local_until_a_second_one(world):
    world.control.link("down")
    world.act("west", "pause")
    world.control.advance(10)
    assert world.see()[3] == "Paused"
    assert world.see()[1] != "Paused"
    world.control.link("up")
    world.control.advance(60)
    assert world.see() == ("Source", "System_Paused", "Destination", "Paused")
    assert world.act("west", "resume", query="").status == 422
    world.act("west", "pause")
    world.control.advance(10)
    assert world.see() == ("Source", "Paused", "Destination", "Paused")
    assert world.act("west", "resume").status == 202
    world.control.advance(60)
    assert world.see() == ("Source", "OK", "Destination", "OK")


@pytest.mark.parametrize("action", ["resume", "reprotect"])
def test_what_needs_the_peer_fails_without_it(open_world, action):
    world = open_world(assumptions={"peer_unreachable_delay": "5"})
    state = "Paused" if action == "resume" else "Failed_Over"
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)
    world.control.link("down")
    job = world.outcome(world.act("east", action), "east")
    assert (job["phase"], job["response_status"]) == ("Failed", "422")
    assert world.session("east")["state"] == state


def test_stopping_a_test_without_the_peer_needs_force(world):
    world.act("west", "start_failover_test")
    world.control.advance(10)
    world.control.link("down")
    assert world.act("west", "stop_failover_test", query="").status == 422
    assert world.act("west", "stop_failover_test", {"force": True}).status == 202


def test_a_revived_destination_lets_the_source_wait_for_an_operator(world):
    world.control.kill("west")
    world.control.advance(600)
    assert world.session("east")["state"] == "System_Paused"
    world.control.revive("west")
    world.control.advance(60)
    assert world.see() == ("Source", "System_Paused", "Destination", "System_Paused")


def test_a_revived_source_takes_up_its_cycles(world):
    world.control.kill("east")
    world.control.advance(1000)
    before = truth(world)["consistent_at"]
    world.control.revive("east")
    world.control.advance(600)
    assert truth(world)["consistent_at"] > before
    assert truth(world)["lost_writes"] == 0


# How a dead array looks on the wire


def test_a_refusing_array_refuses_and_comes_back_on_its_port(world):
    client = world["east"]
    world.control.kill("east", mode="refuse")
    with pytest.raises((ConnectionError, http.client.HTTPException, ssl.SSLError)):
        client.call("GET", "cluster")
    with pytest.raises(ConnectionRefusedError):
        world.client("east")
    world.control.revive("east")
    assert world.client("east").call("GET", "cluster").status == 200


@pytest.mark.parametrize("old_connection", [True, False])
def test_a_silent_array_never_answers(world, old_connection):
    client = world["east"]
    world.control.kill("east", mode="silent")
    if not old_connection:
        client = world.client("east", login=False)
    client.connection.timeout = 0.2
    if client.connection.sock is not None:
        client.connection.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.call("GET", "cluster")
    client.connection.close()
    world.control.revive("east")
    assert world.client("east").call("GET", "cluster").status == 200


def test_what_is_asked_of_a_dead_array_is_neither_done_nor_logged(world):
    client = world["east"]
    client.connection.sock.settimeout(0.2)
    path = f"replication_session/{world.session_id('east')}/pause?is_async=true"
    world.control.kill("east", mode="silent")
    with pytest.raises(TimeoutError):
        client.call("POST", path)
    world.control.advance(10)
    world.control.revive("east")
    assert world.control.requests(changes=True) == []
    assert truth(world)["state"]["east"] != "Paused"


def test_the_other_array_answers_while_one_is_dark(world):
    world.control.kill("east", mode="silent")
    assert world["west"].call("GET", "cluster").status == 200
    assert urlsplit(world.sim.ready["arrays"]["west"]).port
