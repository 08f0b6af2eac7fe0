"""What the daemon says of itself, where one runs on this machine: the checks of its `/healthz` (design §7)."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import suppress
from http.client import HTTPConnection, HTTPException

from replctl.bootstrap import Services
from replctl.diagnosis.checks import Check, fails, warns, well

DAEMON = "daemon"
ANSWER_SECONDS = 2.0  # it answers within 100 ms, whatever its backends do
LARGEST_BYTES = 64 * 1024
_CURE = "systemctl status replctl, and its log: journalctl -u replctl"
_ELSEWHERE = "name another place in daemon.health_address, or end what listens there"


def check_metrics(services: Services) -> list[Check]:
    """Whether each replication has a histogram of its own (design §7); nothing to say where each has."""
    many, most = len(services.replications), services.settings.metrics.per_replication_limit
    if many <= most:
        return []
    said = f"{many} replications are more: durations of reconciles are kept for all together, under no name"
    cure = f"metrics.per_replication_limit: {many}, if Prometheus shall bear thirteen more series of each"
    return [warns(DAEMON, f"metrics.per_replication_limit {most}", said, cure)]


def check_daemon(services: Services) -> list[Check]:
    """None runs, or each of its checks; behind a web config file only where to ask for them."""
    own = services.settings.daemon
    address = own.health_address
    if own.web_config_file is not None:
        said = f"asks for TLS or a password by {own.web_config_file}: /healthz tells how it is"
        return [well(DAEMON, address, said)]
    try:
        document = _healthz(address)
    except ConnectionRefusedError:
        return [well(DAEMON, address, "none runs here")]
    except (OSError, HTTPException) as error:
        return [fails(DAEMON, address, f"something listens and does not answer: {error}", _CURE)]
    found = _checks(address, document)
    return found or [warns(DAEMON, address, "what answers is no daemon of replctl", _ELSEWHERE)]


def _healthz(address: str) -> object:
    """The document, whatever it is; None for what is none."""
    host, _, port = address.rpartition(":")
    connection = HTTPConnection(host.strip("[]"), int(port), timeout=ANSWER_SECONDS)
    connection.connect()
    ending = threading.Timer(ANSWER_SECONDS, _cut, [connection.sock])  # each word by itself may be in time
    ending.start()
    try:
        connection.request("GET", "/healthz")
        return json.loads(connection.getresponse().read(LARGEST_BYTES))
    except (ValueError, RecursionError):
        return None
    finally:
        ending.cancel()
        connection.close()


def _cut(stream: socket.socket) -> None:
    with suppress(OSError):
        stream.shutdown(socket.SHUT_RDWR)


def _checks(address: str, document: object) -> list[Check]:
    listed = document.get("checks") if isinstance(document, dict) else None
    if not isinstance(listed, list):
        return []
    made = []
    for each in listed:
        if not isinstance(each, dict) or not isinstance(each.get("name"), str):
            return []
        subject, said = f"{address} {each['name']}", str(each.get("message", ""))
        if each.get("healthy") is True:
            made.append(well(DAEMON, subject, said))
        else:
            made.append(fails(DAEMON, subject, said, _CURE))
    return made
