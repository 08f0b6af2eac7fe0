"""`check` as a monitoring system reads it: one line, performance data, and an exit code of 0, 1, 2 or 3 alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli import stage
from cli.conftest import Runner
from cli.test_documents import fits
from worlds import LEDGER, a_world

from replctl.core.errors import InvalidConfiguration
from replctl.core.model import Health, Replication
from replctl.core.results import StatusReport

SERIES = re.compile(
    r"('[^'=]+'|[a-z_]+)=(U|-?\d+(\.\d+)?)(s?)(;\d*\.?\d*){0,4}"
)  # of the plugins' guidelines


def answers(run: Runner, *lines: Any) -> None:
    run.world.replications = [each.replication for each in lines]
    run.world.status = StatusReport(
        observed_at=stage.START, replications=lines, answered=frozenset({"west"}), silent=frozenset()
    )


def well(key: str) -> Any:
    return stage.line_of(stage.replication(key), message="")


def ill(key: str, health: Health, message: str) -> Any:
    return replace(well(key), health=health, message=message)


def parsed(out: str) -> tuple[str, str, list[str]]:
    """Level, text and performance data of the first line."""
    first = out.splitlines()[0]
    text, bar, data = first.partition(" | ")
    assert bar
    assert "|" not in data
    assert all(SERIES.fullmatch(each) for each in data.split(" "))
    head, _, said = text.partition(" - ")
    return head.removeprefix("REPLICATIONS "), said, data.split(" ")


def test_all_well_is_one_line(run: Runner) -> None:
    answers(run, well("bank/ledger"), well("web/events"))
    ran = run("check")
    assert (ran.code, len(ran.out.splitlines()), ran.err) == (0, 1, "")
    level, said, data = parsed(ran.out)
    assert (level, said) == ("OK", "2 replications, 2 ok")
    assert data == [
        *("replications=2;;;0", "ok=2;;;0;2", "warning=0;;;0;2", "unknown=0;;;0;2", "critical=0;;;0;2"),
        *("oldest_copy=47.000s;;;0", "'bank/ledger'=47.000s;300;600;0", "'web/events'=47.000s;300;600;0"),
    ]


def test_the_worst_comes_first_and_each_has_its_line(run: Runner) -> None:
    lines = [
        well("a/well"),
        ill("b/slow", Health.DEGRADED, "east: paused | by\na person\x1b[2J\u202e"),
        ill("c/dark", Health.UNKNOWN, "east did not answer"),
        ill("d/torn", Health.SPLIT_BRAIN, "both read as source"),
    ]
    answers(run, *lines)
    ran = run("check", "-n", "a", "--warning", "1h")
    level, said, _ = parsed(ran.out)
    assert (ran.code, level) == (2, "CRITICAL")
    assert said == "4 replications, 1 critical, 1 unknown, 1 warning, 1 ok"
    assert ran.out.splitlines()[1:] == [
        "CRITICAL d/torn: both read as source",
        "UNKNOWN c/dark: east did not answer",
        "WARNING b/slow: east: paused / by a person?[2J?",
    ]
    answers(run, *lines[:3])
    assert run("check").code == 3
    answers(run, *lines[:2])
    one = run("check")
    assert (one.code, parsed(one.out)[1]) == (
        1,
        "2 replications, 1 warning, 1 ok: b/slow: east: paused / by a person?[2J?",
    )
    assert run("check", "-o", "name").out == "b/slow\n"


def test_its_document_fits(run: Runner) -> None:
    answers(run, well("a/well"), ill("d/torn", Health.SPLIT_BRAIN, "both read as source"))
    ran = run("check", "-o", "json")
    document = json.loads(ran.out)
    fits("check", document)
    assert (ran.code, document["level"], document["exit_code"]) == (2, "CRITICAL", 2)
    assert [each["level"] for each in document["replications"]] == ["OK", "CRITICAL"]


def test_of_very_many_only_the_counts_are_drawn(run: Runner) -> None:
    answers(run, *(well(f"bank/r{number}") for number in range(101)))
    assert len(parsed(run("check").out)[2]) == 6
    answers(run)
    assert parsed(run("check").out)[:2] == ("OK", "no replications")


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (("check", "--colour"), "No such option"),
        (("check", "none/such"), "there is no replication none/such"),
        (("check", "-w", "5"), "--warning: "),
        (("check", "-w", "2h", "-c", "1h"), "--critical: it is less than --warning"),
    ],
)
def test_what_keeps_it_from_looking_is_unknown_and_never_critical(
    run: Runner, argv: tuple[str, ...], said: str
) -> None:
    known: list[Replication] = [stage.replication()]
    run.world.replications = known
    ran = run(*argv)
    assert ran.code == 3
    assert ran.out.startswith("REPLICATIONS UNKNOWN - ")
    assert said in ran.out
    told = json.loads(run(*argv, "-o", "json").out)
    fits("action", told)
    assert (told["exit_code"], told["operations"]) == (3, [])


@pytest.mark.parametrize("error", [InvalidConfiguration("config.yaml: wrong | here"), RuntimeError("ours")])
def test_a_broken_configuration_and_a_mistake_of_ours_are_unknown(
    run: Runner, error: BaseException, tmp_path: Path
) -> None:
    run.environ["REPLCTL_STATE_DIR"] = str(tmp_path)
    run.world.broken = error
    ran = run("check")
    assert (ran.code, len(ran.out.splitlines()), "|" in ran.out) == (3, 1, False)


def test_over_two_arrays(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        ran = world.run("check")
        assert (ran.code, parsed(ran.out)[0]) == (0, "OK")
        assert world.run("check", LEDGER, "--critical", "1ms").code == 2
        assert world.act("pause", LEDGER).code == 0
        assert world.run("check", LEDGER).code == 1
        world.control.kill("east")
        dark = world.run("check")
        assert (dark.code, parsed(dark.out)[0]) == (3, "UNKNOWN")
        assert world.run("check", "--group", "nobody").code == 3
        assert [change["path"].rsplit("/", 1)[-1] for change in world.changes()].count("pause") >= 1
