"""`daemon`: the same engine, running by itself: reconciles the desired-state file, serves metrics and health."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common

if TYPE_CHECKING:
    from replctl.bootstrap import Services
    from replctl.daemon.health import HealthBook
    from replctl.daemon.loop import Daemon
    from replctl.daemon.serving import Pages


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
    common: Common,
) -> int:
    """Reconcile the desired-state file until told to stop; serve metrics and health.

    What it may do by itself is `daemon.autonomy`; it never promotes unplanned, creates or deletes. SIGHUP reads the
    desired-state file anew, as does any change of it; SIGTERM leaves what is on its way to be gone on with.
    """
    import logging

    from replctl import logs
    from replctl.cli.session import command_line, who_asks
    from replctl.cli.signals import Interrupts
    from replctl.core.events import to_all
    from replctl.daemon.health import HealthBook
    from replctl.daemon.loop import LEAVE_SECONDS, Daemon, Wakes
    from replctl.daemon.serving import Servers
    from replctl.daemon.systemd import Notifier
    from replctl.tally import Tally

    here, tally, wakes = context.obj, Tally(), Wakes()
    services: Services
    log = logging.getLogger(logs.LOGGER)
    with (
        Interrupts(here.leave) as interrupts,
        here.assemble(
            flags=common.flags,
            environ=here.environ,
            clock=here.clock,
            report=to_all(tally, logs.events(log)),
            command=command_line(here.argv),
            who=who_asks(here.environ),
        ) as services,
    ):
        wakes.stop = interrupts.cancel
        level = logs.level_of(common.verbose + 1, quiet=common.quiet)
        logs.set_up(level, services.secrets, stream=here.stderr)
        here.learned.redact = services.secrets.redact
        book = HealthBook(here.clock)
        running = Daemon(
            services,
            tally=tally,
            book=book,
            notifier=Notifier(here.environ, here.clock),
            wakes=wakes,
            allow_shrink=allow_shrink,
        )
        with Servers(_pages(services, running, book)), interrupts.patiently():
            _listen_for_reloads(wakes.reload)
            if once:
                running.tick()
                running.settle(LEAVE_SECONDS)
                tally.flush(services.store.add_counts)
            else:
                running.run()
    return 0


def _pages(services: Services, running: Daemon, book: HealthBook) -> Mapping[str, Pages]:
    """What is served where; one address may serve both."""
    from replctl.daemon.serving import document_page, metrics_page

    own = services.settings.daemon
    metrics = {"/metrics": metrics_page(running.metrics)}
    health = {
        "/healthz": document_page(lambda: dict(book.health()), "healthy"),
        "/readyz": document_page(lambda: dict(book.readiness()), "ready"),
    }
    if own.metrics_address == own.health_address:
        return {own.metrics_address: {**metrics, **health}}
    return {own.metrics_address: metrics, own.health_address: health}


def _listen_for_reloads(wake: threading.Event) -> None:
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGHUP, lambda *_: wake.set())
