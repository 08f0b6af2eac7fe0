"""JSON Schemas of both files, for editors and for those who write the files by program.

The configuration's is made from its models, the desired state's from the tables that its reader uses. They ship
in the package, and a test fails when they are stale; `python -m replctl.settings.schema` writes them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from replctl.core.durations import DURATION_ALLOWED, DURATION_PATTERN
from replctl.core.names import (
    LABEL_KEY_PATTERN,
    LABEL_VALUE_PATTERN,
    LONGEST_LABEL,
    LONGEST_NAME,
    NAME_PATTERN,
)
from replctl.settings import entries
from replctl.settings.config import Config

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DIRECTORY = Path(__file__).with_name("schemas")

Schema = dict[str, Any]


def config_schema() -> Schema:
    """The schema of `config.yaml`."""
    schema = _without_table_defaults(Config.model_json_schema(by_alias=True))
    schema["properties"]["backends"]["additionalProperties"] = False
    return {"$schema": DIALECT, **schema}


def replications_schema() -> Schema:
    """The schema of `replications.yaml`."""
    rows = {"type": "array", "items": {"$ref": "#/$defs/Entry"}, "description": "The entries, [] for none."}
    return {
        "$schema": DIALECT,
        "title": "replctl replications.yaml",
        "description": "What shall be replicated, and which way.",
        **_table({"replications": rows, "groups": _groups()}, entries.TOP_REQUIRED),
        "$defs": {
            "Entry": _entry(),
            "PowerStoreEnd": _powerstore(),
            "TridentEnd": _trident(),
            "Hook": _hook(),
        },
    }


def written() -> dict[Path, str]:
    """The files that ship, with what stands in them."""
    schemas = {"config.schema.json": config_schema(), "replications.schema.json": replications_schema()}
    return {DIRECTORY / name: json.dumps(schema, indent=2) + "\n" for name, schema in schemas.items()}


def _without_table_defaults(schema: Any) -> Any:
    """Without defaults of whole tables, whose durations would be numbers, and without those that are null."""
    if isinstance(schema, list):
        return [_without_table_defaults(inner) for inner in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {
        key: value
        for key, value in schema.items()
        if key != "default" or isinstance(value, str | int | float)
    }
    return {key: _without_table_defaults(value) for key, value in kept.items()}


def _table(properties: Schema, required: tuple[str, ...] = ()) -> Schema:
    table: Schema = {"type": "object", "additionalProperties": False, "properties": properties}
    return {**table, "required": list(required)} if required else table


def _text(description: str) -> Schema:
    return {"type": "string", "minLength": 1, "description": description}


def _name(description: str) -> Schema:
    return {"type": "string", "pattern": NAME_PATTERN, "maxLength": LONGEST_NAME, "description": description}


def _duration(description: str) -> Schema:
    return {
        "type": "string",
        "pattern": DURATION_PATTERN,
        "description": f"{description} {DURATION_ALLOWED}.",
    }


def _entry() -> Schema:
    end = {"oneOf": [{"$ref": "#/$defs/PowerStoreEnd"}, {"$ref": "#/$defs/TridentEnd"}]}
    properties = {
        "namespace": _name("The first half of the replication's name; a name, not a permission."),
        "name": _name("The second half."),
        "state": {"enum": list(entries.STATES), "description": "What the local end shall be."},
        "mode": {"enum": list(entries.MODES), "description": "Asserted, not set: a difference is shown."},
        "rpo": _duration("How old the replica's data may become; asserted, not set."),
        "group": _name("Replications that are handled together."),
        "order": {
            "type": "integer",
            "minimum": -entries.HIGHEST_ORDER,
            "maximum": entries.HIGHEST_ORDER,
            "default": 0,
            "description": "The wave in which it is handled when several are.",
        },
        "labels": _labels(),
        "local": {**end, "description": "The end that a verb speaks of."},
        "peer": {**end, "description": "The other end."},
        "hooks": _hooks("Programs to run around a change of its roles."),
    }
    return {"title": "Replication", **_table(properties, entries.ENTRY_REQUIRED)}


def _labels() -> Schema:
    return {
        "type": "object",
        "propertyNames": {"pattern": LABEL_KEY_PATTERN},
        "additionalProperties": {
            "type": "string",
            "pattern": LABEL_VALUE_PATTERN,
            "maxLength": LONGEST_LABEL,
        },
        "description": "For selecting by -l.",
    }


def _powerstore() -> Schema:
    properties = {
        "backend": _text("A configured backend of kind powerstore."),
        "volume": _text("A volume, by name or id."),
        "volume_group": _text("A volume group, by name or id."),
        "session": _text("A replication session, by id."),
        "policy": _text("For create: the protection policy, by name."),
    }
    one_of = [{"required": [thing]} for thing in entries.POWERSTORE_THINGS]
    return {"title": "End on PowerStore", **_table(properties, ("backend",)), "oneOf": one_of}


def _trident() -> Schema:
    properties = {
        "backend": _text("A configured backend of kind trident."),
        "namespace": _text("The Kubernetes namespace."),
        "mirror": _text("The TridentMirrorRelationship."),
        "pvc": _text("The PersistentVolumeClaim."),
        "replication_policy": _text("For create: the ONTAP replication policy."),
        "schedule": _text("For create: the ONTAP schedule, by name."),
        "storage_class": _text("For create: the storage class."),
        "size": _text("For create: the size, such as 10Gi."),
    }
    return {"title": "End on Trident", **_table(properties, entries.END_REQUIRED["trident"])}


def _groups() -> Schema:
    hooks = _hooks(
        "Programs to run once for a command: before its first member changes, after its last one did."
    )
    group = {"title": "Group", **_table({"hooks": hooks})}
    return {
        "type": "object",
        "additionalProperties": group,
        "description": "What is said once for a group that entries name.",
    }


def _hooks(description: str) -> Schema:
    hooks = {name: {"$ref": "#/$defs/Hook"} for name in entries.HOOKS}
    return {**_table(hooks), "description": description}


def _hook() -> Schema:
    program = {"type": "string", "pattern": r"^(/[^\x00]*|[^/\x00]+)$"}
    command = {
        "type": "array",
        "prefixItems": [program],
        "items": {"type": "string"},
        "minItems": 1,
        "description": "A program by absolute path or by its name in PATH, and its arguments. No shell.",
    }
    properties = {"command": command, "timeout": _duration("How long it may run; 1m when it is not given.")}
    return {"title": "Hook", "oneOf": [_table(properties, ("command",)), command]}


def main() -> None:
    """Write the schemas that ship."""
    for path, text in written().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
