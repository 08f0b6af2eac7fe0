"""Looking: pairs of observations, the lines of `status`, and what the planner is told of the journal.

Nothing here changes a backend. What has not answered is shown from the store's memory, marked as such.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from replctl.clock import Clock
from replctl.core.differences import in_sync, mode_of
from replctl.core.health import judge
from replctl.core.journal import OperationRecord, Proof, StepPhase
from replctl.core.model import (
    End,
    Hold,
    Intent,
    Observation,
    Pair,
    Replication,
    Side,
    State,
    StateNote,
    Verb,
)
from replctl.core.outcomes import OPEN, Outcome
from replctl.core.pairing import settle
from replctl.core.plans import Context, Course
from replctl.core.reconciling import is_over
from replctl.core.results import EndStatus, ReplicationStatus, StatusReport
from replctl.core.waiting import Waiting
from replctl.engine.backends import NO_OTHERS, Backends
from replctl.engine.ports import Store
from replctl.engine.recollection import Memory, Recollection
from replctl.resilience import Look

_NO_PROOF = Proof()
_HOLDS_A_COPY = frozenset({State.REPLICA, State.SYNCING})
Judge = Callable[[Mapping[End, Observation]], None]
"""Raises InvalidConfiguration when what was read shows two entries to be one and the same thing (R78)."""


class Told(NamedTuple):
    """What is remembered of some replications: the journal's facts, and what was seen of their ends last."""

    memory: Recollection
    before: Memory


@dataclass(frozen=True, slots=True)
class Watcher:
    """Looks at replications; `budget_seconds` is what one look at all backends may take (design §1, promise 5)."""

    backends: Backends
    store: Store
    memory: Recollection
    clock: Clock
    budget_seconds: float
    judge: Judge

    def pairs(
        self, replications: Sequence[Replication], look: Look, others: Mapping[str, Look] = NO_OTHERS
    ) -> dict[str, Pair]:
        ends = [end for replication in replications for end in (replication.local, replication.peer)]
        seen = self.backends.observe(ends, look, others)
        self.judge(seen)
        memory = self.memory.of(len(replications))
        return {
            replication.key: settle(
                Pair(
                    *(
                        _as_proven(seen[end], replication.key, memory)
                        for end in (replication.local, replication.peer)
                    )
                )
            )
            for replication in replications
        }

    def pair(self, replication: Replication, look: Look) -> Pair:
        return self.pairs([replication], look)[replication.key]

    def pair_for(self, intent: Intent, look: Look) -> Pair:
        """Before a change. A peer that is said to be down is asked once, not again and again."""
        return self.pairs_for([intent], look)[intent.replication.key]

    def pairs_for(self, intents: Sequence[Intent], look: Look) -> dict[str, Pair]:
        """The same for several in one look; a backend that is local to any of them is asked as it should be."""
        down = {intent.replication.peer.backend for intent in intents if intent.is_takeover}
        needed = {intent.replication.local.backend for intent in intents}
        once = dict.fromkeys(down - needed, replace(look, retry=False))
        return self.pairs([intent.replication for intent in intents], look, once)

    def remember(
        self, replications: Sequence[Replication], pairs: Mapping[str, Pair], *, at_once: bool = False
    ) -> None:
        """Keep what was read, for the day on which a site does not answer."""
        seen = {
            (replication.key, end.backend): end
            for replication in replications
            for end in (pairs[replication.key].local, pairs[replication.key].peer)
            if end.trouble is None
        }
        self.memory.remembering.keep(seen, at_once=at_once)

    def remember_one(self, replication: Replication, pair: Pair) -> None:
        """After a change of it."""
        self.remember([replication], {replication.key: pair}, at_once=True)

    def close(self) -> None:
        """Sign out of every backend that was asked, and write down what was not yet."""
        self.backends.close()
        self.memory.remembering.close()

    def status(self, replications: Sequence[Replication], look: Look) -> StatusReport:
        pairs = self.pairs(replications, look)
        memory = self.memory.of(len(replications))
        unread = _unread(pairs)
        self.memory.remembering.lost(
            (key, end.backend) for key in unread for end in (pairs[key].local, pairs[key].peer) if end.trouble
        )
        before = memory.observations(unread)
        self.remember(replications, pairs)
        waits = memory.waiting()
        lines = tuple(
            _waiting(self._line(each, pairs[each.key], memory, before), waits) for each in replications
        )
        ends = [end for line in lines for end in (line.local, line.peer)]
        silent = frozenset(end.backend for end in ends if not end.reachable)
        return StatusReport(
            observed_at=self.clock.now(),
            replications=lines,
            answered=frozenset(end.backend for end in ends) - silent,
            silent=silent,
            daemon=memory.daemon_word(),
        )

    def line(self, replication: Replication, pair: Pair) -> ReplicationStatus:
        before = self.memory.observations(_unread({replication.key: pair}))
        return _waiting(self._line(replication, pair, self.memory, before), self.memory.waiting())

    def _line(
        self, replication: Replication, pair: Pair, memory: Recollection, before: Memory
    ) -> ReplicationStatus:
        """`before` is what was seen last of the ends that did not answer now."""
        key = replication.key
        health, message = judge(pair, replication.rpo_seconds)
        unverified = memory.unverified(key)
        operations = memory.operations(key, open_only=True, limit=1)
        point = _point_of(pair, key, before)
        at = point.point.at if point and point.point else None
        read = pair.local.readable and pair.peer.readable
        return ReplicationStatus(
            replication=replication,
            state=pair.local.state or None,
            state_note=_note(pair.local),
            mode=mode_of(pair.local, pair.peer),
            health=health,
            message=message,
            in_sync=in_sync(
                replication, pair.local, pair.peer, self.clock.now() - at if read and at is not None else None
            ),
            point_at=at,
            point_source=point.point.source if point and point.point else None,
            point_as_of=point.observed_at if point else None,
            hold=memory.hold(key),
            drill=_is_tested(pair),
            last_drill=memory.drill(key),
            operation_id=operations[0].operation_id if operations else None,
            local=_end_status(pair.local, key, before, unverified),
            peer=_end_status(pair.peer, key, before, unverified),
        )

    def context(self, intent: Intent, *, joins: OperationRecord | None, told: Told | None = None) -> Context:
        """What the planner is told of the journal's memory; an empty or lost store tells nothing.

        `told` is what was read of it already, for who judges many.
        """
        replication = intent.replication
        key = replication.key
        memory, before = told or self.told([key])
        recent = memory.operations(key, limit=1)
        last = joins or (recent[0] if recent else None)
        others = self.others_open(intent, joins, memory)
        hold = memory.hold(key)
        return Context(
            now=self.clock.now(),
            survivor=memory.survivor(key),
            interrupted=interrupted(last, intent),
            kept_source=last.new_source if last is not None else None,
            own_transient=joins is not None,
            other_operation=others[0].operation_id if others else None,
            other_began=others[0].began if others else None,
            held_by=_holder_text(hold),
            held_since=hold.since if hold is not None else None,
            identities=_known_identities(replication, memory.identities(key)),
            last_contact=_last_contact(replication, before),
        )

    def told(self, keys: Sequence[str]) -> Told:
        """What is remembered of these, read once for all of them."""
        memory = self.memory.of(len(keys))
        return Told(memory, memory.observations(keys))

    def others_open(
        self, intent: Intent, joins: OperationRecord | None, memory: Recollection | None = None
    ) -> list[OperationRecord]:
        """Open operations that stand in the way of this intent; as they are now, unless a `memory` is given."""
        own = joins.operation_id if joins else None
        return [
            record
            for record in (memory or self.memory).operations(intent.replication.key, open_only=True)
            if record.operation_id != own and not is_superseded(intent, record)
        ]


def is_superseded(intent: Intent, record: OperationRecord) -> bool:
    """A planned promotion whose source went away gives way to the unplanned one of the same end (design §4)."""
    same_end = record.new_source == intent.replication.local.backend
    return intent.is_takeover and record.course is Course.SWITCH and same_end


def identity_text(end: End, resource: str) -> str:
    """How an end's identity is kept: with the words that named it, so that other words begin anew."""
    return f"{end}|{resource}"


def _known_identities(replication: Replication, kept: Mapping[str, str]) -> dict[str, str]:
    known: dict[str, str] = {}
    for side in Side:
        end = replication.end(side)
        words, _, resource = kept.get(end.backend, "").rpartition("|")
        if resource and words == str(end):
            known[end.backend] = resource
    return known


def _as_proven(seen: Observation, key: str, memory: Recollection) -> Observation:
    """What an end says, with what an operation of ours proved of it and it cannot tell itself."""
    untimed = seen.point is not None and seen.point.at is None and seen.state in _HOLDS_A_COPY
    if not (seen.unproven or untimed):
        return seen
    proof = memory.proofs(key).get(seen.backend, _NO_PROOF)
    if seen.unproven and proof.claim is not None and proof.claim == seen.claim:
        seen = replace(seen, unproven=False, doubt=None)
    if untimed and seen.point is not None and proof.copied_at is not None:
        seen = replace(
            seen, point=replace(seen.point, at=proof.copied_at, source="the last copy that replctl asked for")
        )
    return seen


def interrupted(record: OperationRecord | None, intent: Intent) -> Course | None:
    """The course of an operation that began to change something, the same way, and did not come to its end.

    One that went the other way says nothing of what is seen now: somebody else has been there since.
    """
    if record is None or record.outcome not in (None, *OPEN, Outcome.PARTIAL):
        return None
    aim = intent.replication.peer.backend if intent.verb is Verb.DEMOTE else intent.replication.local.backend
    if record.course is Course.SWITCH and record.new_source != aim:
        return None
    steps = [step for step in record.steps if not (step.hook or step.errand)]
    done = [step.phase is StepPhase.ENDED and step.outcome is Outcome.SUCCEEDED for step in steps]
    failed = bool(steps) and not done[0] and steps[0].phase is StepPhase.ENDED
    only_hooks_left = record.outcome is Outcome.PARTIAL and bool(done) and all(done)
    return None if failed or only_hooks_left else record.course


def _holder_text(hold: Hold | None) -> str | None:
    """Whose hold asks a person: everybody's, the asker's own too, but not one that is about the daemon alone."""
    return f"{hold.owner}: {hold.reason}" if hold and hold.asks_people else None


def _last_contact(replication: Replication, before: Memory) -> dict[str, float]:
    """When each backend was last read as the source of this replication."""
    ends = (replication.local, replication.peer)
    seen = ((end.backend, before.get((replication.key, end.backend))) for end in ends)
    return {backend: each.observed_at for backend, each in seen if each and each.state is State.SOURCE}


def _waiting(line: ReplicationStatus, waits: Mapping[str, Waiting]) -> ReplicationStatus:
    """With what the daemon left to a person, unless that is seen to be over."""
    told = waits.get(line.replication.key)
    return line if told is None or is_over(line) else replace(line, waiting=told)


def _unread(pairs: Mapping[str, Pair]) -> list[str]:
    """Replications with an end that did not answer, and is shown as it was seen last."""
    return [key for key, pair in pairs.items() if not (pair.local.readable and pair.peer.readable)]


def _note(seen: Observation) -> StateNote | None:
    if seen.note is not None:
        return seen.note
    if seen.state is State.NONE:
        return StateNote.ABSENT
    return StateNote.UNKNOWN if seen.state is None else None


def _end_status(seen: Observation, key: str, memory: Memory, unverified: frozenset[str]) -> EndStatus:
    remembered = memory.get((key, seen.backend)) if not seen.readable else None
    shown = remembered or seen
    return EndStatus(
        backend=seen.backend,
        state=shown.state or None,
        state_note=_note(shown),
        reachable=seen.readable,
        unverified=seen.backend in unverified or shown.unproven,
        observed_at=shown.observed_at if shown.trouble is None else None,
        as_of=shown.as_of,
        seen=seen,
        remembered=remembered,
    )


def _point_of(pair: Pair, key: str, memory: Memory) -> Observation | None:
    """The end whose last consistent point counts: the replica's, remembered if it does not answer."""
    for seen in (pair.local, pair.peer):
        known = seen if seen.readable else memory.get((key, seen.backend), seen)
        if known.state is not State.SOURCE and known.point is not None:
            return known
    return None


def _is_tested(pair: Pair) -> bool:
    """Whether a failover test runs. The end that holds the copy knows; what the source shows may be old."""
    replicas = [end for end in (pair.local, pair.peer) if end.trouble is None and end.state in _HOLDS_A_COPY]
    return any(end.drill for end in replicas or (pair.local, pair.peer))
