"""The alert rules and the metrics, judged by Prometheus' own tool; `make check-tools` runs it.

Each alert fires in one story and keeps quiet in another.
"""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from replctl.daemon import shipping

P = "unified_replication_"
LEDGER = 'namespace="bank",name="ledger"'
EVERY = "1m"
LENGTH = 40  # minutes of each story
RUNBOOK = Path(__file__).parents[2] / shipping.RUNBOOK

# Per alert: series that make it fire, series that do not, and the minute at which to ask.
Series = dict[str, str]
STORIES: dict[str, tuple[Series, Series, int]] = {
    "ReplctlDown": (
        {"replctl_last_tick_timestamp_seconds": f"0x{LENGTH}"},
        {"replctl_last_tick_timestamp_seconds": f"0+60x{LENGTH}"},
        20,
    ),
    "ReplctlSplitBrain": (
        {f"replctl_split_brain{{{LEDGER}}}": f"1x{LENGTH}"},
        {f"replctl_split_brain{{{LEDGER}}}": f"0x{LENGTH}"},
        1,
    ),
    "ReplctlNoSource": (
        {f"replctl_no_source{{{LEDGER}}}": f"1x{LENGTH}"},
        {f"replctl_no_source{{{LEDGER}}}": f"1 0x{LENGTH}"},
        5,
    ),
    "ReplctlUnhealthy": (
        {f"{P}health{{{LEDGER}}}": f"0x{LENGTH}"},
        {f"{P}health{{{LEDGER}}}": f"0x10 1x{LENGTH}"},
        20,
    ),
    "ReplctlCopyTooOld": (
        {
            f"replctl_last_consistent_point_timestamp_seconds{{{LEDGER}}}": f"0x{LENGTH}",
            f"replctl_rpo_target_seconds{{{LEDGER}}}": f"300x{LENGTH}",
        },
        {
            f"replctl_last_consistent_point_timestamp_seconds{{{LEDGER}}}": f"0+60x{LENGTH}",
            f"replctl_rpo_target_seconds{{{LEDGER}}}": f"300x{LENGTH}",
        },
        20,
    ),
    "ReplctlBackendSilent": (
        {'replctl_observation_success{backend="east"}': f"0x{LENGTH}"},
        {'replctl_observation_success{backend="east"}': f"0x3 1x{LENGTH}"},
        10,
    ),
    "ReplctlBreakerOpen": (
        {f'{P}circuit_breaker_state{{backend="east",operation="read"}}': f"1x{LENGTH}"},
        {f'{P}circuit_breaker_state{{backend="east",operation="read"}}': f"1 2 0x{LENGTH}"},
        5,
    ),
    "ReplctlBreakerNotClosed": (
        {f'{P}circuit_breaker_state{{backend="east",operation="read"}}': f"1 2x{LENGTH}"},
        {f'{P}circuit_breaker_state{{backend="east",operation="read"}}': f"1x10 0x{LENGTH}"},
        20,
    ),
    "ReplctlHighErrorRate": (
        {
            f'{P}reconcile_total{{{LEDGER},result="success"}}': f"0+10x{LENGTH}",
            f'{P}reconcile_total{{{LEDGER},result="error"}}': f"0+1x{LENGTH}",
        },
        {
            f'{P}reconcile_total{{{LEDGER},result="success"}}': f"0+100x{LENGTH}",
            f'{P}reconcile_total{{{LEDGER},result="error"}}': f"0+1x{LENGTH}",
        },
        30,
    ),
    "ReplctlHighLatency": (
        {
            f'{P}backend_operation_duration_seconds_bucket{{backend="east",le="{bound}"}}': f"0+{by}x{LENGTH}"
            for bound, by in (("1", 1), ("2.5", 10), ("+Inf", 10))
        },
        {
            f'{P}backend_operation_duration_seconds_bucket{{backend="east",le="{bound}"}}': f"0+{by}x{LENGTH}"
            for bound, by in (("1", 10), ("2.5", 10), ("+Inf", 10))
        },
        30,
    ),
    "ReplctlConfigurationBroken": (
        {"replctl_config_last_reload_successful": f"0x{LENGTH}"},
        {"replctl_config_last_reload_successful": f"1x{LENGTH}"},
        5,
    ),
    "ReplctlUnknownWord": (
        {f'{P}translation_errors_total{{backend="east",type="state",value="Melting"}}': f"0 0+1x{LENGTH}"},
        {f'{P}translation_errors_total{{backend="east",type="state",value="Melting"}}': f"3x{LENGTH}"},
        10,
    ),
    "ReplctlHeld": (
        {"replctl_holds": f"1x{LENGTH * 40}"},
        {"replctl_holds": f"0x{LENGTH * 40}"},
        1500,
    ),
}


def promtool(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *words], input=stdin, capture_output=True, text=True, check=False)


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(shipping.alerts())["groups"]
    return list(group["rules"])


@pytest.fixture
def written(tmp_path: Path) -> Path:
    (tmp_path / "alerts.yaml").write_text(shipping.alerts())
    return tmp_path


def test_the_rules_are_rules(written: Path) -> None:
    ran = promtool("check", "rules", str(written / "alerts.yaml"))
    assert ran.returncode == 0, ran.stderr


def test_every_alert_has_its_stories_and_its_runbook() -> None:
    assert STORIES.keys() == {rule["alert"] for rule in rules()}
    headings = {
        line.removeprefix("## ").lower() for line in RUNBOOK.read_text().splitlines() if line[:3] == "## "
    }
    links = {rule["annotations"]["runbook_url"].partition("#")[2] for rule in rules()}
    assert links == headings


@pytest.mark.parametrize("fires", [True, False], ids=["fires", "quiet"])
@pytest.mark.parametrize("alert", STORIES)
def test_each_alert(written: Path, alert: str, fires: bool) -> None:  # R62
    firing, quiet, minute = STORIES[alert]
    series = firing if fires else quiet
    ever = {
        "rule_files": ["alerts.yaml"],
        "evaluation_interval": EVERY,
        "tests": [
            {
                "interval": EVERY,
                "input_series": [{"series": name, "values": values} for name, values in series.items()],
                "alert_rule_test": [{"eval_time": f"{minute}m", "alertname": alert, "exp_alerts": []}],
            }
        ],
    }
    (written / "story.yaml").write_text(yaml.safe_dump(ever))
    ran = promtool("test", "rules", str(written / "story.yaml"))
    told = ran.stdout + ran.stderr
    if fires:
        assert f'alertname="{alert}"' in told, told
    else:
        assert ran.returncode == 0, told


def findings(text: str) -> list[str]:
    ran = promtool("check", "metrics", stdin=text)
    return [line for line in (ran.stdout + ran.stderr).splitlines() if line]


# the fixed name of a gauge, and what Prometheus thinks of it
FORCED = [f'{P}active_total non-counter metrics should not have "_total" suffix']


def test_the_metrics_are_metrics(tmp_path: Path) -> None:
    from scenarios.test_daemon import running
    from worlds import LEDGER as NAME
    from worlds import a_world

    written = tmp_path / "replctl.prom"
    with a_world(tmp_path) as world:
        world.act("promote", NAME)
        with running(world) as one:
            one.tick(times=2)
            assert findings(one.daemon.metrics()) == FORCED
        world.run("status", "--metrics-textfile", str(written))
        assert findings(written.read_text()) == FORCED


def test_the_targets_are_told_and_the_alerts_go_by_them() -> None:  # R62
    runbook = " ".join(RUNBOOK.read_text().split())
    for target in ("success above 95 %", "p95 below 1 s", "errors below 5 %", "cache hits above 80 %"):
        assert target in runbook
    expressions = {rule["alert"]: rule["expr"] for rule in rules()}
    assert "> 0.05" in expressions["ReplctlHighErrorRate"]
    assert expressions["ReplctlHighLatency"].rstrip().endswith("> 1")
    waits = {rule["alert"]: rule.get("for") for rule in rules()}
    assert waits["ReplctlBreakerNotClosed"] == "15m"
