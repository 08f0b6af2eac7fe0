"""Secrets do not print, pickle or serialize, and are found in texts in whatever spelling they travel."""

from __future__ import annotations

import base64
import copy
import json
import pickle
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.core.secrets import MASK, MOST_PASSING, Passing, Secret, Secrets

WORD = 'hunter2 "quoted"/ü'


@dataclass(frozen=True)
class Credentials:
    username: str
    password: Secret


@pytest.mark.parametrize(
    "printed",
    [
        repr(Secret(WORD)),
        str(Secret(WORD)),
        f"{Secret(WORD)}",
        f"{Secret(WORD)!r:>30}",
        f"{Secret(WORD):>30}",
        "%s %r" % (Secret(WORD), Secret(WORD)),  # noqa: UP031 - the old way of printing counts too
        str(Credentials("replctl", Secret(WORD))),
        str(asdict(Credentials("replctl", Secret(WORD)))),
        str([Secret(WORD)]),
    ],
)
def test_printed_it_is_stars(printed: str) -> None:
    assert "hunter2" not in printed
    assert MASK in printed


def test_it_tells_nothing_of_its_length() -> None:
    assert repr(Secret("a")) == repr(Secret("a" * 100))


def test_it_is_revealed_only_when_asked() -> None:
    assert Secret(WORD).reveal() == WORD
    assert bool(Secret(WORD))
    assert not Secret("")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_does_not_pickle(protocol: int) -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret(WORD), protocol)


def test_it_does_not_serialize() -> None:
    with pytest.raises(TypeError):
        json.dumps({"password": Secret(WORD)})
    assert not hasattr(Secret(WORD), "__dict__")


def test_it_does_not_show_in_a_traceback() -> None:
    try:
        raise ValueError(Secret(WORD))
    except ValueError:
        assert "hunter2" not in traceback.format_exc()


def test_equal_values_are_equal_and_copies_are_themselves() -> None:
    secret = Secret(WORD)
    assert secret == Secret(WORD)
    assert hash(secret) == hash(Secret(WORD))
    assert secret != Secret("other")
    assert secret != WORD
    assert copy.copy(secret) is copy.deepcopy(secret) is secret


@pytest.mark.parametrize(
    "travels_as",
    [
        WORD,
        quote(WORD, safe=""),
        quote(WORD),
        WORD.replace(" ", "+").replace('"', "%22").replace("/", "%2F").replace("ü", "%C3%BC"),
        json.dumps(WORD)[1:-1],
        json.dumps(WORD, ensure_ascii=False)[1:-1],
        repr(WORD)[1:-1],
        base64.b64encode(f"replctl:{WORD}".encode()).decode(),
    ],
)
def test_it_is_found_as_it_travels(travels_as: str) -> None:
    secrets = Secrets()
    secrets.add(Secret(WORD), "replctl")
    assert secrets.redact(f"before {travels_as} after {travels_as}") == f"before {MASK} after {MASK}"


def test_one_value_inside_another_leaves_no_rest() -> None:
    secrets = Secrets()
    secrets.add("hunter2")
    secrets.add("hunter2-and-more")
    assert secrets.redact("it is hunter2-and-more") == f"it is {MASK}"


def test_of_those_that_pass_the_last_ones_are_known() -> None:
    """A session's token changes for months; what is searched for in every line of a log may not grow with it."""
    secrets = Secrets()
    secrets.add(Secret("lasting-password"), "replctl")
    for number in range(3 * MOST_PASSING):
        secrets.add(Passing(f"token-{number:04}"))
        secrets.add(Passing("lasting-password"))  # the same value, also as a token
    assert secrets.redact("lasting-password") == MASK
    newest = range(3 * MOST_PASSING - MOST_PASSING, 3 * MOST_PASSING)
    assert not any("token" in secrets.redact(f"token-{number:04}") for number in newest)
    assert secrets.redact("token-0000") == "token-0000"
    assert len(secrets._spellings) < 3 * MOST_PASSING


def test_a_key_is_found_by_each_of_its_lines() -> None:
    secrets = Secrets()
    secrets.add(
        "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nAgEGCCqGSM49AwEHBG0w\nIg==\n-----END PRIVATE KEY-----"
    )
    told = secrets.redact("-----BEGIN PRIVATE KEY----- AgEGCCqGSM49AwEHBG0w Ig==")
    assert told == f"-----BEGIN PRIVATE KEY----- {MASK} Ig=="


def test_none_is_lost_where_many_add_at_once() -> None:
    secrets = Secrets()
    words = [f"word-{number:03}-of-many" for number in range(200)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(secrets.add, words))
    assert not any("word" in secrets.redact(each) for each in words)


@pytest.mark.parametrize("short", ["", "a", "abc"])
def test_values_too_short_to_be_told_apart_are_left(short: str) -> None:
    secrets = Secrets()
    secrets.add(short)
    assert secrets.redact("a name, an abc, an answer") == "a name, an abc, an answer"


@settings(deadline=None)  # a busy machine proves nothing
@given(st.text(min_size=4), st.text(), st.text())
def test_no_known_value_is_left_in_any_text(value: str, before: str, after: str) -> None:
    secrets = Secrets()
    if not value.isascii() or "*" in value:
        value = "plain-value"
    secrets.add(value)
    assert value not in secrets.redact(before + value + after)
