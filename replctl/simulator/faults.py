"""Faults that a test orders: which requests they hit, and what becomes of request and answer (CP §16.7).

A fault is picked for a request, once a match, in the order in which they were ordered. `carry_out` then decides
whether the request is performed, when, and what the client gets. Knows requests and replies, not what they mean.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from replctl.simulator.jobs import error_body
from replctl.simulator.server import Reply, Request

KINDS = (
    "reset",
    "late",
    "hang",
    "slow",
    "status",
    "html",
    "text",
    "messages_string",
    "empty",
    "truncated",
    "huge",
    "vanish",
    "unknown_enum",
    "null_stamps",
    "empty_list",
)
EFFECTS = ("before", "after")
CHANGE = "change"
HUGE_CHUNK = b'{"id":"' + b"0" * 65000 + b'"},'
HUGE_CHUNKS = 640
UNKNOWN_WORD = "Quantum_Entangled"
_STAMPS = ("last_sync_timestamp", "last_sync_duration", "next_sync_timestamp")
_SIGN_IN = ("/login_session", "/logout")
_HTML = b"<html><head><title>Gateway</title></head><body><h1>The service is not available</h1></body></html>"


class BadFault(ValueError):
    """A fault that cannot be ordered; the message is one sentence."""


@dataclass(slots=True, eq=False)
class Fault:
    """One order: whom it hits, how often, and what happens."""

    id: int
    array: str | None
    kind: str
    method: str | None = None
    path: str | None = None
    query: str | None = None
    times: int = 1
    skip: int = 0
    seconds: float = 0.0
    status: int | None = None
    effect: str | None = None
    header: dict[str, str] = field(default_factory=dict)
    field: str | None = None

    def hits(self, array: str, request: Request) -> bool:
        """Whether a request is one that this fault is for."""
        if self.array not in (None, array):
            return False
        if self.method == CHANGE:
            if request.method == "GET" or (self.path is None and request.path.endswith(_SIGN_IN)):
                return False
        elif self.method not in (None, request.method):
            return False
        if self.path is not None and not re.search(self.path, request.path):
            return False
        return self.query is None or re.search(self.query, request.query) is not None


class Faults:
    """The orders that are left."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._faults: list[Fault] = []
        self._triggers: list[tuple[Fault, Callable[[], object]]] = []

    def add(self, array: str | None, kind: str, **more: Any) -> int:
        """Order a fault; returns its id. Raises BadFault."""
        if kind not in KINDS:
            raise BadFault(f"{kind!r} is not a kind of fault; there are {', '.join(KINDS)}")
        if more.get("effect") not in (None, *EFFECTS):
            raise BadFault("effect can be before or after")
        if kind == "status" and not more.get("status"):
            raise BadFault("a fault of kind status needs a status")
        for name in ("path", "query"):
            _check_pattern(more.get(name))
        more["header"] = _read_header(more.get("header"))
        fault = Fault(next(self._numbers), array, kind, **more)
        self._faults.append(fault)
        return fault.id

    def pick(self, array: str, request: Request) -> Fault | None:
        """The fault that hits this request, if one does; that counts as one of its times."""
        for fault in self._faults:
            if not fault.hits(array, request):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.times -= 1
            if fault.times <= 0:
                self._faults.remove(fault)
            return fault
        return None

    def add_trigger(self, deed: Callable[[], object], array: str | None, **more: Any) -> int:
        """Have a deed done at a request, once; `effect`: before that is performed, or after. Raises BadFault."""
        if more.get("effect") not in EFFECTS:
            raise BadFault("effect can be before or after")
        for name in ("path", "query"):
            _check_pattern(more.get(name))
        trigger = Fault(next(self._numbers), array, "trigger", **more)
        self._triggers.append((trigger, deed))
        return trigger.id

    def fire(self, array: str, request: Request, effect: str) -> None:
        """Do what was to be done at this request."""
        for pair in list(self._triggers):
            trigger, deed = pair
            if trigger.effect != effect or not trigger.hits(array, request):
                continue
            if trigger.skip > 0:
                trigger.skip -= 1
                continue
            self._triggers.remove(pair)
            deed()

    def clear(self) -> None:
        """Forget all orders."""
        self._faults.clear()
        self._triggers.clear()

    def left(self) -> list[dict[str, Any]]:
        """What is still to come."""
        return [asdict(fault) for fault in self._faults]


def _check_pattern(pattern: str | None) -> None:
    try:
        re.compile(pattern or "")
    except re.error as e:
        raise BadFault(f"{pattern!r} is not a regular expression: {e}") from e


def _read_header(header: object) -> dict[str, str]:
    """A header given as a dictionary, or as a Retry-After value alone."""
    if header is None:
        return {}
    if isinstance(header, dict):
        return {str(name): str(value) for name, value in header.items()}
    name, colon, value = str(header).partition(":")
    return {name.strip(): value.strip()} if colon else {"Retry-After": str(header)}


# What a fault does. `perform(hold)` performs the request and gives its reply, at once unless told to hold.

Perform = Callable[[bool], Reply]


def carry_out(
    fault: Fault,
    perform: Perform,
    later: Callable[[float], None],
    wait: Callable[[float], bool],
    refuse: Callable[[Fault], Reply] | None = None,
) -> Reply:
    """Do to a request what a fault says.

    `later(seconds)` has the request performed after virtual seconds; `wait(seconds)` waits real ones; `refuse` says a
    status in the words of whoever is asked, a PowerStore's if it is not given.
    """
    if fault.kind == "late":
        later(fault.seconds)
        return Reply(then="reset")
    if fault.kind == "slow":
        wait(fault.seconds)
        return perform(True)
    if fault.kind in _INSTEAD:
        if fault.effect == "after":
            perform(False)
        if fault.kind == "status" and refuse is not None:
            return refuse(fault)
        return _INSTEAD[fault.kind](fault)
    return _mangle(fault, perform(True))


def _status(fault: Fault) -> Reply:
    status = fault.status or 500
    reply = Reply(status, json.dumps(error_body("SIM00000099", f"Ordered status {status}.")).encode())
    if status == 302 and "Location" not in fault.header:
        reply.headers.append(("Location", "/#/login"))
    reply.headers += fault.header.items()
    return reply


def _messages_string(fault: Fault) -> Reply:
    messages = json.dumps(error_body("SIM00000099", "Ordered error.")["messages"])
    return Reply(fault.status or 422, json.dumps({"messages": messages}).encode())


def _html(fault: Fault) -> Reply:
    return Reply(fault.status or 200, _HTML, list(fault.header.items()), "text/html")


def _text(fault: Fault) -> Reply:
    """What priority and fairness answers in plain text, or a proxy with another status (CT §12.4)."""
    status = fault.status or 429
    headers = {"Retry-After": "1"} if status == 429 else {}
    words = (
        b"Too many requests, please try again later.\n"
        if status == 429
        else b"The service is not available.\n"
    )
    return Reply(status, words, list({**headers, **fault.header}.items()), "text/plain; charset=utf-8")


def _huge(fault: Fault) -> Reply:
    return Reply(
        fault.status or 200,
        stream=itertools.repeat(HUGE_CHUNK, HUGE_CHUNKS),
        stream_bytes=len(HUGE_CHUNK) * HUGE_CHUNKS,
    )


def _vanish(fault: Fault) -> Reply:
    body = error_body("0xE04040020009", "No instance with this id was found.")
    return Reply(404, json.dumps(body).encode())


_INSTEAD: dict[str, Callable[[Fault], Reply]] = {
    "reset": lambda fault: Reply(then="reset"),
    "hang": lambda fault: Reply(then="silence", seconds=fault.seconds),
    "status": _status,
    "html": _html,
    "text": _text,
    "messages_string": _messages_string,
    "huge": _huge,
    "vanish": _vanish,
}


def _mangle(fault: Fault, reply: Reply) -> Reply:
    if fault.kind == "empty":
        reply.body = b""
        reply.status = fault.status or (200 if reply.status == 204 else reply.status)
    elif fault.kind == "truncated":
        reply.body = reply.body[: max(1, len(reply.body) // 2)] or b"{"
        reply.status = 200 if reply.status == 204 else reply.status
    elif fault.kind == "empty_list":
        if reply.body.startswith(b"["):
            reply.status, reply.body = 200, b"[]"
            reply.headers = [(name, value) for name, value in reply.headers if name != "content-range"]
    elif reply.status < 300 and reply.body:
        reply.body = json.dumps(_change_rows(fault, json.loads(reply.body))).encode()
    return reply


def _change_rows(fault: Fault, found: Any) -> Any:
    for row in _rows(found):
        if fault.kind == "unknown_enum":
            name = fault.field or "state"
            row.update({name: UNKNOWN_WORD} if name in row else {})
        else:
            row.update({name: None for name in _STAMPS if name in row})
    return found


def _rows(found: Any) -> Iterator[dict[str, Any]]:
    """Every object in an answer, however deep."""
    if isinstance(found, dict):
        yield found
        found = list(found.values())
    if isinstance(found, list):
        for part in found:
            yield from _rows(part)
