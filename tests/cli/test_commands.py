"""The commands against two simulated arrays, over HTTPS, in virtual time."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from cli.test_documents import fits
from worlds import LEDGER, World, a_world

from replctl.cli.boundary import main
from replctl.simulator import list_assumptions


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world for those who only look: bank/ledger was promoted in it."""
    with a_world(tmp_path_factory.mktemp("still")) as made:
        assert made.act("promote", LEDGER, "--reason", "maintenance").code == 0
        yield made


LOOKS = {
    "status": ("status",),
    "explanation": ("explain", LEDGER),
    "history": ("history",),
    "verification": ("history", "--verify"),
    "operations": ("op", "list"),
    "breakers": ("breaker", "list"),
    "configuration": ("config", "show"),
    "validation": ("config", "validate"),
    "path": ("config", "path"),
    "action": ("plan",),
    "differences": ("diff",),
    "assumptions": ("simulate", "--assumptions"),
    "backends": ("backends",),
    "discovery": ("discover",),
    "import": ("import", "--dry-run"),
    "diagnosis": ("doctor",),
}


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_fits_its_schema_in_json_and_yaml(still: World, name: str) -> None:
    told = still.run(*LOOKS[name], "-o", "json")
    assert told.code == 0, told.err
    fits(name, told.json)
    assert set(yaml.safe_load(still.run(*LOOKS[name], "-o", "yaml").out)) == set(told.json)


@pytest.mark.parametrize("name", LOOKS)
def test_every_look_has_a_table_and_names(still: World, name: str) -> None:
    for format in ("table", "wide", "name"):
        ran = still.run(*LOOKS[name], "-o", format)
        assert ran.code == 0, ran.err
        assert ran.out or name in ("breakers", "import")  # of which there is none, and nothing new


def test_looking_and_planning_write_nothing(still: World) -> None:
    before = len(still.changes())
    for argv in (*LOOKS.values(), ("promote", LEDGER, "--dry-run"), ("demote", LEDGER, "--dry-run")):
        assert still.run(*argv).code == 0
    assert len(still.changes()) == before


def test_plan_tells_what_differs_from_the_file(still: World) -> None:
    told = still.run("plan", "-o", "json", "--exit-code")
    assert told.code == 10
    outcomes = {f"{each['namespace']}/{each['name']}": each["outcome"] for each in told.json["operations"]}
    assert outcomes.pop(LEDGER) == "planned"
    assert set(outcomes.values()) == {"unchanged"}
    assert "failover" in still.run("plan", LEDGER).out
    assert still.run("plan", "-n", "bank", "ledger").code == 0


def test_names_are_printed_bare(still: World) -> None:
    assert LEDGER in still.run("status", "-o", "name").out.splitlines()
    assert still.run("history", "-o", "name").out == f"{LEDGER}\n"
    assert still.run("op", "list", "-o", "name").out.startswith("op-")


def test_history_knows_what_is_no_longer_in_the_file(still: World) -> None:
    assert still.run("history", "bank/gone").code == 5
    moves = still.run("history", LEDGER, "-o", "json").json["transitions"]
    assert {each["reason"] for each in moves} == {"user_requested"}
    assert len(still.run("history", LEDGER, "--limit", "2", "-o", "json").json["transitions"]) == 2


def test_an_operation_is_found_by_its_id(still: World) -> None:
    operation_id = still.run("op", "list", "-o", "name").out.strip()
    shown = still.run("op", "show", operation_id, "-o", "json").json
    assert [each["operation_id"] for each in shown["operations"]] == [operation_id]
    assert "maintenance" in still.run("op", "show", operation_id).out
    waited = still.run("op", "wait", operation_id, "-o", "json")
    fits("action", waited.json)
    assert (waited.code, waited.json["outcome"]) == (0, "succeeded")
    assert still.run("op", "list", "--open", "-o", "json").json["operations"] == []


def test_an_unknown_operation_is_not_found(still: World) -> None:
    for verb in ("show", "wait", "resume", "abandon"):
        ran = still.run("op", verb, "op-none", "-o", "json")
        assert ran.code == 5
        fits("action", ran.json)


def test_a_refused_promotion_prints_what_then_succeeds(world: World) -> None:
    world.control.kill("east")
    world.clock.wait(60)
    refused = world.act("promote", LEDGER)
    assert refused.code == 6
    fits("action", refused.json)
    assert refused.guards == ["peer-not-demoted", "data-loss"]
    words = refused.operation["refusal"]["next"].split()
    assert words[:3] == ["replctl", "promote", LEDGER]
    done = world.act(*words[1:])
    assert done.code == 0, done.err
    fits("action", done.json)
    assert done.operation["data_loss"]["accepted"] == words[-1].partition("=")[2]


def test_an_operation_left_alone_is_joined_or_abandoned(world: World) -> None:
    begun = world.act("promote", LEDGER, "--no-wait")
    assert begun.code == 8
    operation_id = begun.operation["operation_id"]
    assert world.run("op", "list", "--open", "-o", "name").out == f"{operation_id}\n"
    unconfirmed = world.run("op", "abandon", operation_id, "-o", "json")
    assert (unconfirmed.code, unconfirmed.guards) == (6, ["confirmation"])
    fits("action", unconfirmed.json)
    assert world.run("op", "resume", operation_id).code == 6
    assert world.run("op", "resume", operation_id, "-y").code == 0


def test_an_abandoned_operation_is_closed(world: World) -> None:
    operation_id = world.act("promote", LEDGER, "--no-wait").operation["operation_id"]
    assert world.run("op", "abandon", operation_id, "-y").code == 0
    assert world.run("op", "list", "--open", "-o", "name").out == ""
    assert "abandoned" in world.run("op", "list").out


def test_breakers_are_listed_and_reset(world: World) -> None:
    world.control.kill("east")
    for _ in range(5):
        assert world.run("status", "-q").code == 3
    found = {
        (each["backend"], each["class"]): each
        for each in world.run("breaker", "list", "-o", "json").json["breakers"]
    }
    assert found["east", "read"]["state"] == "open"
    dark = world.run("status")
    assert "--probe" in dark.err + dark.out
    assert world.run("breaker", "reset", "esat").code == 5
    reset = world.run("breaker", "reset", "east", "-o", "json")
    fits("breakers", reset.json)
    assert {each["state"] for each in reset.json["breakers"]} == {"closed"}
    assert "circuit breaker" not in world.run("status").out


def test_a_dead_site_is_exit_3_and_both_are_11(world: World) -> None:
    world.control.kill("east")
    assert world.run("status").code == 3
    assert world.run("explain", LEDGER).code == 3
    world.control.kill("west")
    assert world.run("status").code == 11
    assert world.run("explain", LEDGER).code == 11


def test_passwords_are_never_shown(still: World) -> None:
    password = (still.config.parent / "credentials" / "east").read_text().strip()
    shown = still.run("config", "show", "--origin")
    assert "config.yaml:" in shown.out
    for argv in LOOKS.values():
        assert password not in still.run(*argv, "-vv").out + still.run(*argv, "-vv").err


def test_every_mistake_in_both_files_is_told_with_its_line(world: World) -> None:
    broken = world.config.read_text().replace("username:", "usrname:", 1)
    world.config.write_text(broken)
    desired = world.config.parent / "replications.yaml"
    desired.write_text(desired.read_text().replace("mode: asynchronous", "mode: sometimes", 1))
    ran = world.run("config", "validate", "-o", "json")
    assert ran.code == 2
    fits("action", ran.json)
    for words in ("usrname", "sometimes", "config.yaml:5", "replications.yaml:5"):
        assert words in ran.json["error"]["message"]
        assert words in ran.err


def test_a_mistake_of_ours_is_reported_without_the_passwords_in_use(world: World) -> None:
    from replctl import bootstrap
    from replctl.cli import documents

    password = (world.config.parent / "credentials" / "east").read_text().strip()

    def assemble(**given: Any) -> Any:
        services = bootstrap.assemble(**given, document=documents.operation)
        services.engine.status(list(services.replications.values()), _request())
        services.settings.state_dir.mkdir(exist_ok=True)
        raise_later(services, password)
        return services

    import io

    out, err = io.StringIO(), io.StringIO()
    code = main(
        ["history"], clock=world.clock, environ=world.environ(), stdout=out, stderr=err, assemble=assemble
    )
    assert code == 1
    [report] = (world.directory / "state").glob("report-*.txt")
    assert "cannot sign in with ********" in report.read_text()


def _request() -> Any:
    from replctl.engine import Request

    return Request()


def raise_later(services: Any, password: str) -> None:
    def transitions(*_: object, **__: object) -> None:
        raise RuntimeError(f"cannot sign in with {password}")

    services.store.transitions = transitions


def test_simulate_serves_until_it_is_told_to_end(tmp_path: Path) -> None:
    argv = [
        sys.executable,
        "-m",
        "replctl",
        "simulate",
        "--dir",
        str(tmp_path / "new"),
        "--replications",
        "4",
    ]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        assert ready["ready"] is True
        assert Path(ready["config"]).is_file()
        assert {path.name for path in (tmp_path / "new").glob("kubeconfig-*")} == {
            "kubeconfig-east.yaml",
            "kubeconfig-west.yaml",
        }
        entries = (tmp_path / "new" / "replications.yaml").read_text()
        halves = [entries.count(f"local: {{backend: {name},") for name in ("west", "k8s-west")]
        assert halves == [2, 2]  # by default
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=30)
    assert (process.returncode, out, err) == (0, "", "")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "--dir"),
        (("--dir", "{here}", "--assume", "nonsense"), "NAME=VALUE"),
        (("--dir", "{here}", "--assume", "nonsense=1"), "nonsense"),
        (("--dir", "/dev/null/x"), "/dev/null/x"),
        (("--dir", "{here}", "--vendors", "powerstore,netapp"), "--vendors: vendors can be"),
        (("--dir", "{here}", "--vendors", ""), "powerstore and trident"),
    ],
)
def test_what_the_simulator_cannot_be_told_is_exit_2(
    tmp_path: Path, still: World, argv: tuple[str, ...], words: str
) -> None:
    ran = still.run("simulate", *(each.format(here=tmp_path) for each in argv))
    assert ran.code == 2
    assert words in ran.err


def test_all_assumptions_are_listed(still: World) -> None:
    names = still.run("simulate", "--assumptions", "-o", "name").out.splitlines()
    assert names == [name for name, *_ in list_assumptions()]


def test_a_store_that_cannot_be_written_is_exit_4_and_looking_goes_on(world: World, tmp_path: Path) -> None:
    folder = tmp_path / "a-file"
    folder.write_text("")
    ran = world.act("promote", LEDGER, state_dir=folder)
    assert ran.code == 4
    assert world.changes() == []
    assert os.path.isfile(folder)


def test_an_unreachable_backend_is_11_and_the_way_past_the_breaker_is_told(world: World) -> None:
    world.control.kill("west")
    ran = world.act("promote", LEDGER)
    assert ran.code == 11
    assert ran.operation["error"]["code"]
    assert "--probe" in ran.err
    assert world.run("promote", LEDGER, "-y").err.count("--probe") == 1


def test_a_history_that_was_meddled_with_is_exit_1(world: World) -> None:
    assert world.act("promote", LEDGER).code == 0
    assert world.run("history", "--verify").code == 0
    [database] = (world.directory / "state").glob("*.db")
    with sqlite3.connect(database) as connection:
        connection.execute(
            "UPDATE history SET body = replace(body, 'user_requested', 'external') WHERE sequence = 2"
        )
    connection.close()
    ran = world.run("history", "--verify", "-o", "json")
    assert ran.code == 1
    fits("verification", ran.json)
    assert ran.json["faults"][0]["sequence"] == 2
    assert "fault" in world.run("history", "--verify").out


def test_commands_keep_the_configuration_that_was_given(world: World) -> None:
    given = ("--config", str(world.config))
    world.control.kill("east")
    refused = world.act("promote", LEDGER, *given)
    assert refused.operation["refusal"]["next"].endswith(f" --config {world.config}")
    world.control.revive("east")
    begun = world.act("promote", LEDGER, "--no-wait", "--probe", *given)
    assert begun.code == 8
    assert begun.operation["error"]["remedy"].endswith(f" --config {world.config}")
