"""The desired-state file as the daemon keeps it: read anew when it changes, all or nothing (design §8, §10).

What counts as an edit of an entry's `state` is decided here: a change between two readings that were both good, of
an entry that the daemon had settled on. A first reading, and one that follows a broken one, are none.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from replctl.clock import Cancel, Clock
from replctl.core.errors import ReplctlError
from replctl.core.reconciling import Settled
from replctl.logs import LOGGER
from replctl.settings import Replications, Settings, files, load_replications, reload

QUIET_SECONDS = 1.0  # without a change before the file is read …
QUIET_LOOKS = 10  # … and how often that is waited for in one tick
Signature = tuple[int, int, int] | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a look at the file brought: a new desired state with its edits, or why the old one stays.

    `is_right`: it would be taken at a start, and only not in the place of what is in force.
    """

    replications: Replications | None = None
    edited: frozenset[str] = frozenset()
    too_many: frozenset[str] = frozenset()
    error: ReplctlError | None = None
    is_right: bool = False


class DesiredFile:
    """Watches one file. `current` is in force; `proven` what was in force when it was last looked by to the end."""

    def __init__(
        self, settings: Settings, replications: Replications, *, most_edits: int, allow_shrink: bool
    ) -> None:
        self.current = replications
        self.proven: Replications | None = None
        self.is_good = True
        self._settings = settings
        self._most_edits = most_edits
        self._allow_shrink = allow_shrink
        self._signature = self.signature()

    def signature(self) -> Signature:
        """Changes whenever the file is written or replaced; None while it is not there."""
        try:
            found = self._settings.replications_path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    @property
    def has_changed(self) -> bool:
        return self.signature() != self._signature

    def is_quiet(self, clock: Clock, stop: Cancel) -> bool:
        """Wait until nobody is at the file: one who writes it anew may have emptied it first.

        What is read in between is broken, and what follows a broken file is no edit. False where that does not end,
        or the daemon is told to stop: the next tick sees to it.
        """
        for _ in range(QUIET_LOOKS if self.has_changed else 0):
            before = self.signature()
            if clock.wait(QUIET_SECONDS, stop):
                return False
            if self.signature() == before:
                return True
        if not self.has_changed:
            return True
        text = "the file is being written for %d looks at it: it is read when that ends"
        logging.getLogger(LOGGER).warning(text, QUIET_LOOKS)
        return False

    def read(self, settled: Mapping[str, Settled]) -> Reading:
        """Read it anew; `settled` is how the daemon last saw each at rest."""
        self._signature, was_good = self.signature(), self.is_good
        path = self._settings.replications_path
        try:
            shown = self._settings.around.shown(path)
            text = files.read(path, files.LARGEST_REPLICATIONS_BYTES, shown, remedy="").text
            new = reload(self.current, text, self._allow_shrink)
        except ReplctlError as error:
            self.is_good = False
            return Reading(error=error, is_right=self._is_right())
        old, self.current, self.is_good = self.current, new, True
        edited = _edits(old, new, settled) if was_good else frozenset()
        if len(edited) > self._most_edits:
            return Reading(replications=new, too_many=edited)
        return Reading(replications=new, edited=edited)

    def _is_right(self) -> bool:
        try:
            load_replications(self._settings)
        except ReplctlError:
            return False
        return True

    def prove(self) -> None:
        """A look at everything found nothing wrong with what is in force."""
        self.proven = self.current

    def take_back(self) -> bool:
        """A look at everything showed that what is in force is wrong; whether what was so before is again."""
        self.is_good = False
        if self.proven is None or self.proven is self.current:
            return False
        self.current = self.proven
        return True


def _edits(old: Replications, new: Replications, settled: Mapping[str, Settled]) -> frozenset[str]:
    return frozenset(
        key
        for key in new
        if key in old
        and old[key].desired_state is not new[key].desired_state
        and key in settled
        and settled[key].role is old[key].desired_state
    )
