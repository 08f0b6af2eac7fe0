"""What a command leaves behind for completion: the names of the file, and how it saw them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from replctl.core.model import State, StateNote
from replctl.core.outcomes import Outcome

if TYPE_CHECKING:
    from replctl.cli.session import Session
    from replctl.core.results import OperationResult


SEEN: Mapping[Outcome, Callable[[OperationResult], State | None]] = {
    Outcome.SUCCEEDED: lambda result: result.to_state,
    Outcome.UNCHANGED: lambda result: result.to_state,
    Outcome.PLANNED: lambda result: result.from_state,
}


def keep(session: Session) -> None:
    for report in session.reports:
        session.states.update(report.states_shown)
    session.services.keep_names(session.services.replications.values(), session.states)


def of_results(results: Iterable[OperationResult]) -> Iterator[tuple[str, str]]:
    """Keys and states of those whose local end was seen: where a change led to, or what a plan would change."""
    for each in results:
        state = SEEN[each.outcome](each) if each.outcome in SEEN else None
        if state is not None:
            yield each.key, (state or StateNote.ABSENT).value
