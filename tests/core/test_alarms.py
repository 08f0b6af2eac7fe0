"""What a monitoring system is told of one replication, and which of several levels is the worst."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
from cli import stage

from replctl.core.alarms import SEVERITY, Alarm, Level, Limits, judge, worst
from replctl.core.model import Health, Hold, Mode, State

NOW = stage.START
HOLD = Hold(owner="ann", reason="month end", since=NOW)


def of(limits: Limits | None = None, **changes: Any) -> Alarm:
    line = stage.line_of(stage.replication(), message="", **changes)
    return judge(line, limits or Limits(), NOW)


@pytest.mark.parametrize(
    ("health", "level"),
    [
        (Health.HEALTHY, Level.OK),
        (Health.DEGRADED, Level.WARNING),
        (Health.UNKNOWN, Level.UNKNOWN),
        (Health.FAILED, Level.CRITICAL),
        (Health.SPLIT_BRAIN, Level.CRITICAL),
        (Health.NO_SOURCE, Level.CRITICAL),
    ],
)
def test_health(health: Health, level: Level) -> None:
    found = of(health=health)
    assert found.level is level
    assert found.why == ("" if level is Level.OK else health.value.replace("_", " "))


@pytest.mark.parametrize(
    ("age", "limits", "level"),
    [
        (300, Limits(), Level.OK),  # the file says rpo: 5m
        (301, Limits(), Level.WARNING),
        (600, Limits(), Level.WARNING),
        (601, Limits(), Level.CRITICAL),
        (601, Limits(900, 1800), Level.OK),
        (901, Limits(warning=900, critical=1800), Level.WARNING),
        (61, Limits(critical=60), Level.CRITICAL),
        (-5, Limits(), Level.OK),  # a clock that was set back
        (None, Limits(), Level.OK),  # health says what is to be said of it
        (None, Limits(critical=60), Level.UNKNOWN),
    ],
)
def test_age(age: float | None, limits: Limits, level: Level) -> None:
    found = of(limits, point_at=None if age is None else NOW - age)
    assert found.level is level
    assert (found.why == "") is (level is Level.OK)
    assert found.age_seconds == (None if age is None else max(0, age))


def test_of_a_synchronous_one_no_age_is_asked() -> None:
    found = of(Limits(1, 2), mode=Mode.SYNCHRONOUS, point_at=None, in_sync=True)
    assert (found.level, found.limits) == (Level.OK, (None, None))


def test_what_the_file_says_otherwise_warns_unless_it_is_held() -> None:
    turned = of(in_sync=False, state=State.SOURCE)
    assert (turned.level, turned.why) == (Level.WARNING, "it is source, and the file says replica")
    assert of(in_sync=False, state=State.SOURCE, hold=HOLD).level is Level.OK
    other = of(in_sync=False, mode=Mode.SYNCHRONOUS, point_at=None)
    assert other.why == "it is not asynchronous, as the file says"


def test_a_rule_that_is_not_the_file_s_warns() -> None:
    slow = replace(stage.PAIR, peer=replace(stage.PAIR.peer, promised_seconds=900.0))
    found = judge(stage.line_of(stage.replication(), slow, message="", in_sync=False), Limits(), NOW)
    assert (found.level, found.why) == (
        Level.WARNING,
        "its rpo is 15m by the rule on east, and the file says 5m",
    )


def test_what_was_never_verified_warns() -> None:
    line = stage.line_of(stage.replication(), message="")
    doubtful = replace(line, peer=replace(line.peer, unverified=True))
    assert judge(doubtful, Limits(), NOW).why == "east: its last change was never verified"


def test_the_worst_is_what_is_known_to_be_critical() -> None:
    for levels in itertools.product(SEVERITY, repeat=2):
        assert SEVERITY.index(worst(levels)) == max(map(SEVERITY.index, levels))
    assert worst([]) is Level.OK
    assert worst([Level.UNKNOWN, Level.WARNING]) is Level.UNKNOWN
    assert worst([Level.UNKNOWN, Level.CRITICAL]) is Level.CRITICAL
    several = of(health=Health.UNKNOWN, point_at=NOW - 1000)
    assert (several.level, len(several.reasons)) == (Level.CRITICAL, 2)
