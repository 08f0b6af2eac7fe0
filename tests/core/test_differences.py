"""What the file says otherwise than the world, for every pair of roles, and what of it cannot be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from cli import stage

from replctl.core.differences import RPO_UNTOLD, Aspect, Comparison, compare, in_sync
from replctl.core.health import judge
from replctl.core.model import Mode, Observation, Pair, State, Trouble, TroubleKind, Verb
from replctl.core.results import ReplicationStatus

NOW = stage.START
ABSENT = Observation(
    backend="west",
    observed_at=NOW,
    trouble=Trouble(kind=TroubleKind.ABSENT, code="not-found", message="no session of volume ledger"),
)


def of(local: Observation, peer: Observation, desired: State = State.REPLICA, **changes: Any) -> Comparison:
    entry = stage.replication(desired_state=desired)
    health, message = judge(Pair(local, peer), entry.rpo_seconds)
    line = stage.line_of(entry, Pair(local, peer), health=health, message=message, **changes)
    return compare(line, NOW)


def seen(state: State | None) -> Observation:
    return stage.seen("west", state)


def there(state: State | None) -> Observation:
    return stage.seen("east", state)


def told(found: Comparison) -> list[tuple[str, str, str, Verb | None]]:
    return [(each.aspect.value, each.wanted, each.seen, each.verb) for each in found.differences]


S, R = State.SOURCE, State.REPLICA


@pytest.mark.parametrize(
    ("desired", "local", "peer", "expected"),
    [
        (R, R, S, []),
        (S, S, R, []),
        (S, R, S, [("state", "source", "replica", Verb.PROMOTE)]),
        (R, S, R, [("state", "replica", "source", Verb.DEMOTE)]),
        (R, S, S, [("state", "replica", "source", Verb.REPROTECT)]),
        (S, S, S, [("peer", "replica", "source", Verb.REPROTECT)]),
        (R, R, R, [("peer", "source", "replica", None)]),
        (S, R, R, [("state", "source", "replica", Verb.PROMOTE)]),
        (R, State.FAILED, S, [("state", "replica", "failed", None)]),
        (S, State.PROMOTING, State.DEMOTING, [("state", "source", "promoting", None)]),
        (S, S, State.SYNCING, []),  # a first copy after `reprotect` is on its way there
        (R, State.NONE, State.NONE, [("state", "replica", "absent", Verb.CREATE)]),
        (S, S, State.NONE, [("peer", "replica", "absent", Verb.CREATE)]),
    ],
)
def test_roles(desired: State, local: State, peer: State, expected: list[Any]) -> None:
    found = of(seen(local), there(peer), desired)
    assert told(found) == expected
    assert found.same is not bool(expected)
    assert found.is_applicable is any(row[3] in (Verb.PROMOTE, Verb.DEMOTE) for row in expected)
    assert found.untold == ""


def test_what_is_proven_not_to_be_there_differs() -> None:
    assert told(of(ABSENT, there(S))) == [("state", "replica", "absent", Verb.CREATE)]


def test_what_was_not_read_is_not_told_and_what_it_was_before_proves_nothing() -> None:
    dark = Observation(backend="east", observed_at=NOW, trouble=stage.SILENT)
    found = of(seen(R), dark)
    assert (found.differences, found.same) == ((), None)
    assert found.untold == "east was not read: no answer within 3s"
    line = stage.line_of(stage.replication(), Pair(replace(dark, backend="west"), there(S)))
    known = replace(line, local=replace(line.local, state=S, remembered=seen(S)))
    assert compare(known, NOW).same is None
    both = of(seen(S), dark)
    assert told(both) == [("state", "replica", "source", Verb.DEMOTE)]
    assert both.same is False
    assert both.untold


def test_a_word_that_nobody_knows_is_not_told() -> None:
    found = of(seen(None), there(S))
    assert (found.differences, found.same) == ((), None)
    assert found.untold


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"mode": Mode.SYNCHRONOUS}, [(Aspect.MODE, "asynchronous", "synchronous", None)]),
        ({"mode": None}, []),
        ({"point_at": NOW - 301}, [(Aspect.RPO, "at most 5m", "5m1s old", Verb.SYNC)]),
        ({"point_at": NOW - 300}, []),
        ({"point_at": None}, []),  # it cannot be told
        ({"point_at": NOW - 301, "point_as_of": None}, []),
        (
            {"point_at": NOW - 301, "mode": Mode.SYNCHRONOUS},
            [(Aspect.MODE, "asynchronous", "synchronous", None)],
        ),
    ],
)
def test_what_the_file_only_asserts(changes: dict[str, Any], expected: list[Any]) -> None:
    found = of(seen(R), there(S), **changes)
    assert told(found) == expected
    assert not found.is_applicable


@pytest.mark.parametrize(
    ("here", "there", "age", "expected"),
    [
        (300.0, None, None, True),
        (None, 300.0, None, True),
        (900.0, None, None, False),
        (900.0, 300.0, None, True),  # the source's word counts
        (300.0, 900.0, None, False),
        (None, None, 299.0, True),
        (None, None, 301.0, False),
        (None, 300.0, 301.0, False),
        (None, None, None, None),
    ],
)
def test_the_rpo_is_asserted_of_the_rule_and_of_the_copy(
    here: float | None, there: float | None, age: float | None, expected: bool | None
) -> None:
    local = stage.seen("west", R, promised_seconds=here)
    peer = stage.seen("east", S, promised_seconds=there)
    entry = stage.replication()
    assert in_sync(entry, local, peer, age) is expected
    assert in_sync(replace(entry, rpo_seconds=None), local, peer, age) is True
    mirrored = replace(entry, mode=Mode.SYNCHRONOUS)
    ends = [replace(each, mode=Mode.SYNCHRONOUS) for each in (local, peer)]
    assert in_sync(mirrored, ends[0], ends[1], age) is True  # of a synchronous one no age is asked
    line = stage.line_of(entry, Pair(local, peer), point_at=None if age is None else NOW - age)
    assert compare(line, NOW).same is expected


def test_what_is_not_as_the_file_says_is_told_by_whose_rule() -> None:
    slow = stage.seen("east", S, promised_seconds=900.0)
    assert told(of(seen(R), slow)) == [("rpo", "5m", "15m by the rule on east", None)]
    untold = of(seen(R), there(S), point_at=None)
    assert (untold.same, untold.untold_rpo, untold.untold) == (None, True, RPO_UNTOLD)
    assert in_sync(stage.replication(), seen(None), slow, None) is None
    assert in_sync(stage.replication(), ABSENT, slow, None) is False


def test_a_remembered_age_is_none() -> None:
    line: ReplicationStatus = stage.line_of(stage.replication(), stage.DEAD, point_at=NOW - 3600)
    assert told(compare(line, NOW)) == []
