"""Watches over the wire: every change once and in order, through all that ends a stream (CT §12.5, §17)."""

from __future__ import annotations

import json
import threading
from contextlib import closing
from typing import Any

import pytest
from clusters import MIRRORS, MIRRORS_PATH, Desk, bookmark, event, is_watch, listed, mirror, status, streamed
from wire import Seen, raw, reply

from replctl.clock import Cancel
from replctl.core import errors
from replctl.drivers.kubernetes.watching import Change, Kind, Snapshot, Subject, watch

BANK = Subject(resource=MIRRORS, namespace="bank")
LEDGER = Subject(resource=MIRRORS, namespace="bank", name="ledger-dr")
SECONDS = 600.0


class Script:
    """Lists are answered by the first, watches by the second list of answers, the last of each for ever."""

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[Seen] = []

    def __call__(self, seen: Seen) -> Any:
        self.asked.append(seen)
        answers = self.watches if is_watch(seen) else self.lists
        return answers.pop(0) if len(answers) > 1 else answers[0]

    @property
    def versions(self) -> list[str]:
        """What each watch began after."""
        queries = [seen.target.partition("?")[2].split("&") for seen in self.asked if is_watch(seen)]
        return [
            part.partition("=")[2]
            for query in queries
            for part in query
            if part.startswith("resourceVersion=")
        ]


def changed(version: int, word: str = "MODIFIED", **how: Any) -> dict[str, Any]:
    return event(word, mirror(version=version, **how))


@pytest.fixture
def run(served, desk):
    """Runs a script until so many things were told; gives what was told and the script."""

    def run(script: Script, count: int, **how: Any) -> list[Any]:
        _, client = served(script)
        how.setdefault("look", desk.look(SECONDS, retry=True))
        with closing(watch(client, how.pop("subject", BANK), **how)) as told:
            return [next(told) for _ in range(count)]

    return run


def versions(told: list[Any]) -> list[str]:
    return [
        each.seen.version if isinstance(each, Change) else f"all at {each.listing.version}" for each in told
    ]


def test_first_everything_then_each_change(run):
    script = Script(
        [listed(mirror(), version=5)], [streamed([changed(6, "ADDED"), changed(7), changed(8, "DELETED")])]
    )
    told = run(script, 4)
    assert isinstance(told[0], Snapshot)
    assert told[0].first
    assert [(each.kind, each.seen.version) for each in told[1:]] == [
        (Kind.ADDED, "6"),
        (Kind.MODIFIED, "7"),
        (Kind.DELETED, "8"),
    ]
    assert script.versions == ["5"]
    assert "allowWatchBookmarks=true" in script.asked[1].target


@pytest.mark.parametrize("end", ["closed", "broken", "reset"])
def test_a_stream_that_ends_is_taken_up_where_it_left_off(run, desk, end):
    script = Script(
        [listed(version=5)],
        [streamed([changed(6)], end=end), streamed([bookmark(9)], end=end), streamed([changed(10)])],
    )
    assert versions(run(script, 3)) == ["all at 5", "6", "10"]
    assert script.versions == ["5", "6", "9"]
    assert desk.clock.waits == []


def test_an_end_without_a_word_is_not_asked_again_at_once(run, desk):
    script = Script([listed(version=5)], [streamed([]), streamed([]), streamed([changed(6)])])
    assert versions(run(script, 2)) == ["all at 5", "6"]
    assert desk.clock.waits == [1.0, 1.0]


@pytest.mark.parametrize(
    "gone",
    [
        streamed([event("ERROR", status(410, "Expired"))]),
        streamed([event("ERROR", status(410, "Gone"))]),
        raw(410, b'{"kind":"Status","status":"Failure","reason":"Expired","code":410}'),
    ],
)
def test_a_version_that_is_gone_makes_us_look_at_everything_and_say_so(run, gone):
    script = Script(
        [listed(version=5), listed(mirror(version=40), version=50)],
        [streamed([changed(6)]), gone, streamed([changed(51)])],
    )
    told = run(script, 4)
    assert versions(told) == ["all at 5", "6", "all at 50", "51"]
    assert [each.first for each in told if isinstance(each, Snapshot)] == [True, False]
    assert script.versions == ["5", "6", "50"]


def test_a_watch_since_a_list_tells_only_what_came_after(run, served, desk):
    script = Script(
        [listed(version=5)], [streamed([changed(6)]), streamed([event("ERROR", status(410, "Expired"))])]
    )
    _, client = served(script)
    since = client.list(MIRRORS, desk.look())
    with closing(watch(client, BANK, desk.look(SECONDS, retry=True), since=since)) as told:
        assert versions([next(told)]) == ["6"]
        again = next(told)
    assert isinstance(again, Snapshot)
    assert not again.first


@pytest.mark.parametrize(
    "trouble",
    [
        reply(500, status(500, "InternalError")),
        reply(504, status(504, "Timeout")),
        raw(503, b"starting", {"Content-Type": "text/plain"}),
        raw(502, b"<html>", {"Content-Type": "text/html"}),
        streamed([event("ERROR", status(500, "InternalError"))]),
        streamed([b"rubbish\n"]),
        streamed([event("MODIFIED", {"kind": "Pod"})]),
        streamed([event("QUANTUM", mirror())]),
        streamed([event("BOOKMARK", {})]),
        streamed([event("ERROR", {})]),
        streamed([], end="broken"),
    ],
)
def test_trouble_is_waited_out_and_the_version_kept(run, desk, trouble):
    script = Script([listed(version=5)], [streamed([changed(6)]), trouble, trouble, streamed([changed(7)])])
    assert versions(run(script, 3)) == ["all at 5", "6", "7"]
    assert script.versions == ["5", "6", "6", "6"]
    assert desk.clock.waits == [1.0, 2.0]


def test_an_error_in_a_stream_that_told_something_is_waited_out_too(run, desk):
    both = streamed([changed(6), event("ERROR", status(500, "InternalError"))])
    script = Script([listed(version=5)], [both, streamed([changed(7)])])
    assert versions(run(script, 3)) == ["all at 5", "6", "7"]
    assert desk.clock.waits == [1.0]


def test_a_version_that_leads_to_nothing_but_errors_is_given_up(run):
    trouble = reply(504, status(504, "Timeout", causes=[{"reason": "ResourceVersionTooLarge"}]))
    script = Script(
        [listed(version=500), listed(version=20)], [trouble, trouble, trouble, streamed([changed(21)])]
    )
    told = run(script, 3)
    assert versions(told) == ["all at 500", "all at 20", "21"]
    assert not told[1].first


def test_a_server_that_was_set_back_is_looked_at_anew(run):
    ahead = status(504, "Timeout", causes=[{"reason": "ResourceVersionTooLarge"}])
    script = Script(
        [listed(version=500), listed(version=20)],
        [streamed([event("ERROR", ahead)]), streamed([changed(21)])],
    )
    assert versions(run(script, 3)) == ["all at 500", "all at 20", "21"]


def test_a_busy_server_says_when(run, desk):
    busy = raw(429, b"", {"Retry-After": "9"})
    assert versions(run(Script([listed(version=5)], [busy, streamed([changed(6)])]), 2)) == ["all at 5", "6"]
    assert desk.clock.waits == [9.0]


def test_silence_is_not_believed_for_ever(served, desk):
    """Nothing comes, no bookmark either: the clock passes the bound, and the stream is taken up anew."""
    script = Script([listed(version=5)], [streamed([changed(6)], end="silent"), streamed([changed(7)])])
    _, client = served(script)
    with closing(watch(client, BANK, desk.look(SECONDS, retry=True), idle_seconds=100.0)) as told:
        assert versions([next(told), next(told)]) == ["all at 5", "6"]
        later = threading.Timer(0.3, desk.clock.advance, [101.0])
        later.start()
        assert versions([next(told)]) == ["7"]
        later.join()
    assert script.versions == ["5", "6"]


def test_at_the_deadline_a_watch_that_is_well_just_ends(served, desk):
    _, client = served(Script([listed(version=5)], [streamed([changed(6)], end="silent")]))
    told = watch(client, BANK, desk.look(50.0, retry=True))
    assert versions([next(told), next(told)]) == ["all at 5", "6"]
    later = threading.Timer(0.3, desk.clock.advance, [51.0])
    later.start()
    assert list(told) == []
    later.join()


def test_at_the_deadline_a_watch_that_is_not_well_says_so(served, desk):
    _, client = served(Script([listed(version=5)], [reply(500, status(500, "InternalError"))]))
    told = watch(client, BANK, desk.look(5.0, retry=True))
    next(told)
    with pytest.raises(errors.BackendUnwell):
        next(told)


def test_without_retry_trouble_is_told_at_once(served, desk):
    _, client = served(
        Script([listed(version=5)], [streamed([changed(6)]), reply(500, status(500, "InternalError"))])
    )
    told = watch(client, BANK, desk.look(SECONDS))
    assert versions([next(told), next(told)]) == ["all at 5", "6"]
    with pytest.raises(errors.BackendUnwell):
        next(told)
    assert desk.clock.waits == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply(403, status(403, "Forbidden")), errors.Forbidden),
        (reply(401, status(401, "Unauthorized")), errors.Unauthorized),
        (reply(400, status(400, "BadRequest")), errors.Rejected),
    ],
)
def test_what_another_attempt_does_not_help_against_ends_it(served, desk, answer, error):
    _, client = served(Script([listed(version=5)], [answer]))
    told = watch(client, BANK, desk.look(SECONDS, retry=True))
    next(told)
    with pytest.raises(error) as raised:
        next(told)
    assert raised.value.operation == "watch tridentmirrorrelationships"
    assert desk.clock.waits == []


def test_a_cancel_ends_the_wait_at_once(served, desk):  # R31
    _, client = served(Script([listed(version=5)], [streamed([changed(6)], end="silent")]))
    cancel = Cancel()
    told = watch(client, BANK, desk.look(SECONDS, retry=True, cancel=cancel))
    assert versions([next(told), next(told)]) == ["all at 5", "6"]
    later = threading.Timer(0.3, cancel.set)
    later.start()
    with pytest.raises(errors.Interrupted):
        next(told)
    later.join()


def test_closing_the_client_ends_an_open_watch(served, desk):
    _, client = served(Script([listed(version=5)], [streamed([changed(6)], end="silent")]))
    told = watch(client, BANK, desk.look(SECONDS, retry=True))
    assert versions([next(told), next(told)]) == ["all at 5", "6"]
    client.close()
    with pytest.raises(errors.Interrupted):
        next(told)


def test_one_name_and_labels_are_chosen_by_the_server(run):
    script = Script([listed(version=5)], [streamed([changed(6)])])
    run(script, 2, subject=Subject(resource=MIRRORS, namespace="bank", name="ledger-dr", labels="tier=gold"))
    for seen in script.asked:
        assert seen.path == MIRRORS_PATH
        assert "fieldSelector=metadata.name%3Dledger-dr" in seen.target
        assert "labelSelector=tier%3Dgold" in seen.target


def test_an_event_in_pieces_is_one_event(run):
    line = json.dumps(changed(6)).encode() + b"\n"
    script = Script([listed(version=5)], [streamed([line[:10], line[10:50], line[50:] + line])])
    assert versions(run(script, 3)) == ["all at 5", "6", "6"]


def test_open_watches_take_no_slots(served, desk):
    """More watches than requests at once, and room for a request still."""
    script = Script([listed(version=5)], [streamed([changed(6)], end="silent")])
    _, client = served(script)
    open_ones = [watch(client, BANK, desk.look(SECONDS)) for _ in range(9)]
    for told in open_ones:
        assert versions([next(told), next(told)]) == ["all at 5", "6"]
    assert client.list(MIRRORS, desk.look()).version == "5"
    for told in open_ones:
        told.close()


# Against the simulated cluster


def annotate(estate, value):
    return estate.west.patch(f"{MIRRORS_PATH}/ledger-dr", {"metadata": {"annotations": {"v": value}}})


def told_of(told, count):
    return [next(told).seen.metadata["annotations"]["v"] for _ in range(count)]


@pytest.mark.parametrize("how", ["closed", "broken", "expired", "error"])
def test_changes_of_a_cluster_survive_each_end(estate, desk: Desk, how):
    client = desk.west(estate)
    with closing(watch(client, LEDGER, desk.look(SECONDS, retry=True))) as told:
        first = next(told)
        assert [seen.name for seen in first.listing.items] == ["ledger-dr"]
        annotate(estate, "a")
        assert told_of(told, 1) == ["a"]
        estate.control.end_watches("k8s-west", how)
        for value in "bc":
            annotate(estate, value)
        if how == "expired":
            again = next(told)
            assert not again.first
            assert again.listing.items[0].metadata["annotations"]["v"] == "c"
        else:
            assert told_of(told, 2) == ["b", "c"]


def test_what_was_forgotten_meanwhile_is_looked_at_anew(estate, desk):
    client = desk.west(estate)
    with closing(watch(client, LEDGER, desk.look(SECONDS, retry=True))) as told:
        next(told)
        annotate(estate, "a")
        assert told_of(told, 1) == ["a"]
        estate.control.end_watches("k8s-west", "closed")
        annotate(estate, "b")
        estate.control.compact("k8s-west")
        again = next(told)
        assert isinstance(again, Snapshot)
        assert again.listing.items[0].metadata["annotations"]["v"] == "b"


def test_a_token_that_is_rotated_and_expires_under_a_watch(estate, desk):
    client = desk.west(estate)
    with closing(watch(client, LEDGER, desk.look(SECONDS, retry=True))) as told:
        next(told)
        annotate(estate, "a")
        assert told_of(told, 1) == ["a"]
        estate.control.expire_token("k8s-west")
        estate.west.token(estate.control.rotate_token("k8s-west"))
        estate.control.end_watches("k8s-west", "broken")
        annotate(estate, "b")
        assert told_of(told, 1) == ["b"]
    assert desk.clock.waits == []


def test_the_step_in_between_of_a_promotion_is_seen(estate, desk):
    client = desk.west(estate)
    with closing(watch(client, LEDGER, desk.look(SECONDS, retry=True))) as told:
        was = next(told).listing.items[0]
        client.patch(was, {"spec": {"state": "promoted"}}, desk.look())
        estate.control.advance(120)
        states: list[str] = []
        while "promoted" not in states:
            state = next(told).seen.status["conditions"][0]["state"]
            states += [state] if state not in states else []
    assert states[-2:] == ["promoting", "promoted"]
