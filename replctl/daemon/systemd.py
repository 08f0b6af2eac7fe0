"""Telling systemd how it is: READY, RELOADING, STOPPING, STATUS and the watchdog, over the socket that it names.

Off systemd there is no socket, and nothing is said.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

from replctl.clock import Clock

SOCKET = "NOTIFY_SOCKET"
WATCHDOG = "WATCHDOG_USEC"
WATCHDOG_PID = "WATCHDOG_PID"
MICROSECONDS = 1_000_000
PATIENCE_SECONDS = (
    1.0  # for what it must hear; the rest is dropped where nobody listens, and never holds up the loop
)


class Notifier:
    """Messages of sd_notify(3); best effort, because no message of ours is worth failing for."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._address = environ.get(SOCKET, "")
        self._clock = clock
        self._watched = _watched(environ)

    @property
    def watchdog_seconds(self) -> float | None:
        """How often it wants to hear from us at least; None when it does not watch."""
        return self._watched

    def ready(self, status: str) -> None:
        self._send("READY=1", f"STATUS={status}", patience_seconds=PATIENCE_SECONDS)

    def reloading(self) -> None:
        """With the monotonic stamp that `Type=notify-reload` wants."""
        stamp = f"MONOTONIC_USEC={int(self._clock.monotonic() * MICROSECONDS)}"
        self._send("RELOADING=1", stamp, patience_seconds=PATIENCE_SECONDS)

    def stopping(self) -> None:
        self._send("STOPPING=1", patience_seconds=PATIENCE_SECONDS)

    def status(self, sentence: str) -> None:
        self._send(f"STATUS={sentence}")

    def alive(self) -> None:
        self._send("WATCHDOG=1")

    def _send(self, *words: str, patience_seconds: float = 0.0) -> None:
        if not self._address:
            return
        address = f"\0{self._address[1:]}" if self._address.startswith("@") else self._address
        message = "\n".join(word.replace("\n", " ") for word in words)
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(patience_seconds)
                channel.connect(address)
                channel.sendall(message.encode())
        except OSError:
            return


def _watched(environ: Mapping[str, str]) -> float | None:
    text, pid = environ.get(WATCHDOG, ""), environ.get(WATCHDOG_PID, "")
    if not text.isdigit() or (pid and pid != str(os.getpid())):
        return None
    return int(text) / MICROSECONDS
