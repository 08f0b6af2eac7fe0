"""What scenarios about Trident share: a world at rest, what was written in it, what was left behind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from worlds import LEDGER, Ran, World, a_world

EAST, WEST = "k8s-east", "k8s-west"
SOURCE_POD = {"cluster": EAST, "namespace": "bank", "claim": "ledger-data"}
MIRRORS, SNAPSHOTS, COPIES = "tridentmirrorrelationships", "volumesnapshots", "tridentactionmirrorupdates"
STEPS = ["snapshot", "copy", "promote", "reestablish"]


@contextmanager
def at_rest(directory: Path, **options: Any) -> Iterator[World]:
    """The ledger mirrored from east to west, and nobody uses it."""
    with a_world(directory, vendors=("trident",), **options) as made:
        made.control.stop_pods(LEDGER)
        yield made


def ask_ontap(world: World) -> None:
    """Give replctl the read access to ONTAP that its configuration has ready."""
    world.config.write_text(world.config.read_text().replace("    # ontap:", "    ontap:"))


def writes(world: World, *, effective: bool = True) -> list[tuple[str, str, str]]:
    """(cluster, method, kind) of the changes that took effect, or that were sent at all, in their order."""
    found = []
    for change in world.changes():
        parts = change["path"].split("/")
        kind = parts[-1] if change["method"] == "POST" else parts[-2]
        if change["effect"] or not effective:
            found.append((change["array"], change["method"], kind))
    return found


def patches(world: World) -> list[tuple[str, str]]:
    """(cluster, wanted state) of the mirror relationships that were changed, in their order."""
    return [
        (change["array"], change["body"]["spec"]["state"])
        for change in world.changes()
        if change["method"] == "PATCH" and change["effect"]
    ]


def leftovers(world: World) -> list[str]:
    """Snapshots and copies of ours that are there, and not on their way out."""
    return [
        each["metadata"]["name"]
        for cluster in (EAST, WEST)
        for kind in (SNAPSHOTS, COPIES)
        for each in world.control.objects(cluster, kind, "bank")
        if not each["metadata"].get("deletionTimestamp")
    ]


def outcomes(ran: Ran) -> dict[str, Any]:
    return {step["name"]: step["outcome"] for step in ran.operation["steps"]}


def mirror(world: World, cluster: str = WEST) -> Any:
    """The ledger's mirror relationship as it is stored."""
    name = "ledger" if cluster == EAST else "ledger-dr"
    (found,) = [
        each for each in world.control.objects(cluster, MIRRORS, "bank") if each["metadata"]["name"] == name
    ]
    return found


def word(world: World, cluster: str = WEST) -> str:
    """Trident's own word for it, as somebody with kubectl would read it."""
    return str(mirror(world, cluster)["status"]["conditions"][0]["state"])


def when(world: World, deed: str, arguments: Any, *asked: str, effect: str = "before", skip: int = 0) -> None:
    """Have something done, once, as a cluster is asked something: cluster, method and path."""
    cluster, method, path = asked
    world.control.when(deed, arguments, array=cluster, method=method, path=path, effect=effect, skip=skip)
