"""The one error boundary: every way a command can end becomes an exit code, a sentence and, if asked, a document.

Expected errors (`ReplctlError`) say what is wrong and what to do. What typer finds wrong with a command line is
exit 2. Anything else is a mistake of ours: one sentence, and the traceback in a file that only its owner can read,
with secrets taken out. With `-o json` one document is printed in each of these cases too.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import replace
from typing import TYPE_CHECKING, TextIO

from replctl.cli.output import Colour, Echo, Format, Output
from replctl.cli.signals import Terminated
from replctl.cli.surroundings import PROGRAM, Assemble, Surroundings, real
from replctl.clock import Clock
from replctl.core.errors import Finding, InvalidInput, ReplctlError
from replctl.core.outcomes import ExitCode, Outcome, outcome_of

if TYPE_CHECKING:
    import typer

    from replctl.core.results import Failure

GROUPS = frozenset({"op", "breaker", "config", "drill", "systemd", "monitoring"})


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
        run=main,
    )
    output = _output(here)
    try:
        code = _delivered(here, output, _guarded(here, output))
    except KeyboardInterrupt:  # while the boundary itself was at work
        code = ExitCode.INTERRUPTED
    return int(code)


def _delivered(here: Surroundings, output: Output, code: int) -> int:
    """The code, unless it tells a success whose data could not be printed: then what was done is told by it alone."""
    output.flush()
    if not here.learned.lost:
        return code
    from replctl.core.results import Failure

    why = here.learned.lost[0].strerror or "no reason was given"
    remedy = "what was done stands, and replctl op list shows it" if here.learned.changed else ""
    failed = Failure(code="output-lost", message=f"what was to be printed was lost: {why}", remedy=remedy)
    instead = _end(here, output, ExitCode.PARTIAL if here.learned.changed else ExitCode.FAILED, failed)
    output.flush()
    return instead if code == ExitCode.DONE else code


def _guarded(here: Surroundings, output: Output) -> int:
    import typer

    try:
        return _dispatch(here, output)
    except ReplctlError as error:
        findings = error.findings if isinstance(error, InvalidInput) else ()
        return _end(here, output, ExitCode(error.exit_code), _failure_of(error), findings)
    except typer.TyperException as error:
        return _misused(here, output, error)
    except typer.Abort:
        return _stopped(here, output, ExitCode.INTERRUPTED, "interrupted")
    except KeyboardInterrupt:
        return _stopped(here, output, ExitCode.INTERRUPTED, "interrupted")
    except Terminated:
        return _stopped(here, output, ExitCode.TERMINATED, "terminated")
    except Exception as error:
        return _end(here, output, ExitCode.FAILED, _unexpected(here, error))


def _dispatch(here: Surroundings, output: Output) -> int:
    import typer

    from replctl.cli.app import command

    try:
        with (
            redirect_stdout(Echo(output)),
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


def _failure_of(error: ReplctlError) -> Failure:
    from replctl.cli.failures import failure_of

    return failure_of(error)


def _unexpected(here: Surroundings, error: Exception) -> Failure:
    from replctl.cli.failures import unexpected

    return unexpected(here, error)


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
    from replctl.cli import checking, documents, leading, screens

    command = command_name(here.argv)
    failed = leading.of_command(failed, command, invalid=code is ExitCode.USAGE)
    ends_with = checking.could_not(output, failed, findings) if command == checking.NAME else int(code)
    if output.format.is_document:
        outcome = Outcome.INTERRUPTED if code is ExitCode.TERMINATED else outcome_of(code)
        whole = replace(failed, message="; ".join((failed.message, *(str(each) for each in findings))))
        output.document(documents.failure(command, outcome, ends_with, whole))
    output.tell(screens.error(failed, findings, output.message_width))
    return ends_with


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
        lost=here.learned.lost,
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
