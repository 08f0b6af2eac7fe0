"""Values for the store's tests: one of each kind, with every part that a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace

from replctl.core.journal import OperationRecord, StepPhase, StepRecord, TransitionRecord
from replctl.core.model import (
    Flow,
    Holder,
    Link,
    Mode,
    Observation,
    Point,
    Progress,
    State,
    StateNote,
    Trouble,
    TroubleKind,
    Who,
)
from replctl.core.plans import Course, DataLoss

NOW = 1_927_846_800.0
LEDGER, ORDERS = "bank/ledger", "shop/orders"
WHO = Who(user="mara", host="ops1", pid=4711, sudo_user="root")
HOLDER = Holder(who=WHO, since=NOW, command="replctl promote bank/ledger", operation_id="op-1")


def step(number: int = 1, **changes: object) -> StepRecord:
    return replace(StepRecord(number=number, name="failover", backend="east"), **changes)


def operation(operation_id: str = "op-1", replication: str = LEDGER, **changes: object) -> OperationRecord:
    whole = OperationRecord(
        operation_id=operation_id,
        correlation_id="bank-ledger-1927846800000",
        replication=replication,
        verb="promote",
        signature="promote:west:",
        backend="west",
        course=Course.TAKEOVER,
        new_source="west",
        who=WHO,
        command="replctl promote bank/ledger --peer-is-down",
        reason="flood in the east \udcff",
        group="payments",
        acknowledged=("--peer-is-down", "--accept-data-loss=unknown"),
        from_state=State.REPLICA,
        to_state=State.SOURCE,
        began=NOW,
        deadline_at=NOW + 300.0,
        steps=(step(1), step(2, name="wait", phase=StepPhase.PENDING, unplanned=True)),
        data_loss=DataLoss(
            point=NOW - 60.0,
            at_least_seconds=None,
            at_most_seconds=60.25,
            source="last_sync_timestamp",
            read_at=NOW,
            clock_offset_seconds=-0.125,
            accepted="5m",
        ),
    )
    return replace(whole, **changes)


def transition(
    number: int = 1,
    replication: str = LEDGER,
    *,
    origin: State = State.REPLICA,
    target: State = State.PROMOTING,
    at: float | None = None,
) -> TransitionRecord:
    return TransitionRecord(
        replication=replication,
        backend="west",
        origin=origin,
        target=target,
        at=NOW + number if at is None else at,
        reason=f"user_requested {number}",
        request_id=f"bank-ledger-{number}",
        who=str(WHO),
        operation_id="op-1",
    )


OBSERVATION = Observation(
    backend="west",
    observed_at=NOW,
    state=State.REPLICA,
    note=StateNote.REMOVING,
    as_of=NOW - 0.1,
    mode=Mode.ASYNCHRONOUS,
    flow=Flow.CHANGING,
    healthy=True,
    word="Synchronizing",
    sentence="a copy is under way",
    identity="5b6fd7a1",
    resource="8e1d",
    point=Point(at=NOW - 30.1, source="ONTAP", read_at=NOW, contact_at=NOW - 1, clock_offset_seconds=0.3),
    progress=Progress(percent=41.7, ends_at=NOW + 9),
    link=Link.IMPAIRED,
    peer_management=Link.LOST,
    permits=frozenset({"failover", "sync"}),
    unsupported="metro",
    drill=True,
    vendor={"state": "Synchronizing", "percent": 41, "ratio": 0.5, "is_local": False, "none": None},
    trouble=None,
)
SILENT = Observation(
    backend="east",
    observed_at=NOW,
    trouble=Trouble(kind=TroubleKind.SILENT, code="timed-out", message="no answer", retry_at=NOW + 60),
)
ABSENT = replace(
    SILENT, trouble=Trouble(kind=TroubleKind.ABSENT, code="not-found", message="no such session")
)
