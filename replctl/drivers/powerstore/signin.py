"""Signing in to a PowerStore array: one cookie and one CSRF token, shared by all calls (CP §2).

The password is asked for at each login and kept nowhere; who logs in when, and how often, is `drivers.http`'s.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from replctl.core.errors import Unauthorized
from replctl.core.secrets import Passing, Secret
from replctl.drivers.http import Answer, Send

TOKEN_HEADER = "DELL-EMC-TOKEN"  # noqa: S105  # the name of a header, not a token
EXPIRED_STATUSES = frozenset({401, 403})  # clients report either, and a redirect too (CP §15.1)
_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, repr=False)
class _Held:
    """What the array gave us: never printed, because whoever has it is signed in."""

    cookies: Mapping[str, str]
    token: str | None


class PowerStoreSignIn:
    """Fits `drivers.http.SignIn`: Basic once, then the cookie, and the token with everything but GET."""

    def __init__(
        self,
        username: str,
        password: Callable[[], Secret],
        conceal: Callable[[Secret], None] = lambda secret: None,
    ) -> None:
        self._username = username
        self._password = password
        self._conceal = conceal
        self._held = _Held(_NONE, None)

    def login(self, send: Send) -> None:
        """Start a session; raises Unauthorized, and InvalidInput when the password cannot be read."""
        self._held = _Held(_NONE, None)
        answer = send("GET", "/login_session", headers={"Authorization": self._basic()})
        if not answer.cookies:
            raise Unauthorized(
                "the array accepted the password and gave no session cookie",
                remedy="check that nothing between here and the array takes cookies out",
            )
        self._hold(answer.cookies, answer.headers.get(TOKEN_HEADER))

    def headers(self, method: str) -> Mapping[str, str]:
        """The cookie, and for a change the token."""
        held = self._held
        if not held.cookies:
            return _NONE
        cookie = "; ".join(f"{name}={value}" for name, value in held.cookies.items())
        if method == "GET" or held.token is None:
            return {"Cookie": cookie}
        return {"Cookie": cookie, TOKEN_HEADER: held.token}

    def learn(self, response: Answer) -> None:
        """Take up a new token or cookie; arrays may hand out one with any answer."""
        held = self._held
        token = response.headers.get(TOKEN_HEADER, held.token)
        if response.cookies or token != held.token:
            self._hold({**held.cookies, **response.cookies}, token)

    def logout(self, send: Send) -> None:
        """End the session, so that it does not count among those that an array can keep."""
        send("POST", "/logout", headers=self.headers("POST"))
        self._held = _Held(_NONE, None)

    def is_over(self) -> bool:
        """Arrays do not say how long a session lasts."""
        return False

    def is_expired(self, response: Answer) -> bool:
        """Whether a session that ended may be answered so."""
        return response.status in EXPIRED_STATUSES or response.is_redirect

    def _hold(self, cookies: Mapping[str, str], token: str | None) -> None:
        """Keep them, and out of all that is shown: an error of the array may quote what was sent."""
        for value in (*cookies.values(), token or ""):
            self._conceal(Passing(value))
        self._held = _Held(cookies, token)

    def _basic(self) -> str:
        pair = f"{self._username}:{self._password().reveal()}"
        return "Basic " + base64.b64encode(pair.encode()).decode()
