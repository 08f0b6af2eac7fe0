"""`replctl daemon` as a process: its sockets, its signals, its word to systemd; over two simulated arrays."""

from __future__ import annotations

import json
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from forks import Forked
from scenarios.test_crashes import MOMENTS, MOST_WRITES, open_operations
from scenarios.test_daemon import TURNED, edit, entries, roles, running
from worlds import LEDGER, Ran, World, a_world

SURELY_SECONDS = 30.0  # of real time
LEAST_WRITES = 8  # to the journal: begin, intent, answer, moves, outcomes
TICKS_TO_FINISH = 4
POLL_SECONDS = 0.2
CYCLE_SECONDS = 120  # of virtual time; a copy of what little is written takes less
TICKS = "3s"  # of virtual time, which passes as fast as the process waits


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    def __init__(self, process: Forked, channel: socket.socket, ports: tuple[int, int]) -> None:
        self.process = process
        self.channel = channel
        self.metrics_port, self.health_port = ports

    def hears(self, *words: str) -> str:
        """Read what it tells systemd until a message holds all the words."""
        while True:
            message = self.channel.recv(65_536).decode()
            if all(word in message for word in words):
                return message

    def get(
        self, path: str, port: int | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, str, str]:
        url = f"http://127.0.0.1:{port or self.health_port}{path}"
        asked = urllib.request.Request(url, headers=dict(headers or {}))
        try:
            with urllib.request.urlopen(asked, timeout=SURELY_SECONDS) as answer:
                return answer.status, answer.headers["Content-Type"], answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.headers["Content-Type"], error.read().decode()

    def metrics(self) -> str:
        return self.get("/metrics", self.metrics_port)[2]

    def end(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=SURELY_SECONDS)
        return self.process.returncode, err


@contextmanager
def started(world: World, tmp_path: Path, **environ: str) -> Iterator[Process]:
    ports = free_port(), free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(SURELY_SECONDS)
        process = world.spawn(
            "daemon",
            environ={
                "NOTIFY_SOCKET": str(tmp_path / "notify"),
                "REPLCTL_DAEMON__INTERVAL": TICKS,
                "REPLCTL_DAEMON__METRICS_ADDRESS": f"127.0.0.1:{ports[0]}",
                "REPLCTL_DAEMON__HEALTH_ADDRESS": f"127.0.0.1:{ports[1]}",
                **environ,
            },
        )
        one = Process(process, channel, ports)
        try:
            yield one
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()


def test_it_serves_metrics_and_health_and_ends_when_it_is_told_to(world: World, tmp_path: Path) -> None:
    with started(world, tmp_path) as one:
        one.hears("READY=1", "STATUS=saw 4 replications: nothing to do")
        status, kind, body = one.get("/healthz")
        health: dict[str, Any] = json.loads(body)
        assert (status, kind) == (200, "application/json")  # R63
        assert set(health) == {"healthy", "message", "last_reconcile", "error_rate", "checks"}
        assert (health["healthy"], health["message"]) == (True, "All systems operational")
        assert json.loads(one.get("/readyz")[2])["ready"] is True  # R66
        text = one.metrics()
        for sample in (
            'unified_replication_state{name="ledger",namespace="bank",state="replica"} 1',
            'unified_replication_health{name="ledger",namespace="bank"} 1',
            "unified_replication_active_total 4",
            'unified_replication_by_backend{backend="west"} 4',
            'replctl_observation_success{backend="east"} 1',
            "replctl_config_last_reload_successful 1",
        ):
            assert f"{sample}\n" in text
        assert "unified_replication_backend_operations_total{" in text
        assert one.get("/nothing")[0] == 404
        code, err = one.end()
        assert code == 0
        assert "saw 4 replications: nothing to do" in err
        assert next(json.loads(line)["level"] for line in err.splitlines()) == "info"
        one.hears("STOPPING=1")
    assert [world.control.sessions_open(array) for array in ("east", "west")] == [0, 0]


def test_commands_counts_are_in_its_sum_and_stay_over_restarts(world: World, tmp_path: Path) -> None:
    assert world.act("promote", LEDGER).code == 0
    moved = 'unified_replication_state_transitions_total{backend="west",from_state="replica",to_state="promoting"} 1'
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        with started(world, tmp_path / place) as one:
            one.hears("READY=1")
            assert f"{moved}\n" in one.metrics()
            assert one.end()[0] == 0


def test_an_edit_is_noticed_by_itself_and_sighup_reads_anew(world: World, tmp_path: Path) -> None:
    with started(world, tmp_path) as one:
        one.hears("READY=1")
        one.process.send_signal(signal.SIGHUP)
        one.hears("RELOADING=1", "MONOTONIC_USEC=")
        edit(world, LEDGER, "source")
        while roles(world) != TURNED or open_operations(world):
            one.hears("STATUS=")
        code, err = one.end()
        assert code == 0
        assert f"promote {LEDGER} (the file was edited to source)" in err
        assert f"{LEDGER}: promote: succeeded" in err
    assert world.truth()["lost_writes"] == 0


def test_a_broken_file_is_told_and_nothing_falls_over(world: World, tmp_path: Path) -> None:
    with started(world, tmp_path) as one:
        one.hears("READY=1")
        entries(world).write_text("replications: [nonsense")
        one.hears("RELOADING=1")
        one.hears("READY=1")
        assert "replctl_config_last_reload_successful 0\n" in one.metrics()
        assert json.loads(one.get("/healthz")[2])["healthy"] is True
        code, err = one.end(signal.SIGINT)
        assert code == 0
        assert "the file is broken" in err


def test_a_port_that_is_taken_is_a_sentence_and_exit_2(world: World, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        ran = world.run("daemon", "--once", environ={"REPLCTL_DAEMON__METRICS_ADDRESS": address})
    assert ran.code == 2
    assert address in ran.err
    assert "daemon.metrics_address" in ran.err


def once(world: World, **environ: str) -> Ran:
    ports = {
        f"REPLCTL_DAEMON__{which}_ADDRESS": f"127.0.0.1:{free_port()}" for which in ("METRICS", "HEALTH")
    }
    return world.run("daemon", "--once", environ={**ports, **environ})


@pytest.mark.parametrize(("dead", "code"), [(["east"], 3), (["east", "west"], 11)])
def test_once_ends_as_status_does_where_backends_do_not_answer(
    world: World, dead: list[str], code: int
) -> None:
    for array in dead:
        world.control.kill(array, mode="refuse")
    assert once(world).code == code
    assert world.run("status", "--probe").code == code


def test_once_waits_for_what_it_begins_and_ends_as_that_did(world: World) -> None:
    def grow_old() -> None:
        old = world.control.now() - 900.0
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, last_sync_timestamp=old)

    grow_old()
    ran = once(world)
    assert (ran.code, world.effective()) == (0, [("east", "sync")]), ran.err
    assert f"{LEDGER}: sync: succeeded" in ran.err
    assert open_operations(world) == []
    grow_old()
    world.control.fault("east", "status", method="POST", path="/sync", status=422, times=100)
    ran = once(world)
    assert (ran.code, f"{LEDGER}: sync: failed" in ran.err) == (1, True), ran.err


@pytest.mark.parametrize("edited", [False, True])
def test_once_is_one_tick_with_all_that_it_begins(world: World, edited: bool) -> None:
    if edited:
        edit(world, LEDGER, "source")
    ran = once(world)
    assert ran.code == 0, ran.err
    assert ("unadopted" in ran.err) is edited
    assert world.changes() == []


@pytest.mark.timeout(300)
@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_each_journal_write_the_next_one_finishes_and_nothing_is_sent_twice(
    tmp_path: Path, moment: str
) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        place = tmp_path / str(number)
        place.mkdir()
        with a_world(place, seed=number) as world:
            if not killed(world, place, **{moment: str(number)}):
                break
            begun = open_operations(world)
            with running(world) as again:
                said = again.tick(times=TICKS_TO_FINISH)
            if begun or roles(world) == TURNED:
                assert said == "saw 4 replications: nothing to do", (number, said)
                assert roles(world) == TURNED, number
                assert in_order(world), number
                assert sorted(world.effective()) == [("east", "failover"), ("west", "reprotect")], number
            else:  # it was not even begun, and a restart forgets an edit
                assert "nobody was seen to edit it" in said, number
                assert world.effective() == [], number
            assert open_operations(world) == [], number
            assert world.truth()["lost_writes"] == 0, number
    assert number > LEAST_WRITES


def in_order(world: World) -> bool:
    """Whether both ends read OK; a copy cycle that happens to run by now is waited for."""
    for _ in range(CYCLE_SECONDS):
        states = set(world.truth()["state"].values())
        if "Synchronizing" not in states:
            break
        world.control.advance(1)
    return states == {"OK"}


def killed(world: World, place: Path, **environ: str) -> bool:
    """Have a daemon carry out an edit that dies on the way; whether it got that far."""
    with started(world, place, **environ) as one:
        one.hears("READY=1")
        edit(world, LEDGER, "source")
        one.channel.settimeout(POLL_SECONDS)
        while one.process.poll() is None:
            with suppress(TimeoutError):
                one.channel.recv(65_536)
            at_rest = set(world.truth()["state"].values()) == {"OK"} and roles(world) == TURNED
            if at_rest and not open_operations(world):
                one.end()
                return False
        assert one.process.returncode == -signal.SIGKILL
        return True


def test_told_to_stop_it_leaves_what_is_on_its_way_to_the_next_one(world: World, tmp_path: Path) -> None:
    world.control.stick(LEDGER, "Failing_Over")
    with started(world, tmp_path) as one:
        one.hears("READY=1")
        edit(world, LEDGER, "source")
        while not world.effective():
            one.channel.recv(65_536)
        code, err = one.end()
        assert code == 0, err
        one.hears("STOPPING=1")
    (begun,) = open_operations(world)
    world.control.unstick(LEDGER)
    with running(world) as again:
        assert f"go on with {begun} of {LEDGER} (this daemon began it)" in again.tick()
        assert again.tick(times=2) == "saw 4 replications: nothing to do"
    assert sorted(world.effective()) == [("east", "failover"), ("west", "reprotect")]


def test_a_second_signal_ends_it_at_once(world: World, tmp_path: Path) -> None:
    with started(world, tmp_path) as one:
        one.hears("READY=1")
        for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGINT, signal.SIGCONT):
            one.process.send_signal(number)  # both have come when it looks again; the lower is the first
        assert one.process.wait(timeout=SURELY_SECONDS) == 128 + signal.SIGTERM


def test_stopped_for_a_minute_it_goes_on(world: World, tmp_path: Path) -> None:
    with started(world, tmp_path) as one:
        one.hears("READY=1")
        edit(world, LEDGER, "source")
        while not world.effective():  # in the midst of a change of roles
            one.hears("STATUS=")
        one.process.send_signal(signal.SIGSTOP)
        world.control.advance(60)
        woken = world.control.now()
        one.process.send_signal(signal.SIGCONT)
        while last_tick(one.metrics()) < woken or open_operations(world):
            one.hears("STATUS=")
        assert json.loads(one.get("/healthz")[2])["healthy"] is True
        assert one.end()[0] == 0
    assert roles(world) == TURNED
    assert world.effective() == [("east", "failover"), ("west", "reprotect")]
    assert world.truth()["lost_writes"] == 0


def last_tick(metrics: str) -> float:
    (found,) = re.findall(r"^replctl_last_tick_timestamp_seconds (\S+)$", metrics, re.MULTILINE)
    return float(found)
