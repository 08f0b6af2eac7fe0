"""The rules by which objects are created, changed and deleted in one cluster (CT §12.2, §12.6, §17).

Clients come here through `api`, controllers directly; the rules are the same for both. All methods expect the clock's
lock to be held and take the present as `now`.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from replctl.simulator.chance import digest, identifier
from replctl.simulator.kubernetes.kinds import (
    BY_ALL,
    BY_SPEC,
    CLAIM,
    LEASE,
    NAMESPACE,
    PERSISTENT_VOLUME,
    Kind,
)
from replctl.simulator.kubernetes.schemas import faults, prune
from replctl.simulator.kubernetes.stamps import stamp
from replctl.simulator.kubernetes.statuses import (
    Cause,
    Object,
    Refused,
    already_exists,
    bad_request,
    conflict,
    details_of,
    internal,
    invalid,
    not_found,
    success,
)
from replctl.simulator.kubernetes.store import Key, Store

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LONGEST_NAME = 253
LARGEST_OBJECT_BYTES = 3 * 2**19
STALE = "the object has been modified; please apply your changes to the latest version and try again"
# Metadata that only the server writes.
_KEPT_METADATA = ("uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation")
_MICRO_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}(Z|[+-]\d\d:\d\d)")


class Registry:
    """The objects of one cluster, by the rules."""

    def __init__(self, seed: int, cluster: str) -> None:
        self.store = Store()
        self.skew = 0.0  # seconds by which this cluster's clock is wrong
        self._seed = seed
        self._cluster = cluster
        self._made = 0

    def stamp(self, at: float) -> str:
        """A time as this cluster's clock has it."""
        return stamp(at + self.skew)

    def uid(self) -> str:
        """A new uid."""
        self._made += 1
        return identifier(self._seed, self._cluster, "uid", self._made)

    def found(self, kind: Kind, namespace: str, name: str) -> Object:
        """The object with this name; refused with 404."""
        body = self.store.read(kind, (namespace, name))
        if body is None:
            raise not_found(kind, name)
        return body

    # Creation

    def create(
        self, kind: Kind, namespace: str, body: Object, now: float, *, dry: bool = False, bulk: bool = False
    ) -> Object:
        """Store a new object; returns it as it is stored."""
        metadata = body.setdefault("metadata", {})
        self._check_new(kind, namespace, metadata)
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = f"{metadata['generateName']}{digest(self._seed, self.uid())[:5]}"
        name = self._check_name(kind, metadata)
        if self.store.get(kind, (namespace, name)) is not None:
            raise already_exists(kind, name)
        if kind.has_status and kind.is_custom:
            body.pop("status", None)
        check(kind, name, body)
        for word in (*_KEPT_METADATA, "selfLink", "managedFields"):
            metadata.pop(word, None)
        metadata.update({"uid": self.uid(), "creationTimestamp": self.stamp(now)})
        if kind.namespaced:
            metadata["namespace"] = namespace
        if kind.generation in (BY_ALL, BY_SPEC):
            metadata["generation"] = 1
        _fill_in(kind, body)
        return body if dry else self.store.put(kind, (namespace, name), body, now, bulk=bulk)

    def _check_new(self, kind: Kind, namespace: str, metadata: Object) -> None:
        if metadata.get("resourceVersion"):
            raise internal("resourceVersion should not be set on objects to be created")
        if kind.namespaced and metadata.get("namespace", namespace) != namespace:
            raise bad_request("the namespace of the object does not match the namespace on the request")
        if not kind.namespaced:
            return
        home = self.store.read(NAMESPACE, ("", namespace))
        if home is None:
            raise not_found(NAMESPACE, namespace)
        if home["metadata"].get("deletionTimestamp"):
            text = f"unable to create new content in namespace {namespace} because it is being terminated"
            cause = Cause(
                "NamespaceTerminating", f"namespace {namespace} is being terminated", "metadata.namespace"
            )
            details = details_of(kind, metadata.get("name"), causes=[cause._asdict()])
            raise Refused(403, "Forbidden", f"{kind.resource} is forbidden: {text}", details=details)

    @staticmethod
    def _check_name(kind: Kind, metadata: Object) -> str:
        name = metadata.get("name")
        if not name:
            raise invalid(
                kind, "", [Cause("FieldValueRequired", "name or generateName is required", "metadata.name")]
            )
        if not isinstance(name, str) or len(name) > LONGEST_NAME or not _NAME.fullmatch(name):
            text = f"Invalid value: {name!r}: a lowercase RFC 1123 subdomain is required"
            raise invalid(kind, str(name), [Cause("FieldValueInvalid", text, "metadata.name")])
        return name

    # Change

    def replace(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        body: Object,
        now: float,
        *,
        status: bool = False,
        must_say_version: bool = True,
        dry: bool = False,
    ) -> Object:
        """Put another object in the place of one; `status`: its status alone.

        A resourceVersion that it carries must be the present one. Returns what is stored now.
        """
        key = (namespace, name)
        kept = self.store.get(kind, key)
        if kept is None:
            if kind is LEASE and not status:
                return self.create(kind, namespace, body, now, dry=dry)
            raise not_found(kind, name)
        old = kept.read()
        self._check_precedence(kind, name, old, body, must_say_version)
        new = _combine(kind, old, body, status)
        check(kind, name, new)
        _check_finalizers(kind, name, old, new)
        if new == old:
            return old
        if _is_new_generation(kind, old, new):
            new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
        if dry:
            return new
        if new["metadata"].get("deletionTimestamp") and not new["metadata"].get("finalizers"):
            self.store.put(kind, key, new, now)
            return self.store.remove(kind, key, now)
        return self.store.put(kind, key, new, now)

    def _check_precedence(
        self, kind: Kind, name: str, old: Object, body: Object, must_say_version: bool
    ) -> None:
        metadata = body.get("metadata") or {}
        if metadata.get("name", name) != name:
            raise bad_request(
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
            )
        if metadata.get("namespace", old["metadata"].get("namespace")) != old["metadata"].get("namespace"):
            raise bad_request("the namespace of the object does not match the namespace on the request")
        said = metadata.get("resourceVersion")
        if not said and must_say_version and (kind.is_custom or kind is LEASE):
            cause = Cause(
                "FieldValueInvalid",
                "Invalid value: 0: must be specified for an update",
                "metadata.resourceVersion",
            )
            raise invalid(kind, name, [cause], by_kind=False)
        if said and not str(said).isdigit():
            raise internal(f"strconv.ParseUint: parsing {said!r}: invalid syntax")
        if metadata.get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
            text = f"Precondition failed: UID in precondition: {metadata['uid']}, not that of the object"
            raise conflict(kind, name, text)
        if said and str(said) != old["metadata"]["resourceVersion"]:
            raise conflict(kind, name, STALE)

    def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[Object], Any],
        now: float,
        *,
        status: bool = False,
        dry: bool = False,
    ) -> Object:
        """Change an object by a function of it; a resourceVersion that it leaves must be the present one."""
        old = self.found(kind, namespace, name)
        new = change(json.loads(json.dumps(old)))
        if not isinstance(new, dict) or not isinstance(new.get("metadata"), dict):
            raise bad_request("the patch does not leave an object")
        if new.get("kind", kind.name) != kind.name or new.get("apiVersion") != kind.api_version:
            raise bad_request("the patch makes another kind of it")
        return self.replace(kind, namespace, name, new, now, status=status, must_say_version=False, dry=dry)

    # Deletion

    def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        now: float,
        preconditions: Mapping[str, str] | None = None,
        *,
        dry: bool = False,
    ) -> Object:
        """Delete an object, or mark it where finalizers hold it; returns the object or a Status of success."""
        old = self.found(kind, namespace, name)
        metadata = old["metadata"]
        for word, value in (preconditions or {}).items():
            if metadata.get(word) != value:
                text = f"Precondition failed: {word} in precondition: {value}, in object meta: {metadata.get(word)}"
                raise conflict(kind, name, text)
        if dry:
            return old
        if not metadata.get("finalizers"):
            self.store.remove(kind, (namespace, name), now)
            return old if kind.returns_deleted else success(kind, name, metadata["uid"])
        if metadata.get("deletionTimestamp"):
            return old
        metadata.update({"deletionTimestamp": self.stamp(now), "deletionGracePeriodSeconds": 0})
        if "generation" in metadata:
            metadata["generation"] += 1
        return self.store.put(kind, (namespace, name), old, now)

    def drop_finalizer(self, kind: Kind, key: Key, finalizer: str, now: float) -> None:
        """Take a finalizer off an object, if it is there and has it."""
        body = self.store.read(kind, key)
        if body is None or finalizer not in body["metadata"].get("finalizers", ()):
            return
        body["metadata"]["finalizers"] = [
            each for each in body["metadata"]["finalizers"] if each != finalizer
        ]
        self.replace(kind, *key, body, now)


def strip(kind: Kind, body: Object) -> list[str]:
    """Prune what the schema does not know; returns the paths of it."""
    return [] if kind.schema is None else prune(kind.schema, body)


def check(kind: Kind, name: str, body: Object) -> None:
    """Hold an object against its schema and the limits; strips it first. Raises Refused."""
    strip(kind, body)
    if kind.schema is not None:
        wrong = list(faults(kind.schema, body))
        if wrong:
            raise invalid(kind, name, wrong)
    if kind is LEASE:
        _check_lease(name, body)
    if len(json.dumps(body)) > LARGEST_OBJECT_BYTES:
        raise internal("etcdserver: request is too large")


def _check_lease(name: str, body: Object) -> None:
    spec = body.get("spec") or {}
    for word in ("acquireTime", "renewTime"):
        if spec.get(word) is not None and not _MICRO_TIME.fullmatch(str(spec[word])):
            raise bad_request(f'parsing time "{spec[word]}": {word} needs six digits of a fraction')
    seconds = spec.get("leaseDurationSeconds")
    if seconds is not None and (not isinstance(seconds, int) or seconds <= 0):
        text = f"Invalid value: {seconds}: must be greater than 0"
        raise invalid(LEASE, name, [Cause("FieldValueInvalid", text, "spec.leaseDurationSeconds")])


def _fill_in(kind: Kind, body: Object) -> None:
    """What the server itself writes into a new object."""
    body["apiVersion"], body["kind"] = kind.api_version, kind.name
    if kind.finalizers:
        body["metadata"].setdefault("finalizers", list(kind.finalizers))
    if kind is CLAIM:
        body.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
        body.setdefault("status", {"phase": "Pending"})
    elif kind is NAMESPACE:
        body.setdefault("status", {"phase": "Active"})
    elif kind is PERSISTENT_VOLUME:
        body.setdefault("status", {"phase": "Available"})


def _combine(kind: Kind, old: Object, body: Object, status: bool) -> Object:
    """What is stored after a write: the status through its subresource, all else through the object itself."""
    if status:
        new = json.loads(json.dumps(old))
        new.pop("status", None)
        return {**new, **({"status": body["status"]} if "status" in body else {})}
    new = {**body, "apiVersion": kind.api_version, "kind": kind.name}
    if kind.has_status:
        new.pop("status", None)
        if "status" in old:
            new["status"] = old["status"]
    metadata = {
        name: value
        for name, value in (body.get("metadata") or {}).items()
        if name not in (*_KEPT_METADATA, "managedFields")
    }
    metadata |= {name: old["metadata"][name] for name in _KEPT_METADATA if name in old["metadata"]}
    metadata |= {name: old["metadata"][name] for name in ("name", "namespace") if name in old["metadata"]}
    metadata["resourceVersion"] = old["metadata"]["resourceVersion"]
    new["metadata"] = metadata
    return new


def _check_finalizers(kind: Kind, name: str, old: Object, new: Object) -> None:
    had, has = (set(each["metadata"].get("finalizers") or ()) for each in (old, new))
    if old["metadata"].get("deletionTimestamp") and has - had:
        text = "Forbidden: no new finalizers can be added if the object is being deleted"
        raise invalid(kind, name, [Cause("FieldValueForbidden", text, "metadata.finalizers")])


def _is_new_generation(kind: Kind, old: Object, new: Object) -> bool:
    if kind.generation not in (BY_ALL, BY_SPEC):
        return False
    beside = ("metadata", "status") if kind.generation == BY_SPEC else ("metadata",)
    left, right = ({name: value for name, value in each.items() if name not in beside} for each in (old, new))
    return left != right
