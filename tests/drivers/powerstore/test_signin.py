"""Signing in as values: what is sent, what is kept, what counts as expired (CP §2)."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import pytest

from replctl.core.errors import Unauthorized
from replctl.core.secrets import Secret
from replctl.drivers.http import Answer, Json
from replctl.drivers.powerstore.signin import TOKEN_HEADER, PowerStoreSignIn


def answer(status: int = 200, token: str | None = None, **cookies: str) -> Answer:
    headers = {TOKEN_HEADER: token} if token else {}
    return Answer(
        status=status,
        headers=headers,
        body=[],
        elapsed_seconds=0.0,
        sent_at=0.0,
        received_at=0.0,
        cookies=cookies,
    )


class Array:
    """Answers with what it was given, and keeps what was asked."""

    def __init__(self, *answers: Answer) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def __call__(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: Json = None
    ) -> Answer:
        self.asked.append((method, path, dict(headers or {})))
        return self.answers.pop(0)


def sign_in() -> PowerStoreSignIn:
    return PowerStoreSignIn("dr-operator", lambda: Secret("pä:ss"))


def test_basic_once_then_the_cookie_and_the_token_with_changes() -> None:
    array, signed = Array(answer(token="t1", auth_cookie="c1")), sign_in()
    assert signed.headers("GET") == {}
    signed.login(array)
    ((method, path, headers),) = array.asked
    assert (method, path) == ("GET", "/login_session")
    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "dr-operator:pä:ss"
    assert signed.headers("GET") == {"Cookie": "auth_cookie=c1"}
    for change in ("POST", "PATCH", "DELETE"):
        assert signed.headers(change) == {"Cookie": "auth_cookie=c1", TOKEN_HEADER: "t1"}


def test_any_answer_may_hand_out_a_token_or_a_cookie() -> None:
    signed = sign_in()
    signed.login(Array(answer(token="t1", auth_cookie="c1")))
    signed.learn(answer(token="t2"))
    assert signed.headers("POST")[TOKEN_HEADER] == "t2"
    signed.learn(answer())
    assert signed.headers("POST")[TOKEN_HEADER] == "t2"
    signed.learn(answer(auth_cookie="c2", other="o"))
    assert signed.headers("POST") == {"Cookie": "auth_cookie=c2; other=o", TOKEN_HEADER: "t2"}


def test_a_login_forgets_the_session_before() -> None:
    signed = sign_in()
    signed.login(Array(answer(token="t1", auth_cookie="c1")))
    with pytest.raises(Unauthorized, match="no session cookie"):
        signed.login(Array(answer(token="t2")))
    assert signed.headers("POST") == {}


def test_logging_out_is_a_change_and_the_end() -> None:
    signed, array = sign_in(), Array(answer(token="t1", auth_cookie="c1"), answer(204))
    signed.login(array)
    signed.logout(array)
    assert array.asked[1] == ("POST", "/logout", {"Cookie": "auth_cookie=c1", TOKEN_HEADER: "t1"})
    assert signed.headers("GET") == {}


@pytest.mark.parametrize(
    ("status", "expired"),
    [
        (401, True),
        (403, True),
        (302, True),
        (307, True),
        (200, False),
        (404, False),
        (422, False),
        (503, False),
    ],
)
def test_what_an_ended_session_looks_like(status: int, expired: bool) -> None:
    assert sign_in().is_expired(answer(status)) is expired


def test_nothing_of_it_prints() -> None:
    signed = sign_in()
    signed.login(Array(answer(token="t0ken", auth_cookie="c00kie")))
    shown = repr(signed) + repr(vars(signed)) + str(signed)
    for secret in ("pä:ss", "t0ken", "c00kie"):
        assert secret not in shown


def test_the_password_is_read_at_each_login() -> None:
    passwords = iter(["old", "new"])
    signed = PowerStoreSignIn("u", lambda: Secret(next(passwords)))
    array = Array(answer(auth_cookie="1"), answer(auth_cookie="2"))
    signed.login(array)
    signed.login(array)
    sent = [base64.b64decode(headers["Authorization"].split()[1]).decode() for _, _, headers in array.asked]
    assert sent == ["u:old", "u:new"]


def test_what_a_session_is_made_of_is_kept_out_of_what_is_shown() -> None:
    concealed: list[str] = []
    sign_in = PowerStoreSignIn(
        "replctl", lambda: Secret("x"), lambda secret: concealed.append(secret.reveal())
    )
    sign_in.login(Array(answer(token="t1", auth_cookie="c1")))
    sign_in.learn(answer(token="t2"))
    sign_in.learn(answer(more="c2"))
    assert concealed == ["c1", "t1", "c1", "t2", "c1", "c2", "t2"]
