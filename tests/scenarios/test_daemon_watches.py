"""The daemon over two clusters that tell of changes themselves: what it sees at once, and what it asks for still.

Here time is real, as it is for who waits for the daemon to notice; nothing but the daemon's own work takes any.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import pytest
import yaml
from estates import MIRRORS, Cluster
from scenarios.test_daemon import Running, running
from worlds import World, a_world

from replctl.clock import SystemClock

SEEN_SECONDS = 1.0
SURELY_SECONDS = 20.0
OFTEN = {
    "REPLCTL_DAEMON__INTERVAL": "1h",
    "REPLCTL_DAEMON__AUTONOMY": "observe",
}  # no tick but the first helps
WEST = "k8s-west"
SIGHT = "told of a change: saw 1 replication"


def until(true: Callable[[], Any], seconds: float = SURELY_SECONDS) -> float:
    """How long it took; fails after so long."""
    began, nap = time.perf_counter(), threading.Event()
    while not true():
        assert time.perf_counter() - began < seconds
        nap.wait(0.01)
    return time.perf_counter() - began


class Going:
    """A daemon whose loop runs, and somebody else with kubectl."""

    def __init__(self, world: World, one: Running) -> None:
        self.world, self.one = world, one
        self.kubectl = Cluster(world.simulator, WEST)
        entries = yaml.safe_load((world.config.parent / "replications.yaml").read_text())["replications"]
        self.entries = [each for each in entries if each["state"] == "replica"]

    def patch(self, entry: Any, body: Any) -> None:
        end = entry["local"]
        self.kubectl.patch(f"{MIRRORS.format(end['namespace'])}/{end['mirror']}", body)

    def annotate(self, value: str) -> None:
        self.patch(self.entries[0], {"metadata": {"annotations": {"seen": value}}})

    def reads(self, entry: Any, state: str) -> bool:
        labels = f'{{name="{entry["name"]}",namespace="{entry["namespace"]}",state="{state}"}}'
        return self.one.metric(f"unified_replication_state{labels}") == 1

    @property
    def sights(self) -> int:
        return self.one.log.count(SIGHT)


@contextmanager
def going(world: World) -> Iterator[Going]:
    with running(world, **OFTEN) as one:
        loop = threading.Thread(target=one.daemon.run)
        loop.start()
        made = Going(world, one)
        try:
            until(lambda: one.book.readiness()["ready"] and world.control.watches_open(WEST) == 2)
            assert one.daemon.settle(SURELY_SECONDS)
            yield made
        finally:
            one.wakes.stop.set()
            loop.join(SURELY_SECONDS)
            made.kubectl.connection.close()
        assert not loop.is_alive()
        assert not [each for each in threading.enumerate() if each.name.startswith("watch-")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",), replications=6, speed=1.0) as made:
        made.clock = SystemClock()  # type: ignore[assignment]  # streams go by real time
        yield made


def test_a_change_of_one_mirror_is_seen_within_a_second_and_only_it_is_looked_at(world: World) -> None:
    with going(world) as here:
        world.control.clear_requests()
        took = []
        for entry in here.entries[:3]:
            here.patch(entry, {"spec": {"state": "promoted"}})
            took.append(
                until(lambda entry=entry: here.reads(entry, "promoting") or here.reads(entry, "source"))
            )
        assert median(took) < SEEN_SECONDS, took
        asked = [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(WEST)]
        assert "tridentmirrorrelationships" not in asked
        assert asked.count("volumeattachments") == 3
    until(lambda: world.control.watches_open(WEST) == 0)  # it let go of them at its end


def test_whatever_ends_a_stream_the_next_change_is_seen(world: World) -> None:
    with going(world) as here:
        for number, end in enumerate(("closed", "broken", "expired", "error"), start=1):
            world.control.end_watches(WEST, end, 500)
            here.annotate(f"after {end}")
            until(lambda number=number: here.sights == number)


def test_after_a_restart_of_the_api_server_the_next_change_is_seen(world: World) -> None:
    with going(world) as here:
        world.control.kill(WEST, mode="refuse")
        until(lambda: world.control.watches_open(WEST) == 0)
        world.control.revive(WEST)
        here.annotate("while nobody was listening")
        until(lambda: here.sights == 1)
        here.annotate("and afterwards")
        until(lambda: here.sights == 2)


def test_a_token_that_is_rotated_and_expires_in_the_middle_of_a_watch(world: World) -> None:
    with going(world) as here:
        here.kubectl.token(world.control.rotate_token(WEST))
        world.control.expire_token(WEST)
        here.kubectl.token(world.control.rotate_token(WEST))
        world.control.end_watches(WEST, "broken")
        here.annotate("with another token")
        until(lambda: here.sights == 1)
        assert "not followed" not in here.one.log


def test_a_right_to_watch_that_lacks_is_said_once_and_the_daemon_goes_on(world: World) -> None:
    world.control.deny(WEST, "tridentmirrorrelationships", "watch")
    with running(world, **OFTEN) as one:
        loop = threading.Thread(target=one.daemon.run)
        loop.start()
        until(lambda: "k8s-west is not followed for now" in one.log and one.book.readiness()["ready"])
        one.wakes.stop.set()
        loop.join(SURELY_SECONDS)
        assert one.log.count("is not followed for now") == 1
        assert "403" in one.log
        assert "saw 6 replications: nothing to do" in one.log
