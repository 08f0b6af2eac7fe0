"""What became of a command, as its result: one wording for whatever ended it.

Values in, an `OperationResult` out; of the surroundings only the correlation id is read. What an outcome is was
decided before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from replctl.core.errors import InvalidConfiguration, InvalidInput, NotInstalled, ReplctlError
from replctl.core.journal import OperationRecord
from replctl.core.model import Holder, Intent, Observation, Pair, TroubleKind, Who
from replctl.core.outcomes import OPEN, Outcome, outcome_of
from replctl.core.plans import Plan, Refusal
from replctl.core.results import Failure, OperationResult
from replctl.correlation import current

_CODES = {  # what the kind of trouble alone does not tell
    InvalidInput.code: Outcome.INVALID,
    InvalidConfiguration.code: Outcome.INVALID,
    NotInstalled.code: Outcome.NOT_FOUND,
}
_TROUBLES = {
    TroubleKind.CREDENTIALS: Outcome.UNAUTHORIZED,
    TroubleKind.ABSENT: Outcome.NOT_FOUND,
    TroubleKind.AMBIGUOUS: Outcome.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class Teller:
    """Words results for the one who asks."""

    who: Who

    def troubled(self, intent: Intent, seen: Observation, remedy: str = "") -> OperationResult:
        trouble = seen.trouble
        assert trouble is not None
        failure = Failure(
            code=trouble.code,
            message=f"{seen.backend}: {trouble.message}",
            remedy="; ".join(each for each in (trouble.remedy, remedy) if each),
            retry_at=trouble.retry_at,
        )
        outcome = _CODES.get(trouble.code) or _TROUBLES.get(trouble.kind, Outcome.UNREACHABLE)
        return self.result(intent, outcome, failure=failure, backend=seen.backend)

    def refused(self, intent: Intent, refusal: Refusal, pair: Pair) -> OperationResult:
        unsupported = set(refusal.names) == {"unsupported"}
        outcome = Outcome.UNSUPPORTED if unsupported else Outcome.REFUSED
        if refusal.conflict:
            outcome = Outcome.CONFLICT
        return self.result(intent, outcome, refusal=refusal, pair=pair)

    def unverified(
        self, intent: Intent, plan: Plan, pair: Pair, doubtful: Sequence[Observation]
    ) -> OperationResult:
        """So already as the ends say, and not proven of these."""
        backends = ", ".join(sorted(seen.backend for seen in doubtful))
        why = "".join(f": {seen.doubt}" for seen in doubtful if seen.unproven and seen.doubt)
        failure = Failure(
            code="unverified",
            message=f"the last change on {backends} was never verified{why}",
            remedy=f"replctl explain {intent.replication.key}",
        )
        return self.result(intent, Outcome.UNKNOWN, plan=plan, pair=pair, failure=failure)

    def ended(self, intent: Intent, record: OperationRecord) -> OperationResult:
        failure = None
        if record.error_code:
            failure = Failure(code=record.error_code, message=record.error_message or "")
        outcome = record.outcome or Outcome.UNKNOWN
        if record.abandoned_by:
            failure = Failure(
                code="abandoned",
                message=f"abandoned by {record.abandoned_by}",
                remedy=f"see what became of it: replctl explain {intent.replication.key}",
            )
            outcome = Outcome.UNKNOWN if outcome in OPEN else outcome  # it is waited for in vain
        return self.result(intent, outcome, record=record, failure=failure)

    def still_open(self, intent: Intent, record: OperationRecord, why: str, verb: str) -> OperationResult:
        failure = Failure(
            code="operation-open",
            message=f"{record.verb} of {record.replication} is not finished: {why}",
            remedy=f"replctl {verb} {record.operation_id}",
        )
        return self.result(intent, Outcome.IN_PROGRESS, record=record, failure=failure)

    def errored(self, intent: Intent, error: ReplctlError, holder: Holder | None = None) -> OperationResult:
        failure = Failure(code=error.code, message=str(error), remedy=error.remedy, retry_at=error.retry_at)
        return self.result(intent, outcome_of(error.exit_code), failure=failure, holder=holder)

    def result(
        self,
        intent: Intent,
        outcome: Outcome,
        *,
        record: OperationRecord | None = None,
        plan: Plan | None = None,
        pair: Pair | None = None,
        refusal: Refusal | None = None,
        failure: Failure | None = None,
        holder: Holder | None = None,
        backend: str | None = None,
    ) -> OperationResult:
        replication = intent.replication
        data_loss = refusal.data_loss if refusal else plan.data_loss if plan else None
        return OperationResult(
            operation_id=record.operation_id if record else None,
            correlation_id=current(),
            verb=intent.verb.value,
            namespace=replication.namespace,
            name=replication.name,
            backend=backend or replication.local.backend,
            outcome=outcome,
            from_state=record.from_state if record else plan.from_state if plan else None,
            to_state=record.to_state if record else plan.to_state if plan else None,
            started=record.began if record else None,
            finished=record.finished if record else None,
            who=record.who if record else self.who,
            reason=record.reason if record else None,
            group=record.group if record else replication.group,
            acknowledged=_all_flags(intent, record),
            steps=record.steps if record else (),
            data_loss=record.data_loss if record and record.data_loss else data_loss,
            refusal=refusal,
            holder=holder,
            failure=failure,
            plan=plan,
            pair=pair,
        )


def _all_flags(intent: Intent, record: OperationRecord | None) -> tuple[str, ...]:
    """What was acknowledged when the operation began, and by this command."""
    before = record.acknowledged if record is not None else ()
    return tuple(dict.fromkeys((*before, *intent.acknowledged.flags)))
