"""For how long a step is waited for past its deadline: as long as the backend's own percentage moves (design §4)."""

from __future__ import annotations

from dataclasses import dataclass

GRACE_SECONDS = 300.0  # past the last move


@dataclass(slots=True)
class Patience:
    """The progress of one step; `moved_at` is when it last moved, on the monotonic clock."""

    moved_at: float
    _percent: float | None = None
    _highest: float = -1.0

    @property
    def until(self) -> float:
        return self.moved_at + GRACE_SECONDS

    def note(self, percent: float, now: float, *, ours: bool) -> None:
        """One more reading. In a transient of `ours` each move counts, else a new height only.

        The regular copies begin at 0 again and again; they are not what is waited for, and must not hold it up
        for ever while the other end cannot be read.
        """
        if percent > self._highest or (ours and percent != self._percent):
            self.moved_at = now
        self._percent = percent
        self._highest = max(self._highest, percent)
