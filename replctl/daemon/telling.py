"""What waits for a person, told to the store, so that every `status` shows it, also when no daemon runs (design §10).

Written when it is new, and now and then so that its age can be told. Nothing depends on it: while the store takes
nothing the daemon looks on, and tells it later.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from replctl.clock import Clock
from replctl.core import reconciling
from replctl.core.errors import StoreRefused
from replctl.core.reconciling import Finding
from replctl.core.waiting import DaemonWord, Waiting
from replctl.engine.ports import Store
from replctl.logs import LOGGER

AGAIN_SECONDS = 30.0  # from one word to the next that says the same


class Telling:
    """Keeps in mind what the store was told."""

    def __init__(self, store: Store, clock: Clock, *, every_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._every_seconds = every_seconds
        self._waiting = _remembered(store)
        self._new: dict[str, Waiting | None] = {}
        self._told_at: float | None = None  # monotonic
        self._said, self._looked_at = "", clock.now()
        self._trouble: tuple[str, str] = ("", "")  # with the file, and the command that helps
        self._told_trouble = self._trouble
        self._since: float | None = None
        self._is_taken = True

    def trouble(self, why: str, command: str = "") -> None:
        """Why the file that lies there is not in force; an empty text when it is."""
        if why != self._trouble[0]:
            self._trouble = (why, command)
            self._since = self._clock.now() if why else None

    def found(self, findings: Mapping[str, Finding]) -> None:
        """What came of a look at some replications."""
        self._keep(reconciling.waiting(findings, self._waiting, self._clock.now()))

    def forget(self, known: Collection[str]) -> None:
        """Nobody waits for what is not in the file any more."""
        self._keep(dict.fromkeys(self._waiting.keys() - known))

    def looked(self, said: str) -> None:
        """Everything was looked at, with this sentence."""
        self._said, self._looked_at = said, self._clock.now()
        self.tell()

    def tell(self) -> None:
        """Write it down, if there is something new or the last word is old."""
        now = self._clock.monotonic()
        old = self._told_at is None or now - self._told_at >= AGAIN_SECONDS
        if not (self._new or old or self._trouble != self._told_trouble):
            return
        word = DaemonWord(
            looked_at=self._looked_at,
            every_seconds=self._every_seconds,
            said=self._said,
            trouble=self._trouble[0],
            next=self._trouble[1],
            since=self._since,
        )
        if self._store.tell(word, self._new):
            self._new, self._told_at, self._told_trouble = {}, now, self._trouble
            self._is_taken = True
        elif self._is_taken:
            self._is_taken = False
            logging.getLogger(LOGGER).warning("what waits for a person could not be written to the store")

    def _keep(self, new: Mapping[str, Waiting | None]) -> None:
        self._new.update(new)
        for key, each in new.items():
            if each is None:
                self._waiting.pop(key, None)
            else:
                self._waiting[key] = each


def _remembered(store: Store) -> dict[str, Waiting]:
    """What was told before; a store that cannot be read tells nothing."""
    try:
        return dict(store.waiting())
    except StoreRefused:
        return {}
