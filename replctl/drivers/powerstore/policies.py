"""Making and removing replication on an array: a protection policy that is there already, assigned or removed.

A session is born and dies as a side effect of that (CP §6, §11). Twice is fine for both; a policy that somebody
else assigned is never replaced.
"""

from __future__ import annotations

from replctl.core.errors import Conflict, InvalidInput, NotFound, Unsupported, excerpt
from replctl.core.model import End
from replctl.core.plans import Receipt
from replctl.drivers.http import BackendClient
from replctl.drivers.powerstore.lookup import (
    GROUP,
    SESSION,
    SESSIONS,
    SNAPSHOT,
    VOLUME,
    described,
    locator,
    path_of,
)
from replctl.drivers.powerstore.query import filters, one
from replctl.drivers.powerstore.reading import Reader
from replctl.drivers.powerstore.sessions import Row
from replctl.resilience import Look

POLICIES = "/policy"
PROTECTION = "Protection"


class Policies:
    """The protection policies of one array, and what they are assigned to."""

    def __init__(self, reader: Reader, client: BackendClient, backend: str) -> None:
        self._reader = reader
        self._client = client
        self._backend = backend

    def assign(self, end: End, policy_name: str, look: Look) -> Receipt:
        """Let an existing protection policy make the session; the same policy once more changes nothing.

        Raises NotFound (end or policy), Conflict when another policy is there: it is never replaced.
        """
        kind, resource = self._resource(end, look)
        if resource is None:
            raise NotFound(f"there is no {described(end)}", backend=self._backend, operation="create")
        policy = self._policy(policy_name, look)
        assigned = resource.text("protection_policy_id")
        if assigned == policy.id:
            return Receipt()
        if assigned:
            raise Conflict(
                f"the {described(end)} has another protection policy ({excerpt(assigned)}); it is not replaced",
                remedy="remove that policy on the array first, if nothing else needs it",
                backend=self._backend,
                operation="create",
            )
        return self._change(kind, resource.id, policy.id, "create", look)

    def remove(self, end: End, look: Look) -> Receipt:
        """Remove the policy that replicates the end; what has none, or is not there, stays as it is."""
        kind, resource = self._resource(end, look)
        if resource is None or not resource.text("protection_policy_id"):
            return Receipt()
        params = {"select": "id", "local_resource_id": f"eq.{resource.id}"}
        if not self._reader.rows(SESSIONS, params, look):
            return Receipt()  # a policy that only takes snapshots is not ours to remove
        return self._change(kind, resource.id, "", "delete", look)

    def _change(self, kind: str, resource: str, policy: str, operation: str, look: Look) -> Receipt:
        """The key must be there even when empty: without it the session lives on (CP §11)."""
        self._client.change(
            "PATCH",
            one(path_of(kind), resource),
            body={"protection_policy_id": policy},
            operation=operation,
            look=look,
        )
        return Receipt()

    def _resource(self, end: End, look: Look) -> tuple[str, Row | None]:
        """The volume or group behind an end, with its policy; None when it is not there."""
        kind, value = locator(end)
        if not kind:
            raise InvalidInput(f"there is no {described(end)}")
        if kind == SESSION:
            row = self._only(SESSIONS, "id", value, "id,resource_type,local_resource_id", end, look)
            if row is None:
                return kind, None
            kind, value = _kind_of(row.text("resource_type")), row.text("local_resource_id") or ""
        fields = "id,name,type,protection_policy_id"
        by_name = self._only(path_of(kind), "name", value, fields, end, look)
        return kind, by_name or self._only(path_of(kind), "id", value, fields, end, look)

    def _only(self, path: str, field: str, value: str, fields: str, end: End, look: Look) -> Row | None:
        (expression,) = filters([value])
        rows = self._reader.rows(path, {"select": fields, field: expression}, look)
        exact = [row for row in rows if row.text(field) == value and row.text("type") != SNAPSHOT]
        if len(exact) > 1:
            raise Conflict(f"several match {described(end)}", remedy="name it by id", backend=self._backend)
        return exact[0] if exact else None

    def _policy(self, name: str, look: Look) -> Row:
        (expression,) = filters([name])
        params = {"select": "id,name,type,is_replica,replication_rules(id)", "name": expression}
        rows = self._reader.rows(POLICIES, params, look)
        ours = [row for row in rows if row.text("name") == name and _is_assignable(row)]
        if len(ours) != 1:
            raise NotFound(f"there is no one protection policy {name}", backend=self._backend)
        if not ours[0].values.get("replication_rules"):
            raise Unsupported(f"the protection policy {name} has no replication rule", backend=self._backend)
        return ours[0]


def _is_assignable(policy: Row) -> bool:
    """A protection policy of this array; those mirrored from the other one are its own business (CP §11)."""
    return policy.text("type") == PROTECTION and policy.values.get("is_replica") is not True


def _kind_of(resource_type: str | None) -> str:
    """A session's resource type as the kind of thing that it protects; spellings differ (CP §6.2)."""
    kind = (resource_type or "").lower()
    if kind not in (VOLUME, GROUP):
        raise Unsupported(
            f"replctl makes and removes replication of volumes and groups, not of a {excerpt(kind)}"
        )
    return kind
