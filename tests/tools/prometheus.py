"""A real Prometheus scrapes the daemon, over TLS and with a password, and answers its operators' questions (R61).

`make check-tools` runs it. The world stands still between the looks that are made by hand, so that what is right can
be told from what the daemon itself says before and after them; Prometheus keeps real time.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import trustme
import yaml
from scenarios.test_daemon import Running, running
from scenarios.test_daemon_process import free_port
from worlds import LEDGER, World, a_world

from replctl.daemon import shipping
from replctl.daemon.doors import doors
from replctl.daemon.serving import Servers, metrics_page

P = "unified_replication_"
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.1
EVERY = "200ms"  # Prometheus scrapes
SCRAPES = 30
ABOUT = 0.1  # `rate` extends what it saw by up to a scrape on either side, each series by itself
WINDOW = "5m"
GOOD_LOOKS, BAD_LOOKS = 18, 6  # as many bad ones as open a breaker
SECRET = "a scraper's password"

RUNBOOK = Path(__file__).parents[2] / shipping.RUNBOOK

Samples = dict[str, float]
Vector = dict[tuple[tuple[str, str], ...], float]


class Prometheus:
    def __init__(self, address: str) -> None:
        self._address = address

    def get(self, path: str, **query: str) -> Any:
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as answer:
            return json.loads(answer.read())["data"]

    def ask(self, query: str) -> Vector:
        """Values by their labels, in order."""
        found = self.get("query", query=query)
        assert found["resultType"] == "vector"
        return {tuple(sorted(each["metric"].items())): float(each["value"][1]) for each in found["result"]}

    def number(self, query: str) -> float:
        (value,) = self.ask(query).values()
        return value

    def knows(self, query: str) -> None:
        """Wait until it answers with anything."""
        until = time.monotonic() + PATIENCE_SECONDS
        while not self._answers(query):
            assert time.monotonic() < until, query
            time.sleep(LOOK_SECONDS)

    def _answers(self, query: str) -> bool:
        try:
            return bool(self.ask(query))
        except OSError:  # it is not up yet
            return False


@contextmanager
def scraping(tmp_path: Path, target: str, ca_file: Path) -> Iterator[Prometheus]:
    """Prometheus with the rules that ship; ended by its own handle."""
    (tmp_path / "alerts.yaml").write_text(shipping.alerts())
    job = {
        "job_name": "replctl",
        "scheme": "https",
        "tls_config": {"ca_file": str(ca_file)},
        "basic_auth": {"username": "prometheus", "password": SECRET},
        "static_configs": [{"targets": [target]}],
    }
    every = {"scrape_interval": EVERY, "scrape_timeout": EVERY, "evaluation_interval": EVERY}
    config = {"global": every, "rule_files": ["alerts.yaml"], "scrape_configs": [job]}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(config))
    address = f"127.0.0.1:{free_port()}"
    command = [
        "prometheus",
        f"--config.file={tmp_path / 'prometheus.yaml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address={address}",
    ]
    with (tmp_path / "prometheus.log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield Prometheus(address)
        finally:
            process.terminate()
            process.wait(PATIENCE_SECONDS)


@contextmanager
def served(one: Running, tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """The daemon's metrics behind its own doors."""
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    hashed = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt()).decode()
    web = {
        "tls_server_config": {"cert_file": "both.pem", "key_file": "both.pem"},
        "basic_auth_users": {"prometheus": hashed},
    }
    (tmp_path / "web.yaml").write_text(yaml.safe_dump(web))
    pages = {"127.0.0.1:0": {"/metrics": metrics_page(one.daemon.metrics)}}
    with Servers(pages, doors(tmp_path / "web.yaml", "web.yaml")) as servers:
        yield servers.addresses[0], tmp_path / "ca.pem"


def samples(one: Running) -> Samples:
    lines = (line.rpartition(" ") for line in one.daemon.metrics().splitlines() if not line.startswith("#"))
    return {name: float(value) for name, _, value in lines}


def grown(before: Samples, after: Samples, pattern: str) -> float:
    """By how much all samples of a pattern grew."""
    return sum(value - before.get(name, 0.0) for name, value in after.items() if re.match(pattern, name))


def stands(one: Running, prometheus: Prometheus) -> Samples:
    """What the daemon says now, once Prometheus has seen it; whatever is added next is between two scrapes."""
    now = samples(one)
    tick = now["replctl_last_tick_timestamp_seconds"]
    total = sum(value for name, value in now.items() if name.startswith(f"{P}reconcile_total"))
    prometheus.knows(
        f"replctl_last_tick_timestamp_seconds == {tick!r} and on() sum({P}reconcile_total) == {total!r}"
    )
    return now


def lived(world: World, one: Running) -> None:
    """Every series that the questions are about has a sample before the first scrape, or it would begin there."""
    one.tick()
    assert world.act("promote", LEDGER).code == 0
    world.control.kill("east", mode="refuse")
    one.tick(times=2)
    world.control.revive("east")
    world.control.advance(400.0)  # what is there is asked anew, and the breaker lets a call through
    one.tick(times=3)


def quantile(wanted: float, buckets: Mapping[str, float]) -> float:
    """By linear interpolation within the bucket, as Prometheus documents it."""
    bounds = sorted(buckets, key=float)
    rank = wanted * buckets["+Inf"]
    at = next(index for index, bound in enumerate(bounds) if buckets[bound] >= rank)
    low, below = (float(bounds[at - 1]), buckets[bounds[at - 1]]) if at else (0.0, 0.0)
    high = float(bounds[at])
    return low + (high - low) * (rank - below) / (buckets[bounds[at]] - below)


@pytest.mark.timeout(300)
def test_it_answers_the_operators_questions(tmp_path: Path) -> None:  # R61
    with a_world(tmp_path) as world, running(world) as one:
        lived(world, one)
        with served(one, tmp_path) as (target, ca_file), scraping(tmp_path, target, ca_file) as prometheus:
            before = stands(one, prometheus)
            one.tick(times=GOOD_LOOKS)
            world.control.kill("east", mode="refuse")
            one.tick(times=BAD_LOOKS)
            after = stands(one, prometheus)
            prometheus.knows(f"count_over_time(up[{WINDOW}]) >= {SCRAPES}")
            assert prometheus.number('up{job="replctl"}') == 1
            ratios(prometheus, before, after)
            latency(prometheus, before, after)
            present(prometheus, after)
            rules(prometheus)
            for query in printed():
                assert prometheus.ask(query), query


def printed() -> list[str]:
    """The questions in the runbook."""
    (block,) = re.findall(r"^```promql\n(.*?)^```", RUNBOOK.read_text(), re.DOTALL | re.MULTILINE)
    return list(block.splitlines())


def ratios(prometheus: Prometheus, before: Samples, after: Samples) -> None:
    total = grown(before, after, f"{P}reconcile_total")
    assert total == 4 * (GOOD_LOOKS + BAD_LOOKS)
    rate = prometheus.number(f"sum(rate({P}reconcile_total[{WINDOW}]))")
    seconds = 300.0
    assert rate * seconds == pytest.approx(total, rel=ABOUT)
    errors = prometheus.ask(
        f'sum by (namespace, name) (rate({P}reconcile_total{{result="error"}}[{WINDOW}]))'
        f" / sum by (namespace, name) (rate({P}reconcile_total[{WINDOW}]))"
    )
    assert len(errors) == 4
    assert list(errors.values()) == pytest.approx([BAD_LOOKS / (GOOD_LOOKS + BAD_LOOKS)] * 4, rel=ABOUT)
    success = prometheus.number(
        f'sum(rate({P}reconcile_total{{result="success"}}[{WINDOW}])) / sum(rate({P}reconcile_total[{WINDOW}]))'
    )
    well = grown(before, after, f'{P}reconcile_total.*result="success"')
    assert success == pytest.approx(well / total, rel=ABOUT)
    hits = grown(before, after, f"{P}discovery_cache_hits_total")
    misses = grown(before, after, f"{P}discovery_cache_misses_total")
    efficiency = prometheus.number(
        f"sum(rate({P}discovery_cache_hits_total[{WINDOW}])) / (sum(rate({P}discovery_cache_hits_total[{WINDOW}]))"
        f" + sum(rate({P}discovery_cache_misses_total[{WINDOW}])))"
    )
    assert hits > 0
    assert efficiency == pytest.approx(hits / (hits + misses), rel=ABOUT)


def latency(prometheus: Prometheus, before: Samples, after: Samples) -> None:
    family = f"{P}backend_operation_duration_seconds_bucket"
    bounds = {found.group(1) for name in after if (found := re.match(rf'{family}.*le="([^"]+)"', name))}
    buckets = {bound: grown(before, after, rf'{family}.*le="{re.escape(bound)}"') for bound in bounds}
    asked = prometheus.number(f"histogram_quantile(0.95, sum by (le) (rate({family}[{WINDOW}])))")
    assert buckets["+Inf"] > 0
    assert asked == pytest.approx(quantile(0.95, buckets), rel=ABOUT)
    reconciles = f"rate({P}reconcile_duration_seconds_bucket[{WINDOW}])"
    every = prometheus.ask(f"histogram_quantile(0.95, sum by (namespace, name, le) ({reconciles}))")
    assert len(every) == 4


def present(prometheus: Prometheus, after: Samples) -> None:
    """What stands now: states, breakers, backends."""
    states = [re.findall(r'state="(\w+)"', name)[0] for name in after if name.startswith(f"{P}state{{")]
    expected = {((("state", state)),): float(states.count(state)) for state in set(states)}
    for aggregation in ("count", "sum"):
        assert prometheus.ask(f"{aggregation} by (state) ({P}state)") == expected
    broken = prometheus.ask(f"{P}circuit_breaker_state == 1")
    assert [dict(labels)["backend"] for labels in broken] == ["east"]
    assert prometheus.ask(f"sum by (backend) ({P}by_backend)") == {
        (("backend", name),): 4.0 for name in ("east", "west")
    }
    assert prometheus.number(f"{P}active_total") == 4


def rules(prometheus: Prometheus) -> None:
    """Those that ship are taken, evaluated, and see what is wrong here."""
    prometheus.knows('ALERTS{alertname="ReplctlBackendSilent",backend="east"}')
    (group,) = prometheus.get("rules")["groups"]
    assert {rule["health"] for rule in group["rules"]} == {"ok"}
    assert len(group["rules"]) == len(yaml.safe_load(shipping.alerts())["groups"][0]["rules"])
