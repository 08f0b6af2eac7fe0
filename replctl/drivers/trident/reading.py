"""Reading a cluster: single objects, lists put together from pages, and what an API server's errors mean (CT §12).

The only module here that reads over the wire. What goes wrong is raised as `core.errors`, worded for someone who
has a kubeconfig; how hard to try, time-outs and the token are `drivers.http`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from replctl.clock import Clock
from replctl.core.errors import (
    BackendUnwell,
    Forbidden,
    NeverSent,
    NotFound,
    NotInstalled,
    Rejected,
    ReplctlError,
    TlsFailed,
    Unauthorized,
    UnreadableAnswer,
)
from replctl.drivers.http import Answer, BackendClient, Dialect, Json, Message
from replctl.drivers.trident.mirrors import Body, part, text
from replctl.resilience import Look

TRIDENT = "/apis/trident.netapp.io/v1"
MIRRORS = "tridentmirrorrelationships"
CLAIMS = "persistentvolumeclaims"
ATTACHMENTS = "volumeattachments"
_GROUPS = {
    MIRRORS: TRIDENT,
    CLAIMS: "/api/v1",
    ATTACHMENTS: "/apis/storage.k8s.io/v1",
}
VERSION = "/version"
PAGE_SIZE = 500  # objects in one answer
MOST_LISTS = 2  # a list that expired between its pages is begun again, once
TOO_MANY, GONE = 429, 410


def status_message(body: Json) -> Message:
    """The `Status` of an error (CT §12.4): its reason is what decides, its message is for people."""
    said = part(body)
    return Message(text(said, "reason") or None, text(said, "message"))


# What priority and fairness turns away was not carried out (CT §12.4).
DIALECT = Dialect(status_message, lambda answer: answer.status == TOO_MANY)


class Reader:
    """Reads of one cluster, through the client that all its calls share."""

    def __init__(self, client: BackendClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @property
    def backend(self) -> str:
        return self._client.backend

    def now(self) -> float:
        return self._clock.now()

    def item(self, resource: str, namespace: str, name: str, look: Look) -> Body:
        """One object; raises NotFound when it is not there, and NotInstalled when its kind is not.

        That it is not there is only believed of an API server: gateways have a 404 of their own, in JSON too.
        """
        path = f"{_collection(resource, namespace)}/{quote(name, safe='')}"
        try:
            return part(self._get(resource, path, {}, look).body)
        except NotInstalled:
            raise
        except NotFound as error:
            if self._is_a_cluster(look):
                raise
            raise self._odd(resource, "is a 404 that no API server gives") from error

    def items(self, resource: str, look: Look, namespace: str = "") -> list[Body]:
        """All objects of a kind, of one namespace or of all; a list that expired between its pages is begun again."""
        for _ in range(MOST_LISTS - 1):
            try:
                return self._list(resource, namespace, look)
            except Rejected as error:
                if error.status != GONE:
                    raise
        return self._list(resource, namespace, look)

    def version(self, look: Look) -> str | None:
        """The API server's release; raises what reading raises, UnreadableAnswer when it is none."""
        answer = self._get("version", VERSION, {}, look)
        release = text(part(answer.body), "gitVersion")
        if not release:
            raise self._odd("version", "tells no version")
        return release

    def resources(self, look: Look) -> frozenset[str]:
        """What Trident's API group serves here, by its own list; raises NotInstalled when there is no such group."""
        body = part(self._get(MIRRORS, TRIDENT, {}, look).body)
        listed = body.get("resources")
        rows = listed if isinstance(listed, list) else []
        return frozenset(name for row in rows if (name := text(part(row), "name")))

    def date_of(self, look: Look) -> Answer:
        """An answer for its `Date` header: the API server's clock."""
        return self._get("version", VERSION, {}, look)

    def _list(self, resource: str, namespace: str, look: Look) -> list[Body]:
        found: list[Body] = []
        following = ""
        while True:
            params: dict[str, str | int | bool] = {"limit": PAGE_SIZE}
            if following:
                params["continue"] = following
            body = part(self._get(resource, _collection(resource, namespace), params, look).body)
            rows = body.get("items")
            if not isinstance(rows, list):
                raise self._odd(resource, "is not a list")
            found.extend(part(row) for row in rows)
            last, following = following, text(part(body, "metadata"), "continue")
            if not following or following == last:  # a list that never ends shall not hold us for ever
                return found

    def _get(self, resource: str, path: str, params: Mapping[str, str | int | bool], look: Look) -> Answer:
        try:
            answer = self._client.read(path, params=params or None, operation=f"read {resource}", look=look)
        except ReplctlError as error:
            if isinstance(error, UnreadableAnswer) and path.startswith(TRIDENT) and self._is_a_cluster(look):
                raise self._not_installed(resource) from error
            raise reworded(error, self.backend) from error.__cause__
        if not isinstance(answer.body, Mapping):
            raise self._odd(resource, "is not an object")
        return answer

    def _is_a_cluster(self, look: Look) -> bool:
        """A page that says 404 may be a proxy's; of an API server it says that the kind is not there (CT §17)."""
        try:
            body = self._client.read(VERSION, operation="read version", look=look).body
        except ReplctlError:
            return False
        return bool(text(part(body), "gitVersion"))

    def _not_installed(self, resource: str) -> NotInstalled:
        return NotInstalled(
            f"Trident is not installed on {self.backend}: its API server knows no {resource}",
            remedy=f"check the context in backends.{self.backend}.kubeconfig, or install Trident there",
            backend=self.backend,
            operation=f"read {resource}",
        )

    def _odd(self, resource: str, what: str) -> UnreadableAnswer:
        return UnreadableAnswer(
            f"the answer {what}: something else than a Kubernetes API server answers here",
            remedy=f"check the server in backends.{self.backend}.kubeconfig",
            backend=self.backend,
            operation=f"read {resource}",
        )


def reworded(error: ReplctlError, backend: str) -> ReplctlError:
    """The same error, with a remedy for someone who has a kubeconfig instead of an address and a password."""
    kubeconfig = f"backends.{backend}.kubeconfig"
    if isinstance(error, Forbidden):
        error.remedy = (
            "let the account of that context get and list mirror relationships, claims and volume attachments"
        )
    elif isinstance(error, Unauthorized):
        error.remedy = (
            f"check the user of the context in {kubeconfig}: its token or certificate is not accepted"
        )
    elif isinstance(error, TlsFailed):
        error.remedy = f"check certificate-authority and server of the cluster in {kubeconfig}"
    elif isinstance(error, NeverSent | BackendUnwell) and error.retryable:
        error.remedy = (
            f"check the server in {kubeconfig} and the way to it; --probe asks past an open breaker"
        )
    elif isinstance(error, NotFound):
        error.remedy = error.remedy or "look what is there: replctl discover"
    return error


def _collection(resource: str, namespace: str) -> str:
    group = _GROUPS[resource]
    return (
        f"{group}/namespaces/{quote(namespace, safe='')}/{resource}" if namespace else f"{group}/{resource}"
    )
