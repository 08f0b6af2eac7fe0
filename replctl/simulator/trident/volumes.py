"""The provisioner: claims become volumes, snapshots become snapshots, and both go again (CT §5, §6).

It works beside the controller of mirror relationships, and hears of changes as that does.
"""

import json
from collections.abc import Callable

from replctl.simulator.kubernetes.kinds import (
    CLAIM,
    MIRROR,
    PERSISTENT_VOLUME,
    SNAPSHOT_CONTENT,
    STORAGE_CLASS,
    TRIDENT,
    VOLUME,
    VOLUME_SNAPSHOT,
)
from replctl.simulator.kubernetes.statuses import Object, Refused
from replctl.simulator.kubernetes.store import DELETED, Change, Key
from replctl.simulator.ontap.fabric import PROTECTED, READ_WRITE, OntapError, Volume
from replctl.simulator.trident.mirrors import mapping
from replctl.simulator.trident.relations import ESTABLISHED, REESTABLISHED
from replctl.simulator.trident.site import MIRROR_ANNOTATION, PROVISIONER, Site

RETRY_SECONDS = 5.0
SNAPSHOT_FINALIZER = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
CLAIM_FINALIZER = "kubernetes.io/pvc-protection"
GIB = 2**30
_UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": GIB, "Ti": 2**40}


class NotYet(Exception):
    """A claim that cannot be provisioned now; the message says why."""


class Provisioner:
    """Makes volumes and snapshots in one cluster."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._registry = site.cluster.registry
        self._registry.store.listeners.append(self._hear)

    def _hear(self, change: Change) -> None:
        after = json.loads(change.after) if change.resource in _HEARD else None
        if after is None:
            return
        deed: Callable[[float], None] | None = None
        seconds = self._site.durations["provision"]
        going = bool(after["metadata"].get("deletionTimestamp"))
        if change.resource == CLAIM.resource:
            deed = self._on_claim(change, going)
        elif change.type != DELETED:
            seconds = self._site.durations["snapshot"]
            deed = self._on_snapshot(change.key, going, after)
        if deed is not None:
            self._site.agenda.later(change.at + seconds, deed)

    def _on_claim(self, change: Change, going: bool) -> Callable[[float], None] | None:
        key = change.key
        if change.type == DELETED:
            last: Object = json.loads(change.after)
            return lambda at: self._unprovision(last, at)
        if going:
            return lambda at: self.release_claim(key, at)
        return (lambda at: self._try_provision(key, at)) if change.before is None else None

    # Claims

    def _try_provision(self, key: Key, at: float) -> None:
        claim = self._registry.store.read(CLAIM, key)
        if claim is None or claim["spec"].get("volumeName"):
            return
        try:
            self.provision(claim, at)
        except NotYet as e:
            self._site.cluster.tell(claim, CLAIM, "Warning", "ProvisioningFailed", str(e), at)
            self._site.agenda.later(at + RETRY_SECONDS, lambda then: self._try_provision(key, then))

    def provision(self, claim: Object, at: float, type_: str | None = None, *, bulk: bool = False) -> Volume:
        """Make the volume behind a claim and bind it; of a type that follows from its mirror. Raises NotYet."""
        spec, metadata = claim["spec"], claim["metadata"]
        class_ = self._registry.store.read(STORAGE_CLASS, ("", str(spec.get("storageClassName", ""))))
        if class_ is None or class_.get("provisioner") != PROVISIONER:
            raise NotYet(f"storageclass {spec.get('storageClassName')!r} is not one of ours")
        if not self._site.system.alive:
            raise NotYet("no backend answers")
        if type_ is None:
            type_ = PROTECTED if self._is_destination(claim) else READ_WRITE
        name = f"pvc-{metadata['uid']}"
        internal = "trident_" + name.replace("-", "_")
        requested = str(spec.get("resources", {}).get("requests", {}).get("storage", "1Gi"))
        volume = self._site.fabric.add_volume(self._site.name, internal, type_, read_size(requested))
        self._store_volume(claim, name, internal, requested, at, bulk)
        self._bind(claim, name, requested, at, bulk)
        return volume

    def _is_destination(self, claim: Object) -> bool:
        """Whether the volume is to be the destination of a mirror (CT §5)."""
        namespace = claim["metadata"]["namespace"]
        store = self._registry.store
        named = (claim["metadata"].get("annotations") or {}).get(MIRROR_ANNOTATION)
        if named:
            if store.get(MIRROR, (namespace, named)) is None:
                raise NotYet(f"mirror relationship {named!r} was not found")
            return True
        mirrors = [store.read(MIRROR, key) for key in store.keys(MIRROR, namespace)]
        mine = [
            body
            for body in mirrors
            if body and mapping(body).get("localPVCName") == claim["metadata"]["name"]
        ]
        if len(mine) > 1:
            raise NotYet("more than one mirror relationship names this claim")
        return any(
            body["spec"].get("state") in (ESTABLISHED, REESTABLISHED)
            and mapping(body).get("remoteVolumeHandle")
            for body in mine
        )

    def _store_volume(
        self, claim: Object, name: str, internal: str, size: str, at: float, bulk: bool
    ) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        attributes = {
            "backendUUID": self._site.cluster.name,
            "internalName": internal,
            "name": name,
            "protocol": "file",
        }
        body: Object = {
            "metadata": {"name": name, "finalizers": ["kubernetes.io/pv-protection"]},
            "spec": {
                "capacity": {"storage": size},
                "accessModes": spec.get("accessModes", []),
                "persistentVolumeReclaimPolicy": "Delete",
                "storageClassName": spec.get("storageClassName"),
                "volumeMode": "Filesystem",
                "claimRef": {
                    "kind": "PersistentVolumeClaim",
                    "apiVersion": "v1",
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
                "csi": {"driver": PROVISIONER, "volumeHandle": name, "volumeAttributes": attributes},
            },
            "status": {"phase": "Bound"},
        }
        self._registry.create(PERSISTENT_VOLUME, "", body, at, bulk=bulk)
        config = {"name": name, "internalName": internal, "size": size, "version": "1"}
        trident: Object = {"metadata": {"name": name}, "config": config, "state": "online"}
        if self._site.cluster.find_kind(TRIDENT, "v1", VOLUME.plural) and not bulk:
            self._registry.create(VOLUME, "trident", trident, at)

    def _bind(self, claim: Object, name: str, size: str, at: float, bulk: bool) -> None:
        key = (claim["metadata"]["namespace"], claim["metadata"]["name"])
        claim["spec"]["volumeName"] = name
        status = {
            "phase": "Bound",
            "capacity": {"storage": size},
            "accessModes": claim["spec"].get("accessModes", []),
        }
        if bulk:
            self._registry.store.put(CLAIM, key, {**claim, "status": status}, at, bulk=True)
            return
        stored = self._registry.replace(CLAIM, *key, claim, at, must_say_version=False)
        self._registry.replace(CLAIM, *key, {**stored, "status": status}, at, status=True)

    def release_claim(self, key: Key, at: float) -> None:
        """Let a claim go that is being deleted and that nobody uses."""
        claim = self._registry.store.read(CLAIM, key)
        if claim is None or not claim["metadata"].get("deletionTimestamp"):
            return
        bound = self._site.bound(claim)
        if bound is None or bound.volume is None or not bound.volume.pods:
            self._registry.drop_finalizer(CLAIM, key, CLAIM_FINALIZER, at)

    def _unprovision(self, claim: Object, at: float) -> None:
        """The volume goes with its claim, and its mirror with it."""
        bound = self._site.bound(claim)
        name = claim["spec"].get("volumeName", "")
        if bound is not None and bound.volume is not None:
            self._site.fabric.destroy(bound.volume, at)
        if self._registry.store.get(PERSISTENT_VOLUME, ("", name)) is not None:
            self._registry.store.remove(PERSISTENT_VOLUME, ("", name), at)

    # Snapshots

    def _on_snapshot(self, key: Key, going: bool, body: Object) -> Callable[[float], None] | None:
        if going:
            return lambda at: self._remove_snapshot(key, at)
        return None if body.get("status") else lambda at: self._try_snapshot(key, at)

    def _try_snapshot(self, key: Key, at: float) -> None:
        body = self._registry.store.read(VOLUME_SNAPSHOT, key)
        if body is None or body.get("status") or body["metadata"].get("deletionTimestamp"):
            return
        try:
            self._snapshot(key, body, at)
        except (NotYet, OntapError, Refused) as e:
            self._site.cluster.tell(body, VOLUME_SNAPSHOT, "Warning", "SnapshotCreationFailed", str(e), at)
            self._site.agenda.later(at + RETRY_SECONDS, lambda then: self._try_snapshot(key, then))

    def _snapshot(self, key: Key, body: Object, at: float) -> None:
        name = (body.get("spec") or {}).get("source", {}).get("persistentVolumeClaimName", "")
        claim = self._site.claim(key[0], name)
        bound = self._site.bound(claim) if claim is not None else None
        if claim is None or bound is None or bound.volume is None:
            raise NotYet(f"claim {name!r} is not bound")
        snapshot = f"snapshot-{body['metadata']['uid']}"
        taken = self._site.fabric.take_snapshot(bound.volume, snapshot, at)
        content = f"snapcontent-{body['metadata']['uid']}"
        stored = self._registry.create(SNAPSHOT_CONTENT, "", self._content(key, body, claim, content), at)
        handle = f"{claim['spec']['volumeName']}/{snapshot}"
        ready = {"readyToUse": True, "restoreSize": claim["status"].get("capacity", {}).get("storage", "")}
        stored["status"] = {**ready, "snapshotHandle": handle, "creationTime": int(taken.at * 1e9)}
        self._registry.replace(SNAPSHOT_CONTENT, "", content, stored, at, status=True)
        if not body["metadata"].get("finalizers"):
            body["metadata"]["finalizers"] = [SNAPSHOT_FINALIZER]
            body = self._registry.replace(VOLUME_SNAPSHOT, *key, body, at)
        body["status"] = {
            **ready,
            "boundVolumeSnapshotContentName": content,
            "creationTime": self._site.system.stamp(taken.at),
        }
        self._registry.replace(VOLUME_SNAPSHOT, *key, body, at, status=True)

    @staticmethod
    def _content(key: Key, body: Object, claim: Object, name: str) -> Object:
        return {
            "metadata": {"name": name},
            "spec": {
                "deletionPolicy": "Delete",
                "driver": PROVISIONER,
                "source": {"volumeHandle": claim["spec"]["volumeName"]},
                "volumeSnapshotClassName": (body.get("spec") or {}).get("volumeSnapshotClassName"),
                "volumeSnapshotRef": {
                    "kind": VOLUME_SNAPSHOT.name,
                    "apiVersion": VOLUME_SNAPSHOT.api_version,
                    "namespace": key[0],
                    "name": key[1],
                    "uid": body["metadata"]["uid"],
                },
            },
        }

    def _remove_snapshot(self, key: Key, at: float) -> None:
        """A snapshot goes; one whose volume has become a replica cannot, if so assumed (CT §15 U8)."""
        body = self._registry.store.read(VOLUME_SNAPSHOT, key)
        if body is None or not body["metadata"].get("deletionTimestamp"):
            return
        name = (body.get("spec") or {}).get("source", {}).get("persistentVolumeClaimName", "")
        claim = self._site.claim(key[0], name)
        bound = self._site.bound(claim) if claim is not None else None
        volume = bound.volume if bound is not None else None
        if (
            volume is not None
            and volume.type == PROTECTED
            and self._site.assume["replica_snapshots"] == "kept"
        ):
            self._site.agenda.later(at + RETRY_SECONDS, lambda then: self._remove_snapshot(key, then))
            return
        if volume is not None:
            volume.snapshots.pop(f"snapshot-{body['metadata']['uid']}", None)
        content = (body.get("status") or {}).get("boundVolumeSnapshotContentName", "")
        if self._registry.store.get(SNAPSHOT_CONTENT, ("", content)) is not None:
            self._registry.delete(SNAPSHOT_CONTENT, "", content, at)
        self._registry.drop_finalizer(VOLUME_SNAPSHOT, key, SNAPSHOT_FINALIZER, at)


_HEARD = (CLAIM.resource, VOLUME_SNAPSHOT.resource)


def read_size(text: str) -> int:
    """Bytes of a quantity; those without a unit that is known are bytes already."""
    for unit, factor in _UNITS.items():
        if text.endswith(unit):
            return int(float(text[: -len(unit)]) * factor)
    return int(text) if text.isdigit() else GIB
