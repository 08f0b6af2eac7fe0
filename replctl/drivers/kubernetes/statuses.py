"""What an API server's errors mean: by code and reason of its `Status`, never by a message (CT §12.4, §17). Pure.

Not everything that answers is the API server, and not all that it says is a `Status`. A change is only known not to
have been carried out where a `Status` says so, or where priority and fairness turned it away; what a proxy in between
makes of it proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from replctl.core.errors import (
    AlreadyExists,
    NotFound,
    OutcomeUnknown,
    Outdated,
    Rejected,
    ReplctlError,
    UnreadableAnswer,
)
from replctl.drivers.answers import (
    FORBIDDEN,
    NOT_FOUND,
    REQUEST_TIMEOUT,
    TOO_MANY,
    UNAUTHORIZED,
    UNAVAILABLE,
    Answer,
    Dialect,
    Json,
    Message,
    Request,
    ask_again,
    busy,
    unknown,
)
from replctl.drivers.kubernetes.objects import Body, part, text

CONFLICT, GONE, INVALID = 409, 410, 422
PRIORITY_HEADERS = ("x-kubernetes-pf-flowschema-uid", "x-kubernetes-pf-prioritylevel-uid")
GOING = "NamespaceTerminating"  # the cause of a 403 that is not about rights
TOO_NEW = "ResourceVersionTooLarge"  # the cause of a 504: a version that the server has not got to
LONGEST_WAIT_SECONDS = 3600  # that a Status can ask for


class Expired(Rejected):
    """The version or the token of a list is no longer kept: begin anew from what is there now."""


class NoSuchPath(UnreadableAnswer):
    """404, and not in the words of the API: the kind is not installed, or something else answers there."""

    retryable = False
    unwell = False


class NoSuchPathForChange(OutcomeUnknown):
    """The same in answer to a change."""

    unwell = False


@dataclass(frozen=True, slots=True)
class Status:
    """An error in the words of Kubernetes. `causes` are (reason, field, message); `named` is `details.name`."""

    code: int
    reason: str
    message: str
    named: str = ""
    causes: tuple[tuple[str, str, str], ...] = ()
    retry_after_seconds: int | None = None

    @classmethod
    def of(cls, body: object) -> Status | None:
        """None for what is no `Status` of a failure."""
        said = part(body)
        if said.get("kind") != "Status" or said.get("status") == "Success":
            return None
        details = part(said, "details")
        code, listed = said.get("code"), details.get("causes")
        rows = [part(row) for row in listed] if isinstance(listed, list) else []
        return cls(
            code=code if isinstance(code, int) else 0,
            reason=text(said, "reason"),
            message=text(said, "message"),
            named=text(details, "name"),
            causes=tuple((text(row, "reason"), text(row, "field"), text(row, "message")) for row in rows),
            retry_after_seconds=_seconds(details),
        )

    @property
    def sentence(self) -> str:
        """For people: what is wrong with each field, where that is told, else the message."""
        told = [f"{field}: {message}" if field else message for _, field, message in self.causes if message]
        return "; ".join(told) or self.message

    def has_cause(self, reason: str) -> bool:
        return any(cause == reason for cause, _, _ in self.causes)


def messages(body: Json) -> Message:
    """An error body's reason and sentence, for people."""
    status = Status.of(body)
    return Message(status.reason or None, status.sentence) if status is not None else Message(None, "")


def was_turned_away(answer: Answer) -> bool:
    """Whether a 429 or 503 proves that nothing was done: a `Status` that says when to come again, or the headers of
    priority and fairness, whose body is plain text."""
    status = _status(answer)
    if answer.status in (TOO_MANY, UNAVAILABLE) and status is not None:
        return status.retry_after_seconds is not None
    return answer.status == TOO_MANY and any(name in answer.headers for name in PRIORITY_HEADERS)


def meaning(request: Request, answer: Answer, said: str) -> ReplctlError | None:
    """What Kubernetes means beyond what is common to all; `said` is the answer in words."""
    if answer.is_success or answer.is_redirect:
        return None
    status = _status(answer)
    if status is None:
        return _of_foreign(request, answer, said)
    if was_turned_away(answer):
        asked = status.retry_after_seconds or 0
        return busy(said, answer.retry_at or answer.received_at + asked)
    return _of_status(status, answer, said)


def _of_status(status: Status, answer: Answer, said: str) -> ReplctlError | None:
    code, reason = answer.status, status.reason
    if code == CONFLICT and reason == "AlreadyExists":
        return AlreadyExists(
            said, status=code, vendor_code=reason, remedy="look whether it is what was meant"
        )
    if code == CONFLICT and reason == "Conflict":
        return Outdated(said, status=code, vendor_code=reason, remedy="somebody else changed it: look again")
    if code == FORBIDDEN and status.has_cause(GOING):
        return Rejected(said, status=code, vendor_code=reason, remedy="its namespace is being deleted")
    if code == GONE:
        return Expired(said, status=code, vendor_code=reason)
    if code == NOT_FOUND:
        return NotFound(said)
    return None


def _of_foreign(request: Request, answer: Answer, said: str) -> ReplctlError | None:
    """Not in the words of the API: a proxy's page, plain text, nothing at all."""
    code = answer.status
    if code in (UNAUTHORIZED, FORBIDDEN, REQUEST_TIMEOUT, TOO_MANY) or code >= 500:
        return None
    if not request.changes:
        kind = NoSuchPath if code == NOT_FOUND else UnreadableAnswer
        return kind(f"{said}, which is not its API", remedy=ask_again(request.written_in))
    return unknown(said, kind=NoSuchPathForChange if code == NOT_FOUND else OutcomeUnknown)


def _status(answer: Answer) -> Status | None:
    return Status.of(answer.body)


def _seconds(details: Body) -> int | None:
    seconds = details.get("retryAfterSeconds")
    if isinstance(seconds, bool) or not isinstance(seconds, int) or seconds <= 0:
        return None
    return min(seconds, LONGEST_WAIT_SECONDS)


DIALECT = Dialect(messages, was_turned_away, meaning)
