"""How a cluster begins: definitions, classes, namespaces, and mirrors that have worked for a while."""

from replctl.simulator.kubernetes.kinds import (
    ATTACHMENT,
    BACKEND,
    CLAIM,
    FINALIZER,
    MIRROR,
    NAMESPACE,
    SNAPSHOT_CLASS,
    STORAGE_CLASS,
)
from replctl.simulator.kubernetes.stamps import stamp
from replctl.simulator.kubernetes.statuses import Object
from replctl.simulator.ontap.fabric import PROTECTED, READ_WRITE, Volume
from replctl.simulator.scene import SNAPSHOT_CLASS_NAME
from replctl.simulator.trident.relations import ESTABLISHED, PROMOTED
from replctl.simulator.trident.site import MIRROR_ANNOTATION, PROVISIONER, Site
from replctl.simulator.trident.volumes import Provisioner

STORAGE_CLASS_NAME = "mirrored"
_NAMESPACES = ("default", "kube-system", "trident")
_SIZE = "20Gi"


def found_cluster(site: Site, at: float) -> None:
    """Everything that a cluster has before anybody uses it."""
    cluster = site.cluster
    cluster.install(at)
    for name in _NAMESPACES:
        found_namespace(site, name, at)
    class_: Object = {
        "metadata": {"name": STORAGE_CLASS_NAME},
        "provisioner": PROVISIONER,
        "parameters": {"trident.netapp.io/replication": "true"},
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "Immediate",
    }
    cluster.registry.create(STORAGE_CLASS, "", class_, at, bulk=True)
    snapshots: Object = {
        "metadata": {"name": SNAPSHOT_CLASS_NAME},
        "driver": PROVISIONER,
        "deletionPolicy": "Delete",
    }
    cluster.registry.create(SNAPSHOT_CLASS, "", snapshots, at, bulk=True)
    backend: Object = {
        "metadata": {"name": f"tbe-{site.name}"},
        "backendName": f"{site.name}-nas",
        "state": "online",
    }
    cluster.registry.create(BACKEND, "trident", backend, at, bulk=True)


def found_namespace(site: Site, name: str, at: float) -> None:
    """A namespace, unless it is there already."""
    if site.cluster.registry.store.get(NAMESPACE, ("", name)) is None:
        site.cluster.registry.create(NAMESPACE, "", {"metadata": {"name": name}}, at, bulk=True)


def found_mirror(
    site: Site, provisioner: Provisioner, namespace: str, mirror: str, claim: str, source: str, at: float
) -> Volume:
    """One end of a mirror with its claim and volume; `source`: the other's handle, empty where this is the source."""
    found_namespace(site, namespace, at)
    registry = site.cluster.registry
    state = ESTABLISHED if source else PROMOTED
    place = {"localPVCName": claim, "remoteVolumeHandle": source, "promotedSnapshotHandle": ""}
    spec = {
        "state": state,
        "replicationPolicy": site.policy,
        "replicationSchedule": site.schedule,
        "volumeMappings": [place],
    }
    body = registry.create(
        MIRROR,
        namespace,
        {"metadata": {"name": mirror, "finalizers": [FINALIZER]}, "spec": spec},
        at,
        bulk=True,
    )
    volume = _found_claim(site, provisioner, namespace, mirror if source else "", claim, at)
    said = {
        "state": state,
        "message": "",
        "lastTransitionTime": stamp(at),
        "observedGeneration": 1,
        "localVolumeHandle": volume.path,
        "localPVCName": claim,
        "remoteVolumeHandle": source,
        "replicationPolicy": site.policy if source else "",
        "replicationSchedule": site.schedule if source else "",
    }
    registry.store.put(MIRROR, (namespace, mirror), {**body, "status": {"conditions": [said]}}, at, bulk=True)
    return volume


def _found_claim(
    site: Site, provisioner: Provisioner, namespace: str, mirror: str, name: str, at: float
) -> Volume:
    metadata: Object = {"name": name}
    if mirror:
        metadata["annotations"] = {MIRROR_ANNOTATION: mirror}
    spec = {
        "accessModes": ["ReadWriteMany"],
        "storageClassName": STORAGE_CLASS_NAME,
        "resources": {"requests": {"storage": _SIZE}},
    }
    body: Object = {"metadata": metadata, "spec": spec}
    claim = site.cluster.registry.create(CLAIM, namespace, body, at, bulk=True)
    return provisioner.provision(claim, at, PROTECTED if mirror else READ_WRITE, bulk=True)


def attach(
    site: Site, namespace: str, claim: str, pod: str, at: float, *, bulk: bool = False
) -> Volume | None:
    """A pod mounts a claim: its node attaches the volume, and it writes where it can; None if it is not bound."""
    body = site.claim(namespace, claim)
    bound = site.bound(body) if body is not None else None
    if body is None or bound is None or bound.volume is None:
        return None
    name = attachment_name(body, pod)
    if site.cluster.registry.store.get(ATTACHMENT, ("", name)) is None:
        spec = {
            "attacher": PROVISIONER,
            "nodeName": f"{site.name}-node-1",
            "source": {"persistentVolumeName": body["spec"]["volumeName"]},
        }
        attachment: Object = {"metadata": {"name": name}, "spec": spec, "status": {"attached": True}}
        site.cluster.registry.create(ATTACHMENT, "", attachment, at, bulk=bulk)
    bound.volume.pods.add(pod)
    site.fabric.settle_writers(bound.volume, at)
    return bound.volume


def detach(site: Site, namespace: str, claim: str, pod: str | None, at: float) -> Volume | None:
    """A pod, or every pod, is gone, and its attachment with it; None if the claim is not bound."""
    body = site.claim(namespace, claim)
    bound = site.bound(body) if body is not None else None
    if body is None or bound is None or bound.volume is None:
        return None
    for each in list(bound.volume.pods) if pod is None else [pod]:
        bound.volume.pods.discard(each)
        name = attachment_name(body, each)
        if site.cluster.registry.store.get(ATTACHMENT, ("", name)) is not None:
            site.cluster.registry.store.remove(ATTACHMENT, ("", name), at)
    site.fabric.settle_writers(bound.volume, at)
    return bound.volume


def attachment_name(claim: Object, pod: str) -> str:
    """What the attachment of a pod's volume is called."""
    return f"csi-{claim['metadata']['uid'].replace('-', '')[:24]}-{pod}"
