"""What statuses and bodies mean, also those that no API would send."""

from __future__ import annotations

import gzip
import itertools
import json
from contextlib import suppress
from typing import Any

import httpx
import pytest
from fakes import START, FakeClock
from hypothesis import given, settings
from hypothesis import strategies as st
from sites import (
    Site,
    always,
)
from wire import JSON, Peer, raw, reply

from replctl.core import errors
from replctl.core.events import CallEnded
from replctl.core.retry import CHANGE, READ
from replctl.drivers import answers
from replctl.drivers.answers import Answer, parse
from replctl.drivers.http import Dialect, messages_of

MESSAGES = {
    "messages": [{"code": "0xE0201005000C", "severity": "Error", "message_l10n": "Already failed over."}]
}
UNKNOWN = errors.OutcomeUnknown
STATUSES = [
    (reply(400, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(401, MESSAGES), errors.Unauthorized, errors.Unauthorized),
    (reply(403, MESSAGES), errors.Forbidden, errors.Forbidden),
    (reply(404, MESSAGES), errors.NotFound, errors.NotFound),
    (raw(404, b""), errors.NotFound, errors.NotFound),
    (reply(405, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(408, MESSAGES), errors.TimedOut, UNKNOWN),
    (reply(409, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(416, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(422, MESSAGES), errors.Rejected, errors.Rejected),
    (reply(429, MESSAGES), errors.Busy, UNKNOWN),
    (reply(429, MESSAGES, retry_after="3"), errors.Busy, UNKNOWN),
    (reply(500, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(502, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(503, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(503, MESSAGES, retry_after="3"), errors.Busy, UNKNOWN),
    (reply(504, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (reply(599, MESSAGES), errors.BackendUnwell, UNKNOWN),
    (raw(301, b"", {"Location": "https://elsewhere.example/"}), errors.UnreadableAnswer, UNKNOWN),
    (raw(302, b"", {"Location": "/"}), errors.UnreadableAnswer, UNKNOWN),
    (raw(304, b""), errors.UnreadableAnswer, UNKNOWN),
    (reply(700, MESSAGES), errors.BackendUnwell, UNKNOWN),
]


@pytest.mark.parametrize(("answer", "error", "of_change"), STATUSES, ids=lambda value: str(value)[:14])
def test_what_a_status_means(site: Site, answer: bytes, error: Any, of_change: Any) -> None:  # R27, R75
    server, caller = site.pair(always(answer), clock=FakeClock())
    raised = caller.fails(READ, error)
    assert str(raised).startswith("west: thing list: it answered ")
    changed = caller.fails(CHANGE, of_change, caller.look(retry=True))
    assert changed.maybe_happened is (of_change is UNKNOWN)
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    "answer", [reply(422, MESSAGES), reply(429), reply(503, retry_after="3"), reply(404)]
)
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_backend_that_answers_no_is_well(site: Site, answer: bytes, kind: str) -> None:  # R33
    _, caller = site.pair(always(answer), clock=FakeClock())
    for _ in range(6):
        with pytest.raises(errors.ReplctlError):
            caller.send(kind)
    assert caller.failures(kind) == 0


@pytest.mark.parametrize("answer", [reply(500), reply(503), reply(408), raw(200, b"<html>")])
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_a_backend_that_answers_badly_is_unwell(site: Site, answer: bytes, kind: str) -> None:  # R33
    server, caller = site.pair(always(answer), clock=FakeClock())
    for _ in range(5):
        with pytest.raises(errors.ReplctlError):
            caller.send(kind)
    caller.fails(kind, errors.BreakerOpen)
    assert len(server.requests) == 5
    assert caller.failures(CHANGE if kind == READ else READ) == 0


def test_a_refusal_carries_the_vendors_code(site: Site) -> None:  # R75
    _, caller = site.pair(always(reply(422, MESSAGES)))
    error = caller.fails(CHANGE, errors.Rejected)
    assert (error.status, error.vendor_code) == (422, "0xE0201005000C")
    assert error.message == "it answered 422 (0xE0201005000C): Already failed over."


def test_a_dialect_may_know_that_nothing_was_done(site: Site) -> None:  # R27
    dialect = Dialect(messages_of, never_executed=lambda answer: answer.headers.get("x-early") == "yes")
    replies = iter([reply(429, retry_after="2", x_early="yes"), raw(204, b"")])
    clock = FakeClock()
    _, caller = site.pair(lambda seen: next(replies), dialect=dialect, clock=clock)
    assert caller.change(look=caller.look(retry=True)).status == 204
    assert clock.waits == [2.0]


def test_patience_is_given_as_asked(site: Site) -> None:
    replies = iter([reply(503, retry_after="7"), reply(200, {"at": "last"})])
    clock = FakeClock()
    _, caller = site.pair(lambda seen: next(replies), clock=clock)
    assert caller.read(look=caller.look(retry=True)).body == {"at": "last"}
    assert clock.waits == [7.0]


def test_patience_beyond_the_deadline_fails_now_and_says_when(site: Site) -> None:
    clock = FakeClock()
    _, caller = site.pair(always(reply(503, retry_after="30")), clock=clock)
    error = caller.fails(READ, errors.Busy, caller.look(10, retry=True))
    assert error.retry_at == START + 30
    assert "patience until 2031-02-03T01:00:30Z" in error.message
    assert clock.waits == []


def test_a_read_is_tried_again_as_the_look_allows(site: Site) -> None:
    clock = FakeClock()
    server, caller = site.pair(always(reply(500)), clock=clock)
    caller.fails(READ, errors.BackendUnwell, caller.look(60, retry=True))
    assert (len(server.requests), clock.waits) == (5, [1, 2, 4, 8])
    assert [event.result for event in caller.said(CallEnded)] == ["backend-unwell"]


DEEP = b"[" * 200_000 + b"]" * 200_000
FOREIGN = [
    pytest.param(raw(200, b"<html>sign in</html>", {"Content-Type": "text/html"}), id="html"),
    pytest.param(raw(200, b'{"a": ', JSON), id="truncated"),
    pytest.param(raw(200, b'{"a": NaN}', JSON), id="not a number"),
    pytest.param(raw(200, b'"\xff\xfe\xfd"', JSON), id="not text"),
    pytest.param(raw(200, DEEP, JSON), id="deep"),
    pytest.param(raw(200, b"9" * 5000, JSON), id="a long number"),
    pytest.param(raw(200, b"\x00\x00", JSON), id="zeros"),
    pytest.param(
        raw(200, gzip.compress(b"x" * (answers.LARGEST_BODY_BYTES + 1)), {"Content-Encoding": "gzip"}),
        id="bomb",
    ),
]


@pytest.mark.parametrize("answer", FOREIGN)
def test_a_foreign_body_is_not_an_answer(site: Site, answer: bytes) -> None:
    _, caller = site.pair(always(answer))
    error = caller.fails(READ, errors.UnreadableAnswer)
    assert len(error.message) < 300
    # the array may have said yes and something in between garbled it
    caller.fails(CHANGE, errors.OutcomeUnknown)


def test_a_read_without_a_body_is_not_an_answer(site: Site) -> None:
    _, caller = site.pair(always(raw(200, b"")))
    assert "without a body" in caller.fails(READ, errors.UnreadableAnswer).message


def test_a_read_may_find_no_content(site: Site) -> None:
    _, caller = site.pair(always(raw(204, b"")))
    assert caller.read().body is None


def test_a_huge_body_is_left_when_it_is_too_much(site: Site) -> None:
    sent = itertools.count()

    def flood(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n")
        with suppress(OSError):
            while True:
                peer.send(b" " * 1024 * 1024)
                next(sent)

    _, caller = site.pair(always(flood))
    caller.fails(READ, errors.UnreadableAnswer)
    assert next(sent) < 80


def test_a_page_that_says_404_is_not_an_absent_thing(site: Site) -> None:
    _, caller = site.pair(always(raw(404, b"<html>nginx</html>", {"Content-Type": "text/html"})))
    caller.fails(READ, errors.UnreadableAnswer)
    assert caller.fails(CHANGE, errors.NotFound).message


@pytest.mark.parametrize("status", [400, 422, 500])
def test_a_foreign_error_body_is_not_repeated(site: Site, status: int) -> None:
    page = b"<html>\x1b[31m" + b"x" * 10_000
    _, caller = site.pair(always(raw(status, page, {"Content-Type": "text/html; evil"})))
    with pytest.raises(errors.ReplctlError) as raised:
        caller.read()
    assert len(str(raised.value)) < 200
    assert "<html>" not in str(raised.value)


def test_a_long_and_dirty_message_is_cut_and_cleaned(site: Site) -> None:
    _, caller = site.pair(
        always(reply(422, {"messages": [{"code": "c" * 99, "message_l10n": "\x1b[2J" * 999}]}))
    )
    message = caller.fails(CHANGE, errors.Rejected).message
    assert len(message) < 300
    assert message.isprintable()


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (MESSAGES, "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES["messages"])}, "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES)}, "0xE0201005000C", "Already failed over."),
        (json.dumps(MESSAGES), "0xE0201005000C", "Already failed over."),
        ({"messages": json.dumps(MESSAGES["messages"][0])}, "0xE0201005000C", "Already failed over."),
        (MESSAGES["messages"], "0xE0201005000C", "Already failed over."),
        ({"messages": "not json"}, None, "not json"),
        ({"messages": '"a string"'}, None, '"a string"'),
        ({"messages": []}, None, ""),
        ({"messages": None}, None, ""),
        ({"messages": [None, 7, {"code": 7, "message_l10n": ["x"]}]}, None, ""),
        ({}, None, ""),
        (None, None, ""),
        (7, None, ""),
        (
            {
                "messages": [
                    {"code": "0x1", "severity": "Info", "message_l10n": "Also."},
                    {"code": "0x2", "severity": "Error", "message_l10n": "This."},
                    {"code": "0x3", "severity": "Error", "message_l10n": "And that."},
                ]
            },
            "0x2",
            "This.; And that.",
        ),
    ],
)
def test_what_an_error_body_says(body: Any, code: str | None, text: str) -> None:
    assert messages_of(body) == (code, text)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)
FIELDS = st.sampled_from(["messages", "code", "severity", "message_l10n", "arguments"])
ERROR_BODIES = st.recursive(
    st.none() | st.text() | st.integers() | st.just("Error"),
    lambda inner: st.lists(inner) | st.dictionaries(FIELDS, inner),
    max_leaves=20,
)


@settings(deadline=None)  # a busy machine proves nothing
@given(ERROR_BODIES | JSON_VALUES)
def test_any_error_body_is_read(body: Any) -> None:
    code, text = messages_of(body)
    assert code is None or isinstance(code, str)
    assert isinstance(text, str)
    assert messages_of({"messages": json.dumps(body)}).text is not None


@settings(deadline=None)  # a busy machine proves nothing
@given(st.binary())
def test_any_bytes_are_read_or_foreign(content: bytes) -> None:
    value, foreign = parse(content)
    assert not foreign or value is None


@settings(deadline=None)  # a busy machine proves nothing
@given(JSON_VALUES)
def test_json_is_read_as_it_is(value: Any) -> None:
    assert parse(json.dumps(value).encode()) == (value, False)


def answered(**headers: str) -> Answer:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Answer(
        status=503,
        headers=httpx.Headers(named),
        body=None,
        elapsed_seconds=0,
        sent_at=START,
        received_at=START,
        cookies={},
    )


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "120"}, 120),
        ({"retry_after": " 0 "}, 0),
        ({"retry_after": "Mon, 03 Feb 2031 01:02:00 GMT"}, 120),
        # their clock is an hour ahead of ours: what counts is the distance
        (
            {"retry_after": "Mon, 03 Feb 2031 02:02:00 GMT", "date": "Mon, 03 Feb 2031 02:00:00 GMT"},
            120,
        ),
        ({"retry_after": "9" * 400}, answers.LONGEST_WAIT_SECONDS),
    ],
)
def test_when_to_come_back(headers: dict[str, str], seconds: float) -> None:
    assert answered(**headers).retry_at == START + seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-5", "1.5", "0x10", "Mon, 99 Feb 2031 01:02:00 GMT", "nan", "1e9"]
)
def test_no_word_on_when_to_come_back(text: str) -> None:
    assert answered(retry_after=text).retry_at is None


@settings(deadline=None)  # a busy machine proves nothing
@given(st.text())
def test_any_date_is_read_or_none(text: str) -> None:
    answer = answered(date=text.encode("ascii", "replace").decode())
    assert answer.date_at is None or isinstance(answer.date_at, float)
    assert answer.retry_at is None


def test_what_may_hold_a_session_is_not_printed() -> None:
    answer = answered(set_cookie="auth=session-1", x_token="token-1")
    assert "session-1" not in repr(answer)
    assert "token-1" not in repr(answer)
