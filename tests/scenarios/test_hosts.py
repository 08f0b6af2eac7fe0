"""What is left for the hosts after a change of roles: which volumes to map, and that reading them changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, World

from replctl.drivers.powerstore import mapping


def locators(world: World) -> dict[str, dict[str, Any]]:
    """Each local replica's key with its local end, as the file has it."""
    entries = yaml.safe_load((world.config.parent / "replications.yaml").read_text())["replications"]
    return {f"{each['namespace']}/{each['name']}": each["local"] for each in entries}


def names(operation: Any) -> list[str]:
    (left,) = operation["left_to_do"]
    assert left["task"] == f"map to the hosts that use {left['backend']}"
    assert all(each["wwn"].startswith("naa.") and each["id"] for each in left["volumes"])
    return [each["name"] for each in left["volumes"]]


def of_kind(world: World, kind: str) -> str:
    return next(key for key, end in locators(world).items() if kind in end and end["backend"] == "west")


@pytest.mark.parametrize(("kind", "path"), [("volume", "/volume/"), ("volume_group", "/volume_group/")])
def test_the_new_source_s_volumes_are_told_and_read_once(world: World, kind: str, path: str) -> None:
    key = of_kind(world, kind)
    done = world.act("promote", key)
    assert done.code == 0, done.err
    told = names(done.operation)
    named = locators(world)[key][kind]
    assert told == [named] if kind == "volume" else len(told) > 1
    assert done.operation["left_to_do"][0]["backend"] == "west"
    asked = [each for each in world.control.requests("west") if path in each["path"] and "wwn" in str(each)]
    assert len(asked) == 1
    again = world.act("promote", key)
    assert again.operation["left_to_do"] == []

    back = world.run("demote", key, "-y")
    assert back.code == 0
    assert "left to do: map to the hosts that use east:" in back.out
    assert "naa." in back.out


def test_after_an_unplanned_promotion_too(world: World) -> None:
    lose_the_source(world)
    flags = printed(world.act("promote", LEDGER))
    assert names(world.act("promote", LEDGER, *flags).operation)


def test_what_cannot_be_read_is_said_and_changes_no_outcome(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapping, "_SELECT", {kind: "id,nonsense" for kind in ("volume", "volume_group")})
    done = world.act("promote", LEDGER)
    assert (done.code, done.operation["outcome"]) == (0, "succeeded")
    (left,) = done.operation["left_to_do"]
    assert left["volumes"] == []
    assert left["task"].startswith("map to the hosts that use west; the volumes could not be read: ")
