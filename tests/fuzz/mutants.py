"""Deliberate faults, one at a time, and who finds each: `make mutants`. It shows that the proofs can fail.

A mutant is a copy of replctl in which a few words are others. Random runs are played with it until one of them is not
as promised; where a bounded number of them finds nothing, the named tests are run. One that nobody finds is told, and
makes the exit code 1; so does one whose words are no longer in the source.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from replctl.simulator.scene import POWERSTORE, TRIDENT

ROOT = Path(__file__).parents[2]
PRODUCT = ROOT / "replctl"
FIRST_SEED = 700
RUNS = 60
SECONDS = 900.0


@dataclass(frozen=True)
class Mutant:
    """What is wrong in it; `words` are (file, as it is, as it becomes); `tests` find it where runs do not."""

    name: str
    words: tuple[tuple[str, str, str], ...]
    vendor: str | None = POWERSTORE
    tests: tuple[str, ...] = ()


def _one(
    name: str, file: str, before: str, after: str, *tests: str, vendor: str | None = POWERSTORE
) -> Mutant:
    return Mutant(name, ((file, before, after),), vendor, tests)


ENGINE, STEP, PLANNER, OUTCOMES = (
    "engine/engine.py",
    "engine/stepping.py",
    "core/planner.py",
    "core/outcomes.py",
)
PLANNER_TESTS = ("tests/core/test_planner.py", "tests/core/test_guards.py")
MUTANTS = (
    _one(
        "a lost answer is sent again at once",
        STEP,
        "SETTLE_SECONDS = 10.0",
        "SETTLE_SECONDS = 0.0",
        "tests/scenarios/test_lost_answers.py",
    ),
    _one(
        "what was accepted counts as done",
        STEP,
        "            if self.step.goal.met_by(pair):\n                self._reached(pair)",
        "            if self.kept.phase is StepPhase.ACCEPTED or self.step.goal.met_by(pair):\n"
        "                self._reached(pair)",
    ),
    _one(
        "a lost answer counts as never sent",
        STEP,
        "        except (OutcomeUnknown, Outdated) as error:\n            self.outdated",
        "        except Outdated as error:\n            self.outdated",
        "tests/scenarios/test_lost_answers.py",
    ),
    _one(
        "nobody looks again right before sending",
        STEP,
        "        pair = self.operation.look(before_send=True)\n        if self.step.goal.met_by(pair):",
        "        pair = self.operation.look(before_send=True)\n        if True:",
        "tests/scenarios/test_two_operators.py",
        "tests/scenarios/test_trident_planned.py",
        vendor=None,
    ),
    _one(
        "nobody asks whether the operation still stands",
        STEP,
        "        if not self.desk.store.still_stands(",
        "        if False and not self.desk.store.still_stands(",
        "tests/scenarios/test_two_operators.py",
        "tests/scenarios/test_cut_short.py",
    ),
    _one(
        "a deadline that came is a failure",
        STEP,
        'return endings.stopped(Outcome.UNKNOWN, "outcome-unknown", message, remedy)',
        'return endings.stopped(Outcome.FAILED, "outcome-unknown", message, remedy)',
    ),
    _one(
        "what was acknowledged once is acknowledged for ever",
        STEP,
        "        if not (self.step.unplanned and operation.proposal.joins):",
        "        if True:",
        "tests/scenarios/test_cut_short.py",
        "tests/scenarios/test_every_no.py",
    ),
    _one(
        "the intent is written after the sending",
        "engine/underway.py",
        "        return self._write(kept, **changes)\n\n    def note",
        "        return replace(kept, **changes)\n\n    def note",
        "tests/fuzz/test_found.py",
    ),
    _one(
        "the lock is not taken",
        ENGINE,
        "with self._store.lock(proposal.intent.replication.key, holder):",
        'with __import__("contextlib").nullcontext():',
        "tests/scenarios/test_contests.py",
        "tests/scenarios/test_two_operators.py",
    ),
    _one(
        "unknown is told as 0",
        OUTCOMES,
        "Outcome.UNKNOWN: ExitCode.UNKNOWN",
        "Outcome.UNKNOWN: ExitCode.DONE",
    ),
    _one(
        "partly is told as failed",
        OUTCOMES,
        "Outcome.PARTIAL: ExitCode.PARTIAL",
        "Outcome.PARTIAL: ExitCode.FAILED",
    ),
    _one(
        "of several the best counts",
        OUTCOMES,
        "    return ExitCode.PARTIAL if changed else ExitCode.FAILED",
        "    return ExitCode.DONE",
        "tests/core/test_outcomes.py",
        vendor=None,
    ),
    _one(
        "the new source is the old one",
        PLANNER,
        "    if new_source is Side.LOCAL:\n        return Goal(local=_SOURCE, peer=_REPLICA)",
        "    if new_source is Side.PEER:\n        return Goal(local=_SOURCE, peer=_REPLICA)",
    ),
    _one(
        "two sources are no obstacle",
        PLANNER,
        "        if both and self.intent.verb is not Verb.REPROTECT:",
        "        if False and self.intent.verb is not Verb.REPROTECT:",
        *PLANNER_TESTS,
        "tests/test_matrix.py",
    ),
    _one(
        "a loss need not be accepted",
        PLANNER,
        "        if bound is not None and accepts(bound, loss):",
        "        if bound is None or accepts(bound, loss):",
        *PLANNER_TESTS,
    ),
    _one(
        "a peer that answers may be taken over from",
        "core/consent.py",
        "    elif not is_fenced(given):",
        "    elif False:",
        *PLANNER_TESTS,
        "tests/scenarios/test_guards.py",
    ),
    _one(
        "an old look is as good as a fresh one",
        PLANNER,
        "FRESH_SECONDS = 60.0",
        "FRESH_SECONDS = 1e9",
        *PLANNER_TESTS,
    ),
    _one(
        "the loss begins when the copy arrived",
        "drivers/powerstore/stamps.py",
        "        at=contact - duration,",
        "        at=contact,",
    ),
    _one(
        "a stamp that is not there is now",
        "drivers/powerstore/stamps.py",
        '        return Point(at=None, source="last_sync_timestamp is null", read_at=sync.read_at)',
        '        return Point(at=sync.read_at, source="last_sync_timestamp is null", read_at=sync.read_at)',
        "tests/drivers/powerstore",
    ),
    _one(
        "the new source is left unprotected",
        "drivers/powerstore/recipe.py",
        "    return (_hand_over(scene), _send_reprotect(scene))",
        "    return (_hand_over(scene),)",
    ),
    _one(
        "a server's error proves that nothing was done",
        "drivers/answers.py",
        "    if 400 <= answer.status < 500 and answer.status != REQUEST_TIMEOUT:",
        "    if 400 <= answer.status < 600 and answer.status != REQUEST_TIMEOUT:",
        "tests/drivers/test_answers.py",
    ),
    _one(
        "promoted is believed at once",
        "drivers/trident/words.py",
        "    doubt=UNPROVEN,\n    unproven=True,",
        "    doubt=UNPROVEN,\n    unproven=False,",
        "tests/scenarios/test_trident_lies.py",
        vendor=TRIDENT,
    ),
    _one(
        "reestablished is believed at once",
        "drivers/trident/mirrors.py",
        "    return said.state is State.REPLICA and returned is not None and returned.fits(mirror.generation)",
        "    return False",
        "tests/scenarios/test_trident_lies.py",
        vendor=TRIDENT,
    ),
    Mutant(
        "a source that is used may step down",
        (
            ("core/consent.py", "    if STEP_DOWN not in old.permits or old.in_use == 0:", "    if True:"),
            (
                "core/plans.py",
                "        return seen.in_use == 0 or (self is",
                "        return True or (self is",
            ),
            ("engine/underway.py", "        return used[0] if used else None", "        return None"),
        ),
        TRIDENT,
        ("tests/scenarios/test_trident_planned.py",),
    ),
    _one(
        "a change is made on whatever is there by now",
        "drivers/kubernetes/objects.py",
        '"metadata"), "uid": seen.uid, "resourceVersion": seen.version}',
        '"metadata"), "uid": seen.uid}',
        "tests/drivers/kubernetes",
        vendor=TRIDENT,
    ),
    _one(
        "the history forgets what it was sealed to",
        "store/chain.py",
        "def seal(previous: str, sequence: int, body: str) -> str:",
        "def seal(previous: str, sequence: int, body: str) -> str:\n    previous = str(id(body))",
    ),
    _one(
        "every reconcile counts as a success",
        "core/counts.py",
        '    result = "success" if outcome in _WELL else "error"',
        '    result = "success"',
    ),
)


def made(mutant: Mutant, place: Path) -> None:
    """A copy of the product with other words; raises where the words are not there, or not once."""
    shutil.copytree(PRODUCT, place / "replctl", ignore=shutil.ignore_patterns("__pycache__"))
    for file, before, after in mutant.words:
        path = place / "replctl" / file
        text = path.read_text()
        if text.count(before) != 1:
            raise LookupError(f"{file} has {text.count(before)} times what {mutant.name!r} changes")
        path.write_text(text.replace(before, after))


def found_by(mutant: Mutant, runs: int) -> str:
    """Who finds it, in words; empty when nobody does."""
    with tempfile.TemporaryDirectory(prefix="replctl-mutant-") as directory:
        place = Path(directory)
        made(mutant, place)
        words = ["-m", "fuzz.runner", "--until-found", "--seed", str(FIRST_SEED), "--runs", str(runs)]
        vendor = ["--vendor", mutant.vendor] if mutant.vendor else []
        played = _python(place, *words, *vendor)
        if " runs: " not in played.stdout:
            raise RuntimeError(f"{mutant.name!r} cannot even be played:\n{played.stderr[-2000:]}")
        if played.returncode:
            return _told(played.stdout)
        for test in mutant.tests:
            failed = _failed(place, test)
            if failed and not _failed(ROOT, failed):  # or it would fail anyway
                return failed
    return ""


def _python(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {
        "PYTHONPATH": f"{place}:{ROOT / 'tests'}",
        "PATH": "/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return subprocess.run(
        [sys.executable, "-P", *words],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


def _told(output: str) -> str:
    """The first fault of a run, and how many runs it took."""
    fault = re.search(r"(FALSE SUCCESS|FALSE FAILURE|VIOLATION): (.*)", output)
    runs = re.search(r"^(\d+) runs:", output, re.MULTILINE)
    seed = re.search(r"SEED=(\d+)|seed (\d+) broke off", output)
    what = f"{fault.group(1).lower()}: {fault.group(2)[:90]}" if fault else "a run broke off"
    number = next((each for each in seed.groups() if each), "?") if seed else "?"
    return f"run {runs.group(1) if runs else '?'} (seed {number}), {what}"


def _failed(place: Path, test: str) -> str:
    """The first of some tests that fails with the product there; empty when none does."""
    tested = _python(place, "-m", "pytest", "-q", "-x", "-n", "0", "-p", "no:cacheprovider", test)
    found = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - |$)", tested.stdout, re.MULTILINE)
    return found.group(1) if found else ""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS, help="that are played with each at most")
    parser.add_argument("--only", default="", help="those whose name has this in it")
    asked = parser.parse_args(argv)
    missed = 0
    print("| in the product | found by |\n|---|---|", flush=True)
    chosen = [mutant for mutant in MUTANTS if asked.only in mutant.name]
    for mutant in chosen:
        finder = found_by(mutant, asked.runs).replace("|", "/")
        missed += not finder
        print(f"| {mutant.name} | {finder or '**nobody**'} |", flush=True)
    print(f"\n{len(chosen)} mutants, {len(chosen) - missed} found")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
