"""What each state allows on each side: the table of CP §7.1, cell by cell, and how refusals look (CP §7.2)."""

import pytest

from replctl.simulator import Options, Simulator

LEDGER = "bank/ledger"
PLANNED = ("failover", {"is_planned": True})
UNPLANNED = ("failover", {"is_planned": False})
FORCED = ("failover", {"is_planned": False, "force": True})
SYNC, PAUSE, RESUME, REPROTECT = ("sync", None), ("pause", None), ("resume", None), ("reprotect", None)
START, STOP = ("start_failover_test", None), ("stop_failover_test", None)
PROMOTE, DEMOTE = ("promote", {}), ("demote", {})
EVERY = (SYNC, PAUSE, RESUME, PLANNED, UNPLANNED, REPROTECT, START, PROMOTE, DEMOTE)
SOURCE, DESTINATION = "east", "west"

# State on both sides -> what the source allows, what the destination allows; "?" cells at their defaults.
LEGAL = {
    "OK": ((SYNC, PAUSE, PLANNED), (PAUSE, UNPLANNED, START)),
    "Synchronizing": ((PAUSE, PLANNED), (PAUSE, UNPLANNED, START)),
    "System_Paused": ((SYNC, PAUSE), (PAUSE, UNPLANNED, START)),
    "Paused": ((RESUME,), (RESUME, UNPLANNED, START)),
    "Paused_For_NDU": ((), ()),
    "Paused_For_Migration": ((), ()),
    "Pausing": ((), ()),
    "Resuming": ((), ()),
    "Reprotecting": ((), ()),
    "Initializing": ((), (UNPLANNED,)),
    "Failing_Over": ((), (UNPLANNED,)),
    "Failing_Over_For_DR": ((), ()),
    "Failed_Over": ((REPROTECT,), (FORCED,)),
    "Deleting": ((), ()),
    "Error": ((), ()),
}
CELLS = [
    (state, side, action, action in LEGAL[state][side == DESTINATION])
    for state in LEGAL
    for side in (SOURCE, DESTINATION)
    for action in (*EVERY, *((FORCED,) if state == "Failed_Over" else ()))
]


def put(world, state, **fields):
    """Both ends into a state, the source east."""
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state, **fields)


@pytest.fixture(scope="module")
def court(tmp_path_factory):
    """A world of many sessions, one for each case; nothing is shared between cases but the sockets."""
    with Simulator(
        Options(directory=tmp_path_factory.mktemp("court"), speed=0.0, start_at=1.9e9, replications=1)
    ) as sim:
        yield sim.control


@pytest.mark.parametrize(
    ("state", "side", "action", "legal"), CELLS, ids=[f"{s}-{a}-{x[0]}-{x[1]}" for s, a, x, _ in CELLS]
)
def test_every_cell_of_the_table(court, state, side, action, legal):
    for array, role in (("east", "Source"), ("west", "Destination")):
        court.set_state(LEDGER, array, state=state, role=role)
    answer = court.gui(LEDGER, side, *action)
    assert answer["status"] == 202 if legal else answer["status"] in (400, 422)
    if not legal:
        assert answer["body"]["messages"][0]["code"].startswith(("SIM", "0xE0201005000C"))


def test_a_failover_on_the_wrong_side_is_400_or_as_assumed(open_world):
    assert open_world().act("west", *PLANNED, query="").status == 400
    assert open_world().act("east", *UNPLANNED, query="").status == 400
    other = open_world(assumptions={"wrong_side_failover_status": "422"})
    assert other.act("west", *PLANNED, query="").status == 422


def test_an_absent_body_is_a_planned_failover(world):
    assert world.act("west", "failover", query="").status == 400
    assert world.act("east", "failover").status == 202


@pytest.mark.parametrize("status", [422, 400])
def test_already_failed_over_has_its_code(open_world, status):
    world = open_world(assumptions={"already_failed_over_status": str(status)})
    put(world, "Failed_Over")
    answer = world.act("west", *UNPLANNED, query="")
    assert (answer.status, answer.code) == (status, "0xE0201005000C")


@pytest.mark.parametrize("status", [422, 400])
def test_other_refusals_are_422_or_as_assumed(open_world, status):
    world = open_world(assumptions={"refusal_status": str(status)})
    answer = world.act("east", "resume", query="")
    assert (answer.status, answer.code[:3]) == (status, "SIM")


def test_a_refusal_of_a_job_lands_in_the_job(world):
    job = world.outcome(world.act("east", "resume"), "east")
    assert (job["phase"], job["response_status"]) == ("Failed", "422")
    assert job["response_body"]["messages"][0]["code"].startswith("SIM")


def test_or_comes_at_once_if_so_assumed(open_world):
    world = open_world(assumptions={"refusal_place": "direct"})
    assert world.act("east", "resume").status == 422


def test_unknown_sessions_and_actions_are_404(world):
    answer = world["east"].call("POST", "replication_session/nobody/sync")
    assert (answer.status, answer.code) == (404, "0xE04040020009")
    assert world.act("east", "explode").status == 404
    assert world["east"].call("GET", "replication_session/nobody").status == 404


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("failover", {"is_planned": "yes"}),
        ("failover", {"is_failover_test": True}),
        ("failover", []),
        ("pause", {"why": "not"}),
        ("reprotect", {"discard_changes_after_failover": 1}),
        ("start_failover_test", {"snapshot_id": 5}),
        ("failover", {"is_planned": True, "use_test_copy": True}),
        ("failover", {"is_planned": False, "reverse": True}),
    ],
)
def test_bodies_that_do_not_fit_are_400(world, action, body):
    side = "west" if isinstance(body, dict) and body.get("is_planned") is False else "east"
    assert world.act(side, action, body, query="").status == 400


@pytest.mark.parametrize("data", [None, b"", b"{}"])
def test_absent_and_empty_bodies_are_alike(world, data):
    path = f"replication_session/{world.session_id('east')}/pause?is_async=true"
    assert (
        world["east"].call("POST", path, data=data, headers={"Content-Type": "application/json"}).status
        == 202
    )


def test_a_release_without_test_failover_does_not_know_its_words(open_world):
    world = open_world(version="1.0.0.0")
    assert world.act("west", "start_failover_test").status == 404
    assert (
        world.act("west", "failover", {"is_planned": False, "use_test_copy": False}, query="").status == 400
    )
    assert "last_sync_duration" not in world.session("west")
    assert world["west"].call("GET", "replication_session?select=type").status == 400


def test_one_operation_at_a_time(world):
    assert world.act("east", "pause").status == 202
    assert world.act("west", "pause", query="").status == 422
    assert world.act("east", *PLANNED, query="").status == 422


def test_a_running_test_bars_what_it_must(world):
    world.act("west", "start_failover_test")
    world.control.advance(10)
    assert world.act("east", *PLANNED, query="").status == 422
    assert world.act("west", *UNPLANNED, query="").status == 422
    assert world.act("west", *START, query="").status == 422
    assert world.act("west", "failover", {"is_planned": False, "use_test_copy": True}).status == 202


def test_test_words_without_a_test_are_refused(world):
    assert world.act("west", *STOP, query="").status == 422
    assert world.act("west", "failover", {"is_planned": False, "use_test_copy": True}, query="").status == 422
    unknown = {"is_planned": False, "failover_snapshot_id": "nobody"}
    assert world.act("west", "failover", unknown, query="").status == 422


ASSUMED = [
    ("planned_failover_from_system_paused", "System_Paused", "east", PLANNED),
    ("planned_failover_from_paused", "Paused", "east", PLANNED),
    ("failover_from_error", "Error", "east", PLANNED),
    ("failover_from_error", "Error", "west", UNPLANNED),
    ("action_from_error", "Error", "east", SYNC),
    ("unplanned_in_transient", "Pausing", "west", UNPLANNED),
    ("unplanned_in_transient", "Reprotecting", "west", UNPLANNED),
    ("unplanned_from_paused_for_system", "Paused_For_NDU", "west", UNPLANNED),
    ("unplanned_from_initializing", "Initializing", "west", UNPLANNED),
    ("sync_at_destination", "OK", "west", SYNC),
]


@pytest.mark.parametrize(("name", "state", "side", "action"), ASSUMED)
@pytest.mark.parametrize("value", ["accept", "refuse"])
def test_each_open_cell_is_an_assumption(open_world, name, state, side, action, value):
    world = open_world(assumptions={name: value})
    put(world, state)
    assert world.control.gui(LEDGER, side, *action)["status"] == (202 if value == "accept" else 422)


def test_pause_of_a_paused_session_can_be_a_no_op(open_world):
    world = open_world(assumptions={"pause_when_paused": "no_op"})
    put(world, "Paused")
    assert world.act("east", "pause", query="").status == 204
    assert world.see() == ("Source", "Paused", "Destination", "Paused")
