"""`status --watch`: looks again and again, on a terminal as a live screen, elsewhere one table or document a look.

Looks go on in a thread, so that a silent site does not make the keys deaf; the screen is drawn anew when a look
has ended, when a key was pressed, and now and then for the ages on it.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from typing import TYPE_CHECKING, TextIO

from replctl.cli import terminal, watchscreen
from replctl.cli.lines import BLANK, Line, line, strong
from replctl.cli.output import Format, is_terminal
from replctl.core.durations import format_time
from replctl.core.errors import ReplctlError
from replctl.core.results import StatusReport

if TYPE_CHECKING:
    from replctl.cli.session import Session

Look = Callable[[], StatusReport]
Show = Callable[[StatusReport], None]

BLINK_SECONDS = 1.0  # how often the ages on the screen are drawn anew
BUSY_SECONDS = 0.2  # the same while a look goes on, whose end shall be seen
LEAVE_SECONDS = 2.0  # for a look that was stopped to let go of its connections
ESCAPE_SECONDS = 0.05  # what follows an escape sooner belongs to it: a terminal sends an arrow in one go
_SEQUENCES = {
    "\x1b[A": watchscreen.UP,
    "\x1bOA": watchscreen.UP,
    "\x1b[B": watchscreen.DOWN,
    "\x1bOB": watchscreen.DOWN,
    "\x1b": watchscreen.ESCAPE,
    "\r": watchscreen.ENTER,
    "\n": watchscreen.ENTER,
    "\x7f": watchscreen.BACKSPACE,
    "\x08": watchscreen.BACKSPACE,
}


def watch(session: Session, look: Look, show: Show, every_seconds: float) -> int:
    """Until `q`, Ctrl-C, or nobody reads any more; the exit code is that of the last look."""
    at_one = session.here.interactive and is_terminal(session.output.stdout) and session.output.live
    if at_one and session.output.format is Format.TABLE:
        return _Screen(session, look, every_seconds).run()
    return _in_turn(session, look, show, every_seconds)


def _in_turn(session: Session, look: Look, show: Show, every_seconds: float) -> int:
    """Off a terminal: each look below the one before, tables under the time they were made at."""
    output, clock = session.output, session.here.clock
    first = True
    while True:
        report = look()
        if output.format in (Format.TABLE, Format.WIDE):
            output.data([*([] if first else [BLANK]), line(strong(format_time(report.observed_at)))])
        show(report)
        output.flush()
        first = False
        if output.abandoned or clock.wait(every_seconds, session.interrupts.cancel):
            return int(report.exit_code)


class _Screen:
    """The live screen; the main thread draws and reads keys."""

    def __init__(self, session: Session, look: Look, every_seconds: float) -> None:
        self._session = session
        self._look = look
        self._every_seconds = every_seconds
        self._view = watchscreen.View()
        self._report: StatusReport | None = None
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._due_at = 0.0

    def run(self) -> int:
        from rich.live import Live

        output = self._session.output
        console = terminal.console(output, output.stdout, None)
        try:
            with (
                keyboard(self._session.here.stdin) as keys,
                Live(console=console, screen=True, auto_refresh=False, vertical_overflow="crop") as live,
            ):
                while not self._view.over:
                    self._look_when_due()
                    live.update(terminal.text(self._lines()), refresh=True)
                    self._take(keys(BLINK_SECONDS if self._thread is None else BUSY_SECONDS))
        finally:
            self._leave()
        return int(self._report.exit_code) if self._report is not None else 0

    def _leave(self) -> None:
        """Stop the look in hand, which is of no use to anybody any more."""
        self._session.interrupts.cancel.set()
        if self._thread is not None:
            self._thread.join(LEAVE_SECONDS)

    def _take(self, key: str) -> None:
        if self._error is not None:
            raise self._error
        if not key:
            return
        listed = watchscreen.shown(self._view, self._report) if self._report is not None else []
        self._view = watchscreen.press(self._view, key, [each.replication.key for each in listed])
        if self._view.again:
            self._due_at = 0.0

    def _look_when_due(self) -> None:
        now = self._session.here.clock.monotonic()
        if self._thread is not None and not self._thread.is_alive():
            self._thread, self._due_at = None, now + self._every_seconds
        if self._thread is None and now >= self._due_at:
            context = copy_context()
            self._thread = threading.Thread(target=lambda: context.run(self._look_once), daemon=True)
            self._thread.start()

    def _look_once(self) -> None:
        try:
            self._report = self._look()
        except ReplctlError as error:  # raised to the person by the thread that draws
            self._error = error

    def _lines(self) -> list[Line]:
        width, height = os.get_terminal_size(self._session.output.stdout.fileno())
        if self._report is None:
            return [line("looking …")]
        now = self._session.now
        return watchscreen.screen(
            self._view, self._report, now, width, height, every_seconds=self._every_seconds
        )


@contextmanager
def keyboard(stdin: TextIO) -> Iterator[Callable[[float], str]]:
    """Keys as they are pressed; what is called waits for one so long, and gives "" when none was.

    The terminal is as it was before, however this is left.
    """
    import termios
    import tty

    descriptor = stdin.fileno()
    before = termios.tcgetattr(descriptor)
    try:
        tty.setcbreak(descriptor)
        yield lambda seconds: _key(descriptor, seconds)
    finally:
        termios.tcsetattr(descriptor, termios.TCSADRAIN, before)


def _key(descriptor: int, seconds: float) -> str:
    said = _read(descriptor, seconds, 1)
    while said.startswith("\x1b") and len(said) < 3:
        more = _read(descriptor, ESCAPE_SECONDS, 1)
        if not more:
            break
        said += more
    return _SEQUENCES.get(said, said if len(said) == 1 else "")


def _read(descriptor: int, seconds: float, most: int) -> str:
    readable, _, _ = select.select([descriptor], [], [], seconds)
    return os.read(descriptor, most).decode("utf-8", "ignore") if readable else ""
