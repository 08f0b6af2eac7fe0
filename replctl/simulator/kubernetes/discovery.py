"""What an API server says that it serves: groups, versions, resources (CT §12.1)."""

from collections.abc import Sequence
from itertools import groupby

from replctl.simulator.kubernetes.kinds import STATUS_VERBS, Kind
from replctl.simulator.kubernetes.statuses import Object

MAJOR, MINOR = "1", "36"
VERSION: Object = {
    "major": MAJOR,
    "minor": MINOR,
    "gitVersion": f"v{MAJOR}.{MINOR}.2",
    "gitCommit": "0" * 40,
    "gitTreeState": "clean",
    "buildDate": "2031-01-01T00:00:00Z",
    "goVersion": "go1.26.0",
    "compiler": "gc",
    "platform": "linux/amd64",
}


def find(kinds: Sequence[Kind], path: str) -> Object | None:
    """The answer to a discovery path, or None where nothing is."""
    parts = path.strip("/").split("/")
    if path.startswith("/openapi/v3"):
        return _openapi(kinds, path)
    if parts == ["api"]:
        return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    if parts == ["apis"]:
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": _groups(kinds)}
    if parts[0] == "api":
        return _resources(kinds, "", parts[1]) if len(parts) == 2 else None
    if parts[0] == "apis" and len(parts) == 2:
        return next(
            (
                {"kind": "APIGroup", "apiVersion": "v1", **group}
                for group in _groups(kinds)
                if group["name"] == parts[1]
            ),
            None,
        )
    return _resources(kinds, parts[1], parts[2]) if parts[0] == "apis" and len(parts) == 3 else None


def _openapi(kinds: Sequence[Kind], path: str) -> Object | None:
    """As much of OpenAPI v3 as tells kubectl that the server itself looks for unknown fields (CT §12.1)."""
    if path.rstrip("/") == "/openapi/v3":
        places = sorted({f"apis/{kind.api_version}" if kind.group else "api/v1" for kind in kinds})
        return {"paths": {place: {"serverRelativeURL": f"/openapi/v3/{place}"} for place in places}}
    place = path.removeprefix("/openapi/v3/")
    served = [kind for kind in kinds if place == (f"apis/{kind.api_version}" if kind.group else "api/v1")]
    if not served:
        return None
    paths = {f"/{place}/{kind.plural}/{{name}}": {"patch": _patch_operation(kind)} for kind in served}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": paths,
    }


def _patch_operation(kind: Kind) -> Object:
    names = {"group": kind.group, "version": kind.version, "kind": kind.name}
    parameter = {"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}
    return {"x-kubernetes-group-version-kind": names, "parameters": [parameter], "responses": {}}


def _groups(kinds: Sequence[Kind]) -> list[Object]:
    named = sorted((kind for kind in kinds if kind.group), key=lambda kind: kind.group)
    result: list[Object] = []
    for group, found in groupby(named, key=lambda kind: kind.group):
        version = next(found).version
        said = {"groupVersion": f"{group}/{version}", "version": version}
        result.append({"name": group, "versions": [said], "preferredVersion": said})
    return result


def _resources(kinds: Sequence[Kind], group: str, version: str) -> Object | None:
    served = [kind for kind in kinds if kind.group == group and kind.version == version]
    if not served:
        return None
    resources: list[Object] = []
    for kind in served:
        resources.append(_resource(kind))
        if kind.has_status:
            status = {"name": f"{kind.plural}/status", "singularName": "", "kind": kind.name}
            resources.append({**status, "namespaced": kind.namespaced, "verbs": list(STATUS_VERBS)})
    named = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": named, "resources": resources}


def _resource(kind: Kind) -> Object:
    found: Object = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.name,
        "verbs": list(kind.verbs),
    }
    if kind.short:
        found["shortNames"] = list(kind.short)
    if kind.categories:
        found["categories"] = list(kind.categories)
    return found


def definition(kind: Kind) -> Object:
    """The CustomResourceDefinition of a kind."""
    versions: Object = {
        "name": kind.version,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": kind.schema or {"type": "object"}},
        "additionalPrinterColumns": [
            {"name": column.name, "type": column.type, "jsonPath": column.path, "priority": column.priority}
            for column in kind.columns
        ],
    }
    if kind.has_status:
        versions["subresources"] = {"status": {}}
    names = {
        "plural": kind.plural,
        "singular": kind.singular,
        "kind": kind.name,
        "listKind": f"{kind.name}List",
    }
    return {
        "metadata": {"name": kind.resource},
        "spec": {
            "group": kind.group,
            "names": {**names, "shortNames": list(kind.short), "categories": list(kind.categories)},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "versions": [versions],
        },
        "status": {
            "conditions": [
                {"type": "NamesAccepted", "status": "True", "reason": "NoConflicts"},
                {"type": "Established", "status": "True", "reason": "InitialNamesAccepted"},
            ],
            "storedVersions": [kind.version],
        },
    }
