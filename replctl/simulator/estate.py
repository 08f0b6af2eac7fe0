"""Two clusters with Trident over two linked ONTAP systems, their mirrors, and the truth about them.

The counterpart of `world` for Kubernetes. Everything happens by the agenda, when somebody looks; all methods expect
the clock's lock to be held and take `now` from whoever calls.
"""

from collections.abc import Mapping
from typing import Any

from replctl.simulator.agenda import Agenda
from replctl.simulator.assumptions import Assumptions
from replctl.simulator.clock import VirtualClock
from replctl.simulator.kubernetes.cluster import Cluster
from replctl.simulator.kubernetes.kinds import MIRROR
from replctl.simulator.lineage import Content, common, first_write, lacking, unite, writes
from replctl.simulator.ontap.fabric import PROTECTED, READ_WRITE, SITES, Fabric, Volume
from replctl.simulator.scene import Entry, claim_name, mirror_name
from replctl.simulator.trident.controller import Controller
from replctl.simulator.trident.founding import attach, found_cluster, found_mirror
from replctl.simulator.trident.mirrors import Mirrors, condition
from replctl.simulator.trident.site import Site
from replctl.simulator.trident.updates import SnapshotInfos, Updates
from replctl.simulator.trident.volumes import Provisioner

PAST_SECONDS = 3600.0
POD = "app-0"
_PEER = {"east": "west", "west": "east"}


class Estate:
    """Two clusters, k8s-east and k8s-west, and the systems under them, ontap-east and ontap-west."""

    def __init__(
        self,
        seed: int,
        clock: VirtualClock,
        assume: Assumptions,
        durations: Mapping[str, float],
        entries: list[Entry],
    ) -> None:
        self.agenda = Agenda()
        self.fabric = Fabric(seed, self.agenda, durations, assume)
        self.entries = {entry.full_name: entry for entry in entries}
        self._clock = clock
        self.sites = {
            name: Site(Cluster(f"k8s-{name}", seed), self.fabric, self.agenda, assume, durations, name)
            for name in SITES
        }
        now = clock.now()
        for site in self.sites.values():
            found_cluster(site, now - PAST_SECONDS)
        provisioners = {name: Provisioner(site) for name, site in self.sites.items()}
        self.controllers = {name: Controller(site) for name, site in self.sites.items()}
        for controller in self.controllers.values():
            Mirrors(controller)
            Updates(controller)
            SnapshotInfos(controller)
        for entry in entries:
            self._found(entry, provisioners, now)

    def _found(self, entry: Entry, provisioners: dict[str, Provisioner], now: float) -> None:
        """Both ends of a mirror, whose last scheduled transfer is over."""
        past, claim = now - PAST_SECONDS, claim_name(entry)
        volumes: dict[str, Volume] = {}
        for name in (entry.source, _PEER[entry.source]):
            source = volumes[entry.source].path if volumes else ""
            mirror = mirror_name(entry, name)
            site, key = self.sites[name], (entry.namespace, mirror)
            volumes[name] = found_mirror(site, provisioners[name], *key, claim, source, past)
            self.controllers[name].know(MIRROR, key)
        attach(self.sites[entry.source], entry.namespace, claim, POD, past, bulk=True)
        replica = self.sites[_PEER[entry.source]]
        relation = self.fabric.create(
            volumes[replica.name], volumes[entry.source].path, replica.policy, replica.schedule
        )
        self.fabric.found(relation, now)

    def catch_up(self, now: float) -> float | None:
        """Do what is due; returns when something is due next."""
        before = [site.cluster.registry.store.revision for site in self.sites.values()]
        self.agenda.catch_up(now)
        if before != [site.cluster.registry.store.revision for site in self.sites.values()]:
            self._clock.wake()
        return self.agenda.next_at()

    # The truth

    def volumes(self, entry: Entry) -> dict[str, Volume | None]:
        """The volumes behind the two claims of a replication."""
        found: dict[str, Volume | None] = {}
        for name, site in self.sites.items():
            claim = site.claim(entry.namespace, claim_name(entry))
            bound = site.bound(claim) if claim is not None else None
            found[name] = bound.volume if bound is not None else None
        return found

    def truth(self, entry: Entry, now: float) -> dict[str, Any]:
        """What nobody in the world can see as a whole, by cluster: who may write, who wrote, and what is lost.

        Keys as in `World.truth`. `attached`: pods that have the volume mounted; `volume_type`: rw or dp; `state`: of
        the mirror relationship, None without one; `relationship`: as ONTAP has it, where a volume is a destination.
        """
        volumes = {name: volume for name, volume in self.volumes(entry).items() if volume is not None}
        written = {name: volume.copy.written(now) for name, volume in volumes.items()}
        contents = {name: self.fabric.content(volume, now) for name, volume in volumes.items()}
        writable = {name: self._is_writable(volume) for name, volume in volumes.items()}
        lost = lacking(written, unite(self._in_use(volumes, contents)))
        missing = {name: lacking(written, content) for name, content in contents.items()}
        sources = [f"k8s-{name}" for name, can in writable.items() if can]
        return {
            "name": entry.full_name,
            "source": sources[0] if len(sources) == 1 else None,
            "sources": sources,
            "writable": _named(writable),
            "volume_type": _named({name: volume.type for name, volume in volumes.items()}),
            "attached": _named({name: sorted(volume.pods) for name, volume in volumes.items()}),
            "state": {f"k8s-{name}": self._state(entry, name) for name in SITES},
            "relationship": _named({name: self._relationship(volume) for name, volume in volumes.items()}),
            "writes": _named({name: writes(each) for name, each in written.items()}),
            "written": _named({name: [list(each) for each in found] for name, found in written.items()}),
            "lost_writes": writes(lost),
            "lost_since": first_write(lost),
            "missing": _named({name: writes(each) for name, each in missing.items()}),
            "missing_since": _named({name: first_write(each) for name, each in missing.items()}),
            "both_wrote": writes(common(written.get("east", ()), written.get("west", ()))),
            "consistent_at": self._consistent_at(volumes),
        }

    def _is_writable(self, volume: Volume) -> bool:
        return volume.type == READ_WRITE and self.fabric.systems[volume.site].alive

    def _in_use(self, volumes: dict[str, Volume], contents: dict[str, Content]) -> list[Content]:
        """The copies that hosts use: the writable ones, else all."""
        used = [contents[name] for name, volume in volumes.items() if self._is_writable(volume)]
        return used or list(contents.values())

    def _state(self, entry: Entry, site: str) -> str | None:
        key = (entry.namespace, mirror_name(entry, site))
        body = self.sites[site].cluster.registry.store.read(MIRROR, key)
        return None if body is None else condition(body).get("state")

    def _relationship(self, volume: Volume) -> dict[str, Any] | None:
        relation = self.fabric.systems[volume.site].relationships.get(volume.name)
        if relation is None:
            return None
        return {
            "source": relation.source,
            "state": relation.state,
            "transfer": relation.transfer_state,
            "healthy": relation.healthy,
        }

    def _consistent_at(self, volumes: dict[str, Volume]) -> float | None:
        """When the data of the replica were taken at the source; None without a complete copy."""
        for volume in volumes.values():
            relation = self.fabric.systems[volume.site].relationships.get(volume.name)
            if relation is not None and volume.type == PROTECTED and relation.base is not None:
                return relation.base.at
        return None


def _named(by_site: Mapping[str, Any]) -> dict[str, Any]:
    return {f"k8s-{name}": value for name, value in by_site.items()}
