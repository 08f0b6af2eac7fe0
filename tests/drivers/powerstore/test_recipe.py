"""The recipe: which array is told what, in which order, from whatever is seen (CP §8, §10)."""

from dataclasses import replace

import pytest

from replctl.core.model import Flow, Observation, Pair, Point, Scalar, Side, State
from replctl.core.plans import Course, Step
from replctl.core.states import is_valid
from replctl.drivers.powerstore.recipe import PowerStoreRecipe
from replctl.drivers.powerstore.words import SessionWords, translate

RECIPE = PowerStoreRecipe()


def seen(backend: str, role: str, state: str) -> Observation:
    said = translate(SessionWords(role=role, state=state))
    return Observation(backend=backend, observed_at=0.0, state=said.state, flow=said.flow, word=state)


def pair(west: str, east: str) -> Pair:
    """Two words such as `S OK`, `D Failed_Over`."""
    roles = {"S": "Source", "D": "Destination"}
    (w_role, w_state), (e_role, e_state) = west.split(), east.split()
    return Pair(seen("west", roles[w_role], w_state), seen("east", roles[e_role], e_state))


def told(steps: tuple[Step, ...]) -> list[str]:
    return [f"{step.name}@{step.side}" if step.action else f"wait {step.name}" for step in steps]


def plan(
    course: Course, new_source: Side, west: str, east: str, **arguments: Scalar
) -> tuple[tuple[Step, ...], Pair]:
    both = pair(west, east)
    return RECIPE.steps(course, new_source, both, arguments), both


FAILOVER_AND_REPROTECT = ["failover@peer", "reprotect@local"]


@pytest.mark.parametrize(
    ("west", "east", "steps"),
    [
        ("D OK", "S OK", FAILOVER_AND_REPROTECT),
        ("D Synchronizing", "S Synchronizing", FAILOVER_AND_REPROTECT),
        ("D OK", "S Failing_Over", ["wait failover", "reprotect@local"]),
        ("D Failing_Over", "S Failing_Over", ["wait failover", "reprotect@local"]),
        ("D Failing_Over", "S OK", ["wait failover", "reprotect@local"]),
        ("S Failed_Over", "D Failed_Over", ["reprotect@local"]),
        ("S Reprotecting", "D Reprotecting", ["wait reprotect"]),
        ("S OK", "D Reprotecting", ["wait reprotect"]),
        ("S OK", "D OK", []),
        ("S Synchronizing", "D OK", ["wait reprotect"]),
    ],
)
def test_switch_gives_the_tail_from_wherever_it_stands(west: str, east: str, steps: list[str]) -> None:
    assert told(plan(Course.SWITCH, Side.LOCAL, west, east)[0]) == steps
    mirrored = [step.replace("local", "?").replace("peer", "local").replace("?", "peer") for step in steps]
    assert told(plan(Course.SWITCH, Side.PEER, east, west)[0]) == mirrored


def test_a_planned_failover_is_told_to_the_source_and_says_so() -> None:
    (failover, reprotect), both = plan(Course.SWITCH, Side.LOCAL, "D OK", "S OK")
    assert (failover.side, failover.arguments) == (Side.PEER, {"is_planned": True, "reverse": False})
    assert failover.begins.met_by(both)
    assert not failover.unplanned
    assert (failover.patient, failover.deadline_seconds) == (True, 1800.0)
    assert failover.moves == (
        (Side.PEER, State.SOURCE, State.DEMOTING),
        (Side.LOCAL, State.REPLICA, State.PROMOTING),
    )
    assert failover.sentence == "east hands over to west: final copy, then the roles swap"
    assert failover.goal.met_by(pair("S Failed_Over", "D Failed_Over"))
    assert failover.goal.met_by(pair("S OK", "D OK"))
    assert not failover.goal.met_by(pair("S Failed_Over", "S Failing_Over"))
    assert not failover.goal.met_by(pair("S Failing_Over", "D Failed_Over"))
    assert reprotect.begins.met_by(pair("S Failed_Over", "D Failed_Over"))
    assert not reprotect.begins.met_by(pair("S Failed_Over", "D Failing_Over"))
    assert reprotect.goal.met_by(pair("S OK", "D OK"))
    assert not reprotect.goal.met_by(pair("S OK", "D Reprotecting"))
    assert dict(reprotect.arguments) == {}


@pytest.mark.parametrize("west", ["D System_Paused", "D Paused", "S OK", "D Failed_Over"])
def test_a_planned_failover_no_longer_fits_a_changed_pair(west: str) -> None:
    failover = plan(Course.SWITCH, Side.LOCAL, "D OK", "S OK")[0][0]
    source = pair("D OK", "S OK").peer
    changed = pair(west, "D OK").local
    fits = failover.begins.met_by(Pair(changed, source))
    assert fits is (west in ("D System_Paused", "D Paused", "D Failed_Over"))
    assert not failover.begins.met_by(Pair(changed, pair("D OK", "S System_Paused").peer))


@pytest.mark.parametrize("west", ["D OK", "D Synchronizing", "D System_Paused", "D Paused", "D Error"])
def test_a_takeover_is_told_to_the_end_that_takes_over(west: str) -> None:
    (step,), both = plan(Course.TAKEOVER, Side.LOCAL, west, "S OK")
    assert (step.side, step.arguments) == (Side.LOCAL, {"is_planned": False, "force": False})
    assert (step.unplanned, step.deadline_seconds, step.patient) == (True, 300.0, False)
    assert step.begins.met_by(both)
    assert step.goal.sides == (Side.LOCAL,)
    assert step.goal.met_by(pair("S Failed_Over", "S OK"))
    assert not step.goal.met_by(pair("S Failing_Over_For_DR", "S OK"))
    assert not step.begins.met_by(pair("S Failed_Over", "S OK"))


def test_force_is_only_for_an_end_that_failed_over_already() -> None:
    (step,), both = plan(Course.TAKEOVER, Side.LOCAL, "D Failed_Over", "D Failed_Over")
    assert step.arguments["force"] is True
    assert step.begins.met_by(both)
    assert not step.begins.met_by(pair("D OK", "D Failed_Over"))
    (gentle,), _ = plan(Course.TAKEOVER, Side.LOCAL, "D OK", "S OK")
    assert not gentle.begins.met_by(pair("D Failed_Over", "S OK"))


def test_what_is_not_given_is_not_sent() -> None:
    (step,), _ = plan(Course.TAKEOVER, Side.LOCAL, "D OK", "S OK", use_test_copy=False, snapshot=None)
    assert set(step.arguments) == {"is_planned", "force"}
    (step,), _ = plan(Course.TAKEOVER, Side.LOCAL, "D OK", "S OK", use_test_copy=True, snapshot="snap-1")
    assert step.arguments["use_test_copy"] is True
    assert step.arguments["failover_snapshot_id"] == "snap-1"


@pytest.mark.parametrize(
    ("west", "moves"),
    [
        ("D OK", [(State.REPLICA, State.PROMOTING)]),
        ("D Error", [(State.FAILED, State.REPLICA), (State.REPLICA, State.PROMOTING)]),
        ("D Failing_Over", []),
    ],
)
def test_the_moves_of_a_takeover(west: str, moves: list[tuple[State, State]]) -> None:
    (step,), _ = plan(Course.TAKEOVER, Side.LOCAL, west, "S OK")
    assert step.action == "failover"
    assert [(origin, target) for _, origin, target in step.moves] == moves


@pytest.mark.parametrize(
    ("west", "steps"),
    [
        ("D Failing_Over_For_DR", ["wait failover"]),
        ("S Failing_Over_For_DR", ["wait failover"]),
        ("S Failed_Over", []),
        ("S OK", []),
    ],
)
def test_a_takeover_under_way_or_done(west: str, steps: list[str]) -> None:
    assert told(plan(Course.TAKEOVER, Side.LOCAL, west, "S OK")[0]) == steps


@pytest.mark.parametrize(
    ("west", "east", "steps"),
    [
        ("S Failed_Over", "S OK", ["wait step_down", "reprotect@local"]),
        ("S Failed_Over", "S System_Paused", ["wait step_down", "reprotect@local"]),
        ("S Failed_Over", "D Failed_Over", ["reprotect@local"]),
        ("S Failed_Over", "D System_Paused", ["reprotect@local"]),
        ("S Reprotecting", "D Reprotecting", ["wait reprotect"]),
        ("S OK", "D OK", []),
    ],
)
def test_reprotect_waits_until_the_other_has_stepped_down(west: str, east: str, steps: list[str]) -> None:
    found, _ = plan(Course.REPROTECT, Side.LOCAL, west, east)
    assert told(found) == steps
    if steps[:1] == ["wait step_down"]:
        wait, reprotect = found
        assert not wait.goal.met_by(pair("S Failed_Over", "S Failed_Over"))
        assert wait.goal.met_by(pair("S Failed_Over", "D Failed_Over"))
        assert reprotect.begins.met_by(pair("S Failed_Over", "D Failed_Over"))
        assert not reprotect.begins.met_by(pair("S Failed_Over", "S OK"))


def test_abandon_forces_the_old_source_waits_and_reprotects() -> None:
    (failover, wait, reprotect), both = plan(Course.ABANDON, Side.LOCAL, "D Failed_Over", "S Failed_Over")
    assert (failover.side, failover.arguments) == (Side.LOCAL, {"is_planned": False, "force": True})
    assert failover.unplanned
    assert failover.begins.met_by(both)
    assert failover.goal.met_by(pair("S Failed_Over", "S Failed_Over"))
    assert (wait.action, wait.name) == (None, "step_down")
    assert wait.goal.met_by(pair("S Failed_Over", "D Failed_Over"))
    assert not wait.goal.met_by(pair("S Failed_Over", "S Failed_Over"))
    assert reprotect.side is Side.LOCAL
    assert reprotect.goal.met_by(pair("S OK", "D OK"))


@pytest.mark.parametrize(
    ("west", "east", "steps"),
    [
        ("D Failing_Over_For_DR", "S Failed_Over", ["wait failover", "wait step_down", "reprotect@local"]),
        ("S Failed_Over", "S Failed_Over", ["wait step_down", "reprotect@local"]),
        ("S Failed_Over", "D Failed_Over", ["reprotect@local"]),
        ("S Reprotecting", "D Reprotecting", ["wait reprotect"]),
        ("S OK", "D OK", []),
    ],
)
def test_abandon_gives_the_tail(west: str, east: str, steps: list[str]) -> None:
    assert told(plan(Course.ABANDON, Side.LOCAL, west, east)[0]) == steps


@pytest.mark.parametrize(
    ("course", "west", "east", "steps"),
    [
        (Course.PAUSE, "S OK", "D OK", ["pause@local"]),
        (Course.PAUSE, "S System_Paused", "D Synchronizing", ["pause@local"]),
        (Course.PAUSE, "S Paused", "D System_Paused", ["pause@local"]),
        (Course.PAUSE, "S System_Paused", "D Paused", ["pause@peer"]),
        (Course.PAUSE, "S Paused", "D Paused", []),
        (Course.PAUSE, "S Paused_For_NDU", "D Paused_For_NDU", ["pause@local"]),
        (Course.RESUME, "S Paused", "D Paused", ["resume@local"]),
        (Course.RESUME, "S Synchronizing", "D OK", ["resume@local"]),
        (Course.RESUME, "S OK", "D OK", []),
        (Course.SYNC, "S OK", "D OK", ["sync@local"]),
        (Course.SYNC, "S System_Paused", "D System_Paused", ["sync@local"]),
        (Course.SYNC, "S Synchronizing", "D OK", ["wait cycle", "sync@local"]),
        (Course.RESYNC, "S Paused", "D Paused", ["resync@local"]),
        (Course.RESYNC, "S System_Paused", "D System_Paused", ["resync@local"]),
        (Course.RESYNC, "S Resuming", "D Resuming", ["wait resync"]),
        (Course.RESYNC, "S OK", "D OK", []),
    ],
)
def test_courses_that_leave_the_roles_alone(course: Course, west: str, east: str, steps: list[str]) -> None:
    assert told(plan(course, Side.LOCAL, west, east)[0]) == steps


def test_a_pause_that_was_sent_and_is_seen_on_one_end_is_not_as_before() -> None:
    half = pair("S Paused", "D System_Paused")
    (again,), _ = plan(Course.PAUSE, Side.LOCAL, "S Paused", "D System_Paused")
    assert again.begins.met_by(half)
    (sent,), _ = plan(Course.PAUSE, Side.LOCAL, "S Paused", "D System_Paused", sent=True)
    assert not sent.begins.met_by(half)
    assert not sent.goal.met_by(half)
    assert (sent.deadline_seconds, sent.patient, sent.repeatable) == (120.0, False, True)


def with_point(both: Pair, at: float | None) -> Pair:
    return Pair(both.local, replace(both.peer, point=Point(at=at, source="a test", read_at=0.0)))


@pytest.mark.parametrize(
    ("seen", "after", "met"),
    [
        (900.0, 1000.0, True),  # asked for at 1000
        (900.0, 999.5, True),  # within what reading the clocks may err by
        (900.0, 990.0, False),  # a copy from before
        (999.9, 999.9, False),  # the one that was seen before anything was sent
        (None, 1001.0, True),
        (900.0, None, False),
    ],
)
def test_a_sync_is_done_with_a_newer_point(seen: float | None, after: float | None, met: bool) -> None:
    before = with_point(pair("S OK", "D OK"), seen)
    (step,) = RECIPE.steps(Course.SYNC, Side.LOCAL, before, {"since": 1000.0})
    assert step.begins.met_by(before)
    assert step.goal.met_by(with_point(pair("S OK", "D OK"), after)) is met
    assert not step.goal.met_by(with_point(pair("S Synchronizing", "D OK"), 2000.0))


def test_a_sync_that_was_sent_is_done_once_the_point_is_newer() -> None:
    arguments: dict[str, Scalar] = {"since": 1000.0, "sent": True}
    assert RECIPE.steps(Course.SYNC, Side.LOCAL, with_point(pair("S OK", "D OK"), 1001.0), arguments) == ()
    (step,) = RECIPE.steps(Course.SYNC, Side.LOCAL, with_point(pair("S OK", "D OK"), 900.0), arguments)
    assert not step.begins.met_by(pair("S System_Paused", "D System_Paused"))  # the copy has failed


SIDES = [
    f"{role} {state}"
    for role in "SD"
    for state in [
        "OK",
        "Synchronizing",
        "System_Paused",
        "Paused",
        "Pausing",
        "Resuming",
        "Failing_Over",
        "Failing_Over_For_DR",
        "Failed_Over",
        "Reprotecting",
        "Error",
        "Initializing",
        "Fractured",
        "Deleting",
        "Nonsense",
    ]
]


@pytest.mark.parametrize("course", list(Course))
def test_any_pair_has_an_answer_that_the_state_machine_allows(course: Course) -> None:
    for west in SIDES:
        for east in SIDES:
            steps, both = plan(course, Side.LOCAL, west, east)
            assert len({step.name for step in steps}) == len(steps)
            for step in steps:
                assert step.sentence
                assert step.deadline_seconds > 0
                assert all(is_valid(origin, target) for _, origin, target in step.moves)
                assert (step.action is None) == (not step.moves and not step.arguments and _waits(step))
                assert "failover" not in (step.action or "") or "is_planned" in step.arguments
            if course is not Course.TAKEOVER and not steps:
                _is_at_its_end(course, both)


def _is_at_its_end(course: Course, both: Pair) -> None:
    """What no step leads to must be so; no session here is tested, nor is any missing."""
    assert both.local.state is State.SOURCE
    if course is Course.DRILL_STOP:
        assert both.peer.state in (State.REPLICA, State.SYNCING)
        return
    assert both.peer.state is State.REPLICA
    assert course not in (Course.DRILL_START, Course.DELETE)
    assert both.local.flow is both.peer.flow is (Flow.PAUSED if course is Course.PAUSE else Flow.RUNNING)


def _waits(step: Step) -> bool:
    return step.begins.local is None and step.begins.peer is None
