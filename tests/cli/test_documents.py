"""Documents: every one fits its shipped schema, whatever is in it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from cli import stage
from cli.test_manual import LEAVES
from cli.test_screens import DARK, MOVE, SPLIT, explanation, record, report
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import ValidationError
from papers import ANSWERS, fits, judge, validator

from replctl.cli import documents, schemas, screens
from replctl.cli.documents import FIRST_MOMENT, LAST_MOMENT, rfc3339
from replctl.cli.lines import plain
from replctl.core.breaker import BreakerState
from replctl.core.durations import parse_time
from replctl.core.journal import ChainFault
from replctl.core.model import Hold, Holder, Intent, State, StateNote, Verb
from replctl.core.outcomes import CODES, Outcome, of_several
from replctl.core.results import Failure, OperationResult
from replctl.core.waiting import DaemonWord, Waiting

PROMOTE = Intent(verb=Verb.PROMOTE, replication=stage.replication())
HOLDER = Holder(who=stage.WHO, since=stage.START, command="replctl demote bank/ledger", operation_id="op-6")
FAILURE = Failure(code="rejected", message="the array said no", remedy="", retry_at=stage.START)


results = st.builds(
    stage.result,
    st.just(PROMOTE),
    st.sampled_from(Outcome),
    operation_id=st.none() | st.text(),
    from_state=st.none() | st.sampled_from(State),
    to_state=st.none() | st.sampled_from(State),
    started=st.none() | st.floats(0, 4e9),
    reason=st.none() | st.text(),
    steps=st.sampled_from([(), stage.STEPS]),
    data_loss=st.sampled_from([None, stage.LOSS, replace(stage.LOSS, point=None, at_most_seconds=None)]),
    refusal=st.sampled_from([None, stage.REFUSAL]),
    holder=st.sampled_from([None, HOLDER]),
    failure=st.sampled_from([None, FAILURE]),
    plan=st.sampled_from([None, stage.SWITCH]),
    pair=st.just(stage.PAIR),
)


@settings(deadline=None)  # a busy machine proves nothing
@given(st.lists(results, max_size=4))
def test_every_action_fits_its_schema(done: list[OperationResult]) -> None:
    code = of_several(each.outcome for each in done)
    document = documents.action("promote", done, code)
    fits("action", document)
    assert [each["exit_code"] for each in document["operations"]] == [CODES[each.outcome] for each in done]


@settings(deadline=None)  # a busy machine proves nothing
@given(results, st.sampled_from([None, 20, 80, 120]))
def test_every_result_has_a_screen_that_names_it(done: OperationResult, width: int | None) -> None:
    assert "bank/ledger" in plain(screens.result(done, stage.START, width))
    assert "bank/ledger" in plain([screens.brief(done)])


def test_a_failure_fits_the_schema_of_an_action() -> None:
    fits("action", documents.failure("status", Outcome.INVALID, 2, FAILURE))


def test_the_common_outcome_is_that_of_all() -> None:
    same = [stage.result(PROMOTE, Outcome.UNCHANGED)] * 2
    assert documents.action("promote", same, 0)["outcome"] is Outcome.UNCHANGED
    mixed = [stage.result(PROMOTE, Outcome.UNCHANGED), stage.result(PROMOTE, Outcome.SUCCEEDED)]
    assert documents.action("promote", mixed, 0)["outcome"] is Outcome.SUCCEEDED
    torn = [stage.result(PROMOTE, Outcome.FAILED), stage.result(PROMOTE, Outcome.SUCCEEDED)]
    assert documents.action("promote", torn, 3)["outcome"] is Outcome.PARTIAL


def test_a_plan_that_was_only_shown_lists_its_steps() -> None:
    planned = stage.result(PROMOTE, Outcome.PLANNED, plan=stage.SWITCH, pair=stage.PAIR)
    steps = documents.operation(planned)["steps"]
    assert [(each["name"], each["backend"], each["outcome"]) for each in steps] == [
        ("failover", "east", None),
        ("reprotect", "west", None),
    ]


def test_status_has_the_documented_keys() -> None:
    hold = Hold(owner="ann", reason="maintenance", since=stage.START)
    absent = stage.line_of(stage.replication(), state=None, hold=hold)
    absent = replace(absent, local=replace(absent.local, state=None, state_note=StateNote.ABSENT))
    document = documents.status(report(DARK, SPLIT, absent))
    fits("status", document)
    assert set(document["replications"][0]) == {
        "namespace", "name", "group", "desired_state", "state", "mode", "health", "message", "in_sync",
        "last_consistent_point", "rpo_seconds", "hold", "drill", "last_drill", "operation", "waiting", "local",
        "peer",
    }  # fmt: skip
    assert (document["daemon"], document["replications"][0]["waiting"]) == (None, None)
    assert set(document["replications"][0]["local"]) == {
        "backend", "state", "state_note", "reachable", "unverified", "observed_at", "as_of", "vendor",
    }  # fmt: skip
    assert document["replications"][2]["state"] is None
    assert document["replications"][2]["local"]["state_note"] == "absent"


def test_the_other_documents_fit_too() -> None:
    fits("explanation", documents.explanation(explanation(), stage.START))
    fits("history", documents.history([MOVE, replace(MOVE, origin=State.NONE)]))
    fault = ChainFault(replication="bank/ledger", sequence=None, fault="torn")
    fits("verification", documents.verification([fault], {"bank/ledger": "much"}))
    fits("operations", documents.operations([record(None), record(Outcome.FAILED, error_code="rejected")]))
    fits("breakers", documents.breakers([("east", "read", BreakerState())]))
    fits("configuration", documents.configuration([("a.b", None, "default"), ("c", 1.5, "file:3")]))
    fits("path", documents.path("/etc/replctl/config.yaml"))


@pytest.mark.parametrize("name", sorted(schemas.DOCUMENTS))
def test_a_schema_refuses_what_it_does_not_know(name: str) -> None:
    assert not validator(name).is_valid({"schema_version": 1, "surprise": True})
    assert not validator(name).is_valid({})


# Commands whose documents are actions; and those that print something else than documents.
ACTIONS = {
    *(verb.value for verb in Verb),
    *("plan", "apply", "hold", "release", "op wait", "op resume", "op abandon"),
}
NO_DOCUMENT = {
    *("completion", "daemon", "demo", "systemd show", "systemd install"),
    *("monitoring alerts", "monitoring dashboard"),
}


def test_every_command_has_its_schema_and_every_schema_its_command() -> None:
    answer = {words.partition(" --")[0] for words in ANSWERS}
    assert answer | ACTIONS | NO_DOCUMENT == set(LEAVES)
    assert {*ANSWERS.values(), "action", "saved-plan"} == schemas.DOCUMENTS.keys()


@pytest.mark.parametrize(
    "words", [("status",), ("history", "--verify"), ("op", "list"), ("status", "--watch")]
)
def test_a_document_that_does_not_fit_is_noticed(words: tuple[str, ...]) -> None:
    asked = (*words, "-o", "jsonl" if "--watch" in words else "json")
    judge(asked, json.dumps(documents.failure(words[0], Outcome.INVALID, 2, FAILURE)))
    for wrong in ({"schema_version": 1}, {"command": "status", "outcome": "lost"}):
        with pytest.raises(ValidationError):
            judge(asked, json.dumps(wrong))
    with pytest.raises(json.JSONDecodeError):
        judge(asked, "nothing of the kind")


@settings(deadline=None)  # a busy machine proves nothing
@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_time_is_cut_towards_the_past_and_stays_in_the_calendar(at: float) -> None:
    told = parse_time(rfc3339(at))
    clamped = min(max(at, FIRST_MOMENT), LAST_MOMENT)
    assert clamped - 0.002 <= told <= clamped + 1e-3


def test_a_time_has_milliseconds_only_when_it_needs_them() -> None:
    assert rfc3339(1_927_846_800.0) == "2031-02-03T01:00:00Z"
    assert rfc3339(1_927_846_800.1239) == "2031-02-03T01:00:00.123Z"


def test_status_tells_what_the_daemon_waits_for() -> None:
    since, looked = stage.START - 7200, stage.START - 3600
    waits = Waiting(why="unadopted", next="replctl promote bank/ledger", since=since)
    word = DaemonWord(looked_at=looked, every_seconds=30.0, said="saw 1", trouble="line 3: no", since=looked)
    line = replace(stage.line_of(stage.replication()), waiting=waits)
    document = documents.status(replace(report(line), daemon=word))
    fits("status", document)
    assert document["daemon"] == {
        "looked_at": documents.rfc3339(looked), "late": True, "said": "saw 1", "trouble": "line 3: no",
        "next": None, "since": documents.rfc3339(looked),
    }  # fmt: skip
    assert document["replications"][0]["waiting"] == {
        "why": "unadopted", "next": "replctl promote bank/ledger", "since": documents.rfc3339(since),
    }  # fmt: skip
