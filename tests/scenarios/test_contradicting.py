"""A command that makes what the file contradicts: held from the daemon, or written into the file (design §10)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from scenarios.test_daemon import AS_IT_WAS, TURNED, edit, entries, roles, running
from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, World

OTHER = "web/events"


def hold_of(world: World, name: str = LEDGER) -> Any:
    (line,) = world.run("status", name, "-o", "json").json["replications"]
    return line["hold"]


def test_it_takes_a_hold_and_says_so(world: World) -> None:
    ran = world.act("promote", LEDGER)
    assert ran.code == 0
    assert f"{LEDGER}: held from the daemon: " in ran.err
    assert "replications.yaml:" in ran.err
    assert f"says replica; change it there, or: replctl release {LEDGER}" in ran.err
    hold = hold_of(world)
    assert hold["reason"] == "replctl promote made it source, and the file says replica"
    with running(world) as one:
        one.tick(times=2)
        world.control.clear_requests()
        assert "held by" in one.tick()
        assert world.changes() == []


def test_the_hold_asks_nobody_but_the_daemon_and_goes_when_they_agree_again(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    ran = world.act("demote", LEDGER)
    assert (ran.code, roles(world)) == (0, AS_IT_WAS)
    assert f"{LEDGER}: no longer held: it is what the file says" in ran.err
    assert hold_of(world) is None


def test_what_agrees_with_the_file_is_not_held(world: World) -> None:
    edit(world, LEDGER, "source")
    ran = world.act("promote", LEDGER)
    assert (ran.code, hold_of(world)) == (0, None)
    assert "held" not in ran.err
    assert world.act("sync", LEDGER).code == 0
    assert world.act("promote", LEDGER).operation["outcome"] == "unchanged"
    assert hold_of(world) is None


def test_an_unplanned_promotion_is_held_and_reprotected_without_asking(world: World) -> None:
    lose_the_source(world)
    ran = world.act("promote", LEDGER, *printed(world.act("promote", LEDGER)))
    assert ran.code == 0, ran.out
    assert "held from the daemon" in ran.err
    world.control.revive("east")
    ran = world.act("reprotect", LEDGER, "--probe")
    assert ran.code == 0, ran.out
    assert hold_of(world)["reason"] == "replctl promote made it source, and the file says replica"


def test_a_hold_that_is_named_stays(world: World) -> None:
    ran = world.act("promote", LEDGER, "--hold", "site west moves")
    assert "held from the daemon, site west moves: " in ran.err
    assert world.act("demote", LEDGER).code == 0
    assert hold_of(world)["reason"] == "site west moves"
    edit(world, OTHER, "source")
    ran = world.act("promote", OTHER, "--hold", "for the audit")
    assert f"{OTHER}: held from the daemon, for the audit; replctl release {OTHER}" in ran.err
    assert world.run("release", LEDGER).code == 0


def test_where_nothing_changed_nothing_is_held(world: World) -> None:
    assert world.act("promote", LEDGER, "--dry-run").code == 0
    assert world.run("promote", LEDGER).code == 6  # nobody agreed
    world.control.fault("east", "status", path="failover$", status=400, effect="before")
    assert world.act("promote", LEDGER).code == 1
    assert hold_of(world) is None


def test_it_is_held_from_the_first_moment_on(world: World) -> None:
    ran = world.act("promote", LEDGER, "--no-wait")
    assert ran.code == 8
    assert "held from the daemon" in ran.err
    assert hold_of(world) is not None


def test_a_person_s_hold_stays_what_it_is(world: World) -> None:
    assert world.run("hold", LEDGER, "--reason", "hands off").code == 0
    ran = world.act("promote", LEDGER, "--override-hold", "--hold", "mine")
    assert ran.code == 0
    assert hold_of(world)["reason"] == "hands off"


def test_the_file_is_updated_and_the_daemon_goes_by_it(world: World) -> None:
    before = entries(world).read_text()
    with running(world) as one:
        one.tick()
        ran = world.act("promote", LEDGER, "--update-file")
        assert ran.code == 0
        assert f"{LEDGER}: " in ran.err
        assert "says source now" in ran.err
        assert hold_of(world) is None
        world.control.clear_requests()
        assert one.tick(times=3) == "saw 4 replications: nothing to do"
        assert world.changes() == []
    changed = [
        (a, b)
        for a, b in zip(before.splitlines(), entries(world).read_text().splitlines(), strict=True)
        if a != b
    ]
    assert changed == [("  state: replica", "  state: source")]
    assert roles(world) == TURNED


def test_a_group_is_written_whole(world: World) -> None:
    ran = world.act("promote", LEDGER, OTHER, "--update-file")
    assert ran.code == 0
    assert ran.err.count("says source now") == 2
    assert world.run("status", "-o", "json").json["replications"][0]["desired_state"] == "source"


@pytest.mark.parametrize("tree", [True, False])
def test_a_file_that_is_not_ours_refuses_before_anything_changes(
    world: World, tree: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if tree:
        (entries(world).parent / ".git").mkdir()
    else:
        monkeypatch.setattr(
            "replctl.settings.editing._is_writable", lambda _: False
        )  # root may write anything
    ran = world.run("promote", LEDGER, "-y", "--update-file")
    assert ran.code == 2
    assert ("git work tree" if tree else "cannot be written by this user") in ran.err
    assert "-  state: replica\n+  state: source\n" in ran.err
    assert (world.changes(), hold_of(world)) == ([], None)


def test_a_file_that_cannot_be_written_in_the_end_is_partly_done_and_held(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ran = world.act("promote", LEDGER, "--update-file")
    assert (ran.code, ran.operation["error"]["code"]) == (3, "file-not-updated")
    assert "No space left on device" in ran.operation["error"]["message"]
    assert hold_of(world) is not None
    assert roles(world) == TURNED


@pytest.mark.parametrize(
    ("given", "said"),
    [(("--hold", " "), "--hold: it is empty"), (("--hold", "x", "--update-file"), "one of them")],
)
def test_flags_that_say_nothing_or_too_much(world: World, given: tuple[str, ...], said: str) -> None:
    ran = world.act("promote", LEDGER, *given)
    assert ran.code == 2
    assert said in ran.err


def test_an_entry_that_was_edited_to_agree_ends_the_hold(world: World) -> None:
    with running(world) as one:
        one.tick()
        assert world.act("promote", LEDGER).code == 0
        assert "held by" in one.tick()
        edit(world, LEDGER, "source")
        assert f"release {LEDGER} (file and role agree again)" in one.tick()
        assert one.tick() == "saw 4 replications: nothing to do"
        assert hold_of(world) is None
