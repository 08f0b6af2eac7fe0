"""A backend on loopback with sessions, a client of it and all that stands around it, for tests of the HTTP layer."""

from __future__ import annotations

import base64
import itertools
import socket
import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import trustme
from wire import Handler, Seen, Server, raw, reply

from replctl.clock import SystemClock
from replctl.core import errors
from replctl.core.breaker import BreakerSettings
from replctl.core.events import Event
from replctl.core.retry import READ, RetryPolicy
from replctl.core.secrets import Secret, Secrets
from replctl.drivers.answers import Answer
from replctl.drivers.http import BackendClient, Connection, Send, Tls
from replctl.resilience import BreakerBoard, Budget, Look

PASSWORD = "hunter2-secret"
BASIC = "Basic " + base64.b64encode(f"replctl:{PASSWORD}".encode()).decode()
EXPIRED = {401: reply(401), 403: reply(403), 302: raw(302, b"", {"Location": "https://localhost/login.html"})}


def identified(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context


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

    def is_over(self) -> bool:
        return False

    def is_expired(self, response: Answer) -> bool:
        return response.status in (401, 403) or response.is_redirect


class NoSignIn:
    """A backend that asks nobody who they are."""

    def login(self, send: Send) -> None: ...
    def headers(self, method: str) -> Mapping[str, str]:
        return {}

    def learn(self, response: Answer) -> None: ...
    def logout(self, send: Send) -> None: ...
    def is_over(self) -> bool:
        return False

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
        dialect, tls_now = how.pop("dialect", None), how.pop("tls_now", None)
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
            tls=tls_now,
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


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def always(answer: Any) -> Handler:
    return lambda seen: answer
