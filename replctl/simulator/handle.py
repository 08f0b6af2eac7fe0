"""The hand of the test on the Kubernetes half: pods, stores, watches, tokens, controllers, ONTAP (design §11).

`Control` is one of these too; each method is offered on the control port under its name. Clusters are named as
replctl's backends are: k8s-east and k8s-west.
"""

from pathlib import Path
from typing import Any

from replctl.simulator.clock import VirtualClock
from replctl.simulator.estate import POD, Estate
from replctl.simulator.faults import Faults
from replctl.simulator.kubernetes.cluster import LANDINGS
from replctl.simulator.kubernetes.kubeconfig import write_token
from replctl.simulator.kubernetes.statuses import REASONS, failure
from replctl.simulator.scene import Entry, claim_name
from replctl.simulator.trident.controller import Controller
from replctl.simulator.trident.founding import attach, detach
from replctl.simulator.trident.site import Site

WATCH_ENDS = ("closed", "broken", "expired", "error")
SYSTEM_STATES = {"alive": (True, True), "unreadable": (True, False), "dead": (False, True)}
CONTROLLER_DEEDS = ("pause", "resume", "restart")


class ControlError(ValueError):
    """Something that was asked of the simulator and cannot be; the message is one sentence."""


class Handle:
    """What can be done to clusters from outside; with no clusters, nothing."""

    _clock: VirtualClock
    _faults: Faults
    _estate: Estate | None
    _directory: Path

    # Pods

    def attach(self, cluster: str, namespace: str, claim: str, pod: str = POD) -> None:
        """A pod starts on a claim: its volume is attached, and written where it can be."""
        with self._clock.lock:
            site, now = self._site(cluster)
            if attach(site, namespace, claim, pod, now) is None:
                raise ControlError(f"{cluster} has no bound claim {namespace}/{claim}")
            self._clock.wake()

    def detach(self, cluster: str, namespace: str, claim: str, pod: str | None = None) -> None:
        """A pod on a claim ends, or every one, and its attachment goes."""
        with self._clock.lock:
            site, now = self._site(cluster)
            if detach(site, namespace, claim, pod, now) is None:
                raise ControlError(f"{cluster} has no bound claim {namespace}/{claim}")
            self._clock.wake()

    def stop_pods(self, name: str) -> None:
        """Every pod that uses a replication ends, in both clusters."""
        with self._clock.lock:
            entry = self._mirror(name)
            for site in self._present().sites.values():
                detach(site, entry.namespace, claim_name(entry), None, self._clock.now())
            self._clock.wake()

    # API servers

    def freeze(self, cluster: str, landing: str = "drawn") -> None:
        """The store under an API server does not answer: 504, and a write has landed, is lost, or it is drawn.

        Watches are silent, and the controller begins nothing.
        """
        if landing not in LANDINGS:
            raise ControlError(f"landing can be {', '.join(LANDINGS)}, not {landing!r}")
        with self._clock.lock:
            site, now = self._site(cluster)
            site.cluster.frozen = landing
            site.cluster.order.silent = True
            self._present().controllers[site.name].pause(True, now)

    def thaw(self, cluster: str) -> None:
        """The store answers again."""
        with self._clock.lock:
            site, now = self._site(cluster)
            site.cluster.frozen = None
            site.cluster.order.silent = False
            self._present().controllers[site.name].pause(False, now)
            self._clock.wake()

    def compact(self, cluster: str) -> None:
        """Forget all versions so far: continued lists and watches that begin from one are answered 410."""
        with self._clock.lock:
            self._site(cluster)[0].cluster.registry.store.compact()

    def forget_versions(self, cluster: str) -> None:
        """As after a restart of the API server: no watch can go on from any version before."""
        with self._clock.lock:
            self._site(cluster)[0].cluster.registry.store.restart()

    def silence_watches(self, cluster: str, silent: bool = True) -> None:
        """Open and new watches send nothing, bookmarks included, until it is taken back."""
        with self._clock.lock:
            self._site(cluster)[0].cluster.order.silent = silent
            self._clock.wake()

    def end_watches(self, cluster: str, how: str = "closed", status: int = 500) -> int:
        """End the open watches: closed, broken, expired (410), or error with another status; returns how many."""
        if how not in WATCH_ENDS:
            raise ControlError(f"watches can be {', '.join(WATCH_ENDS)}, not {how!r}")
        with self._clock.lock:
            order = self._site(cluster)[0].cluster.order
            order.end, order.turn = how, order.turn + 1
            order.status = failure(status, REASONS.get(status), f"ordered status {status}")
            self._clock.wake()
            return self._site(cluster)[0].cluster.watches

    def watches_open(self, cluster: str) -> int:
        """How many watches are open now."""
        with self._clock.lock:
            return self._site(cluster)[0].cluster.watches

    def rotate_token(self, cluster: str, write: bool = True) -> str:
        """The driver has a new token, in its file if `write`; the old one stays valid until it is expired."""
        with self._clock.lock:
            token = self._site(cluster)[0].cluster.access.issue()
            if write:
                write_token(self._directory, cluster, token)
            return token

    def expire_token(self, cluster: str) -> None:
        """The driver's tokens so far are answered 401."""
        with self._clock.lock:
            self._site(cluster)[0].cluster.access.expire()

    def deny(self, cluster: str, resource: str, verb: str, denied: bool = True) -> None:
        """Take a verb on a resource from the driver's role, or give it back."""
        with self._clock.lock:
            access = self._site(cluster)[0].cluster.access
            if denied:
                access.denied.add((resource, verb))
            else:
                access.denied.discard((resource, verb))

    def uninstall(self, cluster: str, group: str = "trident.netapp.io") -> None:
        """The cluster has no definitions of a group of kinds: their paths are answered 404 in plain text."""
        with self._clock.lock:
            site, now = self._site(cluster)
            site.cluster.uninstall(group, now)

    def objects(self, cluster: str, plural: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """What is stored of a kind, past all rules."""
        with self._clock.lock:
            site, _ = self._site(cluster)
            kind = next((each for each in site.cluster.kinds if each.plural == plural), None)
            if kind is None:
                raise ControlError(f"{cluster} has no kind {plural!r}")
            store = site.cluster.registry.store
            found = [store.read(kind, key) for key in store.keys(kind, namespace)]
            return [body for body in found if body is not None]

    def touch(self, cluster: str, plural: str, namespace: str, name: str) -> None:
        """Somebody else writes to an object: an annotation, which counts up."""
        with self._clock.lock:
            site, now = self._site(cluster)
            kind = next((each for each in site.cluster.kinds if each.plural == plural), None)
            if kind is None:
                raise ControlError(f"{cluster} has no kind {plural!r}")

            def count(body: dict[str, Any]) -> dict[str, Any]:
                notes = body["metadata"].setdefault("annotations", {})
                notes["touched"] = str(int(notes.get("touched", "0")) + 1)
                return body

            site.cluster.registry.patch(kind, namespace, name, count, now)
            self._clock.wake()

    def when(
        self,
        deed: str,
        arguments: dict[str, Any],
        array: str | None = None,
        method: str | None = None,
        path: str | None = None,
        query: str | None = None,
        skip: int = 0,
        effect: str = "before",
    ) -> int:
        """Have a control method called when a cluster is asked something, once: before that is done, or after."""
        act = getattr(self, deed, None)
        if deed.startswith("_") or not callable(act):
            raise ControlError(f"there is no control method {deed!r}")
        with self._clock.lock:
            return self._faults.add_trigger(
                lambda: act(**arguments),
                array,
                method=method,
                path=path,
                query=query,
                skip=skip,
                effect=effect,
            )

    # Controllers and storage

    def controller(self, cluster: str, deed: str) -> None:
        """Pause, resume or restart Trident's controller."""
        if deed not in CONTROLLER_DEEDS:
            raise ControlError(f"a controller can {', '.join(CONTROLLER_DEEDS)}, not {deed!r}")
        with self._clock.lock:
            controller, now = self._controller(cluster)
            if deed == "restart":
                controller.restart(now)
            else:
                controller.pause(deed == "pause", now)
            self._clock.wake()

    def controller_restarts(self, cluster: str) -> int:
        """How often the controller has restarted, for whatever reason."""
        with self._clock.lock:
            return self._controller(cluster)[0].restarts

    def cannot_mirror(self, cluster: str, cannot: bool = True) -> None:
        """The back end of a cluster is of a family that has no mirrors."""
        with self._clock.lock:
            self._site(cluster)[0].can_mirror = not cannot

    def backend_policy(self, cluster: str, policy: str, schedule: str = "") -> None:
        """Policy and schedule of the back-end configuration, which stand in for those that are not taken."""
        with self._clock.lock:
            site, _ = self._site(cluster)
            site.policy, site.schedule = policy, schedule

    def ontap(self, cluster: str, state: str) -> None:
        """The ONTAP system under a cluster is alive, unreadable, or dead."""
        if state not in SYSTEM_STATES:
            raise ControlError(f"an ONTAP system can be {', '.join(SYSTEM_STATES)}, not {state!r}")
        with self._clock.lock:
            site, now = self._site(cluster)
            site.system.alive, site.system.readable = SYSTEM_STATES[state]
            for volume in site.system.volumes.values():
                site.fabric.settle_writers(volume, now)

    def ontap_link(self, up: bool) -> None:
        """Whether the ONTAP systems reach each other."""
        with self._clock.lock:
            self._settle()
            self._present().fabric.link_up = up

    def fail_ontap(self, cluster: str, operation: str, failing: bool = True) -> None:
        """An operation of ONTAP fails: create, initialize, update, quiesce, abort, break, delete, resync …."""
        with self._clock.lock:
            system = self._site(cluster)[0].system
            (system.failing.add if failing else system.failing.discard)(operation)

    def busy_ontap(self, cluster: str, times: int) -> None:
        """The next attempts to break a mirror are answered: not now."""
        with self._clock.lock:
            self._site(cluster)[0].system.busy_breaks = times

    def stick_transfers(self, name: str, stuck: bool = True) -> None:
        """Transfers of a replication never end, until it is taken back."""
        with self._clock.lock:
            fabric, now = self._present().fabric, self._settle()
            for volume in self._present().volumes(self._mirror(name)).values():
                if volume is not None and stuck:
                    fabric.stuck.add(volume.path)
                elif volume is not None:
                    fabric.unstick(volume.path, now)
            self._clock.wake()

    def stick_all_transfers(self, cluster: str, stuck: bool = True) -> None:
        """Transfers to volumes under a cluster never end, new volumes included, until it is taken back."""
        with self._clock.lock:
            site, now = self._site(cluster)
            if stuck:
                site.fabric.stuck_sites.add(site.name)
            else:
                site.fabric.stuck_sites.discard(site.name)
                for volume in list(site.system.volumes.values()):
                    site.fabric.unstick(volume.path, now)
            self._clock.wake()

    def fail_transfers(self, name: str, failing: bool = True) -> None:
        """Transfers of a replication fail at their end, until it is taken back."""
        with self._clock.lock:
            failed = self._present().fabric.fail_transfers
            for volume in self._present().volumes(self._mirror(name)).values():
                if volume is not None:
                    (failed.add if failing else failed.discard)(volume.path)

    def forget_snapshots(self, name: str) -> None:
        """The volumes of a replication have no snapshot in common any more: neither has any."""
        with self._clock.lock:
            for volume in self._present().volumes(self._mirror(name)).values():
                if volume is not None:
                    volume.snapshots.clear()

    def volumes(self, cluster: str) -> list[dict[str, Any]]:
        """Every volume under a cluster: handle, type, pods, snapshots."""
        with self._clock.lock:
            site, _ = self._site(cluster)
            return [
                {
                    "handle": volume.path,
                    "type": volume.type,
                    "pods": sorted(volume.pods),
                    "snapshots": sorted(volume.snapshots),
                }
                for volume in site.system.volumes.values()
            ]

    # How the above is done

    def _skew(self, name: str, seconds: float) -> None:
        """Set the error of a cluster's clock or an ONTAP system's."""
        with self._clock.lock:
            kind, _, place = name.rpartition("-")
            site, _ = self._site(f"k8s-{place}")
            if kind == "ontap":
                site.system.skew = seconds
            else:
                site.cluster.registry.skew = seconds

    def _present(self) -> Estate:
        if self._estate is None:
            raise ControlError("this world has no clusters; it was made without trident")
        return self._estate

    def _settle(self) -> float:
        now = self._clock.now()
        if self._estate is not None:
            self._estate.catch_up(now)
        return now

    def _site(self, cluster: str) -> tuple[Site, float]:
        estate, now = self._present(), self._settle()
        for site in estate.sites.values():
            if site.cluster.name == cluster:
                return site, now
        raise ControlError(f"there is no cluster {cluster!r}; there are k8s-east and k8s-west")

    def _controller(self, cluster: str) -> tuple[Controller, float]:
        site, now = self._site(cluster)
        return self._present().controllers[site.name], now

    def _mirror(self, name: str) -> Entry:
        self._settle()
        found = self._present().entries.get(name)
        if found is None:
            raise ControlError(f"there is no mirrored replication {name!r}")
        return found
