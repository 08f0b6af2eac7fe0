"""What our own side may do wrong on the way into a cluster, as a person sees it: the exit code, and what to mend."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from scenarios.test_trident_looking import plugged_in
from worlds import LEDGER, World, a_world

SECRET = "hunter2"
OBSERVED_SECONDS = 3.0
PROPOSED_SECONDS = 10.0
GRACE_SECONDS = 6.0  # a program that is stopped may take a last breath

FAILS = f"#!/bin/sh\necho {SECRET}; echo {SECRET} >&2; exit 3\n"
HANGS = "#!/bin/sh\nexec sleep 600\n"
RUBBISH = f"#!/bin/sh\necho 'token: {SECRET}'\n"
EMPTY = '#!/bin/sh\necho \'{{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1"}}\'\n'
PLUGINS = {
    FAILS: "ended with status 3",
    HANGS: "took longer than",
    RUBBISH: "printed something that is not JSON",
    EMPTY: "printed something that holds neither a token nor a client certificate",
}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("credentials"), vendors=("trident",)) as made:
        yield made


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    """As it was made, whatever the test before did to its files."""
    kept = {path: path.read_text() for path in (shared.config, kubeconfig(shared))}
    shared.control.clear_requests()
    yield shared
    for path, content in kept.items():
        path.write_text(content)


def kubeconfig(world: World) -> Path:
    return world.config.parent / "kubeconfig-west.yaml"


@pytest.mark.parametrize("program", PLUGINS, ids=["fails", "hangs", "rubbish", "empty"])
def test_a_credential_plugin_that_gives_none(world: World, program: str) -> None:
    plugged_in(world, program)
    said = PLUGINS[program]

    began = world.control.now()
    ran = world.run("status", LEDGER, environ={"REPLCTL_OBSERVE_TIMEOUT": f"{OBSERVED_SECONDS:g}s"})
    assert ran.code == 3
    assert said in ran.out
    assert world.control.now() - began < OBSERVED_SECONDS + GRACE_SECONDS

    began = world.control.now()
    acted = world.act("promote", LEDGER)
    assert (acted.code, acted.operation["outcome"]) == (4, "unauthorized")
    assert acted.operation["error"]["code"] == "no-credential"
    assert (
        f"k8s-west: the credential plugin {world.config.parent / 'login'} {said}"
        in acted.operation["error"]["message"]
    )
    assert world.control.now() - began < PROPOSED_SECONDS + GRACE_SECONDS

    checked = world.run("doctor")
    assert checked.code == 1
    assert said in checked.out
    assert SECRET not in "".join((ran.out, ran.err, acted.out, acted.err, checked.out, checked.err))
    assert world.control.requests("k8s-west") == []  # who cannot say who he is asks nothing


def replaced(old: str, new: str) -> Callable[[World], None]:
    def do(world: World) -> None:
        path = kubeconfig(world)
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return do


MISTAKES = {
    "clusters[west].cluster.server": replaced("server: https:", "server: http:"),
    "users: has no nobody": replaced("user: replctl", "user: nobody"),
    "users[replctl].user.tokenFile": replaced("k8s-west.token", "no-such.token"),
    "users[replctl].user.exec": replaced("    tokenFile:", "    exec: {command: aws}\n    tokenFile:"),
    "users[replctl].user.username": replaced("    tokenFile:", "    username: root\n    tokenFile:"),
}


@pytest.mark.parametrize("field", MISTAKES)
def test_a_kubeconfig_that_cannot_be_used_is_told_by_file_and_field(world: World, field: str) -> None:
    MISTAKES[field](world)
    place = f"{kubeconfig(world)}: {field}"
    ran = world.act("promote", LEDGER)
    assert (ran.code, ran.operation["outcome"]) in ((2, "invalid"), (4, "unauthorized"))
    assert (ran.code == 4) == (ran.operation["error"]["code"] == "no-credential")
    assert place in json.dumps(ran.operation["error"])
    assert place in world.run("explain", LEDGER).out
    assert world.changes() == []


def test_a_cluster_without_trident_is_said_to_have_none(tmp_path: Path) -> None:
    with a_world(tmp_path, vendors=("trident",)) as world:
        world.control.uninstall("k8s-west")
        ran = world.act("promote", LEDGER)
        assert (ran.code, ran.operation["outcome"]) == (5, "not_found")
        assert ran.operation["error"]["code"] == "not-installed"
        assert "Trident is not installed on k8s-west" in ran.operation["error"]["message"]
        ran = world.run("status", LEDGER)
        assert ran.code == 3
        assert "Trident is not installed on k8s-west" in ran.out


def test_a_token_that_expired_and_a_right_that_lacks(tmp_path: Path) -> None:
    with a_world(tmp_path, vendors=("trident",)) as world:
        world.control.deny("k8s-west", "tridentmirrorrelationships", "get")
        ran = world.act("promote", LEDGER)
        assert (ran.code, ran.operation["error"]["code"]) == (4, "forbidden")
        assert f"{kubeconfig(world)}: users[replctl].user" in ran.operation["error"]["remedy"]
        world.control.deny("k8s-west", "tridentmirrorrelationships", "get", denied=False)
        world.control.expire_token("k8s-west")
        ran = world.act("promote", LEDGER)
        assert (ran.code, ran.operation["error"]["code"]) == (4, "unauthorized")
        assert f"{kubeconfig(world)}: users[replctl].user" in ran.operation["error"]["remedy"]
        assert world.changes() == []
