"""The daemon in bad weather: arrays that say no or nothing, clocks that jump, a loop that stalls; and over time."""

from __future__ import annotations

import gc
import re
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from types import ModuleType

import pytest
from scenarios.test_daemon import DONE_SECONDS, TURNED, roles, running
from worlds import LEDGER, World, a_world

from replctl.core.secrets import MOST_PASSING, Passing
from replctl.daemon.loop import Daemon
from replctl.daemon.systemd import Notifier

QUIET = "saw 4 replications: nothing to do"
TICK_SECONDS = 30.0
HOUR_TICKS = 120
AFTER_TICKS = 45
LEAST_FIRST_ATTEMPTS = 1000
A_DAY_SECONDS = 86_400.0
SURELY_SECONDS = 20.0  # of real time
SILENCE_SECONDS = 0.5  # of real time, in which a loop that moves would have been heard a hundred times


def counted(text: str, family: str) -> float:
    """The sum of all samples of a family of ours."""
    found = re.findall(rf"^unified_replication_{family}{{[^}}]*}} (\S+)$", text, re.MULTILINE)
    return sum(map(float, found))


def test_an_hour_of_an_array_that_comes_and_goes_starts_no_storm(world: World) -> None:  # R65
    """What was begun while it answered meets it when it says no; each retry is paid for by ten first attempts."""
    with running(world, REPLCTL_RETRY__MAX_DELAY="10s") as one:
        one.tick()
        world.control.clear_requests()
        for number in range(HOUR_TICKS):
            if number % 4 == 0:
                world.control.clear_faults()
                for array in ("east", "west"):
                    world.control.set_state(LEDGER, array, state="System_Paused")
            one.tick(settle=False)
            world.control.fault("east", "status", status=503, times=100_000)
            one.tick(settle=False)
            assert one.book.health()["healthy"] is True  # before time passes in hands, and no tick comes
            assert one.daemon.settle(DONE_SECONDS)
            world.control.advance(TICK_SECONDS)
        world.control.clear_faults()
        for _ in range(AFTER_TICKS):
            one.tick()
            world.control.advance(TICK_SECONDS)
        retries = counted(one.daemon.metrics(), "retry_attempts_total")
        calls = len(world.control.requests())
        first = calls - retries
        assert first >= LEAST_FIRST_ATTEMPTS
        assert retries > 0
        assert calls <= 1.1 * first
        assert one.metric('replctl_observation_success{backend="east"}') == 1
        assert {action for _, action in world.effective()} <= {"sync"}
        assert world.truth()["role"] == {"east": "Source", "west": "Destination"}


@pytest.mark.parametrize("days", [1, -1])
def test_a_wall_clock_that_jumps_a_day_changes_nothing_and_an_edit_goes_on(world: World, days: int) -> None:
    with running(world) as one:
        one.tick(times=2)
        world.clock.offset_seconds = days * A_DAY_SECONDS
        assert one.tick(times=5) == QUIET
        assert one.book.health()["healthy"] is True
        assert world.changes() == []
        one.edit(LEDGER, "source")
        one.tick()
        assert one.tick(times=2) == QUIET
        assert roles(world) == TURNED
        assert world.effective() == [("east", "failover"), ("west", "reprotect")]


@pytest.mark.parametrize("mode", ["refuse", "silent"])
def test_a_sick_backend_delays_nobody_else(tmp_path: Path, mode: str) -> None:
    """Of two arrays and two clusters one cluster says nothing: the same tick sees and turns what is elsewhere."""
    impatient = {"REPLCTL_OBSERVE_TIMEOUT": "3s"}
    with (
        a_world(tmp_path, vendors=("powerstore", "trident")) as world,
        running(world, **impatient) as one,
    ):
        one.tick()
        world.control.kill("k8s-west", mode=mode)
        one.edit(LEDGER, "source")
        said = one.tick()
        assert said.startswith("saw 2 of 4 replications on both ends (k8s-west cannot be read: ")
        assert f"promote {LEDGER} (the file was edited to source)" in said
        assert roles(world) == TURNED


def test_a_loop_that_stalls_says_nothing_to_the_watchdog_until_it_moves_again(
    world: World, tmp_path: Path
) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel,
        running(world, REPLCTL_OBSERVE_TIMEOUT="60s") as one,
    ):
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(SURELY_SECONDS)
        environ = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "60000000"}
        daemon = Daemon(one.services, book=one.book, notifier=Notifier(environ, world.clock), wakes=one.wakes)
        loop = threading.Thread(target=daemon.run)
        loop.start()
        try:
            assert heard(channel, "READY=1").splitlines() == ["READY=1", f"STATUS={QUIET}"]
            heard(channel, "WATCHDOG=1")
            one.wakes.reload.set()
            assert re.fullmatch(r"RELOADING=1\nMONOTONIC_USEC=\d+", heard(channel, "RELOADING=1"))
            heard(channel, "READY=1")
            for array in ("east", "west"):
                world.control.kill(array, mode="silent")
            drain_until_silent(channel)
            for array in ("east", "west"):
                world.control.revive(array)
            heard(channel, "WATCHDOG=1")
        finally:
            one.wakes.stop.set()
            heard(channel, "STOPPING=1")
            loop.join(SURELY_SECONDS)
        assert not loop.is_alive()


def heard(channel: socket.socket, word: str) -> str:
    """The next message that says so."""
    while word not in (message := channel.recv(65_536).decode()):
        pass
    return message


def drain_until_silent(channel: socket.socket) -> None:
    """Read what is still on its way, until nothing comes for a while."""
    channel.settimeout(SILENCE_SECONDS)
    with suppress(TimeoutError):
        while True:
            channel.recv(65_536)
    channel.settimeout(SURELY_SECONDS)


WARM_TICKS = 30  # until every window is full
TICKS = 500
MORE_OBJECTS = 100  # a window that holds a few more at one moment than at another


def test_memory_is_flat_over_hundreds_of_ticks(world: World) -> None:
    """One small thing that is kept for each tick, or for each replication and tick, would show."""
    with running(world, REPLCTL_DAEMON__AUTONOMY="observe") as one:
        for number in range(MOST_PASSING):  # the widest window, which would take hundreds of sign-ins to fill
            one.services.secrets.add(Passing(f"of a session that is over: {number}"))
        held: list[int] = []
        for ticks in (WARM_TICKS, TICKS):
            for _ in range(ticks):
                one.tick()
                world.control.advance(TICK_SECONDS)
            gc.collect()
            held.append(reachable(one.daemon, one.services))
        assert held[1] - held[0] < MORE_OBJECTS, held


def reachable(*roots: object) -> int:
    """How many objects hang on these and on replctl's own modules; the simulated world is left out."""
    namespaces = {id(vars(module)): name for name, module in list(sys.modules.items())}
    ours = [vars(sys.modules[name]) for name in namespaces.values() if _is_ours(name)]
    left: list[object] = [*roots, *ours]
    seen: dict[int, object] = {}
    while left:
        found = left.pop()
        if id(found) in seen or not _is_ours(namespaces.get(id(found), "replctl")):
            continue
        if isinstance(found, type | ModuleType) or not _is_ours(type(found).__module__):
            continue
        seen[id(found)] = found
        left += gc.get_referents(found)
    return len(seen)


def _is_ours(module: str) -> bool:
    """Everything but the simulated world and the tests, whose objects hang on the clock."""
    return not module.startswith(("replctl.simulator", "worlds", "scenarios", "_pytest", "tests"))
