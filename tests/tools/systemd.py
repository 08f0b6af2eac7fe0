"""The unit, judged by systemd's own tool; `make check-tools` runs it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from replctl.daemon import shipping

MOST_EXPOSED = 1.5  # of 10


def test_the_unit_is_a_unit(tmp_path: Path) -> None:
    unit = tmp_path / "replctl.service"
    unit.write_text(shipping.unit("/bin/true"))
    ran = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    ours = [line for line in ran.stderr.splitlines() if "replctl" in line]
    assert (ran.returncode, ours) == (0, []), ran.stderr


def test_it_may_do_little_else(tmp_path: Path) -> None:
    unit = tmp_path / "replctl.service"
    unit.write_text(shipping.unit("/bin/true"))
    ran = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(unit)],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for replctl.service: ([\d.]+)", ran.stdout)
    assert found is not None, ran.stderr
    assert float(found.group(1)) <= MOST_EXPOSED
