"""Kinds of objects, objects as they were seen, and what may be asked to change in them. Pure.

A change is made on a `Seen`: its uid and version go along, so that the API server refuses it when the object is not
what it was. Status and finalizers are their controllers': a change that touches them is a mistake of the caller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Self
from urllib.parse import quote

Body = Mapping[str, Any]
NO_BODY: Body = MappingProxyType({})
Essence = Callable[[Body], Body]
"""What is kept of an object that is one of very many."""
_NOT_READ = frozenset({"managedFields"})
_THEIRS = frozenset({"uid", "resourceVersion", "name", "namespace", "generateName", "finalizers"})


class Misshapen(ValueError):
    """An answer that is not an object of Kubernetes; the text says what is missing."""


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of objects and where the API serves it; `group` is empty for the core."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def root(self) -> str:
        """The path of its group and version."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str = "", name: str = "") -> str:
        """Of one object, or without a name of a list: of one namespace, or without one of all."""
        if namespace and not self.namespaced:
            raise ValueError(f"{self.plural} are in no namespace")
        if name and self.namespaced and not namespace:
            raise ValueError(f"one of {self.plural} is named within a namespace")
        parts = ["namespaces", namespace, self.plural] if namespace else [self.plural]
        return "/".join([self.root, *(quote(part, safe="") for part in [*parts, *([name] if name else [])])])


@dataclass(frozen=True, slots=True)
class Seen:
    """One object as it was seen. `body` is all of it, and is not to be written to."""

    resource: Resource
    body: Body = field(repr=False)
    name: str
    namespace: str
    uid: str
    version: str

    @classmethod
    def of(cls, resource: Resource, body: object) -> Self:
        """Raises Misshapen for what is none of that kind, or bears no name, uid or version."""
        if not isinstance(body, Mapping):
            raise Misshapen("is not an object")
        if body.get("kind", resource.kind) != resource.kind:
            raise Misshapen(f"is not of the kind {resource.kind}")
        metadata = part(body, "metadata")
        texts = [text(metadata, key) for key in ("name", "uid", "resourceVersion")]
        if not all(texts):
            raise Misshapen("has no name, uid or resourceVersion")
        name, uid, version = texts
        return cls(resource, body, name, text(metadata, "namespace"), uid, version)

    @property
    def path(self) -> str:
        return self.resource.path(self.namespace, self.name)

    @property
    def metadata(self) -> Body:
        return part(self.body, "metadata")

    @property
    def spec(self) -> Body:
        return part(self.body, "spec")

    @property
    def status(self) -> Body:
        return part(self.body, "status")

    @property
    def generation(self) -> int | None:
        """Counts what is asked for (CT §12.2); None where the kind does not count."""
        value = self.metadata.get("generation")
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    @property
    def is_going(self) -> bool:
        """Whether it was deleted and waits for its finalizers."""
        return "deletionTimestamp" in self.metadata

    def kept(self, essence: Essence) -> Seen:
        """The same with less of its body."""
        body = essence(self.body)
        return self if body is self.body else replace(self, body=body)

    def is_same(self, other: Seen) -> bool:
        """Whether it is the same object, changed or not: names are used again, a uid never is."""
        return self.uid == other.uid


@dataclass(frozen=True, slots=True)
class Listing:
    """All objects of a list at one version, from which a watch goes on."""

    items: tuple[Seen, ...]
    version: str


def whole(body: Body) -> Body:
    return body


def readable(body: Body) -> Body:
    """All but the book of who wrote which field: it is half of an object, and nobody reads it."""
    metadata = part(body, "metadata")
    if _NOT_READ.isdisjoint(metadata):
        return body
    return {**body, "metadata": {key: value for key, value in metadata.items() if key not in _NOT_READ}}


def part(body: Any, *keys: str) -> Body:
    """The table at the end of a path of keys; an empty one where there is none."""
    for key in keys:
        body = body.get(key) if type(body) is dict or isinstance(body, Mapping) else None
    return (
        body if type(body) is dict or isinstance(body, Mapping) else NO_BODY
    )  # JSON's own type first: it is quick


def text(body: Body, key: str) -> str:
    """A field as text; empty where it is absent or none."""
    value = body.get(key)
    return value if isinstance(value, str) else ""


def new_body(resource: Resource, namespace: str, body: Body) -> dict[str, Any]:
    """What is sent to make an object. Raises ValueError for what a caller must not say."""
    metadata = dict(part(body, "metadata"))
    if "status" in body:
        raise ValueError("status is the controller's to write")
    if wrong := sorted({"uid", "resourceVersion", "finalizers"} & metadata.keys()):
        raise ValueError(f"metadata.{wrong[0]} of a new object is not ours to say")
    if not (metadata.get("name") or metadata.get("generateName")):
        raise ValueError("a new object needs a name, or a beginning of one")
    if resource.namespaced:
        metadata["namespace"] = namespace
    return {**body, "apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata}


def replacement(seen: Seen, body: Body) -> dict[str, Any]:
    """What is sent in place of an object: all of it, at the version that was seen. Raises ValueError."""
    metadata = dict(part(body, "metadata"))
    for key in _THEIRS:
        if metadata.get(key) != seen.metadata.get(key):
            raise ValueError(f"metadata.{key} is not ours to change")
    if body.get("status") != seen.body.get("status"):
        raise ValueError("status is the controller's to write")
    return {**body, "apiVersion": seen.resource.api_version, "kind": seen.resource.kind}


def merge_patch(seen: Seen, changes: Body) -> dict[str, Any]:
    """What is sent as a merge patch, bound to the version that was seen (CT §12.3). Raises ValueError."""
    _refuse_theirs(changes)
    metadata = {**part(changes, "metadata"), "uid": seen.uid, "resourceVersion": seen.version}
    return {**changes, "metadata": metadata}


def json_patch(seen: Seen, operations: Sequence[Body]) -> list[dict[str, Any]]:
    """What is sent as a JSON patch: it tests first that the object is what was seen. Raises ValueError."""
    for operation in operations:
        for pointer in (
            str(operation.get("path", "")),
            *([str(operation["from"])] if "from" in operation else []),
        ):
            _refuse_pointer(pointer)
    tests = (("uid", seen.uid), ("resourceVersion", seen.version))
    guard = [{"op": "test", "path": f"/metadata/{key}", "value": value} for key, value in tests]
    return [*guard, *(dict(operation) for operation in operations)]


def delete_options(seen: Seen) -> dict[str, Any]:
    """What is sent to delete an object only if it is still what was seen (CT §12.6)."""
    preconditions = {"uid": seen.uid, "resourceVersion": seen.version}
    return {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": preconditions}


def _refuse_theirs(changes: Body) -> None:
    if "status" in changes:
        raise ValueError("status is the controller's to write")
    metadata = changes.get("metadata", {})
    if not isinstance(metadata, Mapping):
        raise ValueError("metadata is changed by its parts")
    if wrong := sorted(_THEIRS & metadata.keys()):
        raise ValueError(f"metadata.{wrong[0]} is not ours to change")


def _refuse_pointer(pointer: str) -> None:
    root, *rest = pointer.removeprefix("/").split("/")
    if pointer in ("", "/") or root == "status" or not pointer.startswith("/"):
        raise ValueError(f"{pointer or 'the whole object'} is not ours to change")
    if root == "metadata" and (not rest or rest[0] in _THEIRS):
        raise ValueError(f"{pointer} is not ours to change")
