"""The planner: any observations and any intent give a plan or a refusal, never a guess (design §4).

Pure. It knows neither vendor nor time: the driver's recipe says how a course is done, `Context` says what
the journal remembers and what time it is. Guards are collected, not raised one by one, so that a refusal names all
that stands in the way. What an end's own legality table allows is read from `Observation.permits`.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

from replctl.core.guards import GUARDS
from replctl.core.loss import accepts, paste_form, state_loss
from replctl.core.model import (
    Acknowledgements,
    BoundKind,
    Flow,
    Intent,
    Link,
    Observation,
    Pair,
    Scalar,
    Side,
    State,
    TroubleKind,
    Verb,
)
from replctl.core.plans import (
    Context,
    Course,
    DataLoss,
    Decision,
    EndGoal,
    Evidence,
    Goal,
    GuardRefusal,
    Plan,
    Recipe,
    Refusal,
)
from replctl.core.states import shown

_SOURCE = EndGoal(frozenset({State.SOURCE}))
_REPLICA = EndGoal(frozenset({State.REPLICA}))
_SETTLED = frozenset({Flow.RUNNING, Flow.PAUSED, Flow.SUSPENDED})
_OWN_TROUBLE = {
    TroubleKind.CREDENTIALS: "our own trouble: it proves nothing about the peer",
    TroubleKind.TLS: "our own trouble: it proves nothing about the peer",
    TroubleKind.NAME: "our own trouble: it proves nothing about the peer",
    TroubleKind.BREAKER: "we did not ask: it proves nothing about the peer",
}


def decide(intent: Intent, pair: Pair, context: Context, recipe: Recipe) -> Decision:
    """A plan that leads from what is seen to what is asked, or the guards that say no.

    A plan without steps means that it is so already, and proven by these very observations.
    """
    return _Case(intent, pair, context, recipe).decide()


def peer_evidence(local: Observation, peer: Observation) -> Evidence:
    """What was seen of the peer and what that proves: the table of design §4, one sentence."""
    return Evidence(
        fact="peer", value=_what_it_proves(local, peer), backend=peer.backend, as_of=peer.observed_at
    )


def _what_it_proves(local: Observation, peer: Observation) -> str:
    if peer.trouble is None:
        state = _state_word(peer)
        if peer.state in (State.SOURCE, State.DEMOTING):
            return f"it answers as {state}: it is up, and hosts may be writing to it"
        return f"it answers as {state}"
    trouble = peer.trouble
    if trouble.kind in _OWN_TROUBLE:
        return f"{trouble.message}; {_OWN_TROUBLE[trouble.kind]}"
    if trouble.kind is TroubleKind.ABSENT:
        return f"{trouble.message}; its volume may still be written to"
    if trouble.kind is TroubleKind.UNWELL:
        return f"{trouble.message}; something lives there, and nothing is proven about its hosts"
    if local.link is Link.OK:
        return (
            f"{trouble.message}, but {local.backend} says that the replication link is OK: only management "
            "is lost, the array lives and hosts may be writing; it will be demoted over the link"
        )
    if local.link is Link.LOST:
        return (
            f"{trouble.message}, and {local.backend} says that the replication link is lost: this proves "
            "nothing, dead and cut off look alike"
        )
    return f"{trouble.message}: this proves nothing, dead and cut off look alike"


def _state_word(seen: Observation) -> str:
    if seen.state is None:
        return f"unknown ({seen.word})" if seen.word else "unknown"
    return f"{shown(seen.state)} ({seen.word})" if seen.word else shown(seen.state)


class _Case:
    """One decision in the making: holds what is judged, so that each rule is a short method."""

    def __init__(self, intent: Intent, pair: Pair, context: Context, recipe: Recipe) -> None:
        self.intent = intent
        self.pair = pair
        self.local, self.peer = pair.local, pair.peer
        self.context = context
        self.recipe = recipe
        self.acknowledged = intent.acknowledged
        self.loss: DataLoss | None = None

    def decide(self) -> Decision:
        standing = [*self._memory_guards(), *self._reading_guards()]
        if standing:
            return self._refuse(standing)
        verb, side = self._meaning()
        if verb is Verb.REPROTECT:
            return self._reprotect()
        if verb is Verb.PROMOTE and self.acknowledged.unplanned:
            return self._take_over()
        return self._switch(side)

    def _meaning(self) -> tuple[Verb, Side]:
        """The verb with `failover --to` resolved, and the side that shall be the source in the end."""
        verb = self.intent.verb
        if verb is Verb.FAILOVER:
            ahead = self.intent.replication.side_of(self.intent.to or "") is not Side.PEER
            return (Verb.PROMOTE, Side.LOCAL) if ahead else (Verb.DEMOTE, Side.PEER)
        return verb, Side.PEER if verb is Verb.DEMOTE else Side.LOCAL

    # -- guards that stand before every change ---------------------------------------------------------------

    def _memory_guards(self) -> Iterable[GuardRefusal]:
        context = self.context
        if context.other_operation is not None:
            yield GUARDS["operation-open"].says_no(Evidence(fact="operation", value=context.other_operation))
        if context.held_by is not None and not self.acknowledged.override_hold:
            yield GUARDS["held"].says_no(Evidence(fact="hold", value=context.held_by))
        for seen in (self.local, self.peer):
            known = context.identities.get(seen.backend)
            if known is not None and seen.resource is not None and seen.resource != known:
                value = f"was {known}, is {seen.resource}"
                yield GUARDS["identity-changed"].says_no(self._fact("identity", value, seen))

    def _reading_guards(self) -> Iterable[GuardRefusal]:
        if self.local.trouble is not None:
            yield GUARDS["stale-observation"].says_no(
                self._fact("not read", self.local.trouble.message, self.local)
            )
            return
        for seen in (self.local, self.peer):
            if seen.unsupported and not (seen is self.peer and self._alone()):
                yield GUARDS["unsupported"].says_no(self._fact("kind", seen.unsupported, seen))
        if self.local.drill and not self.acknowledged.use_test_copy:
            override = "--use-test-copy" if self._alone() else None
            drill = GUARDS["drill-running"].says_no(self._fact("drill", "running", self.local))
            yield replace(drill, override=override)
        both = self.local.state is State.SOURCE and self.peer.state is State.SOURCE
        if both and self.intent.verb is not Verb.REPROTECT:
            yield GUARDS["split-brain"].says_no(self._seen(self.local), self._seen(self.peer))

    def _alone(self) -> bool:
        """Whether the verb speaks of the local end alone, so that the peer need not be readable."""
        verb, _ = self._meaning()
        return verb is Verb.PROMOTE and self.acknowledged.unplanned

    def _foreign_transient(self, *seen: Observation) -> list[GuardRefusal]:
        if self.context.own_transient:
            return []
        busy = [end for end in seen if end.trouble is None and end.changing]
        return [GUARDS["foreign-operation"].says_no(*(self._seen(end) for end in busy))] if busy else []

    # -- planned: roles swap ---------------------------------------------------------------------------------

    def _switch(self, new_source: Side) -> Decision:
        new, old = self.pair.end(new_source), self.pair.end(new_source.other)
        goal = _roles(new_source)
        if goal.met_by(self.pair) and {new.flow, old.flow} <= _SETTLED:
            return self._unchanged(goal, new_source)
        if old.trouble is not None or new.trouble is not None:
            return self._peer_not_read(new_source)
        if goal.met_by(self.pair) and new.flow is old.flow is Flow.SEVERED:
            return self._finish_switch(new_source)
        guards = self._replica_guards(new) or self._foreign_transient(new, old)
        if not guards and State.SOURCE not in (new.state, old.state):
            return self._refuse([self._no_source()], take_over=True)
        ready = old.state is State.SOURCE and new.state is State.REPLICA and new.flow is Flow.RUNNING
        if not guards and not (ready and "failover_planned" in old.permits):
            guards = [GUARDS["backend-state"].says_no(self._seen(old), self._seen(new))]
        return self._refuse(guards) if guards else self._plan(Course.SWITCH, new_source)

    def _finish_switch(self, new_source: Side) -> Decision:
        """Roles are swapped and nothing is copied: ours to finish if we began it, else a person's decision."""
        if self.context.interrupted is Course.SWITCH:
            return self._plan(Course.SWITCH, new_source)
        facts = (self._seen(self.local), self._seen(self.peer))
        return self._refuse([GUARDS["backend-state"].says_no(*facts)], self._command("reprotect"))

    def _peer_not_read(self, new_source: Side) -> Decision:
        peer = self.peer
        fact = self._fact("not read", peer.trouble.message if peer.trouble else "", peer)
        if new_source is Side.PEER or self.local.state is State.SOURCE:
            return self._refuse([GUARDS["stale-observation"].says_no(fact)])
        guards = self._replica_guards(self.local)
        if guards:
            return self._refuse(guards, take_over=True)
        seen = peer_evidence(self.local, peer)
        return self._refuse([GUARDS["peer-not-demoted"].says_no(seen)], take_over=True)

    def _replica_guards(self, new: Observation) -> list[GuardRefusal]:
        """What bars an end from becoming the source because of its own state."""
        if new.state is State.SYNCING:
            return [GUARDS["incomplete-copy"].says_no(self._seen(new))]
        if new.state is State.FAILED and not self.acknowledged.from_failed:
            return [GUARDS["state-failed"].says_no(self._seen(new))]
        if new.state is State.NONE:
            return [GUARDS["backend-state"].says_no(self._seen(new))]
        return []

    # -- unplanned: one end alone ----------------------------------------------------------------------------

    def _take_over(self) -> Decision:
        goal = Goal(local=_SOURCE)
        if goal.met_by(self.pair):
            return self._unchanged(goal, Side.LOCAL)
        guards = [*self._peer_guards(), *self._takeover_guards()]
        self.loss = self._statement()
        guards.extend(self._loss_guards(self.loss))
        if guards:
            return self._refuse(guards, take_over=True)
        return replace(self._plan(Course.TAKEOVER, Side.LOCAL), data_loss=self._accepted(self.loss))

    def _peer_guards(self) -> Iterable[GuardRefusal]:
        acknowledged, seen = self.acknowledged, peer_evidence(self.local, self.peer)
        if self.peer.trouble is not None:
            if not acknowledged.peer_is_down and acknowledged.peer_is_fenced is None:
                yield GUARDS["peer-not-demoted"].says_no(seen)
        elif self.peer.state in (State.REPLICA, State.SYNCING, State.FAILED, State.NONE):
            if not acknowledged.from_replica:
                yield self._no_source()
        elif acknowledged.peer_is_fenced is None:
            yield GUARDS["peer-is-up"].says_no(seen)

    def _takeover_guards(self) -> Iterable[GuardRefusal]:
        local = self.local
        own = self._replica_guards(local)
        if own:
            yield from own
        elif local.state is State.PROMOTING and self.peer.trouble is None and not self.context.own_transient:
            yield from self._foreign_transient(local, self.peer)
        elif not local.permits & {"failover_unplanned", "failover_force"}:
            yield from self._foreign_transient(local) or [GUARDS["backend-state"].says_no(self._seen(local))]

    def _statement(self) -> DataLoss:
        last_contact = self.context.last_contact.get(self.peer.backend)
        loss = state_loss(self.local, self.context.now, last_contact)
        if self.intent.snapshot is None:
            return loss
        return DataLoss(
            point=None,
            at_least_seconds=None,
            at_most_seconds=None,
            source=f"snapshot {self.intent.snapshot}: when it was taken is not known",
            read_at=loss.read_at,
        )

    def _loss_guards(self, loss: DataLoss) -> Iterable[GuardRefusal]:
        bound = self.acknowledged.accept_data_loss
        if bound is not None and accepts(bound, loss):
            return
        facts = [self._loss_fact(loss)]
        if bound is not None:
            known = "the loss is known" if bound.kind is BoundKind.UNKNOWN else "the loss may be larger"
            facts.append(Evidence(fact="accepted", value=f"{bound.text}: not enough, {known}"))
        yield GUARDS["data-loss"].says_no(*facts, override=paste_form(loss))

    def _loss_fact(self, loss: DataLoss) -> Evidence:
        if loss.point is None or loss.at_most_seconds is None or loss.at_least_seconds is None:
            value = f"unknown: {loss.source}"
        else:
            value = (
                f"at least {loss.at_least_seconds:.0f}s, at most {loss.at_most_seconds:.0f}s of writes "
                f"({loss.source})"
            )
        return Evidence(fact="loss", value=value, backend=self.local.backend, as_of=loss.read_at)

    def _accepted(self, loss: DataLoss) -> DataLoss:
        bound = self.acknowledged.accept_data_loss
        return replace(loss, accepted=bound.text if bound else None)

    # -- after an unplanned promotion ------------------------------------------------------------------------

    def _reprotect(self) -> Decision:
        if self.peer.trouble is not None:
            fact = self._fact("not read", self.peer.trouble.message, self.peer)
            return self._refuse([GUARDS["stale-observation"].says_no(fact)])
        sources = [side for side in Side if self.pair.end(side).state is State.SOURCE]
        if not sources:
            busy = self._foreign_transient(self.local, self.peer)
            return self._refuse(busy or [self._no_source()])
        survivor = self._survivor(sources)
        if survivor is None:
            facts = (self._seen(self.local), self._seen(self.peer))
            guard = GUARDS["split-brain"].says_no(*facts, override="--survivor=BACKEND")
            return self._refuse([guard], self._command("reprotect", "--survivor=BACKEND"))
        if len(sources) == 1 and survivor is sources[0]:
            settled = self._already_protected(survivor)
            if settled is not None:
                return settled
        return self._protect(survivor)

    def _survivor(self, sources: list[Side]) -> Side | None:
        named = self.intent.survivor
        if named is not None:
            return self.intent.replication.side_of(named)
        if len(sources) == 1:
            return sources[0]
        remembered = self.context.survivor
        return self.intent.replication.side_of(remembered) if remembered else None

    def _already_protected(self, survivor: Side) -> Decision | None:
        goal = _roles(survivor)
        flows = {self.local.flow, self.peer.flow}
        if goal.met_by(self.pair) and flows == {Flow.RUNNING}:
            return self._unchanged(goal, survivor)
        if Flow.SEVERED not in flows:
            guards = self._foreign_transient(self.local, self.peer)
            facts = (self._seen(self.local), self._seen(self.peer))
            return self._refuse(guards or [GUARDS["backend-state"].says_no(*facts)])
        return None

    def _protect(self, survivor: Side) -> Decision:
        kept, other = self.pair.end(survivor), self.pair.end(survivor.other)
        busy = self._foreign_transient(kept, other)
        if busy:
            return self._refuse(busy)
        if kept.flow is Flow.SEVERED and kept.state is State.SOURCE:
            return self._plan(Course.REPROTECT, survivor)
        if other.flow is not Flow.SEVERED or other.state is not State.SOURCE:
            facts = (self._seen(kept), self._seen(other))
            return self._refuse([GUARDS["backend-state"].says_no(*facts)])
        if not self.acknowledged.discard_local_changes:
            fact = self._fact("writes since the promotion", "would be dropped", other)
            command = self._command("reprotect", f"--survivor={kept.backend}", "--discard-local-changes")
            return self._refuse([GUARDS["discards-local-data"].says_no(fact)], command)
        return self._plan(Course.ABANDON, survivor)

    # -- answers ---------------------------------------------------------------------------------------------

    def _plan(self, course: Course, new_source: Side) -> Plan:
        arguments: dict[str, Scalar] = {
            "use_test_copy": self.acknowledged.use_test_copy,
            "snapshot": self.intent.snapshot,
        }
        steps = self.recipe.steps(course, new_source, self.pair, arguments)
        goal = Goal(local=_SOURCE) if course is Course.TAKEOVER else _roles(new_source)
        return Plan(
            course=course,
            new_source=new_source,
            steps=steps,
            goal=goal,
            from_state=self.local.state,
            to_state=State.SOURCE if new_source is Side.LOCAL else State.REPLICA,
            acknowledged=self.acknowledged,
        )

    def _unchanged(self, goal: Goal, new_source: Side) -> Plan:
        return Plan(
            course=None,
            new_source=new_source,
            steps=(),
            goal=goal,
            from_state=self.local.state,
            to_state=State.SOURCE if new_source is Side.LOCAL else State.REPLICA,
            acknowledged=self.acknowledged,
        )

    def _no_source(self) -> GuardRefusal:
        return GUARDS["no-source"].says_no(self._seen(self.local), self._seen(self.peer))

    def _refuse(
        self, guards: list[GuardRefusal], command: str | None = None, *, take_over: bool = False
    ) -> Refusal:
        """Words the way on; with `take_over` the loss is stated and the flags that would do it are typed."""
        if take_over and self.loss is None:
            self.loss = self._statement()
            guards = [*guards, *self._loss_guards(self.loss)]
        names = {guard.name for guard in guards}
        if command is None and take_over and all(guard.override for guard in guards):
            command = self._command("promote", *self._flags(guards))
        if command is None or "peer-is-up" in names:
            command = self._other_way(names)
        conflict = names == {"foreign-operation"}
        return Refusal(guards=tuple(guards), next=command, conflict=conflict, data_loss=self.loss)

    def _flags(self, guards: list[GuardRefusal]) -> list[str]:
        """The flags given already, less a bound that was not enough, and those that the guards ask for."""
        asked = [guard.override for guard in guards if guard.override]
        bound_asked = any(flag.startswith("--accept-data-loss") for flag in asked)
        given = self.acknowledged
        kept: Acknowledgements = replace(given, accept_data_loss=None) if bound_asked else given
        down = [] if self._alone_flagged(asked) else ["--peer-is-down"]
        return list(dict.fromkeys([*kept.flags, *asked, *down]))

    def _alone_flagged(self, asked: list[str]) -> bool:
        return self.acknowledged.unplanned or bool({"--peer-is-down", "--from-replica"} & set(asked))

    def _other_way(self, names: set[str]) -> str:
        if "split-brain" in names:
            return self._command("reprotect")
        if "peer-is-up" in names:
            return self._command("promote")
        if "operation-open" in names:
            return f"replctl op show {self.context.other_operation}"
        return self._command("explain")

    def _command(self, verb: str, *flags: str) -> str:
        words = ["replctl", verb, self.intent.replication.key, *flags]
        return " ".join(shlex.quote(word) if "=HOW" not in word else word for word in words)

    def _seen(self, seen: Observation) -> Evidence:
        if seen.trouble is not None:
            return self._fact("not read", seen.trouble.message, seen)
        sentence = f": {seen.sentence}" if seen.sentence else ""
        return self._fact("state", f"{_state_word(seen)}{sentence}", seen)

    def _fact(self, fact: str, value: str, seen: Observation) -> Evidence:
        return Evidence(fact=fact, value=value, backend=seen.backend, as_of=seen.observed_at)


def _roles(new_source: Side) -> Goal:
    if new_source is Side.LOCAL:
        return Goal(local=_SOURCE, peer=_REPLICA)
    return Goal(local=_REPLICA, peer=_SOURCE)
