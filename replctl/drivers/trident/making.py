"""What is made where nothing is mirrored yet: a relationship at each end, and the claim of the replica (CT §8.2).

All six strings of a relationship are there from the beginning: Trident writes those that are not, which makes a
generation that nobody asked for (CT §3). Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from replctl.drivers.kubernetes.objects import Body, part, text
from replctl.drivers.trident import words
from replctl.drivers.trident.mirrors import NUDGE, Mirror

MIRROR_ANNOTATION = "trident.netapp.io/mirrorRelationship"  # makes the claim's volume a destination (CT §5)


def new_source(name: str, claim: str, word: Mapping[str, str]) -> dict[str, Any]:
    """Of an ordinary volume, which stays as it is; `word` is what the file declares."""
    return _relationship(name, claim, words.PROMOTED, "", word)


def new_replica(name: str, claim: str, remote: str, word: Mapping[str, str]) -> dict[str, Any]:
    """Of a volume that is made for it, to be filled from `remote`."""
    return _relationship(name, claim, words.ESTABLISHED, remote, word)


def new_claim(name: str, mirror: str, word: Mapping[str, str]) -> dict[str, Any]:
    """Of the replica's volume: given to pods as the source's is."""
    spec: dict[str, Any] = {
        "accessModes": word["access_modes"].split(","),
        "storageClassName": word["storage_class"],
        "resources": {"requests": {"storage": word["size"]}},
    }
    if word.get("volume_mode"):
        spec["volumeMode"] = word["volume_mode"]
    return {"metadata": {"name": name, "annotations": {MIRROR_ANNOTATION: mirror}}, "spec": spec}


def nudge(operation: str) -> dict[str, Any]:
    """Has Trident look at a relationship now that it waits for; it may not do so by itself for 1000 s (CT §3)."""
    return {"metadata": {"annotations": {NUDGE: operation}}}


def asks_the_same(body: Body, wanted: Body) -> bool:
    """Whether a relationship that is there asks for what was to be made."""
    return _asked(body) == _asked(wanted) and "deletionTimestamp" not in part(body, "metadata")


def is_for(claim: Body, mirror: str) -> bool:
    """Whether a claim that is there was made for the relationship."""
    metadata = part(claim, "metadata")
    annotated = text(part(metadata, "annotations"), MIRROR_ANNOTATION) == mirror
    return annotated and "deletionTimestamp" not in metadata


def _asked(body: Body) -> tuple[str, ...]:
    mirror = Mirror(body)
    keys = ("state", "replicationPolicy", "replicationSchedule")
    return (mirror.claim, mirror.remote, *(text(mirror.spec, key) for key in keys))


def _relationship(name: str, claim: str, state: str, remote: str, word: Mapping[str, str]) -> dict[str, Any]:
    place = {"localPVCName": claim, "remoteVolumeHandle": remote, "promotedSnapshotHandle": ""}
    return {
        "metadata": {"name": name},
        "spec": {
            "state": state,
            "replicationPolicy": word.get("replication_policy", ""),
            "replicationSchedule": word.get("schedule", ""),
            "volumeMappings": [place],
        },
    }
