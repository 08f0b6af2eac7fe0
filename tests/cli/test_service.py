"""What ships for operators: printed, or written into its place, and nothing started."""

from __future__ import annotations

import json
import re
import stat
from pathlib import Path

import yaml
from cli.conftest import Runner

from replctl.core.metrics import FAMILIES
from replctl.daemon import shipping


def test_the_unit_is_shown_as_it_is_written(run: Runner, tmp_path: Path) -> None:
    shown = run("systemd", "show", "--program", "/opt/replctl/bin/replctl")
    assert shown.code == 0
    assert "ExecStart=/opt/replctl/bin/replctl daemon --config /etc/replctl/config.yaml\n" in shown.out
    for word in ("Type=notify", "WatchdogSec=", "User=replctl", "StateDirectoryMode=2770", "UMask=0007"):
        assert f"\n{word}" in shown.out
    done = run("systemd", "install", "--root", str(tmp_path), "--program", "/opt/replctl/bin/replctl")
    assert done.code == 0
    assert (tmp_path / shipping.UNIT_PLACE).read_text() == shown.out
    assert "u replctl" in (tmp_path / shipping.SYSUSERS_PLACE).read_text()
    assert "systemctl enable --now replctl" in done.err
    assert done.out.split() == [str(tmp_path / place) for place in shipping.files("x")]
    assert stat.S_IMODE((tmp_path / shipping.UNIT_PLACE).stat().st_mode) & 0o444 == 0o444


def test_a_place_that_cannot_be_written_is_a_sentence(run: Runner, tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("in the way")
    done = run("systemd", "install", "--root", str(tmp_path))
    assert done.code == 2
    assert "cannot be written" in done.err
    assert "--root" in done.err


def test_alerts_link_to_where_the_runbook_is(run: Runner) -> None:
    printed = run("monitoring", "alerts", "--runbook", "https://wiki.example/replctl")
    (group,) = yaml.safe_load(printed.out)["groups"]
    links = {rule["annotations"]["runbook_url"].partition("#")[0] for rule in group["rules"]}
    assert links == {"https://wiki.example/replctl"}
    assert "@RUNBOOK@" not in run("monitoring", "alerts").out


def named(expression: str) -> set[str]:
    """The families that an expression speaks of: every name of ours in it, without what a histogram adds."""
    names = re.findall(r"\b(?:unified_replication|replctl)_\w+", expression)
    return {name if name in FAMILIES else re.sub(r"_(?:bucket|sum|count)$", "", name) for name in names}


def test_the_alerts_and_the_runbook_ask_for_metrics_that_there_are(run: Runner) -> None:
    (group,) = yaml.safe_load(run("monitoring", "alerts").out)["groups"]
    for rule in group["rules"]:
        assert named(rule["expr"]), rule["alert"]
        assert named(rule["expr"]) <= FAMILIES.keys(), rule["alert"]
    assert named((Path(__file__).parents[2] / shipping.RUNBOOK).read_text()) <= FAMILIES.keys()


def test_the_dashboard_asks_for_metrics_that_there_are(run: Runner) -> None:
    board = json.loads(run("monitoring", "dashboard").out)
    asked = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    assert len(asked) == len(board["panels"]) > 10
    for expression in asked:
        assert named(expression) <= FAMILIES.keys(), expression
        assert named(expression), expression
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
