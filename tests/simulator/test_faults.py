"""Every kind of fault, on the wire (CP §16.7)."""

import http.client
import json
import ssl

import pytest

LEDGER = "bank/ledger"
CUT = (ConnectionError, http.client.HTTPException, ssl.SSLError)
PLANNED = {"is_planned": True}


def state(world):
    return world.control.truth(LEDGER)["state"]["east"]


@pytest.fixture
def east(world):
    """A connection to east that has logged in."""
    return world["east"]


@pytest.mark.parametrize(("effect", "after"), [("before", "OK"), (None, "OK"), ("after", "Failing_Over")])
def test_a_reset_before_or_after_the_effect(world, east, effect, after):
    world.control.fault("east", "reset", method="POST", effect=effect)
    with pytest.raises(CUT):
        world.act("east", "failover", PLANNED)
    assert state(world) == after
    logged = world.control.requests(changes=True)[-1]
    assert (logged["status"], logged["effect"]) == (None, effect == "after")
    world.hang_up("east")
    assert world.session("east")["role"] == "Source"


def test_after_the_effect_a_synchronous_call_does_not_wait_for_its_end(world, east):
    world.control.fault("east", "reset", method="POST", effect="after")
    with pytest.raises(CUT):
        world.act("east", "failover", PLANNED, query="")
    assert state(world) == "Failing_Over"


def test_a_late_request_takes_effect_later(world, east):
    world.control.fault("east", "late", method="change", seconds=30)
    with pytest.raises(CUT):
        world.act("east", "failover", PLANNED)
    world.control.advance(29)
    assert state(world) != "Failing_Over"
    world.control.advance(2)
    assert state(world) == "Failing_Over"
    assert world.control.requests(changes=True)[-1]["effect"]


def test_a_late_request_is_judged_by_what_is_then(world, east):
    world.control.fault("east", "late", method="change", seconds=30)
    with pytest.raises(CUT):
        world.act("east", "failover", PLANNED)
    world.control.pause(LEDGER)
    world.control.advance(60)
    assert state(world) == "Paused"
    assert not world.control.requests(changes=True)[-1]["effect"]


@pytest.mark.parametrize(("effect", "after"), [("before", "OK"), ("after", "Pausing")])
def test_a_hang_says_nothing_for_real_seconds_and_closes(world, east, effect, after):
    world.control.fault("east", "hang", method="POST", seconds=0.05, effect=effect)
    with pytest.raises(CUT):
        world.act("east", "pause")
    assert state(world) == after


def test_a_hang_outlasts_a_client_that_will_not_wait(world, east):
    world.control.fault("east", "hang", seconds=60)
    east.connection.sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        east.call("GET", "cluster")


def test_a_slow_answer_comes_in_the_end(world, east):
    world.control.fault("east", "slow", seconds=0.02)
    assert east.call("GET", "cluster").status == 200


@pytest.mark.parametrize("status", [302, 401, 403, 404, 422, 429, 500, 503])
def test_any_status_with_headers(world, east, status):
    world.control.fault("east", "status", status=status, header={"Retry-After": "7"})
    answer = east.call("GET", "cluster")
    assert (answer.status, answer.headers["Retry-After"]) == (status, "7")
    assert answer.json["messages"]
    assert east.call("GET", "cluster").status == 200


@pytest.mark.parametrize(("effect", "after"), [("before", "OK"), ("after", "Pausing")])
def test_a_status_may_hide_the_effect(world, east, effect, after):
    world.control.fault("east", "status", status=503, method="change", effect=effect, header="5")
    answer = world.act("east", "pause")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert state(world) == after


def test_html_in_place_of_json(world, east):
    world.control.fault("east", "html")
    answer = east.call("GET", "cluster")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html")
    assert answer.data.startswith(b"<html>")
    world.control.fault("east", "html", status=503)
    assert east.call("GET", "cluster").status == 503


def test_messages_as_a_string(world, east):
    world.control.fault("east", "messages_string")
    answer = east.call("GET", "cluster")
    assert answer.status == 422
    assert json.loads(answer.json["messages"])[0]["severity"] == "Error"


def test_an_empty_body(world, east):
    world.control.fault("east", "empty")
    answer = east.call("GET", "cluster")
    assert (answer.status, answer.data) == (200, b"")


def test_a_truncated_body(world, east):
    world.control.fault("east", "truncated")
    answer = east.call("GET", "cluster?select=*")
    assert answer.status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(answer.data)


def test_a_huge_body(world, east):
    world.control.fault("east", "huge")
    assert len(east.call("GET", "cluster").data) > 20_000_000


def test_a_client_that_leaves_in_the_middle_of_a_huge_body_harms_nobody(world, east):
    world.control.fault("east", "huge")
    east.connection.request("GET", "/api/rest/cluster", headers=east.headers)
    east.connection.getresponse().read(1000)
    east.connection.close()
    world.hang_up("east")
    assert world["east"].call("GET", "cluster").status == 200


def test_a_session_that_vanishes_for_a_moment(world, east):
    world.control.fault("east", "vanish", path="/replication_session/")
    answer = east.call("GET", f"replication_session/{world.session_id('east')}")
    assert (answer.status, answer.code) == (404, "0xE04040020009")
    assert world.session("east")["state"] == "OK"


@pytest.mark.parametrize(("field", "column"), [(None, "state"), ("role", "role"), ("type", "type")])
def test_words_that_nobody_knows(world, east, field, column):
    world.control.fault("east", "unknown_enum", path="replication_session", field=field)
    row = world.session("east")
    assert row[column] == "Quantum_Entangled"
    assert world.session("east")[column] != "Quantum_Entangled"


def test_stamps_that_are_null(world, east):
    world.control.fault("east", "null_stamps", path="replication_session")
    rows = east.get(
        "replication_session?select=id,last_sync_timestamp,last_sync_duration,next_sync_timestamp"
    )
    assert {row["last_sync_timestamp"] for row in rows} == {None}
    assert {row["last_sync_duration"] for row in rows} == {None}


def test_a_collection_that_is_empty_for_a_moment(world, east):
    world.control.fault("east", "empty_list", path="replication_session$")
    assert east.get("replication_session?limit=1") == []
    assert len(east.get("replication_session?limit=2000")) == 4


def test_whom_a_fault_hits(world, east):
    world.control.fault("west", "status", status=500)
    world.control.fault("east", "status", status=500, method="POST")
    world.control.fault("east", "status", status=500, path="volume$", query="name=")
    assert east.call("GET", "cluster").status == 200
    assert east.call("GET", "volume").status == 200
    assert east.call("GET", "volume?name=eq.x").status == 500
    assert len(world.control.faults()) == 2
    world.control.clear_faults()
    assert world.control.faults() == []


def test_changes_are_never_logins_and_logouts_unless_named(world, east):
    world.control.fault("east", "status", status=500, method="change", times=9)
    assert world.act("east", "pause").status == 500
    assert east.call("POST", "logout").status == 204
    east.log_in()
    world.control.fault("east", "status", status=503, method="change", path="/logout")
    world.control.clear_faults()
    world.control.fault("east", "status", status=503, method="change", path="/logout")
    assert east.call("POST", "logout").status == 503


def test_how_often_a_fault_hits(world, east):
    world.control.fault("east", "status", status=500, times=2, skip=1)
    assert [east.call("GET", "cluster").status for _ in range(5)] == [200, 500, 500, 200, 200]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"kind": "explode"}, "is not a kind"),
        ({"kind": "status"}, "needs a status"),
        ({"kind": "reset", "effect": "during"}, "before or after"),
        ({"kind": "reset", "path": "("}, "not a regular expression"),
        ({"kind": "reset", "array": "north"}, "no array 'north'"),
    ],
)
def test_faults_that_cannot_be(world, arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        world.control.fault(**{"array": "east", **arguments})
