"""What systemd is told, over a real socket of its kind."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes import FakeClock

from replctl.daemon.systemd import Notifier

READ_SECONDS = 5.0
MORE_THAN_A_QUEUE_HOLDS = 5000


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
        made.bind(str(tmp_path / "notify"))
        made.settimeout(READ_SECONDS)
        yield made


def heard(channel: socket.socket) -> list[str]:
    return channel.recv(4096).decode().split("\n")


def test_each_word_is_said(channel: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": channel.getsockname()}, FakeClock())
    notifier.ready("saw 4 replications: nothing to do")
    assert heard(channel) == ["READY=1", "STATUS=saw 4 replications: nothing to do"]
    notifier.reloading()
    assert heard(channel) == ["RELOADING=1", "MONOTONIC_USEC=1000000000"]
    notifier.status("two\nlines")
    assert heard(channel) == ["STATUS=two lines"]
    notifier.alive()
    assert heard(channel) == ["WATCHDOG=1"]
    notifier.stopping()
    assert heard(channel) == ["STOPPING=1"]


def test_a_socket_that_nobody_reads_holds_nothing_up(channel: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": channel.getsockname()}, FakeClock())
    for _ in range(MORE_THAN_A_QUEUE_HOLDS):
        notifier.status("again and again")
    assert heard(channel) == ["STATUS=again and again"]


def test_off_systemd_nothing_is_said_and_nothing_fails() -> None:
    notifier = Notifier({}, FakeClock())
    notifier.ready("here")
    assert notifier.watchdog_seconds is None
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}, FakeClock()).ready("here")


@pytest.mark.parametrize(("pid", "expected"), [("ours", 30.0), ("1", None), ("", 30.0)])
def test_the_watchdog_is_ours_only_where_it_names_us(pid: str, expected: float | None) -> None:
    environ = {"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid()) if pid == "ours" else pid}
    assert Notifier(environ, FakeClock()).watchdog_seconds == expected
