"""`--dry-run` of every command that has it: no write on any backend, in the journal, or in a file (design §4)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from scenarios.test_daemon import edit, entries
from scenarios.test_init import arrays, clusters, init, nothing_in
from worlds import LEDGER, World, a_world

from replctl.completing import grammar

REPLICATIONS = 14  # so that each vendor has one for every scene
JOURNAL = "SELECT * FROM {}"
TABLES = ("operations", "steps", "history", "chains")
LOOKS_REMEMBER = ("observation", "identity", "name", "proof", "breaker")  # whatever they are for

ARRAYS = {
    "replica": LEDGER,
    "source": "web/payroll",
    "paused": "web/catalog",
    "drilled": "shop/search",
    "absent": "lab/audit",
    "edited": "fleet/catalog",
    "unnamed": "shop/stock",
}
CLUSTERS = {
    "replica": "web/events",
    "source": "lab/search",
    "paused": "web/events",
    "drilled": "web/events",
    "absent": "web/events",
    "edited": "media/mail",
    "unnamed": "web/billing",
}


@dataclass(frozen=True)
class Case:
    """The scene in which a command is tried, what it says of arrays and of clusters, and its other words."""

    scene: str
    arrays: str
    clusters: str
    words: tuple[str, ...] = ()


CASES: Mapping[str, Case] = {
    "promote": Case("replica", "planned", "planned"),
    "demote": Case("source", "planned", "planned"),
    "failover": Case("source", "planned", "planned", ("--to", "{east}")),
    "reprotect": Case("replica", "unchanged", "unchanged"),
    "pause": Case("replica", "planned", "unsupported"),
    "resume": Case("paused", "planned", "unsupported"),
    "sync": Case("replica", "planned", "planned"),
    "resync": Case("replica", "unchanged", "unchanged"),
    "create": Case("absent", "planned", "unchanged"),
    "delete": Case("replica", "planned", "planned", ("--delete-promotes",)),
    "drill start": Case("replica", "planned", "unsupported"),
    "drill stop": Case("drilled", "planned", "unsupported"),
    "apply": Case("edited", "planned", "planned"),
    "import": Case("unnamed", "", ""),
}


def test_every_command_that_has_the_flag_is_tried() -> None:
    having = {place.words for place in grammar.shipped().places() if place.option("--dry-run") is not None}
    assert having == {*CASES, "init"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Both vendors; every command has something to do."""
    directory, vendors = tmp_path_factory.mktemp("dry"), ("powerstore", "trident")
    with a_world(directory, replications=REPLICATIONS, vendors=vendors) as made:
        for name in CLUSTERS.values():
            made.control.stop_pods(name)
        assert made.act("pause", ARRAYS["paused"]).code == 0
        assert made.act("drill", "start", ARRAYS["drilled"]).code == 0
        made.control.strip(ARRAYS["absent"], keep_copy=True)
        for names in (ARRAYS, CLUSTERS):
            edit(made, names["edited"], "source")
            forget(made, names["unnamed"])
        made.run("status")
        yield made


def forget(world: World, name: str) -> None:
    """Take an entry out of the file."""
    namespace, _, short = name.partition("/")
    head, *parts = re.split(r"(?m)^(?=- namespace: )", entries(world).read_text())
    kept = [part for part in parts if f"namespace: {namespace}\n  name: {short}\n" not in part]
    assert len(kept) == len(parts) - 1
    entries(world).write_text(head + "".join(kept))


@pytest.mark.parametrize("command", CASES)
@pytest.mark.parametrize("vendor", ["arrays", "clusters"])
def test_a_dry_run_writes_nowhere(world: World, command: str, vendor: str) -> None:
    case = CASES[command]
    east = "east" if vendor == "arrays" else "k8s-east"
    names = [] if command == "import" else [(ARRAYS if vendor == "arrays" else CLUSTERS)[case.scene]]
    words = [*command.split(), *names, *(word.format(east=east) for word in case.words)]
    before, world_before = written(world), world.control.truths()
    world.control.clear_requests()

    ran = world.run(*words, "--dry-run", "-o", "json")

    assert world.control.requests() != []
    assert world.changes() == []
    assert written(world) == before
    assert world.control.truths() == world_before
    if command == "import":
        assert (ran.code, ran.json["written"]) == (0, False)
        added = {f"{each['namespace']}/{each['name']}" for each in ran.json["added"]}
        assert added >= {"default/shop-stock", "web/billing-data"}
    else:
        assert ran.operation["outcome"] == getattr(case, vendor), ran.out


@pytest.mark.parametrize("given", [arrays, clusters])
def test_a_dry_run_of_the_first_files_writes_nowhere(
    world: World, tmp_path: Path, given: Callable[[World], list[str]]
) -> None:
    before = written(world)
    world.control.clear_requests()
    assert init(world, tmp_path / "config.yaml", *given(world), "--import", "--dry-run").code == 0
    assert world.control.requests() != []
    assert (world.changes(), nothing_in(tmp_path)) == ([], True)
    assert written(world) == before


def written(world: World) -> dict[str, object]:
    """What stands in files and in the store, but for what every look remembers."""
    files = [path for path in world.config.parent.rglob("*") if path.is_file()]
    state = world.directory / "state"
    kept: dict[str, object] = {str(path): path.read_bytes() for path in files}
    kept["names"] = sorted(path.name for path in state.iterdir() if not path.name.endswith(("-wal", "-shm")))
    with sqlite3.connect(f"file:{next(state.glob('*.db'))}?mode=ro", uri=True) as connection:
        for table in TABLES:
            kept[table] = connection.execute(JOURNAL.format(table)).fetchall()
        facts = connection.execute("SELECT * FROM facts ORDER BY kind, subject, detail").fetchall()
    kept["facts"] = [fact for fact in facts if fact[0] not in LOOKS_REMEMBER]
    return kept
