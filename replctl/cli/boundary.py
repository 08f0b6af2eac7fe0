"""The one error boundary: every way a command can end becomes an exit code, a sentence and, if asked, a document.

Expected errors (`ReplctlError`) say what is wrong and what to do. What typer finds wrong with a command line is
exit 2. Anything else is a mistake of ours: one sentence, and the traceback in a file that only its owner can read,
with secrets taken out. With `-o json` one document is printed in each of these cases too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from replctl.cli.output import Colour, Format, Output
from replctl.cli.signals import Terminated
from replctl.cli.surroundings import PROGRAM, Assemble, Surroundings, real
from replctl.clock import Clock
from replctl.core.errors import Finding, InvalidInput, ReplctlError
from replctl.core.outcomes import ExitCode, Outcome, outcome_of

if TYPE_CHECKING:
    import typer

    from replctl.core.results import Failure

REPORT_MODE = 0o600
SECRET_WORDS = ("password", "passwd", "secret", "token", "credential")
GROUPS = frozenset({"op", "breaker", "config"})


def main(
    argv: Sequence[str] | None = None,
    *,
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    stdin: TextIO | None = None,
    stdout: TextIO | None = None,
    stderr: TextIO | None = None,
    assemble: Assemble | None = None,
    leave: Callable[[int], None] = os._exit,
) -> int:
    """Run one command line and return its exit code; whatever is given stands in the place of the real thing."""
    here = real(
        argv,
        clock=clock,
        environ=environ,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        assemble=assemble,
        leave=leave,
    )
    output = _output(here)
    try:
        code = _guarded(here, output)
        output.flush()
    except KeyboardInterrupt:  # while the boundary itself was at work
        code = ExitCode.INTERRUPTED
    return int(code)


def _guarded(here: Surroundings, output: Output) -> int:
    import typer

    try:
        return _dispatch(here)
    except ReplctlError as error:
        findings = error.findings if isinstance(error, InvalidInput) else ()
        return _end(here, output, ExitCode(error.exit_code), failure_of(error), findings)
    except typer.TyperException as error:
        return _misused(here, output, error)
    except typer.Abort:
        return _stopped(here, output, ExitCode.INTERRUPTED, "interrupted")
    except KeyboardInterrupt:
        return _stopped(here, output, ExitCode.INTERRUPTED, "interrupted")
    except Terminated:
        return _stopped(here, output, ExitCode.TERMINATED, "terminated")
    except BrokenPipeError:
        return ExitCode.FAILED
    except Exception as error:
        return _end(here, output, ExitCode.FAILED, unexpected(here, error))


def _dispatch(here: Surroundings) -> int:
    import typer

    from replctl.cli.app import command

    try:
        with (
            redirect_stdout(here.stdout),
            command().make_context(PROGRAM, list(here.argv), obj=here) as context,
        ):
            code = context.command.invoke(context)
    except typer.Exit as ending:
        return ending.exit_code
    return int(code or 0)


def _misused(here: Surroundings, output: Output, error: typer.TyperException) -> int:
    """What typer says about a command line, and where to read how it is meant."""
    from replctl.core.results import Failure

    context = getattr(error, "ctx", None)
    message = error.format_message().replace("Value error, ", "")
    if message.startswith("Usage: "):  # a group without a command: its help is the answer
        output.say_text(message)
        message = "a command is missing"
    path = context.command_path if context is not None else PROGRAM
    failed = Failure(code="usage", message=message, remedy=f"{path} -h shows how it is used")
    return _end(here, output, ExitCode.USAGE, failed)


def _stopped(here: Surroundings, output: Output, code: ExitCode, message: str) -> int:
    from replctl.core.results import Failure

    return _end(here, output, code, Failure(code="interrupted", message=message))


def _end(
    here: Surroundings,
    output: Output,
    code: ExitCode,
    failed: Failure,
    findings: Sequence[Finding] = (),
) -> int:
    from replctl.cli import documents, screens

    if output.format.is_document:
        outcome = Outcome.INTERRUPTED if code is ExitCode.TERMINATED else outcome_of(code)
        whole = replace(failed, message="; ".join((failed.message, *(str(each) for each in findings))))
        output.document(documents.failure(command_name(here.argv), outcome, code, whole))
    output.tell(screens.error(failed, findings, output.message_width))
    return int(code)


def failure_of(error: ReplctlError) -> Failure:
    from replctl.core.results import Failure

    return Failure(code=error.code, message=str(error), remedy=error.remedy, retry_at=error.retry_at)


def unexpected(here: Surroundings, error: Exception) -> Failure:
    """One sentence for a mistake of ours; the traceback goes to a file."""
    from replctl.core.results import Failure

    try:
        place: str | None = str(write_report(here, error))
    except OSError:
        place = None
    where = f"the report is in {place}" if place else "no report could be written"
    return Failure(
        code="internal",
        message=f"{PROGRAM} made a mistake ({type(error).__name__}); {where}",
        remedy="replctl op list shows what was begun" if place else "",
    )


def write_report(here: Surroundings, error: Exception) -> Path:
    """The traceback in a new file readable by its owner alone, in the state directory or else a temporary one."""
    import traceback

    text = redacted("".join(traceback.format_exception(error)), here.environ)
    report = f"{PROGRAM} {' '.join(here.argv)}\n\n{here.learned.redact(text)}"
    name = f"report-{int(here.clock.now() * 1000)}-{os.getpid()}.txt"
    for folder in _report_folders(here):
        try:
            descriptor = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, REPORT_MODE)
        except OSError:
            continue
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
            file.write(report)
        return folder / name
    raise OSError("no folder takes a report")


def _report_folders(here: Surroundings) -> Iterator[Path]:
    """The state directory of the configuration, of the environment, of the home, and at last a new one."""
    import tempfile

    if here.learned.state_dir is not None:
        yield here.learned.state_dir
    if given := here.environ.get("REPLCTL_STATE_DIR"):
        yield Path(given)
    own = Path(here.environ.get("HOME") or "/") / ".local" / "state"
    yield Path(here.environ.get("XDG_STATE_HOME") or own) / PROGRAM
    yield Path(tempfile.mkdtemp(prefix=f"{PROGRAM}-"))


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """The text without the values of variables that are secrets by their names."""
    from replctl.core.secrets import Secrets

    known = Secrets()
    for name, value in environ.items():
        if any(word in name.lower() for word in SECRET_WORDS):
            known.add(value)
    return known.redact(text)


def command_name(argv: Sequence[str]) -> str:
    """The command's words, as far as the command line has them: `promote`, `op list`."""
    words = [word for word in argv if not word.startswith("-")]
    if not words:
        return ""
    return " ".join(words[: 2 if words[0] in GROUPS else 1])


def _output(here: Surroundings) -> Output:
    """How to print before, or without, a command line that was understood."""
    return Output(
        here.stdout,
        here.stderr,
        here.environ,
        format=asked_format(here.argv),
        colour=_asked_colour(here.argv),
    )


def asked_format(argv: Sequence[str]) -> Format:
    """What `-o` asks for, read from the bare words, because a wrong command line is answered in it too."""
    value = _last_value(argv, "-o", "--output")
    return Format(value) if value in list(Format) else Format.TABLE


def _asked_colour(argv: Sequence[str]) -> Colour:
    value = _last_value(argv, None, "--color")
    return Colour(value) if value in list(Colour) else Colour.AUTO


def _last_value(argv: Sequence[str], short: str | None, long: str) -> str | None:
    found = None
    for at, word in enumerate(argv):
        if word == "--":
            break
        if word in (short, long):
            found = argv[at + 1] if at + 1 < len(argv) else None
        elif word.startswith(f"{long}="):
            found = word.partition("=")[2]
        elif short is not None and word.startswith(short):
            found = word[len(short) :]
    return found
