"""What is happening, told while it happens, on stderr: a live line on a terminal, in a pipe a plain line a step and
another one each minute that it goes on.

A subscriber of `core.events`; it decides nothing. The live line shows the step in hand, the number of steps, the
time elapsed, the array's own percentage and what both ends say. Nothing is shown with `-q`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from replctl.cli import terminal
from replctl.cli.lines import UNLIMITED, Line, Role, Span, cropped, dim, line, plural, strong, wrapped
from replctl.cli.output import Output
from replctl.clock import Clock
from replctl.core import events
from replctl.core.durations import format_duration, format_time
from replctl.core.fleet import WAVE_GOES_ON
from replctl.core.states import shown

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

REFRESHES_PER_SECOND = 4
STILL_SECONDS = 60.0  # off a terminal: a wait that goes on is told again after so long
MOST_IN_HAND = 8  # operations that have a line each; of more only the oldest have one, and all are counted
WORTH_SAYING_SECONDS = 0.4  # a look that takes less needs no line
CALLS_AT = 2  # -vv
MOVES_AT = 1  # -v


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A step in hand."""

    began: events.StepBegan
    since: float
    waits: events.StepWaits | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """A wave in hand, and how many of it have ended; `since` is when the first wave of all began."""

    began: events.WaveBegan
    since: float
    done: int = 0
    failed: int = 0


class Progress:
    """Subscribe it, and enter it while something is carried out; safe in several threads."""

    def __init__(self, output: Output, clock: Clock) -> None:
        self._output = output
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._wave: Wave | None = None
        self._looking: tuple[str, float] | None = None
        self._still_told_at = 0.0
        self._lock = threading.RLock()
        self._live: Live | None = None
        self.log: events.Report | None = None
        """Where everything goes instead of words for people: the structured log, once there is one."""

    def __call__(self, event: events.Event) -> None:
        with self._lock:
            self._note(event)
            if self.log is not None:
                self.log(event)
            elif self._live is None and isinstance(event, events.StepWaits):
                self._tell(self._still(event))
            elif self._live is None or not isinstance(event, events.StepBegan):
                width = self._output.message_width or UNLIMITED
                self._tell(told(event, self._output.verbosity, live=self._live is not None, room=width))

    def __enter__(self) -> Self:
        if self._output.live:
            self._live = self._make_live()
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            live, self._live = self._live, None
            self._running.clear()
            self._wave = None
        if live is not None:
            live.stop()

    @contextmanager
    def looking(self, at: str) -> Iterator[None]:
        """While backends are asked before anything begins: on a terminal a line says so."""
        self._looking = (at, self._clock.monotonic())
        try:
            with self:
                yield
        finally:
            self._looking = None

    def _note(self, event: events.Event) -> None:
        match event:
            case events.StepBegan():
                self._running[event.operation_id] = Running(began=event, since=self._clock.monotonic())
            case events.StepWaits() if event.operation_id in self._running:
                running = self._running[event.operation_id]
                self._running[event.operation_id] = replace(running, waits=event)
            case events.StepEnded() | events.OperationEnded():
                self._running.pop(event.operation_id, None)
            case events.WaveBegan():
                since = self._wave.since if self._wave else self._clock.monotonic()
                self._wave = Wave(began=event, since=since)
            case events.MemberEnded() if self._wave is not None:
                self._wave = counted(self._wave, event)

    def _still(self, event: events.StepWaits) -> list[Line]:
        """A line now and then while a wait goes on, so that a quiet log is not taken for a hang."""
        running, wave, now = self._running.get(event.operation_id), self._wave, self._clock.monotonic()
        since = wave or running
        if since is None or now - max(since.since, self._still_told_at) < STILL_SECONDS:
            return []
        self._still_told_at = now
        if wave is not None:
            return [of_wave(wave, len(self._running), now)]
        return [in_hand(running, now)] if running is not None else []

    def _tell(self, lines: Sequence[Line]) -> None:
        if self._live is None:
            self._output.say(lines)
            return
        for each in lines:
            self._live.console.print(terminal.text([each]), soft_wrap=True)

    def _make_live(self) -> Live:
        from rich.live import Live

        return Live(
            console=terminal.console(self._output, self._output.stderr, self._output.message_width),
            get_renderable=self._render,
            refresh_per_second=REFRESHES_PER_SECOND,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def _render(self) -> Text:
        with self._lock:
            running, wave = list(self._running.values()), self._wave
        now = self._clock.monotonic()
        lines = [in_hand(each, now) for each in running[:MOST_IN_HAND]]
        if wave is not None:
            lines = [of_wave(wave, len(running), now), *lines]
        if self._looking is not None and now - self._looking[1] >= WORTH_SAYING_SECONDS:
            lines = [_looks(*self._looking, now), *lines]
        return terminal.text(fitting(lines, self._output.message_width or UNLIMITED))


def told(event: events.Event, verbosity: int, *, live: bool, room: int = UNLIMITED) -> list[Line]:
    """The line that an event is worth in a log; with a live line above it, steps are told when they end."""
    match event:
        case events.WaveBegan():
            members = f" (order {event.order}): {plural(event.members, 'replication')}"
            return [line(strong(f"wave {event.number} of {event.of}"), members)]
        case events.OperationBegan(joined=True):
            text = f": joins operation {event.operation_id}, which is under way"
            return [line(strong(event.replication), text)]
        case events.StepBegan():
            text = f"step {event.number} of {event.of} on {event.backend}: {event.sentence or event.step}"
            return wrapped(text, room, first=line(strong(event.replication), ": "), indent=4)
        case events.StepEnded() if live:
            return [_ended(event)]
        case events.StateMoved() if verbosity >= MOVES_AT:
            move = f"{shown(event.origin)} → {shown(event.target)} ({event.reason})"
            return [line(dim(f"{event.replication}: {event.backend}: {move}"))]
        case events.BreakerMoved() if verbosity >= MOVES_AT:
            until = f" until {format_time(event.retry_at)}" if event.retry_at is not None else ""
            return [
                line(dim(f"{event.backend}: circuit breaker ({event.call_class}) is {event.target}{until}"))
            ]
        case events.WillRetry() if verbosity >= MOVES_AT:
            again = f"attempt {event.attempt + 1} in {event.wait_seconds:.1f}s"
            return [line(dim(f"{event.backend}: {event.operation}: {event.reason}; {again}"))]
        case events.CallEnded() if verbosity >= CALLS_AT:
            return [
                line(
                    dim(f"{event.backend}: {event.operation}: {event.result}, {event.seconds * 1000:.0f} ms")
                )
            ]
        case events.Noticed():
            place = f"{event.backend}: " if event.backend else ""
            head = line(Span("note:", Role.WARN), " ")
            return wrapped(f"{place}{event.message}", room, first=head, indent=2)
    return []


def _ended(event: events.StepEnded) -> Line:
    good = event.outcome in ("succeeded", "unchanged")
    sign = Span("✓", Role.GOOD) if good else Span("!", Role.WARN)
    word = "" if good else f": {event.outcome.replace('_', ' ')}"
    took = dim(f"  {format_duration(event.seconds)}")
    return line(sign, " ", strong(event.replication), f" {event.step} on {event.backend}{word}", took)


def fitting(lines: Sequence[Line], room: int) -> list[Line]:
    """Lines that redraw themselves: none may be wrapped, and what matters most stands first."""
    return [cropped(each, room) for each in lines]


def _looks(at: str, since: float, now: float) -> Line:
    return line(
        Span("•", Role.BUSY), f" looking at {at}, ", format_duration(float(int(max(0.0, now - since))))
    )


def in_hand(running: Running, now: float) -> Line:
    """The live line of one operation."""
    began, waits = running.began, running.waits
    parts: list[str | Span] = [
        Span("•", Role.BUSY),
        " ",
        strong(began.replication),
        f" step {began.number}/{began.of}: {began.step} on {began.backend}, ",
        format_duration(float(int(max(0.0, now - running.since)))),
    ]
    if waits is not None:
        if waits.progress is not None and waits.progress.percent is not None:
            parts.append(Span(f", {waits.progress.percent:.0f} %", Role.BUSY))
        parts.append(dim(f"  local {waits.local_word}, peer {waits.peer_word}"))
    return line(*parts)


def counted(wave: Wave, ended: events.MemberEnded) -> Wave:
    """The wave with one more that has ended."""
    if ended.outcome in WAVE_GOES_ON:
        return replace(wave, done=wave.done + 1)
    return replace(wave, failed=wave.failed + 1)


def of_wave(wave: Wave, running: int, now: float) -> Line:
    """The counters of a wave: `wave 2 of 3: 16 running, 3 done, 1 failed, of 20, 2m5s`."""
    began = wave.began
    failed = Span(f", {wave.failed} not done", Role.BAD) if wave.failed else ""
    elapsed = format_duration(float(int(max(0.0, now - wave.since))))
    return line(
        strong(f"wave {began.number} of {began.of}"),
        f": {running} running, {wave.done} done",
        *([failed] if failed else []),
        f", of {began.members}, {elapsed}",
    )
