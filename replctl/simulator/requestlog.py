"""What the arrays were asked, in order: the log that tests and people read back (design §11)."""

import json
from collections import deque
from dataclasses import dataclass
from typing import Any

from replctl.simulator.server import Reply, Request

REQUESTS_KEPT = 200_000
# Asking what one may do changes nothing.
_REVIEWS = "/apis/authorization.k8s.io/"
_CORRELATION_HEADER = "x-correlation-id"


@dataclass(slots=True, eq=False)
class Logged:
    """One request; `status` is None while, or because, no answer was given. `effect_at`: when it took effect."""

    n: int
    array: str
    at: float
    method: str
    path: str
    query: str
    correlation_id: str | None
    body: bytes
    status: int | None = None
    effect: bool = False
    effect_at: float | None = None

    def took_effect(self, at: float) -> None:
        """It changed something, which may be long after it was sent."""
        self.effect, self.effect_at = True, at

    def answered(self, reply: Reply, is_serving: bool) -> None:
        """Note the status of a reply, if it is one that reaches the client."""
        if reply.then in ("keep", "close") and is_serving:
            self.status = reply.status

    def public(self) -> dict[str, Any]:
        """As those who ask see it."""
        return {
            "n": self.n,
            "array": self.array,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "correlation_id": self.correlation_id,
            "body": _read(self.body),
            "effect": self.effect,
            "effect_at": self.effect_at,
        }

    @property
    def is_change(self) -> bool:
        """Whether it asked to change something that an array, a cluster or an ONTAP system has."""
        return (
            self.method != "GET" and not self.path.endswith("/logout") and not self.path.startswith(_REVIEWS)
        )


def _read(body: bytes) -> Any:
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


class RequestLog:
    """The last requests to all arrays."""

    def __init__(self) -> None:
        self._logged: deque[Logged] = deque(maxlen=REQUESTS_KEPT)
        self._count = 0

    def add(self, array: str, at: float, request: Request) -> Logged:
        """Write a request down before anything is done about it."""
        self._count += 1
        correlation_id = request.headers.get(_CORRELATION_HEADER)
        logged = Logged(
            self._count, array, at, request.method, request.path, request.query, correlation_id, request.body
        )
        self._logged.append(logged)
        return logged

    def read(self, array: str | None, since: int, changes: bool) -> list[dict[str, Any]]:
        """Requests with a number above `since`, of one array or all, perhaps only changes."""
        return [
            logged.public()
            for logged in self._logged
            if logged.n > since and array in (None, logged.array) and (logged.is_change or not changes)
        ]

    def clear(self) -> None:
        """Forget them; the numbers go on."""
        self._logged.clear()
