"""How the objects of an array look to a client: the schemas of its resources, field by field (CP §6, §11).

A row is an object together with the array that shows it and the moment at which it is looked at.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple

from replctl.simulator.chance import digest, identifier
from replctl.simulator.conditions import PEER
from replctl.simulator.jobs import Job
from replctl.simulator.query import Field, Relation, Schema
from replctl.simulator.replication import DESTINATION, METRO, SOURCE, End, Resource, Shown, Snapshot
from replctl.simulator.site import Rule, Site
from replctl.simulator.world import World

SECONDS_REMEMBERED = 65536
ALERT_THRESHOLD_MINUTES = 5


class Session(NamedTuple):
    """A session end as an array shows it at one moment."""

    end: End
    shown: Shown
    site: Site
    world: World
    now: float


class Item(NamedTuple):
    """Any other object, likewise."""

    it: Any
    site: Site
    world: World
    now: float


def stamp(at: float | None) -> str | None:
    """A time as the arrays write it: ISO 8601, UTC with offset, milliseconds."""
    if at is None:
        return None
    milliseconds = round(at * 1000)
    return f"{_second(milliseconds // 1000)}.{milliseconds % 1000:03d}+00:00"


@lru_cache(maxsize=SECONDS_REMEMBERED)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _worded(fields: dict[str, Field], *enums: str) -> dict[str, Field]:
    """The fields, and for each enum its localized companion."""
    for name in enums:
        known = fields[name]
        fields[name + "_l10n"] = Field(_spaced(known.get), known.since)
    return fields


def _spaced(get: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda row: value.replace("_", " ") if isinstance(value := get(row), str) else value


# Words that a release does not have yet, and what it says instead (CP §6.1).
_OLDER_WORDS = {
    "Pausing": ((3,), "Paused"),
    "Fractured": ((3,), "System_Paused"),
    "Switching_To_Metro_Sync": ((3,), "Synchronizing"),
    "Modify_Role_In_Progress": ((3,), "OK"),
    "Deleting": ((3,), "OK"),
    "Error": ((3,), "System_Paused"),
    "Switching_To_Synchronous": ((4,), "Synchronizing"),
}


def _state(row: Session) -> str:
    state = row.shown.state
    older = _OLDER_WORDS.get(state)
    return older[1] if older and row.world.conditions.version < older[0] else state


def _progress(row: Session) -> int | None:
    since, until = row.shown.busy_from, row.shown.busy_to
    if since is None or until is None or row.shown.role == DESTINATION:
        return None
    return min(99, int(100 * (row.now - since) / max(until - since, 0.001)))


def _completion(row: Session) -> str | None:
    if row.shown.busy_to is None or row.shown.role == DESTINATION:
        return None
    return stamp(row.shown.busy_to + row.world.conditions.arrays[row.site.name].skew)


def _data_connection(row: Session | Item) -> str:
    c = row.world.conditions
    return "OK" if c.seen_up(c.data, row.now) else "Complete_Data_Connection_Loss"


def _pairs(row: Session) -> list[dict[str, str]]:
    local = row.end.resource
    remote = _peer_resource(row)
    locals_ = local.members or [local]
    remotes = remote.members or [remote]
    return [
        {
            "local_storage_element_id": mine.id,
            "remote_storage_element_id": theirs.id,
            "storage_element_type": "volume",
            "replication_shadow_id": f"{mine.id[:8]}-shadow",
        }
        for mine, theirs in zip(locals_, remotes, strict=True)
    ]


def _peer_resource(row: Session) -> Resource:
    return row.world.owner(row.end).ends[PEER[row.end.array]].resource


def _item(row: Session | Item, it: Any) -> Item:
    return Item(it, row.site, row.world, row.now)


def session_row(world: World, end: End, now: float) -> Session:
    """A session end as its array shows it now."""
    world.settle(world.owner(end), now)
    return Session(end, end.view(now), world.sites[end.array], world, now)


def _rule_id(row: Session) -> str | None:
    """On the destination the replica of the rule, or nothing (CP §6)."""
    told = row.shown.role == SOURCE or row.world.conditions.assume["rule_on_destination"] == "replica"
    return row.end.rule_id if told else None


def _rule_of(row: Session) -> Item | None:
    told = _rule_id(row)
    return next((_item(row, rule) for rule in row.site.rules if rule.id == told), None)


def _resources_of(kind: str) -> Callable[[Session], list[Item]]:
    return lambda row: [_item(row, row.end.resource)] if row.end.resource.kind == kind else []


def _witness(row: Session) -> dict[str, str] | None:
    """The session's witness, which both arrays know under one name."""
    state = row.end.witness
    if state is None:
        return None
    key = identifier(row.world.owner(row.end).index, "witness")
    return {"witness_id": key, "witness_uuid": key, "witness_name": "quorum", "state": state}


SESSION: Schema = Schema(
    "replication_session",
    _worded(
        {
            "id": Field(lambda r: r.end.session_id),
            "state": Field(_state),
            "role": Field(lambda r: r.shown.role),
            "type": Field(lambda r: r.shown.type, (3,)),
            "resource_type": Field(lambda r: r.end.resource.kind),
            "data_transfer_state": Field(lambda r: r.shown.transfer, (3,)),
            "local_resource_state": Field(lambda r: r.shown.resource_state, (3,)),
            "data_connection_state": Field(_data_connection, (3,)),
            "local_resource_id": Field(lambda r: r.end.resource.id),
            "remote_resource_id": Field(lambda r: _peer_resource(r).id),
            "remote_system_id": Field(lambda r: r.site.remote_system_id),
            "replication_rule_id": Field(_rule_id),
            "last_sync_timestamp": Field(lambda r: stamp(r.shown.last_sync_at), kind="time"),
            "last_sync_duration": Field(lambda r: r.shown.last_sync_ms, (2,), "number"),
            "next_sync_timestamp": Field(lambda r: stamp(r.shown.next_sync_at), (2,), "time"),
            "progress_percentage": Field(_progress, kind="number"),
            "estimated_completion_timestamp": Field(_completion, kind="time"),
            "storage_element_pairs": Field(_pairs, kind="json", filterable=False),
            "failover_test_in_progress": Field(lambda r: r.shown.testing, (2,), "bool"),
            "error_code": Field(lambda r: r.shown.error_code, (3,)),
            "parent_replication_session_id": Field(lambda r: None, (3,)),
            "witness_details": Field(_witness, (3, 6), "json", False),
        },
        "state",
        "role",
        "resource_type",
        "type",
        "data_transfer_state",
        "data_connection_state",
        "local_resource_state",
    ),
    {
        "remote_system": Relation(lambda: REMOTE_SYSTEM, lambda r: _item(r, r.site), many=False),
        "replication_rule": Relation(lambda: RULE, _rule_of, many=False),
        "migration_session": Relation(lambda: RULE, lambda r: None, many=False),
        "volumes": Relation(lambda: VOLUME, _resources_of("volume"), since=(4,)),
        "volume_groups": Relation(lambda: GROUP, _resources_of("volume_group"), since=(4,)),
    },
    indexed=("id", "local_resource_id"),
)


# Volumes and groups


def _end_of(row: Item) -> End | None:
    """The session end that replicates a volume or group, by itself or as a member; none for snapshots."""
    it = row.it
    if isinstance(it, Snapshot):
        return None
    end: End | None = it.end or (it.group.end if it.group else None)
    return end


def _is_destination(row: Item) -> bool:
    end = _end_of(row)
    if end is None:
        return bool(getattr(row.it, "was_destination", False))
    return end.role == DESTINATION and end.type != METRO


def _has_host_access(row: Item) -> bool:
    end = _end_of(row)
    if end is None:
        return not getattr(row.it, "was_destination", False)
    return end.access or (end.role == DESTINATION and row.world.owner(end).test is not None)


def _metro_session(row: Item) -> str | None:
    end = _end_of(row)
    return end.session_id if end is not None and end.type == METRO else None


def _sessions_of(row: Item) -> list[Session]:
    end: End | None = getattr(row.it, "end", None)
    if end is None or row.site.sessions.get(end.session_id) is not end:
        return []
    return [session_row(row.world, end, row.now)]


def _protection(row: Item) -> dict[str, str | None]:
    return {"family_id": row.it.id, "source_id": getattr(row.it, "snapshot_of", None), "copy_signature": None}


def _policy_of(row: Item) -> Item | None:
    return next((_item(row, rule) for rule in row.site.rules if rule.policy_id == row.it.policy_id), None)


_COMMON = {
    "id": Field(lambda r: r.it.id),
    "name": Field(lambda r: r.it.name, kind="name"),
    "description": Field(lambda r: None),
    "type": Field(lambda r: "Snapshot" if r.it.snapshot_of else "Primary"),
    "protection_policy_id": Field(lambda r: r.it.policy_id),
    "is_replication_destination": Field(_is_destination, kind="bool"),
    "creation_timestamp": Field(
        lambda r: stamp(r.it.created_at + r.world.conditions.arrays[r.site.name].skew), kind="time"
    ),
    "metro_replication_session_id": Field(_metro_session, (3,)),
    "protection_data": Field(_protection, kind="json"),
}
_COMMON_RELATIONS = {
    "replication_sessions": Relation(lambda: SESSION, _sessions_of),
    "protection_policy": Relation(lambda: POLICY, _policy_of, many=False),
}

VOLUME: Schema = Schema(
    "volume",
    {
        **_COMMON,
        "state": Field(lambda r: "Ready"),
        "size": Field(lambda r: r.it.size, kind="number"),
        "wwn": Field(lambda r: "naa.68ccf098" + r.it.id.replace("-", "")[:24]),
        "appliance_id": Field(lambda r: "A1"),
        "is_host_access_available": Field(_has_host_access, (3,), "bool"),
    },
    {
        **_COMMON_RELATIONS,
        "volume_groups": Relation(lambda: GROUP, lambda r: [_item(r, r.it.group)] if r.it.group else []),
    },
    by_name=True,
    indexed=("id", "name"),
)
GROUP: Schema = Schema(
    "volume_group",
    {
        **_COMMON,
        "is_protectable": Field(lambda r: True, kind="bool"),
        "is_write_order_consistent": Field(lambda r: True, kind="bool"),
    },
    {**_COMMON_RELATIONS, "volumes": Relation(lambda: VOLUME, lambda r: [_item(r, m) for m in r.it.members])},
    by_name=True,
    indexed=("id", "name"),
)


# The system


def _rule_field(get: Callable[[Rule], Any], **more: Any) -> Field:
    return Field(lambda r: get(r.it), **more)


RULE: Schema = Schema(
    "replication_rule",
    {
        "id": _rule_field(lambda rule: rule.id),
        "name": _rule_field(lambda rule: rule.name, kind="name"),
        "rpo": _rule_field(lambda rule: rule.rpo),
        "remote_system_id": _rule_field(lambda rule: rule.remote_system_id),
        "alert_threshold": _rule_field(lambda rule: ALERT_THRESHOLD_MINUTES, kind="number"),
        "is_replica": _rule_field(lambda rule: rule.is_replica, kind="bool"),
        "is_read_only": _rule_field(lambda rule: rule.is_replica, since=(3,), kind="bool"),
        "managed_by": _rule_field(lambda rule: "Replication" if rule.is_replica else "User", since=(3,)),
        "managed_by_id": _rule_field(lambda rule: None, since=(3,)),
    },
    {"policies": Relation(lambda: POLICY, lambda r: [r])},
    by_name=True,
)
POLICY: Schema = Schema(
    "policy",
    {
        "id": _rule_field(lambda rule: rule.policy_id),
        "name": _rule_field(lambda rule: rule.policy_name, kind="name"),
        "description": _rule_field(lambda rule: None),
        "type": _rule_field(lambda rule: "Protection"),
        "managed_by": _rule_field(lambda rule: "Replication" if rule.is_replica else "User", since=(3,)),
        "is_replica": _rule_field(lambda rule: rule.is_replica, kind="bool"),
        "is_read_only": _rule_field(lambda rule: rule.is_replica, since=(3,), kind="bool"),
    },
    {
        "replication_rules": Relation(lambda: RULE, lambda r: [r]),
        "snapshot_rules": Relation(lambda: RULE, lambda r: []),
    },
    by_name=True,
)


def _remote_state(row: Item) -> str:
    c = row.world.conditions
    return "OK" if c.seen_up(c.management, row.now) else "Management_Connection_Lost"


def _connections(row: Item) -> list[dict[str, str]]:
    status = "Login_Success" if _data_connection(row) == "OK" else "Login_Failed"
    addresses = {"initiator_address": "198.51.100.5", "target_address": "198.51.100.9"}
    return [{"node_id": "N1", **addresses, "status": status}]


def _version_text(row: Item) -> str:
    return ".".join(map(str, row.world.conditions.version))


def _system_time(row: Item) -> str | None:
    return stamp(row.now + row.world.conditions.arrays[row.site.name].skew)


REMOTE_SYSTEM: Schema = Schema(
    "remote_system",
    {
        "id": Field(lambda r: r.site.remote_system_id),
        "name": Field(lambda r: f"{PEER[r.site.name]}-cluster", kind="name"),
        "description": Field(lambda r: None),
        "serial_number": Field(lambda r: r.site.peer_global_id),
        "version": Field(_version_text, (2,)),
        "management_address": Field(lambda r: "192.0.2.20" if r.site.name == "west" else "192.0.2.10"),
        "type": Field(lambda r: "PowerStore"),
        "state": Field(_remote_state),
        "data_connection_type": Field(lambda r: "TCP"),
        "data_connection_state": Field(_data_connection),
        "data_network_latency": Field(lambda r: "Low"),
        "capabilities": Field(
            lambda r: [
                "Asynchronous_Block_Replication",
                "Synchronous_Block_Replication",
                "Block_Metro_Active_Active",
            ],
            (3,),
            "json",
        ),
        "data_connections": Field(_connections, kind="json", filterable=False),
    },
    {"replication_sessions": Relation(lambda: SESSION, lambda r: [])},
    by_name=True,
)
CLUSTER: Schema = Schema(
    "cluster",
    {
        "id": Field(lambda r: "0"),
        "global_id": Field(lambda r: r.site.global_id),
        "name": Field(lambda r: r.site.cluster_name),
        "management_address": Field(lambda r: "192.0.2.10" if r.site.name == "west" else "192.0.2.20"),
        "primary_appliance_id": Field(lambda r: "A1"),
        "appliance_count": Field(lambda r: 1, kind="number"),
        "state": Field(lambda r: "Configured"),
        "compatibility_level": Field(lambda r: 30, kind="number"),
        "system_time": Field(_system_time, kind="time"),
        "is_encryption_enabled": Field(lambda r: True, kind="bool"),
        "physical_mtu": Field(lambda r: 1500, kind="number"),
    },
    simple=True,
)
APPLIANCE: Schema = Schema(
    "appliance",
    {
        "id": Field(lambda r: "A1"),
        "name": Field(lambda r: f"{r.site.cluster_name}-appliance-1", kind="name"),
        "service_tag": Field(lambda r: r.site.service_tag),
        "model": Field(lambda r: "PowerStore 1200T"),
        "mode": Field(lambda r: "Unified"),
        "node_count": Field(lambda r: 2, kind="number"),
    },
)
SOFTWARE: Schema = Schema(
    "software_installed",
    {
        "id": Field(lambda r: r.it),
        "release_version": Field(_version_text),
        "build_version": Field(_version_text),
        "is_cluster": Field(lambda r: r.it.endswith("cluster"), kind="bool"),
    },
)
SECURITY: Schema = Schema(
    "security_config",
    {
        "id": Field(lambda r: "1"),
        "idle_timeout": Field(lambda r: r.it, kind="number"),
        "protocol_mode": Field(lambda r: "TLS1_2"),
        "is_cac_enabled": Field(lambda r: False, kind="bool"),
    },
    simple=True,
)


# Alerts


class Alert(NamedTuple):
    """Something that an array complains about: a session end, and since when in that array's clock."""

    end: End
    what: str
    since: float


def list_alerts(world: World, site: Site, now: float) -> dict[str, Alert]:
    """What an array complains about now: sessions that it paused, copies older than the rule allows (CP §11)."""
    found = {}
    skew = world.conditions.arrays[site.name].skew
    for end in site.sessions:
        row = session_row(world, end, now)
        for what, since in _complaints(row, skew):
            found[digest(world.conditions.seed, end.session_id, what, since)] = Alert(end, what, since)
    return found


def _complaints(row: Session, skew: float) -> Iterator[tuple[str, float]]:
    shown = row.shown
    last = shown.last_sync_at
    if shown.state == "System_Paused":
        yield "Replication paused by the system.", last or row.world.conditions.start_at
    if shown.role == DESTINATION or last is None or shown.last_sync_ms is None:
        return
    overdue = last - shown.last_sync_ms / 1000 + ALERT_THRESHOLD_MINUTES * 60
    if shown.type == "Asynchronous" and overdue < row.now + skew:
        yield "The replication session does not meet its RPO.", overdue


def _alert_field(get: Callable[[Alert], Any], **more: Any) -> Field:
    return Field(lambda r: get(r.it), **more)


ALERT: Schema = Schema(
    "alert",
    {
        "id": Field(lambda r: digest(r.world.conditions.seed, r.it.end.session_id, r.it.what, r.it.since)),
        "event_code": _alert_field(lambda alert: "SIM00000040"),
        "severity": _alert_field(lambda alert: "Major"),
        "resource_type": _alert_field(lambda alert: "replication_session"),
        "resource_id": _alert_field(lambda alert: alert.end.session_id),
        "resource_name": _alert_field(lambda alert: alert.end.resource.name, kind="name"),
        "description_l10n": _alert_field(lambda alert: alert.what),
        "state": _alert_field(lambda alert: "ACTIVE"),
        "is_acknowledged": _alert_field(lambda alert: False, kind="bool"),
        "generated_timestamp": _alert_field(lambda alert: stamp(alert.since), kind="time"),
        "raised_timestamp": _alert_field(lambda alert: stamp(alert.since), kind="time"),
        "cleared_timestamp": _alert_field(lambda alert: None, kind="time"),
    },
)


# Jobs


def _job_time(get: Callable[[Job], float | None]) -> Field:
    def read(row: Item) -> str | None:
        at = get(row.it)
        return None if at is None else stamp(at + row.world.conditions.arrays[row.site.name].skew)

    return Field(read, kind="time")


JOB: Schema = Schema(
    "job",
    _worded(
        {
            "id": Field(lambda r: r.it.id),
            "resource_action": Field(lambda r: r.it.command.action),
            "resource_type": Field(lambda r: r.it.resource_type),
            "resource_id": Field(lambda r: r.it.command.session_id),
            "resource_name": Field(lambda r: None),
            "description_l10n": Field(lambda r: f"{r.it.command.action} of a replication session"),
            "phase": Field(lambda r: r.it.phase(r.now), (1, 0, 2)),
            "state": Field(lambda r: r.it.phase(r.now).upper()),
            "progress_percentage": Field(lambda r: r.it.progress(r.now), kind="number"),
            "start_time": _job_time(lambda job: job.command.started_at),
            "end_time": _job_time(lambda job: job.command.ended_at),
            "response_status": Field(lambda r: r.it.response_status(r.now), (2,)),
            "response_body": Field(lambda r: r.it.response_body(r.now), (2,), "json"),
            "parent_id": Field(lambda r: None),
            "root_id": Field(lambda r: r.it.id),
            "step_order": Field(lambda r: 1, kind="number"),
            "user": Field(lambda r: r.it.user),
        },
        "phase",
    ),
)
