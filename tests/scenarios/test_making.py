"""`create` and `delete`: replication begins and ends by a policy, seen on both arrays; none is replaced."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenarios.test_crashes import crashed, open_operations
from worlds import LEDGER, World, a_world

MOST_WRITES = 20
GROUP = "/volume_group/"


def effective(world: World) -> list[tuple[str, bool]]:
    """(array, whether a policy was assigned) of those that took effect."""
    return [
        (each["array"], bool(each["body"]["protection_policy_id"]))
        for each in world.changes()
        if each["effect"]
    ]


def without_policy(world: World) -> None:
    """The file as somebody wrote it who did not think of `create`."""
    path = world.config.parent / "replications.yaml"
    path.write_text(path.read_text().replace(", policy: gold-dr-east", "", 1))


def test_delete_and_create_are_seen_on_both_arrays(world: World) -> None:
    deleted = world.act("delete", LEDGER)
    assert deleted.code == 0, deleted.err
    assert (deleted.operation["from_state"], deleted.operation["to_state"]) == ("replica", None)
    (line,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    assert (line["state"], line["local"]["state_note"], line["peer"]["state_note"]) == (
        None,
        "absent",
        "absent",
    )
    assert world.truth()["writable"] == {"east": True, "west": False}
    assert "replctl create bank/ledger" in world.run("status").out

    created = world.act("create", LEDGER)
    assert created.code == 0, created.err
    assert created.operation["to_state"] == "replica"
    assert world.truth()["state"] == {"east": "OK", "west": "OK"}
    assert world.truth()["lost_writes"] == 0
    assert effective(world) == [("east", False), ("east", True)]
    moves = world.run("history", LEDGER, "-o", "json").json["transitions"]
    assert {(each["from_state"], each["to_state"], each["reason"]) for each in moves[:4]} == {
        ("replica", None, "user_requested"),
        ("source", None, "user_requested"),
        (None, "replica", "user_requested"),
        (None, "source", "user_requested"),
    }


def test_what_was_never_replicated_is_made_with_its_copy(world: World) -> None:
    world.control.strip(LEDGER)
    assert world.run("promote", LEDGER, "-y").code == 5
    created = world.act("create", LEDGER)
    assert created.code == 0, created.err
    assert world.truth()["role"] == {"east": "Source", "west": "Destination"}
    assert world.truth()["lost_writes"] == 0
    assert world.act("promote", LEDGER).code == 0


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_twice_is_unchanged_and_writes_nothing(world: World, verb: str) -> None:
    world.act(verb, LEDGER)
    world.control.clear_requests()
    again = world.act(verb, LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert world.changes() == []


def test_a_file_without_the_policy_is_told_so(world: World) -> None:
    world.control.strip(LEDGER)
    without_policy(world)
    refused = world.act("create", LEDGER)
    assert (refused.code, refused.guards) == (6, ["undeclared"])
    (evidence,) = refused.operation["refusal"]["guards"][0]["evidence"]
    assert (evidence["fact"], evidence["backend"]) == ("peer.policy", "east")
    assert world.changes() == []


def test_a_policy_that_the_array_does_not_have_is_not_found(world: World) -> None:
    path = world.config.parent / "replications.yaml"
    path.write_text(path.read_text().replace("gold-dr-east", "platinum", 1))
    world.control.strip(LEDGER)
    ran = world.act("create", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (5, "not_found")
    assert "platinum" in ran.operation["error"]["message"]
    assert world.changes() == []
    assert open_operations(world) == []


def test_a_source_that_is_not_there_cannot_be_replicated(world: World) -> None:
    world.control.rename_volume(LEDGER, "something-else")
    ran = world.act("create", LEDGER)
    assert ran.code == 5
    assert world.changes() == []


def test_what_replicates_the_other_way_round_is_not_turned(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.clear_requests()
    refused = world.act("create", LEDGER)
    assert (refused.code, refused.guards) == (6, ["backend-state"])
    assert refused.operation["refusal"]["next"] == f"replctl demote {LEDGER}"
    assert world.changes() == []


def test_delete_wants_both_ends_and_the_way_between_them(world: World) -> None:
    world.control.link("data_down")
    world.control.advance(400)
    refused = world.act("delete", LEDGER)
    assert (refused.code, refused.guards) == (6, ["backend-state"])
    assert "the data link is lost" in refused.out
    world.control.link("up")
    world.control.kill("west")
    assert world.act("delete", LEDGER).code == 11
    assert world.changes() == []


def test_delete_after_a_failover_waits_for_reprotect(world: World) -> None:
    world.control.gui(LEDGER, "east", "failover", {"is_planned": True})
    world.control.advance(300)
    refused = world.act("delete", LEDGER)
    assert (refused.code, refused.guards) == (6, ["backend-state"])
    assert refused.operation["refusal"]["next"] == f"replctl reprotect {LEDGER}"


@pytest.mark.parametrize("state", ["Paused", "System_Paused", "Synchronizing"])
def test_what_is_paused_or_copying_may_be_ended(world: World, state: str) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, state=state)
    ran = world.act("delete", LEDGER)
    assert ran.code == 0, ran.err


def test_a_first_copy_that_is_slow_is_waited_for_and_left_with_the_deadline(world: World) -> None:
    world.control.strip(LEDGER)
    world.control.slow_copy(LEDGER, 600)
    ran = world.act("create", LEDGER, "--timeout", "5m")
    assert (ran.code, ran.operation["outcome"]) == (8, "in_progress")
    world.control.slow_copy(
        LEDGER, None
    )  # the one under way stays slow; were all, hardly a look would find none
    left_at = world.clock.now()
    done = world.act("create", LEDGER)
    assert done.code == 0, done.err
    assert world.clock.now() - left_at > 200
    assert done.operation["operation_id"] == ran.operation["operation_id"]
    assert effective(world) == [("east", True)]


def test_somebody_else_s_first_copy_is_only_waited_for(world: World) -> None:
    world.control.replace_session(LEDGER)
    world.control.slow_copy(LEDGER, 120)
    world.control.advance(60)
    ran = world.act("create", LEDGER)
    assert ran.code == 0, ran.err
    assert effective(world) == []


@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize("verb", ["create", "delete"])
def test_a_lost_answer_is_read_back_and_nothing_is_done_twice(world: World, verb: str, effect: str) -> None:
    if verb == "create":
        world.control.strip(LEDGER)
    world.control.fault("east", "reset", method="PATCH", path=GROUP, effect=effect)
    ran = world.act(verb, LEDGER)
    assert ran.code == 0, ran.err
    assert [each["effect"] for each in world.changes()] == ([True] if effect == "after" else [False, True])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("verb", ["create", "delete"])
def test_killed_at_each_journal_write(tmp_path: Path, verb: str) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            if verb == "create":
                world.control.strip(LEDGER)
            if not crashed(world, verb, LEDGER, number=number):
                break
            begun = open_operations(world)
            again = world.act(verb, LEDGER)
            assert again.code == 0, (number, again.out, again.err)
            assert open_operations(world) == []
            if begun:
                assert again.operation["operation_id"] in begun
            assert effective(world) == [("east", verb == "create")], number
    assert number > 3


def test_a_group_is_deleted_whole_or_not_at_all(world: World) -> None:
    world.control.set_state("web/events", "east", state="Failed_Over")
    refused = world.act("delete", "--all")
    assert refused.code == 6
    assert world.changes() == []
