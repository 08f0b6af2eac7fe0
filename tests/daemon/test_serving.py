"""What the daemon's ports answer: nobody waits for anybody else, and what cannot be told is said (R60, R67)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import process_time
from typing import Any

import httpx
import pytest
from fakes import FakeClock

from replctl.core.counts import OPERATION_BUCKETS, observed, reconciled, sample
from replctl.core.errors import StoreRefused
from replctl.core.outcomes import Outcome
from replctl.daemon import exposition
from replctl.daemon.health import HealthBook
from replctl.daemon.serving import Page, Pages, Servers, document_page, metrics_page
from replctl.settings.config import Daemon
from replctl.tally import Tally

SURELY_SECONDS = 20.0  # of real time
SCRAPE_SECONDS = 0.15  # of 1,000 replications (R60)


@contextmanager
def served(pages: Pages, host: str = "127.0.0.1") -> Iterator[httpx.Client]:
    with Servers({f"{host}:0": pages}) as servers:
        (address,) = servers.addresses
        with httpx.Client(base_url=f"http://{address}", trust_env=False, timeout=SURELY_SECONDS) as client:
            yield client


def test_metrics_are_where_prometheus_is_told_to_look() -> None:  # R60, R63
    assert (Daemon().metrics_address, Daemon().health_address) == ("127.0.0.1:8080", "127.0.0.1:8081")


def test_health_is_told_while_a_scrape_takes_its_time() -> None:  # R60
    begun, let_go = threading.Event(), threading.Event()

    def slow() -> str:
        begun.set()
        assert let_go.wait(SURELY_SECONDS)
        return "# the end\n"

    well = document_page(lambda: {"healthy": True}, "healthy")
    with served({"/metrics": metrics_page(slow), "/healthz": well}) as client:
        scraped: list[httpx.Response] = []
        scraper = threading.Thread(target=lambda: scraped.append(client.get("/metrics")))
        scraper.start()
        assert begun.wait(SURELY_SECONDS)
        for _ in range(3):
            assert client.get("/healthz").json() == {"healthy": True}
        assert scraped == []
        let_go.set()
        scraper.join(SURELY_SECONDS)
        assert scraped[0].text == "# the end\n"


def test_a_scrape_of_a_thousand_costs_little() -> None:  # R60
    counts: dict[str, float] = {}
    names = [{"namespace": "bank", "name": f"volume-{number}"} for number in range(1000)]
    for each in names:
        counts |= reconciled("bank", each["name"], Outcome.UNCHANGED, None)
        counts |= observed("reconcile_duration_seconds", 0.3, OPERATION_BUCKETS, each)
        counts |= {sample("state", **each, state="replica"): 1.0, sample("health", **each): 1.0}
    known = frozenset((each["name"], each["namespace"]) for each in names)

    def spent() -> float:
        began = process_time()
        text = exposition.text(exposition.present(counts, known))
        assert text.count("\n") > len(counts)
        return process_time() - began

    assert min(spent() for _ in range(3)) <= SCRAPE_SECONDS


def test_what_cannot_be_told_is_said() -> None:
    def broken() -> str:
        raise StoreRefused("the store is damaged")

    with served(
        {"/metrics": metrics_page(broken), "/readyz": document_page(lambda: {"ready": False}, "ready")}
    ) as client:
        told = client.get("/metrics")
        assert (told.status_code, told.text) == (503, "the store is damaged\n")
        assert client.get("/readyz").status_code == 503
        assert client.get("/").status_code == 404
        head = client.head("/readyz?verbose")
        assert (head.status_code, head.text) == (503, "")


def test_both_kinds_of_addresses_are_served() -> None:
    if not _has_ipv6():
        return
    with served({"/": lambda: Page(200, "text/plain", "here\n")}, "[::1]") as client:
        assert client.base_url.host == "::1"
        assert client.get("/").text == "here\n"


def _has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.parametrize("taken", [True, False])
def test_sums_never_fall_while_they_are_handed_on(taken: bool) -> None:
    """A counter that falls is a restart to Prometheus, and what it stands at then a burst."""
    tally, stored = Tally(), {"count": 5.0}
    tally.add({"count": 2.0})
    seen: list[Any] = []

    def add(counts: Any) -> bool:
        reader = threading.Thread(target=lambda: seen.append(tally.with_what_was_handed_on(lambda: stored)))
        reader.start()
        reader.join(0.05)  # it waits for us
        if taken:
            stored["count"] += counts["count"]
        readers.append(reader)
        return taken

    readers: list[threading.Thread] = []
    tally.flush(add)
    readers[0].join(SURELY_SECONDS)
    assert seen == [{"count": 7.0}]
    assert tally.with_what_was_handed_on(lambda: stored) == {"count": 7.0}


def test_health_and_readiness_have_their_bodies_and_codes() -> None:  # R63-R66
    clock = FakeClock()
    book = HealthBook(clock)
    pages: Pages = {
        "/healthz": document_page(lambda: dict(book.health()), "healthy"),
        "/readyz": document_page(lambda: dict(book.readiness()), "ready"),
    }
    with served(pages) as client:

        def told(path: str) -> tuple[int, Any]:
            answer = client.get(path)
            assert answer.headers["Content-Type"] == "application/json"
            return answer.status_code, answer.json()

        code, health = told("/healthz")
        assert (code, health["healthy"], health["last_reconcile"]) == (200, True, None)
        code, ready = told("/readyz")
        assert (code, ready["ready"]) == (503, False)
        book.tick_began()
        book.tick_ended()
        book.mark_ready()
        assert told("/readyz") == (200, {"ready": True, "message": ""})
        assert told("/healthz")[1]["last_reconcile"].endswith("Z")
        clock.advance(601)
        book.part("drivers", present=False, message="no drivers are there")
        code, health = told("/healthz")
        assert (code, health["healthy"], health["error_rate"]) == (503, False, 0.0)
        assert "No reconciliation in 10m" in health["message"]
        assert "no drivers are there" in health["message"]
        assert {each["name"] for each in health["checks"] if not each["healthy"]} == {"tick", "drivers"}
        assert told("/readyz") == (503, {"ready": False, "message": "no drivers are there"})
