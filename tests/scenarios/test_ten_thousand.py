"""One array at its limits: what looking at and moving one of 10,000 sessions asks of both arrays (design §12).

Budget of a look: over the listed resource types the sum of their pages, and five requests a backend beside.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import pytest
import yaml
from scenarios.test_daemon import running
from worlds import LEDGER, World, a_world

pytestmark = pytest.mark.timeout(300)

SESSIONS = 10_000
PAGE_ROWS = 2000
BESIDE = 5  # signing in and out, the release, the clock, the remote systems
FEW = 6  # requests of a look at one, whose name is known
ARRAYS = ("east", "west")
PATIENT = {"REPLCTL_OBSERVE_TIMEOUT": "60s"}  # of real time: both arrays and replctl share this process
DISCOVERY_TTL_SECONDS = 300
DRIFTS = "web/events"


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("crowd"), replications=SESSIONS) as world:
        yield world


def asked(world: World, array: str) -> Counter[str]:
    """Requests by collection since they were last cleared; sign-in and what stands beside among them."""
    return Counter(
        each["path"].split("/api/rest/")[-1].split("/")[0] for each in world.control.requests(array)
    )


def rows_of(world: World) -> dict[str, int]:
    """How many rows each listed collection has on either array, from what the file says."""
    entries = yaml.safe_load((world.config.parent / "replications.yaml").read_text())["replications"]
    groups = sum("volume_group" in entry["local"] for entry in entries)
    members, bystanders = 2, 3
    return {
        "replication_session": SESSIONS,
        "volume": SESSIONS - groups + members * groups + bystanders,
        "volume_group": groups,
    }


def pages(rows: int) -> int:
    return math.ceil(rows / PAGE_ROWS)


def test_a_look_at_all_reads_each_list_once_and_the_next_the_sessions_alone(crowd: World) -> None:
    crowd.control.clear_requests()
    ran = crowd.run("status", "-o", "name", environ=PATIENT)
    assert ran.code == 0, ran.err
    assert len(ran.out.split()) == SESSIONS
    for array in ARRAYS:
        counts = asked(crowd, array)
        for collection, rows in rows_of(crowd).items():
            assert counts.pop(collection) == pages(rows)
        assert counts.total() <= BESIDE
        assert counts["login_session"] == counts["logout"] == 1

    crowd.control.clear_requests()
    assert crowd.run("status", "-o", "name", environ=PATIENT).code == 0
    for array in ARRAYS:
        counts = asked(crowd, array)
        assert counts.pop("replication_session") == pages(SESSIONS)
        assert counts.total() <= BESIDE
        assert not {"volume", "volume_group"} & set(counts)


def test_a_look_at_one_asks_for_one_session_and_for_its_name_only_once_in_a_while(crowd: World) -> None:
    crowd.run("status", LEDGER)
    crowd.control.clear_requests()
    assert crowd.run("status", LEDGER).code == 0
    for array in ARRAYS:
        counts = asked(crowd, array)
        assert counts["replication_session"] == 1
        assert not {"volume", "volume_group"} & set(counts)
        assert counts.total() <= FEW

    crowd.control.advance(DISCOVERY_TTL_SECONDS + 1)
    crowd.control.clear_requests()
    assert crowd.run("status", LEDGER).code == 0
    for array in ARRAYS:
        counts = asked(crowd, array)
        assert counts["volume_group"] == 1
        assert counts.total() <= FEW + 1


def test_one_is_promoted_without_a_list_and_its_name_is_confirmed_before(crowd: World) -> None:
    crowd.run("status", LEDGER)
    crowd.control.clear_requests()
    ran = crowd.act("promote", LEDGER)
    assert ran.code == 0, ran.err
    assert ran.operation["outcome"] == "succeeded"
    for array in ARRAYS:
        log = crowd.control.requests(array)
        first_change = next((n for n, each in enumerate(log) if each["effect"]), len(log))
        paths = [each["path"] for each in log]
        assert any("/volume_group" in path for path in paths[:first_change])
        counts = asked(crowd, array)
        assert counts["login_session"] == counts["logout"] == 1
        looks = math.ceil(crowd.control.now() - log[0]["at"]) + FEW  # it is watched once a second at most
        assert counts["replication_session"] <= looks
        assert len(crowd.changes()) == len(crowd.effective()) == 2


def test_one_that_drifts_among_them_is_put_right_within_the_next_tick(crowd: World) -> None:
    """It waits for the tick that comes, and is begun in that one: under two, whenever it drifts."""
    for array in ARRAYS:
        crowd.control.set_state(DRIFTS, array, state="System_Paused")
    crowd.control.clear_requests()
    with running(crowd, REPLCTL_DAEMON__AUTONOMY="protect", **PATIENT) as one:
        assert f"resync {DRIFTS} (the array stopped copying)" in one.tick()
        assert crowd.truth(DRIFTS)["state"] == {"east": "OK", "west": "OK"}
        assert crowd.effective() == [("east", "sync")], crowd.effective()
