"""The engine: `propose` an intent, `carry_out` what was proposed; the same for the command line and the daemon.

It never prints, reads no file and knows no vendor. Commands end in an `OperationResult`; errors that it expects
are outcomes, not exceptions. Who finishes what: a command goes on only with operations of the replications that
it names and with the same intent (design §5).
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from replctl.clock import Clock
from replctl.core import drills
from replctl.core.arguments import arguments
from replctl.core.counts import reconciled
from replctl.core.errors import Conflict, InvalidInput, Locked, NotFound, ReplctlError, StoreRefused
from replctl.core.events import Noticed, OperationBegan, OperationEnded, Report
from replctl.core.journal import Drill, OperationRecord
from replctl.core.model import (
    Acknowledgements,
    Holder,
    Intent,
    Pair,
    Replication,
    Side,
    State,
    TroubleKind,
    Verb,
)
from replctl.core.outcomes import OPEN, Outcome, outcome_of
from replctl.core.planner import decide
from replctl.core.plans import Course, Decision, Goal, Plan, Refusal
from replctl.core.results import Explanation, OperationResult, StatusReport
from replctl.core.surrounding import NOT_ASKED, PROMOTES
from replctl.correlation import correlation, current, speaking_of, under
from replctl.engine import counting
from replctl.engine import drills as testing
from replctl.engine.backends import Backends
from replctl.engine.carrying import carry_out, clean_up
from replctl.engine.endings import Ending
from replctl.engine.hooking import NoHooks, hooks_left, in_groups, with_hooks
from replctl.engine.looking import Judge, Told, Watcher, identity_text, is_superseded
from replctl.engine.ports import Driver, Programs, Store
from replctl.engine.recollection import Recollection
from replctl.engine.requests import (
    ACKNOWLEDGED_SECONDS,
    Caller,
    Proposal,
    Request,
    check_backends_named,
    record_of,
)
from replctl.engine.telling import Teller
from replctl.engine.underway import Desk, Underway
from replctl.resilience import Look

OBSERVE_SECONDS = 3.0  # one look at everything (design §1, promise 5)
A_LOOK_OF = 2000  # replications that one budget is for; thousands more come in more pages
PROPOSE_SECONDS = 10.0  # a look before a change may ask again
WATCH_SECONDS = 1.0  # between looks at an operation that another process carries out
_EXPLAINED = tuple(verb for verb in Verb if verb is not Verb.FAILOVER)  # which is promote or demote
_OURS_TO_MEND = frozenset(
    {TroubleKind.CREDENTIALS, TroubleKind.TLS, TroubleKind.NAME, TroubleKind.BREAKER, TroubleKind.ABSENT}
)


class Engine:
    """One process's way to look at replications and to change them."""

    def __init__(
        self,
        *,
        open_driver: Callable[[str], Driver],
        store: Store,
        clock: Clock,
        report: Report,
        caller: Caller,
        judge: Judge,
        observe_seconds: float = OBSERVE_SECONDS,
        hooks: Programs | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._report = report
        self._caller = caller
        self._tell = Teller(caller.who)
        self._hooks: Programs = hooks or NoHooks()
        self._backends = Backends(open_driver, clock)
        self._memory = Recollection(store, report)
        self._watcher = Watcher(self._backends, store, self._memory, clock, observe_seconds, judge)
        self._desk = Desk(self._backends, self._watcher, store, clock, report, self._hooks, self._tell)

    def driver(self, backend: str) -> Driver:
        """The driver of a backend, opened now if it was not yet; raises ReplctlError."""
        return self._backends.driver(backend)

    def close(self) -> None:
        """Sign out of every backend that was asked."""
        self._watcher.close()

    # -- looking ---------------------------------------------------------------------------------------------

    def status(self, replications: Sequence[Replication], request: Request) -> StatusReport:
        """One attempt a request, both sites at once, within the observation budget (design §6)."""
        look = replace(self._glance(request, len(replications)), kept=request.kept)
        return self._watcher.status(replications, look)

    def explain(self, replication: Replication, request: Request) -> Explanation:
        """What is seen, and what each verb would do now; writes to no backend."""
        pair = self._watcher.pair(replication, self._glance(request))
        intents = [_plain_intent(verb, replication) for verb in _EXPLAINED]
        told = self._watcher.told([replication.key])
        verbs = tuple((intent.verb, self._decide(intent, pair, None, told)) for intent in intents)
        return Explanation(status=self._watcher.line(replication, pair), pair=pair, verbs=verbs)

    # -- proposing -------------------------------------------------------------------------------------------

    def propose(self, intent: Intent, request: Request) -> Proposal | OperationResult:
        """A plan to agree to, or the result when there is nothing to carry out: refused, unchanged, unread …"""
        with correlation(intent.replication.namespace, intent.replication.name, self._clock):
            try:
                proposed = self._propose(intent, request)
            except ReplctlError as error:
                self._count(intent.replication, outcome_of(error.exit_code), error.code)
                raise
            if isinstance(proposed, OperationResult):
                self._count_result(intent.replication, proposed)
            return proposed

    def propose_all(
        self, intents: Sequence[Intent], request: Request, *, dry: bool = False
    ) -> list[Proposal | OperationResult]:
        """The same for several, in their order, from one look; raises what concerns them all.

        A `dry` judgement is not counted: it makes no write anywhere.
        """
        for intent in intents:
            check_backends_named(intent)
        facing = [intent.facing for intent in intents]
        unplanned = any(intent.acknowledged.unplanned for intent in intents)
        look = self._look(request, PROPOSE_SECONDS, retry=True, probe=unplanned, many=len(intents))
        with speaking_of(*_the_only(facing)):
            pairs = self._watcher.pairs_for(facing, look)
        told = self._watcher.told([intent.replication.key for intent in facing])
        judged = [self._judge(intent, pairs[intent.replication.key], told) for intent in facing]
        if not dry and (counts := counting.of_judged(intents, judged)):
            self._store.add_counts(counts)
        return in_groups(judged, request)

    def _judge(self, intent: Intent, pair: Pair, told: Told) -> Proposal | OperationResult:
        with correlation(intent.replication.namespace, intent.replication.name, self._clock):
            try:
                return self._propose_from(intent, pair, told)
            except ReplctlError as error:
                return self._tell.errored(intent, error)

    def _propose(self, intent: Intent, request: Request) -> Proposal | OperationResult:
        check_backends_named(intent)
        intent = intent.facing
        look = self._look(request, PROPOSE_SECONDS, retry=True, probe=intent.acknowledged.unplanned)
        pair = self._watcher.pair_for(intent, look)
        return self._propose_from(intent, pair, self._watcher.told([intent.replication.key]))

    def _propose_from(self, intent: Intent, pair: Pair, told: Told) -> Proposal | OperationResult:
        joins = self._joinable(intent, told)
        trouble = self._blocking_trouble(intent, pair)
        if trouble is not None:
            return trouble
        if joins is not None:
            return self._proposal_to_join(intent, joins, pair)
        decision = self._decide(intent, pair, None, told)
        if isinstance(decision, Refusal):
            return self._tell.refused(intent, decision, pair)
        if decision.unchanged:
            return self._unchanged(intent, decision, pair, told)
        proposal = Proposal(intent=intent, plan=decision, pair=pair, correlation_id=current())
        return with_hooks(proposal, self._hooks.of(intent.replication))

    def _joinable(self, intent: Intent, told: Told) -> OperationRecord | None:
        """The open operation of the same intent, which this command goes on with."""
        for record in told.memory.operations(intent.replication.key, open_only=True):
            if record.signature == intent.signature:
                return record
        return None

    def _proposal_to_join(self, intent: Intent, record: OperationRecord, pair: Pair) -> Proposal:
        plan = self._rest_of(intent, record, pair)
        proposal = Proposal(intent=intent, plan=plan, pair=pair, correlation_id=current(), joins=record)
        return with_hooks(proposal, self._hooks.of(intent.replication))

    def _rest_of(self, intent: Intent, record: OperationRecord, pair: Pair) -> Plan:
        """The steps of an open operation that are not observed to be done."""
        side = intent.replication.side_of(record.new_source) or Side.LOCAL
        course = record.course or Course.SWITCH
        recipe = self._backends.driver(intent.replication.local.backend).recipe
        sent = any(step.sends for step in record.steps if not step.errand)
        told = arguments(intent, side, pair, since=record.began, sent=sent)
        steps = recipe.steps(course, side, pair, told)
        return Plan(
            course=course,
            new_source=side,
            steps=steps,
            goal=steps[-1].goal if steps else Goal(),
            from_state=record.from_state,
            to_state=record.to_state,
            acknowledged=intent.acknowledged,
            data_loss=record.data_loss,
        )

    def _decide(
        self, intent: Intent, pair: Pair, joins: OperationRecord | None, told: Told | None = None
    ) -> Decision:
        context = self._watcher.context(intent, joins=joins, told=told)
        recipe = self._backends.driver(intent.replication.local.backend).recipe
        return decide(intent, pair, context, recipe)

    def _blocking_trouble(self, intent: Intent, pair: Pair, *, alone: bool = False) -> OperationResult | None:
        """An end that had to be read and was not, as an outcome of its own rather than a guard's refusal.

        `alone`: what is gone on with concerns the local end only.
        """
        if pair.local.trouble is not None and intent.needs(pair, Side.LOCAL):
            return self._tell.troubled(intent, pair.local, remedy=_other_site(intent, pair))
        if pair.peer.trouble is None or alone or not intent.needs(pair, Side.PEER):
            return None
        planned_promotion = intent.makes_local_source
        if planned_promotion and pair.peer.trouble.kind not in _OURS_TO_MEND:
            return None  # the planner words the refusal, with evidence and stated loss
        return self._tell.troubled(intent, pair.peer)

    def _unchanged(self, intent: Intent, plan: Plan, pair: Pair, told: Told) -> OperationResult:
        """So already and proven by these observations; an end whose last change was unverified is not proven."""
        unverified = told.memory.unverified(intent.replication.key)
        named = [pair.end(side) for side in plan.goal.sides]
        doubtful = [seen for seen in named if seen.unproven or seen.backend in unverified]
        if not doubtful:
            return self._tell.result(intent, Outcome.UNCHANGED, plan=plan, pair=pair)
        return self._tell.unverified(intent, plan, pair, doubtful)

    # -- carrying out ----------------------------------------------------------------------------------------

    def carry_out(self, proposal: Proposal, request: Request) -> OperationResult:
        """Do exactly what was proposed, under the replication's lock; look again before each change."""
        key = proposal.intent.replication.key
        holder = Holder(
            who=self._caller.who,
            since=self._clock.now(),
            command=self._caller.command,
            operation_id=proposal.joins.operation_id if proposal.joins else None,
        )
        outcome = Outcome.UNKNOWN
        try:
            with under(proposal.correlation_id, *key.split("/", 1)):
                result = self._carry_out_held(proposal, request, holder)
                outcome = result.outcome
                self._count_result(proposal.intent.replication, result)
                return result
        finally:
            request.together.ended(key, proposal.intent.replication.group, outcome)

    def _carry_out_held(self, proposal: Proposal, request: Request, holder: Holder) -> OperationResult:
        try:
            self._supersede(proposal.intent)
            with self._store.lock(proposal.intent.replication.key, holder):
                return self._carry_out_locked(proposal, request)
        except Locked as error:
            return self._tell.errored(proposal.intent, error, holder=error.holder)
        except (StoreRefused, Conflict) as error:
            return self._tell.errored(proposal.intent, error)

    def _carry_out_locked(self, proposal: Proposal, request: Request) -> OperationResult:
        intent = proposal.intent
        joins = self._as_it_stands(proposal.joins)
        if (proposal.joins and not joins) or self._watcher.others_open(intent, joins):
            error = Conflict(
                "another process has begun or ended an operation meanwhile", remedy="type it again"
            )
            return self._tell.errored(intent, error)
        record = joins or record_of(proposal, request, self._caller, self._clock.now())
        if joins is None:
            self._store.begin(record)
            self._remember_identities(intent, proposal.pair)
        return self._run(proposal, record, request)

    def _as_it_stands(self, joins: OperationRecord | None) -> OperationRecord | None:
        """The open operation as its last holder left it: until we held the lock, it went on; None if it ended."""
        found = self._store.operation(joins.operation_id) if joins is not None else None
        return found if found is not None and found.is_open else None

    def _supersede(self, intent: Intent) -> None:
        """Close a planned promotion that the unplanned one of the same end takes the place of."""
        for record in self._store.operations(intent.replication.key, open_only=True):
            if is_superseded(intent, record) and record.signature != intent.signature:
                self._store.abandon(record.operation_id, str(self._caller.who), self._clock.now())

    def _run(self, proposal: Proposal, record: OperationRecord, request: Request) -> OperationResult:
        began = self._clock.monotonic()
        self._report(
            OperationBegan(
                operation_id=record.operation_id,
                replication=record.replication,
                verb=record.verb,
                steps=tuple(step.name for step in record.steps),
                joined=proposal.joins is not None,
            )
        )
        if NOT_ASKED in proposal.plan.notes:  # with -y nobody has seen the plan
            self._report(Noticed(topic="hook", message=NOT_ASKED))
        operation = Underway(self._desk, proposal, record, request)
        ending = carry_out(operation)
        clean_up(operation, ending)
        record, anchor = self._finish(operation, ending)
        self._report(
            OperationEnded(
                operation_id=record.operation_id,
                replication=record.replication,
                outcome=ending.outcome.value,
                seconds=self._clock.monotonic() - began,
                anchor=anchor,
            )
        )
        result = self._tell.result(
            proposal.intent,
            ending.outcome,
            record=record,
            failure=ending.failure,
            refusal=ending.refusal,
            pair=operation.pair,
            plan=proposal.plan,
        )
        if proposal.plan.course in PROMOTES and (ending.reached or ending.outcome is Outcome.SUCCEEDED):
            source = proposal.plan.new_source
            left = operation.hosts.left(operation.intent, source, operation.pair, request.cancel)
            result = replace(result, left_to_do=left)
        tested = ending.outcome is Outcome.SUCCEEDED and proposal.intent.verb in drills.COURSES
        if not tested:
            return result
        return replace(result, drill=self._remember_drill(operation, at=record.finished))

    def _finish(self, operation: Underway, ending: Ending) -> tuple[OperationRecord, str | None]:
        anchor = None
        record = operation.record
        failure = ending.failure
        code, message = (failure.code, failure.message) if failure else (None, None)
        at = self._clock.now()
        try:
            if ending.outcome is Outcome.SUCCEEDED or ending.reached:
                self._remember_survivor(record)
                self._watcher.remember_one(operation.intent.replication, operation.pair)
            anchor = self._store.finish(record.operation_id, ending.outcome, at, code, message)
        except (StoreRefused, Conflict) as error:  # what was seen stays true; the journal lacks its last line
            self._report(Noticed(topic="journal", message=error.message))
        finished = None if ending.outcome in OPEN else at
        return replace(record, outcome=ending.outcome, finished=finished), anchor

    def _remember_survivor(self, record: OperationRecord) -> None:
        """After an acknowledged unplanned promotion the journal knows who holds the newer writes (design §3)."""
        alone = record.course is Course.TAKEOVER
        self._store.set_survivor(record.replication, record.new_source if alone else None)

    def _remember_drill(self, operation: Underway, at: float | None) -> Drill:
        """What the operation began, or ended: the report of a test (design §4)."""
        intent, record, pair = operation.intent, operation.record, operation.pair
        key, now = record.replication, self._clock.now() if at is None else at
        try:
            kept, moves = self._store.drill(key), self._store.transitions(key)
            if intent.verb is Verb.DRILL_START:
                drill = testing.begun(intent, record, pair, now)
            else:
                drill = testing.ended(intent, record, pair, kept, moves, now)
            self._store.set_drill(key, drill)
        except (StoreRefused, Conflict) as error:
            self._report(Noticed(topic="journal", message=error.message))
            drill = testing.ended(intent, record, pair, None, (), now)
        return drill

    def _remember_identities(self, intent: Intent, pair: Pair) -> None:
        """What each end is now; where one is to be made, what it was before is nothing to go by."""
        for side in Side:
            seen, end = pair.end(side), intent.replication.end(side)
            made = intent.verb is Verb.CREATE and seen.known_state is State.NONE
            if made or seen.resource is not None:
                text = identity_text(end, seen.resource) if seen.resource is not None else ""
                self._store.remember_identity(intent.replication.key, end.backend, text)

    # -- open operations -------------------------------------------------------------------------------------

    def op_wait(
        self, operation_id: str, replications: Mapping[str, Replication], request: Request
    ) -> OperationResult:
        """Look until the operation has ended, or nobody is left who would end it; sends nothing."""
        record = self._known(operation_id)
        intent = self._intent_of(record, replications, Acknowledgements())
        deadline = self._deadline(request)
        with correlation(intent.replication.namespace, intent.replication.name, self._clock):
            while record.is_open and self._store.holder(record.replication) is not None:
                if self._clock.monotonic() >= deadline or self._clock.wait(WATCH_SECONDS, request.cancel):
                    return self._tell.still_open(intent, record, "it is being carried out", "op wait")
                record = self._known(operation_id)
            if not record.is_open:
                return self._tell.ended(intent, record)
            return self._watch_the_rest(intent, record, replace(request, only_looks=True), deadline)

    def _watch_the_rest(
        self, intent: Intent, record: OperationRecord, request: Request, deadline: float
    ) -> OperationResult:
        """Nobody carries it out: observe, and say what became of it."""
        while True:
            pair = self._watcher.pair(intent.replication, self._look(request, PROPOSE_SECONDS, retry=True))
            if pair.local.trouble is not None:
                return self._tell.troubled(intent, pair.local)
            plan = self._rest_of(intent, record, pair)
            if not plan.steps and not hooks_left(record.steps):
                return self.carry_out(self._proposal_to_join(intent, record, pair), request)
            if not (pair.local.changing or pair.peer.changing):
                return self._tell.still_open(intent, record, "no process carries it out", "op resume")
            if self._clock.monotonic() >= deadline or self._clock.wait(WATCH_SECONDS, request.cancel):
                return self._tell.still_open(intent, record, "the backend is at it", "op wait")

    def op_resume(
        self,
        operation_id: str,
        replications: Mapping[str, Replication],
        acknowledged: Acknowledgements,
        request: Request,
    ) -> OperationResult:
        """Go on with an open operation; the flags of its unplanned steps are given anew."""
        record = self._known(operation_id)
        intent = self._intent_of(record, replications, acknowledged)
        if not record.is_open:
            return self._tell.ended(intent, record)
        unsent = [step for step in record.steps if step.unplanned and not step.sends]
        if unsent and not intent.answers_unplanned:
            error = InvalidInput(
                f"operation {operation_id} has an acknowledged step that was not sent",
                remedy=shlex.join(["replctl", "op", "resume", operation_id, *record.acknowledged]),
            )
            return self._tell.errored(intent, error)
        with correlation(intent.replication.namespace, intent.replication.name, self._clock):
            look = self._look(request, PROPOSE_SECONDS, retry=True, probe=acknowledged.unplanned)
            pair = self._watcher.pair_for(intent, look)
            trouble = self._blocking_trouble(intent, pair, alone=record.course is Course.TAKEOVER)
            if trouble is not None:
                return trouble
            proposal = replace(self._proposal_to_join(intent, record, pair), resumed=True)
        return self.carry_out(proposal, request)

    def op_abandon(
        self, operation_id: str, replications: Mapping[str, Replication], request: Request
    ) -> OperationResult:
        """Close the books on an open operation without touching a backend; refused while its holder lives."""
        record = self._known(operation_id)
        intent = self._intent_of(record, replications, Acknowledgements())
        if not record.is_open:
            return self._tell.ended(intent, record)
        try:
            self._store.abandon(operation_id, str(self._caller.who), self._clock.now())
        except (Conflict, StoreRefused) as error:
            holder = self._store.holder(record.replication)
            return self._tell.errored(intent, error, holder=holder)
        return self._tell.result(intent, Outcome.SUCCEEDED, record=self._known(operation_id))

    def _known(self, operation_id: str) -> OperationRecord:
        record = self._store.operation(operation_id)
        if record is None:
            raise NotFound(f"no operation {operation_id} in this store", remedy="replctl op list")
        return record

    def _intent_of(
        self,
        record: OperationRecord,
        replications: Mapping[str, Replication],
        acknowledged: Acknowledgements,
    ) -> Intent:
        replication = replications.get(record.replication)
        if replication is None:
            raise NotFound(f"{record.replication} is no longer in the desired-state file")
        verb = Verb(record.verb)
        to = record.new_source if verb is Verb.FAILOVER else None
        survivor = record.new_source if verb is Verb.REPROTECT else None
        intent = Intent(
            verb=verb,
            replication=replication,
            acknowledged=acknowledged,
            to=to,
            survivor=survivor,
            snapshot=record.snapshot,
            keep_test_data=record.keep_test_data,
        )
        return intent.facing

    # -- counting --------------------------------------------------------------------------------------------

    def _count_result(self, replication: Replication, result: OperationResult) -> None:
        self._store.add_counts(counting.of_result(replication, result))

    def _count(self, replication: Replication, outcome: Outcome, error_code: str | None) -> None:
        """For the daemon's metrics; a store that cannot be written goes without (design §7)."""
        counts = reconciled(replication.namespace, replication.name, outcome, error_code)
        self._store.add_counts(counts)

    # -- small things ----------------------------------------------------------------------------------------

    def _look(
        self, request: Request, seconds: float, *, retry: bool = False, probe: bool = False, many: int = 1
    ) -> Look:
        """A look of so many seconds; longer for thousands, as long as what is asked goes on answering."""
        return Look(
            deadline=self._clock.monotonic() + seconds * (1 + many // A_LOOK_OF),
            silence_seconds=seconds,
            retry=retry,
            probe=request.probe or probe,
            cancel=request.cancel,
        )

    def _glance(self, request: Request, many: int = 1) -> Look:
        """One look within the observation budget, counted from when the command began (design §1, promise 5).

        However long it took to start, half of the budget is left: less would call a well backend silent. Thousands
        come in more pages and have more; then no single answer may take longer than the budget.
        """
        budget, now = self._watcher.budget_seconds, self._clock.monotonic()
        spent = now - request.began_at if request.began_at is not None else 0.0
        seconds = max(budget - spent, budget / 2) + budget * (many // A_LOOK_OF)
        return replace(self._look(request, seconds), silence_seconds=budget)

    def _deadline(self, request: Request) -> float:
        wanted = request.timeout_seconds
        return self._clock.monotonic() + (wanted if wanted is not None else ACKNOWLEDGED_SECONDS)


def _other_site(intent: Intent, pair: Pair) -> str:
    """The way on when the end that a verb speaks of is silent and the other one answers as a replica."""
    if pair.peer.trouble is not None or pair.peer.state is not State.REPLICA:
        return ""
    lost, other = intent.replication.local.backend, intent.replication.peer.backend
    return f"if {lost} is lost: replctl failover {intent.replication.key} --to {other}"


def _plain_intent(verb: Verb, replication: Replication) -> Intent:
    return Intent(verb=verb, replication=replication)


def _the_only(intents: Sequence[Intent]) -> tuple[str, str]:
    """Namespace and name of the replication that a look is for; empty when it is for several."""
    replications = [intent.replication for intent in intents]
    return (replications[0].namespace, replications[0].name) if len(replications) == 1 else ("", "")
