"""How long replctl takes to begin, in multiples of `python -c pass` measured in the same run (design §12).

The commands take turns, so that a busy machine slows all of them alike; the median of each counts. Ends with 1 when
a budget is not kept.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import perf_counter

from replctl.completing import kept

ROUNDS = 15
REPLCTL = str(Path(sys.executable).with_name("replctl"))
# All that a verb that changes something has imported by the time it asks its first backend. httpx imports a command
# line of its own where click is installed, as the tools of development have it and replctl itself does not.
VERB = (
    "import sys; sys.modules['click'] = None; "
    "import replctl.bootstrap, replctl.cli.acting, replctl.drivers.powerstore, replctl.settings.loading"
)


@dataclass(frozen=True)
class Case:
    """A command line, and how many times as long as the floor it may take."""

    name: str
    argv: tuple[str, ...]
    budget: float
    environ: Mapping[str, str] | None = None

    def seconds(self) -> float:
        began = perf_counter()
        subprocess.run(self.argv, stdout=subprocess.DEVNULL, check=True, env=self.environ)
        return perf_counter() - began


def tab(names: int, home: Path) -> Case:
    """TAB behind `promote`, with so many names to offer."""
    config, state = home / "config.yaml", home / "state"
    state.mkdir(parents=True)
    config.write_text("state_dir: ./state\n")
    known = [
        kept.Replication(f"team-{n % 40}/volume-{n}", "replica", "", ("west", "east"), ())
        for n in range(names)
    ]
    (state / kept.file_name(str(config))).write_text(kept.text(str(config), known, ("west", "east"), ()))
    argv = (REPLCTL, "__complete", "bash", "=:", f"replctl promote --config {config} ", "")
    return Case(f"TAB, {names} names", argv, 8.0, {**os.environ, "HOME": str(home)})


FLOOR = Case("python -c pass", (sys.executable, "-c", "pass"), 1.0)
CASES = (
    Case("--version", (REPLCTL, "--version"), 3.0),
    Case("--help", (REPLCTL, "--help"), 15.0),
    Case("a verb's imports", (sys.executable, "-c", VERB), 26.0),
)


def main() -> int:
    with tempfile.TemporaryDirectory() as home:
        cases = (*CASES, *(tab(names, Path(home) / str(names)) for names in (200, 10_000)))
        return measure(cases)


def measure(cases: Sequence[Case]) -> int:
    taken: dict[str, list[float]] = {case.name: [] for case in (FLOOR, *cases)}
    for case in (FLOOR, *cases):
        case.seconds()  # writes the bytecode, warms the disk
    for _ in range(ROUNDS):
        for case in (FLOOR, *cases):
            taken[case.name].append(case.seconds())
    floor = median(taken[FLOOR.name])
    print(f"{FLOOR.name:20}{floor * 1000:8.1f} ms")
    kept = True
    for case in cases:
        seconds = median(taken[case.name])
        ratio = seconds / floor
        kept = kept and ratio <= case.budget
        verdict = "" if ratio <= case.budget else "  OVER"
        print(f"{case.name:20}{seconds * 1000:8.1f} ms{ratio:7.1f} x  of {case.budget:g} x{verdict}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
