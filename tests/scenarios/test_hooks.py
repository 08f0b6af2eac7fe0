"""Hooks: what runs around a change of roles, what its end means, and that nothing secret reaches it."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from scenarios.test_crashes import MOST_WRITES, crashed
from scenarios.test_groups import GROUP, FleetClock, grouped, outcomes
from scenarios.test_unplanned import lose_the_source, printed
from worlds import LEDGER, World, a_world

SWAPPED = [("east", "failover"), ("west", "reprotect")]
SURELY_SECONDS = 60.0  # of real time, for a process to come to its end


def file_of(world: World) -> Path:
    return world.config.parent / "replications.yaml"


def script(world: World, name: str, body: str) -> list[str]:
    """A program that appends its name to `ran`, then does what `body` says in a shell of its own."""
    path = world.directory / name
    path.write_text(f'#!/bin/sh\necho "{name} $*" >> {shlex.quote(str(world.directory / "ran"))}\n{body}\n')
    path.chmod(0o755)
    return [str(path)]


def ran(world: World) -> list[str]:
    marks = world.directory / "ran"
    return [line.strip() for line in marks.read_text().splitlines()] if marks.exists() else []


def hooked(world: World, *, groups: dict[str, Any] | None = None, key: str = LEDGER, **hooks: Any) -> None:
    document = yaml.safe_load(file_of(world).read_text())
    for entry in document["replications"]:
        if f"{entry['namespace']}/{entry['name']}" == key and hooks:
            entry["hooks"] = hooks
    if groups:
        document["groups"] = groups
    file_of(world).write_text(yaml.safe_dump(document, sort_keys=False))


def step_outcomes(operation: Any) -> dict[str, str | None]:
    return {step["name"]: step["outcome"] for step in operation["steps"]}


def is_alive(pid: int) -> bool:
    """Whether it runs; what only waits for somebody to take note of its end does not."""
    shown = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout.strip()[:1] not in ("", "Z")


def open_operations(world: World) -> list[Any]:
    listed = world.run("op", "list", "-o", "json").json["operations"]
    return [each for each in listed if each["open"]]


def test_both_run_around_a_planned_promotion_and_are_steps_of_it(world: World) -> None:
    told, kept = world.directory / "told", world.directory / "kept"
    before = script(world, "quiesce", f"cat > {told}; echo all quiet")
    after = script(world, "map-hosts", f"cat > {kept}")
    hooked(world, before_demote={"command": [*before, "ledger"], "timeout": "30s"}, after_promote=after)

    planned = world.run("promote", LEDGER, "--dry-run")
    assert planned.code == 0
    assert f"run {before[0]}, at most 30s; unless it ends with 0 nothing is changed" in planned.out
    assert ran(world) == []
    assert list(step_outcomes(world.act("promote", LEDGER, "--dry-run").operation)) == [
        "before_demote",
        "failover",
        "reprotect",
        "after_promote",
    ]

    done = world.act("promote", LEDGER, "--reason", "maintenance")
    assert done.code == 0, done.err
    assert ran(world) == ["quiesce ledger", "map-hosts"]
    assert set(step_outcomes(done.operation).values()) == {"succeeded"}
    document = json.loads(told.read_text())
    same = ("operation_id", "correlation_id", "namespace", "name", "from_state", "to_state", "reason", "who")
    assert {key: document[key] for key in same} == {key: done.operation[key] for key in same}
    assert document.keys() == done.operation.keys()
    assert step_outcomes(document)["failover"] is None
    after_it = json.loads(kept.read_text())
    assert step_outcomes(after_it)["reprotect"] == "succeeded"
    assert after_it["left_to_do"] == done.operation["left_to_do"] != []
    shown = world.run("op", "show", done.operation["operation_id"])
    assert "before_demote" in shown.out
    assert "it said: all quiet" in shown.out

    again = world.act("promote", LEDGER)
    assert (again.code, again.operation["outcome"]) == (0, "unchanged")
    assert len(ran(world)) == 2


def test_a_veto_refuses_and_nothing_was_changed(world: World) -> None:
    before = script(world, "quiesce", "echo month end is running >&2; exit 3")
    hooked(world, before_demote=before, after_promote=script(world, "map-hosts", ""))
    vetoed = world.act("promote", LEDGER)

    assert (vetoed.code, vetoed.guards) == (6, ["hook-vetoed"])
    (evidence,) = vetoed.operation["refusal"]["guards"][0]["evidence"]
    assert evidence["fact"] == "before_demote"
    assert evidence["value"] == f"{before[0]} ended with status 3; it said: month end is running"
    assert vetoed.operation["refusal"]["next"] == f"replctl promote {LEDGER}"
    assert step_outcomes(vetoed.operation) == {
        "before_demote": "refused",
        "failover": None,
        "reprotect": None,
        "after_promote": None,
    }
    assert world.changes() == []
    assert open_operations(world) == []
    assert ran(world) == ["quiesce"]

    script(world, "quiesce", "")
    assert world.act("promote", LEDGER).code == 0
    assert ran(world) == ["quiesce", "quiesce", "map-hosts"]


@pytest.mark.parametrize("verb", [("demote", "west"), ("failover", "east")])
def test_demote_and_failover_ask_too(world: World, verb: tuple[str, str]) -> None:
    assert world.act("promote", LEDGER).code == 0
    hooked(world, before_demote=script(world, "quiesce", "exit 1"))
    flags = ("--to", verb[1]) if verb[0] == "failover" else ()
    assert world.act(verb[0], LEDGER, *flags).guards == ["hook-vetoed"]
    assert world.effective() == SWAPPED


def test_a_failure_after_is_partial_and_the_promotion_stays_done(world: World) -> None:
    hooked(world, after_promote=script(world, "map-hosts", "echo no such host; exit 1"))
    partly = world.act("promote", LEDGER)

    assert (partly.code, partly.operation["outcome"]) == (3, "partial")
    error = partly.operation["error"]
    assert error["code"] == "hook-failed"
    assert error["message"].startswith("west is the source, and was observed as such; after_promote: ")
    assert "ended with status 1; it said: no such host" in error["message"]
    assert step_outcomes(partly.operation)["reprotect"] == "succeeded"
    assert world.effective() == SWAPPED
    assert world.act("promote", LEDGER).operation["outcome"] == "unchanged"
    assert ran(world) == ["map-hosts"]
    assert world.act("demote", LEDGER).code == 3  # and nothing of it stands in the way of what follows


@pytest.mark.parametrize("body", ["sleep 1000", "trap '' TERM; while :; do sleep 1000; done"])
def test_one_that_hangs_is_stopped_with_its_children(world: World, body: str) -> None:
    pids = world.directory / "pids"
    hang = script(world, "hang", f'echo $$ >> {pids}\nsh -c "echo \\$\\$ >> {pids}; {body}" &\n{body}')
    hooked(world, before_demote={"command": hang, "timeout": "500ms"})
    vetoed = world.act("promote", LEDGER)

    assert (vetoed.code, vetoed.guards) == (6, ["hook-vetoed"])
    assert "took longer than 500ms and was stopped" in vetoed.out
    assert world.changes() == []
    for pid in pids.read_text().split():
        assert not is_alive(int(pid))

    hooked(
        world, before_demote=script(world, "quiesce", ""), after_promote={"command": hang, "timeout": "500ms"}
    )
    assert world.act("promote", LEDGER).code == 3
    assert world.effective() == SWAPPED


def test_a_program_that_is_missing(world: World) -> None:
    hooked(world, before_demote=["/nonexistent/quiesce"])
    vetoed = world.act("promote", LEDGER)
    assert (vetoed.code, vetoed.guards) == (6, ["hook-vetoed"])
    assert "/nonexistent/quiesce cannot be started: No such file or directory" in vetoed.out
    assert world.changes() == []

    hooked(world, after_promote=["/nonexistent/map"])
    hooked(world, before_demote=script(world, "quiesce", ""), after_promote=["/nonexistent/map"])
    assert world.act("promote", LEDGER).code == 3
    assert world.effective() == SWAPPED


def test_nothing_secret_reaches_a_hook_nor_what_it_says_us(world: World) -> None:
    """Neither variables of ours nor one that a password is read from; what it finds all the same is masked."""
    credentials = world.config.parent / "credentials"
    password = (credentials / "west").read_text().strip()
    dump = world.directory / "dumped"
    body = f"(env; cat; echo) > {dump}; printf 'red \\033[31mink\\033[0m\\007 '; cat {credentials}/west; echo ' bell'"
    hooked(world, before_demote=script(world, "dump", body), after_promote=script(world, "dump-too", body))
    config = yaml.safe_load(world.config.read_text())
    config["backends"]["west"]["password"] = {"env": "WEST_WORD"}
    world.config.write_text(yaml.safe_dump(config))
    done = world.act("promote", LEDGER, "-v", environ={"WEST_WORD": password, "TEAM": "storage"})

    assert done.code == 0, done.err
    seen = dump.read_text()
    assert "TEAM=storage" in seen
    assert "REPLCTL_" not in seen
    assert "WEST_WORD" not in seen
    assert password not in seen
    shown = world.run("op", "show", done.operation["operation_id"]).out
    assert "red ink ******** / bell" in " ".join(shown.split())
    for path in (world.directory / "state").rglob("*"):
        assert not path.is_file() or password.encode() not in path.read_bytes()
    assert password not in done.out + done.err + shown


def test_of_what_it_prints_only_the_end_is_kept(world: World) -> None:
    body = "head -c 3000000 /dev/zero | tr '\\0' x; echo; echo 'the end'; exit 1"
    hooked(world, before_demote=script(world, "talk", body))
    vetoed = world.act("promote", LEDGER)
    assert vetoed.code == 6
    (evidence,) = vetoed.operation["refusal"]["guards"][0]["evidence"]
    assert evidence["value"].endswith("xxx / the end")
    assert len(evidence["value"]) < 800


def test_an_unplanned_promotion_asks_nobody_and_runs_what_comes_after(world: World) -> None:
    before, after = script(world, "quiesce", "exit 1"), script(world, "map-hosts", "exit 1")
    hooked(world, before_demote=before, after_promote=after)
    lose_the_source(world)
    flags = printed(world.act("promote", LEDGER))
    plan = world.run("promote", LEDGER, *flags, "--dry-run")
    assert "before_demote is not run" in plan.out
    partly = world.act("promote", LEDGER, *flags)
    assert (partly.code, partly.operation["error"]["code"]) == (3, "hook-failed")
    assert "note: before_demote is not run" in partly.err
    assert ran(world) == ["map-hosts"]
    assert world.truth()["role"]["west"] == "Source"
    world.control.revive("east")
    world.control.advance(120)
    assert world.act("reprotect", LEDGER).code == 0  # the journal knows the survivor all the same
    assert ran(world) == ["map-hosts"]


# -- cut short -----------------------------------------------------------------------------------------------

ONCE = 'test -e {mark} || {{ touch {mark}; kill -{signal} "$PPID"; exec sleep 20; }}'


def once(world: World, name: str, sent: str) -> list[str]:
    """A hook that sends replctl a signal and hangs, but the first time only."""
    return script(world, name, ONCE.format(mark=world.directory / f"{name}-was-here", signal=sent))


@pytest.mark.parametrize("moment", ["before_demote", "after_promote"])
def test_killed_during_a_hook_the_same_command_runs_it_again(world: World, moment: str) -> None:
    hooked(world, **{moment: {"command": once(world, "hook", "KILL"), "timeout": "10m"}})
    process = world.spawn("promote", LEDGER, "-y", "-o", "json")
    process.communicate(timeout=SURELY_SECONDS)
    assert process.returncode == -signal.SIGKILL
    (begun,) = open_operations(world)
    assert step_outcomes(begun)[moment] is None
    assert world.effective() == ([] if moment == "before_demote" else SWAPPED)

    waited = world.run("op", "wait", begun["operation_id"]) if moment == "after_promote" else None
    assert waited is None or waited.code == 8  # whoever only waits runs nothing
    again = world.act("promote", LEDGER)
    assert again.code == 0, again.out
    assert again.operation["operation_id"] == begun["operation_id"]
    assert ran(world) == ["hook", "hook"]
    assert world.effective() == SWAPPED
    assert open_operations(world) == []


@pytest.mark.parametrize("moment", ["before_demote", "after_promote"])
def test_interrupted_during_a_hook(world: World, moment: str) -> None:
    hooked(world, **{moment: {"command": once(world, "hook", "INT"), "timeout": "10m"}})
    process = world.spawn("promote", LEDGER, "-y", "-o", "json")
    out, err = process.communicate(timeout=SURELY_SECONDS)
    assert process.returncode == 130, (out, err)
    (operation,) = json.loads(out)["operations"]
    assert operation["outcome"] == "interrupted"
    (begun,) = open_operations(world)
    assert begun["operation_id"] == operation["operation_id"]
    nothing = "nothing was changed" if moment == "before_demote" else "west is the source"
    assert nothing in operation["error"]["message"]

    again = world.act("op", "resume", begun["operation_id"])
    assert again.code == 0, again.out
    assert ran(world) == ["hook", "hook"]
    assert world.effective() == SWAPPED


@pytest.mark.timeout(600)
def test_killed_at_each_journal_write_with_hooks_around(tmp_path: Path) -> None:
    number = 0
    for number in range(1, MOST_WRITES):
        with a_world(tmp_path / str(number), seed=number) as world:
            hooked(
                world,
                before_demote=script(world, "quiesce", ""),
                after_promote=script(world, "map-hosts", ""),
            )
            if not crashed(world, "promote", LEDGER, number=number):
                break
            again = world.act("promote", LEDGER)
            assert again.code == 0, (number, again.out)
            assert world.effective() == SWAPPED, number
            assert open_operations(world) == []
            assert set(ran(world)) == {"quiesce", "map-hosts"}
            assert len(ran(world)) <= 3, number  # only the one that was cut off runs again
            assert world.truth()["both_wrote"] == 0
    assert number > 10  # intent and outcome of four steps, begin, moves


# -- groups --------------------------------------------------------------------------------------------------


def team(world: World, members: int, **hooks: Any) -> list[str]:
    world.clock = FleetClock(world.control)
    keys = grouped(world, members)
    hooked(world, groups={GROUP: {"hooks": hooks}})
    return keys


def test_a_group_s_hooks_run_once_around_all_its_members(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=24) as world:
        keys = team(
            world,
            6,
            before_demote=script(world, "freeze", ""),
            after_promote=script(world, "thaw", f"cat > {tmp_path}/told"),
        )
        hooked(
            world,
            key=keys[0],
            before_demote=script(world, "quiesce", ""),
            after_promote=script(world, "map", ""),
        )
        done = world.act("promote", "--group", GROUP)
        assert done.code == 0, done.out
        assert ran(world) == ["freeze", "quiesce", "map", "thaw"]
        names = [list(step_outcomes(each)) for each in done.json["operations"]]
        assert all(each[0] == "group_before_demote" for each in names)
        assert [each[-1] for each in names].count("group_after_promote") == 1
        assert all(set(step_outcomes(each).values()) == {"succeeded"} for each in done.json["operations"])
        assert json.loads((tmp_path / "told").read_text())["group"] == GROUP
        again = world.act("promote", "--group", GROUP)
        assert set(outcomes(again).values()) == {"unchanged"}
        assert len(ran(world)) == 4


def test_a_group_s_veto_stops_all_of_it(tmp_path: Path) -> None:
    with a_world(tmp_path, replications=24) as world:
        keys = team(world, 6, before_demote=script(world, "freeze", "exit 1"))
        vetoed = world.act("promote", "--group", GROUP)
        assert vetoed.code == 6, vetoed.out
        assert ran(world) == ["freeze"]
        assert world.changes() == []
        first_wave = set(keys[0::3])
        assert outcomes(vetoed) == {key: "refused" if key in first_wave else "planned" for key in keys}
        assert open_operations(world) == []


def test_a_group_that_is_not_whole_keeps_its_last_hook_for_the_command_that_finishes_it(
    tmp_path: Path,
) -> None:
    with a_world(tmp_path, replications=24) as world:
        keys = team(world, 6, after_promote=script(world, "thaw", ""))
        world.run("hold", keys[0], "--reason", "month end")
        partly = world.act("promote", "--group", GROUP, "--keep-going")
        assert partly.code == 3
        assert ran(world) == []
        whole = world.act("promote", "--group", GROUP, "--override-hold")
        assert whole.code == 0, whole.out
        assert ran(world) == ["thaw"]
