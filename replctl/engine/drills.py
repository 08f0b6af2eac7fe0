"""What is remembered of failover tests: what was tested, for how long, and what came back (design §4).

Values in, a `Drill` out. A test that somebody else began, or that was begun over another store, has no beginning
that we know; then neither its length nor what happened to production meanwhile is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from replctl.core.journal import Drill, OperationRecord, TransitionRecord
from replctl.core.model import End, Intent, Observation, Pair, Replication, Side


def begun(intent: Intent, record: OperationRecord, pair: Pair, at: float) -> Drill:
    """A test that our operation began, as both ends read then."""
    return replace(_without_beginning(intent.replication, record, pair), started=at, snapshot=intent.snapshot)


def ended(
    intent: Intent,
    record: OperationRecord,
    pair: Pair,
    kept: Drill | None,
    moves: Iterable[TransitionRecord],
    at: float,
) -> Drill:
    """The test that our operation ended. `moves` are those of the replication, `kept` what was known of the test."""
    drill = _without_beginning(intent.replication, record, pair)
    if kept is not None and kept.finished is None and kept.backend == drill.backend:
        drill = kept
    production = pair.end(_side_of(intent.replication, drill.production))
    tested = pair.end(_side_of(intent.replication, drill.backend))
    changes = None
    if drill.started is not None and production.trouble is None:
        since = drill.started
        changes = sum(move.backend == drill.production and move.at > since for move in moves)
    return replace(
        drill,
        finished=at,
        kept_data=record.keep_test_data,
        role_changes=changes,
        production_state=production.known_state,
        came_back=tested.known_state,
        flow=tested.flow,
        point_after=_point(tested),
    )


def _without_beginning(replication: Replication, record: OperationRecord, pair: Pair) -> Drill:
    production = _side_of(replication, record.new_source)
    tested = production.other
    return Drill(
        operation_id=record.operation_id,
        backend=replication.end(tested).backend,
        production=replication.end(production).backend,
        tested=_named(replication.end(tested)),
        point=_point(pair.end(tested)),
    )


def _side_of(replication: Replication, backend: str) -> Side:
    return replication.side_of(backend) or Side.LOCAL


def _named(end: End) -> str:
    return ", ".join(f"{key} {value}" for key, value in end.locator)


def _point(seen: Observation) -> float | None:
    return seen.point.at if seen.point is not None else None
