"""Processes of replctl without the price of starting Python each time: forked from one that has imported everything.

Each is a process of its own, with its own standard streams and environment, that can be signalled and killed like any
other; `Forked` is used as `subprocess.Popen` is. Run as a script, with the number of a socket: the one that forks.
"""

from __future__ import annotations

import array
import atexit
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from typing import NoReturn

MOST_BYTES = 1 << 17  # of arguments and environment together
STREAMS = 3  # standard output, standard error, and where pid and exit code are told
CHUNK = 1 << 16


class Forked:
    """A process that was forked; `returncode` is None while it is not known to have ended, -9 after a kill -9."""

    def __init__(self, argv: Sequence[str], environ: Mapping[str, str]) -> None:
        self.args = list(argv)
        self.returncode: int | None = None
        pipes = [os.pipe() for _ in range(STREAMS)]
        asked = json.dumps({"argv": self.args, "environ": dict(environ)}).encode()
        assert len(asked) < MOST_BYTES
        handed = array.array("i", [writing for _, writing in pipes])
        _forking().sendmsg([asked], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, handed)])
        for _, writing in pipes:
            os.close(writing)
        self._told = os.fdopen(pipes[2][0], "r")
        self._streams = {reading: b"" for reading, _ in pipes[:2]}
        self._open = set(self._streams)
        self.pid = int(self._told.readline())

    def poll(self) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], 0)[0]:
            self._learn()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._told], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self._learn()
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Read both streams to their end, and wait for its end."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self._open:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            ready = select.select(list(self._open), [], [], left)[0]
            if not ready:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            for stream in ready:
                self._read(stream)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        out, err = (content.decode() for content in self._streams.values())
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _read(self, stream: int) -> None:
        content = os.read(stream, CHUNK)
        self._streams[stream] += content
        if not content:
            self._open.discard(stream)
            os.close(stream)

    def _learn(self) -> None:
        self.returncode = int(self._told.readline())
        self._told.close()


@cache
def _forking() -> socket.socket:
    """The way to the process that forks, started when the first is asked for."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = subprocess.Popen(
        [sys.executable, __file__, str(there.fileno())], pass_fds=[there.fileno()], env=environ
    )
    there.close()

    def end() -> None:
        here.close()
        process.wait()

    atexit.register(end)
    return here


# -- in the process that forks ---------------------------------------------------------------------------------


def serve(channel: socket.socket) -> None:
    """Fork for each request, until nobody is left who asks."""
    import worldclock

    worldclock.warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # whoever watches over one tells how it ended
    while True:
        asked, streams, _, _ = socket.recv_fds(channel, MOST_BYTES, STREAMS)
        if not asked:
            return
        if os.fork() == 0:
            channel.close()
            _watch_over(asked, streams)
        for stream in streams:
            os.close(stream)


def _watch_over(asked: bytes, streams: Sequence[int]) -> NoReturn:
    """Fork once more, tell the pid, wait, tell how it ended."""
    out, err, told = streams
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os.close(told)
        _become(json.loads(asked), out, err)
    for stream in (out, err):
        os.close(stream)
    with suppress(BrokenPipeError):
        os.write(told, f"{pid}\n".encode())
        _, status = os.waitpid(pid, 0)
        os.write(told, f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _become(asked: Mapping[str, object], out: int, err: int) -> NoReturn:
    """The command itself."""
    import worldclock

    nothing = os.open(os.devnull, os.O_RDONLY)
    for stream, number in ((nothing, 0), (out, 1), (err, 2)):
        os.dup2(stream, number)
        os.close(stream)
    os.environ.clear()
    os.environ.update(asked["environ"])  # type: ignore[call-overload]  # as it was sent
    sys.argv[1:] = asked["argv"]  # type: ignore[assignment, misc]  # as it was sent
    code = 1
    try:
        code = worldclock.main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    for written in (sys.stdout, sys.stderr):
        written.flush()
    os._exit(code)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
