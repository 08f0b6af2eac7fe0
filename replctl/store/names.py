"""The file of names beside the store, from which TAB is answered (`completing.kept`): written when they change.

A help, never memory: it is made anew by the next command, so it is renamed into place whole but waits for no disk,
and whatever goes wrong with it is nobody's trouble.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from replctl.completing import kept
from replctl.core.errors import StoreRefused
from replctl.core.journal import OperationRecord
from replctl.core.model import Replication
from replctl.store import place


def keep(
    directory: Path,
    config: Path,
    *,
    replications: Iterable[Replication],
    backends: Iterable[str],
    states: Mapping[str, str],
    operations: Iterable[OperationRecord],
) -> None:
    """Keep the names of a configuration beside its store, if there is one. Never raises.

    `states` are of the replications that were looked at, by key; of the others what was kept stays. `operations` are
    those that are open.
    """
    if not directory.is_dir():
        return
    before = {each.key: each.state for each in kept.read(str(directory), str(config)).replications}
    text = kept.text(
        str(config),
        (_as_kept(each, states.get(each.key) or before.get(each.key, "")) for each in replications),
        backends,
        (kept.Operation(each.operation_id, each.verb, each.replication) for each in operations),
    )
    path = directory / kept.file_name(str(config))
    try:
        if not kept.is_ours(str(path)) or path.read_bytes() != text.encode():
            _replace(place.prepare(directory), path, text.encode())
    except (OSError, StoreRefused):
        return


def _as_kept(each: Replication, state: str) -> kept.Replication:
    return kept.Replication(
        each.key,
        state,
        each.group or "",
        (each.local.backend, each.peer.backend),
        [f"{key}={value}" for key, value in each.labels],
    )


def _replace(where: place.Place, path: Path, content: bytes) -> None:
    """By a rename; raises OSError and StoreRefused."""
    made = path.with_name(f".{path.name}.{os.getpid()}")
    made.unlink(missing_ok=True)  # of a process of this number that was killed
    try:
        descriptor = place.open_file(where, made, os.O_WRONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        made.replace(path)
    finally:
        made.unlink(missing_ok=True)
