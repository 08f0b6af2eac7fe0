"""The client against a real TLS server on loopback: what is sent, how many at once, and what is never told."""

from __future__ import annotations

import json
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import START, FakeClock
from sites import (
    BASIC,
    PASSWORD,
    Caller,
    Site,
    always,
    free_port,
)
from wire import Peer, Seen, raw, reply

from replctl.core import errors
from replctl.core.events import CallEnded
from replctl.core.model import TroubleKind
from replctl.core.retry import CHANGE, READ
from replctl.core.secrets import MASK
from replctl.correlation import carried, correlation
from replctl.drivers.http import Connection
from replctl.resilience import NotAsked


def test_a_read_gives_the_json_body(site: Site) -> None:
    server, caller = site.pair(
        always(reply(206, [{"id": "a"}], content_range="0-0/9")), base_path="/api/rest"
    )
    answer = caller.read("/volume", params={"select": "id,name", "limit": 1, "deep": True})
    (seen,) = server.requests
    assert (seen.method, seen.target) == ("GET", "/api/rest/volume?select=id%2Cname&limit=1&deep=true")
    assert seen.headers["accept"] == "application/json"
    assert (answer.status, answer.body) == (206, [{"id": "a"}])
    assert answer.headers["Content-Range"] == "0-0/9"


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_a_change_sends_its_body(site: Site, method: str) -> None:
    server, caller = site.pair(always(reply(202, {"id": "job"})))
    answer = caller.change(method, body={"is_planned": True}, params={"is_async": True}, headers={"X-A": "b"})
    (seen,) = server.requests
    assert (seen.method, seen.target, json.loads(seen.body)) == (
        method,
        "/things?is_async=true",
        {"is_planned": True},
    )
    assert seen.headers["x-a"] == "b"
    assert answer.body == {"id": "job"}


@pytest.mark.parametrize("answer", [raw(204, b""), raw(200, b""), raw(201, b" \r\n")])
def test_a_change_may_be_answered_without_a_body(site: Site, answer: bytes) -> None:
    _, caller = site.pair(always(answer))
    assert caller.change().body is None


def test_an_answer_says_when(site: Site) -> None:
    clock = FakeClock()

    def slow(seen: Seen) -> bytes:
        clock.advance(0.5)
        return reply(200, {}, date="Mon, 03 Feb 2031 01:00:07 GMT")

    _, caller = site.pair(slow, clock=clock)
    answer = caller.read()
    assert (answer.sent_at, answer.received_at, answer.elapsed_seconds) == (START, START + 0.5, 0.5)
    assert answer.date_at == START + 7


def test_reads_share_connections_and_each_change_has_its_own(site: Site) -> None:
    server, caller = site.pair(always(reply(200, {})))
    for kind in (READ, CHANGE, READ, CHANGE, READ):
        caller.send(kind)
    assert [seen.connection for seen in server.requests] == [1, 2, 1, 3, 1]


def test_the_correlation_id_is_in_every_request(site: Site) -> None:  # R69
    _, server, caller = site.array()
    with correlation("bank", "ledger", FakeClock()) as identity:
        caller.read()
        caller.change()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(carried(caller.read)).result(20)
        caller.client.close()
    assert len(server.requests) == 5
    assert {seen.headers["x-correlation-id"] for seen in server.requests} == {identity}


def test_outside_of_a_correlation_there_is_no_header(site: Site) -> None:  # R69
    server, caller = site.pair(always(reply(200, {})))
    caller.read()
    assert "x-correlation-id" not in server.requests[0].headers


def test_a_name_in_another_alphabet_stops_no_request(site: Site) -> None:  # R69
    server, caller = site.pair(always(reply(200, {})))
    with correlation("bänk", "led\nger", FakeClock()):
        caller.read()
    assert server.requests[0].headers["x-correlation-id"].startswith("b?nk-led?ger-")


def test_the_environment_is_not_trusted(site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login somebody password else")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")
    server, caller = site.pair(always(reply(200, {})))
    caller.read()
    assert "authorization" not in server.requests[0].headers


def test_cookies_are_the_sign_ins_alone(site: Site) -> None:
    server, caller = site.pair(always(reply(200, {}, set_cookie="tracking=1")))
    assert caller.read().cookies == {"tracking": "1"}
    caller.read()
    assert "cookie" not in server.requests[1].headers


def test_a_cookie_in_another_alphabet_stops_no_request(site: Site) -> None:
    array, _, caller = site.array()
    array.login = always(raw(200, b"[{}]", {"Set-Cookie": "auth=sch\xf6n", "X-Token": "t"}))
    caller.fails(READ, errors.Unauthorized)


@pytest.mark.parametrize("path", ["things", "https://elsewhere.example/things", ""])
def test_only_paths_on_the_backend_are_sent(site: Site, path: str) -> None:
    server, caller = site.pair(always(reply(200, {})))
    with pytest.raises(ValueError, match="not a path"):
        caller.read(path)
    assert server.requests == []


@pytest.mark.parametrize(
    "url",
    [
        "http://west.example",
        "west.example",
        "https://",
        "https://user@west.example",
        "https://user:word@west.example",
        "https://west.example/api/rest",
        "https://west.example/?a=b",
        "https://west.example/#a",
        "https://west.example:port",
        "ftp://west.example",
        "",
    ],
)
def test_addresses_that_are_refused(url: str) -> None:
    with pytest.raises(errors.InvalidInput) as refused:
        Connection(backend="west", url=url)
    assert "backends.west.url" in str(refused.value)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize("url", ["https://west.example", "https://west.example/", "https://[::1]:8443"])
def test_addresses_that_are_taken(url: str) -> None:
    assert Connection(backend="west", url=url).origin == url.rstrip("/")


def test_making_a_client_opens_nothing(site: Site) -> None:
    Caller("https://west.example", Path("/no/such/file")).client.close()


@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_each_call_is_told_once(site: Site, kind: str) -> None:
    answers = iter([reply(200, {}), reply(422, {"messages": []})])
    _, caller = site.pair(lambda seen: next(answers), clock=FakeClock())
    caller.send(kind)
    caller.fails(kind, errors.Rejected)
    operation = "thing list" if kind == READ else "thing create"
    assert caller.events == [
        CallEnded(backend="west", operation=operation, result="success", seconds=0),
        CallEnded(backend="west", operation=operation, result="rejected", seconds=0),
    ]


def test_so_many_at_once_and_no_more(site: Site) -> None:
    inside, most = 0, 0
    lock = threading.Lock()
    full = threading.Barrier(3)

    def handler(seen: Seen) -> Any:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        full.wait(20)
        with lock:
            inside -= 1
        return reply(200, {})

    server, caller = site.pair(handler, max_concurrency=3)
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda _: caller.read(), range(12)))
    assert most == 3
    assert server.connections <= 6  # kept ones are used again


def test_a_wait_for_a_slot_ends_with_the_deadline(site: Site) -> None:  # R31
    inside, over = threading.Event(), threading.Event()

    def busy(peer: Peer) -> None:
        inside.set()
        over.wait(20)
        peer.send(reply(200, {}))

    _, caller = site.pair(always(busy), max_concurrency=1)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(caller.read)
        assert inside.wait(20)
        error = caller.fails(CHANGE, NotAsked, caller.look(0.05))
        over.set()
        assert first.result(20).status == 200
    assert "still busy" in error.message
    assert error.trouble is TroubleKind.BREAKER
    assert caller.failures(CHANGE) == 0


def test_no_secret_is_told_anywhere(site: Site) -> None:
    array, _server, caller = site.array()
    echo = {"messages": [{"code": "0x1", "message_l10n": f"no such user replctl with {PASSWORD} or {BASIC}"}]}
    caller.read()
    told = [repr(caller.client), repr(caller.client.connection), repr(caller.read("/echo"))]
    for answer in (reply(422, echo), reply(401, echo), reply(500, echo), Peer.reset):
        array.routes["/things"] = always(answer)
        array.login = always(answer)
        for kind in (READ, CHANGE):
            with pytest.raises(errors.ReplctlError) as raised:
                caller.send(kind)
            told += [
                "".join(traceback.format_exception(raised.value)),
                repr(raised.value),
                raised.value.remedy,
            ]
    told += [repr(event) for event in caller.events]
    told += [repr(state) for state in caller.board.figures().values()]
    text = "\n".join(told)
    assert "hunter2" not in text
    assert BASIC[6:] not in text
    assert "session-1" not in text
    assert MASK in text
