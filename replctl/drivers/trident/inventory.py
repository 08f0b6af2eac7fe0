"""What is on a cluster and what it says that it can do, for `discover` and `backends` (R72, R76)."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType

from replctl.core.errors import Interrupted, ReplctlError, trouble_of
from replctl.core.model import Scalar, Trouble
from replctl.drivers.discovery import Inventory, Thing, presence_of
from replctl.drivers.kubernetes.objects import Body, Resource, part, text
from replctl.drivers.trident.mirrors import Mirror
from replctl.drivers.trident.reading import CLAIMS, MIRRORS, Reader
from replctl.resilience import Look

MIRROR, CLAIM = "mirror", "pvc"


def take(reader: Reader, kind: str, version: str | None, look: Look) -> Inventory:
    """Everything listed; a kind that cannot be read is missing with its reason and hides no other."""
    listed: dict[str, tuple[Resource, Callable[[Body], Thing]]] = {
        MIRROR: (MIRRORS, _mirror),
        CLAIM: (CLAIMS, _claim),
    }
    things: list[Thing] = []
    missing: dict[str, Trouble] = {}
    for name, (resource, told) in listed.items():
        try:
            bodies = reader.items(resource, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            missing[name] = trouble_of(error)
        else:
            things.extend(told(body) for body in bodies)
    return Inventory(
        backend=reader.backend,
        kind=kind,
        read_at=reader.now(),
        presence=presence_of(len(listed) - len(missing), missing),
        version=version,
        things=tuple(things),
        missing=MappingProxyType(missing),
    )


def _mirror(body: Body) -> Thing:
    mirror = Mirror(body)
    facts: dict[str, Scalar] = {
        "state": text(mirror.condition, "state"),
        "spec_state": text(mirror.spec, "state"),
        "local_volume_handle": mirror.handle,
        "remote_volume_handle": mirror.remote,
        "replication_policy": text(mirror.condition, "replicationPolicy"),
        "replication_schedule": text(mirror.condition, "replicationSchedule"),
    }
    words = {"namespace": mirror.namespace, "mirror": mirror.name, "pvc": mirror.claim}
    return Thing(
        kind=MIRROR,
        id=mirror.uid,
        name=f"{mirror.namespace}/{mirror.name}",
        replicates=f"{mirror.namespace}/{mirror.claim}",
        named=tuple((key, word) for key, word in words.items() if word),
        resource=mirror.handle or None,
        counterpart=mirror.remote or None,
        facts=MappingProxyType({name: value for name, value in facts.items() if value}),
    )


def _claim(body: Body) -> Thing:
    metadata, spec = part(body, "metadata"), part(body, "spec")
    name = f"{text(metadata, 'namespace')}/{text(metadata, 'name')}"
    facts = {
        "phase": text(part(body, "status"), "phase"),
        "storage_class": text(spec, "storageClassName"),
        "persistent_volume": text(spec, "volumeName"),
    }
    return Thing(
        kind=CLAIM,
        id=name,  # names are unique within a namespace, and mirrors name claims by them
        name=name,
        facts=MappingProxyType({key: value for key, value in facts.items() if value}),
    )
