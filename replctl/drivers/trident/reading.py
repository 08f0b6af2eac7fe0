"""Reading a cluster: the kinds that Trident's replication is made of, through the client of its API server (CT §12).

The only module here that reads Kubernetes over the wire. What goes wrong is raised as `core.errors`; a cluster that
does not know Trident's kinds is said to have no Trident.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeVar

from replctl.clock import Clock
from replctl.core.errors import NotInstalled
from replctl.drivers.http import Answer
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.objects import Body, Essence, Resource, part, readable
from replctl.resilience import Look

T = TypeVar("T")
OUR_ANNOTATIONS = "replctl/"
WORDS_SHARED = 1024
_ALIKE = frozenset({"namespace", "storageClassName", "volumeMode", "phase"})

TRIDENT = "trident.netapp.io"
MIRRORS = Resource(TRIDENT, "v1", "tridentmirrorrelationships", "TridentMirrorRelationship")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
UPDATES = Resource(TRIDENT, "v1", "tridentactionmirrorupdates", "TridentActionMirrorUpdate")
SNAPSHOTS = Resource("snapshot.storage.k8s.io", "v1", "volumesnapshots", "VolumeSnapshot")
CONTENTS = Resource(
    "snapshot.storage.k8s.io", "v1", "volumesnapshotcontents", "VolumeSnapshotContent", namespaced=False
)
SNAPSHOT_CLASSES = Resource(
    "snapshot.storage.k8s.io", "v1", "volumesnapshotclasses", "VolumeSnapshotClass", namespaced=False
)
ATTACHMENTS = Resource("storage.k8s.io", "v1", "volumeattachments", "VolumeAttachment", namespaced=False)


def essence_of(resource: Resource) -> Essence:
    """What is kept of each of all objects of a kind, where there are ten thousand: that of it which is read."""
    return _ESSENCES.get(resource, readable)


def _claim(body: Body) -> Body:
    return {
        "metadata": _only(part(body, "metadata"), "namespace", "name"),
        "spec": _only(part(body, "spec"), "volumeName", "accessModes", "volumeMode", "storageClassName"),
        "status": _only(part(body, "status"), "phase"),
    }


def _mirror(body: Body) -> Body:
    metadata = part(body, "metadata")
    kept = _only(metadata, "namespace", "name", "uid", "resourceVersion", "generation", "deletionTimestamp")
    notes = part(metadata, "annotations")
    if ours := {key: value for key, value in notes.items() if key.startswith(OUR_ANNOTATIONS)}:
        kept["annotations"] = ours
    return {"metadata": kept, "spec": part(body, "spec"), "status": part(body, "status")}


_ESSENCES: Mapping[Resource, Essence] = MappingProxyType({MIRRORS: _mirror, CLAIMS: _claim})


def _only(table: Body, *keys: str) -> dict[str, Any]:
    said = {key: value for key in keys if (value := table.get(key)) is not None}
    return {
        key: _word(value) if key in _ALIKE and type(value) is str else value for key, value in said.items()
    }


@lru_cache(WORDS_SHARED)
def _word(text: str) -> str:
    """The same text each time, so that what ten thousand objects say alike is there once."""
    return text


class Reader:
    """Reads of one cluster, through the client that all its calls share."""

    def __init__(self, client: KubernetesClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    @property
    def backend(self) -> str:
        return self._client.backend

    def now(self) -> float:
        return self._clock.now()

    def item(self, resource: Resource, namespace: str, name: str, look: Look) -> Body:
        """One object; raises NotFound when it is not there, and NotInstalled when its kind is not."""
        return self._named(lambda: self._client.get(resource, namespace, name, look).body)

    def items(self, resource: Resource, look: Look, namespace: str = "") -> list[Body]:
        """The essence of all objects of a kind, of one namespace or of all."""
        kept = essence_of(resource)
        listing = self._named(lambda: self._client.list(resource, look, namespace=namespace, essence=kept))
        return [seen.body for seen in listing.items]

    def count(self, resource: Resource, look: Look) -> int | None:
        """How many there are of a kind, in all namespaces; None where that is not said."""
        return self._named(lambda: self._client.count(resource, look))

    def version(self, look: Look) -> str:
        """The API server's release; raises what reading raises, UnreadableAnswer when it is none."""
        return self._client.version(look)

    def resources(self, look: Look) -> frozenset[str]:
        """What Trident's API group serves here, by its own list; raises NotInstalled when there is no such group."""
        return self._named(lambda: self._client.served(MIRRORS, look))

    def date_of(self, look: Look) -> Answer:
        """An answer for its `Date` header: the API server's clock."""
        return self._client.about(look)

    def _named(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except NotInstalled as error:
            raise NotInstalled(
                f"Trident is not installed on {self.backend}: {error.message}",
                remedy=error.remedy,
                backend=error.backend,
                operation=error.operation,
            ) from error
