"""Login sessions, tokens and their ends (CP §2)."""

import pytest


def test_the_login_tells_who_it_is_and_gives_cookie_and_token(world):
    answer = world["east"].log_in()
    assert answer.json[0]["user"] == "replctl"
    assert answer.json[0]["idle_timeout"] == 3600
    assert answer.headers["Set-Cookie"].startswith("auth_cookie=")
    assert answer.headers["DELL-EMC-TOKEN"]


def test_nobody_is_answered_401(world):
    assert world.client("east", login=False).call("GET", "cluster").status == 401


def test_a_wrong_password_is_answered_401_and_gives_no_session(world):
    client = world.client("east", login=False)
    answer = client.call("GET", "login_session", headers={"Authorization": "Basic cmVwbGN0bDp3cm9uZw=="})
    assert answer.status == 401
    assert answer.json["messages"][0]["severity"] == "Error"
    assert world.control.logins("east") == 0


@pytest.mark.parametrize("token", [None, "made-up", ""])
def test_a_change_with_a_cookie_needs_the_token(world, token):
    client = world["east"]
    client.headers.pop("DELL-EMC-TOKEN")
    headers = {} if token is None else {"DELL-EMC-TOKEN": token}
    path = f"replication_session/{world.session_id('east')}/sync"
    assert client.call("POST", path, headers=headers).status == 403
    assert not world.control.requests(changes=True)[-1]["effect"]


@pytest.mark.parametrize(("assumed", "status"), [("accept", 202), ("refuse", 403)])
def test_a_change_with_basic_alone_is_an_assumption(open_world, assumed, status):
    world = open_world(assumptions={"basic_change_without_token": assumed})
    client = world.client("east", login=False)
    path = f"replication_session/{world.session_id('east')}/sync?is_async=true"
    assert client.call("POST", path, headers=client.basic).status == status


def test_every_basic_request_without_a_cookie_is_a_login_of_its_own(world):
    client = world.client("east", login=False)
    for _ in range(3):
        client.call("GET", "cluster", headers=client.basic)
    assert (world.control.logins("east"), world.control.sessions_open("east")) == (3, 3)


def test_beyond_two_thousand_the_oldest_session_is_thrown_out(world):
    first = world["west"]
    flood = world.client("west", login=False)
    for _ in range(2000):
        flood.call("GET", "cluster", headers=flood.basic)
    assert world.control.sessions_open("west") == 2000
    assert first.call("GET", "cluster").status == 401


def test_idle_for_longer_than_the_time_out_ends_it_and_use_renews_it(world):
    client = world["east"]
    for _ in range(3):
        world.control.advance(3500)
        assert client.call("GET", "cluster").status == 200
    world.control.advance(3601)
    assert client.call("GET", "cluster").status == 401
    assert world.control.sessions_open("east") == 0


@pytest.mark.parametrize("reply", [401, 403, 302])
def test_the_reply_to_an_expired_session_is_an_assumption(open_world, reply):
    world = open_world(assumptions={"expired_session_reply": str(reply)})
    client = world["east"]
    world.control.expire_logins("east")
    answer = client.call("GET", "cluster")
    assert answer.status == reply
    assert ("Location" in answer.headers) == (reply == 302)
    client.log_in()
    assert client.call("GET", "cluster").status == 200


def test_expiry_can_be_ordered_with_a_reply_of_its_own(world):
    client = world["east"]
    world.control.expire_logins("east", reply=302)
    assert client.call("GET", "cluster").status == 302


def test_an_expired_cookie_beside_basic_logs_in_anew(world):
    client = world["east"]
    world.control.expire_logins("east")
    assert client.call("GET", "login_session", headers=client.basic).status == 200
    assert world.control.logins("east") == 2


@pytest.mark.parametrize("status", [204, 201])
def test_logout_ends_the_session(open_world, status):
    world = open_world(assumptions={"logout_status": str(status)})
    client = world["east"]
    assert client.call("POST", "logout").status == status
    assert world.control.sessions_open("east") == 0
    assert client.call("GET", "cluster").status == 401


def test_tokens_rotate_and_those_of_a_moment_ago_still_hold(world):
    client = world["east"]
    old = client.headers["DELL-EMC-TOKEN"]
    assert client.call("GET", "cluster").headers["DELL-EMC-TOKEN"] != old
    path = f"replication_session/{world.session_id('east')}/sync?is_async=true"
    assert client.call("POST", path, headers={"DELL-EMC-TOKEN": old}).status == 202


def test_passwords_differ_by_array_and_fit_only_their_own(world):
    east, west = world.client("east", login=False), world.client("west", login=False)
    assert west.call("GET", "login_session", headers=east.basic).status == 401
