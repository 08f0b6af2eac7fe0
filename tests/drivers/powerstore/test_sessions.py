"""From rows to observations: the usual row, and rows that hold anything at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.model import Link, Observation, State
from replctl.drivers.powerstore.query import SESSION_FIELDS
from replctl.drivers.powerstore.sessions import Row, Surroundings, session_seen, strange_words
from replctl.drivers.powerstore.stamps import ClockReading

ROW: dict[str, Any] = {
    "id": "5c77a1de",
    "state": "OK",
    "role": "Destination",
    "type": "Asynchronous",
    "resource_type": "volume_group",
    "data_transfer_state": "Asynchronous",
    "local_resource_state": "System_Defined",
    "data_connection_state": "OK",
    "local_resource_id": "a1b0",
    "remote_resource_id": "f9e8",
    "remote_system_id": "0d4c",
    "last_sync_timestamp": "2025-03-04T05:00:12.301+00:00",
    "last_sync_duration": 4211,
    "progress_percentage": None,
    "estimated_completion_timestamp": None,
    "failover_test_in_progress": False,
    "error_code": None,
    "parent_replication_session_id": None,
}
REMOTE = {"id": "0d4c", "name": "site-b", "state": "OK", "data_connection_state": "OK"}


def see(remote: dict[str, Any] | None = None, **changed: Any) -> Observation:
    systems = {"0d4c": Row({**REMOTE, **(remote or {})}, 10.0, 10.2)}
    around = Surroundings(backend="west", clock=ClockReading(5.0, 0.1), remote_systems=systems)
    return session_seen(Row({**ROW, **changed}, 20.0, 20.4), around)


def test_the_contract_s_own_example() -> None:
    seen = see()
    assert (seen.backend, seen.state, seen.word, seen.healthy) == ("west", State.REPLICA, "OK", True)
    assert (seen.identity, seen.resource) == ("5c77a1de", "a1b0")
    assert (seen.observed_at, seen.as_of) == (20.4, 20.4)
    assert seen.vendor["last_sync_duration"] == 4211
    assert seen.vendor["remote_system"] == "site-b"


def test_progress_on_our_clock() -> None:
    seen = see(progress_percentage=42, estimated_completion_timestamp="1970-01-01T00:02:00Z")
    assert seen.progress is not None
    assert (seen.progress.percent, seen.progress.ends_at) == (42.0, 115.0)


def test_the_remote_system_s_word_on_the_link_counts_when_it_is_worse() -> None:
    assert see(remote={"data_connection_state": "Complete_Data_Connection_Loss"}).link is Link.LOST
    assert see(data_connection_state=None).link is Link.OK
    assert see(remote_system_id="another", data_connection_state=None).link is Link.UNKNOWN
    assert see(remote={"state": "Management_Connection_Lost"}).peer_management is Link.LOST


def test_a_drill() -> None:
    seen = see(failover_test_in_progress=True)
    assert seen.drill
    assert "failover_unplanned" in seen.permits
    assert "start_test" not in seen.permits


def test_a_file_system_follows_its_server() -> None:
    seen = see(parent_replication_session_id="nas-1", resource_type="file_system")
    assert seen.unsupported is not None
    assert not seen.permits


@pytest.mark.parametrize("role", ["Source", "Metro_Preferred"])
def test_only_a_replica_has_a_point(role: str) -> None:
    assert see(role=role).point is None


def test_foreign_words_are_cut_and_cleaned() -> None:
    seen = see(state="\x1b[2J" + "x" * 500, error_code="\x07" * 300)
    assert len(seen.word) <= 41
    shown = [seen.word, seen.sentence, seen.unsupported or "", *map(str, seen.vendor.values())]
    assert all(text.isprintable() for text in shown)
    (strange,) = strange_words([Row({**ROW, "state": "\x1b[2J"}, 0.0, 0.0)], [])
    assert strange == ("state", "?[2J")


def test_all_that_is_strange_is_named_once() -> None:
    rows = [
        Row({**ROW, "id": str(n), "type": "New", "local_resource_state": "Odd"}, 0.0, 0.0) for n in range(3)
    ]
    remotes = [Row({**REMOTE, "state": "Fresh", "data_connection_state": "Wobbly"}, 0.0, 0.0)]
    assert strange_words(rows, remotes) == {
        ("type", "New"),
        ("local_resource_state", "Odd"),
        ("remote_system_state", "Fresh"),
        ("data_connection_state", "Wobbly"),
    }


ROW_KEYS = {name.partition("(")[0] for name in SESSION_FIELDS}  # a relation's fields stand in brackets
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(10**400),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(
    values=st.dictionaries(st.sampled_from(sorted(ROW_KEYS)), json_values),
    remote=st.dictionaries(st.sampled_from(sorted(REMOTE)), json_values),
)
def test_no_row_crashes_it(values: dict[str, Any], remote: dict[str, Any]) -> None:
    for base in (ROW, {}):
        row = Row({**base, **values}, 20.0, 20.4)
        around = Surroundings(
            backend="west",
            clock=ClockReading(5.0, 0.1),
            remote_systems={row.text("remote_system_id") or "": Row({**REMOTE, **remote}, 0.0, 0.0)},
        )
        seen = session_seen(row, around)
        assert (seen.state is None) == (seen.note is not None)
        assert not (seen.unsupported and seen.permits)
        assert all(text.isprintable() for text in (seen.word, seen.sentence, *map(str, seen.vendor.values())))
        strange_words([row], [])
