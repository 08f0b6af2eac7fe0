"""Carrying out a hook: a step that sends nothing and runs a program instead (design §4).

Its intent is written down before it runs and its end after. A `before_demote` that does not agree refuses, for
nothing has been changed yet; an `after_promote` that fails leaves the promotion as it was observed. One that was
begun and whose end is not known is run again: hooks have to bear that.
"""

from __future__ import annotations

from dataclasses import replace

from replctl.clock import Cancel
from replctl.core.advice import again
from replctl.core.events import Noticed
from replctl.core.guards import GUARDS
from replctl.core.hooks import Hook, HookCall, HookSet, Moment, Ran
from replctl.core.journal import StepPhase, StepRecord
from replctl.core.model import Replication
from replctl.core.outcomes import Outcome
from replctl.core.plans import Evidence, Refusal, Step
from replctl.core.results import Failure, OperationResult
from replctl.core.surrounding import ends_group, lasts, surrounded
from replctl.engine.endings import Ending
from replctl.engine.requests import Proposal, Request
from replctl.engine.underway import Underway

VETOED = "hook-vetoed"


class NoHooks:
    """Fits `engine.ports.Programs` where there are none."""

    def of(self, replication: Replication) -> HookSet:
        return HookSet()

    def run(self, hook: Hook, told: OperationResult, timeout_seconds: float, cancel: Cancel | None) -> Ran:
        return Ran(fault="cannot be started: there are no hooks here")


def with_hooks(proposal: Proposal, hooks: HookSet) -> Proposal:
    """The proposal with its hooks as steps."""
    group = proposal.intent.replication.group
    plan = surrounded(proposal.plan, hooks, group, goes_on=proposal.joins is not None)
    return replace(proposal, plan=plan)


def in_groups(judged: list[Proposal | OperationResult], request: Request) -> list[Proposal | OperationResult]:
    """What only the last of a group does is taken from all others; the command's members learn of each other."""
    members = [each.intent.replication for each in judged if isinstance(each, Proposal)]
    request.together.expect((each.key, each.group) for each in members)
    for each in judged:
        if isinstance(each, OperationResult):
            request.together.ended(each.key, each.group, each.outcome)
    last = lasts((each.key, each.group, each.order) for each in members)
    return [
        _without_group_end(each)
        if isinstance(each, Proposal) and each.intent.replication.key not in last
        else each
        for each in judged
    ]


def _without_group_end(proposal: Proposal) -> Proposal:
    steps = tuple(step for step in proposal.plan.steps if not ends_group(step))
    return replace(proposal, plan=replace(proposal.plan, steps=steps))


def hooks_left(steps: tuple[StepRecord, ...]) -> bool:
    """Whether an operation still has hooks to run."""
    return any(step.hook and step.phase is not StepPhase.ENDED for step in steps)


class HookRun:
    """One hook of an operation, from its intent to its outcome."""

    def __init__(self, operation: Underway, step: Step, kept: StepRecord) -> None:
        assert step.hook is not None
        self.operation = operation
        self.desk = operation.desk
        self.step = step
        self.call: HookCall = step.hook
        self.kept = kept
        self.began = self.desk.clock.monotonic()

    @property
    def is_before(self) -> bool:
        return self.call.moment is Moment.BEFORE_DEMOTE

    def run(self) -> Ending | None:
        """None when it ended well, else how the operation ends."""
        if self.kept.phase is StepPhase.ENDED:
            return self._ending(self.kept.error_message or "it did not end well")
        if not self.is_before and self.call.group is not None:
            ending, ready = self._wait_for(self.call.group)
            if not ready:
                return ending
        self._begin()
        ran = self._run()
        if ran.interrupted:
            self._close(Outcome.INTERRUPTED, ran)
            return self._interrupted()
        if ran.well:
            self._close(Outcome.SUCCEEDED, ran)
            return None
        self._close(Outcome.REFUSED if self.is_before else Outcome.FAILED, ran)
        return self._ending(self._sentence(ran))

    def _begin(self) -> None:
        self.operation.tell_began(self.step, self.kept)
        self.kept = self.operation.intend(self.kept, phase=StepPhase.INTENDED, started=self.desk.clock.now())

    def _run(self) -> Ran:
        cancel = self.operation.request.cancel
        if cancel is not None and cancel.is_set:
            return Ran(interrupted=True)
        if self.call.group is None:
            return self._program()
        return self.operation.request.together.once(self.call, self._program, self.desk.clock, cancel)

    def _program(self) -> Ran:
        operation, hook = self.operation, self.call.hook
        told = self.desk.tell.result(
            operation.intent, Outcome.IN_PROGRESS, record=operation.record, pair=operation.pair
        )
        if not self.is_before:  # whoever maps volumes is told which
            source, cancel = operation.proposal.plan.new_source, operation.request.cancel
            left = operation.hosts.left(operation.intent, source, operation.pair, cancel)
            told = replace(told, left_to_do=left)
        return self.desk.hooks.run(hook, told, self._seconds(), operation.request.cancel)

    def _seconds(self) -> float:
        """Its own time-out, within the person's `--timeout` of the whole operation."""
        own, whole = self.call.hook.timeout_seconds, self.operation.request.timeout_seconds
        if whole is None:
            return own
        return max(0.0, min(own, self.operation.started_at + whole - self.desk.clock.monotonic()))

    def _wait_for(self, group: str) -> tuple[Ending | None, bool]:
        """The hook of a whole group, once all other members have ended well; else it is left and that is said."""
        together, key = self.operation.request.together, self.operation.intent.replication.key
        if not together.others_ended(key, group, self.desk.clock, self.operation.request.cancel):
            return self._interrupted(), False
        unwell = together.unwell(group)
        if unwell:
            why = f"{self.call.moment} of group {group} was not run, because of {', '.join(unwell)}"
            self.operation.hosts.add(f"{why}: {self.call.hook.program}", self.kept.backend)
            self.desk.report(Noticed(topic="hook", message=why))
        return None, not unwell

    def _close(self, outcome: Outcome, ran: Ran) -> None:
        clock = self.desk.clock
        over = outcome is not Outcome.INTERRUPTED
        bad = outcome in (Outcome.REFUSED, Outcome.FAILED)
        self.kept = self.operation.note(
            self.kept,
            phase=StepPhase.ENDED if over else self.kept.phase,
            outcome=outcome,
            finished=clock.now() if over else None,
            said=ran.said or None,
            error_code=(VETOED if self.is_before else "hook-failed") if bad else None,
            error_message=self._sentence(ran) if bad else None,
        )
        self.operation.tell_ended(self.step, self.kept, outcome, clock.monotonic() - self.began)

    def _sentence(self, ran: Ran) -> str:
        return f"{self.call.hook.program} {ran.sentence}"

    # -- endings ---------------------------------------------------------------------------------------------

    def _ending(self, why: str) -> Ending:
        return self._veto(why) if self.is_before else self._failed(why)

    def _veto(self, why: str) -> Ending:
        operation = self.operation
        at = self.kept.finished if self.kept.finished is not None else self.desk.clock.now()
        evidence = Evidence(fact=self.step.name, value=why, as_of=at)
        refusal = Refusal(guards=(GUARDS[VETOED].says_no(evidence),), next=again(operation.intent))
        return Ending(Outcome.PARTIAL if operation.changed else Outcome.REFUSED, refusal=refusal)

    def _failed(self, why: str) -> Ending:
        failure = Failure(
            code="hook-failed",
            message=f"{self.kept.backend} is the source, and was observed as such; {self.step.name}: {why}",
            remedy=f"run it by hand: the promotion is done, so that {self.call.hook.program} is not run again",
        )
        return Ending(Outcome.PARTIAL, failure, reached=True)

    def _interrupted(self) -> Ending:
        open_id = self.operation.record.operation_id
        if self.is_before:
            text = f"interrupted during {self.step.name}; nothing was changed"
            remedy = f"replctl op abandon {open_id}, or go on: replctl op resume {open_id}"
        else:
            text = f"interrupted before {self.step.name} ended; {self.kept.backend} is the source"
            remedy = f"replctl op resume {open_id}"
        failure = Failure(code="interrupted", message=text, remedy=remedy)
        return Ending(Outcome.INTERRUPTED, failure, reached=not self.is_before)
