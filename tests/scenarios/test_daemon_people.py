"""What the daemon leaves to people: edits that lapse, holds that end, operations that nobody wants any more."""

from __future__ import annotations

import re
import signal
import sqlite3
from pathlib import Path

import pytest
import worldclock
from scenarios.test_crashes import open_operations
from scenarios.test_daemon import AS_IT_WAS, OTHER, TURNED, edit, entries, roles, running
from scenarios.test_daemon_process import SURELY_SECONDS, started
from worlds import LEDGER, World, a_world

MOST_ATTEMPTS = 5
QUIET = "saw 4 replications: nothing to do"
INTENT_WRITTEN = 2  # the journal's write after which the change is sent


def turn_by_hand(world: World) -> None:
    """Somebody swaps the roles in the arrays' own interface."""
    for array, action, body in (
        ("east", "failover", {"is_planned": True, "reverse": False}),
        ("west", "reprotect", None),
    ):
        assert world.control.gui(LEDGER, array, action, body)["status"] in (202, 204)
        world.control.advance(60)
    assert roles(world) == TURNED
    world.control.clear_requests()


def test_a_role_changed_in_the_array_s_interface_is_held_once_and_never_turned_back(world: World) -> None:
    with running(world) as one:
        one.tick()
        turn_by_hand(world)
        assert f"hold {LEDGER} (it became source without this daemon" in one.tick()
        assert f"1 waits for a person: {LEDGER} (held by replctl: it became source" in one.tick(times=2)
        assert world.run("release", LEDGER).code == 0
        by_hand = f"nobody was seen to edit it: replctl demote {LEDGER}"
        assert by_hand in one.tick(times=2)
        assert world.run("status", LEDGER, "-o", "json").json["replications"][0]["hold"] is None
    with running(world) as again:  # nor is it taken again after a restart
        assert by_hand in again.tick(times=2)
        assert world.changes() == []
        again.edit(LEDGER, "source")  # the file says what is: from now on an edit is one
        assert again.tick() == QUIET
        again.edit(LEDGER, "replica")
        again.tick(times=2)
        assert roles(world) == AS_IT_WAS


def test_an_edit_while_it_is_held_lapses_and_the_hold_s_end_carries_nothing_out(world: World) -> None:
    with running(world) as one:
        one.tick()
        assert world.run("hold", LEDGER, "--reason", "hands off").code == 0
        one.edit(LEDGER, "source")
        one.tick(times=2)
        assert world.run("release", LEDGER).code == 0
        said = one.tick(times=2)
        assert f"the file was edited to source while it was held: replctl promote {LEDGER}" in said
        assert world.changes() == []


def test_half_the_file_edited_at_once_waits_and_the_command_that_it_names_does_it(world: World) -> None:
    with running(world) as one:
        one.tick()
        for name in (LEDGER, OTHER):
            edit(world, name, "source")
        said = one.tick(times=3)
        assert world.changes() == []
        assert "with 1 more at once, and at most 1 may turn by itself" in said
        for command in re.findall(r"replctl (promote \S+)\)", said):
            assert world.act(*command.split()).code == 0
        assert one.tick(times=2) == QUIET
        assert (roles(world), roles(world, OTHER)) == (TURNED, TURNED)
        assert world.truth()["lost_writes"] == 0


def test_what_is_refused_is_put_off_with_its_reason_and_given_up_after_some_attempts(world: World) -> None:
    with running(world) as one:
        one.tick()
        assert world.act("drill", "start", LEDGER).code == 0
        world.control.clear_requests()
        one.edit(LEDGER, "source")
        one.tick()
        assert f"1 put off: promote {LEDGER} (again in " in (said := one.tick())
        assert "for it failed: promote: refused: drill-running)" in said
        for _ in range(MOST_ATTEMPTS):
            world.control.advance(30)
            said = one.tick()
        assert f"and {MOST_ATTEMPTS} attempts failed, the last with: promote: refused: drill-running" in said
        assert world.changes() == []
        assert world.act("drill", "stop", LEDGER).code == 0
        world.control.advance(600)
        one.tick()
        assert roles(world) == AS_IT_WAS  # given up is given up
        for state in ("replica", "source"):
            one.edit(LEDGER, state)
            one.tick(times=2)
        assert roles(world) == TURNED


def test_an_entry_that_went_and_came_back_is_a_first_sight(world: World) -> None:
    whole = entries(world).read_text()
    head, _, *others = whole.split("\n- ")
    with running(world) as one:
        one.tick()
        entries(world).write_text("\n- ".join([head, *others]))
        assert one.tick() == "saw 3 replications: nothing to do"
        entries(world).write_text(whole)
        edit(world, LEDGER, "source")
        assert f"{LEDGER} (unadopted: it is replica, the file wants source" in one.tick(times=2)
    with running(world) as again:
        assert f"{LEDGER} (unadopted: " in again.tick(times=2)
        assert world.changes() == []


def test_an_added_entry_is_taken_up(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=4) as world:
        whole = entries(world).read_text()
        head, _, *others = whole.split("\n- ")
        entries(world).write_text("\n- ".join([head, *others]))
        with running(world) as one:
            assert one.tick() == "saw 3 replications: nothing to do"
            entries(world).write_text(whole)
            assert one.tick() == QUIET
            assert (
                one.metric('unified_replication_state{name="ledger",namespace="bank",state="replica"}') == 1
            )
            one.edit(LEDGER, "source")
            one.tick(times=2)
            assert roles(world) == TURNED


def test_two_entries_that_turn_out_to_be_one_leave_in_force_what_was(world: World) -> None:  # R78
    (shown,) = world.run("status", LEDGER, "-o", "json").json["replications"]
    good = entries(world).read_text()
    ends = [
        f"{side}: {{backend: {shown[side]['backend']}, session: {shown[side]['vendor']['session']}}}"
        for side in ("local", "peer")
    ]
    with running(world) as one:
        one.tick()
        alias = "\n  ".join(["- namespace: bank", "name: alias", "state: replica", *ends])
        entries(world).write_text(f"{good}\n{alias}\n")
        edit(world, OTHER, "source")
        said = one.tick()
        assert said.startswith("nothing is done, and what was in force is so again, for the file is broken: ")
        assert "bank/alias" in said
        assert one.tick(times=2) == QUIET
        assert one.metric("replctl_config_last_reload_successful") == 0
        assert one.book.health()["healthy"] is True
        entries(world).write_text(good)
        edit(world, OTHER, "source")
        assert "nobody was seen to edit it" in one.tick(times=2)  # a reload after an error is no edit
        assert world.changes() == []


def test_a_store_that_takes_nothing_ends_no_look_and_no_change_is_made(world: World) -> None:
    with running(world) as one:
        one.tick()
        (database,) = (world.directory / "state").glob("*.db")
        with sqlite3.connect(database) as store:
            store.execute(
                "CREATE TRIGGER full BEFORE INSERT ON facts BEGIN SELECT RAISE(ABORT, 'no room'); END"
            )
        turn_by_hand(world)
        said = one.tick(times=2)
        assert f"1 waits for a person: {LEDGER} (it became source without this daemon" in said
        assert "it could not be held" in said
        assert one.metric('unified_replication_state{name="ledger",namespace="bank",state="source"}') == 1
        with sqlite3.connect(database) as store:
            store.execute("DROP TRIGGER full")
        assert f"hold {LEDGER} (it became source" in one.tick()
        assert world.changes() == []


def test_a_store_that_cannot_be_read_makes_it_unready_until_it_can(world: World) -> None:  # R66
    with running(world) as one:
        one.tick()
        one.book.mark_ready()
        (database,) = (world.directory / "state").glob("*.db")
        with sqlite3.connect(database) as store:
            store.execute("ALTER TABLE operations RENAME TO lost")
        assert one.tick().startswith("the tick was cut short, and nothing more is done: ")
        assert one.book.readiness()["ready"] is False
        assert {each["name"] for each in one.book.health()["checks"] if not each["healthy"]} == {"store"}
        with sqlite3.connect(database) as store:
            store.execute("ALTER TABLE lost RENAME TO operations")
        assert one.tick() == QUIET
        assert (one.book.readiness()["ready"], one.book.health()["healthy"]) == (True, True)


@pytest.mark.timeout(120)
def test_what_it_began_and_did_not_send_is_sent_only_where_it_may_and_is_wanted(
    world: World, tmp_path: Path
) -> None:
    (tmp_path / "killed").mkdir()
    with started(world, tmp_path / "killed", **{worldclock.CRASH_AT: str(INTENT_WRITTEN)}) as one:
        one.hears("READY=1")
        edit(world, LEDGER, "source")
        assert one.process.wait(timeout=SURELY_SECONDS) == -signal.SIGKILL
    (operation,) = open_operations(world)
    waits = f"1 waits for a person: {LEDGER} (operation {operation} is open, and "
    with running(world, REPLCTL_DAEMON__AUTONOMY="protect") as protecting:
        assert f"{waits}autonomy is protect: replctl op show {operation})" in protecting.tick(times=2)
    edit(world, LEDGER, "replica")
    with running(world) as one_more:
        assert f"{waits}the file wants replica by now: " in one_more.tick(times=2)
        assert world.effective() == []
    edit(world, LEDGER, "source")
    with running(world) as wanted:
        assert f"go on with {operation} of {LEDGER} (this daemon began it)" in wanted.tick()
        assert wanted.tick() == QUIET
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]
