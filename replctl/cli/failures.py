"""Errors as what is told of them; and the report on a mistake of ours, private and without secrets."""

from __future__ import annotations

import os
import tempfile
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

from replctl.cli.surroundings import PROGRAM, Surroundings
from replctl.core.errors import ReplctlError
from replctl.core.results import Failure
from replctl.core.secrets import Secrets

REPORT_MODE = 0o600
SECRET_WORDS = ("password", "passwd", "secret", "token", "credential")


def failure_of(error: ReplctlError) -> Failure:
    return Failure(code=error.code, message=str(error), remedy=error.remedy, retry_at=error.retry_at)


def unexpected(here: Surroundings, error: Exception) -> Failure:
    """One sentence for a mistake of ours; the traceback goes to a file."""
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
    if here.learned.state_dir is not None:
        yield here.learned.state_dir
    if given := here.environ.get("REPLCTL_STATE_DIR"):
        yield Path(given)
    own = Path(here.environ.get("HOME") or "/") / ".local" / "state"
    yield Path(here.environ.get("XDG_STATE_HOME") or own) / PROGRAM
    yield Path(tempfile.mkdtemp(prefix=f"{PROGRAM}-"))


def redacted(text: str, environ: Mapping[str, str]) -> str:
    """The text without the values of variables that are secrets by their names."""
    known = Secrets()
    for name, value in environ.items():
        if any(word in name.lower() for word in SECRET_WORDS):
            known.add(value)
    return known.redact(text)
