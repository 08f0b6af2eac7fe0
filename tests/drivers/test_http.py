"""The HTTP layer against a real TLS server on loopback: what is sent, what is sent again, what failures mean."""

from __future__ import annotations

import base64
import gzip
import itertools
import json
import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import trustme
from fakes import START, FakeClock
from wire import JSON, Handler, Peer, Seen, Server, and_close, just_close, raw, reply

from replctl.clock import SystemClock
from replctl.core import errors
from replctl.core.breaker import BreakerSettings
from replctl.core.events import CallEnded, Event, Noticed, WillRetry
from replctl.core.model import TroubleKind
from replctl.core.retry import CHANGE, READ, RetryPolicy
from replctl.core.secrets import MASK, Secret, Secrets
from replctl.correlation import carried, correlation
from replctl.drivers import answers, http
from replctl.drivers.http import Answer, BackendClient, Connection, Dialect, Send, Tls, messages_of
from replctl.resilience import BreakerBoard, Budget, Look, NotAsked

PASSWORD = "hunter2-secret"
BASIC = "Basic " + base64.b64encode(f"replctl:{PASSWORD}".encode()).decode()
EXPIRED = {401: reply(401), 403: reply(403), 302: raw(302, b"", {"Location": "https://localhost/login.html"})}


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def identified(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


@pytest.fixture(scope="session")
def localhost(authority: trustme.CA) -> ssl.SSLContext:
    return identified(authority.issue_cert("localhost", "127.0.0.1"))


class Array:
    """A backend with sessions: a login by password, a cookie, and a token that changes must carry."""

    def __init__(self) -> None:
        self.routes: dict[str, Handler] = {}
        self.login: Callable[[Seen], Any] = self.let_in
        self.expiry = 401
        self.valid: str | None = None
        self.logins = itertools.count(1)
        self.done: list[str] = []

    def __call__(self, seen: Seen) -> Any:
        if seen.path == "/login":
            return self.login(seen)
        cookie = seen.headers.get("cookie", "")
        if not self.valid or cookie != f"auth={self.valid}":
            return EXPIRED[self.expiry]
        if seen.method != "GET" and seen.headers.get("x-token") != f"token-of-{self.valid}":
            return reply(403)
        if seen.path == "/logout":
            self.valid = None
            return raw(204, b"")
        self.done.append(seen.method)
        return self.routes.get(seen.path, lambda _: reply(200, {"path": seen.path}))(seen)

    def let_in(self, seen: Seen) -> Any:
        if seen.headers.get("authorization") != BASIC:
            return reply(401, {"messages": [{"code": "0x1", "message_l10n": "Bad credentials."}]})
        self.valid = f"session-{next(self.logins)}"
        cookie = f"auth={self.valid}; Path=/; Secure; HttpOnly"
        return reply(200, [{}], set_cookie=cookie, x_token=f"token-of-{self.valid}")

    def expire(self) -> None:
        self.valid = None


class CookieSignIn:
    """As PowerStore is signed in to, in short."""

    def __init__(self, password: str = PASSWORD) -> None:
        self.password = Secret(password)
        self.held: Mapping[str, str] = {}

    def login(self, send: Send) -> None:
        pair = base64.b64encode(f"replctl:{self.password.reveal()}".encode()).decode()
        answer = send("GET", "/login", headers={"Authorization": f"Basic {pair}"})
        self.held = {"Cookie": f"auth={answer.cookies['auth']}", "X-Token": answer.headers["x-token"]}

    def headers(self, method: str) -> Mapping[str, str]:
        return self.held

    def learn(self, response: Answer) -> None:
        if "x-token" in response.headers:
            self.held = {**self.held, "X-Token": response.headers["x-token"]}

    def logout(self, send: Send) -> None:
        send("POST", "/logout", headers=self.held)

    def is_expired(self, response: Answer) -> bool:
        return response.status in (401, 403) or response.is_redirect


class NoSignIn:
    """A backend that asks nobody who they are."""

    def login(self, send: Send) -> None: ...
    def headers(self, method: str) -> Mapping[str, str]:
        return {}

    def learn(self, response: Answer) -> None: ...
    def logout(self, send: Send) -> None: ...
    def is_expired(self, response: Answer) -> bool:
        return False


class Caller:
    """A client of one backend and all that stands around it."""

    def __init__(self, url: str, ca_file: Path | None, sign_in: Any = None, **how: Any) -> None:
        self.clock = how.pop("clock", None) or SystemClock()
        self.events: list[Event] = []
        self.secrets = Secrets()
        self.secrets.add(PASSWORD, "replctl")
        self.board = BreakerBoard(BreakerSettings(), None, self.clock, self.events.append)
        tls = how.pop("tls", Tls(ca_file=ca_file))
        dialect = how.pop("dialect", None)
        self.client = BackendClient(
            Connection(backend="west", url=url, tls=tls, **how),
            sign_in or NoSignIn(),
            clock=self.clock,
            board=self.board,
            policy=RetryPolicy(),
            budget=Budget(),
            report=self.events.append,
            dialect=dialect,
            redact=self.secrets.redact,
        )

    def look(self, seconds: float = 20.0, **how: Any) -> Look:
        return Look(deadline=self.clock.monotonic() + seconds, **how)

    def read(self, path: str = "/things", look: Look | None = None, **how: Any) -> Answer:
        return self.client.read(path, operation="thing list", look=look or self.look(), **how)

    def change(
        self, method: str = "POST", path: str = "/things", look: Look | None = None, **how: Any
    ) -> Answer:
        return self.client.change(method, path, operation="thing create", look=look or self.look(), **how)

    def send(self, kind: str, look: Look | None = None, path: str = "/things") -> Answer:
        return self.read(path, look) if kind == READ else self.change(path=path, look=look)

    def fails(
        self, kind: str, error: type[errors.ReplctlError], look: Look | None = None, during: str | None = None
    ) -> Any:
        """The error that a read or a change gives: of exactly that class, with its place filled in (R75)."""
        with pytest.raises(error) as raised:
            self.send(kind, look)
        assert type(raised.value).__name__.lstrip("_") in (error.__name__, "Deferred")
        assert raised.value.backend == "west"
        assert raised.value.operation == (during or ("thing list" if kind == READ else "thing create"))
        assert raised.value.message
        return raised.value

    def failures(self, kind: str) -> int:
        return self.board.breaker("west", kind).state.failures

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]


class Site:
    """Makes servers and callers, and takes them down again."""

    def __init__(self, context: ssl.SSLContext, ca_file: Path) -> None:
        self.context = context
        self.ca_file = ca_file
        self._made: list[Any] = []

    def server(self, handler: Handler, context: ssl.SSLContext | None = None, port: int = 0) -> Server:
        self._made.append(Server(context or self.context, handler, port))
        return self._made[-1]

    def caller(self, server: Server | str, sign_in: Any = None, **how: Any) -> Caller:
        url = server if isinstance(server, str) else server.url
        caller = Caller(url, self.ca_file, sign_in, **how)
        self._made.append(caller.client)
        return caller

    def pair(self, handler: Handler, **how: Any) -> tuple[Server, Caller]:
        server = self.server(handler)
        return server, self.caller(server, **how)

    def array(self, **how: Any) -> tuple[Array, Server, Caller]:
        array = Array()
        server = self.server(array)
        return array, server, self.caller(server, how.pop("sign_in", None) or CookieSignIn(), **how)

    def close(self) -> None:
        for made in reversed(self._made):
            made.close()


@pytest.fixture
def site(localhost: ssl.SSLContext, ca_file: Path) -> Iterator[Site]:
    made = Site(localhost, ca_file)
    yield made
    made.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def always(answer: Any) -> Handler:
    return lambda seen: answer


# --- what is sent, and what comes back


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


# --- TLS


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


# --- connections that fail: before the request left, and after

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
    try:
        caller = site.caller(f"https://{label}.example")
    except errors.InvalidInput:
        return
    caller.fails(READ, errors.NameUnresolved)


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
    dead = ("127.0.0.254", server.port)  # nothing listens there
    both = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", place) for place in (dead, ("127.0.0.1", server.port))
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **named: both)
    sockets = socket.create_connection

    def connect(address: tuple[str, int], *arguments: Any, **named: Any) -> socket.socket:
        host, port = address
        if host == dead[0]:
            raise ConnectionRefusedError(111, "Connection refused")
        stream = socket.socket()
        stream.connect((host, port))
        return stream

    monkeypatch.setattr(socket, "create_connection", connect)
    assert caller.read().status == 200
    assert sockets is not connect


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


def test_a_deadline_that_has_passed_asks_nothing(site: Site) -> None:  # R31
    server, caller = site.pair(always(reply(200, {})), clock=FakeClock())
    error = caller.fails(CHANGE, NotAsked, caller.look(0))
    assert "deadline" in error.message
    assert (server.connections, caller.failures(CHANGE)) == (0, 0)


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


# --- what an answer means

MESSAGES = {
    "messages": [{"code": "0xE0201005000C", "severity": "Error", "message_l10n": "Already failed over."}]
}
UNKNOWN = errors.OutcomeUnknown
STATUSES = [
    (reply(400, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(401, MESSAGES), errors.Unauthorized, errors.Unauthorized),
    (reply(403, MESSAGES), errors.Forbidden, errors.Forbidden),
    (reply(404, MESSAGES), errors.NotFound, errors.NotFound),
    (raw(404, b""), errors.NotFound, errors.NotFound),
    (reply(405, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(408, MESSAGES), errors.TimedOut, UNKNOWN),
    (reply(409, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(416, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(422, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(429, MESSAGES), errors.Busy, UNKNOWN),
    (reply(429, MESSAGES, retry_after="3"), errors.Busy, UNKNOWN),
    (reply(500, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(502, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(503, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(503, MESSAGES, retry_after="3"), errors.Busy, UNKNOWN),
    (reply(504, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(599, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (raw(301, b"", {"Location": "https://elsewhere.example/"}), errors.UnreadableAnswer, UNKNOWN),
    (raw(302, b"", {"Location": "/"}), errors.UnreadableAnswer, UNKNOWN),
    (raw(304, b""), errors.UnreadableAnswer, UNKNOWN),
    (reply(700, MESSAGES), errors.BackendUnwell, UNKNOWN),
]


@pytest.mark.parametrize(("answer", "error", "of_change"), STATUSES, ids=lambda value: str(value)[:14])
def test_what_a_status_means(site: Site, answer: bytes, error: Any, of_change: Any) -> None:  # R27, R75
    server, caller = site.pair(always(answer), clock=FakeClock())
    raised = caller.fails(READ, error)
    assert str(raised).startswith("west: thing list: it answered ")
    changed = caller.fails(CHANGE, of_change, caller.look(retry=True))
    assert changed.maybe_happened is (of_change is UNKNOWN)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer", [reply(422, MESSAGES), reply(429), reply(503, retry_after="3"), reply(404)]
)
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_backend_that_answers_no_is_well(site: Site, answer: bytes, kind: str) -> None:  # R33
    _, caller = site.pair(always(answer), clock=FakeClock())
    for _ in range(6):
        with pytest.raises(errors.ReplctlError):
            caller.send(kind)
    assert caller.failures(kind) == 0


@pytest.mark.parametrize("answer", [reply(500), reply(503), reply(408), raw(200, b"<html>")])
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_backend_that_answers_badly_is_unwell(site: Site, answer: bytes, kind: str) -> None:  # R33
    server, caller = site.pair(always(answer), clock=FakeClock())
    for _ in range(5):
        with pytest.raises(errors.ReplctlError):
            caller.send(kind)
    caller.fails(kind, errors.BreakerOpen)
    assert len(server.requests) == 5
    assert caller.failures(CHANGE if kind == READ else READ) == 0


def test_a_refusal_carries_the_vendors_code(site: Site) -> None:  # R75
    _, caller = site.pair(always(reply(422, MESSAGES)))
    error = caller.fails(CHANGE, errors.Rejected)
    assert (error.status, error.vendor_code) == (422, "0xE0201005000C")
    assert error.message == "it answered 422 (0xE0201005000C): Already failed over."


def test_a_dialect_may_know_that_nothing_was_done(site: Site) -> None:  # R27
    dialect = Dialect(messages_of, never_executed=lambda answer: answer.headers.get("x-early") == "yes")
    replies = iter([reply(429, retry_after="2", x_early="yes"), raw(204, b"")])
    clock = FakeClock()
    _, caller = site.pair(lambda seen: next(replies), dialect=dialect, clock=clock)
    assert caller.change(look=caller.look(retry=True)).status == 204
    assert clock.waits == [2.0]


def test_patience_is_given_as_asked(site: Site) -> None:
    replies = iter([reply(503, retry_after="7"), reply(200, {"at": "last"})])
    clock = FakeClock()
    _, caller = site.pair(lambda seen: next(replies), clock=clock)
    assert caller.read(look=caller.look(retry=True)).body == {"at": "last"}
    assert clock.waits == [7.0]


def test_patience_beyond_the_deadline_fails_now_and_says_when(site: Site) -> None:
    clock = FakeClock()
    _, caller = site.pair(always(reply(503, retry_after="30")), clock=clock)
    error = caller.fails(READ, errors.Busy, caller.look(10, retry=True))
    assert error.retry_at == START + 30
    assert "patience until 2031-02-03T01:00:30Z" in error.message
    assert clock.waits == []


def test_a_read_is_tried_again_as_the_look_allows(site: Site) -> None:
    clock = FakeClock()
    server, caller = site.pair(always(reply(500)), clock=clock)
    caller.fails(READ, errors.BackendUnwell, caller.look(60, retry=True))
    assert (len(server.requests), clock.waits) == (5, [1, 2, 4, 8])
    assert [event.result for event in caller.said(CallEnded)] == ["backend-unwell"]


DEEP = b"[" * 200_000 + b"]" * 200_000
FOREIGN = [
    pytest.param(raw(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), id="html"),
    pytest.param(raw(200, b'{"a": ', JSON), id="truncated"),
    pytest.param(raw(200, b'{"a": NaN}', JSON), id="not a number"),
    pytest.param(raw(200, b'"\xff\xfe\xfd"', JSON), id="not text"),
    pytest.param(raw(200, DEEP, JSON), id="deep"),
    pytest.param(raw(200, b"9" * 5000, JSON), id="a long number"),
    pytest.param(raw(200, b"\x00\x00", JSON), id="zeros"),
    pytest.param(
        raw(200, gzip.compress(b"x" * (answers.LARGEST_BODY_BYTES + 1)), {"Content-Encoding": "gzip"}),
        id="bomb",
    ),
]


@pytest.mark.parametrize("answer", FOREIGN)
def test_a_foreign_body_is_not_an_answer(site: Site, answer: bytes) -> None:
    _, caller = site.pair(always(answer))
    error = caller.fails(READ, errors.UnreadableAnswer)
    assert len(error.message) < 300
    # the array may have said yes and something in between garbled it
    caller.fails(CHANGE, errors.OutcomeUnknown)


def test_a_read_without_a_body_is_not_an_answer(site: Site) -> None:
    _, caller = site.pair(always(raw(200, b"")))
    assert "without a body" in caller.fails(READ, errors.UnreadableAnswer).message


def test_a_read_may_find_no_content(site: Site) -> None:
    _, caller = site.pair(always(raw(204, b"")))
    assert caller.read().body is None


def test_a_huge_body_is_left_when_it_is_too_much(site: Site) -> None:
    sent = itertools.count()

    def flood(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        with suppress(OSError):
            while True:
                peer.send(b" " * 1024 * 1024)
                next(sent)

    _, caller = site.pair(always(flood))
    caller.fails(READ, errors.UnreadableAnswer)
    assert next(sent) < 80


def test_a_page_that_says_404_is_not_an_absent_thing(site: Site) -> None:
    _, caller = site.pair(always(raw(404, b"<html>nginx</html>", {"Content-Type": "text/html"})))
    caller.fails(READ, errors.UnreadableAnswer)
    assert caller.fails(CHANGE, errors.NotFound).message


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_foreign_error_body_is_not_repeated(site: Site, status: int) -> None:
    page = b"<html>\x1b[31m" + b"x" * 10_000
    _, caller = site.pair(always(raw(status, page, {"Content-Type": "text/html; evil"})))
    with pytest.raises(errors.ReplctlError) as raised:
        caller.read()
    assert len(str(raised.value)) < 200
    assert "<html>" not in str(raised.value)


def test_a_long_and_dirty_message_is_cut_and_cleaned(site: Site) -> None:
    _, caller = site.pair(
        always(reply(422, {"messages": [{"code": "c" * 99, "message_l10n": "\x1b[2J" * 999}]}))
    )
    message = caller.fails(CHANGE, errors.Rejected).message
    assert len(message) < 300
    assert message.isprintable()


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (MESSAGES, "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES["messages"])}, "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES)}, "0xE0201005000C", "Already failed over."),
        (json.dumps(MESSAGES), "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES["messages"][0])}, "0xE0201005000C", "Already failed over."),
        (MESSAGES["messages"], "0xE0201005000C", "Already failed over."),
        ({"messages": "not json"}, None, "not json"),
        ({"messages": '"a string"'}, None, '"a string"'),
        ({"messages": []}, None, ""),
        ({"messages": None}, None, ""),
        ({"messages": [None, 7, {"code": 7, "message_l10n": ["x"]}]}, None, ""),
        ({}, None, ""),
        (None, None, ""),
        (7, None, ""),
        (
            {
                "messages": [
                    {"code": "0x1", "severity": "Info", "message_l10n": "Also."},
                    {"code": "0x2", "severity": "Error", "message_l10n": "This."},
                    {"code": "0x3", "severity": "Error", "message_l10n": "And that."},
                ]
            },
            "0x2",
            "This.; And that.",
        ),
    ],
)
def test_what_an_error_body_says(body: Any, code: str | None, text: str) -> None:
    assert messages_of(body) == (code, text)


# --- sessions


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
    assert again.retry_at == START + http.LOGIN_REFUSED_SECONDS
    array.login = array.let_in
    clock.advance(http.LOGIN_REFUSED_SECONDS - 1)
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


def test_threads_share_a_login_that_failed(site: Site) -> None:
    array, server, caller = site.array(max_concurrency=8)
    array.login = always(reply(500))
    caller.board = BreakerBoard(
        BreakerSettings(failure_threshold=99), None, caller.clock, caller.events.append
    )
    waiting = threading.Barrier(9)
    original = caller.client._session._turn

    def turn(look: Look) -> Any:
        waiting.wait(20)
        return original(look)

    caller.client._session._turn = turn  # type: ignore[method-assign]  # so that all stand at the door together

    def one(_: int) -> bool:
        with pytest.raises(errors.BackendUnwell):
            caller.read()
        return True

    with ThreadPoolExecutor(8) as pool:
        results = pool.map(one, range(8))
        waiting.wait(20)
        assert list(results) == [True] * 8
    assert len(server.paths("/login")) == 1


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
    array.routes["/things"] = always(reply(403, MESSAGES))
    error = caller.fails(CHANGE, errors.Forbidden)
    assert "role" in error.remedy
    assert (len(server.paths("/things")), len(server.paths("/login"))) == (2, 2)
    # asked again, it is not taken for an expired session; much later it may be
    for _ in range(5):
        caller.fails(CHANGE, errors.Forbidden)
    assert (len(server.paths("/things")), len(server.paths("/login"))) == (7, 2)
    clock.advance(http.FORBIDDEN_SECONDS)
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
    assert len(server.paths("/login")) == http.REFUSALS_BELIEVED
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


# --- many at once


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
    assert "stayed busy" in error.message
    assert error.trouble is TroubleKind.BREAKER
    assert caller.failures(CHANGE) == 0


# --- secrets


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
