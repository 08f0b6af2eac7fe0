"""What the planner is told of an operation that was begun and not finished; how long a look may take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from fakes import FakeClock

from replctl.core.events import ignore
from replctl.core.journal import OperationRecord
from replctl.core.model import End, Intent, Observation, Replication, State, Verb, Who
from replctl.core.outcomes import Outcome
from replctl.core.plans import Course
from replctl.engine import Caller, Engine, Request
from replctl.engine.looking import interrupted
from replctl.engine.ports import Driver
from replctl.resilience import Look
from replctl.store.sqlite import SqliteStore

REPLICATION = Replication(
    namespace="bank",
    name="ledger",
    desired_state=State.REPLICA,
    local=End("west", "powerstore", (("volume_group", "ledger-vg"),)),
    peer=End("east", "powerstore", (("volume_group", "ledger-vg"),)),
)
RECORD = OperationRecord(
    operation_id="op-1",
    correlation_id="bank-ledger-1900000000000",
    replication="bank/ledger",
    verb="promote",
    signature="promote:west::planned:",
    backend="west",
    course=Course.SWITCH,
    new_source="west",
    who=Who(user="tester", host="here", pid=1),
    command="replctl promote bank/ledger",
    reason=None,
    group=None,
    acknowledged=(),
    from_state=State.REPLICA,
    to_state=State.SOURCE,
    began=0.0,
    deadline_at=60.0,
    steps=(),
    outcome=Outcome.PARTIAL,
)


@pytest.mark.parametrize(
    ("verb", "new_source", "told"),
    [
        (Verb.PROMOTE, "west", Course.SWITCH),
        (Verb.PROMOTE, "east", None),
        (Verb.DEMOTE, "east", Course.SWITCH),
        (Verb.DEMOTE, "west", None),
    ],
)
def test_only_what_went_the_same_way_is_gone_on_with(
    verb: Verb, new_source: str, told: Course | None
) -> None:
    record = replace(RECORD, new_source=new_source)
    assert interrupted(record, Intent(verb=verb, replication=REPLICATION)) is told


def test_what_ended_is_not_gone_on_with() -> None:
    intent = Intent(verb=Verb.PROMOTE, replication=REPLICATION)
    assert interrupted(replace(RECORD, outcome=Outcome.SUCCEEDED), intent) is None
    assert interrupted(None, intent) is None


class Patient:
    """A driver that answers nothing and remembers how long it was given."""

    backend = "west"
    kind = "powerstore"

    def __init__(self) -> None:
        self.deadlines: list[float] = []

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        self.deadlines.append(look.deadline)
        return {end: Observation(backend=end.backend, observed_at=0.0) for end in ends}

    def close(self) -> None: ...


@pytest.mark.parametrize(("spent", "left"), [(0.0, 3.0), (0.7, 2.3), (2.9, 1.5)])
def test_what_a_command_spent_on_starting_counts_toward_its_look(
    tmp_path: Path, spent: float, left: float
) -> None:
    clock, driver = FakeClock(), Patient()
    store = SqliteStore(tmp_path, clock=clock)
    engine = Engine(
        open_driver=lambda backend: cast(Driver, driver),
        store=store,
        clock=clock,
        report=ignore,
        caller=Caller(who=RECORD.who, command="replctl status"),
        judge=lambda seen: None,
        observe_seconds=3.0,
    )
    began = clock.monotonic()
    clock.advance(spent)
    engine.status([REPLICATION], Request(began_at=began))
    assert driver.deadlines == [pytest.approx(clock.monotonic() + left)] * 2
    store.close()
