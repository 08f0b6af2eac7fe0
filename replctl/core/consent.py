"""What the end that loses its role has to say: that it is down, that it is cut off, that nobody uses it (design §4).

Pure. Guards of the one end because of the other; whether they are asked about is the planner's.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from replctl.core.advice import is_fenced
from replctl.core.evidence import fact, peer_evidence
from replctl.core.guards import GUARDS, without_flag
from replctl.core.model import Acknowledgements, Intent, Observation, State, TroubleKind
from replctl.core.plans import Evidence, GuardRefusal

STEP_DOWN = "step_down"  # in `permits`: it is told to become the replica, and drops what it alone holds
_ANSWERED = frozenset({TroubleKind.ABSENT, TroubleKind.AMBIGUOUS})
_NOT_THE_SOURCE = frozenset({State.REPLICA, State.SYNCING})


def peer_guards(
    new: Observation, old: Observation, given: Acknowledgements, both: Iterable[Evidence]
) -> Iterator[GuardRefusal]:
    """A peer that answers is up whatever it answers, unless it is proven not to be the source.

    `both` are the facts of both ends.
    """
    seen = peer_evidence(new, old)
    unread = old.trouble.kind if old.trouble is not None and old.trouble.kind not in _ANSWERED else None
    if unread is not None:
        if not (given.peer_is_down or is_fenced(given)):
            yield GUARDS["peer-not-demoted"].says_no(seen)
        elif unread is TroubleKind.BREAKER:
            yield GUARDS["stale-observation"].says_no(seen)
    elif old.trouble is None and old.state in _NOT_THE_SOURCE:
        if not given.from_replica:
            yield GUARDS["no-source"].says_no(*both)
    elif not is_fenced(given):
        yield GUARDS["peer-is-up"].says_no(seen)


def drill_guards(new: Observation, intent: Intent) -> Iterator[GuardRefusal]:
    """A failover test at the end that takes over."""
    running, kept = new.drill, intent.acknowledged.use_test_copy
    if running and not kept:
        yield GUARDS["drill-running"].says_no(fact("drill", "running", new))
    if running and intent.snapshot is not None:
        value = "a failover test is running, and during one no snapshot can be promoted"
        yield GUARDS["backend-state"].says_no(fact("snapshot", value, new))
    if kept and not running:
        value = "no failover test is running, so there is no test copy to keep"
        yield GUARDS["backend-state"].says_no(fact("drill", value, new))


def unused_guards(old: Observation, given: Acknowledgements) -> Iterator[GuardRefusal]:
    """An end that is told to step down must be used by nobody (design §1, promise 1).

    Where the backend itself sees to it that only one end is written to, nobody is told. What is seen attached no
    flag answers.
    """
    if STEP_DOWN not in old.permits or old.in_use == 0:
        return
    if old.in_use is not None:
        seen = fact("attached", f"{old.in_use} of its hosts have it attached", old)
        yield without_flag(GUARDS["source-in-use"].says_no(seen))
    elif not given.source_quiesced:
        unread = fact("attached", "who has it attached cannot be read", old)
        yield GUARDS["source-in-use"].says_no(unread)
