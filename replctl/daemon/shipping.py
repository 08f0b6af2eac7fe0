"""What ships with the package for those who operate it: the systemd unit, alert rules, a dashboard; filled in."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

UNIT = "replctl.service"
SYSUSERS = "replctl.sysusers"
ALERTS = "alerts.yaml"
DASHBOARD = "dashboard.json"
RUNBOOK = "docs/runbook.md"
UNIT_PLACE = Path("etc/systemd/system/replctl.service")
SYSUSERS_PLACE = Path("etc/sysusers.d/replctl.conf")


def shipped(name: str) -> str:
    return resources.files("replctl.daemon").joinpath("shipped", name).read_text(encoding="utf-8")


def unit(program: str) -> str:
    """The unit of the daemon; `program` is the absolute path of replctl."""
    return shipped(UNIT).replace("@PROGRAM@", program)


def alerts(runbook: str = RUNBOOK) -> str:
    """Alert rules whose runbook links begin with `runbook`."""
    return shipped(ALERTS).replace("@RUNBOOK@", runbook)


def files(program: str) -> dict[Path, str]:
    """What `systemd install` writes, by its place below the root of the file system."""
    return {UNIT_PLACE: unit(program), SYSUSERS_PLACE: shipped(SYSUSERS)}
