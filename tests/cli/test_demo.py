"""The demonstration, played in virtual time: it ends well, and it says so when it does not."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from worlds import World, a_world

from replctl.cli import demo
from replctl.cli.boundary import main
from replctl.cli.surroundings import real


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, durations=demo.DURATIONS, vendors=demo.VENDORS) as made:
        yield made


def play(world: World) -> tuple[int, str]:
    heard = io.StringIO()
    here = real(
        ["demo"],
        clock=world.clock,
        environ={"HOME": "/"},
        stdin=io.StringIO(),
        stdout=heard,
        stderr=heard,
        run=main,
    )
    return demo.play(here, world.simulator), heard.getvalue()


def test_the_story_is_played_to_its_end(world: World) -> None:
    code, transcript = play(world)
    assert code == 0, transcript
    commands = [line for line in transcript.splitlines() if line.startswith("$ replctl ")]
    assert len(commands) == sum(bool(act.argv) for act in demo.STORY)
    for words in (
        "promote refused, nothing was changed",
        "peer-not-demoted",
        "what is lost: everything written after",
        "split brain",
        "source-in-use",
        "the worst of 2 replications, and so of all",
        "promote: source on west",
        "promote: source on k8s-west",
        "reprotect: source on west",
        "reprotect: source on k8s-west",
        "nothing wrong is found in 2 chains",
    ):
        assert words in transcript
    assert world.truth()["writable"] == {"east": False, "west": True}
    assert world.truth(demo.EVENTS)["writable"] == {"k8s-east": False, "k8s-west": True}


def test_the_flags_of_the_refusal_are_typed_as_printed(world: World) -> None:
    _, transcript = play(world)
    offered = [line.strip() for line in transcript.splitlines() if line.startswith("    replctl promote")]
    printed = next(each for each in offered if "--group" in each)
    assert f"$ {printed}\n" in transcript


def test_a_command_that_ends_otherwise_ends_the_demonstration(world: World) -> None:
    world.control.kill("east")
    code, transcript = play(world)
    assert code == 1
    assert "replctl status ended with 3, not with 0" in transcript
