"""The optional, read-only look at ONTAP: what its mirrors are, and how old the copies are (design §4; CT §4.3).

Trident tells neither. One list of relationships a look, keyed by destination; nothing is ever written here.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from replctl.core.durations import believable
from replctl.core.errors import UnreadableAnswer
from replctl.core.secrets import Secret
from replctl.drivers.http import Answer, BackendClient, Json, Message, Send
from replctl.drivers.kubernetes.objects import part, text
from replctl.drivers.trident.mirrors import Relationship
from replctl.resilience import Look

RELATIONSHIPS = "/api/snapmirror/relationships"
FIELDS = "source.path,destination.path,state,healthy,unhealthy_reason,lag_time"
PAGE_SIZE = 500  # records in one answer
LAG_UNIT_SECONDS = 1.0  # lag_time comes in whole seconds
UNAUTHORIZED = 401
_UNITS = (("weeks", 604800), ("days", 86400), ("hours", 3600), ("minutes", 60), ("seconds", 1))
_LAG = re.compile(
    r"P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.\d+)?S)?)?"
)


class OntapSignIn:
    """Fits `drivers.http.SignIn`: the password with each request; it is read when it is first needed, or refused."""

    def __init__(self, username: str, password: Callable[[], Secret]) -> None:
        self._username = username
        self._password = password
        self._held: Secret | None = None

    def login(self, send: Send) -> None:
        """Reads the password; nothing is sent."""
        self._held = self._password()

    def headers(self, method: str) -> Mapping[str, str]:
        if self._held is None:
            return {}
        pair = f"{self._username}:{self._held.reveal()}"
        return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}

    def learn(self, response: Answer) -> None:
        """ONTAP is asked anew each time."""

    def logout(self, send: Send) -> None:
        """There is no session to end."""

    def is_over(self) -> bool:
        """A password does not say how long it lasts."""
        return False

    def is_expired(self, response: Answer) -> bool:
        return response.status == UNAUTHORIZED


def error_message(body: Json) -> Message:
    """The `error` of an answer."""
    said = part(body, "error")
    return Message(text(said, "code") or None, text(said, "message"))


@dataclass(frozen=True, slots=True)
class Ontap:
    """One ONTAP cluster, through its client."""

    client: BackendClient

    def relationships(self, look: Look) -> Mapping[str, Relationship]:
        """Every mirror whose destination lies here, by its destination; raises what reading raises."""
        found: dict[str, Relationship] = {}
        path, params = RELATIONSHIPS, {"fields": FIELDS, "max_records": str(PAGE_SIZE)}
        while path:
            answer = self.client.read(path, params=params, operation="read relationships", look=look)
            body = part(answer.body)
            rows = body.get("records")
            if not isinstance(rows, list):
                raise UnreadableAnswer("the answer holds no records: something else than ONTAP answers here")
            before = len(found)
            found.update(
                (text(part(row, "destination"), "path"), relationship(row, answer.sent_at)) for row in rows
            )
            following = text(part(body, "_links", "next"), "href")
            path, params = (following if len(found) > before else ""), {}
        return found


def relationship(row: Any, asked_at: float) -> Relationship:
    """One record; what it does not say is not known."""
    body = part(row)
    lag = lag_seconds(body.get("lag_time"))
    reasons = body.get("unhealthy_reason")
    return Relationship(
        source=text(part(body, "source"), "path"),
        state=text(body, "state"),
        healthy=body.get("healthy") is True,
        reason=text(part(reasons[0]), "message") if isinstance(reasons, list) and reasons else "",
        taken_at=None if lag is None else believable(asked_at - lag - LAG_UNIT_SECONDS),
        asked_at=asked_at,
    )


def lag_seconds(said: object) -> float | None:
    """An ISO 8601 duration without years and months, which have no fixed length; None for what is none."""
    found = _LAG.fullmatch(said) if isinstance(said, str) else None
    parts = [(found[unit], seconds) for unit, seconds in _UNITS] if found is not None else []
    given = [float(count) * seconds for count, seconds in parts if count is not None]
    return sum(given) if given else None
