"""Discovery: what is there, remembered for a while, one failure hiding no other (R76)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from arrays import Arrays, two_arrays

from replctl.core.model import TroubleKind
from replctl.drivers.discovery import CacheFigures, Presence, discover_all

TTL_SECONDS = 300.0


@pytest.fixture
def arrays(tmp_path: Path) -> Iterator[Arrays]:
    with two_arrays(tmp_path) as made:
        yield made


def test_everything_there(arrays: Arrays) -> None:  # R76
    found = arrays.driver().discover(arrays.look)
    assert (found.presence, found.version, dict(found.missing)) == (Presence.EVERYTHING, "4.1.0.0", {})
    assert len(found.of_kind("session")) == 6
    assert {thing.name for thing in found.of_kind("remote_system")} == {"east-cluster"}
    assert "ledger-vg" in {thing.name for thing in found.of_kind("volume_group")}
    assert found.of_kind("session")[0].facts["role"] in ("Source", "Destination")
    assert found.read_at == arrays.clock.now()


def test_partly_there(arrays: Arrays) -> None:  # R76
    arrays.control.fault("west", "status", path="remote_system", status=403, times=9)
    found = arrays.driver().discover(arrays.look)
    assert found.presence is Presence.PARTLY
    assert set(found.missing) == {"remote_system"}
    assert found.missing["remote_system"].kind is TroubleKind.CREDENTIALS
    assert len(found.of_kind("session")) == 6


def test_not_there(arrays: Arrays) -> None:  # R76
    arrays.control.fault(
        "west", "status", path="replication_session|volume|remote_system", status=404, times=9
    )
    assert arrays.driver().discover(arrays.look).presence is Presence.NOTHING


def test_unknown_and_one_error_hides_no_other(arrays: Arrays) -> None:  # R76
    arrays.control.kill("east")
    drivers = {name: arrays.driver(name) for name in ("west", "east")}
    found = discover_all(drivers, arrays.look, arrays.clock)
    assert {name: each.presence for name, each in found.items()} == {
        "west": Presence.EVERYTHING,
        "east": Presence.UNKNOWN,
    }
    (trouble,) = found["east"].missing.values()
    assert trouble.kind is TroubleKind.SILENT
    assert discover_all({}, arrays.look, arrays.clock) == {}


def test_within_its_time_no_request_is_made(arrays: Arrays) -> None:  # R76
    driver = arrays.driver()
    first = driver.discover(arrays.look)
    assert driver.discovery.figures == CacheFigures(hits=0, misses=1)
    arrays.control.clear_requests()
    arrays.control.advance(TTL_SECONDS - 1)
    assert driver.discover(arrays.look) is first
    assert arrays.asked() == []
    assert driver.discovery.figures == CacheFigures(hits=1, misses=1)
    arrays.control.advance(2)
    assert driver.discover(arrays.look) is not first
    assert arrays.asked() != []
    assert driver.discovery.figures == CacheFigures(hits=1, misses=2)


def test_it_can_be_invalidated(arrays: Arrays) -> None:  # R76
    driver = arrays.driver()
    driver.discover(arrays.look)
    driver.discovery.invalidate()
    arrays.control.clear_requests()
    driver.discover(arrays.look)
    assert arrays.asked() != []
    assert driver.discovery.figures == CacheFigures(hits=0, misses=2)


def test_what_could_not_be_asked_is_not_remembered(arrays: Arrays) -> None:
    arrays.control.kill("west")
    found = discover_all({"west": arrays.driver()}, arrays.look, arrays.clock)
    assert found["west"].presence is Presence.UNKNOWN
    arrays.control.revive("west")
    arrays.clock.wait(120)
    assert arrays.driver().discover(arrays.look).presence is Presence.EVERYTHING


def test_capabilities_are_the_array_s_own_words(tmp_path: Path) -> None:  # R72
    with two_arrays(tmp_path, version="3.6.0.0") as arrays:
        old = arrays.driver().capabilities(arrays.look)
    assert (old.kind, old.version) == ("powerstore", "3.6.0.0")
    with two_arrays(tmp_path) as arrays:
        new = arrays.driver().capabilities(arrays.look)
        arrays.control.fault("west", "empty_list", path="remote_system")
        none = arrays.another().capabilities(arrays.look)
    assert new.version == "4.1.0.0"
    assert "Asynchronous_Block_Replication" in old.words & new.words
    assert none.words == frozenset()
