"""What is written into a mirror relationship to change it: always the whole of what it asks for (CT §2, §13).

A list is replaced whole by a merge patch, and a string that is left out is written by Trident itself, which makes a
generation that nobody asked for. So all six strings are there in each change. Pure.
"""

from __future__ import annotations

from typing import Any

from replctl.drivers.kubernetes.objects import text
from replctl.drivers.trident import words
from replctl.drivers.trident.mirrors import Mirror
from replctl.drivers.trident.promotions import ANNOTATION, RETURN, Promotion, Return


def promotion(mirror: Mirror, operation: str, handle: str, since: str) -> dict[str, Any]:
    """Make it the source, at a snapshot if one is named; with what proves later that it was true.

    `since` is the version of all such objects at which it was as it is.
    """
    mark = Promotion(
        operation=operation,
        since=since,
        generation=(mirror.generation or 0) + 1,
        was=text(mirror.condition, "state"),
    )
    return _changed(mirror, words.PROMOTED, handle=handle, mark=mark.annotation)


def re_establishment(mirror: Mirror, remote: str, policy: str, schedule: str, since: str) -> dict[str, Any]:
    """Make it the replica of `remote`; what it names itself of policy and schedule stays (CT §2.4).

    With what proves later that it was true; `since` as of a promotion.
    """
    mark = Return(
        since=since,
        generation=(mirror.generation or 0) + 1,
        was=text(mirror.condition, "state"),
        policy=text(mirror.condition, "replicationPolicy"),
    )
    changed = _changed(mirror, words.REESTABLISHED, remote=remote, policy=policy, schedule=schedule)
    changed["metadata"]["annotations"][RETURN] = mark.annotation
    return changed


def clearing(mirror: Mirror) -> dict[str, Any]:
    """Ask for nothing: the only way out of a failure, which is final until the spec changes (CT §13)."""
    return _changed(mirror, words.NOTHING_ASKED)


def _changed(
    mirror: Mirror,
    state: str,
    *,
    remote: str = "",
    handle: str = "",
    policy: str = "",
    schedule: str = "",
    mark: str | None = None,
) -> dict[str, Any]:
    """The snapshot's handle is there only while it is promoted; anything else would be invalid (CT §2.3)."""
    spec, place = mirror.spec, mirror.mapping
    mapping = {
        **place,
        "localPVCName": text(place, "localPVCName"),
        "remoteVolumeHandle": remote or text(place, "remoteVolumeHandle"),
        "promotedSnapshotHandle": handle,
    }
    return {
        "metadata": {"annotations": {ANNOTATION: mark, RETURN: None}},
        "spec": {
            "state": state,
            "replicationPolicy": text(spec, "replicationPolicy") or policy,
            "replicationSchedule": text(spec, "replicationSchedule") or schedule,
            "volumeMappings": [mapping],
        },
    }
