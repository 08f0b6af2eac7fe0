"""What is left to do for the hosts once roles have changed: read once, when somebody wants to know (design §4).

It never changes an outcome: what cannot be read is said instead.
"""

from __future__ import annotations

from replctl.clock import Cancel, Clock
from replctl.core.errors import ReplctlError
from replctl.core.model import Intent, Pair, Side
from replctl.core.results import LeftToDo
from replctl.engine.backends import Backends
from replctl.resilience import Look

READ_SECONDS = 5.0  # for the volumes: they are worth a moment, not a wait


class Hosts:
    """The work of one operation that replctl leaves to others."""

    def __init__(self, backends: Backends, clock: Clock) -> None:
        self._backends = backends
        self._clock = clock
        self._more: list[LeftToDo] = []
        self._mapping: LeftToDo | None = None

    def add(self, task: str, backend: str) -> None:
        self._more.append(LeftToDo(task=task, backend=backend))

    def left(self, intent: Intent, source: Side, pair: Pair, cancel: Cancel | None) -> tuple[LeftToDo, ...]:
        """All of it; what is to be mapped on the new source is asked of its backend the first time."""
        if self._mapping is None:
            self._mapping = self._read(intent, source, pair, cancel)
        return (self._mapping, *self._more)

    def _read(self, intent: Intent, source: Side, pair: Pair, cancel: Cancel | None) -> LeftToDo:
        end = intent.replication.end(source)
        task = f"map to the hosts that use {end.backend}"
        look = Look(deadline=self._clock.monotonic() + READ_SECONDS, cancel=cancel)
        try:
            volumes = self._backends.driver(end.backend).volumes(end, pair.end(source), look)
        except ReplctlError as error:
            return LeftToDo(
                task=f"{task}; the volumes could not be read: {error.message}", backend=end.backend
            )
        return LeftToDo(task=task, backend=end.backend, volumes=tuple(volumes))
