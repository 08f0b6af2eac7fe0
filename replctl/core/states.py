"""The state machine of one end as one table (design §3, R1-R24).

Code, errors, the diagram and the manual all read `MOVES`; an illegal move is one error, raised in one place.
What a backend reports may jump: that is told by `is_valid`, and is never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from replctl.core.errors import IllegalTransition
from replctl.core.model import State

MOVES: Mapping[tuple[State, State], str] = MappingProxyType(
    {
        (State.NONE, State.REPLICA): "create",
        (State.NONE, State.SOURCE): "create",
        (State.REPLICA, State.PROMOTING): "promote",
        (State.REPLICA, State.SYNCING): "resync",
        (State.PROMOTING, State.SOURCE): "observed",
        (State.PROMOTING, State.FAILED): "observed",
        (State.SOURCE, State.DEMOTING): "demote",
        (State.DEMOTING, State.REPLICA): "observed",
        (State.DEMOTING, State.FAILED): "observed",
        (State.SYNCING, State.REPLICA): "observed",
        (State.SYNCING, State.FAILED): "observed",
        (State.FAILED, State.SYNCING): "resync",
        (State.FAILED, State.REPLICA): "observed",
    }
)
DESIRABLE = frozenset({State.SOURCE, State.REPLICA})


def known(word: str) -> State | None:
    """The state that `word` names, or None for a word we do not know."""
    try:
        return State(word)
    except ValueError:
        return None


def shown(state: str) -> str:
    """The word people read: the empty state is `absent`."""
    return state or "absent"


def next_states(state: State) -> frozenset[State]:
    """Directed targets only: staying is always possible and is not listed (R20)."""
    return frozenset(target for origin, target in MOVES if origin is state)


def is_valid(origin: str, target: str) -> bool:
    """Whether the move is in the table, or stays at a known state; an unknown word never is (R15)."""
    before, after = known(origin), known(target)
    if before is None or after is None:
        return False
    return before is after or (before, after) in MOVES


def validate(origin: str, target: str) -> None:
    """Raise IllegalTransition unless the move is valid; the error names the legal next states (R21)."""
    if is_valid(origin, target):
        return
    before = known(origin)
    legal = sorted(shown(state) for state in next_states(before)) if before is not None else []
    raise IllegalTransition(shown(origin), shown(target), tuple(legal))


def operation(origin: State, target: State) -> str:
    """What brings the move about, in the table's word; `none` for staying."""
    return "none" if origin is target else MOVES[origin, target]


def way(origin: State, target: State) -> tuple[State, ...]:
    """The states after `origin` on the shortest legal way to `target`, at most one between; empty if none."""
    if (origin, target) in MOVES:
        return (target,)
    between = [middle for middle in State if (origin, middle) in MOVES and (middle, target) in MOVES]
    return (between[0], target) if between else ()


def diagram() -> str:
    """The table as a Mermaid state diagram, for the documentation."""
    lines = ["stateDiagram-v2"]
    for (origin, target), cause in MOVES.items():
        lines.append(f"    {shown(origin)} --> {shown(target)}: {cause}")
    return "\n".join(lines) + "\n"
