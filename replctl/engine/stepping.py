"""One step of an operation, from its intent to its outcome (design §5).

Write down the intent, look again whether the plan still fits, send, write down what came back, look until the goal
is seen or the deadline has come, write down the outcome. A change whose answer is lost is never sent again until
both ends have been read as untouched for `SETTLE_SECONDS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from replctl.core.errors import (
    Interrupted,
    OutcomeUnknown,
    Outdated,
    Rejected,
    ReplctlError,
)
from replctl.core.events import Noticed, StepWaits
from replctl.core.journal import Proof, StepPhase, StepRecord
from replctl.core.model import Observation, Pair, Scalar, Side, State
from replctl.core.outcomes import Outcome
from replctl.core.planner import decide
from replctl.core.plans import Plan, Receipt, Refusal, Step
from replctl.core.results import Failure
from replctl.engine import endings
from replctl.engine.endings import Ending
from replctl.engine.patience import Patience
from replctl.engine.underway import UNWRITTEN, Underway
from replctl.resilience import Look

FIRST_POLL_SECONDS = 0.5
LONGEST_POLL_SECONDS = 5.0
POLL_GROWTH = 1.1  # so that what is over is seen at most a tenth of its time later
SETTLE_SECONDS = 10.0  # untouched for so long: what was sent did not happen (views lag by a few seconds)
REFUSED_SETTLE_SECONDS = 4.0  # the same after the backend's own no
CALL_SECONDS = 60.0  # one change, from sending to answer
MOST_SENDS = 3
OPERATION = "operation"  # what a step carries that needs the id of its operation
COUNTERPART = "counterpart"  # … or what the other end is, which may have come to be meanwhile
REFUSED_WITHIN_SECONDS = 1.0  # a job that failed later than this after its start had begun its work


class StepRun:
    """One step of an operation, from its intent to its outcome.

    `leaves_doubt`: whether it matters what becomes of a change that may have been sent.
    """

    leaves_doubt = True

    def __init__(self, operation: Underway, step: Step, kept: StepRecord) -> None:
        self.operation = operation
        self.desk = operation.desk
        self.step = step
        self.kept = kept
        self.end = operation.intent.replication.end(step.side)
        self.backends = {side: operation.intent.replication.end(side).backend for side in Side}
        self.before: Pair | None = None
        self.refused: ReplctlError | None = None
        self.outdated: Outdated | None = (
            None  # the backend left it alone, because somebody else had changed it
        )
        self.receipt = Receipt(kept.receipt) if kept.receipt else None
        self.job_ended = False
        self.under_way = False  # the change was seen going on, before any refusal
        self.began = self.desk.clock.monotonic()
        self.patience = Patience(self.began)
        self.steady_since: float | None = None
        self.last_words: tuple[object, ...] = ()

    def run(self) -> Ending | None:
        """None when the goal was seen, else how the operation ends."""
        operation, step = self.operation, self.step
        operation.tell_began(step, self.kept)
        try:
            ending = self._begin() or self._await()
        except Interrupted:
            ending = self._interrupted()
        except ReplctlError as error:
            ending = operation.failed(error, open_ended=self.leaves_doubt and self._may_be_under_way())
        outcome = ending.outcome if ending else Outcome.SUCCEEDED
        self._close(outcome, ending.failure if ending else None)
        return ending

    def _close(self, outcome: Outcome, failure: Failure | None) -> None:
        clock = self.desk.clock
        still = outcome in (Outcome.IN_PROGRESS, Outcome.UNKNOWN, Outcome.INTERRUPTED, Outcome.REFUSED)
        self.kept = self.operation.note(
            self.kept,
            phase=self.kept.phase if still else StepPhase.ENDED,
            outcome=outcome,
            finished=None if still else clock.now(),
            error_code=failure.code if failure else None,
            error_message=failure.message if failure else None,
        )
        self.operation.tell_ended(self.step, self.kept, outcome, clock.monotonic() - self.began)

    def _begin(self) -> Ending | None:
        """Send the step unless it may have been sent already, or only has to be waited for."""
        if self.kept.phase is not StepPhase.PENDING:
            return None
        if self.step.action is None:
            self.kept = self.operation.intend(
                self.kept, phase=StepPhase.ACCEPTED, started=self.desk.clock.now()
            )
            return None
        return self._send()

    # -- sending ---------------------------------------------------------------------------------------------

    def _send(self) -> Ending | None:
        operation = self.operation
        unacknowledged = self._unacknowledged()
        if unacknowledged is not None:
            return unacknowledged
        self.kept = operation.intend(
            self.kept,
            phase=StepPhase.INTENDED,
            started=self.kept.started or self.desk.clock.now(),
            sends=self.kept.sends + 1,
        )
        misfit = self._fits()
        if misfit is not None:
            return misfit
        if self._is_done_already(operation.pair):
            if not self.step.errand:  # which is ours by its name; a role somebody else gave, a moment ago
                self.kept = operation.note(self.kept, sends=self.kept.sends - 1)
            return None
        if not self.desk.store.still_stands(operation.record.operation_id):
            return endings.gone(changed=operation.changed)
        self.before = operation.pair
        return self._act()

    def _act(self) -> Ending | None:
        step, operation = self.step, self.operation
        look = Look(
            deadline=self.desk.clock.monotonic() + CALL_SECONDS,
            probe=operation.request.probe or step.unplanned,
            cancel=operation.request.cancel,
        )
        try:
            driver = self.desk.backends.driver(self.end.backend)
            seen = operation.pair.end(step.side)
            self.receipt = driver.act(self.end, step.action or "", self.arguments(), seen, look)
        except (OutcomeUnknown, Outdated) as error:
            self.outdated = error if isinstance(error, Outdated) else None
            self.kept = operation.note(
                self.kept, phase=StepPhase.LOST, error_code=error.code, error_message=error.message
            )
        except Rejected as error:
            self.refused = error
            self.kept = operation.note(
                self.kept, phase=StepPhase.LOST, error_code=error.code, error_message=error.message
            )
        except Interrupted:
            raise  # nothing was sent: the journal holds the intent only
        except ReplctlError as error:  # nothing was sent, this time
            return operation.failed(error, open_ended=self.leaves_doubt and self.kept.sends > 1)
        else:
            self.kept = operation.note(self.kept, phase=StepPhase.ACCEPTED, receipt=self.receipt.job)
            if self.receipt.job is None:
                self.tracker_caused()
            if not operation.request.wait:
                return endings.not_waited_for(self.kept, operation.record.operation_id)
        self.steady_since = None
        return None

    def _is_done_already(self, pair: Pair) -> bool:
        return self.step.goal.met_by(pair)

    def arguments(self) -> Mapping[str, Scalar]:
        """The step's own, with what it carries."""
        carried: dict[str, Scalar] = {}
        for word in sorted(self.step.carries):
            kept = next((kept for kept in self.operation.record.steps if kept.name == word), None)
            carried[word] = kept.result if kept is not None else None
        if OPERATION in self.step.carries:
            carried[OPERATION] = self.operation.record.operation_id
        if self.kept.round:
            carried["round"] = self.kept.round
        if COUNTERPART in self.step.carries:
            carried[COUNTERPART] = self.operation.pair.end(self.step.side.other).resource
        return {**carried, **self.step.arguments}

    def _may_be_under_way(self) -> bool:
        """Whether something was sent, now or before, whose fate is not known."""
        answered = self.kept.phase in (StepPhase.ACCEPTED, StepPhase.LOST)
        return self.kept.sends > 1 or (self.kept.sends > 0 and answered)

    def _unacknowledged(self) -> Ending | None:
        """Acknowledgements belong to one operation and end with its deadline (design §5)."""
        operation, record = self.operation, self.operation.record
        if not (self.step.unplanned and operation.proposal.joins):
            return None
        late = self.desk.clock.now() > record.deadline_at and not operation.proposal.resumed
        if not late and operation.intent.answers_unplanned:
            return None
        return endings.unacknowledged(record, late=late)

    def _fits(self) -> Ending | None:
        """Look again right before sending: does the plan still fit?"""
        pair = self.operation.look(before_send=True)
        if self.step.goal.met_by(pair):
            return None
        if self._is_first():
            return self._decided_anew(pair)
        if self.operation.used is not None:
            return endings.came_into_use(self.operation.used, pair, self.operation.record, changed=True)
        if (unused := self._to_be_unused(pair)) is not None:
            return endings.unwatched(unused, self.operation.record, changed=True)
        return self._await_beginning(pair)

    def _is_first(self) -> bool:
        """Whether nothing was changed yet: errands change no role."""
        done = any(step.is_done and not (step.hook or step.errand) for step in self.operation.record.steps)
        return not self.operation.changed and not done

    def _is_first_send(self) -> bool:
        """Whether this is the first thing that would be sent at all, by whoever worked on this operation."""
        others = [each for each in self.operation.record.steps if each.name != self.kept.name]
        return self.kept.sends == 1 and not any(each.sends or each.hook for each in others)

    def _decided_anew(self, pair: Pair) -> Ending | None:
        """The whole judgement once more, with fresh eyes: the same course must come out."""
        operation = self.operation
        context = self.desk.watcher.context(operation.intent, joins=operation.record)
        driver = self.desk.backends.driver(self.end.backend)
        fresh = replace(context, own_transient=self.kept.sends > 1, other_operation=None)
        decision = decide(operation.intent, pair, fresh, driver.recipe)
        plan = operation.proposal.plan
        if isinstance(decision, Refusal):
            return self._world_changed(decision)
        if operation.used is not None:
            return endings.came_into_use(operation.used, pair, operation.record, changed=False)
        if self.kept.sends > 1 and (unused := self._to_be_unused(pair)) is not None:
            return endings.unwatched(unused, operation.record, changed=False)
        if not any(step.action for step in decision.steps) and self._is_first_send():
            return self._done_by_somebody_else(pair)
        same = decision.course is plan.course and decision.new_source is plan.new_source
        if same and (self.step.name, self.step.action) in _firsts(decision):
            return None
        return self._world_changed(None)

    def _done_by_somebody_else(self, pair: Pair) -> Ending:
        """All of it, since the plan was made, and proven; nothing was sent, and nothing of it is told as ours."""
        self.kept = self.operation.note(self.kept, sends=0)
        self._record(pair)
        return Ending(Outcome.UNCHANGED, reached=True)

    def _to_be_unused(self, pair: Pair) -> Observation | None:
        """The end that nobody may have used meanwhile, where nobody watched it; unless that was acknowledged anew."""
        if self.step.unplanned or not self.operation.unwatched:
            return None
        goals = ((self.step.begins.of(side), pair.end(side)) for side in self.step.begins.sides)
        return next((seen for goal, seen in goals if goal is not None and goal.unused is not None), None)

    def _world_changed(self, refusal: Refusal | None) -> Ending:
        return endings.world_changed(refusal, changed=self.operation.changed)

    def _await_beginning(self, pair: Pair) -> Ending | None:
        """A later step begins when both ends are where the one before left them; views lag, so wait for it."""
        deadline = self._deadline()
        steady_since = self.desk.clock.monotonic()
        poll = FIRST_POLL_SECONDS
        while not (self.step.begins.met_by(pair) or self.step.goal.met_by(pair)):
            now = self.desk.clock.monotonic()
            odd = self._all_read(pair) and not self._changing(pair)
            steady_since = steady_since if odd else now
            if odd and now - steady_since >= SETTLE_SECONDS:
                return self._world_changed(None)
            if now >= deadline:
                why = Outcome.CONFLICT if self._all_read(pair) else Outcome.UNREACHABLE
                return endings.stopped(
                    Outcome.PARTIAL if self.operation.changed else why,
                    "cannot-go-on",
                    self._reads(pair),
                    "replctl status; then the command again",
                )
            if self._wait(min(poll, deadline - now)):
                return self._interrupted()
            poll = min(poll * POLL_GROWTH, LONGEST_POLL_SECONDS)
            pair = self.operation.look()
        return None

    # -- waiting ---------------------------------------------------------------------------------------------

    def _await(self) -> Ending | None:
        """Look until the goal is seen, the change is proven not to have happened, or the deadline has come."""
        poll = FIRST_POLL_SECONDS
        while True:
            pair = self.operation.look()
            self._tell(pair)
            if self.step.goal.met_by(pair):
                self._reached(pair)
                return None
            ending, sent_again = self._judge(pair)
            if ending is not None:
                return ending
            now, deadline = self.desk.clock.monotonic(), self._deadline()
            if now >= deadline:
                return self._expired(pair)
            if self._wait(min(poll, deadline - now)):
                return self._interrupted()
            poll = FIRST_POLL_SECONDS if sent_again else min(poll * POLL_GROWTH, LONGEST_POLL_SECONDS)

    def _wait(self, seconds: float) -> bool:
        cancel = self.operation.request.cancel
        if cancel is not None and cancel.is_set:
            return True
        return self.desk.clock.wait(seconds, cancel)

    def _reached(self, pair: Pair) -> None:
        if self.kept.sends:
            self.tracker_caused()
            self.operation.changed = True
        self._record(pair)
        for side in self.step.goal.sides:
            goal, seen = self.step.goal.of(side), pair.end(side)
            if goal is not None and goal.proven and seen.claim is not None:
                self.prove(seen.backend, claim=seen.claim)

    def prove(self, backend: str, **proven: str | float | None) -> None:
        """Remember what was proven of an end, beside what was before."""
        key, store = self.operation.intent.replication.key, self.desk.store
        try:
            before = store.proofs(key).get(backend, Proof())
            store.remember_proof(key, backend, replace(before, **proven))  # type: ignore[arg-type]  # Proof's own names
        except UNWRITTEN as error:
            self.desk.report(Noticed(topic="journal", message=error.message))

    def _record(self, pair: Pair) -> None:
        try:
            self.operation.tracker.settled(pair, self.step, sent=self.kept.sends > 0)
        except UNWRITTEN as error:
            self.desk.report(Noticed(topic="journal", message=error.message))

    def tracker_caused(self) -> None:
        try:
            self.operation.tracker.caused(self.step, self.backends)
        except UNWRITTEN as error:
            self.desk.report(Noticed(topic="journal", message=error.message))

    def _judge(self, pair: Pair) -> tuple[Ending | None, bool]:
        """What the present look means: an ending, or that the step was sent again, or neither."""
        self._follow_job()
        steady = self._steady_for(pair)
        if self._changing(pair):
            return self._somebody_elses(pair), False
        if self.refused is not None:
            return (self._refusal(pair) if steady >= REFUSED_SETTLE_SECONDS else None), False
        if self.outdated is not None and self._untouched(pair):
            return self._proven_unsent()
        if steady < SETTLE_SECONDS:
            return None, False
        if self.step.goal.claimed_by(pair):
            return endings.unverified(self._claiming(pair), self.operation.record.operation_id), False
        if self.step.action is None:
            return (self._stranded(pair) if self.kept.sends else None), False
        if not self._untouched(pair):
            return self._stranded(pair), False
        if self.kept.phase in (StepPhase.LOST, StepPhase.INTENDED):
            return self._proven_unsent()
        if not self.job_ended:
            return None, False
        return endings.in_vain(self.kept, self.operation.record.operation_id, self._reads(pair)), False

    def _somebody_elses(self, pair: Pair) -> Ending | None:
        """A transient: ours to wait for, unless the backend refused our change and it only began after that."""
        if self.refused is None:
            self.under_way = self.kept.sends > 0
        if self.under_way or self.kept.sends > 1:
            self.tracker_caused()
            return None
        if self.refused is None or self.operation.changed:
            return None
        if self._was_accepted_and_shows(pair):
            return endings.whose(self.end.backend, self._reads(pair), self.operation.record.operation_id)
        return endings.foreign(self.end.backend, self._reads(pair))

    def _was_accepted_and_shows(self, pair: Pair) -> bool:
        """The backend took our change, its job broke off at once, and one like it shows: ours, or a stranger's.

        An end that steps down is read as a source while the other one is a source too: it shows, all the same.
        """
        if self.kept.phase is not StepPhase.ACCEPTED:
            return False
        both = pair.local.state is State.SOURCE and pair.peer.state is State.SOURCE
        shown = {State.DEMOTING: State.SOURCE} if both else {}
        seen = ((pair.end(side), target) for side, _, target in self.step.moves)
        return any(
            end.trouble is None and end.changing and end.state in (target, shown.get(target))
            for end, target in seen
        )

    def _proven_unsent(self) -> tuple[Ending | None, bool]:
        """Both ends have been untouched for long enough: what was sent did not happen."""
        if self.kept.sends >= MOST_SENDS and self.outdated is not None:
            return self.operation.failed(self.outdated), False
        if self.kept.sends >= MOST_SENDS:
            error = OutcomeUnknown(
                f"sent {self.kept.sends} times and never seen to happen", backend=self.end.backend
            )
            return endings.stopped(Outcome.UNKNOWN, error.code, str(error)), False
        ending = self._send()
        return ending, ending is None

    def _claiming(self, pair: Pair) -> Observation:
        """The end whose role is claimed and not proven."""
        return next(pair.end(side) for side in self.step.goal.sides if pair.end(side).unproven)

    def _refusal(self, pair: Pair) -> Ending:
        """The backend's no. Of a change that it never began, what differs since may be somebody else's doing."""
        assert self.refused is not None
        untouched = self._untouched(pair)
        ours = self.under_way or self.kept.sends > 1 or self.operation.changed
        if ours or untouched or not self._all_read(pair):
            return self.operation.failed(self.refused, touched=self.under_way or not untouched)
        if self.kept.phase is StepPhase.ACCEPTED:
            return endings.whose(self.end.backend, self._reads(pair), self.operation.record.operation_id)
        return endings.foreign(self.end.backend, self._reads(pair))

    def _stranded(self, pair: Pair) -> Ending | None:
        """It ended somewhere else: neither where it began nor where it should."""
        if not self._all_read(pair) or self.step.goal.nearly_met_by(pair):
            return None
        self._record(pair)
        self.operation.changed = True
        reached = [side for side in self.step.goal.sides if self._is_reached(side, pair)]
        if self.step.repeatable and len(reached) == 1:
            return self._half_reached(reached[0], pair)
        return endings.stopped(
            Outcome.PARTIAL,
            "ended-elsewhere",
            f"{self.step.name} did not end as it should: {self._reads(pair)}{self._ails(pair)}",
            f"replctl explain {self.operation.intent.replication.key}",
        )

    def _is_reached(self, side: Side, pair: Pair) -> bool:
        goal = self.step.goal.of(side)
        return goal is not None and goal.met_by(pair.end(side))

    def _half_reached(self, side: Side, pair: Pair) -> Ending:
        """Done on one end, and the other can be reached by asking again."""
        here, there = self.backends[side], self.backends[side.other]
        message = f"{self.step.name} reached {here} only, not {there}: {self._reads(pair)}"
        remedy = f"replctl {self.operation.record.verb} {self.operation.record.replication}"
        return endings.stopped(Outcome.PARTIAL, "reached-one-end", message, remedy)

    def _follow_job(self) -> None:
        """Ask after the backend's own handle of the work: its no comes sooner there than from the states."""
        if self.receipt is None or self.receipt.job is None or self.job_ended or self.refused is not None:
            return
        look = Look(deadline=self.desk.clock.monotonic() + self.desk.watcher.budget_seconds)
        try:
            followed = self.desk.backends.driver(self.end.backend).follow(self.receipt, look)
        except ReplctlError:
            return  # the states tell too, only later
        self.job_ended = followed.ended
        if followed.failure is not None:
            began = (followed.ran_seconds or 0.0) > REFUSED_WITHIN_SECONDS
            self.under_way = self.under_way or began
            self.refused = Rejected(
                followed.failure, vendor_code=followed.vendor_code, backend=self.end.backend
            )

    # -- reading ---------------------------------------------------------------------------------------------

    def _sides(self) -> tuple[Side, ...]:
        return tuple(dict.fromkeys((*self.step.goal.sides, *self.step.begins.sides)))

    def _all_read(self, pair: Pair) -> bool:
        return all(self._is_read(side, pair) for side in self._sides())

    def _is_read(self, side: Side, pair: Pair) -> bool:
        """Read; or proven not to be there, where the step speaks of that."""
        goals = (self.step.goal.of(side), self.step.begins.of(side))
        seen = pair.end(side)
        return seen.trouble is None or any(goal.can_judge(seen) for goal in goals if goal is not None)

    def _changing(self, pair: Pair) -> bool:
        ends = [(side, pair.end(side)) for side in self._sides()]
        return any(
            seen.trouble is None and seen.changing and not self._as_before(side, seen) for side, seen in ends
        )

    def _as_before(self, side: Side, seen: Observation) -> bool:
        """A transient that was there before we sent anything is not of our making."""
        if self.before is None:
            return False
        was = self.before.end(side)
        return was.changing and was.word == seen.word

    def _untouched(self, pair: Pair) -> bool:
        return self._all_read(pair) and self.step.begins.met_by(pair)

    def _steady_for(self, pair: Pair) -> float:
        """For how long all that matters has been read, quiet, and in one piece: untouched or stranded."""
        now = self.desk.clock.monotonic()
        kind = (self._untouched(pair), *(pair.end(side).state for side in self._sides()))
        quiet = self._all_read(pair) and not self._changing(pair)
        if not quiet or kind != self.last_words or self.steady_since is None:
            self.last_words = kind
            self.steady_since = now if quiet else None
        return now - self.steady_since if self.steady_since is not None else 0.0

    def _deadline(self) -> float:
        """When to stop waiting, on the monotonic clock: the step's own, or the person's `--timeout`."""
        wanted = self.operation.request.timeout_seconds
        if wanted is not None:
            return self.operation.started_at + wanted
        own = self.began + self.step.deadline_seconds
        return max(own, self.patience.until) if self.step.patient else own

    def _tell(self, pair: Pair) -> None:
        progress = pair.local.progress or pair.peer.progress
        if progress is not None and progress.percent is not None:
            sure = self._changing(pair) or self._all_read(pair)
            self.patience.note(progress.percent, self.desk.clock.monotonic(), sure=sure)
        self.desk.report(
            StepWaits(
                operation_id=self.operation.record.operation_id,
                replication=self.operation.intent.replication.key,
                step=self.step.name,
                local_word=_word(pair.local),
                peer_word=_word(pair.peer),
                elapsed_seconds=self.desk.clock.monotonic() - self.began,
                progress=progress,
            )
        )

    def _reads(self, pair: Pair) -> str:
        return "; ".join(f"{seen.backend} reads {_word(seen)}" for seen in (pair.local, pair.peer))

    def _ails(self, pair: Pair) -> str:
        """What is wrong with an end that is in its role and should be well there."""
        goals = [(self.step.goal.of(side), pair.end(side)) for side in self.step.goal.sides]
        ill = [seen for goal, seen in goals if goal is not None and goal.healthy and not seen.healthy]
        return "".join(f"; {seen.backend}: {seen.sentence}" for seen in ill)

    # -- not reached -----------------------------------------------------------------------------------------

    def _interrupted(self) -> Ending:
        begun = self.operation.changed or self._may_be_under_way() or self.step.action is None
        return endings.interrupted(self.kept, self.operation.record.operation_id, begun=begun)

    def _expired(self, pair: Pair) -> Ending:
        """The deadline has come: say what is known, which is never that it failed."""
        remedy = f"replctl op resume {self.operation.record.operation_id}"
        goal_read = all(self._is_read(side, pair) for side in self.step.goal.sides)
        under_way = self.step.goal.nearly_met_by(pair) and not self._untouched(pair)
        running = self._changing(pair) or self.step.action is None or self._job_runs() or under_way
        if goal_read and running:
            message = f"{self.step.name} is still in progress ({self._reads(pair)})"
            return endings.stopped(Outcome.IN_PROGRESS, "deadline", message, remedy)
        message = f"what became of {self.step.name} is not known ({self._reads(pair)})"
        return endings.stopped(Outcome.UNKNOWN, "outcome-unknown", message, remedy)

    def _job_runs(self) -> bool:
        return self.receipt is not None and self.receipt.job is not None and not self.job_ended


def _firsts(plan: Plan) -> list[tuple[str, str | None]]:
    """The steps that may be next where no role was changed yet: errands, and the one after them."""
    changes = [number for number, step in enumerate(plan.steps) if not step.errand]
    last = changes[0] + 1 if changes else len(plan.steps)
    return [(step.name, step.action) for step in plan.steps[:last]]


def _word(seen: Observation) -> str:
    if seen.trouble is not None:
        return f"nothing ({seen.trouble.message})"
    return seen.word or str(seen.state or "unknown")
