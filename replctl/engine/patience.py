"""For how long a step is waited for past its deadline: as long as the backend's own percentage moves (design §4)."""

from __future__ import annotations

from dataclasses import dataclass

GRACE_SECONDS = 300.0  # past the last move
MOST_COPIES = 3  # that one step makes: whatever begins anew more often is a regular copy


@dataclass(slots=True)
class Patience:
    """The progress of one step; `moved_at` is when it last moved, on the monotonic clock."""

    moved_at: float
    _percent: float | None = None
    _highest: float = -1.0
    _begun_anew: int = 0

    @property
    def until(self) -> float:
        return self.moved_at + GRACE_SECONDS

    def note(self, percent: float, now: float, *, sure: bool) -> None:
        """One more reading. Each move counts when it is `sure` to be what is waited for, else a new height only.

        It is sure in the transient that was asked for, and when all that the step speaks of is read. Otherwise it may
        be that of the regular copies, which begin at 0 again and again: they must not hold up for ever what waits for
        an end that cannot be read. Nor may they where one follows on the other without a pause.
        """
        if self._percent is not None and percent < self._percent:
            self._begun_anew += 1
        moves = sure and percent != self._percent and self._begun_anew < MOST_COPIES
        if percent > self._highest or moves:
            self.moved_at = now
        self._percent = percent
        self._highest = max(self._highest, percent)
