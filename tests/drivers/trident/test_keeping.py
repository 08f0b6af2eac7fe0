"""What watches keep: when it may stand for a list, how old it is told to be, and when somebody is asked instead."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from clusters import MIRRORS_PATH, Desk
from drivers.trident.test_driver import driver_of
from estates import Cluster, an_estate
from worlds import World, a_world

from replctl.clock import Cancel
from replctl.core.errors import Interrupted
from replctl.core.model import End, Observation, State
from replctl.drivers.trident import TridentDriver
from replctl.drivers.trident.keeping import FRESH_SECONDS, Kept
from replctl.drivers.trident.mirrors import Mirror, Surroundings, mirror_seen
from replctl.drivers.trident.reading import MIRRORS
from replctl.resilience import Look

WEST = "k8s-west"
LEDGER = ("bank", "ledger-dr")
SURELY_SECONDS = 20.0
COUNT = "tridentmirrorrelationships"


def until(true: Callable[[], Any]) -> Any:
    """What becomes true in another thread; fails when it does not."""
    began, nap = time.perf_counter(), threading.Event()
    while not (found := true()):
        assert time.perf_counter() - began < SURELY_SECONDS
        nap.wait(0.005)
    return found


@contextmanager
def following(call: Callable[[Cancel], None]) -> Iterator[None]:
    cancel = Cancel()
    thread = threading.Thread(target=lambda: call(cancel))
    thread.start()
    try:
        yield
    finally:
        cancel.set()
        thread.join(SURELY_SECONDS)
        assert not thread.is_alive()


class Keeping:
    """A copy of one cluster's mirrors under a clock of its own, and what it passed on."""

    def __init__(self, desk: Desk, estate: Any) -> None:
        self.kept = Kept(MIRRORS, desk.clock)
        self.desk, self.estate = desk, estate
        self.changed: list[set[tuple[str, str]]] = []
        self._client = desk.west(estate)

    def follow(self, cancel: Cancel) -> None:
        look = self.desk.look(86_400.0, retry=True, cancel=cancel)
        self.kept.follow(self._client, look, lambda keys: self.changed.append(set(keys)))

    def annotate(self, value: str, name: str = "ledger-dr") -> None:
        self.estate.west.patch(f"{MIRRORS_PATH}/{name}", {"metadata": {"annotations": {"replctl/v": value}}})

    def value(self) -> str | None:
        copy = self.kept.copy()
        if copy is None:
            return None
        found: str = copy.bodies[LEDGER]["metadata"].get("annotations", {}).get("replctl/v", "")
        return found


@pytest.fixture
def keeping(tmp_path: Path) -> Iterator[Keeping]:
    desk = Desk()
    with an_estate(tmp_path / "estate") as estate:
        made = Keeping(desk, estate)
        with following(lambda cancel: _quietly(made, cancel)):
            until(made.kept.copy)
            until(lambda: estate.control.watches_open(WEST) == 1)
            yield made
    desk.close()


def _quietly(made: Keeping, cancel: Cancel) -> None:
    with pytest.raises(Interrupted):
        made.follow(cancel)


def test_what_is_told_is_kept_and_passed_on_and_the_first_of_all_is_no_change(keeping: Keeping) -> None:
    assert keeping.changed == []
    keeping.annotate("a")
    until(lambda: keeping.value() == "a")
    assert keeping.changed == [{LEDGER}]
    copy = keeping.kept.copy()
    assert copy is not None
    assert len(copy.bodies) == 4


def test_silence_is_believed_for_a_while_and_told_as_that_old(keeping: Keeping) -> None:
    heard = keeping.kept.copy()
    assert heard is not None
    keeping.desk.clock.advance(FRESH_SECONDS - 1)
    again = keeping.kept.copy()
    assert again is not None
    assert again.heard_at == heard.heard_at
    keeping.desk.clock.advance(2)
    assert keeping.kept.copy() is None
    keeping.estate.control.advance(61)  # a bookmark comes
    assert until(keeping.kept.copy).heard_at == keeping.desk.clock.now()


@pytest.mark.parametrize("end", ["closed", "broken", "error"])
def test_while_the_stream_is_down_nothing_is_believed(keeping: Keeping, end: str) -> None:
    keeping.estate.control.silence_watches(WEST)
    keeping.estate.control.end_watches(WEST, end)
    until(lambda: keeping.kept.copy() is None)
    keeping.annotate("meanwhile")
    keeping.estate.control.silence_watches(WEST, False)
    until(lambda: keeping.value() == "meanwhile")
    assert keeping.changed == [{LEDGER}]


def test_after_a_version_that_is_gone_only_what_differs_is_passed_on(keeping: Keeping) -> None:
    keeping.estate.control.silence_watches(WEST)
    keeping.annotate("missed")
    keeping.estate.control.compact(WEST)
    keeping.estate.control.silence_watches(WEST, False)
    until(lambda: keeping.value() == "missed")
    assert keeping.changed == [{LEDGER}]


def test_what_is_deleted_is_gone_from_the_copy(keeping: Keeping) -> None:
    keeping.estate.west.call("DELETE", f"{MIRRORS_PATH}/ledger-dr")
    keeping.estate.control.advance(60)
    until(lambda: (copy := keeping.kept.copy()) is not None and LEDGER not in copy.bodies)
    assert {LEDGER} in keeping.changed


# Through the driver


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, vendors=("trident",)) as made:
        yield made


@pytest.fixture
def driver(world: World) -> Iterator[TridentDriver]:
    made = driver_of(world)
    with following(lambda cancel: _all(made, cancel)):
        until(lambda: world.control.watches_open(WEST) == 2)
        yield made
    made.close()


def _all(driver: TridentDriver, cancel: Cancel) -> None:
    def follow(watch: Callable[..., None]) -> None:
        with pytest.raises(Interrupted):
            watch(lambda things: None, cancel)

    threads = [threading.Thread(target=follow, args=(each,)) for each in driver.watches().values()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


END = End(WEST, "trident", (("namespace", "bank"), ("mirror", "ledger-dr"), ("pvc", "ledger-data")))
GONE = End(WEST, "trident", (("namespace", "bank"), ("mirror", "no-such"), ("pvc", "ledger-data")))


def see(driver: TridentDriver, world: World, *, kept: bool) -> tuple[dict[End, Observation], list[str]]:
    """What is seen, and what was asked for it."""
    world.control.clear_requests()
    look = Look(deadline=world.clock.monotonic() + 30, kept=kept)
    seen = dict(driver.observe([END, GONE], look))
    return seen, [each["path"].rsplit("/", 1)[-1] for each in world.control.requests(WEST)]


def test_a_look_that_is_content_asks_only_whether_the_cluster_answers(
    driver: TridentDriver, world: World
) -> None:
    asked_for, by_name = see(driver, world, kept=False)
    told, asked = see(driver, world, kept=True)
    assert sorted(asked) == sorted([COUNT, "volumeattachments"])
    assert by_name.count("ledger-dr") == 1
    assert [told[end].state for end in (END, GONE)] == [asked_for[end].state for end in (END, GONE)]
    assert told[END].state is State.REPLICA
    assert told[END].vendor == asked_for[END].vendor
    assert told[END].observed_at <= asked_for[END].observed_at


def test_a_cluster_that_does_not_answer_is_not_read_whatever_is_kept(
    driver: TridentDriver, world: World
) -> None:
    """Its streams are open still, as they are when a store is frozen; that proves nothing of now."""
    world.control.freeze(WEST)
    told, _ = see(driver, world, kept=True)
    assert [each.readable for each in told.values()] == [False, False]
    assert world.control.watches_open(WEST) == 2


def test_a_copy_that_lacks_one_does_not_stand_for_the_list(driver: TridentDriver, world: World) -> None:
    world.control.silence_watches(WEST)
    admin = Cluster(world.simulator, WEST)
    body = admin.get(f"{MIRRORS_PATH}/ledger-dr")
    made = {**body, "metadata": {"name": "no-such"}, "status": None}
    admin.post(MIRRORS_PATH, made)
    admin.connection.close()
    told, asked = see(driver, world, kept=True)
    assert "no-such" in asked
    assert told[GONE].state is not None


def test_what_did_not_change_is_translated_once_and_what_did_at_once(
    driver: TridentDriver, world: World
) -> None:
    """By a look whose copy was heard again since: only the time is new. Whoever attaches the volume is seen."""
    before = see(driver, world, kept=True)[0][END]
    world.control.advance(61)  # a bookmark comes
    later = until(
        lambda: (now := see(driver, world, kept=True)[0][END]).observed_at > before.observed_at and now
    )
    assert later.vendor is before.vendor
    assert later == replace(before, observed_at=later.observed_at, point=later.point)
    assert later.point is not None
    assert later.point.read_at == later.observed_at

    world.control.attach(WEST, "bank", "ledger-data")
    assert (before.in_use, see(driver, world, kept=True)[0][END].in_use) == (0, 1)

    admin = Cluster(world.simulator, WEST)
    admin.patch(f"{MIRRORS_PATH}/ledger-dr", {"spec": {"state": "promoted"}})
    admin.connection.close()
    until(lambda: see(driver, world, kept=True)[0][END].state is not State.REPLICA)


def test_of_many_no_more_is_kept_than_is_read(keeping: Keeping) -> None:
    copy = keeping.kept.copy()
    assert copy is not None
    body = copy.bodies[LEDGER]
    assert body.keys() == {"metadata", "spec", "status"}
    assert "finalizers" not in body["metadata"]
    seen = mirror_seen(END, Mirror(body), None, Surroundings(backend=WEST, read_at=0.0))
    whole = keeping.estate.mirror(keeping.estate.west)
    assert seen == mirror_seen(END, Mirror(whole), None, Surroundings(backend=WEST, read_at=0.0))
