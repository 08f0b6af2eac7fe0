"""What came back, and what it means: an HTTP answer as a value, and its reading as success or as one of our errors.

Pure, and shared by all backends. A read that fails may be asked again; a change is only ever known to have been
refused, or not known at all (design §5, R27). What the body of a success says is left to the driver.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple, NoReturn, TypeAlias

from replctl.core.durations import format_time
from replctl.core.errors import (
    BackendUnwell,
    Busy,
    Forbidden,
    NotFound,
    OutcomeUnknown,
    Rejected,
    ReplctlError,
    TimedOut,
    Unauthorized,
    UnreadableAnswer,
    excerpt,
)
from replctl.core.values import dataclass

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

LARGEST_BODY_BYTES = 32 * 1024 * 1024
LONGEST_CODE_CHARACTERS = 40
LONGEST_WAIT_SECONDS = 10 * 365 * 86400.0  # what a `Retry-After` can mean at most: never

LOOK_FIRST = "look before it is repeated: replctl status"

NO_CONTENT = 204
UNAUTHORIZED, FORBIDDEN, NOT_FOUND, REQUEST_TIMEOUT, TOO_MANY = 401, 403, 404, 408, 429
UNAVAILABLE = 503
_HALF_LETTER = re.compile(rb"\\u[dD][89a-fA-F]")  # of a pair; alone it is no text that could be sent or kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One HTTP answer. `body` is its JSON value; None when there is none, or when it is `foreign`.

    `sent_at` and `received_at` are our wall clock when the request's head left and the answer's head was there;
    `elapsed_seconds` is the whole exchange, body included. Header names are case-insensitive. What may hold a
    session is not printed.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: Json
    elapsed_seconds: float
    sent_at: float
    received_at: float
    foreign: bool = False
    cookies: Mapping[str, str] = field(repr=False)

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        return 300 <= self.status < 400

    @property
    def date_at(self) -> float | None:
        """The backend's own clock, to the second, by its `Date` header."""
        return _http_date(self.headers.get("date", ""))

    @property
    def retry_at(self) -> float | None:
        """When `Retry-After` wants us back, on our own clock."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.isdigit():
            return self.received_at + min(float(text), LONGEST_WAIT_SECONDS)
        at = _http_date(text)
        if at is None:
            return None
        theirs = self.date_at  # both dates are on their clock; what counts is what lies between them
        return at if theirs is None else self.received_at + at - theirs


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked: `operation` names it in errors and metrics; `changes` says that it must not be repeated.

    `address_place` is where the backend's address is written, if that is not our own configuration.
    """

    backend: str
    operation: str
    method: str
    path: str
    changes: bool = False
    params: Mapping[str, str | int | bool] | None = None
    headers: Mapping[str, str] | None = field(default=None, repr=False)
    body: Json = None
    read_timeout_seconds: float | None = None
    address_place: str = ""

    @property
    def written_in(self) -> str:
        return self.address_place or f"backends.{self.backend}.url"


class Message(NamedTuple):
    """What an error body says: the vendor's own code, and a text for people (not yet cut or cleaned)."""

    code: str | None
    text: str


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where vendors differ: how an error body is read, and which 429 and 503 prove that nothing was done.

    `meaning` may know an answer that is no success better than what is common to all; None leaves it to that.
    """

    messages: Callable[[Json], Message]
    never_executed: Callable[[Answer], bool] = lambda answer: False
    meaning: Callable[[Request, Answer, str], ReplctlError | None] = lambda request, answer, text: None


class _Said(NamedTuple):
    """The words of an answer that is no success, fit to be shown: secrets out, cut short, printable."""

    code: str | None
    text: str
    nature: str


class _Deferred(OutcomeUnknown):
    """A change answered by 429, or by 503 with `Retry-After`: not known to be undone, but no sign of ill health."""

    unwell = False


def parse(content: bytes) -> tuple[Json, bool]:
    """The JSON value of a body, and whether it is foreign: not JSON, cut, nested beyond reason, or with half letters.

    Of a key that stands there twice the last value counts.
    """
    if not content.strip():
        return None, False
    try:
        value: Json = json.loads(content, parse_constant=_refuse, parse_float=_finite)
        if _HALF_LETTER.search(content) is not None:
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None, True
    return value, False


def messages_of(body: Json) -> Message:
    """PowerStore's error bodies (CP §3), read defensively: `messages` may be a string that holds the JSON."""
    messages = body.get("messages") if isinstance(body, dict) else body
    if isinstance(messages, str):
        inner, foreign = parse(messages.encode(errors="replace"))
        if foreign or isinstance(inner, str):
            return Message(None, messages)
        messages = inner.get("messages", [inner]) if isinstance(inner, dict) else inner
    entries = [entry for entry in messages if isinstance(entry, dict)] if isinstance(messages, list) else []
    entries = [entry for entry in entries if entry.get("severity") == "Error"] or entries
    texts = [text for entry in entries if isinstance(text := entry.get("message_l10n"), str)]
    codes = [code for entry in entries if isinstance(code := entry.get("code"), str)]
    return Message(codes[0] if codes else None, "; ".join(texts))


def interpret(request: Request, answer: Answer, dialect: Dialect, redact: Callable[[str], str]) -> Answer:
    """The answer, when it is a success; else raises what it means for a read or for a change."""
    if answer.is_success and not answer.foreign and _is_enough(request, answer):
        return answer
    said = _said(answer, dialect, redact)
    error = dialect.meaning(request, answer, _worded(answer, said)) or _meaning(
        request, answer, said, dialect
    )
    error.backend, error.operation = request.backend, request.operation
    raise error


def _meaning(request: Request, answer: Answer, said: _Said, dialect: Dialect) -> ReplctlError:
    return _of_change(request, answer, said, dialect) if request.changes else _of_read(request, answer, said)


def ask_again(address: str) -> str:
    """The remedy for a backend that did not answer, or not well; `address` is where its address is written."""
    return f"check {address} and the way to it; --probe asks past an open circuit breaker"


def _is_enough(request: Request, answer: Answer) -> bool:
    return request.changes or answer.body is not None or answer.status == NO_CONTENT


def _of_read(request: Request, answer: Answer, said: _Said) -> ReplctlError:
    status, text = answer.status, _worded(answer, said)
    if _asks_patience(answer):
        return busy(text, answer.retry_at)
    if status == REQUEST_TIMEOUT:
        return TimedOut(text, remedy=ask_again(request.written_in))
    if status >= 500:
        return BackendUnwell(text, remedy=ask_again(request.written_in))
    if status < 400 or (status == NOT_FOUND and answer.foreign):
        # a page that says 404 is a proxy's or a wrong address's; the thing may well be there
        return UnreadableAnswer(f"{text}, which is not its API", remedy=ask_again(request.written_in))
    return _of_refusal(request, answer, said)


def _of_change(request: Request, answer: Answer, said: _Said, dialect: Dialect) -> ReplctlError:
    """Only a refusal proves that nothing was done; for everything else the array must be looked at (R27)."""
    if _asks_patience(answer):
        if dialect.never_executed(answer):
            return busy(_worded(answer, said), answer.retry_at)
        return unknown(_worded(answer, said), answer.retry_at, _Deferred)
    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:
        return _of_refusal(request, answer, said)
    return unknown(_worded(answer, said), answer.retry_at)


def _of_refusal(request: Request, answer: Answer, said: _Said) -> ReplctlError:
    text, place = _worded(answer, said), f"backends.{request.backend}"
    if answer.status == UNAUTHORIZED:
        return Unauthorized(text, remedy=f"check {place}.username and {place}.password")
    if answer.status == FORBIDDEN:
        return Forbidden(text, remedy=f"give the user in {place}.username a role that allows it")
    if answer.status == NOT_FOUND:
        return NotFound(text)
    return Rejected(text, status=answer.status, vendor_code=said.code)


def unknown(
    said: str, retry_at: float | None = None, kind: type[OutcomeUnknown] = OutcomeUnknown
) -> OutcomeUnknown:
    """A change whose fate the answer does not tell."""
    text = f"{said}: the change was sent, and whether it was carried out is not known"
    return kind(text, remedy=LOOK_FIRST, retry_at=retry_at)


def busy(text: str, at: float | None) -> Busy:
    """It asks for patience, until `at` if it says so."""
    until = f" until {format_time(math.ceil(at))}" if at is not None else ""
    return Busy(f"{text}, and asks for patience{until}", retry_at=at, remedy="try again then")


def _asks_patience(answer: Answer) -> bool:
    return answer.status == TOO_MANY or (answer.status == UNAVAILABLE and "retry-after" in answer.headers)


def _said(answer: Answer, dialect: Dialect, redact: Callable[[str], str]) -> _Said:
    nature = _nature(answer, redact)
    if answer.foreign or answer.body is None or answer.is_success:
        return _Said(None, "", nature)
    code, text = dialect.messages(answer.body)
    shown = excerpt(redact(code), LONGEST_CODE_CHARACTERS) if code else None
    return _Said(shown, excerpt(redact(text)), nature)


def _worded(answer: Answer, said: _Said) -> str:
    """E.g. `it answered 422 (0xE0201005000C): Already failed over.`"""
    code = f" ({said.code})" if said.code else ""
    text = f": {said.text}" if said.text else ""
    return f"it answered {answer.status}{code}{said.nature}{text}"


def _nature(answer: Answer, redact: Callable[[str], str]) -> str:
    if answer.is_redirect:
        return " with a redirect, which is never followed"
    if answer.foreign:
        kind = excerpt(redact(answer.headers.get("content-type", "")), LONGEST_CODE_CHARACTERS)
        return f" with {kind or 'something'} that is not JSON"
    return " without a body" if answer.is_success and answer.body is None else ""


def _http_date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    """`1e999` is JSON, and no number that could be told on in JSON."""
    number = float(text)
    return number if math.isfinite(number) else _refuse("an endless number")
