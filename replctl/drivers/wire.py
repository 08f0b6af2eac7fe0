"""One request over the wire: built, sent with TLS within its deadline, and httpx's failures in our words.

Knows where a backend is (`Connection`) and what a failure proves about a request; nothing of sessions, retries
or what an answer means. Of httpx it uses requests, answers and the transport, and not the client: redirects,
cookies, netrc and proxies out of the environment are what we must not have, and cost a third of every request.

A change is sent on a connection of its own. On a kept one it could meet a server that is just closing it, and
nobody could tell whether it had been read; a handshake is a small price for that doubt. Only what provably never
left may be sent again: the error is one of connecting *and* no byte of the request had been handed to the socket.
"""

from __future__ import annotations

import os
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

import httpcore
import httpx

from replctl.clock import Clock
from replctl.core.errors import (
    ConnectionLost,
    Finding,
    Interrupted,
    InvalidInput,
    NameUnresolved,
    NeverSent,
    OutcomeUnknown,
    ReplctlError,
    TimedOut,
    TlsFailed,
    UnreadableAnswer,
    excerpt,
)
from replctl.core.events import Noticed, Report
from replctl.core.values import dataclass
from replctl.correlation import current
from replctl.drivers import decoding
from replctl.drivers.answers import LARGEST_BODY_BYTES, LOOK_FIRST, Answer, Request, ask_again, parse
from replctl.drivers.network import FRESH, Network, Transport
from replctl.drivers.proxies import Proxy, ProxyFailed
from replctl.drivers.streaming import Stream
from replctl.resilience import Look, NotAsked

HTTPS_PORT = 443
CORRELATION_HEADER = "X-Correlation-ID"
GIVEN_UP = "the connection to it was given up meanwhile"
ALWAYS_SENT = {
    "Accept": "application/json",
    "Accept-Encoding": decoding.ASKED_FOR,
    "Connection": "keep-alive",
    "User-Agent": "replctl",
}
ADDRESSES_KEPT = 256  # a backend is asked the same few things again and again; reading an address costs more
OLDEST_TLS = ssl.TLSVersion.TLSv1_2  # whatever the system's OpenSSL would still speak
# OpenSSL's X509_V_ERR_* …
EXPIRED_CERTIFICATE, NOT_YET_VALID, SELF_SIGNED, WRONG_HOST, WRONG_ADDRESS = 10, 9, 18, 62, 64
WEAK_KEY, WEAK_AUTHORITY, WEAK_SIGNATURE = 66, 67, 68
# … and the reasons by which it ends a handshake: an older TLS is spoken there, and no cipher suits both
OLDER_TLS = frozenset({"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "VERSION_TOO_LOW"})
NO_CIPHER = frozenset(
    {"SSLV3_ALERT_HANDSHAKE_FAILURE", "TLSV1_ALERT_INSUFFICIENT_SECURITY", "WRONG_CIPHER_RETURNED"}
)


@dataclass(frozen=True, slots=True)
class ClientIdentity:
    """What we show in the handshake, both in PEM; never printed."""

    certificate: bytes = field(repr=False)
    key: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the backend proves who it is, and how we do, where that is by a certificate.

    `ca_file`, or the PEM in `ca_pem`, alone is trusted when given; else the system's authorities. With both, `ca_pem`
    is what the file held. `server_name` is the name to ask for and to verify, where it is not the address's.
    `unverified_by` says where verifying was turned off.
    """

    ca_file: Path | None = None
    ca_pem: str | None = None
    verify: bool = True
    identity: ClientIdentity | None = None
    server_name: str | None = None
    unverified_by: str = "tls.verify: false"


class TlsSettings(Protocol):
    """What the configuration says of how a backend's certificate is judged."""

    @property
    def ca_file(self) -> Path | None: ...
    @property
    def verify(self) -> bool: ...


class TimeoutSettings(Protocol):
    """What the configuration says of how long one request may take, seconds."""

    @property
    def connect_seconds(self) -> float: ...
    @property
    def read_seconds(self) -> float: ...


@dataclass(frozen=True, slots=True)
class Places:
    """Where it is written who a backend is, for those who must mend it."""

    address: str
    authority: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a backend is and how patient to be with it. `url` is `https://host[:port]`; raises InvalidInput.

    `base_path` stands before the path of every request, e.g. `/api/rest`. `proxy` is the way there, if not direct.
    """

    backend: str
    url: str
    base_path: str = ""
    tls: Tls = field(default_factory=Tls)
    proxy: Proxy | None = None
    written: Places | None = None
    connect_timeout_seconds: float = 5.0
    read_timeout_seconds: float = 30.0
    max_concurrency: int = 8

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.url)
            right = url.scheme == "https" and url.host and not url.userinfo and url.path == "/"
            right = right and not url.query and not url.fragment
        except httpx.InvalidURL:
            right = False
        if not right:
            place = f"backends.{self.backend}.url"
            allowed = "must be https://HOST or https://HOST:PORT, without a user, a path or a query"
            raise InvalidInput(f"{place}: {allowed}", findings=[Finding(place, "the address", allowed)])

    @property
    def places(self) -> Places:
        """Where address and authority are written; by default our own configuration."""
        place = f"backends.{self.backend}"
        return self.written or Places(f"{place}.url", f"{place}.tls.ca_file")

    @property
    def origin(self) -> str:
        return self.url.rstrip("/")

    @property
    def host(self) -> str:
        return httpx.URL(self.url).host

    @property
    def port(self) -> int:
        return httpx.URL(self.url).port or HTTPS_PORT


class Course:
    """What httpcore tells while one request is under way: whether it left, and on what kind of connection."""

    def __init__(self, clock: Clock, network: Network) -> None:
        self._clock = clock
        self._network = network
        self.began = clock.monotonic()
        self.sent_at = self.received_at = clock.now()
        self.reused = True
        self.left = False
        self.answered = False

    def __call__(self, event: str, info: Mapping[str, Any]) -> None:
        if event == "connection.connect_tcp.started":
            self.reused = False
        elif event == "http11.send_request_headers.started":
            self.left = True
            self.sent_at = self._clock.now()
        elif event == "http11.receive_response_headers.complete":
            self._refuse_leftovers()
            self.answered = True
            self.received_at = self._clock.now()

    def _refuse_leftovers(self) -> None:
        """An answer that was there before it was asked for belongs to something else: the connection is given up."""
        if self.reused and not self._network.heard:
            raise httpcore.RemoteProtocolError("what was left on a kept connection is no answer: closed")

    @property
    def elapsed_seconds(self) -> float:
        return self._clock.monotonic() - self.began

    def met_a_closed_connection(self, error: httpx.HTTPError) -> bool:
        """A kept connection ended before a byte of the answer: the server had closed it while it was idle."""
        closed = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
        return closed and self.reused and self.left and not self.answered


@dataclass(slots=True, eq=False)
class _Made:
    """Pools of connections, what they were made for, and how many requests are under way in them."""

    transport: Transport
    tls: Tls
    users: int = 0


class Wire:
    """Pools of connections, made when first needed; sends one request and gives back whatever answer comes.

    `tls` tells how things stand with certificates now, where they are renewed while we run: connections of before
    are not used any more, and those that are in use end with what they are used for.
    """

    def __init__(
        self, connection: Connection, clock: Clock, report: Report, tls: Callable[[], Tls] | None = None
    ) -> None:
        self._connection = connection
        self._clock = clock
        self._report = report
        self._tls = tls or (lambda: connection.tls)
        self._network = Network(clock, connection.proxy)
        self._making = threading.Lock()
        self._made: _Made | None = None
        self._retired: list[_Made] = []
        self._closed = False
        self._said_unverified = False

    def send(self, request: Request, sign_in: Mapping[str, str], look: Look) -> Answer:
        """Raises core.errors for what httpx and the sockets raise; an answer of any status is handed back.

        A read that met a kept connection which the server had closed is sent again at once, on a fresh one.
        """
        self._refuse_in_vain(look)
        fresh = request.changes
        while True:
            course = Course(self._clock, self._network)
            try:
                return self._exchange(request, sign_in, look, course, fresh=fresh)
            except httpx.HTTPError as error:
                if not fresh and course.met_a_closed_connection(error):
                    fresh = True
                    continue
                raise translate(error, request, self._connection, course) from error

    def open(
        self, request: Request, sign_in: Mapping[str, str], look: Look, idle_seconds: float
    ) -> tuple[Answer, Stream | None]:
        """Send a read whose answer goes on. A success comes with its stream, which the caller must close.

        Always on a connection of its own. Its beginning is waited for as any answer is, and what comes after it for
        `idle_seconds`: where nothing happens, nothing is said. Raises as `send` does.
        """
        self._refuse_in_vain(look)
        course, made = Course(self._clock, self._network), self._take()
        stream: Stream | None = None
        try:
            message = self._build(made, request, sign_in, fresh=True, course=course, goes_on=True)
            begins = min(self._patience(look), self._clock.monotonic() + self._read_seconds(request))
            with self._network.until(begins, look.cancel):
                response = made.transport.handle_request(message)
                if response.is_success:
                    stream = Stream(
                        response,
                        self._network,
                        self._clock,
                        idle_seconds=idle_seconds,
                        lost=lambda error: translate(error, request, self._connection, course),
                        let_go=lambda: self._give_back(made),
                    )
                    return _answer(response, b"", course), stream
                return self._drain(response, course), None
        except httpx.HTTPError as error:
            raise translate(error, request, self._connection, course) from error
        finally:
            if stream is None:
                self._give_back(made)

    def close(self) -> None:
        """Let go of every connection; of what somebody is still at, or opens just now, when it is given back."""
        with self._making:
            self._closed = True
            if self._made is not None:
                self._retired.append(self._made)
                self._made = None
            self._clear()

    def _refuse_in_vain(self, look: Look) -> None:
        if self._closed:
            raise Interrupted(GIVEN_UP)
        if not look.remaining(self._clock):
            raise NotAsked("the deadline passed before it was asked")

    def _exchange(
        self, request: Request, sign_in: Mapping[str, str], look: Look, course: Course, *, fresh: bool
    ) -> Answer:
        with self._borrowed() as made:
            message = self._build(made, request, sign_in, fresh=fresh, course=course)
            # a change that was sent is waited for, cancelled or not: giving up would only make its outcome unknown
            cancel, until = (None, look.deadline) if request.changes else (look.cancel, self._patience(look))
            with self._network.until(until, cancel):
                return self._drain(made.transport.handle_request(message), course)

    @staticmethod
    def _drain(response: httpx.Response, course: Course) -> Answer:
        try:
            content = _drained(response)
        finally:
            response.close()
        return _answer(response, content, course)

    def _patience(self, look: Look) -> float:
        """Until when the answer to a read is waited for, on the monotonic clock."""
        if look.silence_seconds is None:
            return look.deadline
        return min(look.deadline, self._clock.monotonic() + look.silence_seconds)

    def _read_seconds(self, request: Request) -> float:
        return request.read_timeout_seconds or self._connection.read_timeout_seconds

    def _build(
        self,
        made: _Made,
        request: Request,
        sign_in: Mapping[str, str],
        *,
        fresh: bool,
        course: Course,
        goes_on: bool = False,
    ) -> httpx.Request:
        if not request.path.startswith("/"):
            raise ValueError(f"{request.path!r} is not a path on the backend")
        seconds = self._read_seconds(request)
        read = None if goes_on else seconds  # else a silence that a stream is allowed would end it
        timeout = httpx.Timeout(seconds, connect=self._connection.connect_timeout_seconds, read=read)
        extensions: dict[str, Any] = {"timeout": timeout.as_dict(), "trace": course, FRESH: fresh}
        if made.tls.server_name is not None:
            extensions["sni_hostname"] = made.tls.server_name
        headers = httpx.Headers(ALWAYS_SENT)
        headers.update(_encoded({**_correlation(), **sign_in, **(request.headers or {})}))
        where = self._connection.origin + self._connection.base_path + request.path
        return httpx.Request(
            request.method,
            _address(where, tuple((request.params or {}).items())),
            json=request.body,
            headers=headers,
            extensions=extensions,
        )

    @contextmanager
    def _borrowed(self) -> Iterator[_Made]:
        made = self._take()
        try:
            yield made
        finally:
            self._give_back(made)

    def _take(self) -> _Made:
        """The pools for the certificates of now; those of before are closed when nobody uses them any more."""
        tls = self._tls()
        with self._making:
            if self._closed:
                raise Interrupted(GIVEN_UP)
            before = self._made
            if before is None or (before.tls is not tls and before.tls != tls):
                self._made = _Made(self._make(tls), tls)
                if before is not None:
                    self._retired.append(before)
                    self._clear()
            assert self._made is not None
            self._made.users += 1
            return self._made

    def _give_back(self, made: _Made) -> None:
        with self._making:
            made.users -= 1
            self._clear()

    def _clear(self) -> None:
        for made in [each for each in self._retired if not each.users]:
            self._retired.remove(made)
            made.transport.close()

    def _make(self, tls: Tls) -> Transport:
        return Transport(self._context(tls), self._network, self._connection.max_concurrency)

    def _context(self, tls: Tls) -> ssl.SSLContext:
        context = context_for(replace(self._connection, tls=tls))
        if not tls.verify and not self._said_unverified:
            self._said_unverified = True
            whom = "whoever answers at the address is given the password"
            text = f"TLS is not verified ({tls.unverified_by}): {whom}"
            self._report(Noticed(topic="tls-not-verified", message=text, backend=self._connection.backend))
        return context


@lru_cache(ADDRESSES_KEPT)
def _address(where: str, params: tuple[tuple[str, str], ...]) -> httpx.URL:
    return httpx.URL(where, params=dict(params)) if params else httpx.URL(where)


def context_for(connection: Connection) -> ssl.SSLContext:
    """How the backend's certificate is judged; raises TlsFailed for a ca_file that holds none."""
    backend, tls = connection.backend, connection.tls
    try:
        context = _trusting(tls)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError: a file that holds no certificate
        raise TlsFailed(
            f"the certificates in {tls.ca_file or 'the configuration'} cannot be read: {error}",
            remedy=f"mend the file, or {connection.places.authority}",
            backend=backend,
        ) from error
    context.minimum_version = OLDEST_TLS
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.identity is not None:
        _show(context, tls.identity, backend)
    return context


def _trusting(tls: Tls) -> ssl.SSLContext:
    if tls.ca_pem is not None:
        # never empty: with nothing to load, the system's authorities would be trusted instead
        return ssl.create_default_context(cadata=tls.ca_pem or "no certificate")
    return ssl.create_default_context(cafile=tls.ca_file)


def _show(context: ssl.SSLContext, identity: ClientIdentity, backend: str) -> None:
    """Load what we show. OpenSSL takes it from a file only: from one in memory, which no crash leaves on a disk."""
    with os.fdopen(os.memfd_create("replctl"), "wb") as kept:
        kept.write(identity.certificate + b"\n" + identity.key)
        kept.flush()
        try:
            # with no password given, OpenSSL would ask for one at the terminal
            context.load_cert_chain(f"/proc/self/fd/{kept.fileno()}", password="")
        except OSError:  # its text tells nothing of use, and might tell of the key
            raise TlsFailed(
                "the client certificate and its key cannot be used",
                remedy="check that both are PEM, that they belong together, and that the key has no passphrase",
                backend=backend,
            ) from None


def translate(
    error: httpx.HTTPError, request: Request, connection: Connection, course: Course
) -> ReplctlError:
    """The one place where httpx's errors become ours; by what may have happened, then by what can be done."""
    if isinstance(error, _CONNECTING) and not course.left:
        trouble = _of_connecting(error, connection)
    elif request.changes:
        trouble = OutcomeUnknown(
            f"{_lost(error, course)}: the change was sent, and whether it was carried out is not known",
            remedy=LOOK_FIRST,
        )
    else:
        trouble = _of_reading(error, connection, course)
    trouble.backend, trouble.operation = request.backend, request.operation
    return trouble


_CONNECTING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _of_connecting(error: httpx.HTTPError, connection: Connection) -> ReplctlError:
    host, place = connection.host, connection.places.address
    for cause in _causes(error):
        if isinstance(cause, ProxyFailed):
            return NeverSent(str(cause.strerror), remedy="check the proxy, and whether one is needed at all")
        if isinstance(cause, socket.gaierror):
            text = f"the name {host} cannot be resolved: {excerpt(str(cause.strerror or cause))}"
            return NameUnresolved(text, remedy=f"check {place} and the resolver of this machine")
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return tls_failure(cause, connection)
    if isinstance(error, httpx.TimeoutException):
        reason = "accepted no connection in time"
    else:
        last = next((cause for cause in _causes(error) if isinstance(cause, OSError)), None)
        reason = f"cannot be connected to: {excerpt(last.strerror or str(last) if last else str(error))}"
    return NeverSent(f"{host} {reason}", remedy=ask_again(place))


def tls_failure(error: ssl.SSLError, connection: Connection) -> TlsFailed:
    """A failed handshake in words, with what to do about it."""
    host, place, authority = connection.host, connection.places.address, connection.places.authority
    if not isinstance(error, ssl.SSLCertVerificationError):
        text = f"{host} does not speak TLS as we do: {excerpt(error.reason or str(error))}"
        return TlsFailed(text, remedy=_of_handshake(error, place))
    remedies = {
        EXPIRED_CERTIFICATE: "renew the certificate of the backend, and check the clock of this machine",
        NOT_YET_VALID: "check the clock of this machine",
        SELF_SIGNED: f"if it is the right one, name that certificate itself in {authority}",
        WEAK_KEY: "give the backend a certificate with a stronger key",
        WEAK_AUTHORITY: "give the backend a certificate of an authority with a stronger key",
        WEAK_SIGNATURE: "give the backend a certificate with a stronger signature",
        WRONG_HOST: f"use a name that the certificate bears in {place}",
        WRONG_ADDRESS: f"use a name that the certificate bears in {place}",
    }
    remedy = remedies.get(error.verify_code, f"name the authority that signed it in {authority}")
    return TlsFailed(
        f"the certificate of {host} is not trusted: {excerpt(error.verify_message)}", remedy=remedy
    )


def _of_handshake(error: ssl.SSLError, place: str) -> str:
    if error.reason in OLDER_TLS:
        return "have TLS 1.2 or newer turned on there: an older one protects no password"
    if error.reason in NO_CIPHER:
        return "have a cipher turned on there that the OpenSSL of this machine takes, or a client certificate given"
    return f"check the port in {place}: it must be the one for HTTPS"


def _of_reading(error: httpx.HTTPError, connection: Connection, course: Course) -> ReplctlError:
    text, remedy = _lost(error, course), ask_again(connection.places.address)
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(text, remedy=remedy)
    if isinstance(error, httpx.DecodingError) or _is_gibberish(error):
        return UnreadableAnswer(text, remedy=remedy)
    return ConnectionLost(text, remedy=remedy)


def _lost(error: httpx.HTTPError, course: Course) -> str:
    if isinstance(error, httpx.TimeoutException):
        return f"it did not answer within {course.elapsed_seconds:.1f} s"
    if isinstance(error, httpx.DecodingError) or _is_gibberish(error):
        return "its answer is not readable as HTTP"
    return "the connection ended " + (
        "in the middle of the answer" if course.answered else "before the answer"
    )


def _is_gibberish(error: httpx.HTTPError) -> bool:
    """Whether something was said that is not HTTP; httpcore and h11 tell an early end by their text alone."""
    words = str(error).lower()
    ended = "disconnected" in words or "closed" in words
    return isinstance(error, httpx.RemoteProtocolError) and not ended


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _answer(response: httpx.Response, content: bytes | None, course: Course) -> Answer:
    body, foreign = (None, True) if content is None else parse(content)
    return Answer(
        status=response.status_code,
        headers=response.headers,
        body=body,
        foreign=foreign,
        elapsed_seconds=course.elapsed_seconds,
        sent_at=course.sent_at,
        received_at=course.received_at,
        cookies=_cookies(response.headers.get_list("set-cookie")),
    )


def _drained(response: httpx.Response) -> bytes | None:
    """The whole body, or None when it is larger than any answer of an array."""
    content = bytearray()
    for chunk in decoding.pieces(response):
        content += chunk
        if len(content) > LARGEST_BODY_BYTES:
            return None
    return bytes(content)


def _cookies(lines: list[str]) -> Mapping[str, str]:
    """Names and values of `Set-Cookie`; where and how long they are valid is for the sign-in to know."""
    pairs = [line.split(";", 1)[0].partition("=") for line in lines]
    return {name.strip(): value.strip() for name, equals, value in pairs if equals}


def _encoded(headers: Mapping[str, str]) -> Mapping[bytes, bytes]:
    """As bytes: a cookie that came in another alphabet must not stop the request that takes it back."""
    return {name.encode(): value.encode(errors="replace") for name, value in headers.items()}


def _correlation() -> Mapping[str, str]:
    identity = current()
    if not identity:
        return {}
    printable = (character if "!" <= character <= "~" else "?" for character in identity)
    return {CORRELATION_HEADER: "".join(printable)}
