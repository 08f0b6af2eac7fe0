"""The control port, the request log, and putting sessions into odd states (design §11)."""

import http.client
import json
from urllib.parse import urlsplit

import pytest

from replctl.simulator import Options, Simulator
from replctl.simulator.control import ControlError, list_methods

LEDGER = "bank/ledger"


@pytest.fixture
def post(world):
    """Calls a control method over the port: (status, answer)."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", urlsplit(world.sim.ready["control"]).port, timeout=20
    )

    def call(method, body=None, verb="POST"):
        connection.request(verb, "/" + method, body=json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    yield call
    connection.close()


def test_the_port_lists_what_it_can(post):
    status, answer = post("", verb="GET")
    assert status == 200
    assert set(answer["methods"]) == set(list_methods())
    assert {"now", "advance", "fault", "link", "kill", "truth", "requests"} <= set(answer["methods"])
    assert all(sentence.endswith(".") for sentence in answer["methods"].values())


def test_methods_take_keyword_arguments(post, world):
    now = world.control.now()
    assert post("advance", {"seconds": 5}) == (200, {"result": now + 5})
    assert post("now") == (200, {"result": now + 5})
    assert post("link", {"state": "down"}) == (200, {"result": None})
    assert post("truth", {"name": LEDGER})[1]["result"]["source"] == "east"
    assert set(post("truths")[1]["result"]) > {LEDGER}
    assert post("fault", {"array": "east", "kind": "empty"}) == (200, {"result": 1})
    assert post("set_state", {"name": LEDGER, "array": "east", "state": "Error"})[0] == 200


@pytest.mark.parametrize(
    ("method", "body", "sentence"),
    [
        ("advance", {}, "missing a required argument"),
        ("advance", {"seconds": -1}, "cannot go back"),
        ("link", {"state": "sideways"}, "not 'sideways'"),
        ("truth", {"name": "no/body"}, "no replication 'no/body'"),
        ("kill", {"array": "north"}, "no array 'north'"),
        ("kill", {"array": "east", "mode": "loud"}, "refuse or silent"),
        ("set_state", {"name": LEDGER, "array": "east", "mood": "bad"}, "'mood' cannot be set"),
        ("set_state", {"name": LEDGER, "array": "east", "last_sync_timestamp": "now"}, "number of seconds"),
        ("gui", {"name": LEDGER, "array": "east", "action": "explode"}, "no action 'explode'"),
        ("expire_logins", {"array": "east", "reply": 418}, "not 418"),
    ],
)
def test_what_cannot_be_is_400_with_one_sentence(post, method, body, sentence):
    status, answer = post(method, body)
    assert status == 400
    assert sentence in answer["error"]
    assert answer["error"].startswith(method + ": ")


@pytest.mark.parametrize("method", ["_change", "nothing", "__init__"])
def test_what_is_no_method_is_404(post, method):
    assert post(method)[0] == 404


def test_what_is_not_json_is_400(world):
    connection = http.client.HTTPConnection(
        "127.0.0.1", urlsplit(world.sim.ready["control"]).port, timeout=20
    )
    connection.request("POST", "/advance", body="five")
    assert connection.getresponse().status == 400
    connection.close()


# R69
def test_the_request_log_tells_who_asked_what_and_what_became_of_it(world):
    assert world["west"].get("cluster")
    world["east"].call(
        "GET", "cluster?select=name", headers={"X-Correlation-ID": "bank-ledger-1900000000000"}
    )
    world.act("east", "pause", {})
    world.act("west", "resume", query="")
    read, changed, refused = world.control.requests()[-3:]
    assert (read["array"], read["method"], read["path"]) == ("east", "GET", "/api/rest/cluster")
    assert (read["query"], read["correlation_id"]) == ("select=name", "bank-ledger-1900000000000")
    assert (read["status"], read["effect"], read["body"], read["at"]) == (
        200,
        False,
        None,
        world.control.now(),
    )
    assert (changed["status"], changed["effect"], changed["body"]) == (202, True, {})
    assert (refused["status"], refused["effect"]) == (422, False)


def test_the_request_log_can_be_narrowed_and_cleared(world):
    world.act("east", "pause")
    world["west"].call("GET", "cluster")
    last = world.control.requests()[-1]["n"]
    assert {entry["array"] for entry in world.control.requests("west")} == {"west"}
    assert [entry["path"].rpartition("/")[2] for entry in world.control.requests(changes=True)] == ["pause"]
    world["east"].call("POST", "logout")
    assert [entry["path"] for entry in world.control.requests(since=last)] == ["/api/rest/logout"]
    assert [entry["path"] for entry in world.control.requests(changes=True, since=last)] == []
    world.control.clear_requests()
    assert world.control.requests() == []


def test_odd_states_are_visible_at_once_and_stay(world):
    world.control.set_state(
        LEDGER, "west", state="Error", data_transfer_state="Faulted", last_sync_timestamp=None
    )
    row = world.session("west")
    assert (row["state"], row["data_transfer_state"], row["last_sync_timestamp"]) == (
        "Error",
        "Faulted",
        None,
    )
    world.control.advance(30)
    assert world.session("west")["state"] == "Error"


def test_both_can_be_destination_and_nobody_may_write(world):
    world.control.set_state(LEDGER, "east", role="Destination")
    assert world.see()[::2] == ("Destination", "Destination")
    assert world.control.truth(LEDGER)["sources"] == []
    assert world.control.truth(LEDGER)["writable"] == {"east": False, "west": False}


def test_both_can_be_source_and_their_hosts_write(world):
    world.control.set_state(LEDGER, "west", role="Source")
    world.control.advance(10)
    after = world.control.truth(LEDGER)
    assert after["both_wrote"] == 10
    world.control.hosts(LEDGER, "west", active=False)
    world.control.advance(10)
    assert world.control.truth(LEDGER)["both_wrote"] == 10
    assert world.control.truth(LEDGER)["writes"] == {"east": 3620, "west": 10}


def test_another_client_can_act(world):
    assert world.control.gui(LEDGER, "east", "resume")["status"] == 422
    assert world.control.pause(LEDGER) == {"status": 202, "body": None}
    world.control.advance(10)
    assert world.see() == ("Source", "Paused", "Destination", "Paused")
    assert world.control.resume(LEDGER, "west")["status"] == 202
    world.control.advance(10)
    assert world.control.failover(LEDGER, "east")["status"] == 202
    world.control.advance(20)
    assert world.control.reprotect(LEDGER)["status"] == 202
    assert world.control.requests(changes=True) == []


def test_slow_copies_take_their_time_and_may_fail(world):
    world.control.slow_copy(LEDGER, 500)
    world.control.advance(280)
    assert world.session("east")["state"] == "Synchronizing"
    world.control.slow_copy(LEDGER, None, fail=True)
    world.control.advance(600)
    assert world.see() == ("Source", "System_Paused", "Destination", "System_Paused")
    world.control.slow_copy(LEDGER, None)
    world.act("east", "sync")
    world.control.advance(60)
    assert world.see() == ("Source", "OK", "Destination", "OK")


def test_a_volume_can_be_renamed(world):
    world.control.rename_volume(LEDGER, "ledger-new", "west")
    assert world["west"].get("volume_group?name=eq.ledger-vg") == []
    assert len(world["west"].get("volume_group?name=eq.ledger-new")) == 1
    assert len(world["east"].get("volume_group?name=eq.ledger-vg")) == 1


def test_a_replaced_session_has_another_id_and_copies_everything(world):
    old = world.session_id("west")
    new = world.control.replace_session(LEDGER)
    assert new["west"] != old
    assert world["west"].call("GET", f"replication_session/{old}").status == 404
    assert world.session("west")["state"] == "Initializing"
    assert world.session("west")["last_sync_timestamp"] is None
    assert world.session("west")["data_transfer_state"] == "Asynchronous_Initial_Sync"
    world.control.advance(120)
    assert world.see() == ("Source", "OK", "Destination", "OK")
    assert world.session("west")["data_transfer_state"] == "Asynchronous"


def test_a_promotion_in_the_first_copy_loses_everything(world):
    """The copy is not usable before it is complete; an array that lets it happen shows what that costs."""
    world.control.replace_session(LEDGER)
    world.control.kill("east")
    assert world.control.failover(LEDGER, "west", planned=False)["status"] == 202
    world.control.advance(10)
    assert world.control.truth(LEDGER)["lost_writes"] == 3600


def test_the_log_says_what_the_world_did_and_why(world):
    world.act("east", "pause")
    world.control.advance(10)
    notes = [note for note in world.control.log() if note["name"] == LEDGER]
    assert [note["what"] for note in notes][:3] == ["OK -> Pausing", "pause", "Pausing -> Paused"]
    assert set(notes[0]) == {"at", "name", "array", "what", "why"}


def test_a_simulator_that_is_not_started_has_no_control(tmp_path):
    with pytest.raises(RuntimeError, match="not started"):
        _ = Simulator(Options(directory=tmp_path)).control


def test_errors_are_of_one_class(world):
    with pytest.raises(ControlError):
        world.control.truth("nobody")
