"""What an API server says when it does not do what it was asked (CT §12.4, §17): Status objects, and plain text.

A refusal is raised as `Refused` wherever it is found, and becomes an answer in `api`.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from replctl.simulator.kubernetes.kinds import Kind

Object = dict[str, Any]


class Cause(NamedTuple):
    """One fault of a refused object: why, in words, and where."""

    reason: str
    message: str
    field: str


class Refused(Exception):
    """A request that is refused: HTTP code, reason, message, details; `text` is an answer that is no Status."""

    def __init__(
        self,
        code: int,
        reason: str | None,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        headers: Sequence[tuple[str, str]] = (),
        resume: str | None = None,
        text: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.details = details
        self.headers = list(headers)
        self.resume = resume
        self.text = text

    def status(self) -> Object:
        """The Status object that says it."""
        body = failure(self.code, self.reason, str(self), self.details)
        if self.resume is not None:
            body["metadata"]["continue"] = self.resume
        return body


def failure(code: int, reason: str | None, message: str, details: Mapping[str, Any] | None = None) -> Object:
    """A Status of a failure; without a reason where a real server gives none."""
    body: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
    body["message"] = message
    if reason is not None:
        body["reason"] = reason
    if details is not None:
        body["details"] = dict(details)
    body["code"] = code
    return body


def success(kind: Kind, name: str, uid: str) -> Object:
    """The Status that a deletion without finalizers is answered."""
    details = {"name": name, "kind": kind.plural, "uid": uid}
    if kind.group:
        details["group"] = kind.group
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def details_of(kind: Kind, name: str | None, *, by_kind: bool = False, **more: Any) -> Object:
    """`details`: the plural resource, or the Kind where the contract says so."""
    found: Object = {} if name is None else {"name": name}
    if kind.group:
        found["group"] = kind.group
    return {**found, "kind": kind.name if by_kind else kind.plural, **more}


def bad_request(message: str) -> Refused:
    """400: a body, query or path that cannot be understood."""
    return Refused(400, "BadRequest", message)


def unauthorized() -> Refused:
    """401: credentials that are not valid, or no longer."""
    return Refused(401, "Unauthorized", "Unauthorized")


def not_found(kind: Kind, name: str) -> Refused:
    """404 of an object, with its name."""
    text = f'{kind.resource} "{name}" not found'
    return Refused(404, "NotFound", text, details=details_of(kind, name))


def no_such_path() -> Refused:
    """404 of a path that nobody serves: plain text."""
    return Refused(404, None, "404 page not found\n", text=True)


def no_such_subresource() -> Refused:
    """404 of a subresource that is disabled: a Status without a name."""
    return Refused(404, "NotFound", "the server could not find the requested resource", details={})


def not_allowed(method: str, path: str) -> Refused:
    """405: a verb that the path does not know."""
    return Refused(405, "MethodNotAllowed", f"{method} is not possible on {path}", details={})


def not_acceptable() -> Refused:
    """406: no form of answer that the client takes."""
    return Refused(406, "NotAcceptable", "only application/json can be had")


def unsupported_media(got: str, allowed: Sequence[str]) -> Refused:
    """415: a body in a form that is not taken here."""
    text = f"the body of the request was in an unknown format - accepted media types include: {', '.join(allowed)}"
    return Refused(415, "UnsupportedMediaType", text if got else "no content type was given")


def already_exists(kind: Kind, name: str) -> Refused:
    """409 of a creation."""
    text = f'{kind.resource} "{name}" already exists'
    return Refused(409, "AlreadyExists", text, details=details_of(kind, name))


def conflict(kind: Kind, name: str, why: str) -> Refused:
    """409 of a change: somebody else was first, or it is another object."""
    text = f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}'
    return Refused(409, "Conflict", text, details=details_of(kind, name))


def invalid(kind: Kind, name: str, causes: Sequence[Cause], *, by_kind: bool = True) -> Refused:
    """422: everything that is wrong with an object, in one answer."""
    said = ", ".join(f"{cause.field}: {cause.message}" for cause in causes)
    subject = f"{kind.name}.{kind.group}" if kind.group else kind.name
    text = f'{subject} "{name}" is invalid: {said}'
    details = details_of(kind, name, by_kind=by_kind, causes=[cause._asdict() for cause in causes])
    return Refused(422, "Invalid", text, details=details)


def bad_patch() -> Refused:
    """422 of a JSON patch whose test failed or whose pointer leads nowhere: it does not say which."""
    return Refused(
        422, "Invalid", "the server rejected our request due to an error in our request", details={}
    )


def expired(message: str, resume: str | None = None) -> Refused:
    """410: a version that is no longer kept; `resume` is a token to go on with, inconsistently."""
    return Refused(410, "Expired", message, resume=resume)


def too_large() -> Refused:
    """413: a body over the limit."""
    return Refused(413, "RequestEntityTooLarge", "Request entity too large: limit is 3145728")


def timed_out(seconds: int | None = None, *causes: Cause) -> Refused:
    """504: nobody knows what became of it."""
    details: Object = {"causes": [cause._asdict() for cause in causes]} if causes else {}
    if seconds is not None:
        details["retryAfterSeconds"] = seconds
    text = "Timeout: request did not complete within the allotted timeout"
    return Refused(504, "Timeout", text, details=details)


def internal(message: str) -> Refused:
    """500 as a real server gives it for an object that it cannot store: without a reason."""
    return Refused(500, None, message)


def overloaded() -> Refused:
    """429 of priority and fairness: plain text."""
    headers = [
        ("Retry-After", "1"),
        ("X-Kubernetes-PF-FlowSchema-UID", "5f1e0000-0000-4000-8000-0000000000f1"),
        ("X-Kubernetes-PF-PriorityLevel-UID", "5f1e0000-0000-4000-8000-0000000000a1"),
    ]
    text = "Too many requests, please try again later.\n"
    return Refused(429, None, text, headers=headers, text=True)


# What a status alone is answered with, where a fault orders it.
REASONS = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}
