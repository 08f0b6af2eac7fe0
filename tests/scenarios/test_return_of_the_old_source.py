"""The old source comes back: split brain is shown, nothing but `reprotect` goes, and that waits its turn."""

from __future__ import annotations

from pathlib import Path

from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, World


def taken_over(world: World, **more: Path) -> None:
    lose_the_source(world)
    refused = world.act("promote", LEDGER, **more)
    assert world.act("promote", LEDGER, *printed(refused), **more).code == 0


def come_back(world: World) -> None:
    """The old source is up again and has not heard of the failover yet."""
    world.control.revive("east")
    assert world.run("breaker", "reset", "east").code == 0


def health(world: World) -> str:
    report = world.run("status", LEDGER, "-o", "json").json
    (line,) = report["replications"]
    return str(line["health"])


def test_split_brain_is_shown_and_only_reprotect_leads_out(world: World) -> None:
    taken_over(world)
    come_back(world)
    assert health(world) == "split_brain"
    for verb in (["promote"], ["demote"], ["failover", "--to", "east"], ["promote", "--peer-is-down"]):
        refused = world.act(verb[0], LEDGER, *verb[1:])
        assert (refused.code, refused.guards) == (6, ["split-brain"]), verb
        assert refused.operation["refusal"]["next"] == f"replctl reprotect {LEDGER}"
    assert [action for _, action in world.effective()] == ["failover"]

    ran = world.act("reprotect", LEDGER)
    assert ran.code == 0, ran.err
    assert [step["name"] for step in ran.operation["steps"]] == ["step_down", "reprotect"]
    assert world.effective() == [("west", "failover"), ("west", "reprotect")]
    truth = world.truth()
    assert truth["role"] == {"west": "Source", "east": "Destination"}
    assert truth["state"] == {"west": "OK", "east": "OK"}
    assert health(world) == "healthy"
    history = world.run("history", LEDGER, "-o", "json").json["transitions"]
    stepped = [(each["from_state"], each["reason"]) for each in history if each["to_state"] == "replica"]
    assert ("source", "external") in stepped  # the array's own doing: nobody told it to
    assert world.act("reprotect", LEDGER).operation["outcome"] == "unchanged"


def test_without_our_journal_reprotect_asks_for_the_survivor(world: World, tmp_path: Path) -> None:
    taken_over(world)
    come_back(world)
    elsewhere = tmp_path / "elsewhere"
    refused = world.act("reprotect", LEDGER, state_dir=elsewhere)
    assert (refused.code, refused.guards) == (6, ["split-brain"])
    assert "--survivor" in refused.operation["refusal"]["next"]
    ran = world.act("reprotect", LEDGER, "--survivor", "west", state_dir=elsewhere)
    assert ran.code == 0, ran.err
    assert world.truth()["role"] == {"west": "Source", "east": "Destination"}


def test_reprotect_with_the_old_source_still_away_is_unreachable(world: World) -> None:
    taken_over(world)
    ran = world.act("reprotect", LEDGER)
    assert ran.code == 11
    assert [action for _, action in world.effective()] == ["failover"]


def test_the_old_source_may_be_kept_by_a_person_who_says_so(world: World) -> None:
    taken_over(world)
    come_back(world)
    world.control.advance(120)
    refused = world.act("reprotect", LEDGER, "--survivor", "east")
    assert (refused.code, refused.guards) == (6, ["discards-local-data"])
    ran = world.act("reprotect", LEDGER, "--survivor", "east", "--discard-local-changes")
    assert ran.code == 0, ran.err
    assert world.truth()["role"] == {"west": "Destination", "east": "Source"}
    assert world.effective() == [
        ("west", "failover"),
        ("east", "failover"),
        ("east", "reprotect"),
    ]
