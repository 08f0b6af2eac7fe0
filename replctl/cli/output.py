"""The only printer: two streams, what kind of terminal they are, and what may reach it.

Data goes to stdout, everything else to stderr. Foreign text (a vendor's message, a name from a file) is made
harmless here and nowhere else: no control character reaches a stream except the colours that we add. A reader
who goes away (SIGPIPE) ends the printing, not the work: the exit code stays the operation's own. Data that cannot be
written, as to a full disk, are lost: that is noted, and the boundary says so.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TextIO

from replctl.cli.lines import Line, Role, Span

FALLBACK_COLUMNS = 80
RESET = "\x1b[0m"
PAINT: Mapping[Role, str] = {
    Role.PLAIN: "",
    Role.STRONG: "\x1b[1m",
    Role.DIM: "\x1b[2m",
    Role.GOOD: "\x1b[32m",
    Role.BUSY: "\x1b[36m",
    Role.WARN: "\x1b[33m",
    Role.BAD: "\x1b[1;31m",
    Role.TYPE: "\x1b[1m",
}


class Format(StrEnum):
    """`-o`."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    JSONL = "jsonl"
    YAML = "yaml"
    NAME = "name"

    @property
    def is_document(self) -> bool:
        return self in (Format.JSON, Format.JSONL, Format.YAML)


class Colour(StrEnum):
    """`--color`."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


def harmless(text: str) -> str:
    """The text with everything that is not printable as `?`: a vendor's word never moves our cursor."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def to_json(document: object, *, indent: int | None = 2) -> str:
    """One document, readable as far as it is printable; what a terminal might obey is escaped.

    Without an indent it stands on one line.
    """
    text = json.dumps(document, ensure_ascii=False, indent=indent, allow_nan=False) + "\n"
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c.isprintable() or c == "\n" else json.dumps(c)[1:-1] for c in text)


def to_yaml(document: object) -> str:
    import yaml

    plain = json.loads(json.dumps(document))  # enumerations become their words
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=False, width=100)


def is_terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except ValueError:  # it is closed
        return False


class Output:
    """What a command prints with; safe to use from several threads. Widths are None for a pipe: nothing wraps."""

    def __init__(
        self,
        stdout: TextIO,
        stderr: TextIO,
        environ: Mapping[str, str],
        *,
        format: Format = Format.TABLE,
        colour: Colour = Colour.AUTO,
        quiet: bool = False,
        verbosity: int = 0,
        lost: list[OSError] | None = None,
    ) -> None:
        self.format = format
        self.quiet = quiet
        self.verbosity = verbosity
        self.stdout = stdout
        self.stderr = stderr
        self.environ = environ
        self._colour = colour
        self._gone: set[int] = set()
        self._lost = [] if lost is None else lost
        self._lock = threading.RLock()

    @property
    def width(self) -> int | None:
        return self._columns(self.stdout)

    @property
    def message_width(self) -> int | None:
        return self._columns(self.stderr)

    @property
    def live(self) -> bool:
        """Whether a line that redraws itself can be shown."""
        return not self.quiet and is_terminal(self.stderr) and self.environ.get("TERM") != "dumb"

    @property
    def abandoned(self) -> bool:
        """Whether nobody reads the data any more."""
        return id(self.stdout) in self._gone

    def data(self, lines: Iterable[Line]) -> None:
        self._print(self.stdout, lines)

    def text(self, text: str) -> None:
        """Data that is ready as it is: a script, a path, a document."""
        self._write(self.stdout, text)

    def names(self, names: Iterable[object]) -> None:
        """Data for other programs: one name a line, whatever is in it."""
        self.text("".join(f"{harmless(str(each))}\n" for each in names))

    def document(self, document: object) -> None:
        if self.format is Format.YAML:
            self.text(to_yaml(document))
        else:
            self.text(to_json(document, indent=None if self.format is Format.JSONL else 2))

    def say(self, lines: Iterable[Line]) -> None:
        """Commentary on stderr; silent with `-q`."""
        if not self.quiet:
            self._print(self.stderr, lines)

    def tell(self, lines: Iterable[Line]) -> None:
        """What must be read, also with `-q`: refusals, failures, questions."""
        self._print(self.stderr, lines)

    def say_text(self, text: str) -> None:
        """Commentary of ours that is laid out already: a usage text."""
        if not self.quiet:
            self._write(self.stderr, text if text.endswith("\n") else text + "\n")

    def ask(self, lines: Iterable[Line], prompt: str) -> None:
        """A question on stderr whose last line stays open for the answer."""
        self._print(self.stderr, lines)
        self._write(self.stderr, harmless(prompt))
        self.flush()

    def flush(self) -> None:
        for stream in (self.stdout, self.stderr):
            self._guarded(stream, stream.flush)

    def coloured(self, stream: TextIO) -> bool:
        if self._colour is not Colour.AUTO:
            return self._colour is Colour.ALWAYS
        if self.environ.get("NO_COLOR") or self.environ.get("TERM") == "dumb":
            return False
        return is_terminal(stream)

    def _columns(self, stream: TextIO) -> int | None:
        if not is_terminal(stream):
            return None
        given = self.environ.get("COLUMNS", "")
        if given.isdecimal() and int(given) > 0:
            return int(given)
        try:
            return os.get_terminal_size(stream.fileno()).columns or FALLBACK_COLUMNS
        except (OSError, ValueError):
            return FALLBACK_COLUMNS

    def _print(self, stream: TextIO, lines: Iterable[Line]) -> None:
        paint = _painted if self.coloured(stream) else _bare
        self._write(stream, "".join(paint(each) for each in lines))

    def _write(self, stream: TextIO, text: str) -> None:
        if text:
            self._guarded(stream, lambda: stream.write(_encodable(text, stream)))

    def _guarded(self, stream: TextIO, write: Callable[[], object]) -> None:
        if id(stream) in self._gone:
            return
        try:
            with self._lock:
                write()
        except OSError as error:
            self._gone.add(id(stream))
            _silence(stream)
            if stream is self.stdout and not isinstance(error, BrokenPipeError):
                self._lost.append(error)


class Echo(io.TextIOBase):
    """Standard output for what prints by itself, which is typer's help."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def write(self, text: str) -> int:
        if not isinstance(text, str):  # how typer asks whether this is a stream of bytes
            raise TypeError("text is wanted")
        self._output.text(text)
        return len(text)

    def isatty(self) -> bool:
        return is_terminal(self._output.stdout)


def _bare(spans: Line) -> str:
    return harmless("".join(span.text for span in spans)).rstrip() + "\n"


def _painted(spans: Line) -> str:
    return "".join(_paint(span) for span in _without_tail(spans)) + "\n"


def _paint(span: Span) -> str:
    text, code = harmless(span.text), PAINT[span.role]
    return f"{code}{text}{RESET}" if code and text.strip() else text


def _without_tail(spans: Line) -> Line:
    """The line without blanks at its end, which a narrow terminal would wrap."""
    kept = list(spans)
    while kept and not kept[-1].text.rstrip():
        kept.pop()
    if kept:
        kept[-1] = Span(kept[-1].text.rstrip(), kept[-1].role)
    return tuple(kept)


def _encodable(text: str, stream: TextIO) -> str:
    """The text as the stream can take it: a terminal without UTF-8 gets `?` where it has no letter."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    return text.encode(encoding, "replace").decode(encoding)


def _silence(stream: TextIO) -> None:
    """Point what cannot be written to at nothing, so that the interpreter's last flush does not complain."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)
