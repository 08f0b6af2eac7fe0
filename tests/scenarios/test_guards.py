"""Each guard saves somebody over real sockets, and each flag that answers one lets a person go on.

The tables name every guard of `core.guards`: one without a story fails.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from noes import check_guard
from scenarios.test_hooks import hooked, script
from scenarios.test_return_of_the_old_source import come_back, taken_over
from scenarios.test_unplanned import lose_the_source
from scenarios.tridents import at_rest
from worlds import LEDGER, Ran, World, a_world

from replctl.core.guards import GUARDS

PROMOTE, DOWN = ("promote", LEDGER), "--peer-is-down"
ANY_LOSS = "--accept-data-loss=unknown"
FAILS_OVER = {"failover_from_error": "accept"}
Story = Callable[[World], tuple[str, ...]]


def entries(world: World) -> Path:
    return world.config.parent / "replications.yaml"


def put(world: World, **fields: object) -> None:
    for array in ("east", "west"):
        world.control.set_state(LEDGER, array, **fields)


def a_dead_peer(world: World) -> tuple[str, ...]:
    lose_the_source(world)
    return PROMOTE


def a_living_peer(world: World) -> tuple[str, ...]:
    return (*PROMOTE, DOWN, "--accept-data-loss=1d")


def a_loss_that_nobody_accepted(world: World) -> tuple[str, ...]:
    lose_the_source(world)
    return (*PROMOTE, DOWN)


def writes_of_the_survivor(world: World) -> tuple[str, ...]:
    taken_over(world)
    come_back(world)
    world.control.advance(120)
    return ("reprotect", LEDGER, "--survivor", "east")


def an_error_of_the_array(world: World) -> tuple[str, ...]:
    world.control.advance(900)
    put(world, state="Error")
    world.control.kill("east", mode="refuse")
    return PROMOTE


def no_source_at_all(world: World) -> tuple[str, ...]:
    put(world, state="Failed_Over", role="Destination")
    return PROMOTE


def hands_off(world: World) -> tuple[str, ...]:
    assert world.run("hold", LEDGER, "--reason", "maintenance").code == 0
    return PROMOTE


def a_test_that_runs(world: World) -> tuple[str, ...]:
    assert world.act("drill", "start", LEDGER).code == 0
    lose_the_source(world)
    return PROMOTE


def nobody_at_the_terminal(world: World) -> tuple[str, ...]:
    return PROMOTE


def two_sources(world: World) -> tuple[str, ...]:
    taken_over(world)
    come_back(world)
    return PROMOTE


def half_a_copy(world: World) -> tuple[str, ...]:
    world.control.replace_session(LEDGER)
    world.control.slow_copy(LEDGER, 3600)
    world.control.advance(60)
    return PROMOTE


def another_operation(world: World) -> tuple[str, ...]:
    assert world.act(*PROMOTE, "--no-wait").code == 8
    world.control.advance(60)
    return ("demote", LEDGER)


def somebody_at_the_array(world: World) -> tuple[str, ...]:
    put(world, state="Failing_Over")
    return PROMOTE


def a_source_whose_peer_is_silent(world: World) -> tuple[str, ...]:
    assert world.act(*PROMOTE).code == 0
    world.control.kill("east", mode="refuse")
    return PROMOTE


def a_paused_session(world: World) -> tuple[str, ...]:
    put(world, state="Paused")
    return PROMOTE


def a_name_with_another_meaning(world: World) -> tuple[str, ...]:
    assert world.act(*PROMOTE).code == 0
    assert world.act("demote", LEDGER).code == 0
    other = _another_group(world)
    path = entries(world)
    path.write_text(path.read_text().replace(f"volume_group: {other}", "volume_group: set-aside"))
    world.control.rename_volume(LEDGER, "ledger-before")
    world.control.rename_volume(_entry_of(other), "ledger-vg")
    return PROMOTE


def two_halves_that_do_not_fit(world: World) -> tuple[str, ...]:
    other = _another_group(world)
    head, first, *_ = entries(world).read_text().split("\n- ")
    mixed = first.replace("east, volume_group: ledger-vg", f"east, volume_group: {other}")
    entries(world).write_text(f"{head}\n- {mixed}\n")
    return PROMOTE


def a_metro_volume(world: World) -> tuple[str, ...]:
    for array, role in (("east", "Metro_Preferred"), ("west", "Metro_Non_Preferred")):
        world.control.set_state(
            LEDGER, array, role=role, type="Metro_Active_Active", data_transfer_state="Active_Active"
        )
    return PROMOTE


def a_policy_that_nobody_named(world: World) -> tuple[str, ...]:
    path = entries(world)
    path.write_text(path.read_text().replace(", policy: gold-dr-east", "", 1))
    world.control.strip(LEDGER)
    return ("create", LEDGER)


def a_hook_that_says_no(world: World) -> tuple[str, ...]:
    hooked(world, before_demote={"command": script(world, "quiesce", "exit 1")})
    return PROMOTE


def attachments_that_cannot_be_read(world: World) -> tuple[str, ...]:
    world.control.deny("k8s-east", "volumeattachments", "list")
    return PROMOTE


def a_mirror_that_is_still_good(world: World) -> tuple[str, ...]:
    return ("delete", LEDGER)


def _another_group(world: World) -> str:
    """The volume group of another replication that is the replica at home."""
    for line in entries(world).read_text().splitlines():
        if "local:" in line and "volume_group:" in line and "ledger-vg" not in line and "policy" not in line:
            return line.partition("volume_group: ")[2].rstrip("}")
    raise AssertionError("there is no other volume group")


def _entry_of(group: str) -> str:
    namespace, _, name = group.removesuffix("-vg").partition("-")
    return f"{namespace}/{name}"


SAVES: Mapping[str, Story] = {
    "peer-not-demoted": a_dead_peer,
    "peer-is-up": a_living_peer,
    "data-loss": a_loss_that_nobody_accepted,
    "discards-local-data": writes_of_the_survivor,
    "state-failed": an_error_of_the_array,
    "no-source": no_source_at_all,
    "held": hands_off,
    "drill-running": a_test_that_runs,
    "confirmation": nobody_at_the_terminal,
    "split-brain": two_sources,
    "incomplete-copy": half_a_copy,
    "operation-open": another_operation,
    "foreign-operation": somebody_at_the_array,
    "stale-observation": a_source_whose_peer_is_silent,
    "backend-state": a_paused_session,
    "identity-changed": a_name_with_another_meaning,
    "not-a-pair": two_halves_that_do_not_fit,
    "unsupported": a_metro_volume,
    "undeclared": a_policy_that_nobody_named,
    "hook-vetoed": a_hook_that_says_no,
    "source-in-use": attachments_that_cannot_be_read,
    "delete-promotes": a_mirror_that_is_still_good,
}
BETWEEN_CLUSTERS = (
    "source-in-use",
    "delete-promotes",
)  # an array demotes by itself, and keeps its replica closed
WITH_A_FLAG = [name for name, guard in GUARDS.items() if guard.override is not None]


def test_every_guard_has_its_story() -> None:
    assert SAVES.keys() == GUARDS.keys()


def world_of(name: str, directory: Path, **options: Any) -> AbstractContextManager[World]:
    if name in BETWEEN_CLUSTERS:
        return at_rest(directory)
    return a_world(directory, replications=24, **options)


def asked(world: World, name: str, words: tuple[str, ...]) -> Ran:
    return world.run(*words, "-o", "json") if name == "confirmation" else world.act(*words)


@pytest.mark.parametrize("name", SAVES)
def test_each_guard_saves_somebody(tmp_path: Path, name: str) -> None:
    with world_of(name, tmp_path) as world:
        words = SAVES[name](world)
        before = world.changes()
        refused = asked(world, name, words)
        assert refused.code in (6, 7), refused.out
        assert name in refused.guards
        assert world.changes() == before
        screen = world.run(*words, *(() if name == "confirmation" else ("-y",)))
        assert (screen.code, screen.out, world.changes()) == (refused.code, "", before)
        check_guard(name, GUARDS[name].override, refused, screen)


@pytest.mark.parametrize("name", WITH_A_FLAG)
def test_each_flag_lets_a_person_go_on(tmp_path: Path, name: str) -> None:
    with world_of(name, tmp_path, assumptions=FAILS_OVER) as world:
        ran = asked(world, name, SAVES[name](world))
        flag = (GUARDS[name].override or "").partition("=")[0]
        for _ in range(len(GUARDS)):
            if ran.code != 6:
                break
            words = shlex.split(_next(world, name, ran))[1:]
            ran = world.run(*words, "-o", "json") if "-y" in words else world.act(*words)
        assert ran.code == 0, (words, ran.out)
        assert flag in [word.partition("=")[0] for word in words]
        if flag != "-y":
            assert flag in [word.partition("=")[0] for word in ran.operation["acknowledged"]]


def _next(world: World, name: str, ran: Ran) -> str:
    """What it prints; of a peer that is up, which is asked to hand over, the flag of a person who knows better."""
    if name == "peer-is-up":
        return shlex.join(["replctl", *PROMOTE, "--peer-is-fenced=ports down", "--accept-data-loss=1d"])
    return str(ran.operation["refusal"]["next"])
