"""Planned promotion, demotion and failover: roles swap, nothing is lost, twice is once."""

from __future__ import annotations

import json
import re

import pytest
from worlds import LEDGER, World


def test_promote_swaps_roles_and_loses_nothing(world: World) -> None:
    world.control.advance(400)
    ran = world.act("promote", LEDGER, "--reason", "maintenance of east")

    assert ran.code == 0, ran.err
    operation = ran.operation
    assert operation["outcome"] == "succeeded"
    assert (operation["from_state"], operation["to_state"]) == ("replica", "source")
    assert [step["name"] for step in operation["steps"]] == ["failover", "reprotect"]
    assert operation["reason"] == "maintenance of east"
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]
    truth = world.truth()
    assert truth["role"] == {"west": "Source", "east": "Destination"}
    assert truth["state"] == {"west": "OK", "east": "OK"}
    assert truth["lost_writes"] == 0
    assert truth["both_wrote"] == 0


def test_is_planned_is_always_explicit(world: World) -> None:
    world.act("promote", LEDGER)
    (failover,) = [each for each in world.changes() if each["path"].endswith("/failover")]
    assert failover["array"] == "east"
    assert failover["body"]["is_planned"] is True


def test_a_second_promote_is_unchanged_and_writes_nothing(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.clear_requests()
    again = world.act("promote", LEDGER)
    assert again.code == 0
    assert again.operation["outcome"] == "unchanged"
    assert world.changes() == []


def test_demote_gives_the_source_back(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.clear_requests()
    ran = world.act("demote", LEDGER)
    assert ran.code == 0, ran.err
    assert (ran.operation["from_state"], ran.operation["to_state"]) == ("source", "replica")
    assert world.effective() == [("west", "failover"), ("east", "reprotect")]
    truth = world.truth()
    assert truth["role"] == {"west": "Destination", "east": "Source"}
    assert truth["lost_writes"] == 0
    assert world.act("demote", LEDGER).operation["outcome"] == "unchanged"
    assert [world.control.sessions_open(array) for array in ("east", "west")] == [
        0,
        0,
    ]  # logged out each time


@pytest.mark.parametrize(("to", "roles"), [("west", "Source"), ("east", "Destination")])
def test_failover_to_a_backend(world: World, to: str, roles: str) -> None:
    ran = world.act("failover", LEDGER, "--to", to)
    assert ran.code == 0, ran.err
    assert world.truth()["role"]["west"] == roles


def test_failover_to_a_stranger_is_a_usage_error(world: World) -> None:  # R79
    ran = world.act("failover", LEDGER, "--to", "north")
    assert ran.code == 2
    assert ran.json["outcome"] == "invalid"
    assert "west" in ran.err
    assert "east" in ran.err
    assert world.changes() == []


def test_history_shows_every_move_of_both_ends(world: World) -> None:  # R19, R22
    ran = world.act("promote", LEDGER, "--reason", "drill")
    history = world.run("history", LEDGER, "-o", "json").json["transitions"]
    moves = [(each["backend"], each["from_state"], each["to_state"]) for each in history]
    assert [move for move in moves if move[0] == "west"] == [
        ("west", "replica", "promoting"),
        ("west", "promoting", "source"),
    ]
    assert ("east", "source", "demoting") in moves
    assert ("east", "demoting", "replica") in moves
    assert {each["reason"] for each in history} == {"user_requested"}
    assert {each["request_id"] for each in history} == {ran.operation["correlation_id"]}


def test_one_correlation_id_everywhere(world: World) -> None:  # R68, R69
    ran = world.act("promote", LEDGER, "-v")
    correlation = ran.operation["correlation_id"]
    assert re.fullmatch(r"bank-ledger-\d{13,}", correlation)
    assert {change["correlation_id"] for change in world.changes()} == {correlation}
    journalled = world.run("op", "show", ran.operation["operation_id"], "-o", "json").operation
    assert journalled["correlation_id"] == correlation
    logged = [json.loads(line) for line in ran.err.splitlines()]
    assert {line["correlation_id"] for line in logged if line["msg"].startswith("step ")} == {correlation}


def test_dry_run_and_plan_write_nothing(world: World) -> None:
    ran = world.act("promote", LEDGER, "--dry-run")
    assert ran.code == 0
    assert ran.operation["outcome"] == "planned"
    assert world.run("plan", LEDGER).code == 0
    assert world.run("explain", LEDGER).code == 0
    assert world.run("status").code == 0
    assert world.control.requests(changes=True) == []


def test_a_change_made_in_the_array_s_gui_is_external(world: World) -> None:  # R22
    assert world.act("promote", LEDGER).code == 0
    world.control.gui(LEDGER, "west", "failover", {"is_planned": True, "reverse": True})
    world.control.advance(120)
    assert world.act("promote", LEDGER).code == 0
    history = world.run("history", LEDGER, "-o", "json").json["transitions"]
    assert ("west", "source", "replica", "external") in [
        (each["backend"], each["from_state"], each["to_state"], each["reason"]) for each in history
    ]


def test_no_wait_leaves_an_open_operation_that_the_same_command_finishes(world: World) -> None:
    started = world.act("promote", LEDGER, "--no-wait")
    assert started.code == 8
    assert started.operation["outcome"] == "in_progress"
    identity = started.operation["operation_id"]
    listed = world.run("op", "list", "-o", "json").json
    assert identity in str(listed)

    other = world.act("demote", LEDGER)
    assert other.code in (6, 7)
    assert world.effective() == [("east", "failover")]

    finished = world.act("promote", LEDGER)
    assert finished.code == 0, finished.err
    assert finished.operation["operation_id"] == identity
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]


def test_op_resume_finishes_and_op_wait_tells(world: World) -> None:
    started = world.act("promote", LEDGER, "--no-wait")
    identity = started.operation["operation_id"]
    world.control.advance(60)
    waited = world.run("op", "wait", identity, "-o", "json")
    assert waited.code == 8, waited.err
    assert waited.operation["error"]["remedy"] == f"replctl op resume {identity}"
    resumed = world.act("op", "resume", identity)
    assert resumed.code == 0, resumed.err
    assert world.run("op", "wait", identity, "-o", "json").code == 0
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]


def test_op_abandon_closes_the_books_only(world: World) -> None:
    identity = world.act("promote", LEDGER, "--no-wait").operation["operation_id"]
    world.control.advance(60)
    assert world.act("op", "abandon", identity).code == 0
    assert world.effective() == [("east", "failover")]
    waited = world.run("op", "wait", identity, "-o", "json")  # in vain: nobody carries it out, nor ever will
    assert (waited.code, waited.operation["error"]["code"]) == (9, "abandoned")
    shown = world.run("op", "list", "-o", "json").json
    assert all(each["operation_id"] != identity or each.get("outcome") for each in shown["operations"])
