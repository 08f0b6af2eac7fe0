"""Moving several replications: wave by wave, in each at most so many at once (design §4).

All were judged before. A wave that did not wholly succeed stops the next one: what was not begun stays as it
was proposed, and the same command typed again goes on with it. It knows no engine: what carries one out is
handed in, by the command line and by the daemon.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from replctl.clock import Cancel
from replctl.core.events import MemberEnded, Report, WaveBegan
from replctl.core.fleet import goes_on, waves
from replctl.core.results import OperationResult
from replctl.engine.requests import Proposal

THREADS = "member"  # what the threads that carry out members are called, with a number
NOTICE_SECONDS = 0.2  # until a signal that another thread received is noticed
_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True)
class Fleet:
    """How members are moved: `carry_out` one and never raise, `held_back` the result of one not begun."""

    carry_out: Callable[[Proposal], OperationResult]
    held_back: Callable[[Proposal], OperationResult]
    report: Report
    max_parallel: int
    cancel: Cancel | None = None

    def move(self, proposals: Sequence[Proposal]) -> list[OperationResult]:
        """The result of each, in the order given. Once `cancel` is set no other member begins."""
        in_waves = waves(proposals, (each.intent.replication.order for each in proposals))
        results: dict[str, OperationResult] = {}
        going = True
        for number, (order, members) in enumerate(in_waves, 1):
            if going and len(proposals) > 1:
                self.report(WaveBegan(number=number, of=len(in_waves), order=order, members=len(members)))
            call = self._member if going else self.held_back
            done = at_once(call, members, self.max_parallel if going else 1)
            going = going and goes_on(each.outcome for each in done)
            results.update(zip((_key(each) for each in members), done, strict=True))
        return [results[_key(each)] for each in proposals]

    def _member(self, proposal: Proposal) -> OperationResult:
        if self.cancel is not None and self.cancel.is_set:
            return self.held_back(proposal)
        done = self.carry_out(proposal)
        self.report(MemberEnded(replication=_key(proposal), outcome=done.outcome.value))
        return done


def _key(proposal: Proposal) -> str:
    return proposal.intent.replication.key


def at_once(call: Callable[[_In], _Out], items: Sequence[_In], most: int) -> list[_Out]:
    """Call for every item, at most so many at the same time; answers in the items' order.

    An error of one is raised when all have come back. The threads are daemons: they hold up no one's end.
    """
    if min(len(items), most) <= 1:
        return [call(item) for item in items]
    answers: dict[int, _Out] = {}
    errors: list[BaseException] = []
    waiting = _Locked(enumerate(items))

    def work() -> None:
        for number, item in waiting:
            try:
                answers[number] = call(item)
            except BaseException as error:  # raised to the caller, once nobody is at work
                errors.append(error)

    threads = [_thread(work, number) for number in range(min(most, len(items)))]
    for thread in threads:
        _wait_for(thread)
    if errors:
        raise errors[0]
    return [answers[number] for number in range(len(items))]


class _Locked(Iterator[_In]):
    """An iterator that several threads may draw from."""

    def __init__(self, inner: Iterator[_In]) -> None:
        self._inner = inner
        self._lock = threading.Lock()

    def __next__(self) -> _In:
        with self._lock:
            return next(self._inner)


def _wait_for(thread: threading.Thread) -> None:
    """Until it ends, in slices: a signal may reach any thread, but only the main one handles it, once it runs."""
    while thread.is_alive():
        thread.join(NOTICE_SECONDS)


def _thread(work: Callable[[], None], number: int) -> threading.Thread:
    context = copy_context()
    thread = threading.Thread(target=lambda: context.run(work), daemon=True, name=f"{THREADS}-{number}")
    thread.start()
    return thread
