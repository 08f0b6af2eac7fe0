"""Following a list of objects through everything that ends a stream (CT §12.5, §17).

What happened is told in order, each change once, so that a state that lasts a moment is seen. Where changes may have
been missed that is told too: a new `Snapshot` that is not the first. Streams end for many reasons and are taken up
where they left off: at their deadline, broken, silent for too long, or with an error; only a version that is no
longer kept, or leads to nothing but errors, makes us look at everything anew.
"""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from enum import Enum
from typing import TypeAlias

from replctl.core.errors import (
    BackendUnwell,
    BreakerOpen,
    Busy,
    Interrupted,
    NeverSent,
    ReplctlError,
    TlsFailed,
    UnreadableAnswer,
    excerpt,
)
from replctl.drivers.http import Stream
from replctl.drivers.kubernetes.client import KubernetesClient, Params, selectors
from replctl.drivers.kubernetes.objects import Essence, Listing, Misshapen, Resource, Seen, part, text, whole
from replctl.drivers.kubernetes.statuses import GONE, TOO_NEW, Expired, Status
from replctl.resilience import Look, NotAsked

IDLE_SECONDS = 150.0  # bookmarks come each minute: after two of them missing, nobody is there
LONGEST_STREAM_SECONDS = 1800.0  # the server ends it then, and we take it up again
FAILURES_BEFORE_RELIST = 3  # a version that leads to nothing but errors is given up
BOOKMARK, ERROR = "BOOKMARK", "ERROR"


class Kind(Enum):
    """What became of an object."""

    ADDED = "ADDED"
    MODIFIED = "MODIFIED"
    DELETED = "DELETED"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything at one moment. Between what was told before and one that is not `first`, changes were missed."""

    listing: Listing
    first: bool


@dataclass(frozen=True, slots=True)
class Change:
    """One change; the object as it is after it, or as it last was."""

    kind: Kind
    seen: Seen


class Mark(Enum):
    """How it stands with the stream: it said something, if only that nothing happened; or it is down for now."""

    HEARD = "heard"
    DOWN = "down"


Told: TypeAlias = Snapshot | Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is watched: a kind, in one namespace or in all, one name of it, those that bear labels.

    Of each object its `essence` is told.
    """

    resource: Resource
    namespace: str = ""
    name: str = ""
    labels: str = ""
    essence: Essence = whole


def watch(
    client: KubernetesClient,
    subject: Subject,
    look: Look,
    *,
    since: Listing | None = None,
    idle_seconds: float = IDLE_SECONDS,
) -> Iterator[Told]:
    """What is there, then what happens, until the look's deadline; with `since`, only what happens after it.

    Ends quietly at the deadline where all was well up to then. Raises Interrupted for a cancelled look; what another
    attempt does not help against (Forbidden, NotInstalled, Unauthorized …); and, at the deadline or at once without
    `look.retry`, the trouble that it is in. Close it to let go of the connection.
    """
    with closing(_Watch(client, subject, look, since, idle_seconds).told()) as told:
        for each in told:
            if not isinstance(each, Mark):
                yield each


def follow(
    client: KubernetesClient, subject: Subject, look: Look, *, idle_seconds: float = IDLE_SECONDS
) -> Generator[Told | Mark, None, None]:
    """As `watch`, and also told when the stream was heard and when it is down: for who keeps what is told.

    What is held is what there was when it was last heard: a mark comes after the changes that it stands for.
    """
    return _Watch(client, subject, look, None, idle_seconds).told()


class _Over(Exception):
    """The stream ended, for a reason that is no trouble; `expired`: nothing goes on from its version."""

    def __init__(self, *, expired: bool = False) -> None:
        super().__init__()
        self.expired = expired


class _Watch:
    """One watch: the version that was reached, and how often in a row it went wrong."""

    def __init__(
        self,
        client: KubernetesClient,
        subject: Subject,
        look: Look,
        since: Listing | None,
        idle_seconds: float,
    ) -> None:
        self._client = client
        self._clock = client.clock
        self._subject = subject
        self._look = look
        self._idle_seconds = idle_seconds
        self._version = since.version if since is not None else ""
        self._first = since is None
        self._failures = 0
        self._heard = False

    def told(self) -> Generator[Told | Mark, None, None]:
        while self._look.remaining(self._clock):
            trouble: ReplctlError | None = None
            try:
                if not self._version:
                    yield self._snapshot()
                yield from self._changes()
            except Expired:
                self._version = ""
            except _Over as over:
                self._version = "" if over.expired else self._version
            except ReplctlError as error:
                if self._is_deadline(error):
                    return
                trouble = error
            yield Mark.DOWN
            if trouble is not None:
                self._note(trouble)
            else:
                self._breathe()

    def _snapshot(self) -> Snapshot:
        subject = self._subject
        listing = self._client.list(
            subject.resource,
            self._look,
            namespace=subject.namespace,
            name=subject.name,
            labels=subject.labels,
            essence=subject.essence,
        )
        first, self._first = self._first, False
        self._version = listing.version
        return Snapshot(listing, first)

    def _changes(self) -> Iterator[Told | Mark]:
        """Those of one stream; raises _Over at its end."""
        stream = self._opened()
        try:
            for line in stream.lines(self._look):
                change = self._read(line)
                self._failures, self._heard = 0, True
                if change is not None:
                    yield change
                yield Mark.HEARD
        finally:
            stream.close()
        raise _Over

    def _opened(self) -> Stream:
        subject, left = self._subject, self._look.remaining(self._clock)
        seconds = max(1, math.ceil(min(left, LONGEST_STREAM_SECONDS)))
        params: Params = {
            "resourceVersion": self._version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": seconds,
            **selectors(subject.name, subject.labels),
        }
        once = replace(self._look, retry=False)  # how often to try is decided here
        return self._client.open_watch(subject.resource, subject.namespace, params, once, self._idle_seconds)

    def _read(self, line: bytes) -> Change | None:
        """A change, or None for a mark of how far we are; either moves the version on."""
        try:
            event = part(json.loads(line))
        except (ValueError, RecursionError):
            raise self._odd("is not JSON") from None
        word, body = text(event, "type"), event.get("object")
        if word == ERROR:
            raise self._of_error(Status.of(body))
        if word == BOOKMARK:
            version = text(part(body, "metadata"), "resourceVersion")
            if not version:
                raise self._odd("is a bookmark without a version")
            self._version = version
            return None
        try:
            seen = Seen.of(self._subject.resource, body)
            change = Change(Kind(word), seen.kept(self._subject.essence))
        except Misshapen as error:
            raise self._odd(str(error)) from None
        except ValueError:
            raise self._odd(f"is of the type {excerpt(word, 40) or 'none'}") from None
        self._version = change.seen.version
        return change

    def _of_error(self, status: Status | None) -> Exception:
        """What an ERROR in the stream means: begin anew, or go on, after a while even if all was well before."""
        self._heard = False
        if status is None:
            return self._odd("is an error that says nothing")
        if status.code == GONE:
            return _Over(expired=True)
        if status.has_cause(TOO_NEW):
            self._version = ""  # the server was set back to before what we have seen
        text = f"the watch ended with {status.code} ({excerpt(status.reason, 40)}): {excerpt(status.message)}"
        return BackendUnwell(text, backend=self._client.backend, operation=self._operation)

    # -- going wrong -----------------------------------------------------------------------------------------

    @property
    def _operation(self) -> str:
        return f"watch {self._subject.resource.plural}"

    def _odd(self, what: str) -> UnreadableAnswer:
        return UnreadableAnswer(
            f"an event of the watch {what}", backend=self._client.backend, operation=self._operation
        )

    def _is_deadline(self, error: ReplctlError) -> bool:
        """Whether only our own time has run out, while all was well."""
        if self._look.is_cancelled or isinstance(error, Interrupted) or self._failures:
            return False
        return not self._look.remaining(self._clock) or isinstance(error, NotAsked)

    def _note(self, error: ReplctlError) -> None:
        """Count a failure and wait before the next attempt; raises it where none would help, or is wanted."""
        broken = self._heard and isinstance(error, BackendUnwell)
        self._heard = False
        if broken and self._look.remaining(self._clock):
            return  # a stream that had told something ended badly: that is taken up at once
        self._failures += 1
        if not self._may_pass(error):
            raise error
        if self._failures >= FAILURES_BEFORE_RELIST:
            self._version = ""
        self._wait(self._delay(error), error)

    def _may_pass(self, error: ReplctlError) -> bool:
        if not self._look.retry or isinstance(error, TlsFailed | Interrupted):
            return False
        return isinstance(error, NeverSent | BackendUnwell | Busy) and (
            error.retryable or isinstance(error, BreakerOpen)
        )

    def _delay(self, error: ReplctlError) -> float:
        seconds = self._client.policy.next_delay(self._failures, self._clock.chance())
        if error.retry_at is None:
            return seconds
        return max(seconds, error.retry_at - self._clock.now())

    def _breathe(self) -> None:
        """After an end that was no trouble: on at once if anything was told, else not faster than failures are."""
        heard, self._heard = self._heard, False
        if not heard and self._look.remaining(self._clock):
            self._wait(self._client.policy.next_delay(1, self._clock.chance()), None)

    def _wait(self, seconds: float, trouble: ReplctlError | None) -> None:
        if seconds >= self._look.remaining(self._clock) and trouble is not None:
            raise trouble
        if self._clock.wait(min(seconds, self._look.remaining(self._clock)), self._look.cancel):
            raise Interrupted(
                "interrupted while watching", backend=self._client.backend, operation=self._operation
            ) from trouble
