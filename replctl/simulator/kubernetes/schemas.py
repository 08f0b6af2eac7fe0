"""Structural schemas: which fields are unknown and pruned, and all that is wrong, at once (CT §2.1, §12.4)."""

import json
from collections.abc import Iterator
from typing import Any

from replctl.simulator.kubernetes.kinds import Schema
from replctl.simulator.kubernetes.statuses import Cause, Object

_TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "number": (int, float),
}
# What every object may have, whatever its schema says.
_ALWAYS = ("apiVersion", "kind", "metadata")


def prune(schema: Schema, body: Object) -> list[str]:
    """Take unknown fields out of an object; returns their paths."""
    return list(_prune(schema, body, "", _ALWAYS))


def _prune(schema: Schema, value: Any, path: str, kept: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from _prune(schema.get("items", {}), item, f"{path}[{index}]")
        return
    if not isinstance(value, dict) or schema.get("x-kubernetes-preserve-unknown-fields"):
        return
    known = schema.get("properties", {})
    for name in list(value):
        inner = f"{path}.{name}" if path else name
        if name in known:
            yield from _prune(known[name], value[name], inner)
        elif name not in kept:
            del value[name]
            yield inner


def faults(schema: Schema, value: Any, path: str = "") -> Iterator[Cause]:
    """Everything about a value that the schema forbids."""
    wanted = schema.get("type")
    if wanted is not None and not _is_of(value, wanted):
        text = f'Invalid value: {json.dumps(value)}: must be of type {wanted}: "{_type_name(value)}"'
        yield Cause("FieldValueTypeInvalid", text, path)
    elif isinstance(value, dict):
        yield from _object_faults(schema, value, path)
    elif isinstance(value, list):
        yield from _list_faults(schema, value, path)
    elif "enum" in schema and value not in schema["enum"]:
        words = ", ".join(json.dumps(word) for word in schema["enum"])
        yield Cause(
            "FieldValueNotSupported",
            f"Unsupported value: {json.dumps(value)}: supported values: {words}",
            path,
        )


def _object_faults(schema: Schema, value: Object, path: str) -> Iterator[Cause]:
    for name in schema.get("required", ()):
        if name not in value:
            yield Cause("FieldValueRequired", "Required value", f"{path}.{name}" if path else name)
    for name, inner in schema.get("properties", {}).items():
        if name in value:
            yield from faults(inner, value[name], f"{path}.{name}" if path else name)


def _list_faults(schema: Schema, value: list[Any], path: str) -> Iterator[Cause]:
    least, most = schema.get("minItems", 0), schema.get("maxItems")
    if len(value) < least:
        text = f"Invalid value: {len(value)}: should have at least {least} items"
        yield Cause("FieldValueInvalid", text, path)
    if most is not None and len(value) > most:
        yield Cause("FieldValueTooMany", f"Too many: {len(value)}: must have at most {most} items", path)
    for index, item in enumerate(value):
        yield from faults(schema.get("items", {}), item, f"{path}[{index}]")


def _is_of(value: Any, wanted: str) -> bool:
    if wanted == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, _TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))


def _type_name(value: Any) -> str:
    if value is None:
        return "null"
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer"}
    return names.get(type(value), "number")
