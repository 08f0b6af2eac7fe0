"""Reading a PowerStore array: pages put together, single things, and the shapes that are not its API's (CP §4).

The only module here that reads over the wire. What goes wrong is raised as `core.errors`; how hard to try,
time-outs and sign-in are `drivers.http`'s.
"""

from __future__ import annotations

from collections.abc import Mapping

from replctl.clock import Clock
from replctl.core.errors import Rejected, UnreadableAnswer
from replctl.drivers.http import Answer, BackendClient
from replctl.drivers.powerstore.query import next_offset, page
from replctl.drivers.powerstore.sessions import Row
from replctl.resilience import Look

PAST_THE_END = 416


class Reader:
    """Reads of one array, through the client that all its calls share."""

    def __init__(self, client: BackendClient, backend: str, clock: Clock) -> None:
        self._client = client
        self.backend = backend
        self._clock = clock

    def now(self) -> float:
        return self._clock.now()

    def rows(self, path: str, params: Mapping[str, str], look: Look) -> list[Row]:
        """Every row of a collection that the parameters select, each once, the last reading of it.

        Pages are no snapshot: a row may come twice or, when one before it goes, not at all.
        """
        found: dict[str, Row] = {}
        following: int | None = 0
        while (offset := following) is not None:
            answer = self._page(path, {**params, **page(offset)}, look)
            if answer is None:
                break
            rows = self._rows_of(answer, path)
            before = len(found)
            found.update((row.id, row) for row in rows if row.id)
            if offset and len(found) == before:
                break  # a page of nothing new: an array that never ends its list shall not hold us for ever
            following = next_offset(answer.status, answer.headers.get("content-range"), offset, len(rows))
        return list(found.values())

    def item(self, path: str, params: Mapping[str, str], look: Look) -> Row:
        """One thing; raises NotFound when it is not there."""
        answer = self._client.read(path, params=params, operation=_operation(path), look=look)
        if not isinstance(answer.body, Mapping):
            raise self._unreadable(path, "not an object")
        return Row(answer.body, answer.sent_at, answer.received_at)

    def simple(self, path: str, params: Mapping[str, str], look: Look) -> Answer:
        """A collection that knows no pages (CP §1 "simple get")."""
        return self._client.read(path, params=params, operation=_operation(path), look=look)

    def _page(self, path: str, params: Mapping[str, str], look: Look) -> Answer | None:
        try:
            return self._client.read(path, params=params, operation=_operation(path), look=look)
        except Rejected as error:
            if error.status == PAST_THE_END:
                return None
            raise

    def _rows_of(self, answer: Answer, path: str) -> list[Row]:
        if not isinstance(answer.body, list):
            raise self._unreadable(path, "not a list")
        return [
            Row(item, answer.sent_at, answer.received_at) for item in answer.body if isinstance(item, dict)
        ]

    def _unreadable(self, path: str, what: str) -> UnreadableAnswer:
        return UnreadableAnswer(
            f"the answer is {what}: something else than the array answers here",
            backend=self.backend,
            operation=_operation(path),
            remedy="check the backend's url; it names the array's management address, without /api/rest",
        )


def _operation(path: str) -> str:
    """How reads are named in errors and metrics: by collection, never by id."""
    return f"read {path.strip('/').split('/')[0]}"
