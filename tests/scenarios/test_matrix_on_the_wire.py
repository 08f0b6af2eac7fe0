"""Every cell of the matrix, carried out: two simulated arrays in each situation, the whole program, each verb.

What is refused or so already writes nothing; what is a plan is carried out, and ends as it says. All cells of a verb
in the same surroundings are judged and carried out by one command, each on a replication of its own, so that the
many cost little. The arrays' side of what the contract leaves open is tried both ways.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from matrix import (
    BOTH_ANSWER,
    CUT_OFF,
    FLAGS,
    LINK_LOST,
    MOST_ROUNDS,
    PRINTED,
    SAME_AS,
    SILENT,
    Answer,
    Situation,
    answer,
    command,
    filled_in,
    situations,
)
from worlds import World, a_world

from replctl.simulator.assumptions import ASSUMPTIONS

SETTLED_SECONDS = 120.0  # by then both arrays know how the link between them is
# Failovers of which the contract does not say whether the array lets them be.
LEFT_OPEN = {
    "type Synchronous": "failover_on_synchronous",
    "Paused_For": "unplanned_from_paused_for_system",
    "Error": "failover_from_error",
}
DEFAULTS = {each.name: each.default for each in ASSUMPTIONS}
UNKIND: Mapping[str, str] = {}
OTHERWISE = {
    each.name: next(value for value in each.values if value != each.default)
    for each in ASSUMPTIONS
    if each.section.startswith(("CP §7", "CP §8", "CP §9", "CP §15.6", "CP §15.10", "CP §17"))
    and each.name not in ("peer_unreachable_delay", "token_rotation", "job_retention")
}


@dataclass(frozen=True, slots=True)
class Cell:
    """A replication of the world in a situation, and what is expected of a verb."""

    name: str
    situation: Situation
    expected: Answer | None


# -- putting a world into its situations ---------------------------------------------------------------------------


def wanted(around: str) -> list[Situation]:
    return [each for each in situations() if each.around == around]


def names(world: World, count: int) -> list[str]:
    """As many replications whose source is east and whose local end is the replica."""
    truths = world.control.truths()
    found = sorted(name for name, truth in truths.items() if truth["role"]["west"] == "Destination")
    assert len(found) >= count
    return found[:count]


@pytest.fixture(params=[UNKIND, OTHERWISE], ids=["unkind", "otherwise"])
def assumptions(request: pytest.FixtureRequest) -> Mapping[str, str]:
    return dict(request.param)


def in_one_wave(world: World) -> None:
    path = world.config.parent / "replications.yaml"
    path.write_text(re.sub(r"\n  order: \d+", "", path.read_text()))


def put(world: World, name: str, situation: Situation) -> None:
    """Both ends as the situation has them; a silent peer is put right all the same, before it falls silent."""
    if situation.local == "no session":
        world.control.strip(name, keep_copy=True)
        return
    for array, said in (("west", situation.local), ("east", situation.peer)):
        if said == "no session":
            continue
        first, *more = [part.strip() for part in said.split(";")]
        role, _, state = first.partition(" ")
        facts = dict(each.split(" ", 1) for each in more)
        kind = facts.get("type", "Asynchronous" if not role.startswith("Metro") else "Metro_Active_Active")
        fields: dict[str, Any] = {"role": role, "state": state, "type": kind}
        fields["data_transfer_state"] = facts.get("transfer", kind.removeprefix("Metro_"))
        fields["failover_test_in_progress"] = "test" in facts
        world.control.set_state(name, array, **fields)


def can_be_made(situation: Situation) -> bool:
    """A pair of which one end alone has no session is none that the simulated arrays can be brought to."""
    return (situation.local == "no session") == (situation.peer == "no session")


def surround(world: World, around: str) -> None:
    if around in (LINK_LOST, CUT_OFF):
        world.control.link("data_down")
    if around in (SILENT, CUT_OFF):
        world.control.kill("east", mode="refuse") if around == CUT_OFF else mute(world)


def mute(world: World) -> None:
    """The array lives and copies, and its management answers nobody."""
    world.control.fault("east", "reset", times=1_000_000, effect="before")


# -- one verb in one world -----------------------------------------------------------------------------------------


def typed(asked: str, flags: str, targets: Sequence[str]) -> list[str]:
    verb = shlex.split(command(asked + flags))[1:]
    verb.remove("bank/ledger")
    return [*verb, *targets]


def judged_cells(world: World, asked: str, flags: str, around: str) -> Iterator[Cell]:
    made = [each for each in wanted(around) if can_be_made(each)]
    for name, situation in zip(names(world, len(made)), made, strict=True):
        yield Cell(name, situation, answer(asked, flags, situation))


def is_unread(expected: Answer) -> bool:
    """Said by the planner where the command has ended before, because an end had to be read (the page says so)."""
    return "stale-observation" in expected.guards


def check(cell: Cell, asked: str, operation: Mapping[str, Any], world: World) -> None:
    expected, outcome = cell.expected, operation["outcome"]
    assert expected is not None
    said = (asked, cell.situation, operation)
    if expected.guards:
        refused = (
            {"refused", "unreachable"} if is_unread(expected) else {"refused", "unsupported", "conflict"}
        )
        assert outcome in refused, said
        if operation["refusal"] is not None:
            assert tuple(each["name"] for each in operation["refusal"]["guards"]) == expected.guards, said
            assert (outcome == "conflict") is expected.conflict, said
    elif not expected.steps:
        assert outcome in ("unchanged", "unreachable"), said
    else:
        assert [step["name"] for step in operation["steps"]] == list(expected.steps), said
        check_end(cell, asked, operation, world)


def check_end(cell: Cell, asked: str, operation: Mapping[str, Any], world: World) -> None:
    """A plan was carried out: it is done, or said not to be, and the arrays are as it says."""
    outcome, truth = operation["outcome"], world.truth(cell.name)
    said = (asked, cell.situation, operation, truth)
    assert outcome in ends(asked, cell.situation, world), said
    if outcome == "succeeded" and operation["to_state"] in ("source", "replica") and asked != "drill stop":
        role = {"source": "Source", "replica": "Destination"}[operation["to_state"]]
        assert truth["role"][operation["backend"]] == role, said
    if asked.startswith("drill"):
        assert truth["testing"] is (asked == "drill start"), said


def assumed(world: World, name: str) -> str:
    return world.simulator.options.assumptions.get(name) or DEFAULTS[name]


def ends(asked: str, situation: Situation, world: World) -> set[str]:
    """How a plan may end where the arrays cannot do it, or where nobody ends the state that they were put into."""
    if asked in ("promote", "demote", *SAME_AS) and any(
        part in situation.local and assumed(world, name) == "refuse" for part, name in LEFT_OPEN.items()
    ):
        return {"failed"}  # the array's own no, and nothing was changed
    stays = "Synchronizing" in situation.local and asked in ("sync", "create", "reprotect")
    split = "Source" in situation.local and "Source" in situation.peer
    if stays or split:
        return {"in_progress"}
    half = situation.around == LINK_LOST and asked in ("pause", "create")
    return {"partial"} if half else {"succeeded"}


def sent_to(world: World, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """The changes that were asked for each replication, by the correlation id that names it."""
    found: dict[str, list[str]] = {cell.name: [] for cell in cells}
    for change in world.changes():
        for cell in cells:
            if (change["correlation_id"] or "").startswith(cell.name.replace("/", "-") + "-1"):
                found[cell.name].append(change["path"].rsplit("/", 1)[-1])
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("around", [BOTH_ANSWER, LINK_LOST, SILENT, CUT_OFF])
@pytest.mark.parametrize("asked", FLAGS)
def test_each_cell(tmp_path: Path, asked: str, around: str, assumptions: Mapping[str, str]) -> None:
    many = 2 * len(wanted(around))
    for flags in FLAGS[asked]:
        if flags == PRINTED:
            continue
        with a_world(tmp_path / f"{flags}", replications=many, seed=3, assumptions=assumptions) as world:
            in_one_wave(world)
            cells = list(judged_cells(world, asked, flags, around))
            world.control.advance(SETTLED_SECONDS)
            surround(world, around)
            world.control.advance(SETTLED_SECONDS)
            for cell in cells:
                put(world, cell.name, cell.situation)
            world.control.clear_requests()
            ran = world.run(
                *typed(asked, flags, [cell.name for cell in cells]),
                "-y", "--keep-going", "-o", "json", "--timeout", "10m",
            )  # fmt: skip
            operations = {f"{each['namespace']}/{each['name']}": each for each in ran.json["operations"]}
            sent = sent_to(world, cells)
            for cell in cells:
                check(cell, asked, operations[cell.name], world)
                plans = cell.expected is not None and cell.expected.steps
                assert plans or not sent[cell.name], (cell, sent[cell.name])


@pytest.mark.timeout(300)
@pytest.mark.parametrize("around", [BOTH_ANSWER, SILENT, CUT_OFF])
@pytest.mark.parametrize("asked", [asked for asked in FLAGS if PRINTED in FLAGS[asked]])
def test_what_a_refusal_prints_does_what_the_matrix_says(
    tmp_path: Path, asked: str, around: str, assumptions: Mapping[str, str]
) -> None:
    made = [(each, answer(asked, PRINTED, each)) for each in wanted(around) if can_be_made(each)]
    made = [(each, expected) for each, expected in made if expected is not None]
    if not made:
        assert around == BOTH_ANSWER or asked not in ("promote", "failover --to west")
        return
    with a_world(tmp_path, replications=2 * len(made) + 8, seed=3, assumptions=assumptions) as world:
        in_one_wave(world)
        cells = [Cell(name, *each) for name, each in zip(names(world, len(made)), made, strict=True)]
        world.control.advance(SETTLED_SECONDS)
        surround(world, around)
        world.control.advance(SETTLED_SECONDS)
        for cell in cells:
            put(world, cell.name, cell.situation)
        for cell in cells:
            assert world.run("breaker", "reset", "east").code == 0
            check_printed(world, asked, cell)


def check_printed(world: World, asked: str, cell: Cell) -> None:
    """Type what each refusal prints, until one is carried out or has no answer."""
    words = typed(asked, "", [cell.name])
    ran = world.act(*words)
    for _ in range(MOST_ROUNDS):
        if ran.code != 6 or not all(each["override"] for each in ran.operation["refusal"]["guards"]):
            break
        words = shlex.split(filled_in(ran.operation["refusal"]["next"]))[1:]
        ran = world.act(*words)
    expected, operation = cell.expected, ran.operation
    assert expected is not None
    flags = tuple(word.partition("=")[0] for word in words if word[:2] == "--" and word != "--to")
    assert set(flags) == set(expected.flags), (cell, words)
    if expected.guards:
        assert (ran.code, tuple(ran.guards)) == (6, expected.guards), (cell, operation)
        return
    assert [step["name"] for step in operation["steps"]] == list(expected.steps), (cell, operation)
    check_end(cell, asked, operation, world)
