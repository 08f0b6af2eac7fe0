"""What looks at 200 and 10,000 replications take, and what the simulated array can answer (design §12).

One simulator in a process of its own. Ends with 1 when a budget is not kept. At 10,000 the budgets are of processor
time: the arrays that answer share the machine.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any
from urllib.parse import urlsplit

REPLCTL = str(Path(sys.executable).with_name("replctl"))
SESSIONS = 2000
GETS = 2000
ROUNDS = 5
STATUS_SECONDS = 1.0
GETS_A_SECOND = 1000
PAGE_SECONDS = 0.1
CROWD = 10_000
CROWD_CPU_SECONDS = 6.0
CROWD_MB = 400
ONE_CPU_SECONDS = 2.5
ENVIRON = {"REPLCTL_OBSERVE_TIMEOUT": "30s"}  # a busy machine is no dead array
PAGE = f"replication_session?select=id,state,role,resource_type,last_sync_timestamp&limit={SESSIONS}"


@contextmanager
def simulated(directory: Path, replications: int, vendor: str = "powerstore") -> Iterator[Mapping[str, Any]]:
    """Two arrays, or clusters, in another process; gives what it said when it was ready: `arrays`, `control`."""
    asked = ["--dir", str(directory), "--replications", str(replications), "--vendors", vendor]
    command = [REPLCTL, "simulate", *asked]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


class Client:
    """One connection, kept, to one array."""

    def __init__(self, directory: Path, url: str, array: str) -> None:
        context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        self._connection = http.client.HTTPSConnection(urlsplit(url).netloc, context=context)
        secret = (directory / "credentials" / array).read_text(encoding="utf-8").strip()
        basic = base64.b64encode(f"replctl:{secret}".encode()).decode()
        self._headers: dict[str, str] = {}
        self._send("login_session", {"Authorization": f"Basic {basic}"})

    def get(self, path: str) -> bytes:
        return self._send(path, self._headers)

    def _send(self, path: str, headers: Mapping[str, str]) -> bytes:
        self._connection.request("GET", f"/api/rest/{path}", headers=dict(headers))
        answer = self._connection.getresponse()
        body = answer.read()
        cookie = answer.getheader("Set-Cookie")
        if cookie is not None:
            self._headers = {"Cookie": cookie.split(";")[0]}
        assert answer.status in (200, 206), body
        return body


def seconds(call: Callable[[], object]) -> float:
    began = perf_counter()
    call()
    return perf_counter() - began


def status_seconds() -> float:
    with tempfile.TemporaryDirectory() as name, simulated(Path(name), 200):
        environ = {**os.environ, "REPLCTL_CONFIG": str(Path(name) / "config.yaml")}

        def status() -> None:
            subprocess.run([REPLCTL, "status"], env=environ, stdout=subprocess.DEVNULL, check=True)

        return median(seconds(status) for _ in range(ROUNDS))


def array_rates() -> tuple[float, float]:
    """GETs by id a second over one connection, and the seconds of a page of 2000."""
    with tempfile.TemporaryDirectory() as name, simulated(Path(name), SESSIONS) as ready:
        client = Client(Path(name), ready["arrays"]["west"], "west")
        ids = [row["id"] for row in json.loads(client.get(PAGE))]
        took = seconds(lambda: [client.get(f"replication_session/{ids[n % len(ids)]}") for n in range(GETS)])
        return GETS / took, median(seconds(lambda: client.get(PAGE)) for _ in range(ROUNDS))


def crowd_rates() -> tuple[float, float, float, float]:
    """Of 10,000: processor seconds and seconds of `status` of all, its MB, and processor seconds for one."""
    with tempfile.TemporaryDirectory() as name, simulated(Path(name), CROWD):
        environ = {**os.environ, **ENVIRON, "REPLCTL_CONFIG": str(Path(name) / "config.yaml")}
        spent("status", environ=environ)
        every, took, size = spent("status", environ=environ)
        one, _, _ = spent("status", "bank/ledger", environ=environ)
        return every, took, size, one


def spent(*argv: str, environ: Mapping[str, str]) -> tuple[float, float, float]:
    """Processor seconds, seconds and MB of one command."""
    began = perf_counter()
    process = subprocess.Popen([REPLCTL, *argv], env=dict(environ), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_utime + usage.ru_stime, perf_counter() - began, usage.ru_maxrss / 1024


def main() -> int:
    every, took, size, one = crowd_rates()
    status = status_seconds()
    gets, page = array_rates()
    told = (
        ("status of 200", f"{status:.2f} s", f"{STATUS_SECONDS:g} s", status <= STATUS_SECONDS),
        ("GET by id", f"{gets:.0f} /s", f"{GETS_A_SECOND} /s", gets >= GETS_A_SECOND),
        (
            f"page of {SESSIONS}",
            f"{page * 1000:.0f} ms",
            f"{PAGE_SECONDS * 1000:.0f} ms",
            page <= PAGE_SECONDS,
        ),
        (
            f"status of {CROWD}",
            f"{every:.1f} s CPU",
            f"{CROWD_CPU_SECONDS:g} s ({took:.1f} s by the clock)",
            every <= CROWD_CPU_SECONDS,
        ),
        ("its memory", f"{size:.0f} MB", f"{CROWD_MB} MB", size <= CROWD_MB),
        (f"status of 1 in {CROWD}", f"{one:.1f} s CPU", f"{ONE_CPU_SECONDS:g} s", one <= ONE_CPU_SECONDS),
    )
    for what, value, budget, kept in told:
        print(f"{what:20}{value:>12}  of {budget}{'' if kept else '  OVER'}")
    return 0 if all(kept for *_, kept in told) else 1


if __name__ == "__main__":
    sys.exit(main())
