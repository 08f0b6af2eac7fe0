"""Changes over real sockets: what is sent, to whom, how often, and what jobs say of it."""

from __future__ import annotations

import pytest
from arrays import LEDGER, LEDGER_EAST, NAME, Arrays, group, session, volume

from replctl.core.errors import InvalidInput, NeverSent, NotFound, OutcomeUnknown, Rejected
from replctl.core.model import Observation, Pair, Side, State
from replctl.core.plans import Course, Followed, Receipt
from replctl.drivers.powerstore.actions import ALREADY_FAILED_OVER

PLANNED = {"is_planned": True, "reverse": False}
UNPLANNED = {"is_planned": False, "force": False}


def pair(arrays: Arrays) -> Pair:
    return Pair(arrays.see(LEDGER), arrays.see(LEDGER_EAST))


def test_a_whole_switch_by_the_recipe(arrays: Arrays) -> None:
    """The recipe's steps, sent as they are, lead to where it says; each is a job that ends well."""
    steps = arrays.driver().recipe.steps(Course.SWITCH, Side.LOCAL, pair(arrays), {})
    for step in steps:
        assert step.begins.met_by(pair(arrays))
        end = LEDGER if step.side is Side.LOCAL else LEDGER_EAST
        driver = arrays.driver(end.backend)
        receipt = driver.act(end, step.action or "", step.arguments, arrays.see(end), arrays.look)
        assert receipt.job is not None
        assert not driver.follow(receipt, arrays.look).ended
        arrays.control.advance(120)
        assert driver.follow(receipt, arrays.look) == Followed(ended=True)
        assert step.goal.met_by(pair(arrays))
    truth = arrays.control.truth(NAME)
    assert (truth["source"], truth["lost_writes"]) == ("west", 0)
    sent = [
        (change["array"], change["path"].rsplit("/", 1)[1], change["body"]) for change in arrays.changes()
    ]
    assert sent == [("east", "failover", PLANNED), ("west", "reprotect", None)]


def test_a_change_is_asynchronous_and_bears_the_token(arrays: Arrays) -> None:
    arrays.driver("east").act(LEDGER_EAST, "failover", PLANNED, arrays.see(LEDGER_EAST), arrays.look)
    (change,) = arrays.changes()
    assert (change["query"], change["status"]) == ("is_async=true", 202)
    assert change["path"].split("/")[4] == arrays.control.truth(NAME)["session_id"]["east"]


def test_a_takeover_on_the_surviving_array(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    arrays.control.kill("east")
    arrays.driver().act(LEDGER, "failover", UNPLANNED, seen, arrays.look)
    arrays.control.advance(60)
    assert arrays.see(LEDGER).state is State.SOURCE


def test_a_refusal_of_the_array_is_rejected_with_its_code(arrays: Arrays) -> None:
    driver, source = arrays.driver("east"), arrays.see(LEDGER_EAST)
    driver.act(LEDGER_EAST, "failover", PLANNED, source, arrays.look)
    arrays.control.advance(120)
    receipt = arrays.driver().act(LEDGER, "failover", UNPLANNED, arrays.see(LEDGER), arrays.look)
    arrays.control.advance(5)
    followed = arrays.driver().follow(receipt, arrays.look)
    assert followed.ended
    assert followed.failure
    assert followed.vendor_code == ALREADY_FAILED_OVER


def test_what_is_refused_at_once_raises(arrays: Arrays) -> None:
    arrays.control.fault("west", "status", method="POST", path="failover", status=422)
    with pytest.raises(Rejected) as caught:
        arrays.driver().act(LEDGER, "failover", UNPLANNED, arrays.see(LEDGER), arrays.look)
    error = caught.value
    assert (error.backend, error.operation, error.status) == ("west", "failover", 422)  # R75


@pytest.mark.parametrize(
    ("fault", "happened"),
    [
        ({"kind": "reset", "effect": "after"}, True),
        ({"kind": "status", "status": 503, "effect": "after"}, True),
        ({"kind": "status", "status": 500, "effect": "before"}, False),
        ({"kind": "html", "effect": "after"}, True),
    ],
)
def test_a_lost_answer_is_unknown_and_never_sent_again(
    arrays: Arrays, fault: dict[str, object], happened: bool
) -> None:
    seen = arrays.see(LEDGER)
    arrays.control.fault("west", method="POST", path="failover", times=1, **fault)
    with pytest.raises(OutcomeUnknown):
        arrays.driver().act(LEDGER, "failover", UNPLANNED, seen, arrays.look)
    arrays.control.advance(60)
    assert len(arrays.changes()) == 1
    assert (arrays.see(LEDGER).state is State.SOURCE) is happened


def test_what_never_left_says_so(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    arrays.control.kill("west")
    with pytest.raises(NeverSent):
        arrays.driver().act(LEDGER, "failover", UNPLANNED, seen, arrays.look)
    assert arrays.changes() == []


def test_the_look_before_a_change_may_fail_and_then_nothing_was_sent(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    arrays.control.advance(10)
    arrays.control.fault("west", "status", method="GET", path="/volume_group/", status=500, times=9)
    with pytest.raises(NeverSent, match="nothing was sent"):
        arrays.driver().act(LEDGER, "failover", UNPLANNED, seen, arrays.look)
    assert arrays.changes() == []


def test_a_thing_that_was_renamed_since_is_not_touched(arrays: Arrays) -> None:
    end = volume("web-events")
    seen = arrays.see(end)
    arrays.control.rename_volume("web/events", "old-events", "west")
    arrays.control.rename_volume("web/catalog", "web-events", "west")
    arrays.control.advance(10)
    with pytest.raises(NotFound, match="web-events is now called old-events"):
        arrays.driver().act(end, "failover", UNPLANNED, seen, arrays.look)
    assert arrays.changes() == []
    again = arrays.see(end)
    assert again.resource not in (None, seen.resource)


def test_an_end_named_by_id_or_session_needs_no_name(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    assert seen.resource is not None
    assert seen.identity is not None
    for end in (group(seen.resource), session(seen.identity)):
        arrays.see(end)
        arrays.control.advance(10)
        arrays.driver().act(end, "pause", {}, arrays.see(end), arrays.look)
        arrays.control.advance(60)
        arrays.driver().act(end, "resume", {}, arrays.see(end), arrays.look)
        arrays.control.advance(60)
    assert [change["path"].rsplit("/", 1)[1] for change in arrays.changes()] == ["pause", "resume"] * 2


def test_nothing_is_sent_to_an_end_without_a_session(arrays: Arrays) -> None:
    nothing = Observation(backend="west", observed_at=0.0, state=State.NONE)
    with pytest.raises(NotFound):
        arrays.driver().act(volume("scratch-1"), "failover", UNPLANNED, nothing, arrays.look)
    with pytest.raises(InvalidInput):
        arrays.driver().act(LEDGER, "failover", {}, arrays.see(LEDGER), arrays.look)
    assert arrays.changes() == []


def test_a_job_that_is_gone_says_nothing(arrays: Arrays) -> None:
    driver = arrays.driver()
    assert driver.follow(Receipt("00000000-0000-4000-8000-000000000000"), arrays.look) == Followed(ended=True)
    assert driver.follow(Receipt(None), arrays.look) == Followed(ended=True)


def test_an_array_that_answers_204_gives_no_job(arrays: Arrays) -> None:
    arrays.control.fault("west", "status", method="POST", path="pause", status=204)
    assert arrays.driver().act(LEDGER, "pause", {}, arrays.see(LEDGER), arrays.look) == Receipt(None)


def test_an_expired_session_replays_the_change_once(arrays: Arrays) -> None:
    seen = arrays.see(LEDGER)
    for reply in ("401", "403", "302"):
        arrays.control.expire_logins("west", reply)
        arrays.driver().act(LEDGER, "pause", {}, seen, arrays.look)
        arrays.control.advance(60)
        arrays.driver().act(LEDGER, "resume", {}, seen, arrays.look)
        arrays.control.advance(60)
    assert sum(change["effect"] for change in arrays.changes()) == 6
