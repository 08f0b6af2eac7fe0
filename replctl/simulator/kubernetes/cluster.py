"""One cluster as its API server has it: objects, kinds that are installed, credentials, and how it misbehaves."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from replctl.simulator.kubernetes.access import Access
from replctl.simulator.kubernetes.discovery import definition
from replctl.simulator.kubernetes.kinds import DEFINITION, EVENT, KINDS, Kind
from replctl.simulator.kubernetes.registry import Registry
from replctl.simulator.kubernetes.statuses import Object
from replctl.simulator.kubernetes.watches import Order

# What a frozen store does with a write that is answered 504.
LANDINGS = ("landed", "lost", "drawn")


@dataclass(slots=True, eq=False)
class Cluster:
    """One cluster. `frozen`: None, or what becomes of writes while its store does not answer."""

    name: str
    seed: int
    registry: Registry = field(init=False)
    access: Access = field(init=False)
    kinds: Sequence[Kind] = KINDS
    order: Order = field(default_factory=Order)
    frozen: str | None = None
    frozen_writes: int = 0
    watches: int = 0

    def __post_init__(self) -> None:
        self.registry = Registry(self.seed, self.name)
        self.access = Access(self.seed, self.name)

    def find_kind(self, group: str, version: str, plural: str) -> Kind | None:
        """The kind that is served under this name."""
        return next(
            (
                each
                for each in self.kinds
                if (each.group, each.version, each.plural) == (group, version, plural)
            ),
            None,
        )

    def install(self, now: float) -> None:
        """Store the definitions of the custom kinds."""
        for kind in self.kinds:
            if kind.is_custom:
                self.registry.create(DEFINITION, "", definition(kind), now, bulk=True)

    def uninstall(self, group: str, now: float) -> None:
        """Take a group of custom kinds away, as if its definitions had never been installed."""
        for kind in self.kinds:
            if kind.group == group:
                self.registry.delete(DEFINITION, "", kind.resource, now)
        self.kinds = [kind for kind in self.kinds if kind.group != group]

    def tell(self, body: Object, kind: Kind, type_: str, reason: str, message: str, now: float) -> None:
        """Record an Event about an object; the same again counts up."""
        metadata = body["metadata"]
        namespace = metadata.get("namespace", "default")
        about = {"kind": kind.name, "namespace": namespace, "name": metadata["name"], "uid": metadata["uid"]}
        for key in self.registry.store.keys(EVENT, namespace):
            kept = self.registry.store.get(EVENT, key)
            if kept is None or not key[1].startswith(metadata["name"] + "."):
                continue
            event = kept.read()
            if event["involvedObject"]["uid"] == about["uid"] and (event["reason"], event["message"]) == (
                reason,
                message,
            ):
                event["count"] += 1
                event["lastTimestamp"] = self.registry.stamp(now)
                self.registry.replace(EVENT, *key, event, now)
                return
        self.registry.create(EVENT, namespace, self._event(about, kind, type_, reason, message, now), now)

    def _event(self, about: Object, kind: Kind, type_: str, reason: str, message: str, now: float) -> Object:
        serial = self.registry.uid().replace("-", "")[:16]
        return {
            "metadata": {"name": f"{about['name']}.{serial}"},
            "involvedObject": {**about, "apiVersion": kind.api_version},
            "reason": reason,
            "message": message,
            "type": type_,
            "count": 1,
            "firstTimestamp": self.registry.stamp(now),
            "lastTimestamp": self.registry.stamp(now),
            "source": {"component": "trident-crd-controller"},
        }
