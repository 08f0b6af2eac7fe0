"""Outcomes and exit codes: one table that code, screens, manual and tests read (design §9).

The codes are a contract with scripts. `of_several` folds the outcomes of many replications into one code so
that the worst truth wins: anything unknown, else anything still running, else a mix of changed and unchanged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum, StrEnum
from types import MappingProxyType


class ExitCode(IntEnum):
    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    UNAUTHORIZED = 4
    NOT_FOUND = 5
    REFUSED = 6
    CONFLICT = 7
    IN_PROGRESS = 8
    UNKNOWN = 9
    DIFFERENCES = 10
    UNREACHABLE = 11
    INTERRUPTED = 130
    TERMINATED = 143


MEANINGS: Mapping[ExitCode, str] = MappingProxyType(
    {
        ExitCode.DONE: "done and observed, or already so and proven",
        ExitCode.FAILED: "failed; no change was accepted by any backend",
        ExitCode.USAGE: "the command line or a configuration file is wrong; nothing was changed",
        ExitCode.PARTIAL: "partial: something changed and something did not",
        ExitCode.UNAUTHORIZED: "authentication or permission, on a backend or on the store",
        ExitCode.NOT_FOUND: "not found",
        ExitCode.REFUSED: "refused by a guard; nothing was changed",
        ExitCode.CONFLICT: "conflict: locked, an open or foreign operation, or a world changed since the plan",
        ExitCode.IN_PROGRESS: "still in progress",
        ExitCode.UNKNOWN: "the outcome is unknown or unverified",
        ExitCode.DIFFERENCES: "differences found (with --exit-code)",
        ExitCode.UNREACHABLE: "unreachable, or the circuit breaker is open",
        ExitCode.INTERRUPTED: "interrupted (Ctrl-C); a begun operation goes on",
        ExitCode.TERMINATED: "terminated (SIGTERM)",
    }
)


class Outcome(StrEnum):
    SUCCEEDED = "succeeded"
    UNCHANGED = "unchanged"
    PLANNED = "planned"
    REFUSED = "refused"
    FAILED = "failed"
    PARTIAL = "partial"
    IN_PROGRESS = "in_progress"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    UNREACHABLE = "unreachable"
    NOT_FOUND = "not_found"
    UNAUTHORIZED = "unauthorized"
    INTERRUPTED = "interrupted"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"


CODES: Mapping[Outcome, ExitCode] = MappingProxyType(
    {
        Outcome.SUCCEEDED: ExitCode.DONE,
        Outcome.UNCHANGED: ExitCode.DONE,
        Outcome.PLANNED: ExitCode.DONE,
        Outcome.REFUSED: ExitCode.REFUSED,
        Outcome.FAILED: ExitCode.FAILED,
        Outcome.PARTIAL: ExitCode.PARTIAL,
        Outcome.IN_PROGRESS: ExitCode.IN_PROGRESS,
        Outcome.UNKNOWN: ExitCode.UNKNOWN,
        Outcome.CONFLICT: ExitCode.CONFLICT,
        Outcome.UNREACHABLE: ExitCode.UNREACHABLE,
        Outcome.NOT_FOUND: ExitCode.NOT_FOUND,
        Outcome.UNAUTHORIZED: ExitCode.UNAUTHORIZED,
        Outcome.INTERRUPTED: ExitCode.INTERRUPTED,
        Outcome.INVALID: ExitCode.USAGE,
        Outcome.UNSUPPORTED: ExitCode.REFUSED,
    }
)

OPEN = frozenset({Outcome.IN_PROGRESS, Outcome.UNKNOWN, Outcome.INTERRUPTED})
_BY_CODE: Mapping[int, Outcome] = MappingProxyType(
    {
        int(code): outcome
        for outcome, code in reversed(list(CODES.items()))
        if outcome is not Outcome.UNSUPPORTED
    }
)


def outcome_of(exit_code: int) -> Outcome:
    """The outcome that an error with this exit code stands for."""
    return _BY_CODE.get(exit_code, Outcome.FAILED)


def of_several(outcomes: Iterable[Outcome]) -> ExitCode:
    """Fold many into one: unknown, else still running, else mixed, else the common code, else 1 (design §9).

    An interrupted wait leaves something running, so it counts as such. What was so already is not a failure to
    change: with what was changed it makes 0.
    """
    seen = list(outcomes)
    codes = {CODES[outcome] for outcome in seen}
    for worst in (ExitCode.UNKNOWN, ExitCode.INTERRUPTED, ExitCode.IN_PROGRESS):
        if worst in codes:
            return worst
    if len(codes) <= 1:
        return codes.pop() if codes else ExitCode.DONE
    changed = any(outcome in (Outcome.SUCCEEDED, Outcome.PARTIAL) for outcome in seen)
    return ExitCode.PARTIAL if changed else ExitCode.FAILED
