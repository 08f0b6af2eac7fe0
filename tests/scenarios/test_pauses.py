"""Pause and resume: they count where they are seen on both arrays, and a half pause is told as one."""

from __future__ import annotations

from pathlib import Path

import pytest
from worlds import LEDGER, World, a_world

from replctl.core.model import Verb

NOTICED_SECONDS = 120.0  # by then both arrays know how the link is
BOTH_PAUSED = {"east": "Paused", "west": "Paused"}


def half_paused(world: World) -> None:
    """A pause that reached east only, and the link is back."""
    world.control.link("data_down")
    ran = world.act("pause", LEDGER)
    assert ran.code == 3, ran.out
    world.control.link("up")
    world.control.advance(NOTICED_SECONDS)
    world.control.clear_requests()


def test_pause_and_resume_are_seen_on_both_arrays(world: World) -> None:
    paused = world.act("pause", LEDGER, "--reason", "maintenance")
    assert paused.code == 0, paused.err
    operation = paused.operation
    assert operation["outcome"] == "succeeded"
    assert [step["name"] for step in operation["steps"]] == ["pause"]
    assert operation["from_state"] == operation["to_state"] == "replica"
    assert operation["reason"] == "maintenance"
    assert world.truth()["state"] == BOTH_PAUSED

    resumed = world.act("resume", LEDGER)
    assert resumed.code == 0, resumed.err
    assert world.truth()["state"] == {"east": "OK", "west": "OK"}
    assert world.effective() == [("east", "pause"), ("east", "resume")]


def test_neither_moves_a_state(world: World) -> None:
    assert world.act("pause", LEDGER).code == 0
    assert world.act("resume", LEDGER).code == 0
    assert world.run("history", LEDGER, "-o", "json").json["transitions"] == []
    listed = world.run("op", "list", "-o", "json").json["operations"]
    assert sorted(each["verb"] for each in listed) == ["pause", "resume"]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_twice_is_unchanged_and_writes_nothing(world: World, verb: str) -> None:
    assert world.act("pause", LEDGER).code == 0
    assert world.act(verb, LEDGER).code == 0
    world.control.clear_requests()
    again = world.act(verb, LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


def test_a_running_copy_is_paused_and_finished_after(world: World) -> None:
    world.control.slow_copy(LEDGER, 60)
    world.control.gui(LEDGER, "east", "sync")
    world.control.advance(5)
    assert world.act("pause", LEDGER).code == 0
    world.control.slow_copy(LEDGER, 5)
    assert world.act("resume", LEDGER).code == 0
    assert world.truth()["state"] == {"east": "OK", "west": "OK"}


def test_status_and_explain_show_a_pause(world: World) -> None:
    assert world.act("pause", LEDGER).code == 0
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert line["health"] == "degraded"
    assert "paused by a person" in line["message"]
    told = {each["verb"]: each for each in world.run("explain", LEDGER, "-o", "json").json["verbs"]}
    assert set(told) == set(Verb) - {Verb.FAILOVER}
    assert told["pause"]["outcome"] == "unchanged"
    assert told["resume"]["outcome"] == "planned"
    assert told["sync"]["outcome"] == "refused"


def test_a_pause_that_reached_one_array_is_partial_and_says_which(world: World) -> None:
    world.control.link("data_down")
    ran = world.act("pause", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (3, "partial")
    error = ran.operation["error"]
    assert error["code"] == "reached-one-end"
    assert "pause reached east only, not west" in error["message"]
    assert error["remedy"] == f"replctl pause {LEDGER}"
    assert world.truth()["state"]["east"] == "Paused"
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert "paused on east only" in line["message"]


def test_the_plan_says_that_a_pause_will_reach_one_array_only(world: World) -> None:
    world.control.link("data_down")
    world.control.advance(NOTICED_SECONDS)
    world.control.clear_requests()
    ran = world.run("pause", LEDGER, "--dry-run")
    assert ran.code == 0
    assert "will reach east alone" in " ".join(ran.out.split())
    assert world.changes() == []


def test_resume_refuses_until_a_second_pause_reached_both(world: World) -> None:
    half_paused(world)
    refused = world.act("resume", LEDGER)
    assert (refused.code, refused.guards) == (6, ["backend-state"])
    evidence = refused.operation["refusal"]["guards"][0]["evidence"]
    assert {each["backend"] for each in evidence} == {"east", "west"}
    assert refused.operation["refusal"]["next"] == f"replctl pause {LEDGER}"
    for verb in ("sync", "resync"):
        other = world.act(verb, LEDGER)
        assert (other.code, other.operation["refusal"]["next"]) == (6, f"replctl pause {LEDGER}")
    assert world.changes() == []

    second = world.act("pause", LEDGER)
    assert second.code == 0, second.err
    assert world.truth()["state"] == BOTH_PAUSED
    assert world.act("resume", LEDGER).code == 0
    assert world.effective() == [("east", "pause"), ("east", "resume")]


def test_a_second_pause_while_the_link_is_down_is_refused(world: World) -> None:
    world.control.link("data_down")
    assert world.act("pause", LEDGER).code == 3
    world.control.clear_requests()
    again = world.act("pause", LEDGER)
    assert (again.code, again.guards) == (6, ["backend-state"])
    assert "the data link is lost" in again.out
    assert world.changes() == []


@pytest.mark.parametrize("verb", ["pause", "resume", "sync", "resync"])
@pytest.mark.parametrize("array", ["east", "west"])
def test_with_a_silent_array_nothing_is_sent(world: World, verb: str, array: str) -> None:
    world.control.kill(array)
    ran = world.act(verb, LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (11, "unreachable")
    assert world.changes() == []


@pytest.mark.parametrize("verb", ["pause", "resume"])
@pytest.mark.parametrize(("effect", "sends"), [("after", [True]), ("before", [False, True])])
def test_a_lost_answer_is_found_by_reading_back(
    world: World, verb: str, effect: str, sends: list[bool]
) -> None:
    if verb == "resume":
        assert world.act("pause", LEDGER).code == 0
    world.control.fault("east", "reset", path=f"/{verb}$", effect=effect)
    ran = world.act(verb, LEDGER)
    assert ran.code == 0, ran.err
    assert [each["effect"] for each in world.changes() if each["path"].endswith(verb)] == sends


def test_a_lost_answer_of_a_half_pause_is_still_partial(world: World) -> None:
    world.control.link("data_down")
    world.control.fault("east", "reset", path="/pause$", effect="after")
    ran = world.act("pause", LEDGER)
    assert (ran.code, ran.operation["error"]["code"]) == (3, "reached-one-end")
    assert world.effective() == [("east", "pause")]


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_no_wait_is_joined_by_the_same_command(world: World, verb: str) -> None:
    if verb == "resume":
        assert world.act("pause", LEDGER).code == 0
    started = world.act(verb, LEDGER, "--no-wait")
    assert started.code == 8
    other = world.act("resume" if verb == "pause" else "pause", LEDGER)
    assert (other.code, other.guards) == (7, ["operation-open"])
    finished = world.act(verb, LEDGER)
    assert finished.code == 0, finished.err
    assert finished.operation["operation_id"] == started.operation["operation_id"]
    assert [action for _, action in world.effective()].count(verb) == 1


def test_a_half_pause_left_alone_is_partial_when_it_is_joined(world: World) -> None:
    world.control.link("data_down")
    started = world.act("pause", LEDGER, "--no-wait")
    assert started.code == 8
    world.control.advance(60)
    joined = world.act("op", "resume", started.operation["operation_id"])
    assert (joined.code, joined.operation["error"]["code"]) == (3, "reached-one-end")
    assert world.effective() == [("east", "pause")]


def test_a_long_copy_after_resume_is_in_progress(world: World) -> None:
    world.control.slow_copy(LEDGER, 200)
    world.control.gui(LEDGER, "east", "sync")
    world.control.advance(5)
    assert world.act("pause", LEDGER).code == 0
    ran = world.act("resume", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (8, "in_progress")
    assert world.act("resume", LEDGER, "--timeout", "2h").code == 0
    assert [action for _, action in world.effective()].count("resume") == 1


@pytest.mark.parametrize("state", ["Paused_For_NDU", "Paused_For_Migration"])
@pytest.mark.parametrize("verb", ["pause", "resume", "sync", "resync"])
def test_what_the_array_paused_it_resumes_itself(world: World, state: str, verb: str) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)
    ran = world.act(verb, LEDGER)
    assert (ran.code, ran.guards) == (6, ["backend-state"])
    assert "resumes by itself" in ran.out
    assert world.changes() == []


@pytest.mark.parametrize("verb", ["pause", "resume", "sync", "resync"])
@pytest.mark.parametrize(
    ("state", "code", "guard"),
    [("Error", 6, "backend-state"), ("Failed_Over", 6, "backend-state"), ("Pausing", 7, "foreign-operation")],
)
def test_other_states_are_refused(world: World, verb: str, state: str, code: int, guard: str) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)
    ran = world.act(verb, LEDGER)
    assert (ran.code, ran.guards) == (code, [guard])
    if state == "Failed_Over":
        assert ran.operation["refusal"]["next"] == f"replctl reprotect {LEDGER}"
    assert world.changes() == []


def test_resume_after_an_error_of_the_array_names_resync(world: World) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state="System_Paused")
    ran = world.act("resume", LEDGER)
    assert (ran.code, ran.operation["refusal"]["next"]) == (6, f"replctl resync {LEDGER}")


@pytest.mark.parametrize("verb", ["pause", "resume", "sync", "resync"])
def test_metro_is_unsupported(world: World, verb: str) -> None:
    for array, role in (("east", "Metro_Preferred"), ("west", "Metro_Non_Preferred")):
        world.control.set_state(LEDGER, array, role=role, type="Metro_Active_Active")
    ran = world.act(verb, LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (6, "unsupported")
    assert world.changes() == []


@pytest.mark.parametrize(
    "assumption",
    [
        "peer_shows_transient=yes",
        "peer_shows_transient=no",
        "command_end=early",
        "command_end=with_state",
        "pause_when_paused=no_op",
        "resume_after_local_pause=accept",
    ],
)
def test_the_story_is_the_same_whatever_the_contract_leaves_open(tmp_path: Path, assumption: str) -> None:
    name, _, value = assumption.partition("=")
    with a_world(tmp_path, assumptions={name: value}) as world:
        half_paused(world)
        assert world.act("resume", LEDGER).guards == ["backend-state"]
        for verb in ("pause", "resume", "sync"):
            ran = world.act(verb, LEDGER)
            assert (ran.code, ran.operation["outcome"]) == (0, "succeeded"), ran.err
        assert world.effective() == [("east", "pause"), ("east", "resume"), ("east", "sync")]
        assert world.truth()["lost_writes"] == 0
