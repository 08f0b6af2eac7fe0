"""Plays runs of consecutive seeds and counts: `make fuzz SEED=… RUNS=…`.

A run that is not as it was promised is told whole, with how to play it again; then the exit code is 1. The last line
counts.
"""

from __future__ import annotations

import argparse
import itertools
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import worldclock

from fuzz.oracle import FALSE_FAILURE, FALSE_SUCCESS, VIOLATION
from fuzz.runs import Run, play
from fuzz.worldmaking import draw
from replctl.simulator.scene import VENDORS

QUICK_DISK = Path("/dev/shm")
KINDS = (FALSE_SUCCESS, FALSE_FAILURE, VIOLATION)
EVERY_SECONDS = 60.0  # between two words on how far it is


class Tally:
    """What came of the runs so far."""

    def __init__(self) -> None:
        self.runs = 0
        self.stuck = 0
        self.faults: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.failed: list[int] = []
        self._began = time.monotonic()
        self._busy = time.process_time()

    def add(self, run: Run) -> None:
        self.runs += 1
        self.stuck += run.stuck
        self.faults.update(fault.kind for fault in run.faults)
        self.codes.update("killed" if deed.code is None else str(deed.code) for deed in run.deeds)
        if run.faults:
            self.failed.append(run.drawn.seed)

    def __str__(self) -> str:
        plural = {FALSE_SUCCESS: "false successes", FALSE_FAILURE: "false failures", VIOLATION: "violations"}
        counts = ", ".join(f"{self.faults[kind]} {plural[kind]}" for kind in KINDS)
        spent, busy = time.monotonic() - self._began, time.process_time() - self._busy
        each = busy / max(1, self.runs)
        return f"{self.runs} runs: {counts}; {self.stuck} stuck; {spent:.0f} s ({each:.2f} s of CPU a run)"


def played(seed: int, tally: Tally, *, story: bool = False) -> bool:
    """Play one seed; whether it was as promised. A story is told if it was not, or if wished."""
    place = QUICK_DISK if QUICK_DISK.is_dir() else None
    directory = Path(tempfile.mkdtemp(prefix="replctl-fuzz-", dir=place))
    try:
        run = play(seed, directory)
    except Exception:
        tally.runs += 1
        tally.faults[VIOLATION] += 1
        tally.failed.append(seed)
        print(f"seed {seed} broke off:\n{traceback.format_exc()}", flush=True)
        return False
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    tally.add(run)
    if run.faults or story:
        print("\n".join(run.said))
        print(f"to play it again: make fuzz SEED={seed} RUNS=1", flush=True)
    return not run.faults


def seeds(first: int, runs: int, vendor: str | None = None) -> Iterator[int]:
    """So many, in their order; those of whose worlds the vendor is part."""
    fitting = (seed for seed in itertools.count(first) if vendor in (None, *draw(seed).vendors))
    return itertools.islice(fitting, runs)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=None, help="the first seed; drawn if it is not given")
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--story", action="store_true", help="tell every run")
    parser.add_argument(
        "--until-found", action="store_true", help="end with the first run that is not as promised"
    )
    parser.add_argument("--vendor", choices=VENDORS, help="leave out worlds without this vendor, counting on")
    asked = parser.parse_args(argv)
    first = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**9)
    sys.modules["click"] = None  # type: ignore[assignment]  # as everywhere, so that httpx imports no command line
    worldclock.warm_up()
    tally = Tally()
    print(f"{asked.runs} runs from seed {first} on", flush=True)
    told_at = time.monotonic()
    for seed in seeds(first, asked.runs, asked.vendor):
        if not played(seed, tally, story=asked.story) and asked.until_found:
            break
        if time.monotonic() - told_at > EVERY_SECONDS:
            told_at = time.monotonic()
            print(f"at seed {seed}: {tally}", flush=True)
    print(f"exit codes: {dict(sorted(tally.codes.items()))}")
    if tally.failed:
        print(f"seeds that failed: {tally.failed}")
    print(tally)
    return 1 if tally.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
