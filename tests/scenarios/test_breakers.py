"""The circuit breaker over real sockets, and over processes."""

from __future__ import annotations

from worlds import LEDGER, World


def positions(world: World, backend: str = "east") -> set[str]:
    listed = world.run("breaker", "list", "-o", "json").json["breakers"]
    return {each["state"] for each in listed if each["backend"] == backend and each["class"] == "read"}


def open_it(world: World) -> None:
    world.control.kill("east", mode="refuse")
    for _ in range(6):
        world.run("status")
    assert positions(world) == {"open"}


def test_five_failures_open_it_and_the_next_process_fails_fast(world: World) -> None:  # R33, R34, R38
    open_it(world)
    asked = len(world.control.requests("east"))
    process = world.spawn("demote", LEDGER, "-y", "-o", "json")
    out, err = process.communicate(timeout=60)
    assert process.returncode == 11, (out, err)
    assert "circuit breaker is open" in err
    assert "--probe" in out
    assert '"retry_at": "' in out or '"retry_at":"' in out
    assert len(world.control.requests("east")) == asked


def test_it_closes_again_after_the_recovery(world: World) -> None:  # R35
    open_it(world)
    world.control.revive("east")
    assert world.run("status").code == 3
    world.control.advance(61)
    assert world.run("status").code == 0
    assert world.run("status").code == 0
    assert positions(world) == {"closed"}


def test_an_acknowledged_unplanned_promotion_goes_past_it(world: World) -> None:
    world.control.advance(900)
    world.control.kill("west", mode="refuse")
    for _ in range(6):
        world.run("status")
    assert positions(world, "west") == {"open"}
    world.control.revive("west")
    world.control.kill("east", mode="refuse")
    blocked = world.act("promote", LEDGER)
    assert blocked.code == 11
    refused = world.act("promote", LEDGER, "--peer-is-down")
    assert (refused.code, refused.guards) == (6, ["data-loss"])
    bound = refused.operation["refusal"]["guards"][0]["override"]
    done = world.act("promote", LEDGER, "--peer-is-down", bound)
    assert done.code == 0, done.err


def test_one_backend_s_breaker_never_touches_another_s(world: World) -> None:
    open_it(world)
    assert positions(world, "west") <= {"closed"}


def test_reset_by_hand(world: World) -> None:
    open_it(world)
    world.control.revive("east")
    assert world.run("breaker", "reset", "east").code == 0
    assert world.run("status").code == 0


def test_probe_asks_all_the_same(world: World) -> None:
    open_it(world)
    world.control.revive("east")
    assert world.act("promote", LEDGER).code == 11
    assert world.act("promote", LEDGER, "--probe").code == 0
