"""What an array is told, and what became of it: bodies of actions, jobs, the array's messages (CP §3, §5, §7).

Pure. Which action may be taken when is the planner's and the recipe's; sending is the driver's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from replctl.core.errors import InvalidInput, excerpt
from replctl.core.model import Scalar
from replctl.core.plans import Followed
from replctl.drivers.answers import messages_of
from replctl.drivers.powerstore.stamps import moment

ALREADY_FAILED_OVER = "0xE0201005000C"
_WELL = "2"  # the first digit of a status that is well

# Our action, the array's word for it, and the arguments that its body may carry.
_ACTIONS: Mapping[str, tuple[str, frozenset[str]]] = {
    "failover": (
        "failover",
        frozenset({"is_planned", "reverse", "force", "use_test_copy", "failover_snapshot_id"}),
    ),
    "reprotect": ("reprotect", frozenset()),
    "sync": ("sync", frozenset()),
    "pause": ("pause", frozenset()),
    "resume": ("resume", frozenset()),
    "start_test": ("start_failover_test", frozenset({"snapshot_id"})),
    "stop_test": ("stop_failover_test", frozenset({"create_end_of_test_snapshot", "force"})),
}
_ENDED_WELL = frozenset({"Completed", "COMPLETED"})
_ENDED_BADLY = frozenset(
    {"Failed", "Unrecoverable_Failed", "Skipped", "FAILED", "UNRECOVERABLE_FAILED", "SKIPPED"}
)


@dataclass(frozen=True, slots=True)
class Order:
    """One action as the array takes it: the last part of the path, and the body (None: it takes none)."""

    word: str
    body: Mapping[str, Scalar] | None


def order(action: str, arguments: Mapping[str, Scalar]) -> Order:
    """The order for an action; raises InvalidInput for an action or argument that the array does not have.

    A failover without `is_planned` would be a planned one (CP §7), so it is refused here.
    """
    if action not in _ACTIONS:
        raise InvalidInput(f"a PowerStore array has no action {action}")
    word, allowed = _ACTIONS[action]
    given = {name: value for name, value in arguments.items() if value is not None}
    odd = sorted(set(given) - allowed)
    if odd:
        raise InvalidInput(f"{action} takes no {', '.join(odd)}")
    if action == "failover" and not isinstance(given.get("is_planned"), bool):
        raise InvalidInput("a failover must say whether it is planned")
    return Order(word, given or None)


def job_id(body: object) -> str | None:
    """The job that a 202 speaks of."""
    found = body.get("id") if isinstance(body, Mapping) else None
    return found if isinstance(found, str) and found else None


def followed(job: Mapping[str, Any]) -> Followed:
    """What a job says. Completed means that the command has ended, not that the arrays are there yet (CP §5)."""
    said = job.get("phase") or job.get("state")
    phase = said if isinstance(said, str) else ""
    if phase in _ENDED_BADLY:
        return _failed(job, phase)
    if phase not in _ENDED_WELL:
        return Followed(ended=False)
    status = job.get("response_status")
    if isinstance(status, str) and status[:1].isdigit() and not status.startswith(_WELL):
        return _failed(job, f"status {excerpt(status)}")
    return Followed(ended=True)


def _failed(job: Mapping[str, Any], how: str) -> Followed:
    said = messages_of(job.get("response_body"))
    text = excerpt(said.text) or f"the array's job ended: {how}"
    code = excerpt(said.code) if said.code else None
    return Followed(ended=True, failure=text, vendor_code=code, ran_seconds=_ran_seconds(job))


def _ran_seconds(job: Mapping[str, Any]) -> float | None:
    began, ended = moment(job.get("start_time")), moment(job.get("end_time"))
    return None if began is None or ended is None else max(0.0, ended - began)
