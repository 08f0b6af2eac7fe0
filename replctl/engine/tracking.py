"""Turning what is seen into history: which moves an operation made, and which somebody else did.

A move of ours is recorded once there is evidence for it (the backend accepted the change, or shows it), never
on hope. What jumped without us is recorded as `external`: it is never an error (design §3).
"""

from __future__ import annotations

from replctl.clock import Clock
from replctl.core.events import Report, StateMoved
from replctl.core.journal import OperationRecord, TransitionRecord
from replctl.core.model import Observation, Pair, Side, State
from replctl.core.plans import EndGoal, Step
from replctl.core.states import way
from replctl.correlation import current
from replctl.engine.ports import Store

OURS = "user_requested"
FOREIGN = "external"
_REMOVED = EndGoal(frozenset({State.NONE}))


class Tracker:
    """The states of both ends as history knows them, for one operation."""

    def __init__(self, record: OperationRecord, store: Store, clock: Clock, report: Report) -> None:
        self._record = record
        self._store = store
        self._clock = clock
        self._report = report
        self._known: dict[str, State] = {}
        self._entered: dict[str, float] = {}

    def begin(self, pair: Pair) -> None:
        """Take both ends as they are; what differs from history happened without us, or before we were cut off."""
        record = self._record
        known = {each.backend: each.target for each in self._store.transitions(record.replication)}
        began = any(step.sends for step in record.steps)
        if began and record.from_state is not None:
            known.setdefault(record.backend, record.from_state)
        for seen in (pair.local, pair.peer):
            if seen.backend in known:
                self._known[seen.backend] = known[seen.backend]
            if (state := _read_state(seen)) is not None:
                self._arrive(seen.backend, state, may_be_ours=began)

    def caused(self, step: Step, backends: dict[Side, str]) -> None:
        """There is evidence that the step took: record the moves that it makes, once."""
        for side, origin, target in step.moves:
            backend = backends[side]
            if self._known.get(backend, origin) is origin:
                self._write(backend, origin, target, OURS)

    def settled(self, pair: Pair, step: Step, *, sent: bool) -> None:
        """The step is over: both ends are what they read as now, by our hand where it was sent and has moves."""
        ours = {side for side, _, _ in step.moves}
        removed = {side for side in step.goal.sides if step.goal.of(side) == _REMOVED}
        for side in Side:
            state = pair.end(side).known_state if side in removed else _read_state(pair.end(side))
            if state is not None:
                self._arrive(pair.end(side).backend, state, may_be_ours=sent and side in ours | removed)

    def _arrive(self, backend: str, target: State, *, may_be_ours: bool) -> None:
        origin = self._known.setdefault(backend, target)
        if origin is target:
            return
        path = _our_way(origin, target) if may_be_ours else ()
        if not path:
            self._write(backend, origin, target, FOREIGN)
        for following in path:
            self._write(backend, self._known[backend], following, OURS)

    def _write(self, backend: str, origin: State, target: State, reason: str) -> None:
        self._known[backend] = target
        record, now = self._record, self._clock.monotonic()
        entered, self._entered[backend] = self._entered.get(backend), now
        self._store.record(
            TransitionRecord(
                replication=record.replication,
                backend=backend,
                origin=origin,
                target=target,
                at=self._clock.now(),
                reason=reason,
                request_id=current(),
                who=str(record.who),
                operation_id=record.operation_id,
            )
        )
        self._report(
            StateMoved(
                replication=record.replication,
                backend=backend,
                origin=origin,
                target=target,
                reason=reason,
                seconds=None if entered is None else now - entered,
            )
        )


def _read_state(seen: Observation) -> State | None:
    return seen.state if seen.trouble is None else None


def _our_way(origin: State, target: State) -> tuple[State, ...]:
    """The states that our change led through. Removal ends any: it is no move of the state machine."""
    return (target,) if target is State.NONE else way(origin, target)
