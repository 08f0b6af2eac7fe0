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
    SURROUNDINGS,
    Answer,
    Situation,
    answer,
    begun_with,
    columns,
    command,
    filled_in,
    situations,
)
from scenarios.test_groups import FleetClock
from worlds import World, a_world

from replctl.simulator.assumptions import ASSUMPTIONS

SETTLED_SECONDS = 120.0  # by then both arrays know how the link between them is
# Failovers and reprotects of which the contract does not say whether the array lets them be.
LEFT_OPEN = (
    (("type Synchronous",), "failover_on_synchronous"),
    (("type Synchronous", "Fractured"), "unplanned_from_fractured"),
    (("Paused_For",), "unplanned_from_paused_for_system"),
    (("Error",), "failover_from_error"),
)
DEFAULTS = {each.name: each.default for each in ASSUMPTIONS}
UNKIND: Mapping[str, str] = {}
OTHERWISE = {
    each.name: next(value for value in each.values if value != each.default)
    for each in ASSUMPTIONS
    if each.section.startswith(("CP §7", "CP §8", "CP §9", "CP §15.6", "CP §15.10", "CP §17"))
    and each.name not in ("peer_unreachable_delay", "token_rotation", "job_retention")
}


REFUSED = {"refused": 6, "unsupported": 6, "conflict": 7, "unreachable": 11}  # exit codes
ACTIONS: Mapping[str, Sequence[str]] = {
    "failover": ["failover"],
    "reprotect": ["reprotect"],
    "pause": ["pause"],
    "resume": ["resume"],
    "sync": ["sync"],
    "resync": ["resume", "sync"],
    "start_test": ["start_failover_test"],
    "stop_test": ["stop_failover_test"],
    "create": ["volume", "volume_group"],
    "delete": ["volume", "volume_group"],
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


def in_one_wave(world: World, kept: Sequence[str]) -> None:
    """Only what is asked about stays in the file, which each command reads anew, and all of it in one wave."""
    path = world.config.parent / "replications.yaml"
    head, *entries = re.split(r"(?m)^(?=- namespace: )", path.read_text())
    named = {"/".join(re.findall(r"(?m)^(?:- namespace|  name): (.*)$", each)): each for each in entries}
    path.write_text(head + "".join(re.sub(r"\n  order: \d+", "", named[name]) for name in kept))


def put(world: World, name: str, situation: Situation) -> None:
    """Both ends as the situation has them; a silent peer is put right all the same, before it falls silent."""
    if situation.local == "no session":
        world.control.strip(name, keep_copy=True)
        return
    for array, said in (("west", situation.local), ("east", situation.peer)):
        if said == "no session":
            world.control.lose_session(name, array)
            continue
        first, *more = [part.strip() for part in said.split(";")]
        role, _, state = first.partition(" ")
        facts = dict(each.split(" ", 1) for each in more)
        kind = facts.get("type", "Asynchronous" if not role.startswith("Metro") else "Metro_Active_Active")
        fields: dict[str, Any] = {"role": role, "state": state, "type": kind}
        fields["data_transfer_state"] = facts.get("transfer", kind.removeprefix("Metro_"))
        fields["failover_test_in_progress"] = "test" in facts
        world.control.set_state(name, array, **fields)


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
    made = wanted(around)
    for name, situation in zip(names(world, len(made)), made, strict=True):
        yield Cell(name, situation, answer(asked, flags, situation))


def is_unread(expected: Answer) -> bool:
    """Said by the planner where the command has ended before, because an end had to be read (the page says so)."""
    return "stale-observation" in expected.guards


def check(cell: Cell, asked: str, operation: Mapping[str, Any], world: World) -> None:
    expected, said = cell.expected, (asked, cell.situation, operation)
    assert expected is not None
    if expected.guards:
        check_refusal(expected, operation, said)
    elif not expected.steps:
        assert (operation["outcome"], operation["exit_code"]) == ("unchanged", 0), said
        assert operation["refusal"] is None, said
    else:
        assert [step["name"] for step in operation["steps"]] == list(expected.steps), said
        check_end(cell, asked, operation, world)


def check_refusal(expected: Answer, operation: Mapping[str, Any], said: object) -> None:
    """The same guards as the page has, and the exit code that goes with them; 11 where an end had to be read."""
    outcome, refusal = operation["outcome"], operation["refusal"]
    assert operation["exit_code"] == REFUSED[outcome], said
    assert not operation["steps"], said
    if outcome == "unreachable":
        assert is_unread(expected), said
        return
    assert tuple(each["name"] for each in refusal["guards"]) == expected.guards, said
    assert (outcome == "conflict") is expected.conflict, said


def check_end(cell: Cell, asked: str, operation: Mapping[str, Any], world: World) -> None:
    """A plan was carried out: it is done, or said not to be, and the arrays are as it says."""
    outcome, truth = operation["outcome"], world.truth(cell.name)
    said = (asked, cell.situation, operation, truth)
    assert (outcome, operation["exit_code"]) == ends(asked, cell.situation, world), said
    if outcome == "failed":
        assert all(f"{truth['role'][end]} " in each for end, each in cell.situation.said.items()), said
    if outcome == "succeeded" and operation["to_state"] in ("source", "replica") and asked != "drill stop":
        role = {"source": "Source", "replica": "Destination"}[operation["to_state"]]
        assert truth["role"][operation["backend"]] == role, said
    if asked.startswith("drill"):
        assert truth["testing"] is (asked == "drill start"), said


def assumed(world: World, name: str) -> str:
    return world.simulator.options.assumptions.get(name) or DEFAULTS[name]


def ends(asked: str, situation: Situation, world: World) -> tuple[str, int]:
    """How a plan ends where the arrays cannot do it, or where nobody ends the state that they were put into."""
    if is_let_be(asked, situation, world):
        return "failed", 1  # the array's own no, and nothing was changed
    stays = "Synchronizing" in situation.local and asked in ("sync", "create", "reprotect")
    split = "Source" in situation.local and "Source" in situation.peer
    if stays or split:
        return "in_progress", 8
    half = situation.around == LINK_LOST and asked in ("pause", "create")
    return ("partial", 3) if half else ("succeeded", 0)


def is_let_be(asked: str, situation: Situation, world: World) -> bool:
    """Whether the arrays of this world refuse what the contract leaves open."""
    return asked in ("promote", "demote", "reprotect", *SAME_AS) and any(
        all(part in situation.local for part in parts) and assumed(world, name) == "refuse"
        for parts, name in LEFT_OPEN
    )


def sent_to(world: World, cells: Sequence[Cell]) -> dict[str, list[str]]:
    """The changes that were asked for each replication, by the correlation id that names it."""
    found: dict[str, list[str]] = {cell.name: [] for cell in cells}
    for change in world.changes():
        for cell in cells:
            if (change["correlation_id"] or "").startswith(cell.name.replace("/", "-") + "-1"):
                found[cell.name].append(action_of(change["path"]))
    return found


def action_of(path: str) -> str:
    """The action of a session; of anything else the kind of thing that is changed."""
    *_, kind, identity, last = path.split("/")
    return last if kind == "replication_session" else identity


def check_sent(cell: Cell, operation: Mapping[str, Any], sent: Sequence[str]) -> None:
    """Each step's own action, once and in order; none where nothing is planned or the first step still waits."""
    steps = cell.expected.steps if cell.expected is not None else ()
    due = {"in_progress": 0, "failed": 1}.get(operation["outcome"], len(steps))
    assert len(sent) == due, (cell, operation, sent)
    assert all(action in ACTIONS[step] for action, step in zip(sent, steps, strict=False)), (cell, sent)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("around", [BOTH_ANSWER, LINK_LOST, SILENT, CUT_OFF])
@pytest.mark.parametrize("asked", FLAGS)
def test_each_cell(tmp_path: Path, asked: str, around: str, assumptions: Mapping[str, str]) -> None:
    many = 2 * len(wanted(around))
    for flags in FLAGS[asked]:
        if flags.endswith(PRINTED):
            continue
        with a_world(tmp_path / f"{flags}", replications=many, seed=3, assumptions=assumptions) as world:
            cells = list(judged_cells(world, asked, flags, around))
            in_one_wave(world, [cell.name for cell in cells])
            world.control.advance(SETTLED_SECONDS)
            surround(world, around)
            world.control.advance(SETTLED_SECONDS)
            for cell in cells:
                put(world, cell.name, cell.situation)
            world.control.clear_requests()
            world.clock = FleetClock(world.control)  # no member's time runs out while another one works
            ran = world.run(
                *typed(asked, flags, [cell.name for cell in cells]),
                "-y", "--keep-going", "-o", "json", "--timeout", "10m",
            )  # fmt: skip
            operations = {f"{each['namespace']}/{each['name']}": each for each in ran.json["operations"]}
            sent = sent_to(world, cells)
            for cell in cells:
                check(cell, asked, operations[cell.name], world)
                check_sent(cell, operations[cell.name], sent[cell.name])


def printed() -> list[tuple[str, str, str]]:
    """What is asked, the flags that it begins with, and the surroundings in which something is printed then."""
    return [
        (asked, flags, around)
        for asked in FLAGS
        for around in SURROUNDINGS
        for flags in columns(asked, around)
        if flags.endswith(PRINTED) and any(answer(asked, flags, each) for each in wanted(around))
    ]


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("asked", "flags", "around"), printed())
def test_what_a_refusal_prints_does_what_the_matrix_says(
    tmp_path: Path, asked: str, flags: str, around: str, assumptions: Mapping[str, str]
) -> None:
    made = [(each, answer(asked, flags, each)) for each in wanted(around)]
    made = [(each, expected) for each, expected in made if expected is not None]
    with a_world(tmp_path, replications=2 * len(made) + 8, seed=3, assumptions=assumptions) as world:
        cells = [Cell(name, *each) for name, each in zip(names(world, len(made)), made, strict=True)]
        in_one_wave(world, [cell.name for cell in cells])
        world.control.advance(SETTLED_SECONDS)
        surround(world, around)
        world.control.advance(SETTLED_SECONDS)
        for cell in cells:
            put(world, cell.name, cell.situation)
        for cell in cells:
            assert world.run("breaker", "reset", "east").code == 0
            check_printed(world, asked, flags, cell)


def check_printed(world: World, asked: str, flags: str, cell: Cell) -> None:
    """Type what each refusal prints, until one is carried out or has no answer."""
    words = typed(asked, begun_with(flags), [cell.name])
    ran = world.act(*words)
    for _ in range(MOST_ROUNDS):
        if ran.code != 6 or not all(each["override"] for each in ran.operation["refusal"]["guards"]):
            break
        words = shlex.split(filled_in(ran.operation["refusal"]["next"]))[1:]
        ran = world.act(*words)
    expected, operation = cell.expected, ran.operation
    assert expected is not None
    given = {word.partition("=")[0] for word in words if word[:2] == "--" and word != "--to"}
    assert given == set(expected.flags), (cell, words)
    if expected.guards:
        assert (ran.code, tuple(ran.guards)) == (6, expected.guards), (cell, operation)
        return
    assert [step["name"] for step in operation["steps"]] == list(expected.steps), (cell, operation)
    check_end(cell, asked, operation, world)
