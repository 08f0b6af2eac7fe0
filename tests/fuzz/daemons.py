"""The daemon as one deed of a run: it starts, looks, is perhaps shown an edited file, acts, and stops."""

from __future__ import annotations

import logging
from typing import Any

from scenarios.test_daemon import edit as edit_file
from worlds import Ran, World

from replctl.bootstrap import assemble
from replctl.cli import documents
from replctl.core.events import ignore
from replctl.core.model import Who
from replctl.daemon.health import HealthBook
from replctl.daemon.loop import Daemon, Wakes
from replctl.daemon.systemd import Notifier
from replctl.logs import LOGGER

TICK_SECONDS = 30.0
AUTONOMY = "REPLCTL_DAEMON__AUTONOMY"


def a_daemon(world: World, edit: tuple[str, str] | None, clock: Any) -> Ran:
    """Two or three ticks; what it said, a sentence a tick. Its operations are carried out within the tick."""
    said: list[str] = []
    logging.getLogger(LOGGER).setLevel(logging.CRITICAL)
    with assemble(
        flags={},
        environ=world.environ(),
        clock=clock,
        report=ignore,
        document=documents.operation,
        command="replctl daemon",
        who=Who(user="replctl", host="here", pid=1),
    ) as services:
        wakes = Wakes()
        notifier = Notifier({}, clock)
        daemon = Daemon(services, book=HealthBook(clock), notifier=notifier, wakes=wakes)
        said.append(daemon.tick())
        if edit is not None:
            edit_file(world, *edit)
            clock.wait(1.0)
            said.append(daemon.tick())
        clock.wait(TICK_SECONDS)
        said.append(daemon.tick())
        wakes.stop.set()
    return Ran(0, " | ".join(said), "")
