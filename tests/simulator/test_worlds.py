"""Random worlds under random hands: nothing breaks, and what must never be never is (design §4, promise 1)."""

import random

import pytest

from replctl.simulator import Options, Simulator, list_assumptions

LEDGER = "bank/ledger"
WORLDS = 24
STEPS = 60
ARRAYS = ("east", "west")
BODIES = (
    ("failover", {"is_planned": True}),
    ("failover", {"is_planned": True, "reverse": True}),
    ("failover", {"is_planned": False}),
    ("failover", {"is_planned": False, "force": True}),
    ("failover", {"is_planned": False, "use_test_copy": True}),
    ("start_failover_test", None),
    ("stop_failover_test", {"force": True}),
    *((action, None) for action in ("reprotect", "pause", "resume", "sync")),
)
# What was written to a test copy that is kept was written while production was, too.
WITHOUT_TEST_COPY = [(action, body) for action, body in BODIES if "use_test_copy" not in (body or {})]


def disturb(control, chance):
    """Something happens to a link or an array."""
    array = chance.choice(ARRAYS)
    chance.choice(
        (
            lambda: control.link(chance.choice(("up", "up", "data_down", "management_down", "down"))),
            lambda: control.kill(array),
            lambda: control.isolate(array),
            lambda: control.revive(array),
            lambda: control.rejoin(array),
            lambda: control.slow_copy(LEDGER, chance.choice((None, 5, 400)), fail=chance.random() < 0.2),
            lambda: control.skew(array, chance.uniform(-100, 100)),
        )
    )()


def check(truth):
    """What holds in every world at every time."""
    assert 0 <= truth["lost_writes"] <= sum(truth["writes"].values())
    assert (truth["lost_since"] is None) == (truth["lost_writes"] == 0)
    assert set(truth["role"].values()) <= {"Source", "Destination"}
    assert truth["both_wrote"] <= min(truth["writes"].values())


def open_world(tmp_path, seed):
    chance = random.Random(seed)
    assumptions = {name: chance.choice(values) for name, values, *_ in list_assumptions()}
    return chance, Simulator(
        Options(
            directory=tmp_path, replications=2, seed=seed, speed=0.0, start_at=1.9e9, assumptions=assumptions
        )
    )


@pytest.mark.parametrize("seed", range(WORLDS))
def test_whatever_happens_the_books_balance(tmp_path, seed):
    chance, simulator = open_world(tmp_path, seed)
    with simulator as sim:
        for _ in range(STEPS):
            if chance.random() < 0.3:
                disturb(sim.control, chance)
            else:
                sim.control.gui(LEDGER, chance.choice(ARRAYS), *chance.choice(BODIES))
            sim.control.advance(chance.choice((0, 0.5, 3, 20, 300)))
            check(sim.control.truth(LEDGER))
        for array in ARRAYS:
            sim.control.revive(array)
        sim.control.link("up")
        sim.control.advance(3600)
        check(sim.control.truth(LEDGER))


@pytest.mark.parametrize("seed", range(WORLDS))
def test_two_linked_arrays_never_open_both_sides(tmp_path, seed):
    chance, simulator = open_world(tmp_path, seed)
    with simulator as sim:
        for _ in range(STEPS):
            sim.control.gui(LEDGER, chance.choice(ARRAYS), *chance.choice(WITHOUT_TEST_COPY))
            for _ in range(chance.choice((1, 4, 40))):
                sim.control.advance(0.5)
                assert sim.control.truth(LEDGER)["writable"] != {"east": True, "west": True}
        assert sim.control.truth(LEDGER)["both_wrote"] == 0


@pytest.mark.parametrize("seed", range(WORLDS))
def test_planned_failovers_there_and_back_lose_nothing(tmp_path, seed):
    chance, simulator = open_world(tmp_path, seed)
    with simulator as sim:
        for _ in range(6):
            source = sim.control.truth(LEDGER)["source"]
            sim.control.gui(LEDGER, source, "failover", {"is_planned": True})
            sim.control.advance(chance.uniform(20, 200))
            sim.control.reprotect(LEDGER)
            sim.control.advance(chance.uniform(60, 2000))
        after = sim.control.truth(LEDGER)
        assert after["lost_writes"] == after["both_wrote"] == 0
        assert after["role_changes"] >= 2
