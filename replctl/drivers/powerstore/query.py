"""How PowerStore is asked: field lists per release, filters, and pages (CP §1, §4).

Pure. A field that a release lacks is an error there, so every list knows since when each field exists; a
release newer than all we know gets the newest list. Sending is `reading`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import quote

PAGE_ROWS = 2000  # the array's maximum; a larger wish is cut to it
FILTER_VALUES = 50  # values of one `in.(…)`
FILTER_CHARACTERS = 3500  # keeps a request line well below what proxies refuse
ALL_FIELDS = "*"

_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
Release = tuple[int, ...]
_FIRST: Release = (1,)
_SECOND: Release = (2,)
_THIRD: Release = (3,)
_WITNESSED: Release = (3, 6)

SESSION_FIELDS: Mapping[str, Release] = MappingProxyType(
    {
        "id": _FIRST,
        "state": _FIRST,
        "role": _FIRST,
        "resource_type": _FIRST,
        "local_resource_id": _FIRST,
        "remote_resource_id": _FIRST,
        "remote_system_id": _FIRST,
        "last_sync_timestamp": _FIRST,
        "progress_percentage": _FIRST,
        "estimated_completion_timestamp": _FIRST,
        "last_sync_duration": _SECOND,
        "failover_test_in_progress": _SECOND,
        "type": _THIRD,
        "data_transfer_state": _THIRD,
        "local_resource_state": _THIRD,
        "data_connection_state": _THIRD,
        "error_code": _THIRD,
        "parent_replication_session_id": _THIRD,
        "replication_rule(rpo)": _FIRST,
        "witness_details": _WITNESSED,
    }
)
VOLUME_FIELDS: Mapping[str, Release] = MappingProxyType({"id": _FIRST, "name": _FIRST, "type": _FIRST})
GROUP_FIELDS: Mapping[str, Release] = MappingProxyType({"id": _FIRST, "name": _FIRST, "type": _FIRST})
REMOTE_FIELDS: Mapping[str, Release] = MappingProxyType(
    {"id": _FIRST, "name": _FIRST, "state": _FIRST, "data_connection_state": _FIRST}
)
JOB_FIELDS: Mapping[str, Release] = MappingProxyType(
    {
        "id": _FIRST,
        "state": _FIRST,
        "progress_percentage": _FIRST,
        "response_body": _FIRST,
        "start_time": _FIRST,
        "end_time": _FIRST,
        "phase": (1, 0, 2),
        "response_status": _SECOND,
    }
)


def release_of(text: str) -> Release | None:
    """`4.1.0.0` as numbers, or None for what is not a release."""
    if not re.fullmatch(r"\d{1,6}(\.\d{1,6})*", text):
        return None
    return tuple(int(part) for part in text.split("."))


def select(fields: Mapping[str, Release], release: Release | None) -> str:
    """The field list for a release; when the release could not be read, whatever the array has."""
    if release is None:
        return ALL_FIELDS
    return ",".join(name for name, since in fields.items() if since <= release)


@dataclass(frozen=True, slots=True)
class ContentRange:
    """`first-last/total` of a partial answer, both ends inclusive."""

    first: int
    last: int
    total: int


def content_range(header: str | None) -> ContentRange | None:
    """The header's numbers, or None when it is missing or makes no sense."""
    found = re.fullmatch(r"(?:items )?(\d+)-(\d+)/(\d+)", (header or "").strip())
    if found is None:
        return None
    first, last, total = (int(number) for number in found.groups())
    return ContentRange(first, last, total) if first <= last < total else None


def next_offset(status: int, header: str | None, offset: int, rows: int) -> int | None:
    """Where the next page starts, or None when this one was the last.

    Without a usable header a partial answer is followed as far as it gave rows; an empty one ends the list.
    """
    if status != 206 or rows == 0:
        return None
    told = content_range(header)
    if told is None:
        return offset + rows
    following = told.last + 1
    return following if offset < following < told.total else None


def page(offset: int) -> dict[str, str]:
    """The parameters of one page, in an order that does not change between pages."""
    return {"order": "id", "limit": str(PAGE_ROWS), "offset": str(offset)}


def filters(values: Iterable[str]) -> list[str]:
    """Filter expressions that together match the values, as few as fit: `in.(a,b)`, or `eq.a,b` one by one for
    a value whose characters would end an entry of such a list."""
    distinct = sorted(set(values))
    found: list[str] = []
    batch: list[str] = []
    for value in distinct:
        if re.search(r'[,()"\\]|^\s|\s$', value):
            found.append(f"eq.{value}")
            continue
        if len(batch) == FILTER_VALUES or sum(map(len, batch)) + len(batch) + len(value) > FILTER_CHARACTERS:
            found.append(f"in.({','.join(batch)})")
            batch = []
        batch.append(value)
    if batch:
        found.append(f"in.({','.join(batch)})" if len(batch) > 1 else f"eq.{batch[0]}")
    return found


def one(path: str, key: str) -> str:
    """The path of one thing of a collection; ids are opaque, so nothing in them may lead elsewhere."""
    return f"{path}/{quote(key, safe='')}"


def looks_like_id(value: str) -> bool:
    """Whether a value is more likely an id than a name. Ids are opaque; this only decides what is tried first."""
    return _UUID.fullmatch(value) is not None
