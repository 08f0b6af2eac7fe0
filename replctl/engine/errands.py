"""Running an errand: a step that changes no role and makes something beside the ends, such as a snapshot (design §4).

What it makes bears the operation's name, so that it is found again by whoever goes on, and asking for it twice makes
it once. Whether it is done is asked of the backend. Nothing was promoted yet, so that what goes wrong here has simply
failed; what was made is removed then.
"""

from __future__ import annotations

from replctl.core.errors import ReplctlError
from replctl.core.journal import StepPhase
from replctl.core.model import Pair
from replctl.core.plans import Errand
from replctl.engine import endings
from replctl.engine.endings import Ending
from replctl.engine.stepping import (
    FIRST_POLL_SECONDS,
    LONGEST_POLL_SECONDS,
    MOST_SENDS,
    POLL_GROWTH,
    StepRun,
)
from replctl.resilience import Look

AGAIN_SECONDS = (
    30.0  # after an errand that failed, times how often it was tried: another copy may have been running
)


class ErrandRun(StepRun):
    """One errand, from its intent to its outcome."""

    leaves_doubt = False  # made or not, no role hangs on it, and it is found by its name

    def _fits(self) -> Ending | None:
        """No role was changed yet: the whole judgement once more, each time."""
        return self._decided_anew(self.operation.look(before_send=True))

    def _await(self) -> Ending | None:
        """Ask after it until it is done, or has failed too often, or the deadline has come."""
        poll, said = FIRST_POLL_SECONDS, ""
        while True:
            pair = self.operation.look()
            self._tell(pair)
            if self.operation.used is not None:
                record = self.operation.record
                return endings.came_into_use(self.operation.used, pair, record, changed=False)
            if self.refused is not None:
                return endings.errand_failed(self.kept, str(self.refused))
            told, said = self._ask(said)
            if told is not None and told.done:
                self._finish(told)
                return None
            if told is not None and (told.failure or not told.there):
                ending, poll = self._again(told), FIRST_POLL_SECONDS
                if ending is not None:
                    return ending
            left = self._deadline() - self.desk.clock.monotonic()
            if left <= 0:
                return endings.errand_failed(
                    self.kept, said or f"it was not done in time ({self._reads(pair)})"
                )
            if self._wait(min(poll, left)):
                return self._interrupted()
            poll = min(poll * POLL_GROWTH, LONGEST_POLL_SECONDS)

    def _is_done_already(self, pair: Pair) -> bool:
        return False  # the ends do not show it

    def _ask(self, before: str) -> tuple[Errand | None, str]:
        """What has become of it; None where that cannot be told now, with why."""
        look = Look(deadline=self.desk.clock.monotonic() + self.desk.watcher.budget_seconds)
        try:
            driver = self.desk.backends.driver(self.end.backend)
            return driver.errand(self.end, self.step.action or "", self.arguments(), look), before
        except ReplctlError as error:
            return None, error.message

    def _again(self, told: Errand) -> Ending | None:
        """Once more, after a while where it failed; not for ever."""
        if self.kept.sends >= MOST_SENDS:
            return endings.errand_failed(self.kept, told.failure or "it was asked for, and is not there")
        if told.failure is not None and self._wait(AGAIN_SECONDS * self.kept.sends):
            return self._interrupted()
        return self._send()

    def _finish(self, told: Errand) -> None:
        """Write down what came of it, for the steps after it and for the next time that the age of a copy matters."""
        self.kept = self.operation.intend(self.kept, phase=StepPhase.ACCEPTED, result=told.result)
        if told.copied_at is not None:
            self.prove(self.end.backend, copied_at=told.copied_at)
