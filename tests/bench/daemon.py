"""What the daemon costs over 10,000 quiet replications: requests, processor, memory, scrapes (design §12).

The daemon and the arrays run as processes of their own. Processor time is the daemon's; a scrape is timed by the
clock, as Prometheus does, and its best of a few counts, for the arrays share the machine. Ends with 1 when a budget
is not kept.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

from sites import CROWD, ENVIRON, REPLCTL, simulated

from replctl.clock import SystemClock
from replctl.core.counts import reconciled
from replctl.core.model import End, Flow, Health, Mode, Observation, Replication, State
from replctl.core.outcomes import Outcome
from replctl.core.reconciling import Autonomy, Known, Settled, find
from replctl.core.results import EndStatus, ReplicationStatus
from replctl.core.states import validate
from replctl.correlation import correlation
from replctl.tally import Tally

INTERVAL = "1s"
TICKS = 8
SCRAPES = 5
SURELY_SECONDS = 300.0
FEW = 1000
PAGE_ROWS = {"powerstore": 2000, "trident": 500}
# Kinds of things listed in a tick: sessions, while identities are remembered; who has volumes attached, while watches
# tell of the rest. On a cluster how many there are is asked too.
LISTED = {"powerstore": 1, "trident": 1}
BACKENDS = {"powerstore": ("east", "west"), "trident": ("k8s-east", "k8s-west")}
QUIET = "nothing to do"
TICK_CPU_SECONDS = 2.0
MOST_MB = 400
SCRAPE_SECONDS = {FEW: 0.15, CROWD: 2.0}
HEALTH_SECONDS = 0.1
OWN_MILLISECONDS = 0.05
REQUESTS_A_BACKEND = 5  # beside the pages of what is listed
SETTLE_LOOKS = 3  # until names, discovery and watches have been read
TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Daemon:
    """One that runs, and what may be asked of it."""

    def __init__(
        self, process: subprocess.Popen[bytes], channel: socket.socket, ports: tuple[int, int]
    ) -> None:
        self._process = process
        self._channel = channel
        self._ports = ports

    def look(self) -> str:
        """Wait for the end of a look; its sentence."""
        while True:
            words = self._channel.recv(65_536).decode().split("\n")
            told = [word.removeprefix("STATUS=") for word in words if word.startswith("STATUS=saw")]
            if told:
                return told[0]

    def quiet(self) -> None:
        while QUIET not in self.look():
            pass

    @property
    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    @property
    def megabytes(self) -> float:
        """The most that it ever held."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def get(self, path: str) -> tuple[float, bytes]:
        port = self._ports[path != "/metrics"]
        began = perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=SURELY_SECONDS) as answer:
            return perf_counter() - began, answer.read()


@contextmanager
def running(directory: Path) -> Iterator[Daemon]:
    ports = free_port(), free_port()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(directory / "notify"))
        channel.settimeout(SURELY_SECONDS)
        environ = {
            **os.environ,
            **ENVIRON,
            "REPLCTL_CONFIG": str(directory / "config.yaml"),
            "REPLCTL_DAEMON__INTERVAL": INTERVAL,
            "REPLCTL_DAEMON__AUTONOMY": "observe",
            "REPLCTL_DAEMON__METRICS_ADDRESS": f"127.0.0.1:{ports[0]}",
            "REPLCTL_DAEMON__HEALTH_ADDRESS": f"127.0.0.1:{ports[1]}",
            "NOTIFY_SOCKET": str(directory / "notify"),
        }
        with (directory / "daemon.log").open("wb") as log:
            process = subprocess.Popen([REPLCTL, "daemon"], env=environ, stdout=log, stderr=log)
            try:
                yield Daemon(process, channel, ports)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait()


def control(ready: Mapping[str, Any], method: str, **arguments: Any) -> Any:
    request = urllib.request.Request(f"{ready['control']}/{method}", json.dumps(arguments).encode())
    with urllib.request.urlopen(request, timeout=SURELY_SECONDS) as answer:
        return json.loads(answer.read())["result"]


def scraped(daemon: Daemon) -> tuple[float, float]:
    """Seconds of a scrape, the best of a few, and the longest that health took meanwhile."""
    health: list[float] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            health.append(daemon.get("/healthz")[0])

    asking = threading.Thread(target=ask)
    asking.start()
    scrapes = [daemon.get("/metrics")[0] for _ in range(SCRAPES)]
    done.set()
    asking.join()
    return min(scrapes), sorted(health)[int(len(health) * 0.99)]


def measured(replications: int, vendor: str) -> dict[str, float]:
    with (
        tempfile.TemporaryDirectory() as name,
        simulated(Path(name), replications, vendor) as ready,
        running(Path(name)) as daemon,
    ):
        for _ in range(SETTLE_LOOKS):
            daemon.quiet()
        control(ready, "clear_requests")
        spent, began = [], daemon.cpu_seconds
        for _ in range(TICKS):
            daemon.look()
            spent.append(daemon.cpu_seconds - began)
            began = daemon.cpu_seconds
        requests = max(len(control(ready, "requests", array=array)) for array in BACKENDS[vendor])
        scrape, health = scraped(daemon)
        return {
            "requests": requests / TICKS,
            "cpu": median(spent),
            "scrape": scrape,
            "health": health,
            "megabytes": daemon.megabytes,
        }


def own_milliseconds() -> float:
    """What one reconcile costs beside the look: its move, its id, the decision, the counting."""
    end = End("west", "powerstore", (("volume_group", "vg"),))
    clock, tally, rounds = SystemClock(), Tally(), 20_000
    statuses = [_status(f"volume-{number}", end) for number in range(100)]
    known = Known(settled=Settled(role=State.REPLICA, desired=State.REPLICA))

    def once(status: ReplicationStatus) -> None:
        replication = status.replication
        with correlation(replication.namespace, replication.name, clock):
            validate(State.REPLICA, State.PROMOTING)
            find(status, known, Autonomy.SWITCHOVER, 0.0)
            tally.add(reconciled(replication.namespace, replication.name, Outcome.UNCHANGED, None))
            tally.observe("reconcile_duration_seconds", 0.2, namespace="bank", name=replication.name)

    def spent() -> float:
        began = process_time()
        for number in range(rounds):
            once(statuses[number % len(statuses)])
        return process_time() - began

    return min(spent() for _ in range(3)) / rounds * 1000


def _status(name: str, end: End) -> ReplicationStatus:
    replication = Replication(
        namespace="bank", name=name, desired_state=State.REPLICA, local=end, peer=end, rpo_seconds=300.0
    )
    seen = Observation(backend=end.backend, observed_at=0.0, state=State.REPLICA, flow=Flow.RUNNING)
    side = EndStatus(
        backend=end.backend,
        state=State.REPLICA,
        state_note=None,
        reachable=True,
        unverified=False,
        observed_at=0.0,
        as_of=0.0,
        seen=seen,
    )
    return ReplicationStatus(
        replication=replication,
        state=State.REPLICA,
        state_note=None,
        mode=Mode.ASYNCHRONOUS,
        health=Health.HEALTHY,
        message="",
        in_sync=True,
        point_at=0.0,
        point_source=None,
        point_as_of=0.0,
        hold=None,
        drill=False,
        operation_id=None,
        local=side,
        peer=side,
    )


def of_vendor(vendor: str) -> list[tuple[str, float, str, float]]:
    """What was measured of one vendor's replications, each with its unit and its budget."""
    few, crowd = measured(FEW, vendor), measured(CROWD, vendor)
    requests = LISTED[vendor] * -(-CROWD // PAGE_ROWS[vendor]) + REQUESTS_A_BACKEND
    told = [
        (f"{vendor}: tick over {CROWD}", crowd["cpu"], "s CPU", TICK_CPU_SECONDS),
        ("its memory", crowd["megabytes"], "MB", MOST_MB),
        ("its requests to a backend", crowd["requests"], "", float(requests)),
    ]
    for count, found in ((FEW, few), (CROWD, crowd)):
        told.append((f"scrape of {count}", found["scrape"], "s", SCRAPE_SECONDS[count]))
        told.append(("health meanwhile", found["health"], "s", HEALTH_SECONDS))
    return told


def main() -> int:
    own = own_milliseconds()
    told = [("own cost of a reconcile", own, "ms", OWN_MILLISECONDS)]
    for vendor in BACKENDS:
        told += of_vendor(vendor)
    for what, value, unit, budget in told:
        print(f"{what:32}{value:9.3f} {unit:6} of {budget:g}{'' if value <= budget else '  OVER'}")
    return 0 if all(value <= budget for _, value, _, budget in told) else 1


if __name__ == "__main__":
    sys.exit(main())
