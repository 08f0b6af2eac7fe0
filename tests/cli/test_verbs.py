"""The changing verbs from the outside: exit codes, JSON, what is asked, what is told and where."""

from __future__ import annotations

import json
import os
import signal
from typing import Any

import pytest
from cli import stage
from cli.conftest import Runner

from replctl.core.errors import Locked, StoreRefused
from replctl.core.model import Holder
from replctl.core.outcomes import Outcome

OPERATION_KEYS = {
    "operation_id", "correlation_id", "namespace", "name", "backend", "outcome", "exit_code", "from_state",
    "to_state", "started", "finished", "who", "reason", "group", "acknowledged", "steps", "data_loss", "refusal",
    "conflict", "error", "drill", "left_to_do",
}  # fmt: skip


def document(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed


def test_a_promotion_is_carried_out_and_told(run: Runner) -> None:
    ran = run("promote", "bank/ledger", "-y")
    assert ran.code == 0
    assert "bank/ledger: promote: source on west (was replica), 31s" in ran.out
    assert "failover   east  succeeded  12s" in ran.out
    assert ran.err == "bank/ledger: step 1 of 2 on east: east hands over\n"
    assert [intent.replication.key for intent in run.world.carried] == ["bank/ledger"]


def test_json_is_one_document_with_the_documented_keys(run: Runner) -> None:
    ran = run("promote", "ledger", "-y", "-o", "json", "-q")
    told = document(ran.out)
    assert set(told) == {"schema_version", "command", "outcome", "exit_code", "operations"}
    assert (told["schema_version"], told["command"], told["outcome"], told["exit_code"]) == (
        1,
        "promote",
        "succeeded",
        0,
    )
    [operation] = told["operations"]
    assert set(operation) == OPERATION_KEYS
    assert operation["started"] == "2031-02-03T01:00:00Z"
    assert set(operation["steps"][0]) == {"name", "backend", "outcome", "started", "finished"}
    assert ran.err == ""


def test_a_refusal_shows_guard_evidence_loss_and_the_next_command(run: Runner) -> None:
    run.world.answers["bank/ledger"] = stage.REFUSAL
    ran = run("promote", "bank/ledger", "-y")
    assert ran.code == 6
    assert ran.out == ""
    for words in (
        "peer-not-demoted",
        "data-loss",
        "at least 12s, at most 47s",
        "read 1s ago",
        stage.REFUSAL.next,
    ):
        assert words in ran.err
    assert run.world.carried == []


def test_a_refusal_in_json_carries_the_same(run: Runner) -> None:
    run.world.answers["bank/ledger"] = stage.REFUSAL
    ran = run("promote", "bank/ledger", "-y", "-o", "json")
    [operation] = document(ran.out)["operations"]
    assert operation["exit_code"] == ran.code == 6
    assert [guard["name"] for guard in operation["refusal"]["guards"]] == ["peer-not-demoted", "data-loss"]
    assert operation["refusal"]["next"] == stage.REFUSAL.next
    assert operation["data_loss"]["point"] == "2031-02-03T00:59:13Z"
    assert operation["data_loss"]["at_most_seconds"] == 47.0


def test_the_next_command_keeps_the_configuration_that_was_given(run: Runner) -> None:
    run.world.answers["bank/ledger"] = stage.REFUSAL
    ran = run("promote", "bank/ledger", "--config", "/tmp/a b.yaml")
    assert f"{stage.REFUSAL.next} --config '/tmp/a b.yaml'" in ran.err


def test_off_a_terminal_a_change_needs_y(run: Runner) -> None:
    ran = run("promote", "bank/ledger", "-o", "json")
    assert ran.code == 6
    [operation] = document(ran.out)["operations"]
    assert [guard["name"] for guard in operation["refusal"]["guards"]] == ["confirmation"]
    assert operation["refusal"]["next"] == "replctl promote bank/ledger -o json -y"
    assert run.world.carried == []


def test_on_a_terminal_the_plan_is_shown_and_a_yes_is_asked(run: Runner) -> None:
    refused = run("promote", "bank/ledger", terminal=True, typed="n\n")
    assert refused.code == 6
    assert run.world.carried == []
    done = run("promote", "bank/ledger", terminal=True, typed="y\n")
    assert done.code == 0
    assert "Go on? [y/N]" in done.err
    assert "hands the source role over" in done.err


def test_an_unplanned_promotion_wants_the_name_typed(run: Runner) -> None:
    run.world.answers["bank/ledger"] = stage.TAKEOVER
    assert run("promote", "bank/ledger", terminal=True, typed="y\n").code == 6
    ran = run("promote", "bank/ledger", terminal=True, typed="bank/ledger\n")
    assert ran.code == 0
    assert "what is lost" in ran.err


def test_no_input_asks_nothing_on_a_terminal(run: Runner) -> None:
    ran = run("promote", "bank/ledger", "--no-input", terminal=True, typed="y\n")
    assert ran.code == 6
    assert "Go on?" not in ran.err


def test_several_are_judged_whole_before_the_first_write(run: Runner) -> None:
    run.world.replications = [stage.replication("bank/ledger"), stage.replication("bank/audit")]
    run.world.answers["bank/audit"] = stage.REFUSAL
    ran = run("promote", "bank/ledger", "bank/audit", "-y", "-o", "json")
    assert ran.code == 6
    assert run.world.carried == []
    assert [each["outcome"] for each in document(ran.out)["operations"]] == ["planned", "refused"]
    going = run("promote", "bank/ledger", "bank/audit", "-y", "-o", "json", "--keep-going")
    assert going.code == 3
    assert [each["outcome"] for each in document(going.out)["operations"]] == ["succeeded", "refused"]


def test_a_dry_run_carries_nothing_out(run: Runner) -> None:
    ran = run("promote", "bank/ledger", "--dry-run")
    assert ran.code == 0
    assert "replica → source" in ran.out
    assert run.world.carried == []


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.UNKNOWN, 9),
        (Outcome.IN_PROGRESS, 8),
        (Outcome.PARTIAL, 3),
        (Outcome.FAILED, 1),
        (Outcome.CONFLICT, 7),
    ],
)
def test_the_outcome_is_the_exit_code(run: Runner, outcome: Outcome, code: int) -> None:
    run.world.ends["bank/ledger"] = outcome
    ran = run("promote", "bank/ledger", "-y", "-o", "json")
    assert ran.code == code
    assert document(ran.out)["outcome"] == outcome.value


def test_what_the_engine_raises_becomes_the_result_of_its_replication(run: Runner) -> None:
    holder = Holder(
        who=stage.WHO, since=run.clock.now() - 60, command="replctl demote bank/ledger", operation_id="op-7"
    )
    run.world.answers["bank/ledger"] = Locked("bank/ledger", holder)
    ran = run("promote", "bank/ledger", "-y", "-o", "json")
    assert ran.code == 7
    assert document(ran.out)["operations"][0]["conflict"]["holder"]["operation_id"] == "op-7"
    run.world.answers["bank/ledger"] = StoreRefused("the store is read-only", remedy="join the group replctl")
    assert run("promote", "bank/ledger", "-y").code == 4


def test_a_mistake_of_ours_after_the_begin_leaves_the_outcome_unknown(run: Runner, tmp_path: Any) -> None:
    run.environ["REPLCTL_STATE_DIR"] = str(tmp_path)
    run.world.ends["bank/ledger"] = ZeroDivisionError("division by zero")
    ran = run("promote", "bank/ledger", "-y")
    assert ran.code == 9
    [report] = tmp_path.glob("report-*.txt")
    assert report.stat().st_mode & 0o777 == 0o600
    assert "division by zero" in report.read_text()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_waiting_and_the_operation_goes_on(
    run: Runner, number: signal.Signals, code: int
) -> None:
    run.world.ends["bank/ledger"] = Outcome.INTERRUPTED
    run.world.during = lambda: os.kill(os.getpid(), number)
    ran = run("promote", "bank/ledger", "-y")
    assert ran.code == code
    assert run.world.requests[0].cancel is not None
    assert run.world.requests[0].cancel.is_set
    assert "goes on" in ran.err
    assert "replctl op wait op-ledger" in ran.err
