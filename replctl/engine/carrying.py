"""Carrying out one operation, step by step, so that it can be killed at any instant (design §5).

Every step is journalled before and after; the first that does not succeed ends the operation. What becomes of a
single step is `stepping`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from replctl.clock import Clock
from replctl.core.errors import ReplctlError
from replctl.core.events import Noticed, Report
from replctl.core.journal import OperationRecord, StepPhase, StepRecord
from replctl.core.model import Observation, Pair, Side
from replctl.core.outcomes import OPEN, Outcome, outcome_of
from replctl.core.plans import Step
from replctl.core.surrounding import ends_group
from replctl.engine import endings
from replctl.engine.backends import Backends
from replctl.engine.endings import Ending
from replctl.engine.hooking import HookRun
from replctl.engine.hosts import Hosts
from replctl.engine.looking import Watcher
from replctl.engine.ports import Programs, Store
from replctl.engine.requests import Proposal, Request
from replctl.engine.stepping import CALL_SECONDS, UNWRITTEN, StepRun
from replctl.engine.telling import Teller
from replctl.engine.tracking import Tracker
from replctl.resilience import Look

UNWATCHED_SECONDS = (
    30.0  # who comes, writes and goes again takes longer; looks are at most five seconds apart
)


@dataclass(frozen=True, slots=True)
class Desk:
    """What carrying out needs of the engine."""

    backends: Backends
    watcher: Watcher
    store: Store
    clock: Clock
    report: Report
    hooks: Programs
    tell: Teller


class Carrier:
    """One operation under way. The caller holds the replication's lock."""

    def __init__(self, desk: Desk, proposal: Proposal, record: OperationRecord, request: Request) -> None:
        self.desk = desk
        self.proposal = proposal
        self.intent = proposal.intent
        self.record = record
        self.request = request
        self.pair = proposal.pair
        self.changed = any(step.is_done and step.sends and not step.errand for step in record.steps)
        self.used: Observation | None = None  # the end that was to be unused, seen in use since we began
        self.unwatched = proposal.joins is not None and self._idle_seconds() > UNWATCHED_SECONDS
        self.tracker = Tracker(record, desk.store, desk.clock, desk.report)
        self.started_at = desk.clock.monotonic()
        self.hosts = Hosts(desk.backends, desk.clock)

    def run(self) -> Ending:
        """All steps that are left; the first that does not succeed ends it."""
        self.tracker.begin(self.pair)
        if self.unwatched and not any(kept.sends for kept in self.record.steps if not kept.errand):
            self._forget_errands()
        tail = {step.name: step for step in self.proposal.plan.steps}
        for kept in self._hooked(tail.values()):
            ending = None if kept.is_done else self._step(tail.get(kept.name), kept)
            if ending is not None:
                return ending
        if self._found_done():
            return Ending(Outcome.UNCHANGED, reached=True)
        return Ending(Outcome.SUCCEEDED)

    def _found_done(self) -> bool:
        """Whether somebody else did all of it between the plan and the first change: nothing was sent or run."""
        steps = self.record.steps
        planned = any(step.action for step in self.proposal.plan.steps)
        return planned and not (self.proposal.joins or any(kept.sends or kept.hook for kept in steps))

    def _idle_seconds(self) -> float:
        """For how long nobody may have looked at the ends: since the last thing that was written down of a step."""
        stamps = [at for kept in self.record.steps for at in (kept.started, kept.finished) if at is not None]
        return self.desk.clock.now() - max(stamps, default=self.record.began)

    def _forget_errands(self) -> None:
        """Nothing was changed yet, and what was made for it no longer holds all: it is made anew, by another name."""
        self.unwatched = False
        for kept in self.record.steps:
            if kept.errand and kept.phase is not StepPhase.PENDING:
                self.intend(
                    kept,
                    phase=StepPhase.PENDING,
                    outcome=None,
                    sends=0,
                    started=None,
                    finished=None,
                    result=None,
                    round=kept.round + 1,
                )

    def _step(self, step: Step | None, kept: StepRecord) -> Ending | None:
        """One step that is not known to be done. A hook that the file no longer names is left."""
        if kept.hook:
            return HookRun(self, step, kept).run() if step is not None else None
        if step is None:
            self.note(kept, phase=StepPhase.ENDED, outcome=Outcome.SUCCEEDED)
            self.changed = self.changed or (kept.sends > 0 and not kept.errand)
            return None
        if kept.phase is StepPhase.ENDED:
            return endings.as_it_ended(kept)
        return self._run_of(step, kept).run()

    def _run_of(self, step: Step, kept: StepRecord) -> StepRun:
        if not step.errand:
            return StepRun(self, step, kept)
        from replctl.engine.errands import ErrandRun  # for backends that need any

        return ErrandRun(self, step, kept)

    def _hooked(self, planned: Iterable[Step]) -> tuple[StepRecord, ...]:
        """The steps as recorded, with what an operation gone on with has to do at its end beyond them."""
        known = {kept.name for kept in self.record.steps}
        missing = [step for step in planned if step.name not in known and ends_group(step)]
        for step in missing:
            backend = self.intent.replication.end(step.side).backend
            added = StepRecord(number=len(self.record.steps) + 1, name=step.name, backend=backend, hook=True)
            self.record = replace(self.record, steps=(*self.record.steps, added))
            self.intend(added)
        return self.record.steps

    # -- shared by the steps ---------------------------------------------------------------------------------

    def look(self, *, before_send: bool = False) -> Pair:
        """Both ends, now. An acknowledged unplanned promotion asks past an open breaker, once a send."""
        look = Look(
            deadline=self.desk.clock.monotonic() + self.desk.watcher.budget_seconds,
            retry=before_send,
            probe=self.request.probe or (before_send and self.intent.acknowledged.unplanned),
            cancel=self.request.cancel,
        )
        self.pair = self.desk.watcher.pair_for(self.intent, look)
        self.used = self.used or self._in_use(self.pair)
        return self.pair

    def _in_use(self, pair: Pair) -> Observation | None:
        """An end that somebody uses though a step that is still to come says that nobody may.

        Who has come and gone again between two steps has written what the next one would drop.
        """
        ahead = {kept.name for kept in self.record.steps if kept.phase is not StepPhase.ENDED}
        goals = [
            (pair.end(side), step.begins.of(side))
            for step in self.proposal.plan.steps
            if step.name in ahead
            for side in step.begins.sides
        ]
        used = [seen for seen, goal in goals if goal is not None and goal.unused is not None and seen.in_use]
        return used[0] if used else None

    def clean_up(self, ending: Ending) -> None:
        """Have what errands left removed; what cannot be is said, and changes no outcome."""
        if ending.outcome in OPEN or not any(kept.errand and kept.sends for kept in self.record.steps):
            return
        in_vain = not (self.changed or ending.outcome is Outcome.SUCCEEDED)
        for side in Side:
            end = self.intent.replication.end(side)
            look = Look(deadline=self.desk.clock.monotonic() + CALL_SECONDS, retry=True)
            try:
                driver = self.desk.backends.driver(end.backend)
                driver.tidy(end, self.record.operation_id, look, in_vain=in_vain)
            except ReplctlError as error:
                message = f"what the operation made on {end.backend} could not be removed: {error.message}"
                self.desk.report(Noticed(topic="leftovers", message=message, backend=end.backend))

    def _write(self, kept: StepRecord, **changes: object) -> StepRecord:
        written: StepRecord = replace(kept, **changes)  # type: ignore[arg-type]  # names are StepRecord's own
        self.desk.store.write_step(self.record.operation_id, written)
        steps = tuple(written if each.number == written.number else each for each in self.record.steps)
        self.record = replace(self.record, steps=steps)
        return written

    def intend(self, kept: StepRecord, **changes: object) -> StepRecord:
        """Durable before anything is sent; a store that refuses stops the step."""
        return self._write(kept, **changes)

    def note(self, kept: StepRecord, **changes: object) -> StepRecord:
        """After something was sent: a store that refuses must not stop the looking."""
        try:
            return self._write(kept, **changes)
        except UNWRITTEN as error:
            self.desk.report(Noticed(topic="journal", message=error.message))
            return replace(kept, **changes)  # type: ignore[arg-type]  # names are StepRecord's own

    def failed(self, error: ReplctlError, *, touched: bool = False, open_ended: bool = False) -> Ending:
        """The outcome of an error: its own when nothing was changed, else partial.

        `open_ended`: something was sent of which it is not known what became of it.
        """
        if open_ended:
            return endings.errored(Outcome.UNKNOWN, error)
        partly = self.changed or touched
        return endings.errored(Outcome.PARTIAL if partly else outcome_of(error.exit_code), error)
