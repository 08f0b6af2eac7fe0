"""Answers that are lost, late or never come: the outcome is what both ends say, and nothing is sent blindly."""

from __future__ import annotations

import pytest
from worlds import LEDGER, StormClock, World

LONGEST_SECONDS = 2 * (1800.0 + 300.0)  # of two steps, each with its patience past the last progress
FAILOVER = "/failover$"
QUICK = {"REPLCTL_BACKENDS__EAST__TIMEOUTS__READ": "500ms"}


def sent(world: World, action: str) -> list[bool]:
    """Whether each request for the action took effect, in their order."""
    return [change["effect"] for change in world.changes() if change["path"].endswith(action)]


@pytest.mark.parametrize("action", ["failover", "reprotect"])
def test_cut_after_the_array_accepted_is_found_by_reading_back(world: World, action: str) -> None:
    array = "east" if action == "failover" else "west"
    world.control.fault(array, "reset", path=f"/{action}$", effect="after")
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert sent(world, action) == [True]
    assert world.truth()["lost_writes"] == 0


@pytest.mark.parametrize("action", ["failover", "reprotect"])
def test_cut_before_is_sent_again_once(world: World, action: str) -> None:
    array = "east" if action == "failover" else "west"
    world.control.fault(array, "reset", path=f"/{action}$", effect="before")
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert sent(world, action) == [False, True]


@pytest.mark.parametrize("status", [500, 502, 503])
@pytest.mark.parametrize("effect", ["before", "after"])
def test_any_5xx_to_a_change_is_an_unknown_outcome(world: World, status: int, effect: str) -> None:  # R27
    world.control.fault("east", "status", path=FAILOVER, status=status, effect=effect)
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert sent(world, "failover").count(True) == 1
    assert len(sent(world, "failover")) == (2 if effect == "before" else 1)


@pytest.mark.parametrize("kind", ["html", "empty", "truncated"])
def test_a_foreign_answer_to_an_accepted_change_is_read_back(world: World, kind: str) -> None:
    world.control.fault("east", kind, path=FAILOVER, effect="after")
    ran = world.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert sent(world, "failover").count(True) == 1


def test_a_request_delivered_late_changes_nothing_twice(world: World) -> None:
    world.control.fault("east", "late", path=FAILOVER, seconds=25)
    ran = world.act("promote", LEDGER)
    world.control.advance(120)
    assert ran.code in (0, 3, 9), ran.out
    assert sent(world, "failover").count(True) == 1
    truth = world.truth()
    assert truth["both_wrote"] == 0
    assert truth["lost_writes"] == 0


def test_hang_past_the_time_out_while_the_work_goes_on_is_in_progress(world: World) -> None:
    world.control.stick(LEDGER, "Failing_Over")
    world.control.fault("east", "hang", path=FAILOVER, effect="after", seconds=2)
    ran = world.act("promote", LEDGER, "--timeout", "2m", environ=QUICK)
    assert ran.code == 8, ran.err
    assert ran.operation["outcome"] == "in_progress"
    assert ran.operation["error"]["remedy"] == f"replctl op resume {ran.operation['operation_id']}"


def test_hang_past_the_time_out_and_then_darkness_is_unknown(world: World) -> None:
    world.control.fault("east", "hang", path=FAILOVER, effect="after", seconds=2)
    world.control.fault("east", "status", method="GET", status=503, times=100_000, skip=0)
    world.control.clear_faults()
    world.control.fault("east", "hang", path=FAILOVER, effect="after", seconds=2)
    world.control.fault(
        "west", "status", method="GET", path="replication_session", status=503, times=10**6, skip=4
    )
    ran = world.act("promote", LEDGER, "--timeout", "2m", environ=QUICK)
    assert ran.code == 9, ran.out
    assert ran.operation["outcome"] == "unknown"


@pytest.mark.parametrize("timeout", ["5s", "5m"])
@pytest.mark.parametrize("times", [1, 5])
@pytest.mark.parametrize("effect", ["before", "after"])
@pytest.mark.parametrize("action", ["failover", "reprotect"])
def test_wherever_it_hangs_the_exit_code_is_the_truth(
    world: World, action: str, effect: str, times: int, timeout: str
) -> None:
    array = "east" if action == "failover" else "west"
    hurried = {f"REPLCTL_BACKENDS__{name}__TIMEOUTS__READ": "300ms" for name in ("EAST", "WEST")}
    world.control.fault(array, "hang", path=f"/{action}$", effect=effect, seconds=1, times=times)
    ran = world.act("promote", LEDGER, "--timeout", timeout, environ=hurried)
    done = world.effective() == [("east", "failover"), ("west", "reprotect")]
    roles = world.truth()["role"]
    assert ran.code in (0, 8, 9), ran.out
    if ran.code == 0:
        assert (done, roles) == (True, {"west": "Source", "east": "Destination"})
    world.control.advance(600)
    for each in ("failover", "reprotect"):
        assert sent(world, each).count(True) <= 1
    assert world.truth()["lost_writes"] == 0


def test_peer_dark_after_the_send_of_a_planned_promotion_is_never_success(world: World) -> None:
    world.control.fault("east", "reset", path="replication_session", method="GET", times=10**6, skip=3)
    ran = world.act("promote", LEDGER, "--timeout", "10m")
    assert ran.code in (8, 9), ran.out
    assert ran.operation["outcome"] in ("in_progress", "unknown")
    world.control.clear_faults()
    world.control.advance(61)  # the breaker's recovery
    again = world.act("promote", LEDGER)
    assert again.code == 0, again.err
    assert sent(world, "failover").count(True) == 1


def test_copies_that_go_on_as_ever_do_not_keep_a_promotion_waiting(world: World) -> None:
    """The progress of the regular copies is none of the promotion's: with the peer dark it ends all the same."""
    clock = StormClock(world.control, 1)
    world.clock = clock
    clock.schedule(13, lambda cancel: world.control.isolate("east", mode="refuse", link_up=True))
    before = world.control.now()
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["outcome"]) == (9, "unknown"), ran.out
    assert world.control.now() - before < LONGEST_SECONDS
    assert world.effective() == [
        ("east", "failover"),
        ("west", "reprotect"),
    ]  # and east's copies went on since


def test_a_copy_that_fails_is_told_as_such(world: World) -> None:
    world.control.slow_copy(LEDGER, 20, fail=True)
    ran = world.act("promote", LEDGER)
    assert ran.code in (1, 3), ran.out
    assert world.truth()["role"] == {"west": "Destination", "east": "Source"}
    assert "System_Paused" in ran.err


def test_link_loss_during_a_planned_promotion_changes_no_role(world: World) -> None:
    world.control.link("data_down")
    ran = world.act("promote", LEDGER)
    assert ran.code in (1, 3, 6), ran.out
    assert world.truth()["role"] == {"west": "Destination", "east": "Source"}


@pytest.mark.parametrize("reply", ["401", "403", "302"])
def test_a_session_that_expires_on_the_way_costs_one_login(world: World, reply: str) -> None:
    assert world.run("status").code == 0
    before = world.control.logins("east")
    world.control.fault("east", "status", path=FAILOVER, status=int(reply), effect="before")
    assert world.act("promote", LEDGER).code == 0
    assert world.control.logins("east") - before == 2  # its own, and the one after the expiry
