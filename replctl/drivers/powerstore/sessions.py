"""From what the array answered to an observation: one session's row, its remote system, the array's clock.

Pure. Rows are foreign values and may hold anything; what has no meaning becomes a word that `words` does not
know, or None. Finding the row that belongs to an end is `lookup`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from replctl.core.errors import EXCERPT_CHARACTERS, excerpt
from replctl.core.model import (
    Mode,
    Observation,
    Point,
    Progress,
    Scalar,
    State,
    StateNote,
    Trouble,
    TroubleKind,
)
from replctl.drivers.powerstore import words
from replctl.drivers.powerstore.stamps import ClockReading, Sync, cycle_point, mirror_point, moment, number

Values = Mapping[str, Any]

_SHOWN = (
    "role",
    "state",
    "type",
    "data_transfer_state",
    "local_resource_state",
    "data_connection_state",
    "resource_type",
    "last_sync_timestamp",
    "last_sync_duration",
    "failover_test_in_progress",
    "error_code",
)

_BRIEFLY = ("type", "role", "state", "data_transfer_state", "local_resource_state")


@dataclass(frozen=True, slots=True)
class Row:
    """One item of a collection and when it was asked for and read, on our clock."""

    values: Values
    sent_at: float
    read_at: float

    def text(self, field: str) -> str | None:
        """The field as a word: None for null, the printed form of what should have been a word."""
        value = self.values.get(field)
        return value if value is None or isinstance(value, str) else str(value)

    @property
    def id(self) -> str:
        return self.text("id") or ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What one look knows beside the sessions; None and empty where it could not be read."""

    backend: str
    clock: ClockReading | None = None
    clock_margin_seconds: float | None = None
    remote_systems: Mapping[str, Row] = field(default_factory=dict)


def session_words(row: Row) -> words.SessionWords:
    """The words of a row that its state rests on."""
    return words.SessionWords(
        role=row.text("role"),
        state=row.text("state"),
        type=row.text("type"),
        transfer=row.text("data_transfer_state"),
        test_running=row.values.get("failover_test_in_progress") is True,
    )


def session_seen(row: Row, around: Surroundings) -> Observation:
    """What one end says, in our words with the array's beside them (design §3, §4)."""
    vendor = session_words(row)
    said = words.translate(vendor)
    remote = around.remote_systems.get(row.text("remote_system_id") or "")
    child = row.text("parent_replication_session_id")
    unsupported = said.unsupported or (_CHILD if child else None)
    return Observation(
        backend=around.backend,
        observed_at=row.read_at,
        as_of=row.read_at,
        state=said.state,
        note=said.note,
        mode=said.mode,
        flow=said.flow,
        healthy=said.healthy,
        word=words.said(vendor.state),
        sentence=said.sentence,
        identity=row.id,
        resource=row.text("local_resource_id"),
        counterpart=row.text("remote_resource_id"),
        point=_point(row, vendor, said, around),
        promised_seconds=words.RPOS.get(_rpo(row) or ""),
        progress=_progress(row, around.clock),
        link=words.link_of(
            row.text("data_connection_state"), remote.text("data_connection_state") if remote else None
        ),
        peer_management=words.management_of(remote.text("state") if remote else None),
        permits=frozenset() if unsupported else said.permits,
        unsupported=unsupported,
        drill=vendor.test_running,
        vendor=_vendor(row, remote),
        brief=_brief(row),
    )


_CHILD = "it belongs to the session of a NAS server and follows that one"


def _point(
    row: Row, vendor: words.SessionWords, said: words.Translation, around: Surroundings
) -> Point | None:
    """The last consistent point of a replica; a source has none, and a metro side is no replica."""
    if vendor.role != words.DESTINATION or vendor.type == words.METRO:
        return None
    if not said.complete:
        return Point(at=None, source="the first copy is not complete", read_at=row.read_at)
    if said.mode is Mode.SYNCHRONOUS:
        in_step = vendor.state == "OK" and vendor.transfer == words.SYNCHRONOUS
        return mirror_point(in_step, row.sent_at, row.read_at)
    sync = Sync(
        timestamp=row.values.get("last_sync_timestamp"),
        duration_ms=row.values.get("last_sync_duration"),
        read_at=row.read_at,
    )
    return cycle_point(sync, around.clock, around.clock_margin_seconds)


def _progress(row: Row, clock: ClockReading | None) -> Progress | None:
    """The array's own word on a running copy; its estimate is a hint, so an unknown offset counts as none."""
    percent = number(row.values.get("progress_percentage"))
    ends_at = moment(row.values.get("estimated_completion_timestamp"))
    if percent is None and ends_at is None:
        return None
    offset = clock.offset if clock else 0.0
    return Progress(percent=percent, ends_at=None if ends_at is None else ends_at - offset)


def _vendor(row: Row, remote: Row | None) -> Mapping[str, Scalar]:
    shown: dict[str, Scalar] = {"session": row.id}
    shown.update((name, row.values.get(name)) for name in _SHOWN)
    witness = _witness(row)
    shown["witness"], shown["witness_state"] = witness.get("witness_name"), witness.get("state")
    shown["replication_rule_rpo"] = _rpo(row)
    shown["remote_system"] = remote.text("name") if remote else None
    shown["remote_system_state"] = remote.text("state") if remote else None
    return MappingProxyType({name: _printable(value) for name, value in shown.items()})


def _witness(row: Row) -> Mapping[str, Any]:
    """What the array says of the session's witness; empty where it has none."""
    details = row.values.get("witness_details")
    return details if isinstance(details, Mapping) else {}


def _rpo(row: Row) -> str | None:
    """The word of the rule that made the session; the destination need not name it (CP §6)."""
    rule = row.values.get("replication_rule")
    word = rule.get("rpo") if isinstance(rule, Mapping) else None
    return word if isinstance(word, str) else None


def _brief(row: Row) -> str:
    """The array's own words on one line: what it is, how it is, and who would decide."""
    words_said = [row.text(name) for name in _BRIEFLY]
    state = _witness(row).get("state")
    words_said.append(f"witness {state}" if isinstance(state, str) else None)
    return " ".join(str(_printable(word)) for word in words_said if word)


def _printable(value: Any) -> Scalar:
    """A foreign value as it may be shown; terminals and logs see no control characters."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        return number(value)
    text = str(value)
    return text if len(text) <= EXCERPT_CHARACTERS and text.isprintable() else excerpt(text)


def strange_words(rows: Iterable[Row], remotes: Iterable[Row]) -> set[tuple[str, str]]:
    """The (field, value) of the array that no table of ours knows, to be counted."""
    found: set[tuple[str, str]] = set()
    for row in rows:
        found.update(words.translate(session_words(row)).strange)
        _add_strange(found, "data_connection_state", row.text("data_connection_state"), words.CONNECTIONS)
        _add_strange(found, "local_resource_state", row.text("local_resource_state"), words.RESOURCE_STATES)
        _add_strange(found, "rpo", _rpo(row), words.RPOS)
        witness = _witness(row).get("state")
        _add_strange(found, "witness_state", None if witness is None else str(witness), words.WITNESSES)
    for remote in remotes:
        _add_strange(found, "remote_system_state", remote.text("state"), words.REMOTE_STATES)
        _add_strange(found, "data_connection_state", remote.text("data_connection_state"), words.CONNECTIONS)
    return found


def _add_strange(
    found: set[tuple[str, str]], field: str, value: str | None, table: Mapping[str, object]
) -> None:
    if value is not None and value not in table:
        found.add((field, words.said(value)))


def no_session(backend: str, resource: str, read_at: float) -> Observation:
    """An end that exists and is not replicated: our state `""`, shown `absent`."""
    return Observation(
        backend=backend,
        observed_at=read_at,
        as_of=read_at,
        state=State.NONE,
        note=StateNote.ABSENT,
        sentence="it is there, and no replication session is on it",
        resource=resource,
    )


def member_of(backend: str, resource: str, group: str, read_at: float) -> Observation:
    """A volume that is replicated as a member of a group: to be named by that group (R78)."""
    group = excerpt(group)
    return Observation(
        backend=backend,
        observed_at=read_at,
        as_of=read_at,
        note=StateNote.UNKNOWN,
        sentence=f"it is replicated as a member of the volume group {group}",
        resource=resource,
        unsupported=f"it is replicated as a member of the volume group {group}: name volume_group: {group}",
    )


def not_found(backend: str, what: str, read_at: float) -> Observation:
    """The array answered: there is no such thing."""
    trouble = Trouble(
        kind=TroubleKind.ABSENT,
        code="not-found",
        message=f"there is no {what}",
        remedy="mend the name or id in the replications file, or look what is there on the array",
    )
    return unread(backend, trouble, read_at, StateNote.ABSENT)


def ambiguous(backend: str, what: str, ids: Iterable[str], read_at: float) -> Observation:
    """The array answered: several things bear that name."""
    named = excerpt(", ".join(sorted(ids)))
    trouble = Trouble(
        kind=TroubleKind.AMBIGUOUS,
        code="ambiguous",
        message=f"several match {what}: {named}",
        remedy="name it by id",
    )
    return unread(backend, trouble, read_at, StateNote.UNKNOWN)


def unread(backend: str, trouble: Trouble, at: float, note: StateNote = StateNote.UNKNOWN) -> Observation:
    """An end that could not be read, or that is not there."""
    return Observation(backend=backend, observed_at=at, note=note, trouble=trouble, sentence=trouble.message)
