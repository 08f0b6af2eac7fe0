"""`daemon`: the same engine, running by itself: reconciles the desired-state file, serves metrics and health."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common, MetricsTextfile
from replctl.core.errors import ReplctlError

if TYPE_CHECKING:
    from replctl.bootstrap import Services
    from replctl.cli.surroundings import Surroundings
    from replctl.clock import Cancel
    from replctl.daemon.doors import Doors
    from replctl.daemon.health import HealthBook
    from replctl.daemon.loop import Daemon
    from replctl.daemon.serving import Pages

SWITCH_SECONDS = 0.001  # between threads, so that health is told in the midst of a large scrape or look


def daemon(
    context: typer.Context,
    *,
    allow_shrink: Annotated[
        bool,
        typer.Option("--allow-shrink", help="Take up a file that forgets more than half of its entries."),
    ] = False,
    once: Annotated[
        bool, typer.Option("--once", help="One tick, with all that it begins, and then the end.")
    ] = False,
    metrics_textfile: MetricsTextfile = None,
    common: Common,
) -> int:
    """Reconcile the desired-state file until told to stop; serve metrics and health.

    What it may do by itself is `daemon.autonomy`; it never promotes unplanned, creates or deletes. SIGHUP reads the
    desired-state file anew, as does any change of it; SIGTERM leaves what is on its way to be gone on with. The exit
    code of --once is that of `status`, and of what it carried out; what waits for a person does not change it.
    """
    from replctl.cli.signals import Interrupts
    from replctl.daemon.serving import Servers

    here = context.obj
    with Interrupts(here.leave) as interrupts, _services(here, common) as services:
        book, running = _made(here, services, interrupts.cancel, allow_shrink=allow_shrink)
        doors = _doors(services)
        if metrics_textfile is not None:
            _leave_metrics(metrics_textfile, running, doors)
        sys.setswitchinterval(SWITCH_SECONDS)
        with Servers(_pages(services, running, book, doors), doors), interrupts.patiently():
            if once:
                return int(interrupts.code(running.once()))
            running.garbage.sets_aside = True
            running.run()
    return 0


def _leave_metrics(path: Path, running: Daemon, doors: Doors) -> None:
    """After every look what `/metrics` would say is in the file; raises InvalidInput where none can be made."""
    import logging

    from replctl.daemon import textfile
    from replctl.logs import LOGGER

    textfile.refuse_unless_writable(path)
    told: list[str] = [""]

    def leave() -> None:
        try:
            textfile.write(path, running.metrics(others_are_good=doors.is_good))
            trouble = ""
        except (textfile.NotWritten, ReplctlError) as error:
            trouble = str(error)
        if trouble and trouble != told[0]:
            logging.getLogger(LOGGER).error("%s", trouble)
        told[0] = trouble

    running.after_look = leave


def _services(here: Surroundings, common: Common) -> Services:
    """Assembled as for a command, with a log in the place of a screen."""
    import logging

    from replctl import logs
    from replctl.cli.session import command_line, who_asks

    services = here.assemble(
        flags=common.flags,
        environ=here.environ,
        clock=here.clock,
        report=logs.events(logging.getLogger(logs.LOGGER)),
        command=command_line(here.argv),
        who=who_asks(here.environ),
    )
    level = logs.level_of(common.verbose + 1, quiet=common.quiet)
    logs.set_up(level, services.secrets, stream=here.stderr)
    here.learned.redact = services.secrets.redact
    here.learned.state_dir = services.settings.state_dir
    return services


def _made(
    here: Surroundings, services: Services, stop: Cancel, *, allow_shrink: bool
) -> tuple[HealthBook, Daemon]:
    """The daemon with its health; from now on SIGHUP asks it to read its file anew."""
    from replctl.daemon.health import HealthBook
    from replctl.daemon.loop import Daemon, Wakes
    from replctl.daemon.systemd import Notifier

    book, wakes = HealthBook(here.clock), Wakes(stop=stop)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: wakes.reload.set())
    notifier = Notifier(here.environ, here.clock)
    return book, Daemon(services, book=book, notifier=notifier, wakes=wakes, allow_shrink=allow_shrink)


def _doors(services: Services) -> Doors:
    """Who may read what is served; raises InvalidConfiguration for a web config file that is no use."""
    from replctl.daemon.doors import doors

    path = services.settings.daemon.web_config_file
    return doors(path, services.settings.around.shown(path) if path is not None else "")


def _pages(services: Services, running: Daemon, book: HealthBook, doors: Doors) -> Mapping[str, Pages]:
    """What is served where; one address may serve both."""
    from replctl.daemon.serving import document_page, metrics_page

    own = services.settings.daemon
    metrics = {"/metrics": metrics_page(lambda: running.metrics(others_are_good=doors.is_good))}
    health = {
        "/healthz": document_page(lambda: dict(book.health()), "healthy"),
        "/readyz": document_page(lambda: dict(book.readiness()), "ready"),
    }
    if own.metrics_address == own.health_address:
        return {own.metrics_address: {**metrics, **health}}
    return {own.metrics_address: metrics, own.health_address: health}
