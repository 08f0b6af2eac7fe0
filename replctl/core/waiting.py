"""What the daemon leaves to people, as it says it to every `status`: through the store, also when it does not run.

It is as old as the daemon's last look, which is told with it (design §10).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """Why a replication waits for a person, the command to type, and when the daemon first found it so."""

    why: str
    next: str
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonWord:
    """The daemon's last word: when it looked, its sentence, and why the desired-state file is not in force.

    `every_seconds` is how often it means to look, `trouble` empty while the file that lies there is in force; else
    `next` is the command that helps, and `since` when the file was first found so.
    """

    looked_at: float
    every_seconds: float
    said: str
    trouble: str = ""
    next: str = ""
    since: float | None = None

    def is_late(self, now: float) -> bool:
        """Whether it should have looked again by now, and perhaps runs no more."""
        return now - self.looked_at > LATE_LOOKS * self.every_seconds + LATE_SECONDS


LATE_LOOKS = 2.0  # that it may miss
LATE_SECONDS = 60.0  # beside them: its word is not written down at every look
