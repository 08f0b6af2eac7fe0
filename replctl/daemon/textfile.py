"""Metrics in a file that node_exporter's textfile collector reads: whole at every moment, readable by everybody.

No command ends otherwise because of such a file: what can be known beforehand refuses it before it begins, and what
goes wrong in the end is said.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path

from replctl.bootstrap import Services
from replctl.core.errors import InvalidInput
from replctl.core.results import StatusReport
from replctl.daemon import exposition

OPTION = "--metrics-textfile"
MODE = 0o644


class NotWritten(Exception):
    """Why the file could not be written, in words."""


def refuse_unless_writable(path: Path) -> None:
    """Raises InvalidInput where no such file can be made."""
    directory = path.absolute().parent
    if path.is_dir():
        raise InvalidInput(f"{OPTION} {path}: it is a directory")
    if not directory.is_dir():
        raise InvalidInput(f"{OPTION} {path}: there is no directory {directory}")
    if not os.access(directory, os.W_OK | os.X_OK):
        raise InvalidInput(f"{OPTION} {path}: {directory} cannot be written by this user")


def write(path: Path, text: str) -> None:
    """Put the text in the place of the file, by a rename; raises NotWritten."""
    made: Path | None = None
    try:
        # a name that the collector, which takes *.prom, does not take
        descriptor, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        made = Path(name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            os.fchmod(stream.fileno(), MODE)
        made.replace(path)
    except OSError as error:
        raise NotWritten(f"{path} could not be written: {error.strerror or error}") from error
    finally:
        if made is not None:
            made.unlink(missing_ok=True)


def of_a_command(services: Services, reports: Iterable[StatusReport]) -> str:
    """What a command can tell: the store's counters with its own, what the file names, and what it saw.

    The counters go to the store, also where nothing was in it before: they would begin anew with every command.
    """
    store = services.store
    services.tally.flush(store.add_counts)
    known = services.replications
    counters = services.tally.with_what_was_handed_on(store.counts)
    names = frozenset((each.name, each.namespace) for each in known.values())
    held = sum(key in known for key in store.holds())
    samples = {
        **exposition.present(counters, names),
        **exposition.breakers(store.breakers()),
        **exposition.build_info(),
        **exposition.of_the_file(known.values()),
        **exposition.of_the_store(held, len(store.journalled(open_only=True) & known.keys())),
    }
    for report in reports:
        samples |= exposition.of_a_look(report, services.clock.now())
    return exposition.text(samples)
