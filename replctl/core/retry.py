"""How often and how long between: the retry schedule, its classes, its counts and its budget, as values.

Pure: chance is passed in. Numbers: design §6, R25-R30. Who waits, and on what clock, is `replctl.resilience`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

from replctl.core.errors import Busy, Finding, InvalidInput, NeverSent, ReplctlError
from replctl.core.values import dataclass

READ = "read"
CHANGE = "change"
CALL_CLASSES = (READ, CHANGE)

BUDGET_AT_FIRST = 10  # retries that a new process may spend on one backend
BUDGET_CEILING = 100  # retries that a long quiet time can save up, so that it does not end in a storm
FIRSTS_PER_RETRY = 10  # first attempts that earn one more retry: 0.1 each


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How hard to try. Raises InvalidInput naming every number that is wrong.

    `max_delay_seconds` must be given as a finite number; one below the first delay is allowed and clamps it.
    `jitter` is the share that chance adds at most: 0.1 makes a delay up to a tenth longer.
    """

    max_attempts: int = 5
    initial_delay_seconds: float = 1.0
    max_delay_seconds: float = 300.0
    multiplier: float = 2.0
    jitter: float = 0.1

    def __post_init__(self) -> None:
        rules = (
            ("max_attempts", _is_whole(self.max_attempts) and self.max_attempts >= 1, "at least 1"),
            ("initial_delay_seconds", _is_above_zero(self.initial_delay_seconds), "above zero"),
            ("max_delay_seconds", _is_above_zero(self.max_delay_seconds), "set, and above zero"),
            ("multiplier", _is_finite(self.multiplier) and self.multiplier >= 1, "at least 1"),
            ("jitter", _is_finite(self.jitter) and 0 <= self.jitter <= 1, "from 0 to 1"),
        )
        findings = [
            Finding(name, repr(getattr(self, name)), f"must be {allowed}")
            for name, right, allowed in rules
            if not right
        ]
        if findings:
            raise InvalidInput("the retry policy is wrong", findings=findings)

    def next_delay(self, failures: int, chance: float) -> float:
        """Seconds to wait after so many failures in a row; `chance` is uniform in [0, 1).

        1, 2, 4, 8, 16 s × [1, 1.1] by default, clamped after the jitter (R26); before any failure the first
        delay, without jitter.
        """
        if failures <= 0:
            return min(self.max_delay_seconds, self.initial_delay_seconds)
        try:
            delay = self.initial_delay_seconds * float(self.multiplier) ** (failures - 1)
        except OverflowError:
            return self.max_delay_seconds
        return min(self.max_delay_seconds, delay * (1 + self.jitter * chance))

    def should_retry(self, error: ReplctlError | None, attempts: int, call_class: str = READ) -> bool:
        """Whether to try again after so many attempts, the last of which ended with `error` (R29)."""
        return error is not None and attempts < self.max_attempts and is_retryable(error, call_class)


def is_retryable(error: ReplctlError, call_class: str = READ) -> bool:
    """By the error's class, never by its text (R27). A change only if it provably was not carried out."""
    if not error.retryable:
        return False
    if call_class == READ:
        return True
    return isinstance(error, NeverSent | Busy) and not error.maybe_happened


def _is_whole(number: object) -> bool:
    return isinstance(number, int) and not isinstance(number, bool)


def _is_finite(number: object) -> bool:
    return isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)


def _is_above_zero(number: object) -> bool:
    return isinstance(number, int | float) and _is_finite(number) and number > 0


@dataclass(frozen=True, slots=True)
class Tally:
    """How it stands with one replication: consecutive failures, the wait that follows, and the last error."""

    failures: int = 0
    delay_seconds: float = 0.0
    error: ReplctlError | None = None
    exhausted: bool = False


class Attempts(Mapping[str, Tally]):
    """Consecutive failures per replication (R28): one's never change another's, a success forgets them.

    Running out of attempts is said once (`exhausted`), with the last real error; the next failure counts from
    one again, so that no replication is given up for ever. Not locked: one owner at a time.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._tallies: dict[str, Tally] = {}

    def __getitem__(self, replication: str) -> Tally:
        return self._tallies[replication]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tallies)

    def __len__(self) -> int:
        return len(self._tallies)

    def failed(self, replication: str, error: ReplctlError, chance: float) -> Tally:
        """Count a failure and return how it stands now; `delay_seconds` is the wait before the next attempt."""
        before = self._tallies.get(replication, Tally())
        failures = 1 if before.exhausted else before.failures + 1
        tally = Tally(
            failures=failures,
            delay_seconds=self._policy.next_delay(failures, chance),
            error=error,
            exhausted=failures >= self._policy.max_attempts,
        )
        self._tallies[replication] = tally
        return tally

    def succeeded(self, replication: str) -> None:
        self._tallies.pop(replication, None)


@dataclass(frozen=True, slots=True)
class RetryBudget:
    """A bucket of retries: 10 at first, a tenth more with every first attempt (design §6).

    One backend and one process share it, so that a sick backend is not asked several times as often as a well
    one. Counted in tenths, which add up exactly.
    """

    tenths: int = BUDGET_AT_FIRST * FIRSTS_PER_RETRY

    @property
    def retries(self) -> int:
        """How many retries it still holds."""
        return self.tenths // FIRSTS_PER_RETRY

    def earned(self) -> RetryBudget:
        """After a first attempt."""
        return replace(self, tenths=min(BUDGET_CEILING * FIRSTS_PER_RETRY, self.tenths + 1))

    def spent(self) -> RetryBudget | None:
        """After a retry, or None when there is none left to spend."""
        return replace(self, tenths=self.tenths - FIRSTS_PER_RETRY) if self.retries else None
