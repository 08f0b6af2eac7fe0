"""Running one program: no shell, an environment that is handed in, bounded in time and in what is kept of its output.

It runs in a session of its own and is stopped as a process group: asked first, killed after `GRACE_SECONDS`. Time
limits are counted on the clock that is handed in; what the operating system tells is waited for in small real steps.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from replctl.clock import Cancel, Clock

GRACE_SECONDS = 5.0  # between the friendly signal and the deadly one
KEPT_BYTES = 64 * 1024  # of the output, the last ones
DROPPED_BYTES = 4 * 1024  # of those again where the output was cut: a value cut in half is not recognized
CHUNK_BYTES = 64 * 1024
LISTEN_SECONDS = 0.02  # of real time, for the end of the output to come
FIRST_PAUSE_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 0.25
PAUSE_GROWTH = 1.1  # so that an end is seen at most a tenth of its time later
LAST_WORDS_SECONDS = 0.2  # of real time; a child left behind may hold the output open for ever


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """What became of it. `status` is None when it was stopped: `interrupted` by a person, else by its time limit."""

    status: int | None
    output: str
    interrupted: bool = False


class CannotStart(Exception):
    """It was never begun; the text says why."""


def run(
    command: Sequence[str],
    given: str,
    environ: Mapping[str, str],
    *,
    timeout_seconds: float,
    clock: Clock,
    cancel: Cancel | None = None,
    complaints: bool = True,
) -> Finished:
    """Run it with `given` on its standard input; raises CannotStart. It is over when this returns.

    What it says on its standard error is output too, or with `complaints` false nobody's.
    """
    process = _started(command, given, environ, subprocess.STDOUT if complaints else subprocess.DEVNULL)
    ear = _Ear(process)
    deadline = clock.monotonic() + timeout_seconds
    pause = FIRST_PAUSE_SECONDS
    while process.poll() is None:
        if (cancel is not None and cancel.is_set) or clock.monotonic() >= deadline:
            interrupted = clock.monotonic() < deadline
            _stop(process, ear, clock)
            return Finished(status=None, output=ear.heard(), interrupted=interrupted)
        if not _is_over(process, ear):
            clock.wait(min(pause, max(0.0, deadline - clock.monotonic())), cancel)
            pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)
    ear.listen(LAST_WORDS_SECONDS)
    return Finished(status=process.returncode, output=ear.heard())


def _started(
    command: Sequence[str], given: str, environ: Mapping[str, str], errors: int
) -> subprocess.Popen[bytes]:
    """A file as standard input: nobody waits for a program that does not read."""
    try:
        with tempfile.TemporaryFile() as source:
            source.write(given.encode())
            source.seek(0)
            return subprocess.Popen(
                list(command),
                stdin=source,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=dict(environ),
                start_new_session=True,
            )
    except (OSError, ValueError) as error:
        raise CannotStart(getattr(error, "strerror", None) or "not a command line") from None


def _is_over(process: subprocess.Popen[bytes], ear: _Ear) -> bool:
    """Whether it ended within a moment of real time; it may close its output long before that."""
    if ear.listen(LISTEN_SECONDS):
        with suppress(subprocess.TimeoutExpired):
            process.wait(LISTEN_SECONDS)
    return process.poll() is not None


def _stop(process: subprocess.Popen[bytes], ear: _Ear, clock: Clock) -> None:
    """Ask the whole group to end, then kill it. The leader is not reaped in between, so that the id stays its own."""
    _signal(process, signal.SIGTERM)
    deadline = clock.monotonic() + GRACE_SECONDS
    while not (ear.listen(LISTEN_SECONDS) and _has_exited(process)) and clock.monotonic() < deadline:
        clock.wait(LONGEST_PAUSE_SECONDS)
    _signal(process, signal.SIGKILL)
    process.wait()
    ear.listen(LAST_WORDS_SECONDS)


def _has_exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether the leader has ended, which stays unreaped."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class _Ear:
    """Reads all that a program prints, so that it never waits for us, and keeps the end of it."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdout is not None
        self._pipe = process.stdout
        self._kept = bytearray()
        self._cut = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True, name="program")
        self._thread.start()

    def listen(self, seconds: float) -> bool:
        """Wait in real time for the output to end; whether it has."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def heard(self) -> str:
        with self._lock:
            kept = bytes(self._kept[DROPPED_BYTES:] if self._cut else self._kept)
        return kept.decode(errors="replace")

    def _read(self) -> None:
        with self._pipe:
            while chunk := os.read(self._pipe.fileno(), CHUNK_BYTES):
                with self._lock:
                    self._kept += chunk
                    self._cut = self._cut or len(self._kept) > KEPT_BYTES
                    del self._kept[:-KEPT_BYTES]
