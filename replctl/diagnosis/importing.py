"""What of the backends no file names yet, as entries for the file (`import`): looked up, paired, observed, named.

Which two ends belong together their ids say; what they are the drivers say, as for `status`. An entry is made only
where both ends were read and one is the source of the other; everything else is left out, with why.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from replctl.bootstrap import Services
from replctl.core.matching import UNDECIDED, Matched, Reason, Seat, match
from replctl.core.model import End, Replication, State
from replctl.core.naming import distinct, name_from
from replctl.core.outcomes import ExitCode
from replctl.core.results import ReplicationStatus
from replctl.core.states import shown
from replctl.diagnosis import survey
from replctl.diagnosis.survey import Findings, Found
from replctl.diagnosis.visiting import Patience
from replctl.drivers.discovery import Presence
from replctl.engine import Request

DEFAULT_NAMESPACE = "default"  # where the backend has none, and nobody said one
_ROLES = frozenset({State.SOURCE, State.REPLICA})


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A session or mirror without an entry."""

    backend: str
    kind: str
    called: str
    reason: Reason
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Imported:
    """New entries by name, how many the file has already of what was found, and what is in neither."""

    entries: tuple[Replication, ...]
    known: int
    left_out: tuple[LeftOut, ...]
    read: ExitCode

    @property
    def exit_code(self) -> ExitCode:
        """That of `discover`; 3 also where something was left undecided."""
        undecided = any(each.reason in UNDECIDED for each in self.left_out)
        return ExitCode.PARTIAL if undecided and self.read is ExitCode.DONE else self.read


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for: backends, the namespace for what has none, and which backends are local where it is told."""

    backends: Sequence[str]
    namespace: str = DEFAULT_NAMESPACE
    local: Sequence[str] = ()


def take(services: Services, wish: Wish, patience: Patience, request: Request) -> Imported:
    """Look at everything twice: what there is, and what state it is in. Changes nothing."""
    findings = survey.discover(services, wish.backends, patience)
    seats = {_seat(each, one.inventory.backend): each for one in findings for each in one.sessions}
    unread = [one.inventory.backend for one in findings if one.inventory.presence is not Presence.EVERYTHING]
    matched = match(list(seats))
    fresh = [pair for pair in matched.pairs if not any(seats[seat].managed_by for seat in pair)]
    facing = _facing(fresh, services, wish)
    candidates = _candidates(facing, services, wish.namespace)
    known = list(services.replications.values())
    report = services.engine.status([*known, *candidates], request)
    lines, new = report.replications[: len(known)], report.replications[len(known) :]
    ours = {identity for line in lines for identity in _identities(line)}
    strange = [line for line in new if not ours & set(_identities(line))]  # by other words it is the same
    locals_ = {each.key: local for each, (local, _) in zip(candidates, facing, strict=True)}
    made, left = _sorted_out(strange, locals_)
    return Imported(
        entries=tuple(sorted(made, key=lambda each: each.key)),
        known=len(matched.pairs) - len(strange),
        left_out=(*_unread(findings), *_without_pair(matched, seats, unread), *left),
        read=survey.found_code(findings),
    )


def _seat(found: Found, backend: str) -> Seat:
    thing = found.thing
    called = found.copies.name if found.copies is not None else thing.name
    return Seat(
        backend=backend,
        kind=thing.kind,
        called=called,
        named=thing.named,
        identity=thing.id,
        resource=thing.resource,
        counterpart=thing.counterpart,
    )


# -- which end is the local one --------------------------------------------------------------------------------


def _facing(pairs: Iterable[tuple[Seat, Seat]], services: Services, wish: Wish) -> list[tuple[Seat, Seat]]:
    """Each pair with its local end first: as told, else as in the file, else by the configuration's order."""
    told = _told_by_file(services.replications.values())
    order = {name: at for at, name in enumerate(services.settings.backends)}

    def rank(seat: Seat, other: Seat) -> tuple[bool, int, int]:
        votes = told[seat.backend, other.backend]
        return seat.backend not in wish.local, -votes, order[seat.backend]

    return [(one, two) if rank(one, two) <= rank(two, one) else (two, one) for one, two in pairs]


def _told_by_file(known: Iterable[Replication]) -> Counter[tuple[str, str]]:
    return Counter((each.local.backend, each.peer.backend) for each in known)


def _candidates(pairs: Sequence[tuple[Seat, Seat]], services: Services, namespace: str) -> list[Replication]:
    """Replications to look at, named; their states are not known yet."""
    wanted = [(*_wanted_name(local, namespace), local.identity) for local, _ in pairs]
    names = distinct(wanted, services.replications)
    return [
        Replication(
            namespace=where,
            name=name,
            desired_state=State.REPLICA,
            local=_end(local, services),
            peer=_end(peer, services),
        )
        for (local, peer), (where, name) in zip(pairs, names, strict=True)
    ]


def _end(seat: Seat, services: Services) -> End:
    return End(seat.backend, services.settings.backends[seat.backend].kind, seat.named)


def _wanted_name(local: Seat, namespace: str) -> tuple[str, str]:
    """The backend's own namespace where it has one; what is copied gives the name."""
    own = dict(local.named).get("namespace")
    called = local.called.rpartition("/")[2] if own is not None else local.called
    return own or namespace, name_from(called)


def _identities(line: ReplicationStatus) -> Iterator[tuple[str, str]]:
    for end in (line.local, line.peer):
        for identity in (end.seen.resource, end.seen.identity):
            if identity is not None:
                yield end.backend, identity


# -- what becomes an entry -------------------------------------------------------------------------------------


def _sorted_out(
    lines: Sequence[ReplicationStatus], locals_: Mapping[str, Seat]
) -> tuple[list[Replication], list[LeftOut]]:
    made: list[Replication] = []
    left: list[LeftOut] = []
    for line in lines:
        stopped, state = _against(line), line.local.seen.state
        if stopped is not None or state is None:
            reason, why = stopped or (Reason.UNSETTLED, "its state is not known")
            left.append(_left(locals_[line.replication.key], reason, why))
        else:
            made.append(replace(line.replication, desired_state=state, mode=line.mode))
    return made, left


def _against(line: ReplicationStatus) -> tuple[Reason, str] | None:
    """Why a pair gets no entry; None when it does."""
    ends = (line.local, line.peer)
    for end in ends:
        if not end.reachable:
            said = end.seen.trouble.message if end.seen.trouble is not None else "no answer"
            return Reason.UNREAD, f"{end.backend}: {said}"
    for end in ends:
        if end.seen.unsupported is not None:
            return Reason.UNSUPPORTED, f"{end.backend}: {end.seen.unsupported}"
    states = [end.seen.known_state for end in ends]
    if set(states) == _ROLES:
        return None
    words = [
        f"{end.backend} is {'not known' if state is None else shown(state)}"
        for end, state in zip(ends, states, strict=True)
    ]
    return Reason.UNSETTLED, f"{' and '.join(words)}: import it once one is the source of the other"


def _unread(findings: Iterable[Findings]) -> Iterator[LeftOut]:
    """What could not be listed, so that nothing of it is in an entry."""
    for one in findings:
        for kind, trouble in one.inventory.missing.items():
            where = one.inventory.backend
            yield LeftOut(backend=where, kind=kind, called=kind, reason=Reason.UNREAD, why=trouble.message)


def _left(seat: Seat, reason: Reason, why: str) -> LeftOut:
    return LeftOut(backend=seat.backend, kind=seat.kind, called=seat.called, reason=reason, why=why)


def _without_pair(matched: Matched, seats: Mapping[Seat, Found], unread: Sequence[str]) -> Iterator[LeftOut]:
    """Those that the file does not name already."""
    for seat in matched.alone:
        if seats[seat].managed_by is None:
            yield _alone(seat, [each for each in unread if each != seat.backend])
    for seat, others in matched.several.items():
        if seats[seat].managed_by is None:
            named = ", ".join(f"{other.called} on {other.backend}" for other in others)
            why = f"it fits {named}, not one alone with it: write the entry by hand"
            yield _left(seat, Reason.AMBIGUOUS, why)


def _alone(seat: Seat, unread: Sequence[str]) -> LeftOut:
    if unread:
        return _left(seat, Reason.UNREAD, f"its other end may be on {', '.join(unread)}, which was not read")
    if seat.counterpart is None:
        return _left(seat, Reason.UNPAIRED, "it names no other end, and none names it")
    why = f"its other end, {seat.counterpart}, is on none of the backends that were asked"
    return _left(seat, Reason.UNPAIRED, why)
