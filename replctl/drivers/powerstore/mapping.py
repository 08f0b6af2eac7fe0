"""What hosts are given of an end: the volume, or the members of the group, with the WWNs that they see (CP §11).

One request; a group gives its members with it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from replctl.core.errors import NotFound, Unsupported, excerpt
from replctl.core.model import End, Observation, Volume
from replctl.drivers.powerstore.lookup import GROUP, VOLUME, described, locator, path_of
from replctl.drivers.powerstore.query import one
from replctl.drivers.powerstore.reading import Reader
from replctl.resilience import Look

_FIELDS = "id,name,wwn"
_SELECT: Mapping[str, str] = {VOLUME: _FIELDS, GROUP: f"id,name,volumes({_FIELDS})"}


def volumes(reader: Reader, end: End, seen: Observation, look: Look) -> tuple[Volume, ...]:
    """By name; raises NotFound and Unsupported for what holds none, and whatever reading raises."""
    if seen.resource is None:
        raise NotFound(f"it is not known what the {described(end)} is", backend=reader.backend)
    kind = str(seen.vendor.get("resource_type") or locator(end)[0]).lower()  # spellings differ (CP §6.2)
    if kind not in _SELECT:
        raise Unsupported(f"replctl knows no volumes of a {excerpt(kind)}", backend=reader.backend)
    row = reader.item(one(path_of(kind), seen.resource), {"select": _SELECT[kind]}, look)
    found = _members(row.values) if kind == GROUP else iter([row.values])
    made = (
        Volume(str(each.get("id") or seen.resource), _text(each, "name"), _text(each, "wwn"))
        for each in found
    )
    return tuple(sorted(made, key=lambda volume: (volume.name or "", volume.id)))


def _members(group: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    members = group.get("volumes")
    for each in members if isinstance(members, list) else ():
        if isinstance(each, dict) and each.get("id"):
            yield each


def _text(values: Mapping[str, Any], field: str) -> str | None:
    value = values.get(field)
    return excerpt(value) if isinstance(value, str) and value else None
