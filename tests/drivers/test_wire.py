"""TLS and connections that fail, before the request left and after: what that means for a read and for a change."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import trustme
from fakes import FakeClock
from sites import (
    Site,
    always,
    free_port,
    identified,
)
from wire import Handler, Peer, Seen, Server, and_close, just_close, raw, reply

from replctl.clock import Cancel
from replctl.core import errors
from replctl.core.events import Noticed, WillRetry
from replctl.core.model import TroubleKind
from replctl.core.retry import CHANGE, READ
from replctl.drivers.http import Tls
from replctl.resilience import NotAsked


def test_an_unknown_authority_is_not_trusted(site: Site) -> None:
    server = site.server(always(reply(200, {})), identified(trustme.CA().issue_cert("localhost")))
    error = site.caller(server).fails(READ, errors.TlsFailed)
    assert "not trusted" in error.message
    assert "backends.west.tls.ca_file" in error.remedy
    assert server.requests == []


def test_a_certificate_for_another_name_is_not_trusted(site: Site, authority: trustme.CA) -> None:
    server = site.server(always(reply(200, {})), identified(authority.issue_cert("west.example")))
    error = site.caller(server).fails(CHANGE, errors.TlsFailed)
    assert "backends.west.url" in error.remedy
    assert isinstance(error.__cause__, httpx.ConnectError)


def test_a_certificate_for_another_address_is_not_trusted(site: Site, authority: trustme.CA) -> None:
    server = site.server(always(reply(200, {})), identified(authority.issue_cert("localhost")))
    error = site.caller(f"https://127.0.0.1:{server.port}").fails(READ, errors.TlsFailed)
    assert "backends.west.url" in error.remedy


def test_an_expired_certificate_is_not_trusted(site: Site, authority: trustme.CA) -> None:
    day = datetime(2020, 1, 2, tzinfo=UTC)
    old = authority.issue_cert("localhost", not_before=day.replace(day=1), not_after=day)
    error = site.caller(site.server(always(reply(200, {})), identified(old))).fails(READ, errors.TlsFailed)
    assert "expired" in error.message
    assert "renew" in error.remedy


def test_a_certificate_of_tomorrow_is_not_trusted(site: Site, authority: trustme.CA) -> None:
    day = datetime(2099, 1, 2, tzinfo=UTC)
    new = authority.issue_cert("localhost", not_before=day, not_after=day.replace(day=3))
    error = site.caller(site.server(always(reply(200, {})), identified(new))).fails(READ, errors.TlsFailed)
    assert "clock" in error.remedy


def test_plain_http_on_the_other_side_is_told_as_such(site: Site) -> None:
    def speak_plainly(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        stream.recv(65536)
        stream.sendall(raw(400, b"speak HTTP"))
        stream.close()

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        speaking = pool.submit(speak_plainly, listener)
        caller = site.caller(f"https://localhost:{listener.getsockname()[1]}")
        error = caller.fails(CHANGE, errors.TlsFailed)
        speaking.result(20)
    assert "does not speak TLS" in error.message
    assert "port" in error.remedy
    assert error.trouble is TroubleKind.TLS


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_file_that_cannot_be_read_is_named(site: Site, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    server = site.server(always(reply(200, {})))
    error = site.caller(server, tls=Tls(ca_file=path)).fails(READ, errors.TlsFailed)
    assert str(path) in error.message
    assert "backends.west.tls.ca_file" in error.remedy


def test_unverified_tls_works_and_is_loud_once(site: Site) -> None:
    server = site.server(always(reply(200, {})), identified(trustme.CA().issue_cert("elsewhere.example")))
    caller = site.caller(server, tls=Tls(verify=False))
    caller.read()
    caller.change()
    (noticed,) = caller.said(Noticed)
    assert (noticed.topic, noticed.backend) == ("tls-not-verified", "west")


UNSENT = errors.NeverSent


def test_refused_is_never_sent(site: Site) -> None:  # R27
    caller = site.caller(f"https://localhost:{free_port()}")
    for kind in (READ, CHANGE):
        error = caller.fails(kind, UNSENT)
        assert "refused" in error.message
        assert isinstance(error.__cause__, httpx.ConnectError)
        assert error.remedy
        assert caller.failures(kind) == 1


@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_an_unknown_name_is_told_as_such(site: Site, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    def no_such_name(*arguments: Any, **named: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    error = site.caller("https://west.example").fails(kind, errors.NameUnresolved)
    assert "west.example cannot be resolved: Name or service not known" in error.message
    assert error.trouble is TroubleKind.NAME


@pytest.mark.parametrize("label", ["a" * 64, "a..b"])
def test_a_name_that_cannot_be_one_is_told_as_such(site: Site, label: str) -> None:
    error = site.caller(f"https://{label}.example").fails(READ, errors.NameUnresolved)
    assert "not a host name" in error.message


def test_a_resolver_that_hangs_ends_with_the_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()

    def hang(*arguments: Any, **named: Any) -> Any:
        over.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    caller = site.caller("https://west.example")
    error = caller.fails(CHANGE, errors.NameUnresolved, caller.look(0.05))
    over.set()
    assert "did not answer within" in error.message


def test_a_dead_address_does_not_hide_a_living_one(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    server, caller = site.pair(always(reply(200, {})))
    places = [("127.0.0.254", server.port), ("127.0.0.1", server.port)]  # nothing listens at the first
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in places]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: found)
    assert caller.change().status == 200
    assert len(server.requests) == 1


def half_a_body(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n[1, 2")
    peer.stream.close()


LOST = [
    pytest.param(Peer.reset, errors.ConnectionLost, id="reset"),
    pytest.param(just_close, errors.ConnectionLost, id="closed"),
    pytest.param(half_a_body, errors.ConnectionLost, id="half a body"),
    pytest.param(and_close(b"HTTP/1.1 200"), errors.ConnectionLost, id="half a head"),
    pytest.param(and_close(b"SSH-2.0-OpenSSH\r\n\r\n"), errors.UnreadableAnswer, id="not HTTP"),
    pytest.param(
        and_close(raw(200, b"not gzip", {"Content-Encoding": "gzip"})), errors.UnreadableAnswer, id="bad gzip"
    ),
    pytest.param(
        and_close(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n"), errors.UnreadableAnswer, id="length"
    ),
]


@pytest.mark.parametrize(("act", "error"), LOST)
def test_a_read_whose_answer_is_lost_may_be_asked_again(site: Site, act: Any, error: Any) -> None:  # R27
    _, caller = site.pair(always(act))
    raised = caller.fails(READ, error)
    assert raised.retryable
    assert isinstance(raised.__cause__, httpx.HTTPError)
    assert caller.failures(READ) == 1


@pytest.mark.parametrize(("act", "error"), LOST)
def test_a_change_whose_answer_is_lost_is_unknown_and_sent_once(
    site: Site, act: Any, error: Any
) -> None:  # R27
    server, caller = site.pair(always(act), clock=FakeClock())
    raised = caller.fails(CHANGE, errors.OutcomeUnknown, caller.look(retry=True))
    assert "not known" in raised.message
    assert "status" in raised.remedy
    assert isinstance(raised.__cause__, httpx.HTTPError)
    assert len(server.requests) == 1
    assert caller.failures(CHANGE) == 1


@pytest.mark.parametrize(("kind", "error"), [(READ, errors.TimedOut), (CHANGE, errors.OutcomeUnknown)])
def test_a_hang_ends_with_the_deadline(site: Site, kind: str, error: Any) -> None:  # R27, R31
    server, caller = site.pair(always(Peer.hang))
    raised = caller.fails(kind, error, caller.look(0.1))
    assert "did not answer within 0." in raised.message
    assert len(server.requests) == 1


@pytest.mark.parametrize(("kind", "error"), [(READ, errors.TimedOut), (CHANGE, errors.OutcomeUnknown)])
def test_a_hang_ends_with_the_read_time_out(site: Site, kind: str, error: Any) -> None:
    _, caller = site.pair(always(Peer.hang), read_timeout_seconds=0.1)
    caller.fails(kind, error)


def test_a_change_may_be_given_more_patience(site: Site) -> None:
    answers = threading.Event()

    def late(peer: Peer) -> None:
        assert answers.wait(20)
        peer.send(raw(204, b""))

    _, caller = site.pair(always(late), read_timeout_seconds=0.05)
    timer = threading.Timer(0.2, answers.set)
    timer.start()
    assert caller.change(read_timeout_seconds=20).status == 204
    timer.join()


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nX-Slow: ", id="head"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", id="body"),
        pytest.param(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", id="chunk"),
    ],
)
def test_an_answer_that_drips_ends_with_the_deadline(site: Site, head: bytes) -> None:  # R31
    gone = threading.Event()

    def drip(peer: Peer) -> None:
        peer.send(head)
        with suppress(OSError):
            while not gone.wait(0.01):
                peer.send(b"1")

    _, caller = site.pair(always(drip))
    began = caller.clock.monotonic()
    caller.fails(READ, errors.TimedOut, caller.look(0.2))
    gone.set()
    assert caller.clock.monotonic() - began < 2


@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_handshake_that_hangs_or_ends_is_never_sent(site: Site, kind: str) -> None:  # R27
    with socket.create_server(("127.0.0.1", 0)) as listener:
        silent = site.caller(f"https://localhost:{listener.getsockname()[1]}")
        assert "in time" in silent.fails(kind, UNSENT, silent.look(0.1)).message

    def accept_and_close(listener: socket.socket) -> None:
        stream, _ = listener.accept()
        stream.recv(1)
        stream.close()

    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        ending = site.caller(f"https://localhost:{listener.getsockname()[1]}")
        closing = pool.submit(accept_and_close, listener)
        ending.fails(kind, UNSENT)
        closing.result(20)


def test_a_long_look_tells_soon_that_a_site_is_silent(site: Site) -> None:  # R31
    _, caller = site.pair(always(Peer.hang))
    began = caller.clock.monotonic()
    look = caller.look(30.0, silence_seconds=0.3)
    caller.fails("read", errors.TimedOut, look)
    assert caller.clock.monotonic() - began < 5


def test_a_deadline_that_has_passed_asks_nothing(site: Site) -> None:  # R31
    server, caller = site.pair(always(reply(200, {})), clock=FakeClock())
    error = caller.fails(CHANGE, NotAsked, caller.look(0))
    assert "deadline" in error.message
    assert (server.connections, caller.failures(CHANGE)) == (0, 0)


def test_a_cancel_ends_the_wait_for_an_answer_to_a_read(site: Site) -> None:  # R31
    cancel = Cancel()

    def cancel_and_hang(peer: Peer) -> None:
        cancel.set()
        peer.hang()

    _, caller = site.pair(always(cancel_and_hang))
    began = caller.clock.monotonic()
    error = caller.fails(READ, errors.Interrupted, caller.look(cancel=cancel))
    assert "waiting for the answer" in error.message
    assert caller.clock.monotonic() - began < 5
    assert caller.failures(READ) == 0


def test_a_cancel_leaves_a_change_that_was_sent_its_answer(site: Site) -> None:  # R31
    cancel = Cancel()

    def cancel_and_answer(peer: Peer) -> None:
        cancel.set()
        peer.send(raw(204, b""))

    _, caller = site.pair(always(cancel_and_answer))
    assert caller.change(look=caller.look(cancel=cancel)).status == 204


def test_a_look_that_could_be_cancelled_ends_in_time_too(site: Site) -> None:  # R31
    _, caller = site.pair(always(Peer.hang), read_timeout_seconds=0.15)
    caller.fails(READ, errors.TimedOut, caller.look(cancel=Cancel()))
    caller.fails(READ, errors.TimedOut, caller.look(0.05, cancel=Cancel()))


def test_an_idle_connection_that_was_closed_costs_a_read_nothing(site: Site) -> None:
    server, caller = site.pair(always(reply(200, {})))
    caller.read()
    server.drop_connections()
    caller.read()
    assert caller.failures(READ) == 0


def close_kept_ones() -> Handler:
    """Answers the first request of each connection, and closes on the second as though it had been idle."""
    met: set[int] = set()

    def handler(seen: Seen) -> Any:
        if seen.connection in met:
            return just_close
        met.add(seen.connection)
        return reply(200, {})

    return handler


def test_a_kept_connection_that_closes_just_now_is_replaced_at_once(site: Site) -> None:
    server, caller = site.pair(close_kept_ones())
    caller.read()
    assert caller.read().status == 200
    assert [seen.connection for seen in server.requests] == [1, 1, 2]
    assert caller.failures(READ) == 0
    assert caller.said(WillRetry) == []


def test_it_is_replaced_once_only(site: Site) -> None:
    replies = iter([reply(200, {}), just_close, just_close])
    server, caller = site.pair(lambda seen: next(replies))
    caller.read()
    caller.fails(READ, errors.ConnectionLost)
    assert len(server.requests) == 3


def test_a_change_never_meets_a_kept_connection(site: Site) -> None:  # R27
    server, caller = site.pair(close_kept_ones())
    for kind in (READ, CHANGE, CHANGE):
        caller.send(kind)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("error", "sent"),
    [
        (httpx.ConnectError("no"), False),
        (httpx.ConnectTimeout("no"), False),
        (httpx.PoolTimeout("no"), False),
        (httpx.ReadTimeout("no"), True),
        (httpx.WriteTimeout("no"), True),
        (httpx.ReadError("no"), True),
        (httpx.WriteError("no"), True),
        (httpx.CloseError("no"), True),
        (httpx.RemoteProtocolError("Server disconnected"), True),
        (httpx.LocalProtocolError("no"), True),
        (httpx.DecodingError("no"), True),
        (httpx.ProxyError("no"), True),
    ],
    ids=lambda value: type(value).__name__,
)
def test_only_failures_of_connecting_prove_that_nothing_left(
    site: Site, error: httpx.HTTPError, sent: bool
) -> None:  # R27
    caller = site.caller("https://west.example")
    with respx.mock:
        respx.post("https://west.example/things").mock(side_effect=error)
        caller.fails(CHANGE, errors.OutcomeUnknown if sent else UNSENT)
        respx.get("https://west.example/things").mock(side_effect=error)
        with pytest.raises(errors.BackendUnwell if sent else UNSENT):
            caller.read()


def test_a_change_that_never_left_is_sent_when_the_backend_is_back(site: Site) -> None:  # R27
    port = free_port()
    started: list[Server] = []
    clock = FakeClock(during=lambda _: started.append(site.server(always(raw(204, b"")), port=port)))
    caller = site.caller(f"https://localhost:{port}", clock=clock)
    assert caller.change(look=caller.look(retry=True)).status == 204
    assert clock.waits == [1.0]
    assert len(started[0].requests) == 1


def test_certificates_may_change_under_a_change_that_is_under_way(site: Site) -> None:
    """What is used ends with what it is used for; what comes after goes by the new ones."""
    arrived, go_on = threading.Event(), threading.Event()

    def serve(seen: Seen) -> Any:
        if seen.method == "GET":
            return reply(200, {})

        def slowly(peer: Peer) -> None:
            arrived.set()
            assert go_on.wait(20)
            peer.send(raw(204, b""))

        return slowly

    server = site.server(serve)
    now = [Tls(ca_file=site.ca_file)]
    caller = site.caller(server, tls_now=lambda: now[0])
    with ThreadPoolExecutor(1) as pool:
        under_way = pool.submit(caller.change)
        assert arrived.wait(20)
        now[0] = Tls(ca_pem=site.ca_file.read_text())
        assert caller.read().status == 200
        assert caller.read().status == 200
        go_on.set()
        assert under_way.result(20).status == 204
    assert server.connections == 2, "one for the change, one for both reads"
    now[0] = Tls(ca_pem=trustme.CA().cert_pem.bytes().decode())
    caller.fails(READ, errors.TlsFailed)


def test_an_authority_of_nothing_is_not_the_system_s(site: Site) -> None:
    server = site.server(always(reply(200, {})))
    error = site.caller(server, tls=Tls(ca_pem="")).fails(READ, errors.TlsFailed)
    assert "cannot be read" in error.message


BEGINS_SECONDS = 0.1  # of real time, as all of a stream is


def opened(site: Site, answer: Any, idle_seconds: float = 20.0) -> Iterator[bytes]:
    """The lines of an answer that goes on, asked of who must begin to answer soon."""
    caller = site.caller(site.server(always(answer)), read_timeout_seconds=BEGINS_SECONDS)
    look = caller.look()
    stream = caller.client.stream(
        "/things", params={}, operation="watch", look=look, idle_seconds=idle_seconds
    )
    with closing(stream):
        yield from stream.lines(look)


def with_a_pause(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\none\n\r\n")
    threading.Event().wait(3 * BEGINS_SECONDS)
    peer.send(b"4\r\ntwo\n\r\n0\r\n\r\n")


def test_a_stream_may_be_silent_for_longer_than_an_answer_may_take_to_begin(site: Site) -> None:
    """A cluster where nothing happens says so each minute only."""
    assert list(opened(site, with_a_pause)) == [b"one", b"two"]


def test_a_stream_that_is_silent_for_too_long_has_ended(site: Site) -> None:
    lines = opened(site, with_a_pause, idle_seconds=BEGINS_SECONDS)
    assert next(lines) == b"one"
    with pytest.raises(errors.TimedOut):
        next(lines)


def test_a_stream_that_does_not_begin_is_given_up_as_any_answer_is(site: Site) -> None:
    with pytest.raises(errors.TimedOut):
        next(opened(site, lambda peer: peer.hang()))


def test_what_is_opened_while_all_is_given_up_is_closed_too(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As by a watch whose daemon leaves just now."""
    server, caller = site.pair(always(reply(200, {})))
    resolve, shut = socket.getaddrinfo, threading.Event()

    def leave_first(*arguments: Any, **named: Any) -> Any:
        if not shut.is_set():
            shut.set()
            caller.client.close()
        return resolve(*arguments, **named)

    monkeypatch.setattr(socket, "getaddrinfo", leave_first)
    assert caller.read().status == 200
    assert server.all_ended(10.0)
    caller.fails(READ, errors.Interrupted)
