"""What a command works with, put together once: output, services, progress, signals; and taken apart at its end."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from replctl.cli import offering
from replctl.cli.lines import Line
from replctl.cli.options import Common, Confirming, Looking
from replctl.cli.output import Output
from replctl.cli.progress import Progress
from replctl.cli.signals import Interrupts
from replctl.cli.surroundings import PROGRAM, Surroundings
from replctl.core.errors import ReplctlError
from replctl.core.events import Noticed
from replctl.core.model import Who

if TYPE_CHECKING:
    from replctl.bootstrap import Services
    from replctl.core.events import Report
    from replctl.core.results import StatusReport
    from replctl.core.secrets import Secrets

YES = ("y", "Y", "yes", "YES", "Yes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Everything of one command; `reports` are what it saw of many, for its metrics.

    `states` are how it saw local ends, by key, for completion.
    """

    here: Surroundings
    common: Common
    output: Output
    progress: Progress
    interrupts: Interrupts
    services: Services
    who: Who
    reports: list[StatusReport] = field(default_factory=list)
    states: dict[str, str] = field(default_factory=dict)

    @property
    def now(self) -> float:
        return self.here.clock.now()


def output_for(here: Surroundings, common: Common) -> Output:
    return Output(
        here.stdout,
        here.stderr,
        here.environ,
        format=common.output,
        colour=common.color,
        quiet=common.quiet,
        verbosity=common.verbose,
        lost=here.learned.lost,
    )


@contextmanager
def opened(
    here: Surroundings, common: Common, looking: Looking | None = None, *, file_may_be_missing: bool = False
) -> Iterator[Session]:
    """Assemble the services for a command; at the end they log out of the backends and close the store.

    `file_may_be_missing`: the desired-state file, for the command that writes it. With `--metrics-textfile` all that
    was counted until then is written, however the command ended.
    """
    looking = looking or Looking()
    textfile = looking.metrics_textfile
    if textfile is None:
        with _opened(here, common, looking, file_may_be_missing) as plain:
            yield plain
        return
    from replctl.daemon.textfile import refuse_unless_writable

    refuse_unless_writable(textfile)
    session: Session | None = None
    try:
        with _opened(here, common, looking, file_may_be_missing) as session:
            yield session
    finally:
        if session is not None:
            _leave_metrics(session, textfile)


def _leave_metrics(session: Session, path: Path) -> None:
    """What the command is worth is not changed by a file that could not be written in the end; that is said."""
    from replctl.daemon import textfile

    try:
        textfile.write(path, textfile.of_a_command(session.services, session.reports))
    except (textfile.NotWritten, ReplctlError) as error:
        session.progress(Noticed(topic="metrics", message=str(error)))
    finally:
        session.services.store.close()


@contextmanager
def _opened(
    here: Surroundings, common: Common, looking: Looking, file_may_be_missing: bool
) -> Iterator[Session]:
    output = output_for(here, common)
    progress = Progress(output, here.clock)
    who = who_asks(here.environ)
    with (
        Interrupts(here.leave) as interrupts,
        here.assemble(
            flags=common.flags,
            environ=here.environ,
            clock=here.clock,
            report=progress,
            command=command_line(here.argv),
            who=who,
            observe_timeout_seconds=looking.observe_timeout_seconds,
            file_may_be_missing=file_may_be_missing,
        ) as services,
    ):
        progress.log = _log(output, services.secrets)
        here.learned.redact = services.secrets.redact
        here.learned.state_dir = services.settings.state_dir
        session = Session(
            here=here,
            common=common,
            output=output,
            progress=progress,
            interrupts=interrupts,
            services=services,
            who=who,
        )
        try:
            yield session
        finally:
            offering.keep(session)


def _log(output: Output, secrets: Secrets) -> Report | None:
    """With `-v` and no terminal stderr is a log for machines: one JSON object a line (design §7)."""
    if not output.verbosity or output.live:
        return None
    from replctl import logs

    level = logs.level_of(output.verbosity, quiet=output.quiet)
    return logs.events(logs.set_up(level, secrets, stream=output.stderr, as_json=True))


def agreed(
    session: Session, confirming: Confirming, shown: Sequence[Line], question: str, yes: Collection[str]
) -> bool:
    """Whether a change may begin: by `-y`, or by an answer on the terminal after seeing what is shown."""
    if confirming.yes:
        return True
    if session.common.no_input or not session.here.interactive:
        return False
    session.output.ask(shown, question)
    return session.here.stdin.readline().strip() in yes


def command_line(argv: Sequence[str], *more: str) -> str:
    """The command as one would paste it; what is added stands before a `--`."""
    words = list(argv)
    at = words.index("--") if "--" in words else len(words)
    return shlex.join([PROGRAM, *words[:at], *more, *words[at:]])


def who_asks(environ: Mapping[str, str]) -> Who:
    """Who runs this process, as far as the machine tells: claimed, not proven."""
    import pwd

    try:
        user = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a user id without an entry, as in many containers
        user = str(os.geteuid())
    return Who(
        user=user, host=socket.gethostname(), pid=os.getpid(), sudo_user=environ.get("SUDO_USER") or None
    )


def owner_of(who: Who) -> str:
    """Who a hold belongs to: the person behind `sudo`; with the host, so that nobody is named as the daemon is."""
    return f"{who.sudo_user or who.user} on {who.host}"
