"""One array's inventory: what its management interface can list, by id and by name.

Only the objects and how to find them; how they look to a client is in `resources`.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from typing import Generic, TypeVar

from replctl.simulator.chance import digest, identifier
from replctl.simulator.conditions import PEER
from replctl.simulator.replication import End, Resource
from replctl.simulator.scene import policy_name

T = TypeVar("T")


class Table(Generic[T]):
    """Objects by id, the ids in order."""

    def __init__(self) -> None:
        self._rows: dict[str, T] = {}
        self._ids: list[str] = []
        self._sorted = True

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[T]:
        return (self._rows[key] for key in self.ids())

    def ids(self) -> list[str]:
        """All ids in order; not to be changed by the caller."""
        if not self._sorted:
            self._ids.sort()
            self._sorted = True
        return self._ids

    def get(self, key: str) -> T | None:
        """The object with this id, or None."""
        return self._rows.get(key)

    def add(self, key: str, row: T, *, bulk: bool = False) -> None:
        """Put an object in; `bulk` leaves the sorting for later."""
        self._rows[key] = row
        if bulk:
            self._ids.append(key)
            self._sorted = False
        else:
            self.ids()
            insort(self._ids, key)

    def remove(self, key: str) -> None:
        """Take an object out."""
        del self._rows[key]
        del self._ids[bisect_left(self.ids(), key)]


RPO_SECONDS = {
    "Zero": 0.0,
    "Five_Minutes": 300.0,
    "Fifteen_Minutes": 900.0,
    "Thirty_Minutes": 1800.0,
    "One_Hour": 3600.0,
    "Six_Hours": 21_600.0,
    "Twelve_Hours": 43_200.0,
    "One_Day": 86_400.0,
}


class Rule:
    """A replication rule with the policy that holds it; on the peer both appear once more, as replicas."""

    __slots__ = ("id", "is_replica", "name", "policy_id", "policy_name", "remote_system_id", "rpo")

    def __init__(self, seed: int, array: str, origin: str, remote_system_id: str) -> None:
        self.is_replica = origin != array
        self.id = identifier(seed, array, "rule", origin)
        self.name = f"dr-5min-{origin}"
        self.rpo = "Five_Minutes"
        self.policy_id = identifier(seed, array, "policy", origin)
        self.policy_name = policy_name(origin)
        self.remote_system_id = remote_system_id


class Site:
    """One array and what is on it."""

    def __init__(self, seed: int, name: str) -> None:
        self.name = name
        self.cluster_name = f"{name}-cluster"
        self.global_id = "PS" + digest(seed, name, "cluster")[:12]
        self.peer_global_id = "PS" + digest(seed, PEER[name], "cluster")[:12]
        self.service_tag = digest(seed, name, "tag")[:7].upper()
        self.remote_system_id = identifier(seed, name, "remote_system")
        self.rules = [Rule(seed, name, origin, self.remote_system_id) for origin in (name, PEER[name])]
        self.volumes: Table[Resource] = Table()
        self.groups: Table[Resource] = Table()
        self.sessions: Table[End] = Table()
        self.volume_names: dict[str, list[Resource]] = {}
        self.group_names: dict[str, list[Resource]] = {}

    def add(self, resource: Resource, *, bulk: bool = False) -> None:
        """Put a volume or a group in."""
        table, names = self._of(resource)
        table.add(resource.id, resource, bulk=bulk)
        names.setdefault(resource.name.lower(), []).append(resource)

    def has(self, resource: Resource) -> bool:
        """Whether it is there."""
        return self._of(resource)[0].get(resource.id) is resource

    def remove(self, resource: Resource) -> None:
        """Take a volume or a group out, with its members."""
        table, names = self._of(resource)
        table.remove(resource.id)
        names[resource.name.lower()].remove(resource)
        for member in resource.members:
            self.remove(member)

    def rename(self, resource: Resource, name: str) -> None:
        """Give a volume or a group another name."""
        _, names = self._of(resource)
        names[resource.name.lower()].remove(resource)
        resource.name = name
        names.setdefault(name.lower(), []).append(resource)

    def rule(self, *, replica: bool) -> Rule:
        """This array's own rule, or the peer's that is mirrored here."""
        return self.rules[1 if replica else 0]

    def _of(self, resource: Resource) -> tuple[Table[Resource], dict[str, list[Resource]]]:
        if resource.kind == "volume_group":
            return self.groups, self.group_names
        return self.volumes, self.volume_names
