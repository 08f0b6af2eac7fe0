"""Counting looks at replications, each by itself; above a limit the dearest of it for all together (design §7)."""

from __future__ import annotations

import logging

from replctl.core.counts import differed, reconciled
from replctl.core.outcomes import Outcome
from replctl.core.reconciling import Finding, Kind
from replctl.logs import LOGGER
from replctl.tally import Tally


class Reconciles:
    """`most` is of how many replications each has a histogram of its own; more share one, under no name."""

    def __init__(self, tally: Tally, most: int) -> None:
        self._tally = tally
        self._most = most
        self._shared = False

    def of(self, replications: int) -> None:
        """There are so many from now on; says once when they come to share, and when they do not any more."""
        shared = replications > self._most
        if shared != self._shared:
            how = "for all together, under no name" if shared else "for each by itself again"
            logging.getLogger(LOGGER).info(
                "%d replications, and metrics.per_replication_limit is %d: durations of reconciles are kept %s",
                *(replications, self._most, how),
            )
        self._shared = shared

    def add(self, key: str, found: Finding, seconds: float) -> None:
        """One look at one of them, what came of it, and how long it took."""
        namespace, _, name = key.partition("/")
        well = found.kind is not Kind.UNREAD
        outcome = Outcome.UNCHANGED if well else Outcome.UNREACHABLE
        self._tally.add(reconciled(namespace, name, outcome, None if well else "unreachable"))
        if found.differs:
            self._tally.add(differed(namespace, name, (each.aspect for each in found.differs)))
        labels = {"namespace": "", "name": ""} if self._shared else {"namespace": namespace, "name": name}
        self._tally.observe("reconcile_duration_seconds", seconds, **labels)
