"""What a simulated Trident has at hand in one cluster: the API, the storage below, assumptions, durations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from replctl.simulator.agenda import Agenda
from replctl.simulator.assumptions import Assumptions
from replctl.simulator.kubernetes.cluster import Cluster
from replctl.simulator.kubernetes.kinds import CLAIM, PERSISTENT_VOLUME
from replctl.simulator.kubernetes.statuses import Object
from replctl.simulator.ontap.fabric import Fabric, System, Volume

PROVISIONER = "csi.trident.netapp.io"
MIRROR_ANNOTATION = "trident.netapp.io/mirrorRelationship"
# Virtual seconds that things take unless somebody says otherwise.
DURATIONS: dict[str, float] = {
    "initialize": 30.0,
    "update": 10.0,
    "resync": 20.0,
    "ontap_read": 0.1,
    "ontap_job": 1.5,
    "api_write": 0.02,
    "informer_lag": 0.05,
    "requeue": 0.2,
    "provision": 4.0,
    "snapshot": 3.0,
    "controller_restart": 15.0,
}


class Bound(NamedTuple):
    """What a claim leads to: its volume's internal name, and the volume if Trident knows it."""

    internal_name: str
    volume: Volume | None


@dataclass(slots=True, eq=False)
class Site:
    """One cluster with Trident and the ONTAP system under it.

    `policy` and `schedule` are those of the back-end configuration; `can_mirror`: whether its driver family does.
    """

    cluster: Cluster
    fabric: Fabric
    agenda: Agenda
    assume: Assumptions
    durations: Mapping[str, float]
    name: str
    policy: str = "MirrorAllSnapshots"
    schedule: str = "5min"
    can_mirror: bool = True

    @property
    def system(self) -> System:
        """The ONTAP system under this cluster."""
        return self.fabric.systems[self.name]

    def claim(self, namespace: str, name: str) -> Object | None:
        """A claim as it is stored now."""
        return self.cluster.registry.store.read(CLAIM, (namespace, name))

    def bound(self, claim: Object) -> Bound | None:
        """The volume behind a claim; None while it is not bound to one of Trident's (CT §4.6)."""
        name = claim.get("spec", {}).get("volumeName")
        if not name or claim.get("status", {}).get("phase") != "Bound":
            return None
        volume = self.cluster.registry.store.read(PERSISTENT_VOLUME, ("", name))
        attributes = ((volume or {}).get("spec", {}).get("csi") or {}).get("volumeAttributes") or {}
        internal = attributes.get("internalName")
        if not internal:
            return None
        return Bound(internal, self.system.volumes.get(internal))
