"""Every error code, and every way in which an operation can end badly: made to happen, and read by person and script.

Each through the real command line, over the simulator wherever a backend can be made to do it; the few that no
backend can be brought to are raised where the engine would. Guards have the same in test_guards.py. A code without a
scene fails.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from estates import Cluster
from noes import check_error
from scenarios.test_crashes import crashed, open_operations
from scenarios.test_cut_short import services
from scenarios.test_guards import PROMOTE, _another_group, _entry_of
from scenarios.test_hooks import hooked, script
from scenarios.test_trident_credentials import FAILS
from scenarios.test_trident_looking import plugged_in
from scenarios.test_unplanned import lose_the_source
from scenarios.tridents import EAST, MIRRORS, SOURCE_POD, WEST, at_rest, when
from worlds import LEDGER, Ran, StormClock, World, a_world

from replctl.cli import reference
from replctl.core import errors
from replctl.core.model import Holder, Who
from replctl.engine import Engine
from replctl.store.sqlite import SqliteStore

JSON, SCREEN = ("-o", "json"), ()
ALWAYS = 1_000_000  # times
LAGGING = {"durations": {"lag_east": 3.0, "lag_west": 3.0}}
WITHOUT_YES = frozenset({("import", "-n"), ("op", "wait")})


@dataclass(frozen=True)
class Hand:
    """What a scene may change besides the world, and what it leaves to be undone."""

    patch: pytest.MonkeyPatch
    later: ExitStack


Scene = Callable[[World, Hand], tuple[str, ...]]


@dataclass(frozen=True)
class Case:
    """What has to happen before the command that ends with the code; `once`: a second one would end otherwise."""

    scene: Scene
    clusters: bool = False
    once: bool = False
    options: Mapping[str, Any] | None = None

    def world(self, directory: Path) -> AbstractContextManager[World]:
        make = at_rest if self.clusters else a_world
        return make(directory, **(self.options or {}))


def typed(*words: str) -> Case:
    """A command line that is wrong in itself."""
    return Case(lambda world, hand: words)


def broken(kind: str, **how: Any) -> Case:
    """The local array answers every question so."""

    def scene(world: World, hand: Hand) -> tuple[str, ...]:
        world.control.fault("west", kind, times=ALWAYS, **how)
        return PROMOTE

    return Case(scene)


def configured(old: str, new: str) -> Case:
    """Something stands otherwise in the configuration."""

    def scene(world: World, hand: Hand) -> tuple[str, ...]:
        text = world.config.read_text()
        assert old in text
        world.config.write_text(text.replace(old, new))
        return PROMOTE

    return Case(scene)


def raised(error: Callable[[], Exception]) -> Case:
    """What no backend can be brought to, raised where the engine would raise it."""

    def scene(world: World, hand: Hand) -> tuple[str, ...]:
        def fails(*_: Any, **__: Any) -> None:
            raise error()

        hand.patch.setattr(Engine, "propose_all", fails)
        hand.patch.setattr(Engine, "propose", fails)
        return PROMOTE

    return Case(scene)


def two_of_that_name(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.rename_volume(_entry_of(_another_group(world)), "ledger-vg")
    return PROMOTE


def nobody_at_the_address(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.kill("west", mode="refuse")
    return PROMOTE


def an_array_that_thinks_for_long(world: World, hand: Hand) -> tuple[str, ...]:
    text = world.config.read_text().replace("    username:", "    timeouts: {read: 200ms}\n    username:")
    world.config.write_text(f"{text}retry: {{max_attempts: 1}}\n")
    world.control.fault("west", "slow", seconds=600, times=ALWAYS)
    return PROMOTE


def left_alone_by_the_breaker(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.kill("west", mode="refuse")
    for _ in range(6):
        world.run("status")
    return PROMOTE


def a_wrong_password(world: World, hand: Hand) -> tuple[str, ...]:
    (world.config.parent / "credentials" / "west").write_text("wrong\n")
    return PROMOTE


def a_right_that_lacks(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.deny(WEST, MIRRORS, "get")
    return PROMOTE


def a_plugin_that_fails(world: World, hand: Hand) -> tuple[str, ...]:
    plugged_in(world, FAILS)
    return PROMOTE


def no_trident(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.uninstall(WEST)
    return PROMOTE


def no_class_for_snapshots(world: World, hand: Hand) -> tuple[str, ...]:
    lines = world.config.read_text().splitlines(keepends=True)
    world.config.write_text("".join(line for line in lines if "snapshot_class" not in line))
    return PROMOTE


def the_arrays_own_no(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.fault("east", "status", method="POST", path="/failover$", status=422, times=ALWAYS)
    return PROMOTE


def somebody_else_at_the_array(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.advance(60)
    assert world.control.gui(LEDGER, "east", "sync")["status"] == 202
    return ("sync", LEDGER)


def a_lock_of_somebody_else(world: World, hand: Hand) -> tuple[str, ...]:
    who = Who(user="ann", host="elsewhere", pid=4711)
    holder = Holder(who=who, since=world.clock.now(), command=f"replctl demote {LEDGER}")
    other = hand.later.enter_context(services(world))
    hand.later.enter_context(other.store.lock(LEDGER, holder))
    return PROMOTE


def an_entry_that_went_away(world: World, hand: Hand) -> tuple[str, ...]:
    path = world.directory / "move.json"
    assert world.run("plan", "--out", str(path)).code == 0
    entries = world.config.parent / "replications.yaml"
    head, first, *others = entries.read_text().split("\n- ")
    assert "name: ledger" in first
    entries.write_text("\n- ".join([head, *others]))
    return ("apply", "--plan", str(path))


def a_file_that_is_kept_in_git(world: World, hand: Hand) -> tuple[str, ...]:
    (world.config.parent / ".git").mkdir()
    return (*PROMOTE, "--update-file")


def a_file_in_the_place_of_the_store(world: World, hand: Hand) -> tuple[str, ...]:
    blocked = world.directory / "blocked"
    blocked.write_text("")
    environ = {**world.environ(), "REPLCTL_STATE_DIR": str(blocked / "state")}
    hand.patch.setattr(world, "environ", lambda _=None: environ)
    return PROMOTE


def ctrl_c_while_it_waits(world: World, hand: Hand) -> tuple[str, ...]:
    clock = StormClock(world.control, 1)
    clock.schedule(2.0, lambda _: os.kill(os.getpid(), signal.SIGINT))
    world.clock = clock
    return PROMOTE


# -- operations that end badly ---------------------------------------------------------------------------------------


def given_up(world: World, hand: Hand) -> tuple[str, ...]:
    begun = world.act(*PROMOTE, "--no-wait").operation["operation_id"]
    assert world.act("op", "abandon", begun).code == 0
    return ("op", "wait", begun)


def a_deadline_that_comes(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.stick(LEDGER, "Failing_Over")
    return (*PROMOTE, "--timeout", "30s")


def a_schedule_that_trident_replaces(world: World, hand: Hand) -> tuple[str, ...]:
    client = Cluster(world.simulator, EAST)
    path = f"/apis/trident.netapp.io/v1/namespaces/bank/{MIRRORS}/ledger"
    client.patch(path, {"spec": {"replicationSchedule": "15m"}})
    client.connection.close()
    world.control.advance(10)
    return PROMOTE


def a_dead_ontap(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.ontap(EAST, "dead")
    return PROMOTE


def a_disk_that_fills_up(world: World, hand: Hand) -> tuple[str, ...]:
    def full(*_: object) -> bool:
        raise OSError(28, "No space left on device")

    hand.patch.setattr(Path, "replace", full)
    return (*PROMOTE, "--update-file")


def a_hook_that_fails_in_the_end(world: World, hand: Hand) -> tuple[str, ...]:
    hooked(world, after_promote=script(world, "map-hosts", "exit 1"))
    return PROMOTE


def nobody_waits(world: World, hand: Hand) -> tuple[str, ...]:
    return (*PROMOTE, "--no-wait")


def a_link_that_is_down(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.link("data_down")
    return ("pause", LEDGER)


def a_word_that_proves_nothing(world: World, hand: Hand) -> tuple[str, ...]:
    when(world, "ontap", {"cluster": WEST, "state": "unreadable"}, WEST, "PATCH", MIRRORS)
    return PROMOTE


def a_source_that_comes_into_use(world: World, hand: Hand) -> tuple[str, ...]:
    when(world, "attach", SOURCE_POD, EAST, "POST", "volumesnapshots", effect="after")
    return PROMOTE


def a_promotion_that_nobody_watched(world: World, hand: Hand) -> tuple[str, ...]:
    assert world.act(*PROMOTE, "--timeout", "18s").code == 8
    world.control.attach(**SOURCE_POD)
    world.control.advance(60)
    world.control.stop_pods(LEDGER)
    return PROMOTE


def a_plan_that_was_carried_out(world: World, hand: Hand) -> tuple[str, ...]:
    path = world.directory / "move.json"
    entries = world.config.parent / "replications.yaml"
    entries.write_text(entries.read_text().replace("state: replica", "state: source", 1))
    assert world.run("plan", "--out", str(path)).code == 0
    assert world.act("apply", "--plan", str(path)).code == 0
    return ("apply", "--plan", str(path))


def what_goes_on_elsewhere(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.stick(LEDGER, "Failing_Over")
    begun = world.act(*PROMOTE, "--no-wait").operation["operation_id"]
    return ("op", "wait", begun, "--timeout", "5s")


def flags_that_are_not_given_again(world: World, hand: Hand) -> tuple[str, ...]:
    lose_the_source(world)
    flags = ("--peer-is-down", "--accept-data-loss=1d")
    assert crashed(world, *PROMOTE, *flags, number=2)
    (begun,) = open_operations(world)
    return ("op", "resume", begun)


def an_operation_that_is_closed_under_it(world: World, hand: Hand) -> tuple[str, ...]:
    """Between the journal's word and the change; while its holder lives nobody can, but whoever mends the store."""
    asks = SqliteStore.still_stands

    def closed_before(store: SqliteStore, operation: str) -> bool:
        store.abandon(operation, "ann", world.clock.now())
        return asks(store, operation)

    hand.patch.setattr(SqliteStore, "still_stands", closed_before)
    return PROMOTE


def a_source_that_falls_silent_on_the_way(world: World, hand: Hand) -> tuple[str, ...]:
    fault = {"array": EAST, "kind": "reset", "times": ALWAYS, "effect": "before"}
    when(world, "fault", fault, WEST, "PATCH", MIRRORS, effect="after")
    return (*PROMOTE, "--timeout", "1m")


def somebody_who_was_quicker(world: World, hand: Hand) -> tuple[str, ...]:
    world.control.advance(60)
    world.control.stick(LEDGER, "Failing_Over")
    world.control.gui(LEDGER, "east", "failover", {"is_planned": True})
    world.control.fault("east", "status", method="POST", path="/failover$", status=422)
    return PROMOTE


CASES: Mapping[str, Case] = {
    "ambiguous": Case(two_of_that_name, options={"replications": 24}),
    "already-exists": raised(lambda: errors.AlreadyExists("there is a claim ledger-data", backend="west")),
    "backend-unwell": broken("status", status=500),
    "breaker-open": Case(left_alone_by_the_breaker),
    "busy": broken("status", status=429),
    "conflict": Case(an_entry_that_went_away),
    "connection-lost": broken("hang"),
    "forbidden": Case(a_right_that_lacks, clusters=True),
    "internal": raised(lambda: RuntimeError("a mistake of ours")),
    "interrupted": Case(ctrl_c_while_it_waits, once=True),
    "invalid-configuration": configured("username:", "usrename:"),
    "invalid-duration": typed(*PROMOTE, "--timeout", "5"),
    "invalid-input": typed("promote"),
    "invalid-name": typed("import", "-n", "Bank!"),
    "invalid-state-transition": raised(lambda: errors.IllegalTransition("source", "syncing", ("demoting",))),
    "invalid-time": typed(*PROMOTE, "--accept-data-loss", "yesterday"),
    "locked": Case(a_lock_of_somebody_else),
    "name-unresolved": configured("https://127.0.0.1", "https://no-such-host.invalid"),
    "file-not-editable": Case(a_file_that_is_kept_in_git),
    "no-credential": Case(a_plugin_that_fails, clusters=True),
    "not-found": typed("promote", "bank/legder"),
    "not-installed": Case(no_trident, clusters=True),
    "outdated": raised(
        lambda: errors.Outdated("it was changed meanwhile", backend="west", remedy="look again")
    ),
    "outcome-unknown": Case(
        somebody_else_at_the_array, once=True, options={"durations": {"lag_east": 3.0, "lag_west": 3.0}}
    ),
    "rejected": Case(the_arrays_own_no, once=True),
    "store-refused": Case(a_file_in_the_place_of_the_store),
    "timed-out": Case(an_array_that_thinks_for_long),
    "tls-failed": configured("ca_file: ca.pem", "verify: true"),
    "unauthorized": Case(a_wrong_password),
    "unreachable": Case(nobody_at_the_address),
    "unreadable-answer": broken("html"),
    "unsupported": Case(no_class_for_snapshots, clusters=True),
    "usage": typed(*PROMOTE, "--force"),
}
ENDINGS: Mapping[str, Case] = {
    "acknowledgement-expired": Case(flags_that_are_not_given_again),
    "cannot-go-on": Case(a_source_that_falls_silent_on_the_way, clusters=True, once=True),
    "foreign-operation": Case(somebody_who_was_quicker, once=True, options=LAGGING),
    "operation-gone": Case(an_operation_that_is_closed_under_it, once=True),
    "operation-open": Case(what_goes_on_elsewhere),
    "abandoned": Case(given_up),
    "deadline": Case(a_deadline_that_comes, once=True),
    "ended-elsewhere": Case(a_schedule_that_trident_replaces, clusters=True, once=True),
    "errand-failed": Case(a_dead_ontap, clusters=True, once=True),
    "file-not-updated": Case(a_disk_that_fills_up, once=True),
    "hook-failed": Case(a_hook_that_fails_in_the_end, once=True),
    "not-waited-for": Case(nobody_waits, once=True),
    "reached-one-end": Case(a_link_that_is_down, once=True),
    "unverified": Case(a_word_that_proves_nothing, clusters=True),
    "source-in-use": Case(a_source_that_comes_into_use, clusters=True, once=True),
    "unwatched": Case(a_promotion_that_nobody_watched, clusters=True, once=True),
    "world-changed": Case(a_plan_that_was_carried_out),
}


def asked(world: World, words: tuple[str, ...], *form: str) -> Ran:
    yes = () if words[:2] in WITHOUT_YES else ("-y",)
    return world.run(*words, *yes, *form)


def test_every_code_has_its_scene() -> None:
    """But for the one that says that nothing could be printed, which shows nowhere: test_streams has it."""
    assert {*CASES, *ENDINGS, "output-lost"} == reference.ERRORS.keys() | reference.ENDINGS.keys()
    assert not CASES.keys() & ENDINGS.keys()


def played(
    case: Case, directory: Path, monkeypatch: pytest.MonkeyPatch, *forms: tuple[str, ...]
) -> list[Ran]:
    """The scene in a world of its own, and the command in each form."""
    with case.world(directory) as world, monkeypatch.context() as patch, ExitStack() as later:
        words = case.scene(world, Hand(patch, later))
        return [asked(world, words, *form) for form in forms]


@pytest.mark.parametrize("code", [*CASES, *ENDINGS])
def test_every_error_names_itself_and_leads_on(
    code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = {**CASES, **ENDINGS}[code]
    if case.once:
        (document,) = played(case, tmp_path / "first", monkeypatch, JSON)
        (screen,) = played(case, tmp_path / "second", monkeypatch, SCREEN)
    else:
        document, screen = played(case, tmp_path, monkeypatch, JSON, SCREEN)
    exits = reference.ERRORS.get(code)
    assert exits is None or document.code == int(exits[0]), document.out
    assert screen.code == document.code
    check_error(code, document, screen)
