"""A small client of one API server: objects, lists, changes on what was seen, and what its errors mean (CT §12, §17).

Reads may be tried again; a change is sent again only where it provably never left or was turned away. Every change
takes the object as it was seen and is refused (`Outdated`) when it is no longer that; none ever writes a status.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from replctl.clock import Clock
from replctl.core.errors import (
    BackendUnwell,
    Forbidden,
    NotFound,
    NotInstalled,
    OutcomeUnknown,
    Outdated,
    Rejected,
    ReplctlError,
    Unauthorized,
    UnreadableAnswer,
)
from replctl.core.events import Report
from replctl.core.retry import RetryPolicy
from replctl.drivers.answers import LOOK_FIRST
from replctl.drivers.http import Answer, BackendClient, Connection, Json, Stream
from replctl.drivers.kubernetes import objects
from replctl.drivers.kubernetes.access import Access
from replctl.drivers.kubernetes.objects import Body, Essence, Listing, Misshapen, Resource, Seen, part, text
from replctl.drivers.kubernetes.statuses import DIALECT, INVALID, Expired, NoSuchPath, NoSuchPathForChange
from replctl.resilience import BreakerBoard, Budget, Look

T = TypeVar("T")
Params = dict[str, str | int | bool]

PAGE_SIZE = 500  # objects in one answer
MOST_LISTS = 3  # a list that expires between its pages is begun again so often
WHO_CHANGES: Mapping[str, str] = {"fieldManager": "replctl", "fieldValidation": "Strict"}
MERGE_PATCH, JSON_PATCH = "application/merge-patch+json", "application/json-patch+json"
VERSION = "/version"


class KubernetesClient:
    """One API server, for all threads. Nothing is read or opened before the first question.

    Reads raise NeverSent, BackendUnwell, Busy, Unauthorized, Forbidden, NoCredential, NotFound, NotInstalled,
    Rejected, BreakerOpen, Interrupted; changes Outdated, AlreadyExists and OutcomeUnknown too, never BackendUnwell.
    ValueError is a mistake of the caller.
    """

    def __init__(
        self,
        access: Access,
        *,
        clock: Clock,
        board: BreakerBoard,
        policy: RetryPolicy,
        budget: Budget,
        report: Report,
        redact: Callable[[str], str] = str,
    ) -> None:
        self._access = access
        self.clock = clock
        self.policy = policy
        self._http = BackendClient(
            access.connection,
            access.sign_in,
            clock=clock,
            board=board,
            policy=policy,
            budget=budget,
            report=report,
            dialect=DIALECT,
            redact=redact,
            tls=access.sign_in.tls,
        )

    @property
    def backend(self) -> str:
        return self._http.backend

    @property
    def connection(self) -> Connection:
        return self._access.connection

    def close(self) -> None:
        """Let go of every connection, open watches included. Never raises."""
        self._http.close()

    # -- looking ---------------------------------------------------------------------------------------------

    def get(self, resource: Resource, namespace: str, name: str, look: Look) -> Seen:
        """One object; raises NotFound when it is proven not to be there, NotInstalled when its kind is not.

        The namespace is empty for a kind that is in none.
        """
        operation = f"get {resource.plural}"
        answer = self._read(resource.path(namespace, name), None, operation, look, resource)
        return self._shaped(lambda: Seen.of(resource, answer.body), operation)

    def list(
        self,
        resource: Resource,
        look: Look,
        *,
        namespace: str = "",
        name: str = "",
        labels: str = "",
        essence: Essence = objects.whole,
    ) -> Listing:
        """All objects of a kind at one version: of one namespace or of all, of one name, that bear the labels.

        Asked for in pages, of which one at a time is held whole: what is kept of each object is its `essence`. A list
        whose version is dropped between its pages is begun again. Raises Expired when that happens each time.
        """
        params: Params = {"limit": PAGE_SIZE, **selectors(name, labels)}
        for _ in range(MOST_LISTS - 1):
            try:
                return self._pages(resource, namespace, params, look, essence)
            except Expired:
                continue
        return self._pages(resource, namespace, params, look, essence)

    def count(self, resource: Resource, look: Look) -> int | None:
        """How many objects of a kind there are, by one request that the store behind the API server must answer.

        None where it does not say (CT §12.5).
        """
        operation = f"count {resource.plural}"
        answer = self._read(resource.path(), {"limit": 1}, operation, look, resource)
        body = part(answer.body)
        page, _, token = self._shaped(partial(_page, resource, body), operation)
        if not token:
            return len(page)
        left = part(body, "metadata").get("remainingItemCount")
        return len(page) + left if isinstance(left, int) else None

    def served(self, resource: Resource, look: Look) -> frozenset[str]:
        """What the resource's group and version serve here, such as `x` and `x/status`; raises NotInstalled."""
        return self._names(self._read(resource.root, None, f"discover {resource.group}", look, resource))

    def version(self, look: Look) -> str:
        """The API server's release."""
        return self._release(self.about(look))

    def about(self, look: Look) -> Answer:
        """An answer of the API server about itself, for its `Date`: reading it needs no rights."""
        return self._read(VERSION, None, "read version", look)

    def open_watch(
        self, resource: Resource, namespace: str, params: Params, look: Look, idle_seconds: float
    ) -> Stream:
        """The events of a kind as they come, for `watching`; params hold the version to begin after."""
        path, operation = resource.path(namespace), f"watch {resource.plural}"

        def opened() -> Stream:
            return self._http.stream(
                path,
                params={"watch": "true", **params},
                operation=operation,
                look=look,
                idle_seconds=idle_seconds,
            )

        return self._asked(opened, resource, look)

    # -- changing --------------------------------------------------------------------------------------------

    def create(self, resource: Resource, namespace: str, body: Body, look: Look) -> Seen:
        """Make an object; raises AlreadyExists where one of that name is there."""
        sent = objects.new_body(resource, namespace, body)
        path = resource.path(namespace)
        return self._write("POST", path, sent, "create", resource, look)

    def replace(self, seen: Seen, body: Body, look: Look) -> Seen:
        """Put a body in the place of what was seen: all of it, status included and unchanged."""
        sent = objects.replacement(seen, body)
        return self._write("PUT", seen.path, sent, "replace", seen.resource, look)

    def patch(self, seen: Seen, changes: Body, look: Look) -> Seen:
        """Merge changes into what was seen; a list is replaced whole, None takes a field away."""
        sent = objects.merge_patch(seen, changes)
        return self._write("PATCH", seen.path, sent, "patch", seen.resource, look, MERGE_PATCH)

    def patch_json(self, seen: Seen, operations: Sequence[Body], look: Look) -> Seen:
        """Do operations on what was seen, one after the other, or none of them."""
        sent: Json = list(objects.json_patch(seen, operations))
        try:
            return self._write("PATCH", seen.path, sent, "patch", seen.resource, look, JSON_PATCH)
        except Rejected as error:
            if error.status == INVALID and self._has_changed(seen, look):
                raise Outdated(
                    f"it is no longer what was seen: {error.message}",
                    status=error.status,
                    vendor_code=error.vendor_code,
                    remedy="somebody else changed it: look again",
                    backend=error.backend,
                    operation=error.operation,
                ) from error
            raise

    def delete(self, seen: Seen, look: Look) -> Seen | None:
        """Delete what was seen; None when it is gone, else the object that waits for its finalizers.

        Raises NotFound when it was gone already.
        """
        operation = f"delete {seen.resource.plural}"
        answer = self._change(
            "DELETE", seen.path, objects.delete_options(seen), operation, seen.resource, look
        )
        if part(answer.body).get("kind") == "Status":
            return None
        return self._shaped(lambda: Seen.of(seen.resource, answer.body), operation, changed=True)

    # -- pages -----------------------------------------------------------------------------------------------

    def _pages(
        self, resource: Resource, namespace: str, params: Params, look: Look, essence: Essence
    ) -> Listing:
        path, operation = resource.path(namespace), f"list {resource.plural}"
        found: list[Seen] = []
        tokens: set[str] = set()
        while True:
            answer = self._read(path, params, operation, look, resource)
            page, version, token = self._shaped(partial(_page, resource, part(answer.body)), operation)
            found.extend(each.kept(essence) for each in page)
            if not token:
                return Listing(tuple(found), version)
            if token in tokens:
                raise self._odd("gives one page of a list for ever", operation)
            tokens.add(token)
            params = {**params, "continue": token}

    # -- asking ----------------------------------------------------------------------------------------------

    def _read(
        self, path: str, params: Params | None, operation: str, look: Look, resource: Resource | None = None
    ) -> Answer:
        return self._asked(
            lambda: self._http.read(path, params=params, operation=operation, look=look), resource, look
        )

    def _write(
        self,
        method: str,
        path: str,
        body: Json,
        word: str,
        resource: Resource,
        look: Look,
        media: str = "application/json",
    ) -> Seen:
        operation = f"{word} {resource.plural}"
        answer = self._change(method, path, body, operation, resource, look, media, WHO_CHANGES)
        return self._shaped(lambda: Seen.of(resource, answer.body), operation, changed=True)

    def _change(
        self,
        method: str,
        path: str,
        body: Json,
        operation: str,
        resource: Resource,
        look: Look,
        media: str = "application/json",
        params: Mapping[str, str] | None = None,
    ) -> Answer:
        return self._asked(
            lambda: self._http.change(
                method,
                path,
                body=body,
                params=params,
                headers={"Content-Type": media},
                operation=operation,
                look=look,
            ),
            resource,
            look,
        )

    def _asked(self, ask: Callable[[], T], resource: Resource | None, look: Look) -> T:
        """The answer; or the error, with a remedy for someone who has a kubeconfig."""
        try:
            return ask()
        except (NoSuchPath, NoSuchPathForChange) as error:
            missing = self._missing(resource, look) if resource is not None and resource.group else None
            if missing is not None:
                missing.operation = error.operation
                raise missing from error
            raise
        except ReplctlError as error:
            raise self._reworded(error) from error.__cause__

    def _missing(self, resource: Resource, look: Look) -> NotInstalled | None:
        """What a page that says 404 means: a proxy may say so too, and then nothing is proven (CT §17).

        Only an API server tells its release; only when it answers, and serves no such kind, the kind is not there.
        """
        if self._serves(resource, look) is not False:
            return None
        return NotInstalled(
            f"the API server knows no {resource.plural}.{resource.group}: what serves them is not installed there",
            remedy=f"check {self.connection.places.address}, or install it there",
            backend=self.backend,
        )

    def _serves(self, resource: Resource, look: Look) -> bool | None:
        """Whether the API server serves a kind; None when it is not known, or who answers is no API server."""
        try:
            self._release(self._http.read(VERSION, operation="read version", look=look))
        except ReplctlError:
            return None
        try:
            answer = self._http.read(resource.root, operation=f"discover {resource.group}", look=look)
        except NoSuchPath:
            return False
        except ReplctlError:
            return None
        return resource.plural in self._names(answer)

    def _has_changed(self, seen: Seen, look: Look) -> bool:
        """Whether a refused patch was refused because the object is no longer what it was."""
        try:
            now = self.get(seen.resource, seen.namespace, seen.name, look)
        except NotFound:
            return True
        except ReplctlError:
            return False
        return (now.uid, now.version) != (seen.uid, seen.version)

    def _reworded(self, error: ReplctlError) -> ReplctlError:
        if isinstance(error, Forbidden):
            error.remedy = f"give the account of {self._access.user} the rights for it"
        elif isinstance(error, Unauthorized):
            error.remedy = error.remedy if error.code == "no-credential" else f"check {self._access.user}"
        return error

    def _shaped(self, read: Callable[[], T], operation: str, *, changed: bool = False) -> T:
        try:
            return read()
        except Misshapen as error:
            raise self._odd(str(error), operation, changed=changed) from None

    def _odd(self, what: str, operation: str, *, changed: bool = False) -> BackendUnwell | OutcomeUnknown:
        if changed:
            said = f"its answer {what}: the change was sent, and whether it was carried out is not known"
            return OutcomeUnknown(said, remedy=LOOK_FIRST, backend=self.backend, operation=operation)
        return UnreadableAnswer(
            f"its answer {what}: something else than an API server answers",
            remedy=f"check {self.connection.places.address}",
            backend=self.backend,
            operation=operation,
        )

    def _release(self, answer: Answer) -> str:
        release = text(part(answer.body), "gitVersion")
        if not release:
            raise self._odd("tells no release", "read version")
        return release

    @staticmethod
    def _names(answer: Answer) -> frozenset[str]:
        listed: Any = part(answer.body).get("resources")
        rows = listed if isinstance(listed, list) else []
        return frozenset(name for row in rows if (name := text(part(row), "name")))


def selectors(name: str, labels: str) -> Params:
    """Parameters that choose among the objects of a kind; custom kinds are chosen by name and labels alone."""
    by_name: Params = {"fieldSelector": f"metadata.name={name}"} if name else {}
    return {**by_name, **({"labelSelector": labels} if labels else {})}


def _page(resource: Resource, body: Body) -> tuple[list[Seen], str, str]:
    """Objects, version and the token of the next page; raises Misshapen."""
    rows, metadata = body.get("items"), part(body, "metadata")
    version = text(metadata, "resourceVersion")
    if body.get("kind", "List") not in (f"{resource.kind}List", "List") or not isinstance(rows, list):
        raise Misshapen(f"is not a list of {resource.plural}")
    if not version:
        raise Misshapen("has no resourceVersion")
    return [Seen.of(resource, row) for row in rows], version, text(metadata, "continue")
