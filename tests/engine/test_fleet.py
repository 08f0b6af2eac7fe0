"""Members in waves, at most so many at once; one look for all that wait for a backend."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pytest
from cli import stage
from fakes import START, FakeClock

from replctl.clock import Cancel
from replctl.core import events
from replctl.core.errors import TimedOut
from replctl.core.model import End, Intent, Observation, State, Verb
from replctl.core.outcomes import Outcome
from replctl.core.results import OperationResult
from replctl.engine import Proposal
from replctl.engine.fleet import Fleet, at_once
from replctl.engine.sharing import SharedLooks
from replctl.resilience import Look

PATIENCE_SECONDS = 10.0  # of real time, for a thread that never comes


def offer(name: str, order: int) -> Proposal:
    intent = Intent(verb=Verb.PROMOTE, replication=stage.replication(f"bank/{name}", order=order))
    return Proposal(intent=intent, plan=stage.SWITCH, pair=stage.PAIR, correlation_id=f"bank-{name}-1")


class Moves:
    """What was carried out, and how each of them ends."""

    def __init__(self, **ends: Outcome) -> None:
        self.ends = ends
        self.begun: list[str] = []
        self.heard: list[events.Event] = []
        self.cancel = Cancel()

    def carry_out(self, proposal: Proposal) -> OperationResult:
        name = proposal.intent.replication.name
        self.begun.append(name)
        end = self.ends.get(name, Outcome.SUCCEEDED)
        if end is Outcome.INTERRUPTED:
            self.cancel.set()
        return stage.result(proposal.intent, end)

    def move(self, *offers: Proposal, at_most: int = 1) -> dict[str, Outcome]:
        fleet = Fleet(
            carry_out=self.carry_out,
            held_back=lambda each: stage.result(each.intent, Outcome.PLANNED),
            report=self.heard.append,
            max_parallel=at_most,
            cancel=self.cancel,
        )
        return {done.name: done.outcome for done in fleet.move(offers)}


def test_waves_go_by_order_and_results_come_as_given() -> None:
    moves = Moves()
    done = moves.move(offer("app", 10), offer("db", 0), offer("web", 20), offer("log", 0))
    assert list(done) == ["app", "db", "web", "log"]
    assert moves.begun == ["db", "log", "app", "web"]
    began = [each for each in moves.heard if isinstance(each, events.WaveBegan)]
    assert [(each.number, each.of, each.order, each.members) for each in began] == [
        (1, 3, 0, 2),
        (2, 3, 10, 1),
        (3, 3, 20, 1),
    ]


@pytest.mark.parametrize("end", sorted(set(Outcome) - {Outcome.SUCCEEDED, Outcome.UNCHANGED}))
def test_a_wave_that_is_not_done_holds_back_the_next(end: Outcome) -> None:
    moves = Moves(db=end)
    done = moves.move(offer("db", 0), offer("log", 0), offer("app", 10))
    expected = Outcome.PLANNED if end is Outcome.INTERRUPTED else Outcome.SUCCEEDED
    assert done == {"db": end, "log": expected, "app": Outcome.PLANNED}
    assert "app" not in moves.begun


def test_one_alone_is_no_wave() -> None:
    moves = Moves()
    assert moves.move(offer("db", 7)) == {"db": Outcome.SUCCEEDED}
    assert not any(isinstance(each, events.WaveBegan) for each in moves.heard)


def test_at_most_so_many_at_once_and_all_of_them() -> None:
    together = threading.Barrier(3)
    running, most = set[int](), [0]

    def call(number: int) -> int:
        running.add(number)
        most[0] = max(most[0], len(running))
        together.wait(PATIENCE_SECONDS)
        running.discard(number)
        return number * number

    assert at_once(call, range(9), 3) == [number * number for number in range(9)]
    assert most == [3]


def test_an_error_of_one_is_raised_when_all_are_back() -> None:
    came: list[int] = []

    def call(number: int) -> None:
        came.append(number)
        if number == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        at_once(call, range(6), 2)
    assert sorted(came) == [0, 1, 2, 3, 4, 5]


class Backend:
    """Looks that last until they are let go; the first one is under way when `entered` is set."""

    def __init__(self) -> None:
        self.asked: list[list[End]] = []
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.error: Exception | None = None

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        self.asked.append(list(ends))
        self.entered.set()
        self.let_go.wait(PATIENCE_SECONDS)
        if self.error is not None:
            raise self.error
        return {end: stage.seen(end.backend, State.SOURCE) for end in ends}


def looks_of(backend: Backend, numbers: range) -> tuple[list[threading.Thread], dict[int, object]]:
    """The first look, and while it is under way all others; what each of them was given."""
    shared, given = SharedLooks(FakeClock(START)), dict[int, object]()
    look = Look(deadline=FakeClock(START).monotonic() + PATIENCE_SECONDS)

    def ask(number: int) -> None:
        try:
            given[number] = list(shared.observe("west", [end_of(number)], look, backend.observe))
        except TimedOut as error:
            given[number] = error

    threads = [threading.Thread(target=ask, args=(number,)) for number in numbers]
    threads[0].start()
    assert backend.entered.wait(PATIENCE_SECONDS)
    for thread in threads[1:]:
        thread.start()
    while len(next(iter(shared._gathering.values()), EMPTY).ends) < len(numbers) - 1:
        threads[1].join(0.001)
    return threads, given


class EMPTY:
    ends: tuple[End, ...] = ()


def end_of(number: int) -> End:
    return End("west", "powerstore", (("volume", f"v{number}"),))


def test_who_comes_during_a_look_shares_the_next_one() -> None:
    backend = Backend()
    threads, given = looks_of(backend, range(9))
    backend.let_go.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [len(ends) for ends in backend.asked] == [1, 8]
    assert given == {number: [end_of(number)] for number in range(9)}


def test_what_a_shared_look_raises_is_raised_to_all() -> None:
    backend = Backend()
    threads, given = looks_of(backend, range(4))
    backend.error = TimedOut("no answer in time", backend="west")
    backend.let_go.set()
    for thread in threads:
        thread.join(PATIENCE_SECONDS)
    assert [type(each) for each in given.values()] == [TimedOut] * 4
