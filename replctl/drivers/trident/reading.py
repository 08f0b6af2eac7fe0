"""Reading a cluster: the kinds that Trident's replication is made of, through the client of its API server (CT §12).

The only module here that reads Kubernetes over the wire. What goes wrong is raised as `core.errors`; a cluster that
does not know Trident's kinds is said to have no Trident.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from replctl.clock import Clock
from replctl.core.errors import NotInstalled
from replctl.drivers.http import Answer
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.objects import Body, Resource
from replctl.resilience import Look

T = TypeVar("T")

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
        """All objects of a kind, of one namespace or of all."""
        listing = self._named(lambda: self._client.list(resource, look, namespace=namespace))
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
