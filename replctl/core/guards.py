"""The guards: named checks that can refuse, each with the flag that answers it, or none (design §4).

There is never one flag for all of them, and `-y` answers none. The planner raises them; the command line,
the manual and the JSON read their names and flags here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from replctl.core.plans import Evidence, GuardRefusal


@dataclass(frozen=True, slots=True)
class Guard:
    """A guard's name, its flag (None: there is no way past) and one sentence on what it protects."""

    name: str
    override: str | None
    sentence: str

    def says_no(self, *evidence: Evidence, override: str | None = None) -> GuardRefusal:
        return GuardRefusal(name=self.name, evidence=evidence, override=override or self.override)


_ALL = (
    Guard(
        "peer-not-demoted", "--peer-is-down", "the other end is not proven to have stopped being the source"
    ),
    Guard("peer-is-up", "--peer-is-fenced=HOW", "the other end answers, and hosts may write to it"),
    Guard(
        "data-loss", "--accept-data-loss=BOUND", "what was written after the last consistent point is lost"
    ),
    Guard(
        "source-in-use",
        "--source-quiesced",
        "the end that shall step down is not proven to be used by nobody",
    ),
    Guard("discards-local-data", "--discard-local-changes", "what was written to one end is dropped"),
    Guard("delete-promotes", "--delete-promotes", "to end replication opens the replica's volume to hosts"),
    Guard("state-failed", "--from-failed", "the backend reports this end as failed"),
    Guard("no-source", "--from-replica", "neither end is the source"),
    Guard("held", "--override-hold", "somebody asked for hands off"),
    Guard("split-brain", None, "both ends are sources: only `reprotect` leads out"),
    Guard("incomplete-copy", None, "this end holds no complete copy, so it cannot become the source"),
    Guard("operation-open", None, "another operation of this replication is not finished"),
    Guard("foreign-operation", None, "the backend is busy with a change that we did not begin"),
    Guard("stale-observation", None, "an end that this depends on could not be read"),
    Guard("backend-state", None, "the backend does not allow this in its present state"),
    Guard("drill-running", "--use-test-copy", "a failover test is running"),
    Guard("identity-changed", None, "the name now means another thing than it did"),
    Guard("undeclared", None, "the desired-state file does not say how it is to be made"),
    Guard("not-a-pair", None, "each end names another counterpart than the file does"),
    Guard("unsupported", None, "replctl does not change things of this kind"),
    Guard("hook-vetoed", None, "the `before_demote` hook did not agree, so nobody was told to step down"),
    Guard("confirmation", "-y", "a change wants to be confirmed"),
)
GUARDS = {guard.name: guard for guard in _ALL}


def if_any(name: str, facts: Iterable[Evidence]) -> Iterator[GuardRefusal]:
    """One refusal of the guard with all its facts, or none without any."""
    found = tuple(facts)
    if found:
        yield GUARDS[name].says_no(*found)


def without_flag(guard: GuardRefusal) -> GuardRefusal:
    """The guard where its flag would not help."""
    return replace(guard, override=None)
