"""Signing in: one session for all threads of a process, renewed once however many notice that it has ended.

How one kind of backend is signed in to is a `SignIn`, which its driver brings; when it must be done, who does it,
and when it is better left, is decided here. Sends nothing itself: `Send` is handed in.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Mapping
from typing import Protocol

from replctl.clock import Clock
from replctl.core.errors import NoCredential, ReplctlError, Unauthorized
from replctl.drivers.answers import FORBIDDEN, Answer, Json, Request
from replctl.resilience import Look, held

LOGIN_REFUSED_SECONDS = 900.0  # how long a refused password is not tried again: accounts are locked by trying
SESSION_REFUSED_SECONDS = (
    60.0  # how long a backend that takes the password but not its own session is left alone
)
REFUSALS_BELIEVED = (
    3  # refusals of new sessions, one after the other, until that is taken for the account's fault
)
FORBIDDEN_SECONDS = 300.0  # how long a 403 is believed to be about privileges, not about the session


class Send(Protocol):
    """One request with no headers but those given, for `SignIn`: the answer when it is a success, else an error.

    401 raises Unauthorized, 403 Forbidden; a redirect is no success. Nothing is retried. A success may be empty.
    `look` is how long there is for all of it.
    """

    @property
    def look(self) -> Look: ...

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

    def is_over(self) -> bool:
        """Whether the session is known to have ended, so that nothing need be sent to find out."""
        ...

    def is_expired(self, response: Answer) -> bool:
        """Whether this may be what a session that ended looks like: e.g. 401, 403, a redirect to the login."""
        ...


class Session:
    """One sign-in for all threads: numbered, so that the first who notices its end renews it for everyone."""

    def __init__(self, sign_in: SignIn, clock: Clock) -> None:
        self.sign_in = sign_in
        self.number = 0  # 0: not signed in
        self._clock = clock
        self._login = threading.Lock()
        self._learning = threading.Lock()
        self._logins = 0
        self._tries = 0
        self._failure: ReplctlError | None = None
        self._failed_by = 0.0
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
        return not (answer.status == FORBIDDEN and self._clock.monotonic() < known)

    def note_refusal(self, number: int, request: Request, answer: Answer) -> None:
        """A new session did not help. Remember it, so that logins do not pile up; raise if it was a redirect.

        A 403 is about this operation. Anything else is about the session; it is believed when it comes again
        and again, since a session can also end between the login and the replay.
        """
        if answer.status == FORBIDDEN:
            self._forbidden[request.operation] = self._clock.monotonic() + FORBIDDEN_SECONDS
            return
        text = f"signing in went well, and it answers {answer.status} all the same"
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
        with held(self._login, look, self._clock, "another thread was still signing in"):
            if self.number > number:
                return self.number
            if self._failure is not None and self._is_shared(tries, look):
                raise self._again(self._failure)
            self._sign_in(send, look)
            return self.number

    def end(self) -> bool:
        """Whether there was a session; from now on there is none."""
        number, self.number = self.number, 0
        return number > 0

    def _is_shared(self, tries: int, look: Look) -> bool:
        """Whether the last failure is ours too: still believed, or of a login that we waited for.

        Not if that login had less time than we have: it may have failed for that alone.
        """
        waited_for = self._tries != tries and self._failed_by >= look.deadline
        return waited_for or self._clock.monotonic() < self._refused_until

    def _sign_in(self, send: Send, look: Look) -> None:
        self._failure = None
        try:
            self.sign_in.login(send)
        except Unauthorized as error:
            # nobody locks an account for a login that was never tried
            asked = not isinstance(error, NoCredential)
            self._remember(error, LOGIN_REFUSED_SECONDS if asked else 0.0)
            raise
        except ReplctlError as error:
            self._remember(error, 0.0)
            raise
        finally:
            self._tries += 1
            self._failed_by = look.deadline
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
