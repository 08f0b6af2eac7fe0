"""What the planner is told of an operation that was begun and not finished."""

from __future__ import annotations

from dataclasses import replace

import pytest

from replctl.core.journal import OperationRecord
from replctl.core.model import End, Intent, Replication, State, Verb, Who
from replctl.core.outcomes import Outcome
from replctl.core.plans import Course
from replctl.engine.looking import interrupted

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
