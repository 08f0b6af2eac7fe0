"""Log lines: their form on a terminal and elsewhere, what they carry, and what they never do."""

from __future__ import annotations

import io
import json
import logging
import re
from typing import Any, get_args

import pytest
from fakes import START, FakeClock

from replctl import logs
from replctl.core import events
from replctl.core.model import State
from replctl.core.secrets import MASK, Secrets
from replctl.correlation import correlation

WORD = "hunter2-secret"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def secrets() -> Secrets:
    known = Secrets()
    known.add(WORD, "replctl")
    return known


def written(
    secrets: Secrets, *, terminal: bool = False, level: int = logging.DEBUG
) -> tuple[Any, io.StringIO]:
    stream = Terminal() if terminal else io.StringIO()
    return logs.set_up(level, secrets, stream=stream), stream


def one(stream: io.StringIO) -> dict[str, Any]:
    (line,) = stream.getvalue().splitlines()
    return json.loads(line)


def test_off_a_terminal_a_line_is_one_json_object(secrets: Secrets) -> None:  # R69
    logger, stream = written(secrets)
    with correlation("bank", "ledger", FakeClock(START + 100)) as identity:
        logger.warning("it is %s", "slow", extra=logs.about(backend="west", duration_ms=12.5))
    line = one(stream)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("ts"))
    assert line == {
        "level": "warning",
        "msg": "it is slow",
        "correlation_id": identity,
        "backend": "west",
        "duration_ms": 12.5,
    }


def test_all_fields_in_their_order(secrets: Secrets) -> None:
    logger, stream = written(secrets)
    every = {field: field.upper() for field in reversed(logs.FIELDS)}
    logger.info("all", extra=logs.about(**every))
    assert list(one(stream)) == ["ts", "level", "msg", "correlation_id", *logs.FIELDS]


def test_on_a_terminal_a_line_is_text(secrets: Secrets) -> None:
    logger, stream = written(secrets, terminal=True)
    with correlation("bank", "ledger", FakeClock(START + 200)) as identity:
        logger.info("step ended", extra=logs.about(backend="west", step="failover", error=None))
    line = stream.getvalue()
    ending = f"Z INFO    step ended backend=west step=failover correlation_id={identity}\n"
    assert line.endswith(ending)


def test_outside_of_a_correlation_the_id_is_empty(secrets: Secrets) -> None:  # R68
    logger, stream = written(secrets)
    logger.info("alone")
    assert one(stream)["correlation_id"] == ""


@pytest.mark.parametrize(("as_json", "first"), [(True, "{"), (False, "2")])
def test_the_form_can_be_chosen(secrets: Secrets, as_json: bool, first: str) -> None:
    stream = Terminal()
    logs.set_up(logging.INFO, secrets, stream=stream, as_json=as_json).info("here")
    assert stream.getvalue()[0] == first


def test_without_a_stream_it_goes_to_stderr(secrets: Secrets, capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up(logging.INFO, secrets).info("here")
    captured = capsys.readouterr()
    assert captured.out == ""
    assert json.loads(captured.err)["msg"] == "here"


def test_setting_up_again_replaces(secrets: Secrets) -> None:
    _, first = written(secrets)
    logger, second = written(secrets)
    logger.info("once")
    assert (first.getvalue(), len(second.getvalue().splitlines())) == ("", 1)


def test_unknown_fields_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="colour"):
        logs.about(colour="red")


@pytest.mark.parametrize("terminal", [False, True])
def test_secrets_are_taken_out_wherever_they_are(secrets: Secrets, terminal: bool) -> None:
    logger, stream = written(secrets, terminal=terminal)
    try:
        try:
            raise ValueError(f"the cause says {WORD}")
        except ValueError as error:
            raise RuntimeError(f"Authorization: Basic cmVwbGN0bDpodW50ZXIyLXNlY3JldA== {WORD}") from error
    except RuntimeError:
        logger.exception("failed with %s of %r", WORD, {"password": WORD}, extra=logs.about(error=WORD))
    text = stream.getvalue()
    assert "hunter2" not in text
    assert "cmVwbGN0bDpodW50ZXIy" not in text
    assert text.count(MASK) >= 5
    assert "RuntimeError" in text


def test_numbers_stay_numbers(secrets: Secrets) -> None:
    logger, stream = written(secrets)
    logger.info("counted", extra=logs.about(attempt=2, duration_ms=0.5, name=None))
    line = one(stream)
    assert (line["attempt"], line["duration_ms"], "name" in line) == (2, 0.5, False)


@pytest.mark.parametrize("terminal", [False, True])
def test_foreign_text_writes_no_second_line(secrets: Secrets, terminal: bool) -> None:
    logger, stream = written(secrets, terminal=terminal)
    logger.info("it said %s", "a\nFAKE line\x1b[2J\udcff", extra=logs.about(error="b\r\nc"))
    text = stream.getvalue()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_a_traceback_stays_below_its_line(secrets: Secrets) -> None:
    logger, stream = written(secrets, terminal=True)
    try:
        raise KeyError("x")
    except KeyError:
        logger.exception("failed")
    first, *below = stream.getvalue().splitlines()
    assert first.endswith("failed")
    assert below
    assert all(line.startswith("    ") for line in below)


@pytest.mark.parametrize(
    ("verbosity", "quiet", "level"),
    [
        (0, False, logging.WARNING),
        (1, False, logging.INFO),
        (2, False, logging.DEBUG),
        (9, False, logging.DEBUG),
        (2, True, logging.ERROR),
    ],
)
def test_levels(verbosity: int, quiet: bool, level: int) -> None:
    assert logs.level_of(verbosity, quiet=quiet) == level


def test_the_http_library_is_kept_quiet(secrets: Secrets, caplog: pytest.LogCaptureFixture) -> None:
    written(secrets)
    for name in logs.TALKATIVE:
        logging.getLogger(name).info("HTTP Request: GET https://west.example/?token=%s", WORD)
    assert caplog.records == []


REPLICATION = {"operation_id": "op-1", "replication": "bank/ledger"}
OF_REPLICATION = {"op_id": "op-1", "namespace": "bank", "name": "ledger"}
LINES = [
    (
        events.OperationBegan(**REPLICATION, verb="promote", steps=("failover",)),
        ("info", "operation began: promote", OF_REPLICATION),
    ),
    (
        events.OperationBegan(**REPLICATION, verb="promote", steps=(), joined=True),
        ("info", "operation joined: promote", OF_REPLICATION),
    ),
    (
        events.StepBegan(
            **REPLICATION, step="failover", number=1, of=2, backend="west", sentence="fail over to east"
        ),
        ("info", "step 1 of 2: fail over to east", {**OF_REPLICATION, "backend": "west", "step": "failover"}),
    ),
    (
        events.StepWaits(
            **REPLICATION,
            step="failover",
            local_word="Failing_Over",
            peer_word="",
            elapsed_seconds=1.5,
            progress=None,
        ),
        (
            "debug",
            "waiting: local Failing_Over, peer ?",
            {**OF_REPLICATION, "step": "failover", "duration_ms": 1500.0},
        ),
    ),
    (
        events.StepEnded(**REPLICATION, step="failover", backend="west", outcome="succeeded", seconds=2),
        (
            "info",
            "step ended: succeeded",
            {**OF_REPLICATION, "backend": "west", "step": "failover", "duration_ms": 2000},
        ),
    ),
    (
        events.StateMoved(
            replication="bank/ledger",
            backend="west",
            origin=State.NONE,
            target=State.REPLICA,
            reason="external",
        ),
        (
            "info",
            "state moved: absent -> replica (external)",
            {"namespace": "bank", "name": "ledger", "backend": "west"},
        ),
    ),
    (
        events.OperationEnded(**REPLICATION, outcome="succeeded", seconds=3),
        ("info", "operation ended: succeeded", {**OF_REPLICATION, "duration_ms": 3000}),
    ),
    (
        events.WaveBegan(number=1, of=2, order=10, members=20),
        ("info", "wave 1 of 2 began: order 10, 20 replications", {}),
    ),
    (
        events.MemberEnded(replication="bank/ledger", outcome="refused"),
        ("debug", "member ended: refused", {"namespace": "bank", "name": "ledger"}),
    ),
    (
        events.CallEnded(backend="west", operation="session list", result="success", seconds=0.25),
        ("debug", "call ended: session list: success", {"backend": "west", "duration_ms": 250.0}),
    ),
    (
        events.CallEnded(backend="west", operation="session list", result="timed-out", seconds=0.25),
        (
            "debug",
            "call ended: session list: timed-out",
            {"backend": "west", "duration_ms": 250.0, "error": "timed-out"},
        ),
    ),
    (
        events.WillRetry(backend="west", operation="session list", attempt=2, wait_seconds=1, reason="reset"),
        ("info", "session list failed, again in 1.0 s", {"backend": "west", "attempt": 2, "error": "reset"}),
    ),
    (
        events.BreakerMoved(
            backend="west", call_class="read", origin="closed", target="open", retry_at=START
        ),
        (
            "warning",
            "circuit breaker for read calls: closed -> open until 2031-02-03T01:00:00Z",
            {"backend": "west"},
        ),
    ),
    (
        events.BreakerMoved(backend="west", call_class="read", origin="half-open", target="closed"),
        ("info", "circuit breaker for read calls: half-open -> closed", {"backend": "west"}),
    ),
    (
        events.Translated(backend="west", what="session", count=3, seconds=0.001),
        ("debug", "translated", {"backend": "west", "duration_ms": 1.0}),
    ),
    (
        events.Discovered(backend="west", hit=False, seconds=0.5),
        ("debug", "discovered", {"backend": "west", "duration_ms": 500.0}),
    ),
    (
        events.Noticed(topic="tls-not-verified", message="whoever answers", backend="west"),
        ("warning", "tls-not-verified: whoever answers", {"backend": "west"}),
    ),
]


@pytest.mark.parametrize(("event", "expected"), LINES, ids=lambda value: type(value).__name__)
def test_how_events_read(secrets: Secrets, event: events.Event, expected: tuple) -> None:
    logger, stream = written(secrets)
    logs.events(logger)(event)
    line = one(stream)
    del line["ts"], line["correlation_id"]
    assert (line.pop("level"), line.pop("msg"), line) == expected


def test_every_event_has_a_line() -> None:
    assert {type(event) for event, _ in LINES} == set(get_args(events.Event))


def test_what_is_below_the_level_is_not_written(secrets: Secrets) -> None:
    logger, stream = written(secrets, level=logging.WARNING)
    for event, _ in LINES:
        logs.events(logger)(event)
    assert [json.loads(line)["level"] for line in stream.getvalue().splitlines()] == ["warning"] * 2
