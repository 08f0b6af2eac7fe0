"""Operations that are cut short in odd places: what is said of them is never more, and never less, than is known."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from scenarios.test_crashes import crashed, open_operations
from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, StormClock, World, a_world

from replctl.bootstrap import Services, assemble
from replctl.cli import documents
from replctl.core.model import Intent, Verb, Who
from replctl.core.outcomes import Outcome
from replctl.engine import Proposal, Request
from replctl.store.sqlite import SqliteStore

LAGGING = {"lag_east": 3.0, "lag_west": 3.0}
MOST_WRITES = 20


def services(world: World) -> Services:
    """What one process works with, to be stopped between its proposal and its deed."""
    who = Who(user="somebody", host="here", pid=1)
    return assemble(
        flags={},
        environ=world.environ(),
        clock=world.clock,
        report=lambda event: None,
        command="replctl promote",
        who=who,
        document=documents.operation,
    )


def proposed(one: Services) -> Proposal:
    found = one.engine.propose(Intent(verb=Verb.PROMOTE, replication=one.replications[LEDGER]), Request())
    assert isinstance(found, Proposal)
    return found


def test_a_failover_that_broke_off_before_it_could_be_seen_is_ours(tmp_path: Path) -> None:
    with a_world(tmp_path, durations=LAGGING) as world:
        world.control.slow_copy(LEDGER, 2.0, fail=True)
        ran = world.act("promote", LEDGER)
        assert world.effective() == [("east", "failover")]
        assert ran.code == 3, ran.out
        assert ran.operation["error"]["code"] == "rejected"


def test_what_an_earlier_command_changed_counts(world: World) -> None:
    assert world.act("promote", LEDGER, "--no-wait").code == 8
    world.control.advance(60)
    world.control.link("data_down")
    ran = world.act("promote", LEDGER, "--timeout", "5m")
    assert world.effective()[0] == ("east", "failover")
    assert ran.code == 3, ran.out


def test_an_operation_is_joined_as_its_last_holder_left_it(world: World) -> None:
    assert crashed(world, "promote", LEDGER, number=1)
    with services(world) as late:
        joining = proposed(late)
        assert joining.joins is not None
        assert world.act("promote", LEDGER, "--no-wait").code == 8
        done = late.engine.carry_out(joining, Request())
    assert done.outcome is Outcome.SUCCEEDED
    assert [action for _, action in world.effective()] == ["failover", "reprotect"]
    assert len(world.changes()) == 2


def test_a_resumed_operation_begins_from_its_snapshot(world: World) -> None:
    lose_the_source(world)
    snapshot = world.control.snapshot(LEDGER, "west")
    flags = ("--peer-is-down", "--accept-data-loss=unknown")
    assert crashed(world, "promote", LEDGER, "--snapshot", snapshot, *flags, number=1)
    (identity,) = open_operations(world)
    assert world.act("op", "resume", identity, *flags).code == 0
    (failover,) = world.changes()
    assert failover["body"]["failover_snapshot_id"] == snapshot


def test_an_unplanned_step_is_sent_only_by_who_acknowledges_it(world: World) -> None:
    lose_the_source(world)
    flags = ["--peer-is-down", *printed(world.act("promote", LEDGER))[1:]]
    assert crashed(world, "promote", LEDGER, *flags, number=2)
    (identity,) = open_operations(world)
    bare = world.act("op", "resume", identity)
    assert bare.code == 9, bare.out
    assert bare.operation["error"]["code"] == "acknowledgement-expired"
    assert bare.operation["error"]["remedy"] == f"replctl op resume {identity} {' '.join(flags)}"
    assert world.changes() == []
    given = world.act("op", "resume", identity, *flags)
    assert given.code == 0, given.out
    assert world.effective() == [("west", "failover")]


def test_an_abandonment_can_be_resumed(world: World) -> None:
    lose_the_source(world)
    assert world.act("promote", LEDGER, *printed(world.act("promote", LEDGER))).code == 0
    world.control.revive("east")
    world.control.advance(120)
    back = ("reprotect", LEDGER, "--survivor", "east", "--discard-local-changes", "--probe")
    assert crashed(world, *back, number=1)
    (identity,) = open_operations(world)
    assert world.act("op", "resume", identity).code == 2
    ran = world.act("op", "resume", identity, "--discard-local-changes")
    assert ran.code == 0, ran.out
    assert world.truth()["role"] == {"west": "Destination", "east": "Source"}


def test_a_store_that_gets_busy_after_the_send_does_not_undo_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert SqliteStore.__init__.__kwdefaults__ is not None
    monkeypatch.setitem(SqliteStore.__init__.__kwdefaults__, "busy_seconds", 0.01)
    clock = StormClock(world.control, 1)
    world.clock = clock
    assert world.run("status").code == 0  # makes the store
    database = world.directory / "state" / "replctl.db"
    other = sqlite3.connect(database, isolation_level=None, check_same_thread=False)
    clock.schedule(1.0, lambda cancel: other.execute("BEGIN IMMEDIATE") and None)
    try:
        ran = world.act("promote", LEDGER)
    finally:
        other.close()
    assert world.effective() == [("east", "failover")]
    assert ran.code == 3, ran.out
    again = world.act("promote", LEDGER)
    assert again.code == 0, again.out
    assert again.operation["operation_id"] == ran.operation["operation_id"]


def break_copies(world: World) -> None:
    world.control.slow_copy(LEDGER, 5.0, fail=True)


def refuse(world: World) -> None:
    world.control.fault("east", "status", path="/failover$", status=422, effect="before", times=10)


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("why", "code", "sent"), [(break_copies, 3, 1), (refuse, 1, 0)])
def test_a_promotion_that_fails_killed_at_each_journal_write(
    tmp_path: Path, why: Callable[[World], None], code: int, sent: int
) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            why(world)
            if not crashed(world, "promote", LEDGER, number=number):
                break
            begun = open_operations(world)
            again = world.act("promote", LEDGER, "--timeout", "10m")
            assert again.code == code if begun else again.code in (1, 6), (number, again.out)
            assert open_operations(world) == []
            assert world.effective() == [("east", "failover")] * sent, number
    assert number > 3


def test_an_accepted_change_of_which_nothing_shows_is_soon_told_as_unknown(tmp_path: Path) -> None:
    with a_world(tmp_path, durations=LAGGING) as world:
        world.control.gui(LEDGER, "east", "pause")  # not visible yet
        started = world.act("promote", LEDGER, "--no-wait")
        assert (started.code, world.effective()) == (8, [])
        world.control.advance(30)
        world.control.gui(LEDGER, "east", "resume")
        world.control.advance(120)  # and the job that failed is no longer to be read
        before = world.control.now()
        ran = world.act("promote", LEDGER)
        assert ran.code == 9, ran.out
        assert world.control.now() - before < 60
        identity = started.operation["operation_id"]
        assert identity in ran.operation["error"]["remedy"]
        assert world.act("op", "abandon", identity).code == 0
        assert world.act("promote", LEDGER).code == 0
        assert world.effective() == [("east", "failover"), ("west", "reprotect")]


def test_a_failover_that_was_accepted_and_broke_off_at_once_is_not_a_stranger_s(tmp_path: Path) -> None:
    with a_world(tmp_path, durations=LAGGING) as world:
        clock = StormClock(world.control, 1)
        world.clock = clock
        clock.schedule(0.3, lambda cancel: world.control.kill("west", mode="refuse"))
        ran = world.act("promote", LEDGER, "--timeout", "8s")
        assert world.effective() == [("east", "failover")]
        assert ran.code == 9, ran.out  # 7 says that nothing of ours was begun
