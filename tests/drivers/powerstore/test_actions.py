"""Bodies of actions and what jobs say (CP §3, §5, §7)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.errors import InvalidInput
from replctl.core.plans import Followed
from replctl.drivers.powerstore.actions import ALREADY_FAILED_OVER, followed, job_id, order


def test_a_failover_always_says_whether_it_is_planned() -> None:
    assert order("failover", {"is_planned": True, "reverse": False}).body == {
        "is_planned": True,
        "reverse": False,
    }
    assert order("failover", {"is_planned": False, "force": True}).body == {
        "is_planned": False,
        "force": True,
    }
    for arguments in ({}, {"is_planned": None}, {"is_planned": 1}, {"force": True}):
        with pytest.raises(InvalidInput, match="planned"):
            order("failover", arguments)


def test_what_is_none_is_not_sent() -> None:
    body = order("failover", {"is_planned": False, "failover_snapshot_id": None}).body
    assert body == {"is_planned": False}


@pytest.mark.parametrize(
    ("action", "word"),
    [
        ("reprotect", "reprotect"),
        ("sync", "sync"),
        ("pause", "pause"),
        ("resume", "resume"),
        ("start_test", "start_failover_test"),
        ("stop_test", "stop_failover_test"),
    ],
)
def test_actions_without_a_body(action: str, word: str) -> None:
    assert (order(action, {}).word, order(action, {}).body) == (word, None)


def test_what_the_array_does_not_have_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidInput, match="no action explode"):
        order("explode", {})
    with pytest.raises(InvalidInput, match="takes no is_failover_test"):
        order("failover", {"is_planned": False, "is_failover_test": True})


FAILED = {
    "phase": "Failed",
    "response_status": "422",
    "response_body": {
        "messages": [
            {"code": ALREADY_FAILED_OVER, "severity": "Error", "message_l10n": "Already failed over."}
        ]
    },
}


@pytest.mark.parametrize("phase", ["Pending", "Queued", "In_Progress", "Failing", "Levitating", None])
def test_a_job_that_goes_on(phase: str | None) -> None:
    assert followed({"phase": phase}) == Followed(ended=False)


@pytest.mark.parametrize("phase", [["Failed"], {"Completed": 1}, 7, True])
def test_a_phase_that_is_no_word_ends_nothing(phase):
    assert followed({"phase": phase}) == Followed(ended=False)


def test_a_job_that_ended_well() -> None:
    assert followed({"phase": "Completed", "response_status": "204"}) == Followed(ended=True)
    assert followed({"phase": "Completed"}) == Followed(ended=True)
    assert followed({"state": "COMPLETED"}) == Followed(ended=True)


def test_a_job_that_failed_says_why() -> None:
    assert followed(FAILED) == Followed(
        ended=True, failure="Already failed over.", vendor_code=ALREADY_FAILED_OVER
    )
    assert followed({**FAILED, "phase": "Completed"}).failure == "Already failed over."
    assert followed({"state": "FAILED"}).failure == "the array's job ended: FAILED"
    assert followed({"phase": "Skipped"}).failure == "the array's job ended: Skipped"


def test_messages_may_be_a_string() -> None:
    text = '[{"code": "0xE04040020002", "message_l10n": "Invalid instance"}]'
    for body in ({"messages": text}, f'{{"messages": {text}}}'):
        said = followed({"phase": "Failed", "response_body": body})
        assert (said.failure, said.vendor_code) == ("Invalid instance", "0xE04040020002")


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(body=json_like)
def test_no_body_crashes_it(body: object) -> None:
    assert job_id(body) is None or isinstance(job_id(body), str)
    assert followed({"phase": "Failed", "response_body": body, "response_status": body}).failure


def test_a_foreign_text_is_cut_and_cleaned() -> None:
    body = {"messages": [{"message_l10n": "\x1b[31m" + "x" * 1000}]}
    failure = followed({"phase": "Failed", "response_body": body}).failure or ""
    assert "\x1b" not in failure
    assert len(failure) < 300
