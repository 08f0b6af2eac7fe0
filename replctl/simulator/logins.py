"""Login sessions of one array: cookies, CSRF tokens, idle time-outs, pruning (CP §2).

Decides who a request is from, and what it is answered if it is from nobody. Knows no sockets and no resources.
"""

import hmac
from base64 import b64decode
from binascii import Error as NotBase64
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from replctl.simulator.assumptions import Assumptions
from replctl.simulator.chance import digest, identifier

IDLE_TIMEOUT_SECONDS = 3600.0
LOGINS_KEPT = 2000
# A rotating token is accepted for so many answers after the one that replaced it, so that parallel calls can go on.
TOKENS_ACCEPTED = 256
TOKEN_HEADER = "DELL-EMC-TOKEN"  # noqa: S105 - the name of a header
COOKIE = "auth_cookie"


@dataclass(slots=True, eq=False)
class Login:
    """One login session."""

    id: str
    cookie: str
    token_stem: str
    used_at: float
    answers: int = 0
    expired_reply: str | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """What became of a request's credentials: a login, or the status that refuses it."""

    login: Login | None = None
    status: int = 200
    is_new: bool = False
    text: str = ""


@dataclass(slots=True)
class Logins:
    """All login sessions that one array has given."""

    seed: int
    array: str
    username: str
    password: str
    assume: Assumptions
    ever: int = 0
    _open: OrderedDict[str, Login] = field(default_factory=OrderedDict)
    _gone: OrderedDict[str, Login] = field(default_factory=OrderedDict)

    def admit(self, method: str, path: str, headers: Mapping[str, str], now: float) -> Admission:
        """Judge the credentials of a request."""
        basic = headers.get("authorization")
        cookie = _read_cookie(headers.get("cookie", ""))
        login = self._open.get(cookie) if cookie else None
        if login is not None and self._is_idle(login, now):
            self._expire(login, None)
            login = None
        if login is not None:
            return self._admit_login(login, method, headers, now)
        if basic is not None:
            return self._admit_basic(basic, method, headers, now)
        gone = self._gone.get(cookie) if cookie else None
        return self._refuse_expired(gone)

    def expire_all(self, reply: str | None) -> None:
        """Every login session is invalid from now on; `reply` says what its next use is answered."""
        for login in list(self._open.values()):
            self._expire(login, reply)

    def close(self, login: Login) -> None:
        """Log out."""
        self._open.pop(login.cookie, None)

    def open_count(self, now: float) -> int:
        """How many login sessions are open now."""
        return sum(not self._is_idle(login, now) for login in self._open.values())

    def token(self, login: Login) -> str:
        """The token to hand out with an answer."""
        if self.assume["token_rotation"] == "rotating":  # noqa: S105 - not a secret
            login.answers += 1
        return f"{login.token_stem}{login.answers:x}"

    def idle_timeout(self, login: Login, now: float) -> int:
        """What the login resource tells as idle_timeout."""
        if self.assume["idle_timeout_meaning"] == "period":
            return int(IDLE_TIMEOUT_SECONDS)
        return int(IDLE_TIMEOUT_SECONDS - (now - login.used_at))

    def _is_idle(self, login: Login, now: float) -> bool:
        return now - login.used_at > IDLE_TIMEOUT_SECONDS

    def _admit_login(self, login: Login, method: str, headers: Mapping[str, str], now: float) -> Admission:
        if method != "GET" and not self._is_token_of(login, headers.get(TOKEN_HEADER.lower(), "")):
            return Admission(status=403, text="The CSRF token is missing or wrong.")
        login.used_at = now
        self._open.move_to_end(login.cookie)
        return Admission(login)

    def _is_token_of(self, login: Login, token: str) -> bool:
        number = token[len(login.token_stem) :]
        if not token.startswith(login.token_stem) or not number:
            return False
        try:
            age = login.answers - int(number, 16)
        except ValueError:
            return False
        return 0 <= age <= TOKENS_ACCEPTED

    def _admit_basic(self, basic: str, method: str, headers: Mapping[str, str], now: float) -> Admission:
        if not self._is_right(basic):
            return Admission(status=401, text="Wrong user name or password.")
        if method != "GET" and not self._accepts_bare_change():
            return Admission(status=403, text="A change needs the CSRF token.")
        return Admission(self._log_in(now), is_new=True)

    def _accepts_bare_change(self) -> bool:
        return self.assume["basic_change_without_token"] != "refuse"  # noqa: S105 - not a secret

    def _is_right(self, basic: str) -> bool:
        scheme, _, encoded = basic.partition(" ")
        try:
            given = b64decode(encoded.strip(), validate=True)
        except NotBase64:
            return False
        wanted = f"{self.username}:{self.password}".encode()
        return scheme.lower() == "basic" and hmac.compare_digest(given, wanted)

    def _log_in(self, now: float) -> Login:
        self.ever += 1
        key = identifier(self.seed, self.array, "login", self.ever)
        stem = digest(self.seed, self.array, "token", self.ever) + "-"
        login = Login(key, digest(self.seed, self.array, "cookie", self.ever), stem, now)
        self._open[login.cookie] = login
        if len(self._open) > LOGINS_KEPT:
            self._expire(next(iter(self._open.values())), None)
        return login

    def _expire(self, login: Login, reply: str | None) -> None:
        self._open.pop(login.cookie, None)
        login.expired_reply = reply
        self._gone[login.cookie] = login
        if len(self._gone) > LOGINS_KEPT:
            self._gone.popitem(last=False)

    def _refuse_expired(self, login: Login | None) -> Admission:
        if login is None:
            return Admission(status=401, text="Not logged in.")
        return Admission(
            status=int(login.expired_reply or self.assume["expired_session_reply"]),
            text="The session has expired.",
        )


def _read_cookie(header: str) -> str | None:
    if header.startswith(COOKIE + "=") and ";" not in header:
        return header[len(COOKIE) + 1 :]
    for part in header.split(";"):
        name, _, value = part.strip().partition("=")
        if name == COOKIE:
            return value
    return None
