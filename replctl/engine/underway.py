"""One operation under way: what its steps share, and the only place that writes down what becomes of them.

Who runs which step is `carrying`'s; what becomes of one is `stepping`'s, `hooking`'s or `errands`'.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from replctl.clock import Clock
from replctl.core.errors import Conflict, ReplctlError, StoreRefused
from replctl.core.events import Noticed, Report, StepBegan, StepEnded
from replctl.core.journal import OperationRecord, StepPhase, StepRecord
from replctl.core.model import Observation, Pair
from replctl.core.outcomes import Outcome, outcome_of
from replctl.core.plans import Step
from replctl.engine import endings
from replctl.engine.backends import Backends
from replctl.engine.endings import Ending
from replctl.engine.hosts import Hosts
from replctl.engine.looking import Watcher
from replctl.engine.ports import Programs, Store
from replctl.engine.requests import Proposal, Request
from replctl.engine.telling import Teller
from replctl.engine.tracking import Tracker
from replctl.resilience import Look

UNWRITTEN = (StoreRefused, Conflict)  # the store cannot be written, or another process keeps it busy
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


class Underway:
    """One operation under way. Whoever holds it holds the replication's lock."""

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

    def _idle_seconds(self) -> float:
        """For how long nobody may have looked at the ends: since the last thing that was written down of a step."""
        stamps = [at for kept in self.record.steps for at in (kept.started, kept.finished) if at is not None]
        return self.desk.clock.now() - max(stamps, default=self.record.began)

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

    def failed(self, error: ReplctlError, *, touched: bool = False, open_ended: bool = False) -> Ending:
        """The outcome of an error: its own when nothing was changed, else partial.

        `open_ended`: something was sent of which it is not known what became of it.
        """
        if open_ended:
            return endings.errored(Outcome.UNKNOWN, error)
        partly = self.changed or touched
        return endings.errored(Outcome.PARTIAL if partly else outcome_of(error.exit_code), error)

    # -- written down, and told ------------------------------------------------------------------------------

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

    def tell_began(self, step: Step, kept: StepRecord) -> None:
        self.desk.report(
            StepBegan(
                operation_id=self.record.operation_id,
                replication=self.intent.replication.key,
                step=step.name,
                number=kept.number,
                of=len(self.record.steps),
                backend=kept.backend,
                sentence=step.sentence,
            )
        )

    def tell_ended(self, step: Step, kept: StepRecord, outcome: Outcome, seconds: float) -> None:
        self.desk.report(
            StepEnded(
                operation_id=self.record.operation_id,
                replication=self.intent.replication.key,
                step=step.name,
                backend=kept.backend,
                outcome=outcome.value,
                seconds=seconds,
            )
        )
