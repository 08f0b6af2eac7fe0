"""Structured logs: one line a record, text on a terminal and JSON elsewhere, with secrets taken out (design §7).

Everything goes to stderr through the logger `replctl`. What a line is about (`op_id`, `backend`, `step` …) is
handed in as `about(...)`; the correlation id is found by itself. `events` turns core.events into lines.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from replctl.core.durations import format_time
from replctl.core.events import (
    BreakerMoved,
    CallEnded,
    Discovered,
    Event,
    MemberEnded,
    Noticed,
    OperationBegan,
    OperationEnded,
    Report,
    StateMoved,
    StepBegan,
    StepEnded,
    StepWaits,
    Translated,
    WaveBegan,
    WillRetry,
)
from replctl.core.secrets import Secrets
from replctl.core.states import shown
from replctl.correlation import current

LOGGER = "replctl"
FIELDS = ("op_id", "namespace", "name", "backend", "step", "attempt", "duration_ms", "error")
TALKATIVE = ("httpx", "httpcore")  # they log addresses and headers, which are no business of a log
MILLISECONDS_PER_SECOND = 1000
_ABOUT = "replctl_about"


def level_of(verbosity: int, *, quiet: bool = False) -> int:
    """The level for so many `-v`: warnings, then what is done, then everything; with `-q` errors alone."""
    if quiet:
        return logging.ERROR
    return (logging.WARNING, logging.INFO, logging.DEBUG)[min(max(verbosity, 0), 2)]


def about(**fields: Any) -> Mapping[str, Any]:
    """What a line is about, for `extra=`: any of FIELDS; those that are None are left out."""
    if unknown := fields.keys() - set(FIELDS):
        raise ValueError(f"no such log field: {', '.join(sorted(unknown))}")
    return {_ABOUT: {key: value for key, value in fields.items() if value is not None}}


def set_up(
    level: int, secrets: Secrets, *, stream: TextIO | None = None, as_json: bool | None = None
) -> logging.Logger:
    """Send our log to `stream` (stderr), replacing what an earlier call set up.

    `as_json` None means: JSON unless the stream is a terminal.
    """
    stream = stream or sys.stderr
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction(secrets))
    plain = stream.isatty() if as_json is None else not as_json
    handler.setFormatter(Lines() if plain else JsonLines())
    logger = logging.getLogger(LOGGER)
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(level)
    logger.propagate = False
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    return logger


class Redaction(logging.Filter):
    """Takes known secrets out of a record, wherever they are: message, arguments, fields, traceback."""

    def __init__(self, secrets: Secrets) -> None:
        super().__init__()
        self._secrets = secrets
        self._traces = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        redact = self._secrets.redact
        record.msg, record.args = redact(record.getMessage()), None
        if record.exc_info:
            record.exc_text = self._traces.formatException(record.exc_info)
            record.exc_info = None
        if record.exc_text:
            record.exc_text = redact(record.exc_text)
        if record.stack_info:
            record.stack_info = redact(record.stack_info)
        if _ABOUT in record.__dict__:
            setattr(record, _ABOUT, _redacted(record.__dict__[_ABOUT], self._secrets))
        return True


class JsonLines(logging.Formatter):
    """One JSON object a line: `ts`, `level`, `msg`, `correlation_id`, and what is known of FIELDS."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        if record.exc_text:
            fields["traceback"] = record.exc_text
        line = {
            "ts": _stamp(record),
            "level": record.levelname.lower(),
            "msg": record.getMessage(),
            "correlation_id": current(),
            **fields,
        }
        return json.dumps(line, default=str)


class Lines(logging.Formatter):
    """One line of text for people, what it is about in `key=value` after it; a traceback below, indented."""

    def format(self, record: logging.LogRecord) -> str:
        fields = {**_fields(record), "correlation_id": current() or None}
        told = "".join(f" {key}={value}" for key, value in fields.items() if value is not None)
        line = _printable(f"{_stamp(record)} {record.levelname:<7} {record.getMessage()}{told}")
        below = "".join(f"\n    {_printable(text)}" for text in (record.exc_text or "").splitlines())
        return line + below


def events(logger: logging.Logger) -> Report:
    """A subscriber that writes one line for each event."""

    def report(event: Event) -> None:
        level, message, fields = line_of(event)
        if logger.isEnabledFor(level):
            logger.log(level, message, extra=about(**fields))

    return report


def line_of(event: Event) -> tuple[int, str, Mapping[str, Any]]:
    """How an event reads in the log: level, sentence and fields."""
    fields = {**_place(event), **_measures(event)}
    if isinstance(event, WaveBegan | MemberEnded):
        return _of_several(event, fields)
    if isinstance(event, Translated | Discovered):
        return logging.DEBUG, type(event).__name__.lower(), fields
    return _of_one(event, fields)


def _of_one(event: Event, fields: Mapping[str, Any]) -> tuple[int, str, Mapping[str, Any]]:
    match event:
        case OperationBegan():
            verb = "joined" if event.joined else "began"
            return logging.INFO, f"operation {verb}: {event.verb}", fields
        case StepBegan():
            return logging.INFO, f"step {event.number} of {event.of}: {event.sentence or event.step}", fields
        case StepWaits():
            words = f"local {event.local_word or '?'}, peer {event.peer_word or '?'}"
            return logging.DEBUG, f"waiting: {words}", fields
        case StepEnded():
            return logging.INFO, f"step ended: {event.outcome}", fields
        case StateMoved():
            moved = f"{shown(event.origin)} -> {shown(event.target)}"
            return logging.INFO, f"state moved: {moved} ({event.reason})", fields
        case OperationEnded():
            anchor = f"; anchor: {event.anchor}" if event.anchor else ""
            return logging.INFO, f"operation ended: {event.outcome}{anchor}", fields
        case CallEnded():
            return logging.DEBUG, f"call ended: {event.operation}: {event.result}", fields
        case WillRetry():
            wait = f"again in {event.wait_seconds:.1f} s"
            return logging.INFO, f"{event.operation} failed, {wait}", fields
        case BreakerMoved():
            until = f" until {format_time(event.retry_at)}" if event.retry_at is not None else ""
            moved = f"circuit breaker for {event.call_class} calls: {event.origin} -> {event.target}{until}"
            return (logging.WARNING if until else logging.INFO), moved, fields
        case Noticed():
            return logging.WARNING, f"{event.topic}: {event.message}", fields
    return logging.DEBUG, type(event).__name__, fields


def _of_several(
    event: WaveBegan | MemberEnded, fields: Mapping[str, Any]
) -> tuple[int, str, Mapping[str, Any]]:
    """A member's outcome is told by its operation too, at a level that is shown."""
    if isinstance(event, MemberEnded):
        return logging.DEBUG, f"member ended: {event.outcome}", fields
    wave = f"wave {event.number} of {event.of} began: order {event.order}, {event.members} replications"
    return logging.INFO, wave, fields


def _place(event: Event) -> dict[str, Any]:
    """Which operation, replication, backend and step an event speaks of."""
    namespace, _, name = getattr(event, "replication", "").rpartition("/")
    return {
        "op_id": getattr(event, "operation_id", None),
        "namespace": namespace or None,
        "name": name or None,
        "backend": getattr(event, "backend", None),
        "step": getattr(event, "step", None),
    }


def _measures(event: Event) -> dict[str, Any]:
    match event:
        case StepEnded(seconds=seconds) | OperationEnded(seconds=seconds):
            return {"duration_ms": _milliseconds(seconds)}
        case StepWaits(elapsed_seconds=seconds):
            return {"duration_ms": _milliseconds(seconds)}
        case Translated(seconds=seconds) | Discovered(seconds=seconds):
            return {"duration_ms": _milliseconds(seconds)}
        case CallEnded(seconds=seconds, result=result):
            return {"duration_ms": _milliseconds(seconds), "error": None if result == "success" else result}
        case WillRetry(attempt=attempt, reason=reason):
            return {"attempt": attempt, "error": reason}
    return {}


def _milliseconds(seconds: float) -> float:
    return round(seconds * MILLISECONDS_PER_SECOND, 3)


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    known: Mapping[str, Any] = record.__dict__.get(_ABOUT, {})
    return {key: known[key] for key in FIELDS if key in known}


def _redacted(value: Any, secrets: Secrets) -> Any:
    """Numbers stay numbers; everything else becomes text in which no secret is left."""
    if isinstance(value, Mapping):
        return {key: _redacted(inner, secrets) for key, inner in value.items()}
    if value is None or isinstance(value, bool | int | float):
        return value
    return secrets.redact(str(value))


def _stamp(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _printable(text: str) -> str:
    """Without control characters: no foreign text writes a second line, or moves a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in text)
