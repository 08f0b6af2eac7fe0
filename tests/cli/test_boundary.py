"""The error boundary: every way to end is a code, a sentence and, when asked for, one document."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli import stage
from cli.conftest import Runner

from replctl.cli.boundary import asked_format, command_name
from replctl.cli.failures import redacted
from replctl.cli.output import Format
from replctl.core.errors import Finding, InvalidConfiguration


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("promote", "bank/ledger", "--frob"), "No such option: --frob"),
        (("promote",), "promote of what?"),
        (("promot", "bank/ledger"), "'promote'"),
        (("status", "--observe-timeout", "30"), "--observe-timeout"),
        (("promote", "bank/ledger", "--accept-data-loss", "much"), "much"),
        (("failover", "bank/ledger", "--to", "north"), "west"),
    ],
)
def test_a_wrong_command_line_is_exit_2_and_one_document(
    run: Runner, argv: tuple[str, ...], words: str
) -> None:
    assert run(*argv).code == 2
    ran = run(*argv, "-o", "json")
    assert ran.code == 2
    told = json.loads(ran.out)
    assert (told["outcome"], told["exit_code"], told["command"]) == ("invalid", 2, argv[0])
    assert words in told["error"]["message"]
    assert words in ran.err


def test_an_unknown_replication_is_exit_5_with_suggestions(run: Runner) -> None:
    ran = run("promote", "bank/legder", "-o", "json")
    assert ran.code == 5
    told = json.loads(ran.out)
    assert told["error"]["code"] == "not-found"
    assert "bank/ledger" in told["error"]["remedy"]


def test_an_ambiguous_name_is_exit_2_with_the_candidates(run: Runner) -> None:
    run.world.replications = [stage.to_be_promoted("bank/ledger"), stage.to_be_promoted("shop/ledger")]
    ran = run("promote", "ledger", "-y")
    assert ran.code == 2
    assert "bank/ledger, shop/ledger" in ran.err
    assert run("promote", "ledger", "-n", "shop", "-y").code == 0
    assert run.world.carried[0].replication.key == "shop/ledger"


def test_every_finding_in_a_file_is_told(run: Runner) -> None:
    findings = [
        Finding("config.yaml:3: backends.west.urll", "urll", "did you mean url?"),
        Finding("config.yaml:9", "x", "y"),
    ]
    run.world.broken = InvalidConfiguration("config.yaml is wrong", findings=findings)
    ran = run("status")
    assert ran.code == 2
    assert "config.yaml:3: backends.west.urll: urll: did you mean url?" in ran.err
    assert "config.yaml:9" in ran.err


def test_a_mistake_of_ours_is_one_sentence_and_a_private_report(run: Runner, tmp_path: Path) -> None:
    run.environ |= {"REPLCTL_STATE_DIR": str(tmp_path), "WEST_PASSWORD": "correct-horse"}
    run.world.broken = RuntimeError("login as admin with correct-horse failed")
    ran = run("status", "-o", "json")
    assert ran.code == 1
    assert json.loads(ran.out)["error"]["code"] == "internal"
    assert "Traceback" not in ran.err + ran.out
    [report] = tmp_path.iterdir()
    assert report.stat().st_mode & 0o777 == 0o600
    assert "Traceback" in report.read_text()
    assert "correct-horse" not in report.read_text()


def test_ctrl_c_while_looking_is_130(run: Runner) -> None:
    run.world.broken = KeyboardInterrupt()
    ran = run("status", "-o", "json")
    assert ran.code == 130
    assert json.loads(ran.out)["outcome"] == "interrupted"


def test_the_format_is_found_in_any_spelling() -> None:
    assert asked_format(["status", "-ojson"]) is Format.JSON
    assert asked_format(["status", "--output=yaml"]) is Format.YAML
    assert asked_format(["status", "-o", "table", "-o", "json"]) is Format.JSON
    assert asked_format(["status", "--", "-o", "json"]) is Format.TABLE
    assert asked_format(["status", "-o"]) is Format.TABLE
    assert asked_format(["status", "-o", "xml"]) is Format.TABLE


def test_the_command_is_named_by_its_words() -> None:
    assert command_name(["op", "list", "-o", "json"]) == "op list"
    assert command_name(["promote", "bank/ledger"]) == "promote"
    assert command_name([]) == ""


def test_redaction_knows_secrets_by_the_names_of_variables() -> None:
    assert redacted("a hunter22 b", {"REPLCTL_WEST_TOKEN": "hunter22"}) == "a ******** b"
