"""What Trident does to ONTAP for a mirror: establish, re-establish, promote, release (CT §4.1 to §4.5, §7).

Each action is a generator that waits for ONTAP's jobs and ends with a `Done`.
"""

from collections.abc import Generator
from enum import Enum
from typing import NamedTuple

from replctl.simulator.ontap.fabric import (
    BROKEN_OFF,
    IN_SYNC,
    PAUSED,
    POLICIES,
    PROTECTED,
    SCHEDULES,
    SNAPMIRRORED,
    UNINITIALIZED,
    OntapError,
    Relationship,
    Volume,
)
from replctl.simulator.trident.site import Site

ESTABLISHED, ESTABLISHING = "established", "establishing"
REESTABLISHED, REESTABLISHING = "reestablished", "reestablishing"
PROMOTED, PROMOTING = "promoted", "promoting"
TRANSITIONING = (PROMOTING, ESTABLISHING, REESTABLISHING)


class Outcome(Enum):
    """How an action ended."""

    OK = "ok"
    NOT_READY = "not ready"
    WAITING = "waiting"
    FAILED = "failed"


class Done(NamedTuple):
    """An outcome with what is said about it."""

    outcome: Outcome
    message: str = ""


Action = Generator[float, float, Done]
OK = Done(Outcome.OK)
NOT_READY = Done(Outcome.NOT_READY)


class Wanted(NamedTuple):
    """What a mirror relationship asks for."""

    volume: Volume
    source: str
    policy: str
    schedule: str
    snapshot: str


def raw_state(site: Site, wanted: Wanted) -> str:
    """What ONTAP's state means to Trident; what cannot be read counts as promoted (CT §4.1, H1)."""
    if ":" not in wanted.source:
        return ""
    try:
        relation = site.fabric.read(wanted.volume)
    except OntapError:
        return PROMOTED if site.assume["unreadable_mirror"] == PROMOTED else ESTABLISHED
    if relation is None or relation.source != wanted.source:
        return ""
    if relation.is_transferring:
        return ESTABLISHING
    if relation.state == PAUSED:
        return "" if site.assume["paused_mirror"] == "nothing" else ESTABLISHED
    return {
        BROKEN_OFF: PROMOTING,
        UNINITIALIZED: ESTABLISHING,
        SNAPMIRRORED: ESTABLISHED,
        IN_SYNC: ESTABLISHED,
    }.get(relation.state, "")


def adjusted(raw: str, desired: str) -> str:
    """The state in the words of what is desired (CT §4.2)."""
    if desired == REESTABLISHED:
        return {ESTABLISHING: REESTABLISHING, ESTABLISHED: REESTABLISHED}.get(raw, raw)
    if desired == PROMOTED:
        return PROMOTED if raw in ("", PROMOTED) else PROMOTING
    return raw


def effective(site: Site, policy: str, schedule: str) -> tuple[str, str]:
    """Policy and schedule that are used: asked for, or the back end's, or ONTAP's; without a word (CT §7)."""
    if policy not in POLICIES or not POLICIES[policy].is_accepted:
        policy = site.policy
    if schedule not in SCHEDULES:
        schedule = site.schedule
    if not policy:
        return site.assume["ontap_default_policy"], ""
    return policy, "" if POLICIES[policy].is_synchronous else schedule


def establish(site: Site, wanted: Wanted, now: float) -> Action:
    """Make an empty volume a replica, or find it becoming one (CT §4.4)."""
    volume = wanted.volume
    if volume.type != PROTECTED:
        return Done(Outcome.FAILED, f"destination must be an empty DP volume: {volume.path}")
    try:
        relation = site.fabric.read(volume)
        if relation is None:
            policy, schedule = effective(site, wanted.policy, wanted.schedule)
            relation = site.fabric.create(volume, wanted.source, policy, schedule)
            now = yield site.durations["ontap_job"]
        if relation.state == UNINITIALIZED:
            site.fabric.initialize(relation, now)
            now = yield site.durations["ontap_job"]
    except OntapError as e:
        return Done(Outcome.FAILED, str(e))
    if relation.state == UNINITIALIZED and not relation.transfers:
        return NOT_READY
    if relation.state == UNINITIALIZED or relation.is_transferring:
        shown = site.assume["first_transfer"] == "establishing" and relation.end_time is None
        return OK if shown else NOT_READY
    return OK


def reestablish(site: Site, wanted: Wanted, now: float) -> Action:
    """Make a volume a replica of another that has its past: what is newer here is lost (CT §4.5)."""
    relation: Relationship | None = None
    try:
        relation = site.fabric.read(wanted.volume)
        if relation is not None and relation.state != UNINITIALIZED:
            return OK
        if relation is None:
            policy, schedule = effective(site, wanted.policy, wanted.schedule)
            relation = site.fabric.create(wanted.volume, wanted.source, policy, schedule)
            now = yield site.durations["ontap_job"]
        site.fabric.resync(relation, now)
        yield site.durations["ontap_job"]
        if not relation.healthy:
            raise OntapError(relation.unhealthy_reason)
    except OntapError as e:
        return (yield from _give_up(site, relation, str(e)))
    return OK


def _give_up(site: Site, relation: Relationship | None, why: str) -> Action:
    """A resync that failed takes its relationship with it."""
    if relation is not None:
        yield site.durations["ontap_job"]
        try:
            site.fabric.delete(relation)
        except OntapError as e:
            why = f"{why}; {e}"
    return Done(Outcome.FAILED, why)


def promote(site: Site, wanted: Wanted, now: float) -> Action:
    """Make a replica writable: quiesce, abort, break, delete, in this order (CT §4.3)."""
    if not wanted.source:
        return OK
    try:
        relation = site.fabric.read(wanted.volume)
        if relation is None:
            return OK
        restore_to = _snapshot_of(site, wanted, relation)
        if restore_to and restore_to not in wanted.volume.snapshots:
            return _lacking(site, restore_to)
        yield site.durations["ontap_read"]
        site.fabric.quiesce(relation)
        yield site.durations["ontap_job"]
        site.fabric.abort(relation)
        now = yield site.durations["ontap_job"]
        if relation.state != UNINITIALIZED:
            site.fabric.break_off(relation, now, restore_to or None)
            yield site.durations["ontap_job"]
        elif site.assume["promotion_before_first_copy"] == "refused":
            return Done(Outcome.FAILED, "the relationship is not initialized")
        site.fabric.delete(relation)
        yield site.durations["ontap_job"]
    except OntapError as e:
        return NOT_READY if e.busy else Done(Outcome.FAILED, str(e))
    return OK


def _snapshot_of(site: Site, wanted: Wanted, relation: Relationship) -> str:
    """The snapshot to promote at; a synchronous policy of the back end has none looked at."""
    if site.policy in POLICIES and POLICIES[site.policy].is_synchronous:
        return ""
    return wanted.snapshot.partition("/")[2]


def _lacking(site: Site, snapshot: str) -> Done:
    """The snapshot has not arrived: an error today, waited for in old releases (CT §4.3)."""
    text = f"snapshot {snapshot} not found on the destination volume"
    if site.assume["missing_promoted_snapshot"] == "waits":
        return Done(Outcome.WAITING, f"waiting for snapshot {snapshot}")
    return Done(Outcome.FAILED, text)
