"""A process of its own for the store's tests.

`hold DIR` until killed, `fork DIR` to hold with a forked child that lives on, `append DIR NAME ROUNDS`.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from store.values import HOLDER, LEDGER, operation, step, transition

from replctl.clock import Clock, SystemClock
from replctl.core.errors import Locked
from replctl.core.journal import StepPhase
from replctl.store.sqlite import SqliteStore

CLOCK = SystemClock()


def hold(store: SqliteStore) -> None:
    with store.lock(LEDGER, HOLDER):
        store.begin(operation())
        store.write_step("op-1", step(1, phase=StepPhase.INTENDED))
        store.record(transition())
        print("held", flush=True)
        sys.stdin.read()


def hold_and_fork(store: SqliteStore) -> None:
    """The child says its number; it does nothing, and ends when its input does."""
    with store.lock(LEDGER, HOLDER):
        if os.fork() == 0:
            print(os.getpid(), flush=True)
        sys.stdin.read()


def append(store: SqliteStore, clock: Clock, name: str, rounds: int) -> None:
    """One entry a round; whoever loses the lock asks again at once."""
    done = 0
    while done < rounds:
        try:
            with store.lock(LEDGER, HOLDER):
                store.record(transition(done, at=clock.now()))
                done += 1
        except Locked:
            os.sched_yield()
    print(name, flush=True)


if __name__ == "__main__":
    opened = SqliteStore(Path(sys.argv[2]), clock=CLOCK)
    if sys.argv[1] == "hold":
        hold(opened)
    elif sys.argv[1] == "fork":
        hold_and_fork(opened)
    else:
        append(opened, CLOCK, sys.argv[3], int(sys.argv[4]))
    opened.close()
