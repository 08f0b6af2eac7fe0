"""One HTTP client for each backend, for all its threads: session, slots, breaker and retries around the wire.

A request is built and sent by `drivers.wire`, interpreted by `drivers.answers`, and carried by a session
(`drivers.session`); retries and breakers are `resilience`'s. Vendors' resources, and what a success means, are left
to the drivers, which need nothing but this module.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TypeVar

from replctl.clock import Clock
from replctl.core.errors import BackendUnwell, NeverSent, NotFound, Rejected, ReplctlError, UnreadableAnswer
from replctl.core.events import CallEnded, Report
from replctl.core.retry import CHANGE, READ, RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.answers import Answer, Dialect, Json, Message, Request, ask_again, interpret, messages_of
from replctl.drivers.session import Send, Session, SignIn
from replctl.drivers.streaming import Stream
from replctl.drivers.wire import Connection, TimeoutSettings, Tls, TlsSettings, Wire
from replctl.resilience import BreakerBoard, Budget, Look, Slots, call

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
    "Stream",
    "TimeoutSettings",
    "Tls",
    "TlsSettings",
    "messages_of",
]

T = TypeVar("T")

LOGOUT_SECONDS = 1.0


class BackendClient:
    """One backend over HTTPS, for all threads. Nothing is opened, read or resolved before the first request.

    Raises core.errors: reads NeverSent, BackendUnwell, Busy, Unauthorized, NotFound, Rejected; changes NeverSent,
    Unauthorized, NotFound, Rejected, OutcomeUnknown, and Busy where the dialect knows that nothing was done;
    BreakerOpen and Interrupted both. `redact` takes known secrets out of what the backend says. `tls` tells how
    things stand with certificates, where they are renewed while we run.
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
        tls: Callable[[], Tls] | None = None,
    ) -> None:
        self.connection = connection
        self._clock = clock
        self._board = board
        self._policy = policy
        self._budget = budget
        self._report = report
        self._dialect = dialect or Dialect(messages_of)
        self._redact = redact
        self._session = Session(sign_in, clock)
        self._slots = Slots(connection.max_concurrency, clock)
        self._wire = Wire(connection, clock, report, tls)
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
            address_place=self.connection.places.address,
            operation=operation,
            method="GET",
            path=path,
            params=params,
            headers=headers,
        )
        return self._call(request, look, READ, lambda: self._attempt(request, look))

    def stream(
        self,
        path: str,
        *,
        params: Mapping[str, str | int | bool] | None = None,
        headers: Mapping[str, str] | None = None,
        operation: str,
        look: Look,
        idle_seconds: float,
    ) -> Stream:
        """GET of something that goes on, opened as a read is; the caller reads its lines and closes it.

        It takes none of the backend's connections for requests while it is open.
        """
        request = Request(
            backend=self.backend,
            address_place=self.connection.places.address,
            operation=operation,
            method="GET",
            path=path,
            params=params,
            headers=headers,
        )
        return self._call(request, look, READ, lambda: self._opened(request, look, idle_seconds))

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
            address_place=self.connection.places.address,
            operation=operation,
            method=method,
            path=path,
            changes=True,
            params=params,
            headers=headers,
            body=body,
            read_timeout_seconds=read_timeout_seconds,
        )
        return self._call(request, look, call_class, lambda: self._attempt(request, look))

    def close(self) -> None:
        """Log out, if that is quickly done, and close every connection. Never raises; more than once is fine."""
        if self._session.end() and self._answers:
            look = Look(deadline=self._clock.monotonic() + LOGOUT_SECONDS)
            with suppress(ReplctlError):
                self._session.sign_in.logout(self._sender("logout", look))
        self._wire.close()

    def _call(self, request: Request, look: Look, call_class: str, attempt: Callable[[], T]) -> T:
        began, result = self._clock.monotonic(), "internal"
        try:
            answer = call(
                attempt,
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
        """One attempt."""
        with self._placed(request) as heard:
            answer = self._signed_in(request, look, self._wire.send)
            heard.append(answer)
            return interpret(request, answer, self._dialect, self._redact)

    def _opened(self, request: Request, look: Look, idle_seconds: float) -> Stream:
        """One attempt at an answer that goes on."""
        opened: list[Stream] = []

        def send(request: Request, headers: Mapping[str, str], look: Look) -> Answer:
            answer, stream = self._wire.open(request, headers, look, idle_seconds)
            opened.extend([stream] if stream is not None else [])
            return answer

        with self._placed(request) as heard:
            answer = self._signed_in(request, look, send)
            heard.append(answer)
            if not opened:  # what was not opened is an error
                interpret(request, answer, self._dialect, self._redact)
            return opened[0]

    @contextmanager
    def _placed(self, request: Request) -> Iterator[list[Answer]]:
        """An error names backend and operation; whether it answers at all is remembered. What was heard is put in."""
        heard: list[Answer] = []
        try:
            yield heard
            self._answers = True
        except ReplctlError as error:
            self._answers = bool(heard) or not error.unwell  # a 500 is an answer too: it can be signed out of
            error.backend = error.backend or self.backend
            error.operation = error.operation or request.operation
            raise

    def _signed_in(
        self, request: Request, look: Look, send: Callable[[Request, Mapping[str, str], Look], Answer]
    ) -> Answer:
        """In a slot and within the session; when that turns out to have ended, once more within a new one.

        A 401, a 403 or a redirect to the login says that a change was not carried out: it may be replayed.
        """
        with self._slots.taken(look):
            number, proven = self._ready(request, look)
            answer = send(request, self._session.headers(request.method), look)
            if not proven and self._session.may_be_over(request, answer):
                number, proven = self._renew(number, request, look), True
                answer = send(request, self._session.headers(request.method), look)
            if not self._session.sign_in.is_expired(answer):
                self._session.learn(number, answer)
            elif proven:
                self._session.note_refusal(number, request, answer)
            return answer

    def _ready(self, request: Request, look: Look) -> tuple[int, bool]:
        """The session's number, and whether it was made just now, so that another one would be no better."""
        number = self._session.number
        if number and not self._session.sign_in.is_over():
            return number, False
        return self._renew(number, request, look), True

    def _renew(self, number: int, request: Request, look: Look) -> int:
        """A new session, made by us or by another thread; for a change its failure means that nothing was sent."""
        try:
            return self._session.renew(number, self._sender("login", look), look)
        except (BackendUnwell, NotFound, Rejected) as error:
            if isinstance(error, BackendUnwell) and not request.changes:
                raise
            # what was not found is the way to sign in: the thing that was asked for may well be there
            kind = NeverSent if request.changes else UnreadableAnswer
            text = f"signing in failed: {error.message}"
            raise kind(
                text, operation=error.operation, remedy=ask_again(self.connection.places.address)
            ) from error

    def _sender(self, operation: str, look: Look) -> Send:
        """`Send` for the session: read as a read is, whatever its method, because a login may be repeated."""

        def exchange(request: Request) -> Answer:
            answer = self._wire.send(request, {}, look)
            if answer.is_success and answer.body is None and not answer.foreign:
                return answer
            return interpret(request, answer, self._dialect, self._redact)

        return _Sender(self.connection, operation, look, exchange)


@dataclass(frozen=True, slots=True)
class _Sender:
    """Fits `drivers.session.Send`."""

    connection: Connection
    operation: str
    look: Look
    exchange: Callable[[Request], Answer]

    def __call__(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        request = Request(
            backend=self.connection.backend,
            address_place=self.connection.places.address,
            operation=self.operation,
            method=method,
            path=path,
            headers=headers,
            body=body,
        )
        return self.exchange(request)
