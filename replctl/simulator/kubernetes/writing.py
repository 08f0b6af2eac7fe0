"""Changes that clients ask for: bodies, patches, dry runs, unknown fields, deletions (CT §12.1, §12.3, §12.6)."""

import json
from typing import Any

from replctl.simulator.kubernetes import patches
from replctl.simulator.kubernetes.access import Wish
from replctl.simulator.kubernetes.cluster import Cluster
from replctl.simulator.kubernetes.kinds import Kind
from replctl.simulator.kubernetes.registry import strip
from replctl.simulator.kubernetes.statuses import (
    Cause,
    Object,
    bad_request,
    invalid,
    not_allowed,
    unsupported_media,
)
from replctl.simulator.server import Request

Written = tuple[int, Object, list[tuple[str, str]]]  # status, body, headers
_JSON = "application/json"


def write(
    cluster: Cluster, kind: Kind, wish: Wish, request: Request, query: dict[str, str], now: float
) -> Written:
    """Do what a changing request asks. Raises Refused."""
    dry = query.get("dryRun") == "All"
    if query.get("dryRun") not in (None, "", "All"):
        raise bad_request("dryRun can only be All")
    if wish.verb == "delete":
        return _delete(cluster, kind, wish, request, now, dry)
    unknown: list[str] = []
    is_status = wish.subresource == "status"
    if wish.verb == "patch":
        change = _read_patch(kind, request, unknown)
        if query.get("fieldValidation") == "Strict":
            change = _strictly(kind, wish, change, unknown)
        body = cluster.registry.patch(kind, wish.namespace, wish.name, change, now, status=is_status, dry=dry)
        return 200, body, _warnings(unknown, query)
    new = read_object(kind, request)
    unknown += strip(kind, new)
    if unknown and query.get("fieldValidation") == "Strict":
        raise bad_request(f"{kind.name} in version {kind.version!r} cannot be handled: {_said(unknown)}")
    if wish.verb == "create":
        body = cluster.registry.create(kind, wish.namespace, new, now, dry=dry)
        return 201, body, _warnings(unknown, query)
    missing = cluster.registry.store.get(kind, (wish.namespace, wish.name)) is None
    body = cluster.registry.replace(kind, wish.namespace, wish.name, new, now, status=is_status, dry=dry)
    return 201 if missing else 200, body, _warnings(unknown, query)


def _delete(cluster: Cluster, kind: Kind, wish: Wish, request: Request, now: float, dry: bool) -> Written:
    if wish.subresource:
        raise not_allowed(request.method, request.path)
    options = _read_json(request) if request.body.strip() else {}
    if not isinstance(options, dict) or options.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request("the body of a deletion is DeleteOptions")
    asked = {word: str(value) for word, value in (options.get("preconditions") or {}).items() if value}
    dry = dry or options.get("dryRun") == ["All"]
    return 200, cluster.registry.delete(kind, wish.namespace, wish.name, now, asked, dry=dry), []


def read_object(kind: Kind, request: Request) -> Object:
    """The object that a request carries, of the kind that its path names. Raises Refused."""
    if _media(request) not in ("", _JSON):
        raise unsupported_media(_media(request), [_JSON])
    body = _read_json(request)
    if not isinstance(body, dict):
        raise bad_request("the body is no object")
    if body.get("kind") != kind.name or body.get("apiVersion") != kind.api_version:
        text = f"{body.get('apiVersion')}, Kind={body.get('kind')}"
        raise bad_request(
            f"the object provided is unrecognized: {text}; wanted {kind.api_version}, Kind={kind.name}"
        )
    metadata = body.setdefault("metadata", {})
    if not isinstance(metadata, dict):
        raise bad_request("metadata is no object")
    return body


def _read_json(request: Request) -> Any:
    try:
        return json.loads(request.body)
    except ValueError as e:
        raise bad_request(f"the body is not JSON: {e}") from e


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _read_patch(kind: Kind, request: Request, unknown: list[str]) -> Any:
    """A patch as a function of the object; fields that are pruned from its outcome go into `unknown`."""
    taken = [patches.JSON, patches.MERGE, *([] if kind.is_custom else [patches.STRATEGIC])]
    media = _media(request)
    if media not in taken:
        raise unsupported_media(media, taken)
    patch = _read_json(request)
    if media != patches.JSON and not isinstance(patch, dict):
        raise bad_request("the patch is no object")

    def change(old: Object) -> Any:
        new = patches.apply_operations(old, patch) if media == patches.JSON else patches.merge(old, patch)
        if isinstance(new, dict):
            unknown.extend(strip(kind, new))
        return new

    return change


def _strictly(kind: Kind, wish: Wish, change: Any, unknown: list[str]) -> Any:
    def strict(old: Object) -> Any:
        new = change(old)
        if unknown:
            raise invalid(kind, wish.name, [Cause("FieldValueInvalid", _said(unknown), "patch")])
        return new

    return strict


def _said(unknown: list[str]) -> str:
    return "strict decoding error: " + ", ".join(f'unknown field "{path}"' for path in unknown)


def _warnings(unknown: list[str], query: dict[str, str]) -> list[tuple[str, str]]:
    if query.get("fieldValidation") == "Ignore":
        return []
    return [("Warning", f'299 - "unknown field \\"{path}\\""') for path in unknown]
