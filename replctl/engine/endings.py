"""How a step, or a whole operation, comes to an end that is not simple success: outcome, words, the way on.

Pure wording. Which of them it is, the carrying decides.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from replctl.core.errors import ReplctlError
from replctl.core.journal import OperationRecord, StepRecord
from replctl.core.model import Observation, Pair
from replctl.core.outcomes import Outcome
from replctl.core.plans import Refusal
from replctl.core.results import Failure


@dataclass(frozen=True, slots=True)
class Ending:
    """How a step, or the whole operation, came out when it did not simply succeed.

    `reached`: the operation's goal was observed all the same, and only what comes after it is not as it should be.
    """

    outcome: Outcome
    failure: Failure | None = None
    refusal: Refusal | None = None
    reached: bool = False


def stopped(outcome: Outcome, code: str, message: str, remedy: str = "") -> Ending:
    return Ending(outcome, Failure(code=code, message=message, remedy=remedy))


def errored(outcome: Outcome, error: ReplctlError) -> Ending:
    failure = Failure(code=error.code, message=str(error), remedy=error.remedy, retry_at=error.retry_at)
    return Ending(outcome, failure)


def as_it_ended(step: StepRecord) -> Ending:
    """A step had ended badly, and the process died before it could say so of the operation."""
    failure = None
    if step.error_code is not None:
        failure = Failure(code=step.error_code, message=step.error_message or "")
    return Ending(step.outcome or Outcome.UNKNOWN, failure)


def not_waited_for(step: StepRecord, operation_id: str) -> Ending:
    return stopped(
        Outcome.IN_PROGRESS,
        "not-waited-for",
        f"{step.name} was accepted and goes on",
        f"replctl op resume {operation_id}",
    )


def unacknowledged(record: OperationRecord, *, late: bool) -> Ending:
    """Nothing is sent without its acknowledgement; the flags to give anew are printed as they were typed."""
    why = "ended with the operation's deadline" if late else "is not given this time"
    return stopped(
        Outcome.UNKNOWN,
        "acknowledgement-expired",
        f"the step was not seen to happen, and what was acknowledged for it {why}",
        shlex.join(["replctl", "op", "resume", record.operation_id, *record.acknowledged]),
    )


def gone(*, changed: bool) -> Ending:
    return stopped(
        Outcome.PARTIAL if changed else Outcome.CONFLICT,
        "operation-gone",
        "the operation was abandoned, or its store was taken away; nothing more is sent",
        "replctl status, then type the command again",
    )


def world_changed(refusal: Refusal | None, *, changed: bool) -> Ending:
    why = ", ".join(refusal.names) if refusal else "it would now be done differently"
    failure = Failure(
        code="world-changed",
        message=f"since the plan was made the world changed ({why}); nothing was sent",
        remedy=refusal.next if refusal else "type the command again",
    )
    return Ending(Outcome.PARTIAL if changed else Outcome.CONFLICT, failure, refusal)


def came_into_use(used: Observation, pair: Pair, record: OperationRecord, *, changed: bool) -> Ending:
    """Somebody uses, or used, the end that was to step down: telling it to would drop what was written there."""
    seen = f"{used.backend} came into use since the plan was accepted ({used.in_use or 'no longer'} attached)"
    if not changed:
        message = f"{seen}; nothing was promoted, and it is still the source"
        remedy = "stop what uses it; then the command again"
        return stopped(Outcome.CONFLICT, "source-in-use", message, remedy)
    other = pair.peer if used.backend == pair.local.backend else pair.local
    message = f"{seen}, and {other.backend} is the source already: split brain, both may be written to"
    remedy = f"decide whose data to keep: replctl reprotect {record.replication} --survivor=BACKEND"
    return stopped(Outcome.PARTIAL, "source-in-use", message, remedy)


def unwatched(seen: Observation, record: OperationRecord, *, changed: bool) -> Ending:
    """Nobody looked for a while whether the end was used that is to step down, and drops what it alone holds then."""
    why = f"nobody watched {seen.backend} for a while, so that somebody may have used it and be gone again"
    if not changed:
        message = f"{why}; nothing was promoted, and it is still the source"
        return stopped(Outcome.CONFLICT, "unwatched", message, "type the command again: it begins anew")
    message = f"{why}, and both ends can be written to"
    remedy = f"decide whose data to keep: replctl reprotect {record.replication} --survivor=BACKEND"
    return stopped(Outcome.PARTIAL, "unwatched", message, remedy)


def unverified(seen: Observation, operation_id: str) -> Ending:
    """The backend says that it is done, and nothing proves it."""
    doubt = seen.doubt or seen.sentence
    return stopped(
        Outcome.UNKNOWN,
        "unverified",
        f"{seen.backend} says that it is the {seen.state}, which was not verified: {doubt}",
        f"once that can be proven: replctl op resume {operation_id}; else op abandon, and mend it at the storage",
    )


def errand_failed(step: StepRecord, why: str) -> Ending:
    """No role was changed."""
    message = f"{step.name} did not succeed, and nothing was promoted: {why}"
    return stopped(Outcome.FAILED, "errand-failed", message, "mend that; then the command again")


def foreign(backend: str, reads: str) -> Ending:
    """The backend refused our change because of another one that is under way there."""
    return stopped(
        Outcome.CONFLICT,
        "foreign-operation",
        f"{backend} is busy with a change that we did not begin ({reads})",
        "replctl status; then the command again",
    )


def whose(backend: str, reads: str, operation_id: str) -> Ending:
    """The backend took our change and called it off at once, and the ends read otherwise since."""
    return stopped(
        Outcome.UNKNOWN,
        "outcome-unknown",
        f"{backend} took the change and called it off; whose doing shows since, cannot be told ({reads})",
        f"replctl op resume {operation_id}",
    )


def in_vain(step: StepRecord, operation_id: str, reads: str) -> Ending:
    """It was accepted, its job is over, and nothing shows of it: done and undone again, or never done."""
    return stopped(
        Outcome.UNKNOWN,
        "outcome-unknown",
        f"{step.name} was accepted and is over, and nothing shows of it ({reads})",
        f"replctl op abandon {operation_id}; then the command again",
    )


def interrupted(step: StepRecord, operation_id: str, *, begun: bool) -> Ending:
    if begun:
        text = f"stopped waiting for {step.name}; what was begun goes on"
        remedy = f"replctl op resume {operation_id}"
    else:
        text = f"interrupted before {step.name} was sent; nothing was changed"
        remedy = f"replctl op abandon {operation_id}, or go on: replctl op resume {operation_id}"
    return stopped(Outcome.INTERRUPTED, "interrupted", text, remedy)
