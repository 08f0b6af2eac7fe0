"""Ctrl-C and SIGTERM: the first one stops waiting and lets the operation go on, the second one leaves at once.

While nothing is being carried out the first one ends the command. The exit codes are 130 and 143.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

from replctl.clock import Cancel
from replctl.core.outcomes import ExitCode


class Terminated(BaseException):
    """SIGTERM came while nothing was being carried out."""


CODES = {signal.SIGINT: ExitCode.INTERRUPTED, signal.SIGTERM: ExitCode.TERMINATED}


class Interrupts:
    """Catches both signals while it is entered, if this is the main thread; `cancel` is set by the first."""

    def __init__(self, leave: Callable[[int], None]) -> None:
        self.cancel = Cancel()
        self.caught: signal.Signals | None = None
        self._leave = leave
        self._patient = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._handle) for number in CODES}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    @contextmanager
    def patiently(self) -> Iterator[None]:
        """While something is carried out: the first signal only sets `cancel`."""
        self._patient = True
        try:
            yield
        finally:
            self._patient = False

    def code(self, otherwise: ExitCode) -> ExitCode:
        """The exit code of an interrupted command: 143 when it was SIGTERM."""
        if otherwise is ExitCode.INTERRUPTED and self.caught is signal.SIGTERM:
            return ExitCode.TERMINATED
        return otherwise

    def _handle(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if self.caught is not None:
            self._leave(int(CODES[received]))
        self.caught = received
        self.cancel.set()
        if not self._patient:
            raise KeyboardInterrupt if received is signal.SIGINT else Terminated
