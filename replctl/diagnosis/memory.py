"""What replctl keeps for itself: the store's place and content, breakers, operations nobody carries out, holds."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from replctl.bootstrap import Services
from replctl.core.breaker import Position
from replctl.core.durations import format_duration, format_time
from replctl.core.errors import ReplctlError
from replctl.diagnosis.checks import Check, fails, of_error, warns, well
from replctl.store import place

STORE, SPACE, HISTORY, OPERATION, LOCK = "store", "store-space", "history", "operation", "lock"
BREAKER, HOLD = "breaker", "hold"
MEBIBYTE = 1024 * 1024
SPACE_WARN_BYTES = 256 * MEBIBYTE
SPACE_FAIL_BYTES = 16 * MEBIBYTE  # a few thousand operations, and the log of the database
ANOTHER_PLACE = "make room, or name another place: REPLCTL_STATE_DIR=DIRECTORY"


def check_memory(services: Services) -> list[Check]:
    """The place first; what is in it only when it can be read."""
    directory = services.settings.state_dir
    checks = [_writable(directory)]
    if directory.exists() and not directory.is_dir():
        return checks
    if directory.is_dir():
        checks.append(_space(directory))
    for part in (_history, _operations, _breakers, _holds):
        checks += _read(part, services)
    return list(dict.fromkeys(checks))  # a store that cannot be read is told once


def _read(part: Callable[[Services], Iterator[Check]], services: Services) -> list[Check]:
    try:
        return list(part(services))
    except ReplctlError as error:
        cure = f"look at {services.settings.state_dir}, or set REPLCTL_STATE_DIR to another place"
        return [of_error(STORE, str(services.settings.state_dir), error, cure)]


def _writable(directory: Path) -> Check:
    """Looking makes no directory: of one that is not there yet, the place where it would be made is judged."""
    subject = str(directory)
    nearest = next(each for each in (directory, *directory.parents) if each.exists())
    if not nearest.is_dir():
        return fails(
            STORE, subject, f"{nearest} is not a directory", f"move {nearest} away, or set REPLCTL_STATE_DIR"
        )
    try:
        place.refuse_network(nearest)
        place.refuse_unwritable(nearest, os.W_OK | os.X_OK)
    except ReplctlError as error:
        return of_error(
            STORE, subject, error, f"look at {nearest}, or set REPLCTL_STATE_DIR to another place"
        )
    mode = stat.S_IMODE(nearest.stat().st_mode)
    if nearest == directory and mode & stat.S_IWOTH:
        said = f"mode {mode:04o}: everyone may change or remove what replctl remembers"
        return warns(STORE, subject, said, f"chmod o= {directory}")
    there = "can be written, on a local file system"
    return well(STORE, subject, there if nearest == directory else f"not made yet; {nearest} {there}")


def _space(directory: Path) -> Check:
    room = os.statvfs(directory)
    free = room.f_bavail * room.f_frsize
    said = f"{free // MEBIBYTE:,} MiB free"
    if free < SPACE_FAIL_BYTES:
        return fails(SPACE, str(directory), f"{said}: changes will be refused", ANOTHER_PLACE)
    if free < SPACE_WARN_BYTES:
        return warns(SPACE, str(directory), said, ANOTHER_PLACE)
    return well(SPACE, str(directory), said)


def _history(services: Services) -> Iterator[Check]:
    faults = services.store.verify()
    for fault in faults:
        cure = "replctl history --verify; find out who changed the store, and keep a copy of it"
        yield fails(HISTORY, fault.replication or "anchors", fault.fault, cure)
    if not faults:
        yield well(HISTORY, "all", "nothing wrong is found in the chains")


def _operations(services: Services) -> Iterator[Check]:
    open_ones = services.store.operations(open_only=True)
    for record in open_ones:
        holder = services.store.holder(record.replication)
        what = f"{record.verb} of {record.replication}, begun {format_time(record.began)}"
        if holder is not None:
            said = f"{what}, is carried out by {holder.who}"
            yield well(LOCK, record.replication, said)
            continue
        cure = f"replctl op resume {record.operation_id}, or replctl op abandon {record.operation_id}"
        yield warns(OPERATION, record.operation_id, f"{what}, is open and nobody carries it out", cure)
    held = [key for key in sorted(services.replications) if services.store.holder(key) is not None]
    busy = {record.replication for record in open_ones}
    for key in held:
        if key not in busy:
            yield well(LOCK, key, f"held by {_who(services, key)}")
    if not open_ones and not held:
        yield well(OPERATION, "all", "no operation is open, and no lock is held")


def _who(services: Services, key: str) -> str:
    holder = services.store.holder(key)
    return str(holder.who) if holder is not None else "nobody any more"


def _breakers(services: Services) -> Iterator[Check]:
    counted = sorted(services.store.breakers().items())
    open_ones = [(each, state) for each, state in counted if state.position is not Position.CLOSED]
    for (backend, kind), state in open_ones:
        why = f": {state.last_error}" if state.last_error else ""
        until = f" until {format_time(state.retry_at)}" if state.retry_at is not None else ""
        said = f"the circuit breaker for {kind} calls is {state.position.value.replace('_', ' ')}{until}{why}"
        cure = f"replctl doctor --probe; once it answers: replctl breaker reset {backend}"
        yield warns(BREAKER, backend, said, cure)
    if not open_ones:
        yield well(BREAKER, "all", "every circuit breaker is closed")


def _holds(services: Services) -> Iterator[Check]:
    now, holds = services.clock.now(), services.store.holds()
    past = {key: hold for key, hold in holds.items() if hold.ends_at is not None and hold.ends_at <= now}
    for key, hold in past.items():
        assert hold.ends_at is not None
        ago = format_duration(now - hold.ends_at)
        said = f"held by {hold.owner} ({hold.reason}), and was to end {ago} ago"
        yield warns(HOLD, key, said, f"replctl release {key}")
    if not past:
        yield well(HOLD, "all", f"{len(holds)} in force, none past its end" if holds else "nothing is held")
