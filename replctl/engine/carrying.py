"""Carrying out one operation, step by step, so that it can be killed at any instant (design §5).

Every step is journalled before and after; the first that does not succeed ends the operation. What becomes of a
single step is `stepping`'s.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from replctl.core.errors import ReplctlError
from replctl.core.events import Noticed
from replctl.core.journal import StepPhase, StepRecord
from replctl.core.model import Side
from replctl.core.outcomes import OPEN, Outcome
from replctl.core.plans import Step
from replctl.core.surrounding import ends_group
from replctl.engine import endings
from replctl.engine.endings import Ending
from replctl.engine.hooking import HookRun
from replctl.engine.stepping import CALL_SECONDS, StepRun
from replctl.engine.underway import Underway
from replctl.resilience import Look


def carry_out(operation: Underway) -> Ending:
    """All steps that are left; the first that does not succeed ends it."""
    operation.tracker.begin(operation.pair)
    if operation.unwatched and not any(kept.sends for kept in operation.record.steps if not kept.errand):
        _forget_errands(operation)
    tail = {step.name: step for step in operation.proposal.plan.steps}
    for kept in _hooked(operation, tail.values()):
        ending = None if kept.is_done else _step(operation, tail.get(kept.name), kept)
        if ending is not None:
            return ending
    if _found_done(operation):
        return Ending(Outcome.UNCHANGED, reached=True)
    return Ending(Outcome.SUCCEEDED)


def clean_up(operation: Underway, ending: Ending) -> None:
    """Have what errands left removed; what cannot be is said, and changes no outcome."""
    record, desk = operation.record, operation.desk
    made = any(kept.errand and kept.sends for kept in record.steps)
    if ending.outcome in OPEN or operation.request.only_looks or not made:
        return
    in_vain = not (operation.changed or ending.outcome is Outcome.SUCCEEDED)
    for side in Side:
        end = operation.intent.replication.end(side)
        look = Look(deadline=desk.clock.monotonic() + CALL_SECONDS, retry=True)
        try:
            desk.backends.driver(end.backend).tidy(end, record.operation_id, look, in_vain=in_vain)
        except ReplctlError as error:
            message = f"what the operation made on {end.backend} could not be removed: {error.message}"
            desk.report(Noticed(topic="leftovers", message=message, backend=end.backend))


def _found_done(operation: Underway) -> bool:
    """Whether somebody else did all of it between the plan and the first change: nothing was sent or run."""
    planned = any(step.action for step in operation.proposal.plan.steps)
    begun = any(kept.sends or kept.hook for kept in operation.record.steps)
    return planned and not (operation.proposal.joins or begun)


def _forget_errands(operation: Underway) -> None:
    """Nothing was changed yet, and what was made for it no longer holds all: it is made anew, by another name."""
    operation.unwatched = False
    for kept in operation.record.steps:
        if kept.errand and kept.phase is not StepPhase.PENDING:
            operation.intend(
                kept,
                phase=StepPhase.PENDING,
                outcome=None,
                sends=0,
                started=None,
                finished=None,
                result=None,
                round=kept.round + 1,
            )


def _step(operation: Underway, step: Step | None, kept: StepRecord) -> Ending | None:
    """One step that is not known to be done. A hook that the file no longer names is left."""
    if kept.hook:
        return HookRun(operation, step, kept).run() if step is not None else None
    if step is None:
        operation.note(kept, phase=StepPhase.ENDED, outcome=Outcome.SUCCEEDED)
        operation.changed = operation.changed or (kept.sends > 0 and not kept.errand)
        return None
    if kept.phase is StepPhase.ENDED:
        return endings.as_it_ended(kept)
    return _run_of(operation, step, kept).run()


def _run_of(operation: Underway, step: Step, kept: StepRecord) -> StepRun:
    if not step.errand:
        return StepRun(operation, step, kept)
    from replctl.engine.errands import ErrandRun  # for backends that need any

    return ErrandRun(operation, step, kept)


def _hooked(operation: Underway, planned: Iterable[Step]) -> tuple[StepRecord, ...]:
    """The steps as recorded, with what an operation gone on with has to do at its end beyond them."""
    known = {kept.name for kept in operation.record.steps}
    missing = [step for step in planned if step.name not in known and ends_group(step)]
    for step in missing:
        backend = operation.intent.replication.end(step.side).backend
        number = len(operation.record.steps) + 1
        added = StepRecord(number=number, name=step.name, backend=backend, hook=True)
        operation.record = replace(operation.record, steps=(*operation.record.steps, added))
        operation.intend(added)
    return operation.record.steps
