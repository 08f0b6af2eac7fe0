"""replctl in a process of its own whose clock is the simulator's: read from a file, moved over the control port.

It is what `forks` forks, after `warm_up`. `CRASH_AT` kills the process, as `kill -9` does, right after the n-th write
to the journal, `CRASH_BEFORE` right before it: then all that was done since the write before it is done, and not
written down. `CRASH_SENDING` kills it right after the n-th intent, of which nothing was sent then. `CRASH_POINT`
kills it at the n-th point of all: a write to the journal, an answer, an observation; each point is added to the file
`POINTS` as it is passed. `FILE_KIB` lets no file grow past so many KiB: a disk that is full.
"""

from __future__ import annotations

import http.client
import itertools
import json
import mmap
import os
import random
import resource
import signal
import struct
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

VARIABLE = "WORLD_CONTROL"
SHOWN = "WORLD_TIME"
CRASH_AT = "WORLD_CRASH_AT"
CRASH_BEFORE = "WORLD_CRASH_BEFORE"
CRASH_SENDING = "WORLD_CRASH_SENDING"
CRASH_POINT = "WORLD_CRASH_POINT"
POINTS = "WORLD_POINTS"
FILE_KIB = "WORLD_FILE_KIB"
KIB = 1024
TIME = struct.Struct("d")  # what the file that shows a time consists of


def show(clock: Any, path: Path) -> None:
    """Keep the virtual time of a simulator's clock, which stands still unless moved, in a file as well.

    A command looks at the clock thousands of times, and to ask for it over a socket each time costs more than all
    the rest of it. Written under the clock's lock, so that nobody sees a world that is ahead of its time.
    """
    path.write_bytes(TIME.pack(clock.now()))
    with path.open("r+b") as file:
        face = mmap.mmap(file.fileno(), TIME.size)
    wake = clock.wake  # what is called, under the lock, whenever the time has been moved

    def show_and_wake() -> None:
        with clock.lock:
            TIME.pack_into(face, 0, clock.now())
            wake()

    with clock.lock:
        clock.wake = show_and_wake
        clock.wake()


def shown(path: str) -> Callable[[], float]:
    """What reads the time that a file shows."""
    with Path(path).open("rb") as file:
        face = mmap.mmap(file.fileno(), TIME.size, access=mmap.ACCESS_READ)
    return lambda: float(TIME.unpack_from(face)[0])


class ControlClock:
    """The world's time, moved over HTTP; one connection a thread."""

    def __init__(self, address: str, face: str) -> None:
        self._place = urlsplit(address)
        self._shown = shown(face)
        self._local = threading.local()
        self._chance = random.Random(os.getpid())

    def _ask(self, method: str, **arguments: Any) -> Any:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = http.client.HTTPConnection(self._place.hostname or "", self._place.port)
            self._local.connection = connection
        body = json.dumps(arguments)
        connection.request("POST", f"/{method}", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        return json.loads(answer.read())["result"]

    def now(self) -> float:
        return self._shown()

    def monotonic(self) -> float:
        return self.now()

    def wait(self, seconds: float, cancel: Any = None) -> bool:
        if cancel is not None and cancel.is_set:
            return True
        target = self.now() + max(0.0, seconds)
        left = target - self.now()
        if left > 0:
            self._ask("advance", seconds=left)
        return cancel is not None and cancel.is_set

    def chance(self) -> float:
        return self._chance.random()


WRITES = ("begin", "write_step", "record", "finish", "set_survivor", "set_unverified", "remember_proof")


def crash_at(number: int, *, before: bool) -> None:
    """Die as by kill -9 right after, or right before, the journal's n-th write."""
    from replctl.store.sqlite import SqliteStore

    count = 0

    def dying(name: str) -> None:
        real = getattr(SqliteStore, name)

        def write(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            mine = count == number
            if mine and before:
                os.kill(os.getpid(), signal.SIGKILL)
            result = real(*arguments, **named)
            if mine:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(SqliteStore, name, write)

    for name in WRITES:
        dying(name)


def crash_point(number: int, points: str) -> None:
    """Tell each point as it is passed, in a file, and die as by kill -9 at the n-th; at none of them for 0."""
    from replctl.drivers.wire import Wire
    from replctl.engine.looking import Watcher
    from replctl.store.sqlite import SqliteStore

    passed, lock = itertools.count(1), threading.Lock()
    told = os.open(points, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def after(owner: type, name: str, kind: str) -> None:
        real = getattr(owner, name)

        def method(self: Any, *arguments: Any, **named: Any) -> Any:
            result = real(self, *arguments, **named)
            with lock:
                os.write(told, f"{kind}\n".encode())
                if next(passed) == number:
                    os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, method)

    for name in WRITES:
        after(SqliteStore, name, "write")
    after(Wire, "send", "request")
    after(Watcher, "pairs", "observation")


def crash_sending(number: int) -> None:
    """Die as by kill -9 once the n-th change is intended, and before it is sent."""
    from replctl.core.journal import StepPhase
    from replctl.store.sqlite import SqliteStore

    count, real = 0, SqliteStore.write_step

    def write(store: SqliteStore, operation_id: str, step: Any) -> None:
        nonlocal count
        real(store, operation_id, step)
        count += step.phase is StepPhase.INTENDED
        if count == number:
            os.kill(os.getpid(), signal.SIGKILL)

    SqliteStore.write_step = write  # type: ignore[method-assign]  # dying is its only purpose


def warm_up() -> None:
    """Import all that a command or the daemon works with."""
    import replctl.bootstrap
    import replctl.cli.app
    import replctl.cli.boundary
    import replctl.cli.daemon
    import replctl.cli.verbs
    import replctl.daemon.loop
    import replctl.daemon.serving
    import replctl.drivers.powerstore.driver
    import replctl.drivers.trident.driver
    import replctl.store.sqlite  # noqa: F401 - so that a fork has them


def main() -> int:
    sys.modules["click"] = None  # or httpx imports a command line of its own, as it does nowhere else
    from replctl.cli.boundary import main as replctl

    for variable in (CRASH_AT, CRASH_BEFORE):
        if os.environ.get(variable):
            crash_at(int(os.environ[variable]), before=variable == CRASH_BEFORE)
    if os.environ.get(CRASH_SENDING):
        crash_sending(int(os.environ[CRASH_SENDING]))
    if os.environ.get(POINTS):
        crash_point(int(os.environ.get(CRASH_POINT, "0")), os.environ[POINTS])
    if os.environ.get(FILE_KIB):
        most = int(os.environ[FILE_KIB]) * KIB
        sys.dont_write_bytecode = True  # cut short, it would break every later run of this tree
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    return replctl(sys.argv[1:], clock=ControlClock(os.environ[VARIABLE], os.environ[SHOWN]))
