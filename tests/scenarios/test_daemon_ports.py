"""The daemon's ports over two simulated arrays: health while they hang, who may read, and what a broken file does."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter

from scenarios.test_daemon import Running, running
from worlds import World

from replctl.daemon.serving import Servers, document_page, metrics_page

SURELY_SECONDS = 20.0  # of real time
AT_ONCE_SECONDS = 0.1  # R67
ASKED = 10
WEB = "REPLCTL_DAEMON__WEB_CONFIG_FILE"


@contextmanager
def served(one: Running) -> Iterator[str]:
    pages = {
        "/metrics": metrics_page(one.daemon.metrics),
        "/healthz": document_page(lambda: dict(one.book.health()), "healthy"),
        "/readyz": document_page(lambda: dict(one.book.readiness()), "ready"),
    }
    with Servers({"127.0.0.1:0": pages}) as servers:
        yield f"http://{servers.addresses[0]}"


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=SURELY_SECONDS) as answer:
        assert answer.status == 200
        return str(answer.read().decode())


def seconds(url: str) -> float:
    began = perf_counter()
    read(url)
    return perf_counter() - began


def test_both_answer_at_once_while_every_backend_hangs(world: World) -> None:  # R65, R67
    with running(world) as one, served(one) as here:
        one.tick()
        one.book.mark_ready()
        for array in ("east", "west"):
            world.control.kill(array, mode="silent")
        hanging = threading.Thread(target=one.daemon.tick)
        hanging.start()
        for path in ("/healthz", "/readyz"):
            assert min(seconds(here + path) for _ in range(ASKED)) < AT_ONCE_SECONDS
        health = json.loads(read(here + "/healthz"))
        assert (health["healthy"], health["message"]) == (True, "All systems operational")
        assert json.loads(read(here + "/readyz"))["ready"] is True
        # the last status stands there without a new look
        assert 'unified_replication_state{name="ledger",namespace="bank",state="replica"} 1\n' in read(
            here + "/metrics"
        )
        assert hanging.is_alive()
        one.wakes.stop.set()
        hanging.join(SURELY_SECONDS)
        assert not hanging.is_alive()


def test_a_web_config_file_that_is_no_use_at_first_is_exit_2(world: World, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text("basic_auth_users:\n  scraper: hunter2\n")
    ran = world.run("daemon", "--once", environ={WEB: str(tmp_path / "web.yaml")})
    assert ran.code == 2
    assert "web.yaml:2: basic_auth_users.scraper: not such a hash (not shown)" in ran.err
    assert "hunter2" not in ran.err
    assert world.control.requests() == []


def test_one_that_breaks_later_shows_in_the_metrics(world: World) -> None:
    with running(world) as one:
        one.tick()
        last = "replctl_config_last_reload_successful"
        assert f"{last} 1\n" in one.daemon.metrics()
        assert f"{last} 0\n" in one.daemon.metrics(others_are_good=False)
