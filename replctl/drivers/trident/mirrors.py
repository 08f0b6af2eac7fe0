"""From a cluster's objects to an observation: one mirror relationship, its claim, who has it attached.

Pure. Objects are foreign and may hold anything; what is not of its shape counts as not said. Finding the objects of
an end is `lookup`'s, and asking for them `reading`'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from replctl.core.errors import EXCERPT_CHARACTERS, excerpt
from replctl.core.model import (
    End,
    Mode,
    Observation,
    Point,
    Scalar,
    State,
    StateNote,
    Trouble,
    TroubleKind,
)
from replctl.drivers.kubernetes.objects import NO_BODY, Body, part, text
from replctl.drivers.trident import words
from replctl.drivers.trident.promotions import Promotion, Return
from replctl.drivers.trident.stamps import moment

INCAPABLE = "the storage behind its claim is of a family that has no mirrors"
REMOVING = "its mirror relationship is being deleted"
NO_POINT = "Trident tells no time of a copy"
BOUND = "Bound"
NUDGE = "replctl/nudge"  # an annotation; any change of one has Trident look at what it waits for (CT §3)
MIRRORED = frozenset({"snapmirrored", "in_sync"})  # ONTAP's states of a mirror that holds a copy
PERMITS: Mapping[State, frozenset[str]] = MappingProxyType(
    {
        State.SOURCE: frozenset({"failover_planned", "reprotect", "step_down"}),
        State.REPLICA: frozenset({"failover_unplanned", "proven_copy"}),
        State.PROMOTING: frozenset({"failover_unplanned"}),
        State.FAILED: frozenset({"failover_unplanned", "resync", "step_down"}),
    }
)


def first(body: Body, key: str) -> Body:
    """The first table of a list; an empty one where there is none."""
    listed = body.get(key)
    return part(listed[0]) if isinstance(listed, list) and listed else NO_BODY


@dataclass(frozen=True, slots=True)
class Mirror:
    """One TridentMirrorRelationship (CT §2)."""

    body: Body

    @property
    def name(self) -> str:
        return text(part(self.body, "metadata"), "name")

    @property
    def namespace(self) -> str:
        return text(part(self.body, "metadata"), "namespace")

    @property
    def uid(self) -> str:
        return text(part(self.body, "metadata"), "uid")

    @property
    def version(self) -> str:
        return text(part(self.body, "metadata"), "resourceVersion")

    @property
    def generation(self) -> int | None:
        return _whole(part(self.body, "metadata").get("generation"))

    @property
    def claimed(self) -> str:
        """Tells one claim to a role from another: the word of one reconcile of one object (CT §2.2)."""
        said = self.condition
        return f"{self.uid} {said.get('observedGeneration')} {text(said, 'lastTransitionTime')}"

    @property
    def spec(self) -> Body:
        return part(self.body, "spec")

    @property
    def mapping(self) -> Body:
        return first(self.spec, "volumeMappings")

    @property
    def condition(self) -> Body:
        """Trident's one condition; empty as long as it has said nothing."""
        return first(part(self.body, "status"), "conditions")

    @property
    def claim(self) -> str:
        return text(self.mapping, "localPVCName") or text(self.condition, "localPVCName")

    @property
    def remote(self) -> str:
        """The counterpart's handle; what Trident took up outranks an edit that it will refuse (CT §2.4)."""
        return text(self.condition, "remoteVolumeHandle") or text(self.mapping, "remoteVolumeHandle")

    @property
    def handle(self) -> str:
        """`<svm>:<volume>` of this end; empty before Trident has looked, `:<volume>` where it cannot mirror."""
        return text(self.condition, "localVolumeHandle")

    def words(self, claim: Body | None) -> words.MirrorWords:
        """The words that its state rests on; `claim` None: it is not known whether it is bound."""
        spoken = bool(self.condition)
        bound = claim is None or text(part(claim, "status"), "phase") == BOUND
        return words.MirrorWords(
            wanted=text(self.spec, "state"),
            state=text(self.condition, "state") if spoken else None,
            remote=bool(self.remote),
            bound=bound,
            claimless=claim is not None and not claim,
            going="deletionTimestamp" in part(self.body, "metadata"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Relationship:
    """What ONTAP says of the mirror into one volume. `taken_at`: when the newest data in it was taken at its source,
    on our clock and rather too early; None is not known.
    """

    source: str
    state: str
    healthy: bool
    reason: str
    taken_at: float | None
    asked_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What one look knows beside the relationships.

    `attached` counts the attachments by volume (PersistentVolume name); None where they cannot be read, which is
    not the same as none. `relationships` are ONTAP's, by destination; None where ONTAP is not asked or not heard.
    """

    backend: str
    read_at: float
    modes: Mapping[str, Mode] = field(default_factory=dict)
    attached: Mapping[str, int] | None = None
    relationships: Mapping[str, Relationship] | None = None


def mirror_seen(
    end: End, mirror: Mirror, claim: Body | None, around: Surroundings, *, watched: bool = False
) -> Observation:
    """What one end says, in our words with Trident's beside them (design §3).

    `claim` is None where it is not known, and empty where it is proven not to be there. `watched`: that it was
    promoted, or made the replica again, was seen step by step, which proves it.
    """
    vendor = mirror.words(claim)
    said = words.translate(vendor)
    replica = said.state in (State.REPLICA, State.SYNCING, State.FAILED)
    mode = words.mode_of(_policy(mirror), around.modes, is_replica=replica and vendor.remote)
    backed = around.relationships.get(mirror.handle) if around.relationships is not None else None
    wrong = _contradiction(said, backed, around) or (
        _fallback(mirror) if said.state is State.REPLICA else None
    )
    proven = wrong is None and (watched or _is_borne_out(said, mirror, backed, around))
    claims = said.unproven or _claims_return(said, mirror)
    unproven = claims and not proven
    return Observation(
        backend=around.backend,
        observed_at=around.read_at,
        as_of=moment(mirror.condition.get("lastTransitionTime")),
        state=said.state,
        note=said.note,
        mode=mode,
        flow=said.flow,
        healthy=said.healthy and wrong is None,
        doubt=None if said.unproven and proven else _doubt(said, backed, unproven=unproven),
        unproven=unproven,
        claim=mirror.claimed if claims and wrong is None else None,
        in_use=attached_to(claim, around),
        word=_word(mirror, vendor),
        sentence=_sentence(mirror, said, wrong),
        identity=mirror.uid or None,
        resource=mirror.handle or None,
        counterpart=mirror.remote or None,
        point=_point(mirror, backed, around) if replica else None,
        permits=PERMITS.get(said.state, frozenset()) if said.state is not None else frozenset(),
        unsupported=_unsupported(end, mirror, vendor),
        vendor=_vendor(mirror, claim, around),
    )


def _word(mirror: Mirror, vendor: words.MirrorWords) -> str:
    if vendor.state is not None:
        return words.said(vendor.state) if vendor.state else "none"
    nudged = text(part(mirror.body, "metadata", "annotations"), NUDGE)
    return words.NUDGED if nudged else words.NO_WORD


def _unsupported(end: End, mirror: Mirror, vendor: words.MirrorWords) -> str | None:
    if vendor.going:
        return REMOVING
    return _another_claim(end, mirror) or (INCAPABLE if mirror.handle.startswith(":") else None)


def _claims_return(said: words.Translation, mirror: Mirror) -> bool:
    """Whether it is to be the replica again by a change of ours, and so far only says so (CT §4.1).

    Where ONTAP could not be read nothing was undone, and Trident may say the same. Of what others asked for, as of a
    replica that was made as one, the word stands.
    """
    returned = Return.of(mirror.body)
    return said.state is State.REPLICA and returned is not None and returned.fits(mirror.generation)


def _is_borne_out(
    said: words.Translation, mirror: Mirror, backed: Relationship | None, around: Surroundings
) -> bool:
    """Whether what is claimed shows elsewhere too: at ONTAP, or in a policy that only ONTAP can have told."""
    if said.state is not State.REPLICA:
        return _is_broken(mirror, backed, around)
    returned = Return.of(mirror.body)
    told = returned is not None and returned.tells(text(mirror.condition, "replicationPolicy"))
    return told or backed is not None


def _is_broken(mirror: Mirror, backed: Relationship | None, around: Surroundings) -> bool:
    """Whether ONTAP proves the promotion: the mirror that held a copy before our change is gone (CT §4.3, H1 to H3).

    Of somebody else's promotion it is not known whether there was a complete copy before it.
    """
    promotion = Promotion.of(mirror.body)
    ours = promotion is not None and promotion.fits(mirror.generation)
    return ours and around.relationships is not None and backed is None


def _policy(mirror: Mirror) -> str:
    """The policy in force: what ONTAP reports, else what is asked for."""
    return text(mirror.condition, "replicationPolicy") or text(mirror.spec, "replicationPolicy")


def _contradiction(said: words.Translation, backed: Relationship | None, around: Surroundings) -> str | None:
    """What ONTAP says against Trident's word (CT §4.3, H1 and H2)."""
    if around.relationships is None:
        return None
    if said.state is State.SOURCE and said.unproven and backed is not None:
        return f"Trident says promoted, and ONTAP still has the mirror: {_printable(backed.state)}"
    if said.state is not State.REPLICA:
        return None
    if backed is None:
        return "ONTAP knows no mirror into this volume"
    if not backed.healthy or backed.state not in MIRRORED:
        reason = f": {_printable(backed.reason)}" if backed.reason else ""
        well = "healthy" if backed.healthy else "not healthy"
        return f"ONTAP has the mirror as {_printable(backed.state)}, {well}{reason}"
    return None


def _doubt(said: words.Translation, backed: Relationship | None, *, unproven: bool) -> str | None:
    """Of a replica whose copy has an age only that age is in doubt, and the entry's rpo answers it."""
    if unproven and said.state is State.REPLICA:
        return words.UNDONE
    timed = backed is not None and backed.taken_at is not None
    return words.TIMED if timed and said.state is State.REPLICA and said.doubt else said.doubt


def _point(mirror: Mirror, backed: Relationship | None, around: Surroundings) -> Point:
    """When what this end holds was taken at its source: ONTAP's word, for a mirror of the same two volumes."""
    if backed is None or backed.taken_at is None or backed.source != mirror.remote:
        return Point(at=None, source=NO_POINT, read_at=around.read_at)
    return Point(at=backed.taken_at, source="ONTAP's lag_time", read_at=backed.asked_at)


def _fallback(mirror: Mirror) -> str | None:
    """A policy or schedule that ONTAP does not know is replaced without a word (CT §7)."""
    for key, called in (("replicationPolicy", "policy"), ("replicationSchedule", "schedule")):
        asked, used = text(mirror.spec, key), text(mirror.condition, key)
        if asked and used and asked != used:
            return (
                f"Trident replaced the {called} {_printable(asked)} that was asked for by {_printable(used)}"
            )
    return None


def _sentence(mirror: Mirror, said: words.Translation, wrong: str | None) -> str:
    """What the word means; with Trident's own message where it is a failure, because elsewhere that may be stale."""
    if wrong is not None:
        return wrong
    message = excerpt(text(mirror.condition, "message"))
    broken = text(mirror.condition, "state") in (words.FAILED, words.INVALID)
    return f"{said.sentence}: {message}" if message and broken else said.sentence


def _another_claim(end: End, mirror: Mirror) -> str | None:
    wanted = end.words.get("pvc")
    if not wanted or not mirror.claim or wanted == mirror.claim:
        return None
    return f"the mirror relationship speaks of the claim {_printable(mirror.claim)}, and the file of {wanted}"


def _vendor(mirror: Mirror, claim: Body | None, around: Surroundings) -> Mapping[str, Scalar]:
    condition, metadata = mirror.condition, part(mirror.body, "metadata")
    shown: dict[str, Scalar] = {
        "mirror": f"{mirror.namespace}/{mirror.name}",
        "spec_state": text(mirror.spec, "state"),
        "state": text(condition, "state") if condition else None,
        "message": text(condition, "message") or None,
        "last_transition_time": text(condition, "lastTransitionTime") or None,
        "resource_version": mirror.version or None,
        "generation": _whole(metadata.get("generation")),
        "observed_generation": _whole(condition.get("observedGeneration")),
        "local_volume_handle": mirror.handle or None,
        "remote_volume_handle": mirror.remote or None,
        "replication_policy": _policy(mirror) or None,
        "replication_schedule": text(condition, "replicationSchedule") or None,
        "pvc": mirror.claim or None,
        "persistent_volume": _volume(claim) or None,
        "attached": attached_to(claim, around),
        **_ways(claim or NO_BODY),
    }
    return MappingProxyType({name: _printable(value) for name, value in shown.items()})


def _volume(claim: Body | None) -> str:
    """The PersistentVolume of a claim; empty where it has none, or nothing is known of it."""
    return text(part(claim, "spec"), "volumeName") if claim else ""


def attached_to(claim: Body | None, around: Surroundings) -> int | None:
    """How many have the volume of a claim attached; None is not known."""
    volume = _volume(claim)
    return around.attached.get(volume, 0) if around.attached is not None and volume else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _printable(value: Scalar) -> Scalar:
    """A foreign value as it may be shown; terminals and logs see no control characters."""
    if not isinstance(value, str):
        return value
    return value if len(value) <= EXCERPT_CHARACTERS and value.isprintable() else excerpt(value)


def attachments_by_volume(bodies: Iterable[Body]) -> Mapping[str, int]:
    """How many attachments each volume has. One that is on its way counts: it may be attached already (CT §8.4)."""
    counted: dict[str, int] = {}
    for body in bodies:
        volume = text(part(body, "spec", "source"), "persistentVolumeName")
        if volume:
            counted[volume] = counted.get(volume, 0) + 1
    return counted


def strange_words(mirror: Mirror) -> frozenset[tuple[str, str]]:
    """The (field, value) that no table of ours knows, to be counted."""
    return frozenset(words.translate(mirror.words(None)).strange)


def no_mirror(backend: str, claim: Body, read_at: float) -> Observation:
    """A claim that exists and is not mirrored: our state `""`, shown `absent`."""
    metadata = part(claim, "metadata")
    called = f"{text(metadata, 'namespace')}/{text(metadata, 'name')}"
    return Observation(
        backend=backend,
        observed_at=read_at,
        as_of=read_at,
        state=State.NONE,
        note=StateNote.ABSENT,
        sentence=f"the claim {called} is there, and no mirror relationship of that name",
        vendor=MappingProxyType({name: _printable(value) for name, value in _ways(claim).items()}),
    )


def _ways(claim: Body) -> dict[str, Scalar]:
    """How pods are given the volume: a replica of it is to be given to them likewise."""
    modes, spec = part(claim, "spec").get("accessModes"), part(claim, "spec")
    listed = [mode for mode in modes if isinstance(mode, str)] if isinstance(modes, list) else []
    return {"access_modes": ",".join(listed) or None, "volume_mode": text(spec, "volumeMode") or None}


def not_found(backend: str, what: str, read_at: float) -> Observation:
    """The cluster answered: there is no such thing."""
    trouble = Trouble(
        kind=TroubleKind.ABSENT,
        code="not-found",
        message=f"there is no {what}",
        remedy="mend the names in the replications file, or look what is there: replctl discover",
    )
    return unread(backend, trouble, read_at, StateNote.ABSENT)


def unread(backend: str, trouble: Trouble, at: float, note: StateNote = StateNote.UNKNOWN) -> Observation:
    """An end that could not be read, or that is not there."""
    return Observation(backend=backend, observed_at=at, note=note, trouble=trouble, sentence=trouble.message)
