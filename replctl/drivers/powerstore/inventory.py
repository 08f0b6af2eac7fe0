"""What is on an array and what it says that it can do, for `discover` and `backends` (R72, R76)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from replctl.core.errors import Interrupted, ReplctlError, trouble_of
from replctl.core.model import Trouble
from replctl.drivers.discovery import Capabilities, Inventory, Thing, presence_of
from replctl.drivers.powerstore.lookup import GROUP, SESSION, SESSIONS, SNAPSHOT, VOLUME, path_of
from replctl.drivers.powerstore.query import ALL_FIELDS, SESSION_FIELDS, Release, select
from replctl.drivers.powerstore.reading import Reader
from replctl.drivers.powerstore.sessions import Row
from replctl.resilience import Look

REMOTE_SYSTEM = "remote_system"
_RESOURCE_FIELDS = "id,name,type,protection_policy_id,is_replication_destination"
_FACTS = (
    "role",
    "state",
    "type",
    "resource_type",
    "local_resource_id",
    "remote_resource_id",
    "remote_system_id",
    "protection_policy_id",
    "is_replication_destination",
    "management_address",
    "serial_number",
    "version",
)


def capabilities(reader: Reader, kind: str, version: str | None, look: Look) -> Capabilities:
    """The array's own list of what it can do with the systems that it knows; raises what reading raises."""
    words: set[str] = set()
    for remote in reader.rows(f"/{REMOTE_SYSTEM}", {"select": ALL_FIELDS}, look):
        told = remote.values.get("capabilities")
        if isinstance(told, list):
            words.update(word for word in told if isinstance(word, str))
    return Capabilities(kind=kind, version=version, words=frozenset(words))


def count_sessions(reader: Reader, look: Look) -> int:
    """How many replication sessions there are; raises what reading raises."""
    return len(reader.rows(SESSIONS, {"select": "id"}, look))


def take(reader: Reader, kind: str, version: str | None, release: Release | None, look: Look) -> Inventory:
    """Everything listed; a kind that cannot be read is missing with its reason and hides no other."""
    listed = {
        SESSION: (SESSIONS, select(SESSION_FIELDS, release)),
        VOLUME: (path_of(VOLUME), _RESOURCE_FIELDS),
        GROUP: (path_of(GROUP), _RESOURCE_FIELDS),
        REMOTE_SYSTEM: (f"/{REMOTE_SYSTEM}", ALL_FIELDS),
    }
    things: list[Thing] = []
    missing: dict[str, Trouble] = {}
    for name, (path, fields) in listed.items():
        try:
            rows = reader.rows(path, {"select": fields}, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            missing[name] = trouble_of(error)
        else:
            things.extend(_thing(name, row) for row in rows if row.text("type") != SNAPSHOT)
    names = Counter((each.kind, each.name.lower()) for each in things)  # the array tells no case apart
    copied = {each.id: each for each in things if each.kind in (GROUP, VOLUME)}
    things = [_named(each, copied, names) if each.kind == SESSION else each for each in things]
    return Inventory(
        backend=reader.backend,
        kind=kind,
        read_at=reader.now(),
        presence=presence_of(len(listed) - len(missing), missing),
        version=version,
        things=tuple(things),
        missing=MappingProxyType(missing),
    )


def _named(session: Thing, copied: Mapping[str, Thing], names: Mapping[tuple[str, str], int]) -> Thing:
    """The session with how the file names it: by what it copies, where that is known and its name is the only one."""
    thing = copied.get(session.replicates or "")
    if thing is None:
        return replace(session, named=((SESSION, session.id),))
    alone = names[thing.kind, thing.name.lower()] == 1
    return replace(session, named=((thing.kind, thing.name if alone else thing.id),))


def _thing(kind: str, row: Row) -> Thing:
    facts = {name: row.values[name] for name in _FACTS if isinstance(row.values.get(name), str | int | float)}
    return Thing(
        kind=kind,
        id=row.id,
        name=row.text("name") or row.id,
        replicates=row.text("local_resource_id") if kind == SESSION else None,
        resource=row.text("local_resource_id") if kind == SESSION else None,
        counterpart=row.text("remote_resource_id") if kind == SESSION else None,
        facts=MappingProxyType(facts),
    )
