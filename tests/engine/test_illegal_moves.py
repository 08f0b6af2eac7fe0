"""A driver whose recipe moves an end against the state machine: nothing is sent, nothing recorded, one is counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from worlds import LEDGER, World, a_world

from replctl.bootstrap import Services, assemble
from replctl.cli import documents
from replctl.core.counts import sample
from replctl.core.errors import IllegalTransition
from replctl.core.events import ignore
from replctl.core.model import End, Intent, Observation, Pair, Scalar, Side, State, Verb, Volume, Who
from replctl.core.plans import Course, Errand, Evidence, Followed, Receipt, Step
from replctl.drivers.powerstore import PowerStoreDriver
from replctl.engine import Caller, Engine, Request
from replctl.resilience import Look


@dataclass(frozen=True)
class Wayward:
    """A third party's driver: PowerStore's, but its recipe makes a replica a source in one move."""

    real: PowerStoreDriver

    @property
    def backend(self) -> str:
        return self.real.backend

    @property
    def kind(self) -> str:
        return self.real.kind

    @property
    def recipe(self) -> Wayward:
        return self

    @property
    def declared(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        return self.real.recipe.declared

    @property
    def lacks(self) -> Mapping[Course, str]:
        return self.real.recipe.lacks

    @property
    def switches_to_snapshot(self) -> bool:
        return self.real.recipe.switches_to_snapshot

    @property
    def pairing(self) -> str:
        return self.real.recipe.pairing

    def bars(self, course: Course, new_source: Side, pair: Pair) -> tuple[Evidence, ...]:
        return self.real.recipe.bars(course, new_source, pair)

    def steps(
        self, course: Course, new_source: Side, pair: Pair, arguments: Mapping[str, Scalar]
    ) -> tuple[Step, ...]:
        first, *others = self.real.recipe.steps(course, new_source, pair, arguments)
        return (replace(first, moves=((new_source, State.REPLICA, State.SOURCE),)), *others)

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        return self.real.observe(ends, look)

    def act(
        self, end: End, action: str, arguments: Mapping[str, Scalar], seen: Observation, look: Look
    ) -> Receipt:
        return self.real.act(end, action, arguments, seen, look)

    def follow(self, receipt: Receipt, look: Look) -> Followed:
        return self.real.follow(receipt, look)

    def errand(self, end: End, action: str, arguments: Mapping[str, Scalar], look: Look) -> Errand:
        return self.real.errand(end, action, arguments, look)

    def tidy(self, end: End, operation: str, look: Look, *, in_vain: bool) -> None:
        self.real.tidy(end, operation, look, in_vain=in_vain)

    def volumes(self, end: End, seen: Observation, look: Look) -> Sequence[Volume]:
        return self.real.volumes(end, seen, look)

    def close(self) -> None:
        self.real.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def wayward(services: Services, world: World, who: Who) -> Engine:
    def open_driver(backend: str) -> Wayward:
        driver = services.engine.driver(backend)
        assert isinstance(driver, PowerStoreDriver)
        return Wayward(driver)

    return Engine(
        open_driver=open_driver,
        store=services.store,
        clock=world.clock,
        report=ignore,
        caller=Caller(who=who, command="replctl promote bank/ledger"),
        judge=lambda seen: None,
        observe_seconds=15,
    )


def test_an_illegal_move_is_judged_before_anything_is_sent(world: World) -> None:  # R17, R21, R23
    who = Who(user="tester", host="here", pid=1)
    with assemble(
        flags={},
        environ=world.environ(),
        clock=world.clock,
        report=ignore,
        command="test",
        who=who,
        document=documents.operation,
    ) as services:
        engine = wayward(services, world, who)
        intent = Intent(verb=Verb.PROMOTE, replication=services.replications[LEDGER])
        with pytest.raises(IllegalTransition, match="invalid state transition from replica to source"):
            engine.propose(intent, Request())
        assert services.store.transitions(LEDGER) == []
        assert services.store.operations(LEDGER) == []
        counted = services.store.counts()
        kind = "invalid_state_transition"
        name = sample("reconcile_errors_total", namespace="bank", name="ledger", error_type=kind)
        assert counted[name] == 1
    assert world.changes() == []
