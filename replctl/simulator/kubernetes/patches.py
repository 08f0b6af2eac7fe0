"""Patches: JSON merge patch and JSON patch, each over a copy that the caller hands in (CT §12.3)."""

import json
from typing import Any

from replctl.simulator.kubernetes.statuses import Object, bad_patch, bad_request, too_large

MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
MOST_OPERATIONS = 10_000


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386; directives of strategic patches, whose names begin with `$`, are passed over."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if name.startswith("$"):
            continue
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


def apply_operations(target: Object, operations: Any) -> Any:
    """RFC 6902; a test that fails and a pointer that leads nowhere are refused with 422, malformed ones with 400."""
    if not isinstance(operations, list) or not all(isinstance(each, dict) for each in operations):
        raise bad_request("a JSON patch is an array of operations")
    if len(operations) > MOST_OPERATIONS:
        raise too_large()
    for operation in operations:
        target = _apply(target, operation)
    return target


def _apply(target: Any, operation: Object) -> Any:
    name, path = operation.get("op"), operation.get("path")
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise bad_request("an operation of a JSON patch needs a path")
    if name in ("move", "copy"):
        return _move(target, operation, path)
    if name in ("add", "replace", "test") and "value" not in operation:
        raise bad_request(f"{name} needs a value")
    if name == "test":
        if _find(target, path) != operation["value"]:
            raise bad_patch()
        return target
    if name == "remove":
        return _remove(target, path)
    if name == "replace":
        _find(target, path)
        return _put(target, path, operation["value"], replace=True)
    if name == "add":
        return _put(target, path, operation["value"])
    raise bad_request(f"a JSON patch knows no {name!r}")


def _move(target: Any, operation: Object, path: str) -> Any:
    source = operation.get("from")
    if not isinstance(source, str):
        raise bad_request(f"{operation['op']} needs from")
    value = json.loads(json.dumps(_find(target, source)))
    if operation["op"] == "move":
        target = _remove(target, source)
    return _put(target, path, value)


def _tokens(path: str) -> list[str]:
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def _find(target: Any, path: str) -> Any:
    for token in _tokens(path):
        target = _step(target, token)
    return target


def _step(target: Any, token: str) -> Any:
    if isinstance(target, dict) and token in target:
        return target[token]
    if isinstance(target, list) and token.isdigit() and int(token) < len(target):
        return target[int(token)]
    raise bad_patch()


def _put(target: Any, path: str, value: Any, *, replace: bool = False) -> Any:
    tokens = _tokens(path)
    if not tokens:
        return value
    parent = target
    for token in tokens[:-1]:
        parent = _step(parent, token)
    last = tokens[-1]
    if isinstance(parent, dict):
        parent[last] = value
    elif isinstance(parent, list) and replace:
        parent[int(last)] = value
    elif isinstance(parent, list) and (last == "-" or (last.isdigit() and int(last) <= len(parent))):
        parent.insert(len(parent) if last == "-" else int(last), value)
    else:
        raise bad_patch()
    return target


def _remove(target: Any, path: str) -> Any:
    tokens = _tokens(path)
    if not tokens:
        raise bad_patch()
    parent = target
    for token in tokens[:-1]:
        parent = _step(parent, token)
    _step(parent, tokens[-1])
    if isinstance(parent, list):
        del parent[int(tokens[-1])]
    else:
        del parent[tokens[-1]]
    return target
