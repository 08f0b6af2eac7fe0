"""One HTTP client for each backend: TLS, signing in, deadlines, slots, and httpx's failures in our words.

A request is built, sent and interpreted by three functions, of which only the middle one does I/O; around them
stand the session (`SignIn`, one login however many threads notice), the breaker and the retries (`resilience`).
Vendors' resources, and what a success means, are left to the drivers.

A change is sent on a connection of its own. On a kept one it could meet a server that is just closing it, and
nobody could tell whether it had been read; a handshake is a small price for that doubt. Only what provably never
left may be sent again: the error is one of connecting *and* no byte of the request had been handed to the socket.
"""

from __future__ import annotations

import copy
import http.cookiejar
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from replctl.clock import Clock
from replctl.core.errors import (
    BackendUnwell,
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
    Unauthorized,
    UnreadableAnswer,
    excerpt,
)
from replctl.core.events import CallEnded, Noticed, Report
from replctl.core.retry import CHANGE, READ, RetryPolicy
from replctl.core.secrets import Secret
from replctl.correlation import current
from replctl.drivers.answers import (
    LARGEST_BODY_BYTES,
    Answer,
    Dialect,
    Json,
    Message,
    Request,
    interpret,
    messages_of,
    parse,
)
from replctl.drivers.network import FRESH, Network, Transport
from replctl.resilience import BreakerBoard, Budget, Look, NotAsked, Slots, call

__all__ = [
    "Answer",
    "BackendClient",
    "Connection",
    "Dialect",
    "Json",
    "Message",
    "Secret",
    "Send",
    "SignIn",
    "Tls",
    "messages_of",
]

CORRELATION_HEADER = "X-Correlation-ID"
LOGOUT_SECONDS = 1.0
LOGIN_REFUSED_SECONDS = 900.0  # how long a refused password is not tried again: accounts are locked by trying
SESSION_REFUSED_SECONDS = (
    60.0  # how long a backend that takes the password but not its own session is left alone
)
REFUSALS_BELIEVED = (
    3  # refusals of new sessions, one after the other, until that is taken for the account's fault
)
FORBIDDEN_SECONDS = 300.0  # how long a 403 is believed to be about privileges, not about the session

EXPIRED_CERTIFICATE, NOT_YET_VALID, WRONG_HOST, WRONG_ADDRESS = 10, 9, 62, 64  # OpenSSL's X509_V_ERR_*


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How the backend proves who it is. `ca_file` alone is trusted when given; else the system's authorities."""

    ca_file: Path | None = None
    verify: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a backend is and how patient to be with it. `url` is `https://host[:port]`; raises InvalidInput.

    `base_path` stands before the path of every request, e.g. `/api/rest`.
    """

    backend: str
    url: str
    base_path: str = ""
    tls: Tls = field(default_factory=Tls)
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
    def origin(self) -> str:
        return self.url.rstrip("/")

    @property
    def host(self) -> str:
        return httpx.URL(self.url).host


class Send(Protocol):
    """One request with no headers but those given, for `SignIn`: the answer when it is a success, else an error.

    401 raises Unauthorized, 403 Forbidden; a redirect is no success. Nothing is retried. A success may be empty.
    """

    def __call__(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer: ...


class SignIn(Protocol):
    """How one kind of backend is signed in to. It keeps what the session is made of, and does no I/O but `send`.

    `login` is never run twice at once; it replaces what it knows in one assignment, because `headers` may be
    asked meanwhile. `learn` sees the answers of the present session only, one at a time.
    """

    def login(self, send: Send) -> None:
        """Start a session; raises Unauthorized when the backend does not know us."""
        ...

    def headers(self, method: str) -> Mapping[str, str]: ...
    def learn(self, response: Answer) -> None: ...
    def logout(self, send: Send) -> None: ...

    def is_expired(self, response: Answer) -> bool:
        """Whether this may be what a session that ended looks like: e.g. 401, 403, a redirect to the login."""
        ...


class BackendClient:
    """One backend over HTTPS, for all threads. Nothing is opened, read or resolved before the first request.

    Raises core.errors: reads NeverSent, BackendUnwell, Busy, Unauthorized, NotFound, Rejected; changes NeverSent,
    Unauthorized, NotFound, Rejected, OutcomeUnknown, and Busy where the dialect knows that nothing was done;
    BreakerOpen and Interrupted both. `redact` takes known secrets out of what the backend says.
    """

    def __init__(
        self,
        connection: Connection,
        sign_in: SignIn,
        *,
        clock: Clock,
        board: BreakerBoard,
        policy: RetryPolicy,
        budget: Budget,
        report: Report,
        dialect: Dialect | None = None,
        redact: Callable[[str], str] = str,
    ) -> None:
        self.connection = connection
        self._clock = clock
        self._board = board
        self._policy = policy
        self._budget = budget
        self._report = report
        self._dialect = dialect or Dialect(messages_of)
        self._redact = redact
        self._session = _Session(sign_in, connection.backend, clock)
        self._slots = Slots(connection.max_concurrency, clock)
        self._wire = _Wire(connection, clock, report)
        self._answers = True

    @property
    def backend(self) -> str:
        return self.connection.backend

    def read(
        self,
        path: str,
        *,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        operation: str,
        look: Look,
    ) -> Answer:
        """GET, tried again as the look allows. The answer is a success with a JSON body (204: without one)."""
        request = Request(
            backend=self.backend,
            operation=operation,
            method="GET",
            path=path,
            params=params,
            headers=headers,
        )
        return self._call(request, look, READ)

    def change(
        self,
        method: str,
        path: str,
        *,
        body: Json = None,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        operation: str,
        look: Look,
        call_class: str = CHANGE,
        read_timeout_seconds: float | None = None,
    ) -> Answer:
        """POST, PATCH or DELETE: sent again only when it provably never left, or was refused for the session.

        `read_timeout_seconds` is for calls that hold the connection until their work is done.
        """
        request = Request(
            backend=self.backend,
            operation=operation,
            method=method,
            path=path,
            changes=True,
            params=params,
            headers=headers,
            body=body,
            read_timeout_seconds=read_timeout_seconds,
        )
        return self._call(request, look, call_class)

    def close(self) -> None:
        """Log out, if that is quickly done, and close every connection. Never raises; more than once is fine."""
        if self._session.end() and self._answers:
            look = Look(deadline=self._clock.monotonic() + LOGOUT_SECONDS)
            with suppress(ReplctlError):
                self._session.sign_in.logout(self._sender("logout", look))
        self._wire.close()

    def _call(self, request: Request, look: Look, call_class: str) -> Answer:
        began, result = self._clock.monotonic(), "internal"
        try:
            answer = call(
                lambda: self._attempt(request, look),
                policy=self._policy,
                board=self._board,
                backend=self.backend,
                call_class=call_class,
                operation=request.operation,
                look=look,
                clock=self._clock,
                report=self._report,
                budget=self._budget,
            )
            result = "success"
            return answer
        except ReplctlError as error:
            result = error.code
            raise
        finally:
            seconds = self._clock.monotonic() - began
            self._report(
                CallEnded(backend=self.backend, operation=request.operation, result=result, seconds=seconds)
            )

    def _attempt(self, request: Request, look: Look) -> Answer:
        """One attempt, in a slot; an error names backend and operation, and remembers whether it answers."""
        try:
            with self._slots.taken(look):
                answer = self._signed_in(request, look)
            self._answers = True
            return interpret(request, answer, self._dialect, self._redact)
        except ReplctlError as error:
            self._answers = not error.unwell
            error.backend = error.backend or self.backend
            error.operation = error.operation or request.operation
            raise

    def _signed_in(self, request: Request, look: Look) -> Answer:
        """Within the session; when that turns out to have ended, once more within a new one.

        A 401, a 403 or a redirect to the login says that a change was not carried out: it may be replayed.
        """
        number, proven = self._ready(request, look)
        answer = self._wire.send(request, self._session.headers(request.method), look)
        if not proven and self._session.may_be_over(request, answer):
            number, proven = self._renew(number, request, look), True
            answer = self._wire.send(request, self._session.headers(request.method), look)
        if not self._session.sign_in.is_expired(answer):
            self._session.learn(number, answer)
        elif proven:
            self._session.note_refusal(number, request, answer)
        return answer

    def _ready(self, request: Request, look: Look) -> tuple[int, bool]:
        """The session's number, and whether it was made just now, so that another one would be no better."""
        number = self._session.number
        return (number, False) if number else (self._renew(0, request, look), True)

    def _renew(self, number: int, request: Request, look: Look) -> int:
        """A new session, made by us or by another thread; for a change its failure means that nothing was sent."""
        try:
            return self._session.renew(number, self._sender("login", look), look)
        except BackendUnwell as error:
            if not request.changes:
                raise
            raise NeverSent(f"signing in failed: {error.message}", operation=error.operation) from error

    def _sender(self, operation: str, look: Look) -> Send:
        """`Send` for the session: read as a read is, whatever its method, because a login may be repeated."""

        def send(
            method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Json = None
        ) -> Answer:
            request = Request(
                backend=self.backend,
                operation=operation,
                method=method,
                path=path,
                headers=headers,
                body=body,
            )
            answer = self._wire.send(request, {}, look)
            if answer.is_success and answer.body is None and not answer.foreign:
                return answer
            return interpret(request, answer, self._dialect, self._redact)

        return send


class _Session:
    """One sign-in for all threads: numbered, so that the first who notices its end renews it for everyone."""

    def __init__(self, sign_in: SignIn, backend: str, clock: Clock) -> None:
        self.sign_in = sign_in
        self.number = 0  # 0: not signed in
        self._backend = backend
        self._clock = clock
        self._login = threading.Lock()
        self._learning = threading.Lock()
        self._logins = 0
        self._tries = 0
        self._failure: ReplctlError | None = None
        self._refused_until = 0.0
        self._refusals = 0
        self._forbidden: dict[str, float] = {}

    def headers(self, method: str) -> Mapping[str, str]:
        return self.sign_in.headers(method)

    def learn(self, number: int, answer: Answer) -> None:
        """What an answer hands out, unless it came from a session that was renewed meanwhile."""
        with self._learning:
            if number == self.number:
                self._refusals = 0
                self.sign_in.learn(answer)

    def may_be_over(self, request: Request, answer: Answer) -> bool:
        """Whether a new session may help; not where a 403 has lately outlived one."""
        if not self.sign_in.is_expired(answer):
            return False
        known = self._forbidden.get(request.operation, 0.0)
        return not (answer.status == httpx.codes.FORBIDDEN and self._clock.monotonic() < known)

    def note_refusal(self, number: int, request: Request, answer: Answer) -> None:
        """A new session did not help. Remember it, so that logins do not pile up; raise if it was a redirect.

        A 403 is about this operation. Anything else is about the session; it is believed when it comes again
        and again, since a session can also end between the login and the replay.
        """
        if answer.status == httpx.codes.FORBIDDEN:
            self._forbidden[request.operation] = self._clock.monotonic() + FORBIDDEN_SECONDS
            return
        text = f"it took the password, but answers {answer.status} to the session that it gave"
        error = Unauthorized(text, remedy="check the account on the backend", operation=request.operation)
        with self._learning:
            self._refusals += 1
            if number == self.number and self._refusals >= REFUSALS_BELIEVED:
                self._remember(error, SESSION_REFUSED_SECONDS)
        if answer.is_redirect:
            raise error

    def renew(self, number: int, send: Send, look: Look) -> int:
        """The number of a session newer than `number`; raises what the login raised.

        One thread signs in; the others wait and share what came of it, also a failure.
        """
        tries = self._tries
        with self._turn(look):
            if self.number > number:
                return self.number
            is_fresh = self._tries != tries or self._clock.monotonic() < self._refused_until
            if self._failure is not None and is_fresh:
                raise self._again(self._failure)
            self._sign_in(send)
            return self.number

    def end(self) -> bool:
        """Whether there was a session; from now on there is none."""
        number, self.number = self.number, 0
        return number > 0

    def _sign_in(self, send: Send) -> None:
        self._failure = None
        try:
            self.sign_in.login(send)
        except Unauthorized as error:
            self._remember(error, LOGIN_REFUSED_SECONDS)
            raise
        except ReplctlError as error:
            self._remember(error, 0.0)
            raise
        finally:
            self._tries += 1
        self._logins += 1
        self.number = self._logins

    def _remember(self, error: ReplctlError, seconds: float) -> None:
        self._failure = error
        self._refused_until = self._clock.monotonic() + seconds

    def _again(self, failure: ReplctlError) -> ReplctlError:
        """The remembered failure for one more thread: a copy, because each gets a traceback of its own."""
        again = copy.copy(failure)
        again.__cause__ = failure.__cause__
        if (left := self._refused_until - self._clock.monotonic()) > 0:
            again.retry_at = self._clock.now() + left
        return again

    @contextmanager
    def _turn(self, look: Look) -> Iterator[None]:
        if not self._login.acquire(timeout=look.remaining(self._clock)):
            raise NotAsked("another thread was still signing in at the deadline", backend=self._backend)
        try:
            yield
        finally:
            self._login.release()


class _Course:
    """What httpcore tells while one request is under way: whether it left, and on what kind of connection."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
            self.answered = True
            self.received_at = self._clock.now()

    @property
    def elapsed_seconds(self) -> float:
        return self._clock.monotonic() - self.began

    def met_a_closed_connection(self, error: httpx.HTTPError) -> bool:
        """A kept connection ended before a byte of the answer: the server had closed it while it was idle."""
        closed = isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
        return closed and self.reused and self.left and not self.answered


class _Wire:
    """The httpx client, made when it is first needed; sends one request and gives back whatever answer comes."""

    def __init__(self, connection: Connection, clock: Clock, report: Report) -> None:
        self._connection = connection
        self._clock = clock
        self._report = report
        self._network = Network(clock)
        self._making = threading.Lock()
        self._made: httpx.Client | None = None
        self._closed = False

    def send(self, request: Request, sign_in: Mapping[str, str], look: Look) -> Answer:
        """Raises core.errors for what httpx and the sockets raise; an answer of any status is handed back.

        A read that met a kept connection which the server had closed is sent again at once, on a fresh one.
        """
        if self._closed:
            raise Interrupted("the connection to it was given up meanwhile")
        if not look.remaining(self._clock):
            raise NotAsked("the deadline passed before it was asked")
        fresh = request.changes
        while True:
            course = _Course(self._clock)
            try:
                return self._exchange(request, sign_in, look, course, fresh=fresh)
            except httpx.HTTPError as error:
                if not fresh and course.met_a_closed_connection(error):
                    fresh = True
                    continue
                raise translate(error, request, self._connection, course) from error

    def close(self) -> None:
        with self._making:
            self._closed = True
            if self._made is not None:
                self._made.close()

    def _exchange(
        self, request: Request, sign_in: Mapping[str, str], look: Look, course: _Course, *, fresh: bool
    ) -> Answer:
        client = self._client()
        message = self._build(client, request, sign_in)
        message.extensions = {**message.extensions, "trace": course, FRESH: fresh}
        with self._network.until(look.deadline):
            response = client.send(message, auth=None, stream=True)
            try:
                content = _drained(response)
            finally:
                response.close()
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

    def _build(self, client: httpx.Client, request: Request, sign_in: Mapping[str, str]) -> httpx.Request:
        if not request.path.startswith("/"):
            raise ValueError(f"{request.path!r} is not a path on the backend")
        read = request.read_timeout_seconds or self._connection.read_timeout_seconds
        return client.build_request(
            request.method,
            self._connection.origin + self._connection.base_path + request.path,
            params=request.params,
            json=request.body,
            headers=_encoded({**_correlation(), **sign_in, **(request.headers or {})}),
            timeout=httpx.Timeout(read, connect=self._connection.connect_timeout_seconds),
        )

    def _client(self) -> httpx.Client:
        if self._made is None:
            with self._making:
                if self._made is None:
                    self._made = self._make()
        return self._made

    def _make(self) -> httpx.Client:
        """No redirects, no proxies, no netrc, and no cookie jar: the session keeps its cookies itself."""
        transport = Transport(self._context(), self._network, self._connection.max_concurrency)
        no_cookies = http.cookiejar.DefaultCookiePolicy(allowed_domains=[])
        return httpx.Client(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            cookies=http.cookiejar.CookieJar(no_cookies),
            headers={"Accept": "application/json", "User-Agent": "replctl"},
        )

    def _context(self) -> ssl.SSLContext:
        backend, tls = self._connection.backend, self._connection.tls
        try:
            context = ssl.create_default_context(cafile=tls.ca_file)
        except OSError as error:  # ssl.SSLError is one too: a file that holds no certificate
            raise TlsFailed(
                f"the certificates in {tls.ca_file} cannot be read: {error}",
                remedy=f"mend the file, or backends.{backend}.tls.ca_file",
                backend=backend,
            ) from error
        if not tls.verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            text = "TLS is not verified (tls.verify: false): whoever answers at the address is given the password"
            self._report(Noticed(topic="tls-not-verified", message=text, backend=backend))
        return context


def translate(
    error: httpx.HTTPError, request: Request, connection: Connection, course: _Course
) -> ReplctlError:
    """The one place where httpx's errors become ours; by what may have happened, then by what can be done."""
    if isinstance(error, _CONNECTING) and not course.left:
        trouble = _of_connecting(error, connection)
    elif request.changes:
        trouble = OutcomeUnknown(
            f"{_lost(error, course)}: the change was sent, and whether it was carried out is not known",
            remedy="look before it is repeated: replctl status",
        )
    else:
        trouble = _of_reading(error, course)
    trouble.backend, trouble.operation = request.backend, request.operation
    return trouble


_CONNECTING = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _of_connecting(error: httpx.HTTPError, connection: Connection) -> ReplctlError:
    host, place = connection.host, f"backends.{connection.backend}"
    for cause in _causes(error):
        if isinstance(cause, socket.gaierror):
            text = f"the name {host} cannot be resolved: {excerpt(str(cause.strerror or cause))}"
            return NameUnresolved(text, remedy=f"check {place}.url and the resolver of this machine")
        if isinstance(cause, ssl.SSLError) and not isinstance(
            cause, ssl.SSLEOFError | ssl.SSLZeroReturnError
        ):
            return _of_tls(cause, connection)
    if isinstance(error, httpx.TimeoutException):
        reason = "accepted no connection in time"
    else:
        last = next((cause for cause in _causes(error) if isinstance(cause, OSError)), None)
        reason = f"cannot be connected to: {excerpt(last.strerror or str(last) if last else str(error))}"
    return NeverSent(f"{host} {reason}", remedy=f"check {place}.url and the way to it")


def _of_tls(error: ssl.SSLError, connection: Connection) -> TlsFailed:
    host, place = connection.host, f"backends.{connection.backend}"
    if not isinstance(error, ssl.SSLCertVerificationError):
        text = f"{host} does not speak TLS as we do: {excerpt(error.reason or str(error))}"
        return TlsFailed(text, remedy=f"check the port in {place}.url: it must be the one for HTTPS")
    remedies = {
        EXPIRED_CERTIFICATE: "renew the certificate of the backend, and check the clock of this machine",
        NOT_YET_VALID: "check the clock of this machine",
        WRONG_HOST: f"use a name that the certificate bears in {place}.url",
        WRONG_ADDRESS: f"use a name that the certificate bears in {place}.url",
    }
    remedy = remedies.get(error.verify_code, f"name the authority that signed it in {place}.tls.ca_file")
    return TlsFailed(
        f"the certificate of {host} is not trusted: {excerpt(error.verify_message)}", remedy=remedy
    )


def _of_reading(error: httpx.HTTPError, course: _Course) -> ReplctlError:
    if isinstance(error, httpx.TimeoutException):
        return TimedOut(_lost(error, course))
    if isinstance(error, httpx.DecodingError) or _is_gibberish(error):
        return UnreadableAnswer(_lost(error, course), remedy="check the address of the backend")
    return ConnectionLost(_lost(error, course))


def _lost(error: httpx.HTTPError, course: _Course) -> str:
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


def _drained(response: httpx.Response) -> bytes | None:
    """The whole body, or None when it is larger than any answer of an array."""
    content = bytearray()
    for chunk in response.iter_bytes():
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
