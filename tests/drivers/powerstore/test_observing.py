"""Looking, over real sockets: who is found, and what is said of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from arrays import LEDGER, LEDGER_EAST, NAME, Arrays, group, session, two_arrays, volume

from replctl.core.model import End, Flow, Link, Mode, State, StateNote, TroubleKind
from replctl.drivers.names import Known, Names
from replctl.drivers.powerstore.words import translate, vendor_words


def test_a_healthy_pair(arrays: Arrays) -> None:
    replica, source = arrays.see(LEDGER), arrays.see(LEDGER_EAST)
    assert (replica.state, source.state) == (State.REPLICA, State.SOURCE)
    assert replica.flow is source.flow is Flow.RUNNING
    assert replica.healthy
    assert source.healthy
    assert replica.mode is Mode.ASYNCHRONOUS
    assert replica.link is replica.peer_management is Link.OK
    assert replica.trouble is replica.note is replica.unsupported is None
    assert replica.as_of == replica.observed_at == arrays.clock.now()
    assert (replica.word, replica.vendor["role"]) == ("OK", "Destination")
    assert replica.vendor["remote_system"] == "east-cluster"
    assert "failover_unplanned" in replica.permits
    assert "failover_planned" in source.permits
    assert source.point is None


def test_an_end_is_found_by_name_id_and_session(arrays: Arrays) -> None:
    by_name = arrays.see(LEDGER)
    assert by_name.resource is not None
    assert by_name.identity is not None
    for other in (group(by_name.resource), session(by_name.identity)):
        seen = arrays.see(other)
        assert (seen.identity, seen.resource, seen.state) == (
            by_name.identity,
            by_name.resource,
            State.REPLICA,
        )


def test_each_array_is_asked_for_its_own_ids(arrays: Arrays) -> None:
    west, east = arrays.see(LEDGER), arrays.see(LEDGER_EAST)
    assert west.resource != east.resource
    assert west.identity != east.identity  # this world gives each side its own (CP §17)


def test_what_is_not_there(arrays: Arrays) -> None:
    uuid = "00000000-0000-4000-8000-000000000000"
    for end in (group("nope"), volume("nope"), volume(uuid), session(uuid), session("nope")):
        seen = arrays.see(end)
        assert seen.trouble is not None
        assert seen.trouble.kind is TroubleKind.ABSENT
        assert (seen.state, seen.note, seen.readable) == (None, StateNote.ABSENT, True)
        assert "nope" in seen.trouble.message or uuid in seen.trouble.message


def test_a_locator_that_names_nothing(arrays: Arrays) -> None:
    for locator in ((), (("mirror", "x"),), (("volume", "a"), ("session", "b"))):
        seen = arrays.see(End("west", "powerstore", locator))
        assert seen.trouble is not None
        assert seen.trouble.kind is TroubleKind.ABSENT
        assert "volume, volume_group, session" in seen.trouble.message


def test_a_member_of_a_replicated_group_is_to_be_named_by_the_group(arrays: Arrays) -> None:  # R78
    seen = arrays.see(volume("ledger-lun1"))
    assert seen.trouble is None
    assert seen.unsupported is not None
    assert "ledger-vg" in seen.unsupported
    assert not seen.permits


def test_two_of_one_name(arrays: Arrays) -> None:
    arrays.control.rename_volume("web/events", "twin", "west")
    arrays.control.rename_volume("web/catalog", "twin", "west")
    seen = arrays.see(volume("twin"))
    assert seen.trouble is not None
    assert (seen.trouble.kind, seen.trouble.remedy) == (TroubleKind.AMBIGUOUS, "name it by id")
    assert seen.readable
    assert seen.state is None


def test_a_name_is_compared_exactly(arrays: Arrays) -> None:
    seen = arrays.see(group("LEDGER-VG"))
    assert seen.trouble is not None
    assert seen.trouble.kind is TroubleKind.ABSENT


def test_a_copy_in_flight_shows_its_progress_at_the_source(arrays: Arrays) -> None:
    arrays.control.slow_copy(NAME, 200.0)
    source = arrays.see(LEDGER_EAST)
    driver = arrays.driver("east")
    driver.act(LEDGER_EAST, "sync", {}, source, arrays.look)
    arrays.control.advance(50)
    source = arrays.see(LEDGER_EAST)
    assert source.word == "Synchronizing"
    assert source.progress is not None
    assert source.progress.percent is not None
    assert 10 < source.progress.percent < 50
    assert source.progress.ends_at is not None
    assert arrays.clock.now() < source.progress.ends_at < arrays.clock.now() + 200
    assert arrays.see(LEDGER).progress is None


@pytest.mark.parametrize(
    ("link", "data", "management"),
    [
        ("data_down", Link.LOST, Link.OK),
        ("management_down", Link.OK, Link.LOST),
        ("down", Link.LOST, Link.LOST),
        ("up", Link.OK, Link.OK),
    ],
)
def test_the_links(arrays: Arrays, link: str, data: Link, management: Link) -> None:
    arrays.control.link(link)
    arrays.control.advance(60)
    seen = arrays.see(LEDGER)
    assert (seen.link, seen.peer_management) == (data, management)


def test_unknown_words_are_shown_counted_and_refuse_every_change(arrays: Arrays) -> None:
    arrays.control.fault("west", "unknown_enum", path="replication_session", field="state", times=5)
    seen = arrays.see(LEDGER)
    assert (seen.state, seen.note, seen.permits) == (None, StateNote.UNKNOWN, frozenset())
    assert seen.unsupported is not None
    assert seen.trouble is None
    assert seen.word in seen.unsupported
    assert arrays.noticed("translation") == [f"state={seen.word}"]


def test_a_session_that_vanishes_and_one_that_came_anew(arrays: Arrays) -> None:
    before = arrays.see(LEDGER)
    arrays.control.replace_session(NAME)
    arrays.control.advance(300)
    after = arrays.see(LEDGER)
    assert after.resource == before.resource
    assert after.identity not in (None, before.identity)


def test_a_volume_without_a_session(arrays: Arrays) -> None:
    arrays.control.fault("west", "empty_list", path="replication_session", times=9)
    seen = arrays.see(LEDGER)
    assert (seen.state, seen.note, seen.trouble) == (State.NONE, StateNote.ABSENT, None)
    assert seen.resource is not None


def test_a_name_that_now_means_another_thing(arrays: Arrays) -> None:
    before = arrays.see(volume("web-events"))
    arrays.control.rename_volume("web/events", "old-events", "west")
    arrays.control.rename_volume("web/catalog", "web-events", "west")
    arrays.control.advance(301)  # what was found is believed for the discovery's time to live
    after = arrays.see(volume("web-events"))
    assert after.resource not in (None, before.resource)


class OneName(Names):
    """What an earlier process kept of one end."""

    def __init__(self, known: Known) -> None:
        self.known: Known | None = known
        self.asked = 0

    def recall(self, ends: Collection[End]) -> Mapping[End, Known]:
        self.asked += 1
        return {LEDGER: self.known} if self.known and LEDGER in ends else {}

    def keep(self, found: Mapping[End, Known | None]) -> None:
        self.known = found.get(LEDGER, self.known)


def test_names_from_before_are_believed_by_looks_for_a_while_and_confirmed_before_a_change(
    arrays: Arrays,
) -> None:
    seen, other = arrays.see(LEDGER), arrays.see(group("media-mail-vg"))
    assert seen.resource is not None
    assert other.resource is not None
    now = arrays.clock.now()
    for age, thorough, believed in (
        (10, False, True),
        (10, True, False),
        (301, False, False),
        (-5, False, False),
    ):
        names = OneName(Known(other.resource, other.identity, now - age))
        driver = arrays.another(names=names)
        look = replace(arrays.look, retry=thorough)
        found = driver.observe([LEDGER], look)[LEDGER]
        assert found.identity == (other.identity if believed else seen.identity)
        assert found.formerly == (other.resource if thorough else None)
        driver.observe([LEDGER], look)
        driver.close()
        assert names.asked == 1
        assert names.known is not None
        assert names.known.session == (other.identity if believed or thorough else seen.identity)


def test_names_from_before_that_mean_nothing_any_more_are_looked_up_anew(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    names = OneName(Known("gone", "gone", arrays.clock.now() - 10))
    driver = arrays.another(names=names)
    assert driver.observe([LEDGER], arrays.look)[LEDGER].identity == seen.identity
    driver.close()
    assert names.known == Known(seen.resource or "", seen.identity, arrays.clock.now())


@pytest.mark.parametrize("version", ["1.0.4.0", "2.1.1.0", "3.6.0.0", "4.0.0.0", "4.1.0.0"])
def test_every_release_is_asked_only_what_it_knows(tmp_path: Path, version: str) -> None:
    with two_arrays(tmp_path, version=version) as arrays:
        seen = arrays.see(LEDGER)
        assert (seen.state, seen.mode, seen.healthy) == (State.REPLICA, Mode.ASYNCHRONOUS, True)
        assert seen.point is not None
        if version.startswith("1."):
            assert (seen.point.at, seen.point.source) == (None, "last_sync_duration is null")
        else:
            assert seen.point.at is not None


def test_a_release_that_cannot_be_read_is_asked_for_all(arrays: Arrays) -> None:
    arrays.control.fault("west", "status", path="software_installed", status=404)
    assert arrays.see(LEDGER).state is State.REPLICA
    assert arrays.noticed("release")


def test_backend_trouble_is_carried_and_never_raised(arrays: Arrays) -> None:
    arrays.control.kill("west")
    seen = arrays.see(LEDGER)
    assert seen.trouble is not None
    assert (seen.trouble.kind, seen.state, seen.readable) == (TroubleKind.SILENT, None, False)


def test_a_wrong_password_is_our_own_trouble_and_tried_once(arrays: Arrays) -> None:
    arrays.password = "wrong-password"
    seen = arrays.see(LEDGER)
    assert seen.trouble is not None
    assert seen.trouble.kind is TroubleKind.CREDENTIALS
    logins = [r for r in arrays.control.requests(array="west") if r["path"].endswith("login_session")]
    assert len(logins) == 1


def test_a_password_that_cannot_be_read_is_our_own_trouble(arrays: Arrays, tmp_path: Path) -> None:
    (tmp_path / "credentials" / "west").unlink()
    seen = arrays.see(LEDGER)
    assert seen.trouble is not None
    assert (seen.trouble.kind, seen.trouble.code) == (TroubleKind.CREDENTIALS, "invalid-configuration")


@pytest.mark.parametrize("kind", ["html", "empty", "truncated", "messages_string", "reset"])
@pytest.mark.parametrize("path", ["volume_group", "replication_session"])
def test_foreign_answers_are_trouble(arrays: Arrays, kind: str, path: str) -> None:
    arrays.control.fault("west", kind, path=path, times=9)
    seen = arrays.see(LEDGER)
    assert seen.trouble is not None
    assert seen.state is None


@pytest.mark.parametrize("path", ["cluster", "remote_system"])
def test_what_is_beside_the_session_may_be_missing(arrays: Arrays, path: str) -> None:
    arrays.control.fault("west", "status", path=path, status=500, times=9)
    seen = arrays.see(LEDGER)
    assert seen.state is State.REPLICA
    assert seen.trouble is None
    if path == "cluster":
        assert seen.point is not None
        assert seen.point.at is None
    else:
        assert seen.peer_management is Link.UNKNOWN
        assert seen.link is Link.OK  # the session's own word


def test_an_expired_session_costs_one_login(arrays: Arrays) -> None:
    arrays.see(LEDGER)
    for reply in ("401", "403", "302"):
        arrays.control.expire_logins("west", reply)
        before = arrays.control.logins("west")
        assert arrays.see(LEDGER).state is State.REPLICA
        assert arrays.control.logins("west") == before + 1


def test_it_signs_out(arrays: Arrays) -> None:
    arrays.see(LEDGER)
    assert arrays.control.sessions_open("west") == 1
    arrays.driver().close()
    assert arrays.control.sessions_open("west") == 0


@pytest.mark.parametrize("state", [State.REPLICA, State.SOURCE, State.SYNCING, State.FAILED])
def test_our_word_the_array_s_and_back(arrays: Arrays, state: State) -> None:  # R74
    vendor = vendor_words(state)
    assert vendor is not None
    arrays.control.set_state(NAME, "west", state=vendor.state, role=vendor.role)
    seen = arrays.see(LEDGER)
    assert seen.state is state
    assert seen.state is translate(vendor).state
