"""Credential plugins as programs: what they are told, what they print, how they fail (CT §12.7)."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from clusters import Desk, kubeconfig
from fakes import START
from sites import always
from wire import Server, reply

from replctl.clock import Cancel
from replctl.core import errors
from replctl.core.durations import format_time
from replctl.core.retry import CHANGE, READ

RELEASE = reply(200, {"gitVersion": "v1.36.2"})
V1, BETA = "client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"
LATER = format_time(START + 3600)


class Program:
    """A plugin beside the kubeconfig: counts its runs, keeps what it was told, prints what the test says."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / "bin" / "login"
        self.path.parent.mkdir()
        self.says({"token": "first-token"})

    def says(
        self, credential: dict[str, Any] | str, version: str = V1, *, status: int = 0, before: str = ""
    ) -> None:
        said = credential
        if not isinstance(said, str):
            said = json.dumps({"kind": "ExecCredential", "apiVersion": version, "status": credential})
        (self.directory / "says").write_text(said)
        self.path.write_text(
            f"#!{sys.executable} -I\n"
            "import json, os, pathlib, sys, time\n"
            f"here = pathlib.Path({str(self.directory)!r})\n"
            "told = {'env': dict(os.environ), 'args': sys.argv[1:], 'stdin': sys.stdin.read()}\n"
            "(here / 'runs').open('a').write(json.dumps(told) + '\\n')\n"
            "sys.stderr.write('warning: hunter2\\n')\n"
            f"{before}\n"
            "sys.stdout.write((here / 'says').read_text())\n"
            f"sys.exit({status})\n"
        )
        self.path.chmod(self.path.stat().st_mode | stat.S_IXUSR)

    @property
    def runs(self) -> list[dict[str, Any]]:
        path = self.directory / "runs"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.fixture
def program(tmp_path) -> Program:
    return Program(tmp_path)


@pytest.fixture
def server(site) -> Server:
    return site.server(always(RELEASE))


def configured(site, server, directory: Path, **more: Any) -> Path:
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    given = {"apiVersion": V1, "command": "./bin/login", "interactiveMode": "Never", **more}
    given = {key: value for key, value in given.items() if value is not None}
    return kubeconfig(directory, place, {"exec": given})


def bearer(server: Server) -> str | None:
    return server.requests[-1].headers.get("authorization")


def test_a_plugin_is_run_once_and_what_it_gave_is_kept_until_it_expires(
    desk, site, server, program, tmp_path
):
    program.says({"token": "first-token", "expirationTimestamp": LATER})
    client = desk.of(configured(site, server, tmp_path))
    for _ in range(3):
        client.version(desk.look())
    assert bearer(server) == "Bearer first-token"
    assert len(program.runs) == 1
    program.says({"token": "second-token"})
    desk.clock.advance(3601)
    client.version(desk.look())
    assert bearer(server) == "Bearer second-token"
    desk.clock.advance(1_000_000)
    client.version(desk.look())
    assert len(program.runs) == 2
    assert desk.secrets.redact("first-token second-token") == "******** ********"


def test_a_401_runs_it_once_more(desk, site, program, tmp_path):
    def serve(seen: Any) -> bytes:
        return RELEASE if seen.headers["authorization"] == "Bearer second-token" else reply(401)

    server = site.server(serve)
    client = desk.of(configured(site, server, tmp_path))
    with pytest.raises(errors.Unauthorized):
        client.version(desk.look())
    assert len(program.runs) == 1
    program.says({"token": "second-token"})
    assert client.version(desk.look()) == "v1.36.2"
    assert len(program.runs) == 2


def test_what_it_is_told(site, server, program, tmp_path):
    desk = Desk({"REPLCTL_PASSWORD": "hunter2", "HOME": "/home/ada", "PATH": "/usr/bin"})
    path = configured(
        site,
        server,
        tmp_path,
        args=["--role", "a b; rm -rf"],
        env=[{"name": "PROFILE", "value": "dr"}, {"name": "HOME", "value": "/other"}],
        provideClusterInfo=True,
    )
    desk.of(path).version(desk.look())
    desk.close()
    (run,) = program.runs
    assert run["args"] == ["--role", "a b; rm -rf"]
    assert run["stdin"] == ""
    environ = run["env"]
    assert (environ["PROFILE"], environ["HOME"]) == ("dr", "/other")
    assert not [name for name in environ if name.startswith("REPLCTL_")]
    told = json.loads(environ["KUBERNETES_EXEC_INFO"])
    assert (told["kind"], told["apiVersion"]) == ("ExecCredential", V1)
    assert told["spec"]["interactive"] is False
    assert told["spec"]["cluster"]["server"] == server.url
    assert told["spec"]["cluster"]["certificate-authority-data"]


def test_it_is_not_told_of_the_cluster_unless_it_wants_to_know(desk, site, server, program, tmp_path):
    desk.of(configured(site, server, tmp_path, interactiveMode="IfAvailable")).version(desk.look())
    assert json.loads(program.runs[0]["env"]["KUBERNETES_EXEC_INFO"])["spec"] == {"interactive": False}


def test_the_beta_needs_no_mode_and_is_answered_in_kind(desk, site, server, program, tmp_path):
    program.says({"token": "first-token"}, BETA)
    path = configured(site, server, tmp_path, apiVersion=BETA, interactiveMode=None)
    assert desk.of(path).version(desk.look()) == "v1.36.2"


def test_a_command_without_a_slash_is_looked_for_in_the_path(site, server, program, tmp_path):
    desk = Desk({"PATH": str(program.path.parent)})
    assert desk.of(configured(site, server, tmp_path, command="login")).version(desk.look()) == "v1.36.2"
    desk.close()


def test_a_plugin_may_give_a_certificate(desk, site, authority, program, tmp_path):
    import ssl

    from sites import identified

    context = identified(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    server = site.server(always(RELEASE), context)
    made = authority.issue_cert("driver.example")
    certificate = "".join(pem.bytes().decode() for pem in made.cert_chain_pems)
    key = made.private_key_pem.bytes().decode()
    program.says({"clientCertificateData": certificate, "clientKeyData": key})
    assert desk.of(configured(site, server, tmp_path)).version(desk.look()) == "v1.36.2"
    assert key.strip() not in desk.secrets.redact(key)


HALF = {"clientCertificateData": "x"}


@pytest.mark.parametrize(
    ("credential", "version", "said"),
    [
        ("rubbish hunter2", V1, "is not JSON"),
        ("", V1, "is not JSON"),
        ("[" * 5000, V1, "is not JSON"),
        ("[1]", V1, "is not an ExecCredential of"),
        ({"token": "hunter2"}, BETA, "is not an ExecCredential of"),
        ({}, V1, "neither a token nor a client certificate"),
        ({"token": ""}, V1, "neither a token nor a client certificate"),
        ({"token": "hunter2 with blanks"}, V1, "characters that no token has"),
        (HALF, V1, "half a client certificate"),
        ({"token": "hunter2", "expirationTimestamp": "tomorrow"}, V1, "no RFC 3339 time"),
        ({"token": "hunter2", "expirationTimestamp": 7}, V1, "no RFC 3339 time"),
    ],
)
def test_rubbish_is_no_credential(desk, site, server, program, tmp_path, credential, version, said):
    program.says(credential, version)
    with pytest.raises(errors.NoCredential) as raised:
        desk.of(configured(site, server, tmp_path)).version(desk.look())
    assert said in raised.value.message
    assert "hunter2" not in f"{raised.value} {raised.value.remedy}"
    assert (raised.value.exit_code, server.requests) == (4, [])


def test_a_plugin_that_fails_says_how_to_see_why_and_is_tried_again(desk, site, server, program, tmp_path):
    program.says({"token": "first-token"}, status=3)
    client = desk.of(configured(site, server, tmp_path))
    for _ in range(2):
        with pytest.raises(errors.NoCredential) as raised:
            client.version(desk.look())
        assert "ended with status 3" in raised.value.message
        assert str(program.path) in raised.value.message
        assert "by hand" in raised.value.remedy
    assert len(program.runs) == 2
    assert desk.board.breaker("west", READ).state.failures == 0
    program.says({"token": "first-token"})
    assert client.version(desk.look()) == "v1.36.2"


def test_a_plugin_that_hangs_is_stopped_with_the_look(desk, site, server, program, tmp_path):
    program.says({"token": "first-token"}, before="time.sleep(600)")
    with pytest.raises(errors.NoCredential) as raised:
        desk.of(configured(site, server, tmp_path)).version(desk.look(3.0))
    assert "took longer than 3.0 s" in raised.value.message
    assert server.requests == []


def test_a_cancel_ends_a_plugin(site, server, program, tmp_path):  # R31
    cancel = Cancel()
    from fakes import FakeClock

    desk = Desk(clock=FakeClock(during=lambda seconds: cancel.set()))
    program.says({"token": "first-token"}, before="time.sleep(600)")
    with pytest.raises(errors.Interrupted):
        desk.of(configured(site, server, tmp_path)).version(desk.look(30.0, cancel=cancel))
    desk.close()


def test_a_failing_plugin_sends_no_change(desk, site, server, program, tmp_path):
    from clusters import MIRRORS
    from estates import new_mirror

    program.says("rubbish")
    with pytest.raises(errors.NoCredential) as raised:
        desk.of(configured(site, server, tmp_path)).create(
            MIRRORS, "bank", new_mirror("m", "c", "promoted"), desk.look()
        )
    assert not raised.value.maybe_happened
    assert server.requests == []
    assert desk.board.breaker("west", CHANGE).state.failures == 0


def test_a_plugin_that_is_not_there_comes_with_its_hint(desk, site, server, tmp_path):
    path = configured(site, server, tmp_path, command="no-such-plugin", installHint="get it\x07 from ops")
    with pytest.raises(errors.NoCredential) as raised:
        desk.of(path).version(desk.look())
    assert "no-such-plugin cannot be started: No such file or directory" in raised.value.message
    assert "users[driver].user.exec.command: get it? from ops" in raised.value.remedy


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            {"apiVersion": "client.authentication.k8s.io/v1alpha1"},
            "exec.apiVersion: is client.authentication.k8s.io/v1alpha1: one of",
        ),
        ({"apiVersion": None}, "exec.apiVersion: is missing: required"),
        ({"command": None}, "exec.command: is missing: required"),
        ({"interactiveMode": None}, "exec.interactiveMode: is missing: one of Never, IfAvailable, Always"),
        (
            {"interactiveMode": "Always"},
            "exec.interactiveMode: is Always: Never or IfAvailable: replctl has no terminal for it",
        ),
        ({"args": "x"}, "exec.args: is not a list of texts: a list of texts"),
        (
            {"env": [{"name": "X"}]},
            "exec.env: is not a list of name and value: a list of {name: TEXT, value: TEXT}",
        ),
        ({"env": "X"}, "exec.env: is not a list of name and value"),
        ({"provideClusterInfo": "yes"}, "exec.provideClusterInfo: is a text: true or false"),
    ],
)
def test_what_is_wrong_with_an_exec(desk, site, server, tmp_path, more, said):
    with pytest.raises(errors.InvalidConfiguration) as raised:
        desk.of(configured(site, server, tmp_path, **more))
    assert f"{tmp_path}/config: users[driver].user.{said}" in raised.value.message


def test_one_way_to_sign_in(desk, site, server, tmp_path):
    user = {"token": "sesame-token", "exec": {"apiVersion": V1, "command": "x", "interactiveMode": "Never"}}
    with pytest.raises(errors.InvalidConfiguration) as raised:
        desk.of(kubeconfig(tmp_path, {"server": server.url}, user))
    assert "exec: stands beside a token: one way to sign in" in raised.value.message
