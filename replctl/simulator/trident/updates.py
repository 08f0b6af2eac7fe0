"""How Trident's controller treats a mirror update, which is one copy on demand, and a snapshot info (CT §6)."""

from collections.abc import Generator
from typing import Any

from replctl.simulator.kubernetes.kinds import (
    FINALIZER,
    MIRROR,
    SNAPSHOT_CONTENT,
    SNAPSHOT_INFO,
    UPDATE,
    VOLUME_SNAPSHOT,
)
from replctl.simulator.kubernetes.statuses import Object, Refused
from replctl.simulator.ontap.fabric import FAILED as TRANSFER_FAILED
from replctl.simulator.ontap.fabric import OntapError, Relationship, Volume
from replctl.simulator.trident.controller import Controller, Item, Panic, Verdict
from replctl.simulator.trident.mirrors import condition, mapping
from replctl.simulator.trident.relations import ESTABLISHED, REESTABLISHED
from replctl.simulator.trident.site import PROVISIONER

IN_PROGRESS, SUCCEEDED, FAILED = "In progress", "Succeeded", "Failed"
Pass = Generator[float, float, Verdict]


class Updates:
    """The handler of mirror updates of one cluster."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._site = controller.site
        controller.handlers[UPDATE] = self.handle
        controller.filters[UPDATE] = lambda old, new, at: _is_going(new)

    def handle(self, item: Item, now: float) -> Pass:
        """Begin a copy, or see whether it has ended."""
        body = self._site.cluster.registry.store.read(UPDATE, item.key)
        if body is None:
            return Verdict.DONE
        state = (body.get("status") or {}).get("state")
        if state in (SUCCEEDED, FAILED) or (_is_going(body) and not state):
            return self._let_go(item, now)
        if state == IN_PROGRESS and item.event != "retry":
            return self._fail(item, "the controller was restarted", now)
        if state == IN_PROGRESS:
            return self._look(item, body, now)
        return (yield from self._begin(item, body, now))

    def _begin(self, item: Item, body: Object, now: float) -> Pass:
        spec = body.get("spec") or {}
        name = str(spec.get("tridentMirrorRelationshipName", ""))
        mirror = self._controller.cached(MIRROR, (item.key[0], name))
        if mirror is None:
            return self._fail(item, f"mirror relationship {name!r} was not found", now)
        if not (mirror.get("status") or {}).get("conditions"):
            if self._site.assume["update_without_conditions"] == "crash":
                raise Panic
            return self._fail(item, "the mirror relationship has no state yet", now)
        wrong = _unfit(mirror, str(spec.get("snapshotHandle") or ""))
        if wrong:
            return self._fail(item, wrong, now)
        now = yield self._site.durations["ontap_read"]
        return self._start(item, mirror, str(spec.get("snapshotHandle") or ""), now)

    def _start(self, item: Item, mirror: Object, handle: str, now: float) -> Verdict:
        found = condition(mirror)
        status: dict[str, Any] = {
            "state": IN_PROGRESS,
            "localVolumeHandle": found["localVolumeHandle"],
            "remoteVolumeHandle": found["remoteVolumeHandle"],
        }
        if handle:
            status["snapshotHandle"] = handle
        try:
            relation = self._relation(found["localVolumeHandle"])
            if relation.end_time is not None:
                status["previousTransferTime"] = self._site.system.stamp(relation.end_time)
            self._write(item, status, now)
            self._site.fabric.update(relation, now, handle.partition("/")[2] or None)
        except OntapError as e:
            return self._fail(item, str(e), now)
        return Verdict.DEFERRED

    def _look(self, item: Item, body: Object, now: float) -> Verdict:
        """Whether a transfer has ended since; which one it was is not asked (CT §6)."""
        status = body["status"]
        try:
            relation = self._relation(status["localVolumeHandle"])
        except OntapError as e:
            return self._fail(item, str(e), now)
        if not relation.healthy or relation.transfer_state == TRANSFER_FAILED:
            return self._fail(item, relation.unhealthy_reason or "the transfer failed", now)
        before, last = status.get("previousTransferTime"), relation.end_time
        if last is None or (before is not None and self._site.system.stamp(last) <= before):
            return Verdict.DEFERRED
        self._write(
            item,
            {"state": SUCCEEDED, "message": "", "completionTime": self._site.cluster.registry.stamp(now)},
            now,
        )
        return self._let_go(item, now)

    def _relation(self, path: str) -> Relationship:
        volume = self._site.fabric.volume_at(path)
        relation = self._site.fabric.read(volume) if isinstance(volume, Volume) else None
        if relation is None:
            raise OntapError(f"{path} has no relationship")
        return relation

    def _fail(self, item: Item, why: str, now: float) -> Verdict:
        self._write(
            item,
            {"state": FAILED, "message": why, "completionTime": self._site.cluster.registry.stamp(now)},
            now,
        )
        return self._let_go(item, now)

    def _write(self, item: Item, status: dict[str, Any], now: float) -> None:
        """The status through the object itself: there is no subresource, and the generation grows."""
        registry = self._site.cluster.registry
        body = registry.store.read(UPDATE, item.key)
        if body is None:
            return
        body["status"] = {**(body.get("status") or {}), **status}
        if not _is_going(body) and FINALIZER not in body["metadata"].get("finalizers", ()):
            body["metadata"].setdefault("finalizers", []).append(FINALIZER)
        registry.replace(UPDATE, *item.key, body, now)

    def _let_go(self, item: Item, now: float) -> Verdict:
        body = self._site.cluster.registry.store.read(UPDATE, item.key)
        if body is not None and _is_going(body):
            self._site.cluster.registry.drop_finalizer(UPDATE, item.key, FINALIZER, now)
        return Verdict.DONE


class SnapshotInfos:
    """The handler of snapshot infos of one cluster."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._site = controller.site
        controller.handlers[SNAPSHOT_INFO] = self.handle
        controller.filters[SNAPSHOT_INFO] = lambda old, new, at: _is_going(new)

    def handle(self, item: Item, now: float) -> Pass:
        """Write the handle of a snapshot down once it is ready."""
        yield self._site.durations["api_write"]
        registry = self._site.cluster.registry
        body = registry.store.read(SNAPSHOT_INFO, item.key)
        if body is None:
            return Verdict.DONE
        if _is_going(body):
            registry.drop_finalizer(SNAPSHOT_INFO, item.key, FINALIZER, now)
            return Verdict.DONE
        if FINALIZER not in body["metadata"].get("finalizers", ()):
            body["metadata"].setdefault("finalizers", []).append(FINALIZER)
            body = registry.replace(SNAPSHOT_INFO, *item.key, body, now)
        handle = self._handle(item.key[0], body["spec"]["snapshotName"])
        if handle is None:
            return Verdict.DEFERRED
        status = {"snapshotHandle": handle, "lastTransitionTime": registry.stamp(now)}
        body["status"] = {**status, "observedGeneration": body["metadata"]["generation"]}
        try:
            registry.replace(SNAPSHOT_INFO, *item.key, body, now, status=True)
        except Refused:
            return Verdict.DEFERRED
        return Verdict.DONE

    def _handle(self, namespace: str, name: str) -> str | None:
        """The handle of a snapshot; None while it is not there or not ready."""
        store = self._site.cluster.registry.store
        status = (store.read(VOLUME_SNAPSHOT, (namespace, name)) or {}).get("status") or {}
        content = store.read(SNAPSHOT_CONTENT, ("", status.get("boundVolumeSnapshotContentName", "")))
        if not status.get("readyToUse") or content is None or content["spec"]["driver"] != PROVISIONER:
            return None
        handle: str | None = (content.get("status") or {}).get("snapshotHandle")
        return handle


def _is_going(body: Object) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def _unfit(mirror: Object, handle: str) -> str:
    """Why a mirror relationship, as it is, takes no update; empty if it does."""
    found = condition(mirror)
    if found.get("state") not in (ESTABLISHED, REESTABLISHED):
        return f"the mirror relationship is {found.get('state')!r}, neither established nor reestablished"
    if found.get("replicationPolicy") == "Sync":
        return "the mirror relationship is synchronous"
    if handle and not all(handle.partition("/")[::2]):
        return f"{handle!r} is no snapshot handle"
    return "" if mapping(mirror).get("remoteVolumeHandle") else "the mirror relationship has no remote volume"
