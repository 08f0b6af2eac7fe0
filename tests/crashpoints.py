"""Every point at which a command can die, for every verb on both backends: a write to the journal, an answer, a look.

`python tests/crashpoints.py [--only WORD] [--every N]` kills each verb at each of its points, or at each N-th, and
prints how many there were. Whoever comes after the dead is the same command over the same store, or first the same
command over another store, which knows nothing. What both leave behind must be what an undisturbed run leaves: the
same changes, each once, the same sides writable, nothing written lost, and no operation open.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
import worldclock
from estates import CLAIMS, Cluster
from scenarios import test_trident_unplanned as trident
from scenarios.test_crashes import open_operations
from scenarios.test_unplanned import lose_the_source, printed
from scenarios.tridents import COPIES, EAST, SNAPSHOTS, WEST, at_rest
from worlds import LEDGER, Ran, World, a_world

SAME_STORE, ANOTHER_STORE = "same store", "another store"
MOVED_ON = (6, 7, 8, 9)  # what another store may honestly say of what it did not begin
# Whoever does not know of the first asks for one more; that moves no role and opens nothing that hosts write to.
ASKED_AGAIN = ("sync", "drill start", "drill stop")
LONGEST_SECONDS = 120.0  # of real time, for a process to die or to end
CLAIM = f"{CLAIMS.format('bank')}/ledger-data"
Prepared = Callable[[World], tuple[str, ...]]


@dataclass(frozen=True)
class Scene:
    """A verb where it has something to do: `prepare` makes that so, and returns the words that go with the verb."""

    vendor: str
    name: str
    prepare: Prepared

    def __str__(self) -> str:
        return f"{self.vendor} {self.name}"

    @property
    def verb(self) -> tuple[str, ...]:
        return tuple(word for word in self.name.split() if word != "unplanned")


@dataclass(frozen=True)
class Left:
    """What a verb leaves behind: changes that took effect, and the truth about both sides."""

    changes: Counter[tuple[str, ...]]
    writable: Mapping[str, bool]
    lost_writes: int


# -- where each verb has something to do -----------------------------------------------------------------------------


def nothing(world: World) -> tuple[str, ...]:
    return ()


def lost(world: World) -> tuple[str, ...]:
    lose_the_source(world)
    return tuple(printed(world.act("promote", LEDGER)))


def back(world: World) -> tuple[str, ...]:
    assert world.act("promote", LEDGER, *lost(world)).code == 0
    world.control.revive("east")
    return ("--probe",)


def state(word: str) -> Prepared:
    def put(world: World) -> tuple[str, ...]:
        for array in ("east", "west"):
            world.control.set_state(LEDGER, array, state=word)
        return ()

    return put


def tested(world: World) -> tuple[str, ...]:
    assert world.act("drill", "start", LEDGER).code == 0
    return ()


def stripped(world: World) -> tuple[str, ...]:
    world.control.strip(LEDGER)
    return ()


def lost_cluster(world: World) -> tuple[str, ...]:
    trident.lose_east(world)
    return tuple(trident.flags(world))


def back_cluster(world: World) -> tuple[str, ...]:
    assert world.act("promote", LEDGER, *lost_cluster(world)).code == 0
    for name in (EAST, "ontap-east"):
        world.control.revive(name)
    world.control.advance(60)
    return ("--discard-local-changes", "--probe")


def broken_off(world: World) -> tuple[str, ...]:
    """A promotion from a snapshot that is not there leaves the replica failed."""
    assert world.act("promote", LEDGER, "--snapshot", "pvc-1/no-such-snapshot").code == 3
    return ("--discard-local-changes",)


def bare_cluster(world: World) -> tuple[str, ...]:
    assert world.act("delete", LEDGER, "--delete-promotes").code == 0
    admin = Cluster(world.simulator, WEST, admin=True)
    assert admin.call("DELETE", CLAIM).status == 200
    admin.connection.close()
    world.control.advance(60)
    return ()


def flagged(*flags: str) -> Prepared:
    return lambda world: flags


def promoted(world: World) -> tuple[str, ...]:
    assert world.act("promote", LEDGER).code == 0
    world.control.advance(60)
    return ()


HAS_TO_DO: Mapping[str, Mapping[str, Prepared]] = {
    "powerstore": {
        "promote": nothing,
        "promote unplanned": lost,
        "demote": promoted,
        "failover": flagged("--to", "west"),
        "reprotect": back,
        "resync": state("Paused"),
        "sync": nothing,
        "pause": nothing,
        "resume": state("Paused"),
        "drill start": nothing,
        "drill stop": tested,
        "create": stripped,
        "delete": nothing,
    },
    "trident": {
        "promote": nothing,
        "promote unplanned": lost_cluster,
        "demote": promoted,
        "failover": flagged("--to", WEST),
        "reprotect": back_cluster,
        "resync": broken_off,
        "sync": nothing,
        "create": bare_cluster,
        "delete": flagged("--delete-promotes"),
    },
}
SCENES = tuple(
    Scene(vendor, name, prepare) for vendor, verbs in HAS_TO_DO.items() for name, prepare in verbs.items()
)


# -- killing ---------------------------------------------------------------------------------------------------------


@contextmanager
def set_up(scene: Scene, directory: Path) -> Iterator[tuple[World, tuple[str, ...]]]:
    """A world where the verb has something to do, and the command line that asks for it."""
    new = a_world(directory) if scene.vendor == "powerstore" else at_rest(directory)
    with new as world:
        flags = scene.prepare(world)
        world.control.clear_requests()
        yield world, (*scene.verb, LEDGER, *flags)


def run_to(world: World, argv: tuple[str, ...], number: int) -> list[str]:
    """Run it in a process that dies at its n-th point (0: at none); the points that it passed."""
    told = world.directory / "points"
    environ = {worldclock.CRASH_POINT: str(number), worldclock.POINTS: str(told)}
    process = world.spawn(*argv, "-y", "-o", "json", environ=environ)
    out, err = process.communicate(timeout=LONGEST_SECONDS)
    assert process.returncode == (-9 if number else 0), (argv, number, out, err)
    return told.read_text().split()


def left(world: World, scene: Scene) -> Left:
    made = world.effective() if scene.vendor == "powerstore" else objects_written(world, scene)
    truth = world.truth()
    return Left(Counter(made), truth["writable"], truth["lost_writes"])


def objects_written(world: World, scene: Scene) -> Iterator[tuple[str, str, str]]:
    """What a verb changes in the clusters, without what is there for a while and what only asks Trident to look."""
    errands = () if scene.name == "sync" else (SNAPSHOTS, COPIES)
    for change in world.changes():
        parts = change["path"].split("/")
        kind = parts[-1] if change["method"] == "POST" else parts[-2]
        asks = change["method"] == "PATCH" and "spec" not in change["body"]
        tidies = change["method"] == "DELETE" and scene.name != "delete"
        if change["effect"] and kind not in errands and not (asks or tidies):
            yield change["array"], change["method"], kind


def undisturbed(scene: Scene, directory: Path) -> tuple[list[str], Left]:
    """The points of a run that nothing disturbs, and what it leaves."""
    with set_up(scene, directory) as (world, argv):
        return run_to(world, argv, 0), left(world, scene)


def killed(scene: Scene, directory: Path, number: int, after: str, expected: Left) -> None:
    """Kill it at its n-th point, have it finished, and compare; raises AssertionError where they differ."""
    with set_up(scene, directory) as (world, argv):
        run_to(world, argv, number)
        begun = open_operations(world)
        if after == ANOTHER_STORE:
            other = world.act(*argv, state_dir=directory / "another")
            assert other.code in (0, *MOVED_ON), (other.code, other.out, other.err)
        again = world.act(*argv)
        if made_anew(scene, after, again):
            return
        assert again.code == 0, (again.code, again.out, again.err)
        if begun and after == SAME_STORE:
            assert again.operation["operation_id"] in (*begun, None), (begun, again.out)
        assert open_operations(world) == []
        verified = world.run("history", "--verify")
        assert verified.code == 0, verified.err
        one_more = scene.name in ASKED_AGAIN and (after == ANOTHER_STORE or not begun)
        compare(left(world, scene), expected, set if one_more else Counter)


def compare(found: Left, expected: Left, counted: Callable[[Counter[tuple[str, ...]]], object]) -> None:
    assert counted(found.changes) == counted(expected.changes), (found, expected)
    assert found.writable == expected.writable, (found, expected)
    assert (found.lost_writes == 0) is (expected.lost_writes == 0), (found, expected)


def made_anew(scene: Scene, after: str, again: Ran) -> bool:
    """What another store made is another thing than what this one knew by the name: for a person to settle."""
    refused = again.code == 6 and again.guards == ["identity-changed"]
    return refused and scene.name == "create" and after == ANOTHER_STORE


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="scenes whose name contains this")
    parser.add_argument("--every", type=int, default=1, help="each so many points")
    asked = parser.parse_args()
    wrong, total, began = 0, 0, time.monotonic()
    print(
        "| verb | journal writes | answers | observations | killed | wrong |\n| --- | --- | --- | --- | --- | --- |"
    )
    for scene in SCENES:
        if asked.only not in str(scene):
            continue
        with tempfile.TemporaryDirectory() as directory:
            points, expected = undisturbed(scene, Path(directory))
        count, bad = 0, 0
        for number in range(1, len(points) + 1, asked.every):
            for restart in (SAME_STORE, ANOTHER_STORE):
                count += 1
                with tempfile.TemporaryDirectory() as directory:
                    try:
                        killed(scene, Path(directory), number, restart, expected)
                    except AssertionError as error:
                        bad += 1
                        print(
                            f"{scene}, point {number}, {restart}: {str(error)[:1500]}",
                            file=sys.stderr,
                            flush=True,
                        )
        kinds = Counter(points)
        counts = " | ".join(str(kinds[each]) for each in ("write", "request", "observation"))
        print(f"| {scene} | {counts} | {count} | {bad} |", flush=True)
        wrong, total = wrong + bad, total + count
    print(f"{total} killed, {wrong} wrong, {time.monotonic() - began:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
