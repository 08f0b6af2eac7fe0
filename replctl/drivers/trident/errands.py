"""What a change makes beside the mirror relationships: a snapshot at the source, a copy to the replica (CT §6, §8.4).

Objects bear the operation in name and label, so that one made twice is a conflict with our own. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from replctl.core.plans import Errand
from replctl.drivers.kubernetes.objects import Body, part, text
from replctl.drivers.trident.stamps import moment

MANAGER, OPERATION = "app.kubernetes.io/managed-by", "replctl/operation"
OURS = "replctl"
PROVISIONER = "csi.trident.netapp.io"
MOST_COPIES = 3  # a copy that runs already lets another one fail
SUCCEEDED, FAILED = "Succeeded", "Failed"


@dataclass(frozen=True, slots=True)
class Errands:
    """What one operation makes, by name. `round` counts how often it began anew with everything."""

    operation: str
    round: int = 0

    def name(self, attempt: int = 1) -> str:
        again = f"-r{self.round}" if self.round else ""
        return f"replctl-{self.operation}{again}" + (f"-{attempt}" if attempt > 1 else "")


def labels(operation: str) -> dict[str, str]:
    return {MANAGER: OURS, OPERATION: operation}


def is_of(body: Body, operation: str) -> bool:
    """Whether the operation made the object."""
    said = part(body, "metadata", "labels")
    return text(said, MANAGER) == OURS and text(said, OPERATION) == operation


def new_snapshot(errands: Errands, claim: str, snapshot_class: str) -> dict[str, Any]:
    source = {"persistentVolumeClaimName": claim}
    return {
        "metadata": {"name": errands.name(), "labels": labels(errands.operation)},
        "spec": {"volumeSnapshotClassName": snapshot_class, "source": source},
    }


def new_copy(errands: Errands, attempt: int, mirror: str, handle: str) -> dict[str, Any]:
    """Of what is at the source now, or up to a snapshot of it."""
    wanted = {"tridentMirrorRelationshipName": mirror, **({"snapshotHandle": handle} if handle else {})}
    return {
        "metadata": {"name": errands.name(attempt), "labels": labels(errands.operation)},
        "spec": wanted,
    }


def copies(update: Body, mirror: str) -> bool:
    """Whether it is a copy of that relationship."""
    return text(part(update, "spec"), "tridentMirrorRelationshipName") == mirror


def is_over(update: Body) -> bool:
    return text(part(update, "status"), "state") in (SUCCEEDED, FAILED)


def content_name(snapshot: Body) -> str:
    """The content behind a snapshot that is ready; empty while it is not."""
    status = part(snapshot, "status")
    return text(status, "boundVolumeSnapshotContentName") if status.get("readyToUse") is True else ""


def snapshot_told(content: Body) -> Errand:
    """What a snapshot has come to, by the content behind it."""
    handle = text(part(content, "status"), "snapshotHandle")
    return Errand(done=bool(handle), result=handle or None)


def copy_told(update: Body, offset_seconds: float | None) -> Errand:
    """What a copy has come to. `offset_seconds`: how far the cluster's clock may be ahead of ours; None is not known.

    It holds what was at the source when it was asked for; one that ends at a snapshot holds no more than that.
    """
    status = part(update, "status")
    if text(status, "state") == FAILED:
        return Errand(failure=text(status, "message") or "Trident gives no reason")
    if text(status, "state") != SUCCEEDED:
        return Errand()
    asked = moment(part(update, "metadata").get("creationTimestamp"))
    whole = not text(part(update, "spec"), "snapshotHandle")
    known = asked is not None and offset_seconds is not None and whole
    return Errand(
        done=True,
        result=text(status, "completionTime") or None,
        copied_at=asked - offset_seconds
        if known and asked is not None and offset_seconds is not None
        else None,
    )
