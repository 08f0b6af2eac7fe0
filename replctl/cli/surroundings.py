"""The outside as one value that tests replace: streams, environment, clock, and how services are assembled."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO

from replctl.cli.output import is_terminal
from replctl.clock import Clock, SystemClock

if TYPE_CHECKING:
    from replctl.bootstrap import Services
    from replctl.core.events import Report
    from replctl.core.model import Who
    from replctl.core.results import OperationResult

PROGRAM = "replctl"


class Assemble(Protocol):
    """The shape of `bootstrap.assemble`."""

    def __call__(
        self,
        *,
        flags: Mapping[str, str],
        environ: Mapping[str, str],
        clock: Clock,
        report: Report,
        command: str,
        who: Who,
        observe_timeout_seconds: float | None = None,
        file_may_be_missing: bool = False,
    ) -> Services: ...


def assemble_really(
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    clock: Clock,
    report: Report,
    command: str,
    who: Who,
    observe_timeout_seconds: float | None = None,
    file_may_be_missing: bool = False,
) -> Services:
    from replctl import bootstrap

    return bootstrap.assemble(
        flags=flags,
        environ=environ,
        clock=clock,
        report=report,
        command=command,
        who=who,
        observe_timeout_seconds=observe_timeout_seconds,
        file_may_be_missing=file_may_be_missing,
        document=_told_to_hooks,
    )


def _told_to_hooks(result: OperationResult) -> Mapping[str, object]:
    from replctl.cli import documents

    return documents.operation(result)


@dataclass(slots=True)
class Learned:
    """What came to be known on the way, for the report on a mistake of ours: secrets to leave out, a place for it.

    `lost` is why data could not be printed; `changed`, whether a backend was changed.
    """

    redact: Callable[[str], str] = str
    state_dir: Path | None = None
    lost: list[OSError] = field(default_factory=list)
    changed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All of the outside that a command may touch."""

    argv: tuple[str, ...]
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO
    environ: Mapping[str, str]
    clock: Clock
    assemble: Assemble
    leave: Callable[[int], None]  # at once, for the second Ctrl-C
    run: Callable[..., int]  # a whole command line, as `boundary.main` does; `demo` plays with it
    began_at: float = 0.0  # when the command began, on the monotonic clock
    learned: Learned = field(default_factory=Learned)

    @property
    def interactive(self) -> bool:
        """Whether somebody is there to be asked."""
        return is_terminal(self.stdin) and is_terminal(self.stderr)


def real(
    argv: Sequence[str] | None,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    assemble: Assemble | None = None,
    leave: Callable[[int], None] = os._exit,
    run: Callable[..., int],
) -> Surroundings:
    """The process's own surroundings, with whatever is given in their place."""
    clock = clock or SystemClock()
    return Surroundings(
        argv=tuple(sys.argv[1:] if argv is None else argv),
        stdin=stdin or sys.stdin,
        stdout=stdout or sys.stdout,
        stderr=stderr or sys.stderr,
        environ=os.environ if environ is None else environ,
        clock=clock,
        began_at=clock.monotonic(),
        assemble=assemble or assemble_really,
        leave=leave,
        run=run,
    )
