"""How Trident's controller treats a mirror relationship: one pass, its preconditions, its status (CT §2 to §4)."""

from collections.abc import Generator, Mapping
from typing import Any

from replctl.simulator.kubernetes.kinds import FINALIZER, MIRROR
from replctl.simulator.kubernetes.statuses import Object, Refused
from replctl.simulator.ontap.fabric import OntapError
from replctl.simulator.trident.controller import Controller, Item, Panic, Verdict
from replctl.simulator.trident.relations import (
    ESTABLISHED,
    ESTABLISHING,
    PROMOTED,
    PROMOTING,
    REESTABLISHED,
    REESTABLISHING,
    TRANSITIONING,
    Action,
    Done,
    Outcome,
    Wanted,
    adjusted,
    establish,
    promote,
    raw_state,
    reestablish,
)

FAILED, INVALID = "failed", "invalid"
DESIRED = ("", PROMOTED, ESTABLISHED, REESTABLISHED)
Pass = Generator[float, float, Verdict]
_STRINGS = ("state", "replicationPolicy", "replicationSchedule")
_MAPPING_STRINGS = ("localPVCName", "remoteVolumeHandle", "promotedSnapshotHandle")
# What is finished before anything else is begun.
_IN_FLIGHT = {PROMOTING: PROMOTED, ESTABLISHING: ESTABLISHED, REESTABLISHING: REESTABLISHED}


class Mirrors:
    """The handler of mirror relationships of one cluster."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller
        self._site = controller.site
        self._edited: set[tuple[str, str]] = set()  # illegally, and therefore not deleted
        controller.handlers[MIRROR] = self.handle
        controller.filters[MIRROR] = self.is_worth_a_pass

    # Updates

    def is_worth_a_pass(self, old: Object, new: Object, at: float) -> bool:
        """Whether an update is queued; one that changes what must not change is answered `failed` instead."""
        wrong = _illegal_edit(old, new)
        if wrong:
            self._write_status(new, {"state": FAILED, "message": wrong}, at)
            return self._site.assume["illegal_edit_and_deletion"] == "deleted" and _is_going(new)
        if _is_going(new) or not condition(new) or condition(new).get("state") in TRANSITIONING:
            return True
        return bool(old["metadata"].get("generation") != new["metadata"].get("generation"))

    # One pass

    def handle(self, item: Item, now: float) -> Pass:
        """Look at one relationship and bring it nearer to what is desired."""
        body = self._controller.cached(MIRROR, item.key)
        if body is None:
            return Verdict.DONE
        if not (body.get("spec") or {}).get("volumeMappings"):
            if self._site.assume["mirror_without_spec"] == "crash":
                raise Panic
            return self._tell_invalid(body, "volumeMappings must hold exactly one element", now)
        if _is_going(body):
            return (yield from self._remove(body, now))
        if FINALIZER not in body["metadata"].get("finalizers", ()):
            now = yield self._site.durations["api_write"]
            if not self._adopt(body, now):
                return Verdict.DONE
        wrong = _invalid(body["spec"])
        if wrong:
            return self._tell_invalid(body, wrong, now)
        return (yield from self._bring_nearer(body, now))

    def _adopt(self, body: Object, now: float) -> bool:
        """Put the finalizer on, and with it the strings that its creator left out."""
        body["metadata"].setdefault("finalizers", []).append(FINALIZER)
        if self._site.assume["finalizer_write"] == "materialises":
            for name in _STRINGS:
                body["spec"].setdefault(name, "")
            for name in _MAPPING_STRINGS:
                mapping(body).setdefault(name, "")
        try:
            self._site.cluster.registry.replace(MIRROR, *_key(body), body, now)
        except Refused:
            return False  # logged and dropped; the update that was faster brings it here again
        return True

    def _bring_nearer(self, body: Object, now: float) -> Pass:
        site, spec = self._site, body["spec"]
        wanted, refusal = self._resolve(body)
        if wanted is None:
            return self._tell(body, {**refusal}, now) if refusal else Verdict.DEFERRED
        desired = spec.get("state", "")
        if not site.can_mirror:
            return self._tell_incapable(body, wanted, desired, now)
        now = yield site.durations["ontap_read"]
        current = adjusted(raw_state(site, wanted), desired)
        done = yield from self._act(current, desired, wanted, now)
        if done.outcome is Outcome.NOT_READY:
            return Verdict.DEFERRED
        now = yield site.durations["ontap_read"]
        state, message = self._after(done, current, desired, wanted)
        return self._tell(body, {**self._facts(wanted), "state": state, "message": message}, now)

    def _act(self, current: str, desired: str, wanted: Wanted, now: float) -> Action:
        """What is to be done first: the operation in flight, else what is desired and not yet so."""
        target = _IN_FLIGHT.get(current, desired)
        if target == current or not target or (target != PROMOTED and not wanted.source):
            return Done(Outcome.OK, "")
        if target == PROMOTED:
            return (yield from promote(self._site, wanted, now))
        if target == ESTABLISHED:
            return (yield from establish(self._site, wanted, now))
        return (yield from reestablish(self._site, wanted, now))

    def _after(self, done: Done, current: str, desired: str, wanted: Wanted) -> tuple[str, str]:
        """State and message to be written after an action."""
        if done.outcome is Outcome.FAILED:
            return FAILED, done.message
        if done.outcome is Outcome.WAITING or current == PROMOTING:
            return PROMOTING, done.message
        if current in (desired, PROMOTED) or not desired:
            return current, ""
        return adjusted(raw_state(self._site, wanted), desired), ""

    def _resolve(self, body: Object) -> tuple[Wanted | None, Mapping[str, str]]:
        """What a relationship is about; None with a status to write, or with nothing: try again later."""
        spec, place = body["spec"], mapping(body)
        claim = self._site.claim(body["metadata"]["namespace"], place["localPVCName"])
        bound = self._site.bound(claim) if claim is not None else None
        if bound is None:
            return None, {}
        if bound.volume is None:
            return None, {"state": FAILED, "message": f"volume {bound.internal_name} was not found"}
        snapshot = place.get("promotedSnapshotHandle", "")
        return (
            Wanted(
                bound.volume,
                place.get("remoteVolumeHandle", ""),
                spec.get("replicationPolicy", ""),
                spec.get("replicationSchedule", ""),
                "" if _is_going(body) else snapshot,
            ),
            {},
        )

    def _facts(self, wanted: Wanted) -> dict[str, str]:
        """What a status says besides the state; policy and schedule as ONTAP reports them."""
        facts = {"localVolumeHandle": wanted.volume.path, "remoteVolumeHandle": wanted.source}
        if not wanted.source:
            return {**facts, "replicationPolicy": "", "replicationSchedule": ""}
        try:
            relation = self._site.fabric.read(wanted.volume)
        except OntapError:
            return facts
        if relation is None:
            return facts
        return {**facts, "replicationPolicy": relation.policy, "replicationSchedule": relation.schedule}

    # Status

    def _tell_invalid(self, body: Object, wrong: str, now: float) -> Verdict:
        return self._tell(body, {"state": INVALID, "message": wrong}, now)

    def _tell_incapable(self, body: Object, wanted: Wanted, desired: str, now: float) -> Verdict:
        if desired == PROMOTED:
            handle = f":{wanted.volume.name}"
            return self._tell(body, {"state": PROMOTED, "message": "", "localVolumeHandle": handle}, now)
        return self._tell_invalid(body, "the backend does not support mirroring", now)

    def _tell(self, body: Object, said: Mapping[str, str], now: float) -> Verdict:
        """Write the status if the state is another than before, tell an Event, and say whether to go on."""
        state = said["state"]
        latest = self._controller.cached(MIRROR, _key(body)) or body
        if not self._write_status(latest, said, now):
            return Verdict.DONE
        desired = body.get("spec", {}).get("state", "")
        if state in (FAILED, INVALID) or (state and state == desired):
            type_ = "Warning" if state in (FAILED, INVALID) else "Normal"
            text = said.get("message") or f"Mirror relationship {state}"
            self._site.cluster.tell(body, MIRROR, type_, state, text, now)
        return Verdict.AGAIN if state in TRANSITIONING else Verdict.DONE

    def _write_status(self, latest: Object, said: Mapping[str, str], now: float) -> bool:
        """PUT …/status, only where the state changes; False for a conflict, which is dropped (CT §3, H4)."""
        stored = condition(latest)
        if stored.get("state") and stored["state"] == said["state"]:
            return True
        place = (latest.get("spec") or {}).get("volumeMappings") or [{}]
        new = {
            "message": "",
            "localVolumeHandle": stored.get("localVolumeHandle", ""),
            "localPVCName": place[0].get("localPVCName", "")
            if not stored
            else stored.get("localPVCName", ""),
            "remoteVolumeHandle": stored.get("remoteVolumeHandle", ""),
            "replicationPolicy": stored.get("replicationPolicy", ""),
            "replicationSchedule": stored.get("replicationSchedule", ""),
            **said,
            "observedGeneration": latest["metadata"]["generation"],
            "lastTransitionTime": self._site.cluster.registry.stamp(now),
        }
        latest["status"] = {"conditions": [new]}
        if self._site.assume["status_conflict"] == "retried":
            latest["metadata"].pop("resourceVersion", None)
        try:
            registry = self._site.cluster.registry
            registry.replace(MIRROR, *_key(latest), latest, now, status=True, must_say_version=False)
        except Refused:
            return False
        return True

    # Deletion (CT §4.7)

    def _remove(self, body: Object, now: float) -> Pass:
        site = self._site
        if FINALIZER not in body["metadata"].get("finalizers", ()):
            return Verdict.DONE
        wanted, refusal = self._resolve(body)
        if wanted is None:
            if refusal:
                return Verdict.AGAIN
            return self._let_go(body, now)
        if condition(body).get("state", "") in ("", PROMOTED):
            if not site.can_mirror:
                return Verdict.AGAIN
            now = yield site.durations["ontap_job"]
            self._release(wanted)
            return self._let_go(body, now)
        now = yield site.durations["ontap_read"]
        if adjusted(raw_state(site, wanted), PROMOTED) == PROMOTED:
            return self._let_go(body, now)
        done = yield from promote(site, wanted, now)
        return Verdict.DEFERRED if done.outcome in (Outcome.NOT_READY, Outcome.FAILED) else Verdict.AGAIN

    def _release(self, wanted: Wanted) -> None:
        try:
            self._site.fabric.release(wanted.volume)
        except OntapError:
            return  # logged and ignored

    def _let_go(self, body: Object, now: float) -> Verdict:
        self._site.cluster.registry.drop_finalizer(MIRROR, _key(body), FINALIZER, now)
        return Verdict.DONE


def condition(body: Object) -> dict[str, Any]:
    """The one condition of a relationship, empty if it has none yet."""
    conditions = (body.get("status") or {}).get("conditions") or [{}]
    found: dict[str, Any] = conditions[0]
    return found


def mapping(body: Object) -> dict[str, Any]:
    """The one volume mapping of a relationship."""
    found: dict[str, Any] = body["spec"]["volumeMappings"][0]
    return found


def _key(body: Object) -> tuple[str, str]:
    return body["metadata"]["namespace"], body["metadata"]["name"]


def _is_going(body: Object) -> bool:
    return bool(body["metadata"].get("deletionTimestamp"))


def _invalid(spec: Object) -> str:
    """What the controller itself holds against a spec (CT §2.3)."""
    place, state = spec["volumeMappings"][0], spec.get("state", "")
    if len(spec["volumeMappings"]) != 1:
        return "volumeMappings must hold exactly one element"
    if not place.get("localPVCName"):
        return "localPVCName must be set"
    if state not in DESIRED:
        return f"state {state!r} is not known"
    if place.get("promotedSnapshotHandle") and state != PROMOTED:
        return "promotedSnapshotHandle can only be set where state is promoted"
    if state in (ESTABLISHED, REESTABLISHED) and not place.get("remoteVolumeHandle"):
        return f"remoteVolumeHandle must be set where state is {state}"
    return ""


def _illegal_edit(old: Object, new: Object) -> str:
    """What was changed that must not be (CT §2.4); empty if nothing was."""
    if not (new.get("spec") or {}).get("volumeMappings"):
        return ""
    stored, place = condition(new), mapping(new)
    for name in ("localPVCName", "remoteVolumeHandle"):
        if stored.get(name) and place.get(name, "") != stored[name]:
            return f"{name} cannot be changed"
    if new["spec"].get("state") == PROMOTED:
        return ""
    for name in ("replicationPolicy", "replicationSchedule"):
        asked, had = new["spec"].get(name, ""), (old.get("spec") or {}).get(name, "")
        if stored.get(name) and asked not in (stored[name], had):
            return f"{name} cannot be changed"
    return ""
