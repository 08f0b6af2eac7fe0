"""How much a look asks: few by filters, many by pages, never one by one (design §12)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from math import ceil
from pathlib import Path

import pytest
from arrays import LEDGER, Arrays, group, two_arrays, volume

from replctl.core.events import CallEnded, Event
from replctl.core.model import End, State
from replctl.drivers.powerstore.query import PAGE_ROWS
from replctl.simulator.scene import list_entries

MANY = 2400
BESIDE = 5  # requests a backend and look may cost beside the pages


def ends(count: int) -> list[End]:
    return [
        group(entry.resource) if entry.kind == "volume_group" else volume(entry.resource)
        for entry in list_entries(1, count)
    ]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Arrays]:
    with two_arrays(tmp_path, replications=MANY) as made:
        yield made


@pytest.mark.parametrize("count", [1, 10, 49])
def test_few_are_looked_up_by_filters(tmp_path: Path, count: int) -> None:
    with two_arrays(tmp_path, replications=60) as arrays:
        wanted = ends(count)
        seen = arrays.driver().observe(wanted, arrays.look)
        assert all(observed.state in (State.REPLICA, State.SOURCE) for observed in seen.values())
        asked = Counter(arrays.asked())
        assert all(number == 1 for number in asked.values())
        assert asked.total() + 1 <= 4 + BESIDE  # with the login; volumes, groups, sessions, remote systems
        pages = [
            r["query"] for r in arrays.control.requests(array="west") if "replication_session" in r["path"]
        ]
        assert "local_resource_id" in pages[0]


def test_what_was_found_is_read_by_its_session_until_it_is_confirmed_again(arrays: Arrays) -> None:
    wanted = ends(5)
    arrays.driver().observe(wanted, arrays.look)
    arrays.control.clear_requests()
    arrays.driver().observe(wanted, arrays.look)
    assert Counter(arrays.asked()) == {"replication_session": 1, "remote_system": 1}
    arrays.control.advance(301)
    arrays.control.clear_requests()
    arrays.driver().observe(wanted, arrays.look)
    asked = [(r["path"], r["query"]) for r in arrays.control.requests(array="west")]
    assert any("/volume" in path and "id=" in query and "name=in" not in query for path, query in asked)


def test_many_are_read_by_pages(many: Arrays) -> None:
    wanted = [end for end, number in Counter(ends(MANY)).items() if number == 1]
    seen = many.driver().observe(wanted, many.look)
    read = [end for end, observed in seen.items() if observed.state is not None]
    assert len(read) > 0.98 * len(wanted)
    asked = Counter(many.asked())
    assert asked["replication_session"] == ceil(MANY / PAGE_ROWS)
    many.control.clear_requests()
    again = many.driver().observe(read, many.look)
    assert {end: seen[end].identity for end in read} == {end: again[end].identity for end in read}
    assert Counter(many.asked()) == {"replication_session": ceil(MANY / PAGE_ROWS), "remote_system": 1}


def test_a_row_that_a_shifting_page_skipped_is_not_absent(many: Arrays) -> None:
    """While the first page is on its way a session of it goes, so that one of the second is never listed."""
    wanted = ends(MANY)
    many.driver().observe(wanted, many.look)
    victims = sorted(many.control.truths().items(), key=lambda item: str(item[1]["session_id"]["west"]))
    replaced: list[str] = []

    def shift(event: Event) -> None:
        listing = isinstance(event, CallEnded) and event.operation == "read replication_session"
        if listing and not replaced:
            replaced.extend(name for name, _ in victims[:3])
            for name in replaced:
                many.control.replace_session(name)

    driver = many.another()
    driver._report = driver._client._report = shift
    seen = driver.observe(wanted, many.look)
    assert replaced
    before = many.driver().observe(wanted, many.look)
    lost = [end for end in wanted if seen[end].state is None and before[end].state is not None]
    assert lost == []
    again = [r["query"] for r in many.control.requests(array="west") if "local_resource_id=" in r["query"]]
    assert 1 <= len(again) <= 2  # asked for what the pages lacked, all of it at once


def test_names_that_no_list_can_hold_are_asked_one_by_one(arrays: Arrays) -> None:
    odd = "a,b (c)"
    arrays.control.rename_volume("web/events", odd, "west")
    seen = arrays.driver().observe([volume(odd), volume("web-catalog"), LEDGER], arrays.look)
    assert {observed.state for observed in seen.values()} == {State.REPLICA}
