"""Values to JSON text and back, exactly.

What a newer replctl wrote is read as far as this one knows it: keys that are not known are passed over, and
keys that are not there take the field's default. A text that still makes no value is `Unreadable`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass, replace
from functools import cache
from types import MappingProxyType
from typing import Any, TypeVar

from replctl.core.breaker import BreakerState, Position
from replctl.core.journal import Drill, OperationRecord, Proof, StepPhase, StepRecord, TransitionRecord
from replctl.core.model import (
    Flow,
    Hold,
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
from replctl.core.outcomes import Outcome
from replctl.core.plans import Course, DataLoss
from replctl.core.reconciling import Settled
from replctl.core.waiting import DaemonWord, Waiting

V = TypeVar("V")
Data = Mapping[str, Any]
Reader = Callable[[Any], object]


class Unreadable(ValueError):
    """A text in the store that makes no value of the kind that should be there."""


@cache
def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _unfold(value: object) -> object:
    """What JSON has no word for; enumerations and tuples it has."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: getattr(value, name) for name in _names(type(value))}
    if isinstance(value, frozenset):
        return sorted(value)
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} has no place in the store")


encode = json.JSONEncoder(separators=(",", ":"), sort_keys=True, default=_unfold).encode
"""The value as one line of ASCII; equal values give equal texts."""


def _parse(text: str) -> Data:
    try:
        data = json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise Unreadable("not JSON") from error
    if not isinstance(data, dict):
        raise Unreadable("not an object")
    return data


def _build(kind: Callable[..., V], data: Data, readers: Mapping[str, Reader]) -> V:
    try:
        given = {name: data[name] for name in _names(kind) if name in data}
        for name, reader in readers.items():
            if given.get(name) is not None:
                given[name] = reader(given[name])
        return kind(**given)
    except (TypeError, ValueError, AttributeError) as error:
        raise Unreadable(f"no {kind.__name__}: {error}") from error


def _plain(made: type[V], /, **readers: Reader) -> Callable[[Data], V]:
    return lambda data: _build(made, data, readers)


_who = _plain(Who)
_point = _plain(Point)
_progress = _plain(Progress)
_data_loss = _plain(DataLoss)
_trouble = _plain(Trouble, kind=TroubleKind)
_holder = _plain(Holder, who=_who)
_hold = _plain(Hold)
_breaker = _plain(BreakerState, position=Position)
_drill = _plain(Drill, production_state=State, came_back=State, flow=Flow)
_proof = _plain(Proof)
_settled = _plain(Settled, role=State, desired=State)
_waiting = _plain(Waiting)
_daemon_word = _plain(DaemonWord)
_step = _plain(StepRecord, phase=StepPhase, outcome=Outcome)
_transition = _plain(TransitionRecord, origin=State, target=State)
_observation = _plain(
    Observation,
    state=State,
    note=StateNote,
    mode=Mode,
    flow=Flow,
    point=_point,
    progress=_progress,
    link=Link,
    peer_management=Link,
    permits=frozenset,
    vendor=MappingProxyType,
    trouble=_trouble,
)
_operation = _plain(
    OperationRecord,
    course=Course,
    who=_who,
    acknowledged=tuple,
    from_state=State,
    to_state=State,
    steps=lambda _: (),
    data_loss=_data_loss,
    outcome=Outcome,
)


def observation(text: str) -> Observation:
    return _observation(_parse(text))


def operation(text: str, steps: tuple[StepRecord, ...]) -> OperationRecord:
    """The steps lie in rows of their own, because they are written one by one."""
    return replace(_operation(_parse(text)), steps=steps)


def step(text: str) -> StepRecord:
    return _step(_parse(text))


def transition(text: str, sequence: int) -> TransitionRecord:
    return replace(_transition(_parse(text)), sequence=sequence)


def transition_text(record: TransitionRecord) -> str:
    """Without its number: the chain gives that."""
    data = {name: getattr(record, name) for name in _names(TransitionRecord) if name != "sequence"}
    return encode(data)


def holder(text: str | bytes) -> Holder:
    return _holder(_parse(text if isinstance(text, str) else text.decode("ascii", "replace")))


def hold(text: str) -> Hold:
    return _hold(_parse(text))


def drill(text: str) -> Drill:
    return _drill(_parse(text))


def settled(text: str) -> Settled:
    return _settled(_parse(text))


def waiting(text: str) -> Waiting:
    return _waiting(_parse(text))


def daemon_word(text: str) -> DaemonWord:
    return _daemon_word(_parse(text))


def proof(text: str) -> Proof:
    return _proof(_parse(text))


def breaker(text: str) -> BreakerState:
    return _breaker(_parse(text))


def marked_at(text: str) -> float:
    """When an entry of the history, of either kind, was made."""
    at = _parse(text).get("at")
    if not isinstance(at, int | float):
        raise Unreadable("an entry without a time")
    return float(at)
