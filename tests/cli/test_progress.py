"""Progress: a plain line a step in a pipe, a live line on a terminal, silence with -q."""

from __future__ import annotations

import io
import re
from typing import Any

from cli.conftest import Runner, Terminal
from fakes import FakeClock

from replctl.cli.lines import plain
from replctl.cli.output import Output
from replctl.cli.progress import Progress, Running, in_hand, told
from replctl.core import events
from replctl.core.model import Progress as Percent
from replctl.core.model import State

BEGAN = events.StepBegan(
    operation_id="op-7",
    replication="bank/ledger",
    step="failover",
    number=2,
    of=3,
    backend="east",
    sentence="east hands over to west",
)
WAITS = events.StepWaits(
    operation_id="op-7",
    replication="bank/ledger",
    step="failover",
    local_word="OK",
    peer_word="Failing_Over",
    elapsed_seconds=5.0,
    progress=Percent(percent=43.4),
)
ENDED = events.StepEnded(
    operation_id="op-7",
    replication="bank/ledger",
    step="failover",
    backend="east",
    outcome="succeeded",
    seconds=12.0,
)
SPEAKING: tuple[tuple[events.Event, int, str], ...] = (
    (BEGAN, 0, "bank/ledger: step 2 of 3 on east: east hands over to west"),
    (
        events.OperationBegan(
            operation_id="op-7", replication="bank/ledger", verb="promote", steps=(), joined=True
        ),
        0,
        "bank/ledger: joins operation op-7, which is under way",
    ),
    (
        events.Noticed(topic="tls", message="the certificate is not verified", backend="east"),
        0,
        "note: east: the certificate is not verified",
    ),
    (
        events.StateMoved(
            replication="bank/ledger",
            backend="east",
            origin=State.NONE,
            target=State.SOURCE,
            reason="external",
        ),
        1,
        "bank/ledger: east: absent → source (external)",
    ),
    (
        events.BreakerMoved(
            backend="east", call_class="read", origin="closed", target="open", retry_at=1_927_846_860.0
        ),
        1,
        "east: circuit breaker (read) is open until 2031-02-03T01:01:00Z",
    ),
    (
        events.WillRetry(
            backend="east", operation="GET sessions", attempt=1, wait_seconds=2.04, reason="timed out"
        ),
        1,
        "east: GET sessions: timed out; attempt 2 in 2.0s",
    ),
    (
        events.CallEnded(backend="east", operation="GET sessions", result="success", seconds=0.0123),
        2,
        "east: GET sessions: success, 12 ms",
    ),
)


def test_events_speak_from_their_verbosity_on() -> None:
    for event, verbosity, words in SPEAKING:
        assert plain(told(event, verbosity, live=False)) == f"{words}\n"
        if verbosity:
            assert told(event, verbosity - 1, live=False) == []


def test_an_operation_that_begins_afresh_needs_no_word() -> None:
    event = events.OperationBegan(operation_id="op-7", replication="bank/ledger", verb="promote", steps=())
    assert told(event, 2, live=False) == []


def test_with_a_live_line_a_step_is_told_when_it_ends() -> None:
    assert plain(told(ENDED, 0, live=True)) == "✓ bank/ledger failover on east  12s\n"
    unwell = events.StepEnded(**{**_fields(ENDED), "outcome": "in_progress"})
    assert plain(told(unwell, 0, live=True)) == "! bank/ledger failover on east: in progress  12s\n"
    assert told(ENDED, 0, live=False) == []


def _fields(event: Any) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__dataclass_fields__}


def test_the_live_line_has_step_elapsed_percentage_and_both_words() -> None:
    text = plain([in_hand(Running(began=BEGAN, since=100.0, waits=WAITS), 172.9)])
    assert text == "• bank/ledger step 2/3: failover on east, 1m12s, 43 %  local OK, peer Failing_Over\n"
    assert (
        plain([in_hand(Running(began=BEGAN, since=100.0), 100.0)])
        == "• bank/ledger step 2/3: failover on east, 0s\n"
    )


def test_on_a_terminal_the_live_line_is_drawn_and_taken_away() -> None:
    stream = Terminal()
    progress = Progress(Output(Terminal(), stream, {"COLUMNS": "120"}), FakeClock())
    with progress:
        progress(BEGAN)
        progress(WAITS)
        assert progress._live is not None
        progress._live.refresh()
        progress(ENDED)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())
    assert "step 2/3: failover on east, 0s, 43 %  local OK, peer Failing_Over" in text
    assert "✓ bank/ledger failover on east  12s" in text


def test_while_backends_are_asked_a_line_says_so() -> None:
    stream = Terminal()
    clock = FakeClock()
    progress = Progress(Output(Terminal(), stream, {"COLUMNS": "120"}), clock)
    with progress.looking("bank/ledger"):
        assert progress._live is not None
        clock.advance(3.2)
        progress._live.refresh()
    assert "looking at bank/ledger, 3s" in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


def test_in_a_pipe_a_wait_that_goes_on_is_told_each_minute() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with Progress(Output(io.StringIO(), stream, {}), clock) as progress:
        progress(BEGAN)
        for _ in range(31):
            clock.advance(5.0)
            progress(WAITS)
    began, *still = stream.getvalue().splitlines()
    assert began == "bank/ledger: step 2 of 3 on east: east hands over to west"
    assert still == [
        "• bank/ledger step 2/3: failover on east, 1m, 43 %  local OK, peer Failing_Over",
        "• bank/ledger step 2/3: failover on east, 2m, 43 %  local OK, peer Failing_Over",
    ]


def test_in_a_pipe_a_wave_that_goes_on_is_told_as_a_whole() -> None:
    stream, clock = io.StringIO(), FakeClock()
    with Progress(Output(io.StringIO(), stream, {}), clock) as progress:
        progress(events.WaveBegan(number=1, of=2, order=0, members=20))
        for number in range(16):
            progress(events.StepBegan(**{**_fields(BEGAN), "operation_id": f"op-{number}"}))
        clock.advance(61.0)
        for number in range(16):
            progress(events.StepWaits(**{**_fields(WAITS), "operation_id": f"op-{number}"}))
    assert stream.getvalue().splitlines()[17:] == ["wave 1 of 2: 16 running, 0 done, of 20, 1m1s"]


def test_in_a_pipe_nothing_redraws() -> None:
    stream = io.StringIO()
    progress = Progress(Output(io.StringIO(), stream, {}), FakeClock())
    with progress.looking("bank/ledger"), progress:
        for event in (BEGAN, WAITS, WAITS, ENDED):
            progress(event)
    assert stream.getvalue() == "bank/ledger: step 2 of 3 on east: east hands over to west\n"


def test_quiet_shows_nothing(run: Runner) -> None:
    ran = run("promote", "bank/ledger", "-y", "-q")
    assert (ran.code, ran.err) == (0, "")
