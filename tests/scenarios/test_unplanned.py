"""Unplanned promotion: refused with evidence and a stated loss, then carried out with the printed flags."""

from __future__ import annotations

import shlex
from datetime import datetime

import pytest
from worlds import LEDGER, Ran, World


def lose_the_source(world: World, mode: str = "refuse") -> None:
    world.control.advance(900)
    world.control.kill("east", mode=mode)
    world.control.advance(120)


def printed(ran: Ran) -> list[str]:
    """The flags of the next command that a refusal prints."""
    words = shlex.split(ran.operation["refusal"]["next"])
    assert words[:3] == ["replctl", "promote", LEDGER]
    return words[3:]


def stamp(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def test_refused_with_evidence_and_loss_then_carried_out_with_the_printed_flags(world: World) -> None:
    lose_the_source(world)
    refused = world.act("promote", LEDGER)
    assert refused.code == 6
    assert refused.guards == ["peer-not-demoted", "data-loss"]
    evidence = refused.operation["refusal"]["guards"][0]["evidence"][0]
    assert "dead and cut off look alike" in evidence["value"]
    loss = refused.operation["data_loss"]
    assert "last_sync_timestamp" in loss["source"]
    assert 0 <= loss["at_least_seconds"] <= loss["at_most_seconds"]
    assert loss["read_at"]
    assert world.effective() == []

    done = world.act("promote", LEDGER, *printed(refused))
    assert done.code == 0, done.err
    assert done.operation["data_loss"]["accepted"]
    assert set(done.operation["acknowledged"]) == set(printed(refused))
    assert world.effective() == [("west", "failover")]
    (failover,) = world.changes()
    assert failover["body"]["is_planned"] is False
    assert world.truth()["role"]["west"] == "Source"
    assert world.truth()["writable"]["west"] is True

    again = world.act("promote", LEDGER, *printed(refused))
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")


def test_the_file_s_local_site_may_be_the_one_that_died(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    world.control.advance(900)
    world.control.kill("west", mode="refuse")
    world.control.advance(120)
    silent = world.act("demote", LEDGER)
    assert silent.code == 11
    assert f"replctl failover {LEDGER} --to east" in silent.operation["error"]["remedy"]
    refused = world.act("failover", LEDGER, "--to", "east", "--probe")
    assert (refused.code, refused.guards) == (6, ["peer-not-demoted", "data-loss"])
    words = shlex.split(refused.operation["refusal"]["next"])
    assert words[:5] == ["replctl", "failover", LEDGER, "--to", "east"]
    done = world.act(*words[1:], "--probe")
    assert done.code == 0, done.out
    assert (done.operation["backend"], done.operation["to_state"]) == ("east", "source")
    assert world.truth()["writable"]["east"] is True
    world.control.revive("west")
    assert world.act("reprotect", LEDGER, "--probe").code == 0
    assert world.truth()["role"] == {"west": "Destination", "east": "Source"}


def test_without_the_loss_flag_it_stays_refused(world: World) -> None:
    lose_the_source(world)
    ran = world.act("promote", LEDGER, "--peer-is-down")
    assert (ran.code, ran.guards) == (6, ["data-loss"])
    assert world.effective() == []


def test_an_accepted_time_after_the_point_is_refused(world: World) -> None:
    lose_the_source(world)
    refused = world.act("promote", LEDGER)
    point = stamp(refused.operation["data_loss"]["point"])
    later = datetime.fromtimestamp(point + 30).astimezone().isoformat(timespec="seconds")
    ran = world.act("promote", LEDGER, "--peer-is-down", f"--accept-data-loss={later}")
    assert (ran.code, ran.guards) == (6, ["data-loss"])


def test_unknown_is_accepted_only_when_it_is_unknown(world: World) -> None:
    lose_the_source(world)
    ran = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=unknown")
    assert (ran.code, ran.guards) == (6, ["data-loss"])


def test_nulls_of_the_array_make_the_loss_unknown(world: World) -> None:
    lose_the_source(world)
    world.control.fault("west", "null_stamps", times=10_000)
    refused = world.act("promote", LEDGER)
    loss = refused.operation["data_loss"]
    assert loss["point"] is None
    assert loss["at_least_seconds"] is None
    assert loss["at_most_seconds"] is None
    assert "--accept-data-loss=unknown" in printed(refused)
    duration = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=10d")
    assert (duration.code, duration.guards) == (6, ["data-loss"])
    assert world.act("promote", LEDGER, *printed(refused)).code == 0


def test_peer_that_answers_is_up(world: World) -> None:
    ran = world.act("promote", LEDGER, "--peer-is-down", "--accept-data-loss=1d")
    assert ran.code == 6
    assert "peer-is-up" in ran.guards
    assert ran.operation["refusal"]["next"] == f"replctl promote {LEDGER}"
    assert world.effective() == []

    fenced = world.act("promote", LEDGER, "--peer-is-fenced=switch ports down", "--accept-data-loss=1d")
    assert fenced.code == 0, fenced.err
    assert world.effective() == [("west", "failover")]


def test_management_lost_but_link_ok_says_that_the_array_lives(world: World) -> None:
    world.control.advance(900)
    world.control.fault("east", "hang", times=10_000, seconds=0.2, effect="before")
    world.control.advance(30)
    ran = world.act("promote", LEDGER, environ={"REPLCTL_OBSERVE_TIMEOUT": "1s"})
    assert ran.code == 6
    value = ran.operation["refusal"]["guards"][0]["evidence"][0]["value"]
    assert "only management is lost" in value


@pytest.mark.parametrize("flags", [(), ("--peer-is-down",)])
def test_our_own_trouble_proves_nothing(world: World, flags: tuple[str, ...]) -> None:
    (world.config.parent / "credentials" / "east").write_text("wrong\n")
    ran = world.act("promote", LEDGER, *flags)
    assert ran.code == (6 if flags else 4)
    assert world.effective() == []
    if flags:
        assert "data-loss" in ran.guards


def test_stuck_promoting_whose_source_went_away(world: World) -> None:
    world.control.stick(LEDGER, "Failing_Over")
    stuck = world.act("promote", LEDGER, "--timeout", "30s")
    assert stuck.code == 8, stuck.out
    world.control.kill("east", mode="refuse")
    world.control.unstick(LEDGER)
    refused = world.act("promote", LEDGER, "--peer-is-down")
    assert (refused.code, refused.guards) == (6, ["data-loss"])
    done = world.act("promote", LEDGER, *printed(refused))
    assert done.code == 0, done.err
    assert done.operation["operation_id"] != stuck.operation["operation_id"]
    old = world.run("op", "show", stuck.operation["operation_id"], "-o", "json").operation
    assert old["outcome"] != "succeeded"
    listed = world.run("op", "list", "-o", "json").json["operations"]
    assert [each["operation_id"] for each in listed if each["abandoned_by"]] == [
        stuck.operation["operation_id"]
    ]


def test_snapshot_promotions_have_an_unknown_loss(world: World) -> None:
    lose_the_source(world)
    refused = world.act("promote", LEDGER, "--snapshot", "no-such-snapshot", "--peer-is-down")
    assert refused.code == 6
    assert refused.operation["data_loss"]["point"] is None
