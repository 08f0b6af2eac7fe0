"""What the members of one command share: a group's hook runs once, and the last one's after all others have ended.

It lives as long as the command. Waiting goes by the clock that is handed in; what is waited for are members that
other threads carry out, whose own deadlines bound it.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable

from replctl.clock import Cancel, Clock
from replctl.core.hooks import HookCall, Ran
from replctl.core.outcomes import Outcome

POLL_SECONDS = 0.5
WELL = frozenset({Outcome.SUCCEEDED, Outcome.UNCHANGED})
INTERRUPTED = Ran(interrupted=True)


class Together:
    """One command's memory of its groups; any thread may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ran: dict[HookCall, Ran | None] = {}
        self._expected: defaultdict[str, set[str]] = defaultdict(set)
        self._unwell: defaultdict[str, set[str]] = defaultdict(set)

    def expect(self, members: Iterable[tuple[str, str | None]]) -> None:
        """These (replication, group) are about to be carried out."""
        with self._lock:
            for key, group in members:
                if group is not None:
                    self._expected[group].add(key)

    def ended(self, key: str, group: str | None, outcome: Outcome) -> None:
        if group is None:
            return
        with self._lock:
            self._expected[group].discard(key)
            if outcome not in WELL:
                self._unwell[group].add(key)

    def once(self, call: HookCall, run: Callable[[], Ran], clock: Clock, cancel: Cancel | None) -> Ran:
        """What became of the hook: whoever comes first runs it, all others wait for its end."""
        with self._lock:
            first = call not in self._ran
            self._ran.setdefault(call, None)
        if first:
            return self._run(call, run)
        while (ran := self._ran[call]) is None:
            if clock.wait(POLL_SECONDS, cancel):
                return INTERRUPTED
        return ran

    def _run(self, call: HookCall, run: Callable[[], Ran]) -> Ran:
        ran = Ran(fault="was not run to its end")
        try:
            ran = run()
        finally:
            self._ran[call] = ran
        return ran

    def others_ended(self, key: str, group: str, clock: Clock, cancel: Cancel | None) -> bool:
        """Wait until every other member has ended; False when a person stopped the waiting."""
        while self._expected[group] - {key}:
            if clock.wait(POLL_SECONDS, cancel):
                return False
        return True

    def unwell(self, group: str) -> tuple[str, ...]:
        """The members that did not end well."""
        return tuple(sorted(self._unwell[group]))
