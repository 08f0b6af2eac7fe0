"""Objects as `kubectl get` asks for them: a Table with the printer columns of their kind."""

from typing import Any

from replctl.simulator.kubernetes.kinds import Column, Kind
from replctl.simulator.kubernetes.stamps import age
from replctl.simulator.kubernetes.statuses import Object

_NAME = Column("Name", ".metadata.name")


def table(kind: Kind, bodies: list[Object], metadata: Object, include: str, now: float) -> Object:
    """A Table of objects; `include`: what each row carries of its object (None, Metadata, Object)."""
    columns = (_NAME, *kind.columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(columns, body, include, now) for body in bodies],
    }


def _definition(column: Column) -> Object:
    # Ages are worked out here, as a real server does, and are therefore words.
    shown = "string" if column.type == "date" else column.type
    named = "name" if column is _NAME else ""
    return {
        "name": column.name,
        "type": shown,
        "format": named,
        "description": f"{column.path} of the object",
        "priority": column.priority,
    }


def _row(columns: tuple[Column, ...], body: Object, include: str, now: float) -> Object:
    row: Object = {"cells": [_cell(column, body, now) for column in columns]}
    if include == "Object":
        row["object"] = body
    elif include != "None":
        row["object"] = {
            "kind": "PartialObjectMetadata",
            "apiVersion": "meta.k8s.io/v1",
            "metadata": body.get("metadata", {}),
        }
    return row


def _cell(column: Column, body: Object, now: float) -> Any:
    found = _values(body, column.path)
    if not found:
        return None
    if column.type == "date":
        return age(found[0], now)
    if column.type == "boolean":
        return found[0]
    return ",".join(str(value) for value in found)


def _values(body: Any, path: str) -> list[Any]:
    """What a JSONPath of names and [*] finds."""
    found = [body]
    for word in path.strip(".").split("."):
        name, each = word.removesuffix("[*]"), word.endswith("[*]")
        found = [item[name] for item in found if isinstance(item, dict) and item.get(name) is not None]
        if each:
            found = [inner for item in found if isinstance(item, list) for inner in item]
    return found
