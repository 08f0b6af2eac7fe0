"""Jobs: what an array tells about a command that nobody holds a connection for (CP §5)."""

from collections import OrderedDict
from dataclasses import dataclass

from replctl.simulator.replication import Command, End, Refusal

QUEUED_SECONDS = 0.5
JOBS_KEPT = 10_000
QUEUED, IN_PROGRESS, COMPLETED, FAILED = "Queued", "In_Progress", "Completed", "Failed"


def error_body(code: str, text: str, *arguments: str) -> dict[str, object]:
    """The body of an error (CP §3)."""
    return {
        "messages": [{"code": code, "severity": "Error", "message_l10n": text, "arguments": list(arguments)}],
    }


def refusal_body(refusal: Refusal) -> dict[str, object]:
    """The body of a refusal."""
    return error_body(refusal.code, refusal.text)


@dataclass(slots=True, eq=False)
class Job:
    """A command with an id to ask for."""

    id: str
    command: Command
    end: End
    user: str
    resource_type: str = "replication_session"

    def phase(self, now: float) -> str:
        """How far it is: queued for a moment, then as the command is."""
        if now < self.command.started_at + QUEUED_SECONDS:
            return QUEUED
        if self.command.ended_at is None:
            return IN_PROGRESS
        return FAILED if self.command.refusal else COMPLETED

    def progress(self, now: float) -> int:
        """Percent, by time."""
        if self.phase(now) in (COMPLETED, FAILED):
            return 100
        return min(99, int(100 * (now - self.command.started_at) / max(self.command.expected_seconds, 0.001)))

    def response_status(self, now: float) -> str | None:
        """The status that a synchronous call would have had."""
        phase = self.phase(now)
        if phase == FAILED and self.command.refusal:
            return str(self.command.refusal.status)
        if phase != COMPLETED:
            return None
        return "200" if self.command.body else "204"

    def response_body(self, now: float) -> dict[str, object] | None:
        """The body that a synchronous call would have had."""
        phase = self.phase(now)
        if phase == FAILED and self.command.refusal:
            return refusal_body(self.command.refusal)
        return self.command.body if phase == COMPLETED else None


class Jobs:
    """The jobs of one array; finished ones are kept for a while."""

    def __init__(self, retention_seconds: float) -> None:
        self._retention = retention_seconds
        self._jobs: OrderedDict[str, Job] = OrderedDict()

    def add(self, job: Job) -> None:
        """A new job; the oldest goes when there are too many."""
        self._jobs[job.id] = job
        if len(self._jobs) > JOBS_KEPT:
            self._jobs.popitem(last=False)

    def get(self, key: str, now: float) -> Job | None:
        """The job with this id, unless it is long over."""
        job = self._jobs.get(key)
        return job if job is not None and self._is_kept(job, now) else None

    def ids(self, now: float) -> list[str]:
        """The ids of all that can be read, in order."""
        return sorted(key for key, job in self._jobs.items() if self._is_kept(job, now))

    def _is_kept(self, job: Job, now: float) -> bool:
        return job.command.ended_at is None or now < job.command.ended_at + self._retention
