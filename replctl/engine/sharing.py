"""One look for all who look at a backend at the same time: fifty that wait do not ask fifty times.

Who comes while a look is under way waits for the next one, which is for all who came meanwhile. So nobody is
given an answer to a question that was asked before they came.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from replctl.clock import Clock
from replctl.core.errors import TimedOut
from replctl.core.model import End, Observation
from replctl.resilience import Look

Observe = Callable[[Sequence[End], Look], Mapping[End, Observation]]


@dataclass(slots=True)
class _Batch:
    """Ends that are looked at together, and what came of it."""

    ends: dict[End, None] = field(default_factory=dict)
    answered: threading.Event = field(default_factory=threading.Event)
    seen: Mapping[End, Observation] = field(default_factory=dict)
    error: BaseException | None = None


class SharedLooks:
    """The looks of one process; each kind of look at each backend has a batch that gathers."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._gathering: dict[Hashable, _Batch] = {}
        self._turns: defaultdict[Hashable, threading.Lock] = defaultdict(threading.Lock)

    def observe(
        self, backend: str, ends: Sequence[End], look: Look, observe: Observe
    ) -> Mapping[End, Observation]:
        """What `observe` says of the ends, asked alone or together with others; raises what it raises."""
        kind = (backend, look.retry, look.probe, look.cancel, look.kept)
        span = look.remaining(self._clock)
        with self._lock:
            leads = kind not in self._gathering
            batch = self._gathering.setdefault(kind, _Batch())
            batch.ends.update(dict.fromkeys(ends))
            turn = self._turns[kind]
        if leads:
            self._lead(kind, batch, turn, look, observe)
        elif not batch.answered.wait(2 * span):
            raise TimedOut("no answer in time", backend=backend)
        if batch.error is not None:
            raise batch.error
        return {end: batch.seen[end] for end in ends}

    def _lead(
        self, kind: Hashable, batch: _Batch, turn: threading.Lock, look: Look, observe: Observe
    ) -> None:
        """Ask for all of the batch, once the look before it has ended or has taken longer than it may."""
        span = look.remaining(self._clock)
        took_turn = turn.acquire(timeout=span)
        with self._lock:
            del self._gathering[kind]
        try:
            batch.seen = observe(list(batch.ends), replace(look, deadline=self._clock.monotonic() + span))
        except BaseException as error:  # raised to all who wait for it
            batch.error = error
        finally:
            if took_turn:
                turn.release()
            batch.answered.set()
