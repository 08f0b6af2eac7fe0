"""Sessions that end between any two calls, passwords that are refused, and logging out."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fakes import START, FakeClock
from sites import (
    EXPIRED,
    CookieSignIn,
    Site,
    always,
)
from wire import Peer, Seen, just_close, raw, reply

from replctl.core import errors
from replctl.core.retry import CHANGE, READ
from replctl.drivers import http, session
from replctl.resilience import Look


def test_one_login_serves_all_calls(site: Site) -> None:
    _, server, caller = site.array()
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: caller.send((READ, CHANGE)[number % 2]).status, range(32)))
    assert results == [200] * 32
    assert len(server.paths("/login")) == 1


@pytest.mark.parametrize("expiry", [401, 403, 302])
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_session_that_ended_costs_one_login(site: Site, expiry: int, kind: str) -> None:
    array, server, caller = site.array()
    array.expiry = expiry
    caller.send(kind)
    for logins in (2, 3, 4):
        array.expire()
        assert caller.send(kind).status == 200
        assert len(server.paths("/login")) == logins
    assert len(array.done) == 4
    assert caller.failures(kind) == 0


@pytest.mark.parametrize("expiry", [401, 403, 302])
def test_sixteen_threads_that_notice_at_once_cost_one_login(site: Site, expiry: int) -> None:
    array, server, caller = site.array(max_concurrency=16)
    array.expiry = expiry
    caller.read()
    all_noticed = threading.Barrier(16)
    array.expire()
    let_in = array.let_in

    def refuse_together(seen: Seen) -> Any:
        all_noticed.wait(20)
        return EXPIRED[expiry]

    def handler(seen: Seen) -> Any:
        is_old = seen.headers.get("cookie") == "auth=session-1"
        return refuse_together(seen) if is_old else array(seen)

    server.handler = handler
    array.login = let_in
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda number: caller.send((READ, CHANGE)[number % 2]).status, range(16)))
    assert results == [200] * 16
    assert len(server.paths("/login")) == 2
    assert len(array.done) == 17


def test_a_wrong_password_is_tried_once(site: Site) -> None:
    _array, server, caller = site.array(sign_in=CookieSignIn("wrong-password"))
    error = caller.fails(READ, errors.Unauthorized, caller.look(retry=True), during="login")
    assert error.message == "it answered 401 (0x1): Bad credentials."
    assert "password" in error.remedy
    caller.fails(CHANGE, errors.Unauthorized, during="login")
    assert [seen.path for seen in server.requests] == ["/login"]


def test_a_wrong_password_is_tried_once_by_sixteen_threads(site: Site) -> None:
    _, server, caller = site.array(sign_in=CookieSignIn("wrong-password"), max_concurrency=16)
    together = threading.Barrier(16)

    def one(_: int) -> type[Exception]:
        together.wait(20)
        with pytest.raises(errors.Unauthorized) as raised:
            caller.read()
        return raised.type

    with ThreadPoolExecutor(16) as pool:
        assert set(pool.map(one, range(16))) == {errors.Unauthorized}
    assert [seen.path for seen in server.requests] == ["/login"]


def test_a_refused_password_is_tried_again_much_later(site: Site) -> None:
    clock = FakeClock()
    array, server, caller = site.array(clock=clock)
    array.login = always(reply(401))
    caller.fails(READ, errors.Unauthorized, during="login")
    again = caller.fails(READ, errors.Unauthorized, during="login")
    assert again.retry_at == START + session.LOGIN_REFUSED_SECONDS
    array.login = array.let_in
    clock.advance(session.LOGIN_REFUSED_SECONDS - 1)
    caller.fails(READ, errors.Unauthorized, during="login")
    assert len(server.requests) == 1
    clock.advance(1)
    assert caller.read().status == 200


@pytest.mark.parametrize("answer", [reply(500), just_close, raw(200, b"<html>")])
def test_a_login_that_fails_is_tried_again_by_the_next_call(site: Site, answer: Any) -> None:
    array, _server, caller = site.array()
    array.login = always(answer)
    with pytest.raises(errors.BackendUnwell):
        caller.read()
    array.login = array.let_in
    assert caller.read().status == 200
    assert caller.failures(READ) == 0


def doorkeeper(monkeypatch: pytest.MonkeyPatch, threads: int) -> None:
    """Lets nobody sign in before so many threads stand at the door."""
    together = threading.Barrier(threads)
    door = session.held

    def held(*arguments: Any) -> Any:
        together.wait(20)
        return door(*arguments)

    monkeypatch.setattr(session, "held", held)


def test_threads_share_a_login_that_failed(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    array, server, caller = site.array(max_concurrency=8)
    array.login = always(reply(500))
    doorkeeper(monkeypatch, 8)
    look = caller.look()
    with ThreadPoolExecutor(8) as pool:
        failures = [pool.submit(caller.read, look=look) for _ in range(8)]
    raised = [failure.exception(20) for failure in failures]
    assert {type(error) for error in raised} == {errors.BackendUnwell}
    assert len(set(map(id, raised))) == 8
    assert len(server.paths("/login")) == 1


def test_a_login_that_had_less_time_is_no_answer_for_others(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    array, server, caller = site.array()
    hasty_is_in = threading.Event()
    door = session.held

    def hang(peer: Peer) -> None:
        array.login = array.let_in
        hasty_is_in.set()
        peer.hang()

    def held(lock: Any, look: Look, *arguments: Any) -> Any:
        assert look is hasty or hasty_is_in.wait(20)
        return door(lock, look, *arguments)

    array.login = always(hang)
    monkeypatch.setattr(session, "held", held)
    hasty, patient = caller.look(0.2), caller.look()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.submit(caller.read, look=hasty), pool.submit(caller.read, look=patient)
    assert isinstance(first.exception(), errors.TimedOut)
    assert second.result().status == 200
    assert len(server.paths("/login")) == 2


@pytest.mark.parametrize("status", [404, 400])
def test_a_place_without_a_login_is_not_an_absent_thing(site: Site, status: int) -> None:
    array, _, caller = site.array()
    array.login = always(reply(status))
    error = caller.fails(READ, errors.UnreadableAnswer, during="login")
    assert f"signing in failed: it answered {status}" in error.message
    assert "backends.west.url" in error.remedy
    assert isinstance(error.__cause__, errors.NotFound | errors.Rejected)
    caller.fails(CHANGE, errors.NeverSent, during="login")


def test_a_change_whose_login_failed_was_never_sent(site: Site) -> None:  # R27
    array, _server, caller = site.array()
    array.login = always(Peer.reset)
    error = caller.fails(CHANGE, errors.NeverSent, during="login")
    assert "signing in failed" in error.message
    assert isinstance(error.__cause__, errors.ConnectionLost)
    assert array.done == []
    assert caller.failures(CHANGE) == 1


def test_a_change_refused_for_its_session_whose_login_fails_was_not_carried_out(site: Site) -> None:  # R27
    array, _server, caller = site.array()
    caller.change()
    array.expire()
    array.login = always(Peer.reset)
    caller.fails(CHANGE, errors.NeverSent, during="login")
    assert array.done == ["POST"]


def test_a_change_lost_after_the_login_is_unknown(site: Site) -> None:  # R27
    array, _server, caller = site.array()
    array.routes["/things"] = always(Peer.reset)
    caller.fails(CHANGE, errors.OutcomeUnknown)
    assert array.done == ["POST"]


def test_no_privilege_is_told_after_one_new_login(site: Site) -> None:
    clock = FakeClock()
    array, server, caller = site.array(clock=clock)
    caller.read("/other")
    array.routes["/things"] = always(reply(403))
    error = caller.fails(CHANGE, errors.Forbidden)
    assert "role" in error.remedy
    assert (len(server.paths("/things")), len(server.paths("/login"))) == (2, 2)
    # asked again, it is not taken for an expired session; much later it may be
    for _ in range(5):
        caller.fails(CHANGE, errors.Forbidden)
    assert (len(server.paths("/things")), len(server.paths("/login"))) == (7, 2)
    clock.advance(session.FORBIDDEN_SECONDS)
    caller.fails(CHANGE, errors.Forbidden)
    assert len(server.paths("/login")) == 3
    assert caller.read("/other").status == 200


def test_a_403_right_after_the_login_needs_no_other_one(site: Site) -> None:
    array, server, caller = site.array()
    array.routes["/things"] = always(reply(403))
    caller.fails(READ, errors.Forbidden)
    assert [seen.path for seen in server.requests] == ["/login", "/things"]


@pytest.mark.parametrize(("status", "kind"), list(itertools.product([401, 302], [READ, CHANGE])))
def test_a_session_that_is_never_taken_ends_in_no_loop(site: Site, status: int, kind: str) -> None:
    clock = FakeClock()
    array, server, caller = site.array(clock=clock)
    array.routes["/things"] = always(EXPIRED[status])
    for _ in range(10):
        caller.fails(kind, errors.Unauthorized)
    assert len(server.paths("/login")) == session.REFUSALS_BELIEVED
    assert caller.read("/other").status == 200


def test_an_answer_of_an_older_session_teaches_nothing(site: Site) -> None:
    array, server, caller = site.array()
    caller.read()
    renewed = threading.Event()
    inside = threading.Event()

    def late(peer: Peer) -> None:
        inside.set()
        assert renewed.wait(20)
        peer.send(reply(200, {}, x_token="token-of-session-1"))

    array.routes["/late"] = always(late)
    with ThreadPoolExecutor(1) as pool:
        old = pool.submit(caller.read, "/late")
        assert inside.wait(20)
        array.expire()
        caller.change()
        renewed.set()
        assert old.result(20).status == 200
    caller.change()
    assert len(server.paths("/login")) == 2


def test_a_new_token_is_learned(site: Site) -> None:
    array, server, caller = site.array()
    array.routes["/rotate"] = always(reply(200, {}, x_token="rotated"))
    caller.read("/rotate")
    server.handler = always(reply(200, {}))
    caller.change()
    assert server.requests[-1].headers["x-token"] == "rotated"


def test_credentials_never_follow_a_redirect(site: Site) -> None:
    elsewhere = site.server(always(reply(200, [])))
    array, _server, caller = site.array()
    for path in ("/login", "/things"):
        away = raw(307, b"", {"Location": f"{elsewhere.url}{path}"})
        array.login = always(away) if path == "/login" else array.let_in
        array.routes["/things"] = always(away)
        for kind in (READ, CHANGE):
            with pytest.raises(errors.ReplctlError) as raised:
                caller.send(kind)
            assert not raised.value.maybe_happened
    assert elsewhere.connections == 0


def test_closing_logs_out(site: Site) -> None:
    array, server, caller = site.array()
    caller.read()
    caller.client.close()
    caller.client.close()
    assert [seen.path for seen in server.requests] == ["/login", "/things", "/logout"]
    assert array.valid is None
    with pytest.raises(errors.Interrupted):
        caller.read()


def test_closing_without_a_session_asks_nothing(site: Site) -> None:
    _, server, caller = site.array()
    caller.client.close()
    assert server.connections == 0


@pytest.mark.parametrize("answer", [reply(500), just_close, Peer.hang, raw(200, b"<html>")])
def test_closing_never_fails_and_never_takes_long(
    site: Site, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(http, "LOGOUT_SECONDS", 0.05)
    _array, server, caller = site.array()
    caller.read()
    server.handler = always(answer)
    began = caller.clock.monotonic()
    caller.client.close()
    assert caller.clock.monotonic() - began < 5
    assert server.requests[-1].path == "/logout"


def test_closing_does_not_wait_for_a_backend_that_fell_silent(site: Site) -> None:
    array, server, caller = site.array()
    caller.read()
    array.routes["/things"] = always(Peer.reset)
    caller.fails(READ, errors.ConnectionLost)
    caller.client.close()
    assert server.paths("/logout") == []
