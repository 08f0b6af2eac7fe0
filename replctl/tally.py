"""Counting what happens, for the metrics: a subscriber of `core.events` that adds up samples (design §7).

One-shot commands hand what they counted to the store at their end, and so does the daemon now and then; the daemon
exposes the sum. A sample is named as it stands in the exposition format (`core.counts`).
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace

from replctl.core.counts import OPERATION_BUCKETS, TRANSLATION, added, happened, observed
from replctl.core.events import Event, Noticed
from replctl.correlation import subject

Counts = Mapping[str, float]
MOST_WORDS = 20  # of one backend that are counted by themselves; then `other` (design §7)
OTHER = "other"


class Tally:
    """Adds up samples from events and from whoever counts; for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._handing_on = threading.Lock()
        self._counts: defaultdict[str, float] = defaultdict(float)
        self._words: defaultdict[str | None, set[str]] = defaultdict(set)

    def __call__(self, event: Event) -> None:
        if isinstance(event, Noticed) and event.topic == TRANSLATION:
            event = self._bounded(event)
        self.add(happened(event, *subject()))

    def add(self, counts: Counts) -> None:
        if not counts:
            return
        with self._lock:
            for name, value in counts.items():
                self._counts[name] += value

    def observe(self, family: str, seconds: float, **labels: str) -> None:
        """One observation of a histogram."""
        self.add(observed(family, seconds, OPERATION_BUCKETS, labels))

    def seen(self) -> dict[str, float]:
        """What was counted and not handed on yet."""
        with self._lock:
            return dict(self._counts)

    def with_what_was_handed_on(self, stored: Callable[[], Counts]) -> dict[str, float]:
        """The store's sums and what it was not handed yet; never less than before, also while that is on its way."""
        with self._handing_on:
            return added(stored(), self.seen())

    def flush(self, add_counts: Callable[[Counts], bool]) -> None:
        """Hand what was counted to the store; what it does not take stays here."""
        with self._handing_on:
            with self._lock:
                counts, self._counts = self._counts, defaultdict(float)
            if counts and not add_counts(counts):
                self.add(counts)

    def _bounded(self, event: Noticed) -> Noticed:
        words = self._words[event.backend]
        if event.message in words or len(words) < MOST_WORDS:
            words.add(event.message)
            return event
        return replace(event, message=f"{event.message.partition('=')[0]}={OTHER}")
