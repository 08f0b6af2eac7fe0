"""Every secret that replctl touches, looked for in everything that it leaves behind: streams, files, children.

The secrets are those by which the world is really signed in to, kept in every way that the configuration knows.
Looked through is all that was printed, and every file below the world's directory but those that hold secrets by
their nature: the database with its log, locks, anchors, plans, metrics, reports, and what each program that was
started found in its environment, its arguments and on its standard input.
"""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
import yaml
from scenarios.test_daemon_process import SURELY_SECONDS, started
from scenarios.test_trident_looking import VERSION
from worlds import LEDGER, World, a_world

from replctl.core.secrets import MASK
from replctl.engine.engine import Engine
from replctl.simulator.scene import USERNAME, password
from replctl.simulator.server import Reply, Request

INLINE = "inline-canary-of-a-backend-that-is-not-there"
WEB_PASSWORD = "web-canary-pass"
WEB_HASH = "$2b$04$Fl0H0BxVOknsxqFpXXJVQe146OKpLViwiWThR3/EcpB7p/6rVPhha"
TELLS = """#!/bin/sh
cat /proc/$$/cmdline /proc/$$/environ - > '{directory}/seen-by-{name}-'$$
{rest}
"""


class Kept:
    """The world's secrets, and where they are kept: those files alone may hold them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.directory = world.config.parent
        self.canaries: dict[str, str] = {"inline": INLINE, "web password": WEB_PASSWORD, "web hash": WEB_HASH}
        self.files = {self.directory / name for name in ("config.yaml", "web.yaml")}
        self.files |= set((self.directory / "credentials").iterdir()) | set(
            self.directory.glob("kubeconfig-*")
        )
        for name in ("east", "west", "ontap-east", "ontap-west"):
            self.canaries[name] = password(world.simulator.options.seed, name)
        self._of_the_kubeconfig()
        for name, server in world.simulator._servers.items():
            server._handler = self._listening(name, server._handler)

    def _of_the_kubeconfig(self) -> None:
        said = yaml.safe_load((self.directory / "kubeconfig-east.yaml").read_text())
        (key,) = (
            each["user"]["client-key-data"] for each in said["users"] if "client-key-data" in each["user"]
        )
        pem = base64.b64decode(key).decode()
        self.canaries["client key"] = max(pem.splitlines(), key=len)
        self.canaries["client key, in base64"] = key[:200]
        for cluster in ("k8s-east", "k8s-west"):
            self.canaries[cluster] = (self.directory / "credentials" / f"{cluster}.token").read_text().strip()

    def _listening(self, name: str, answering: Any) -> Any:
        """What a session is made of is a secret too, and known once it was used."""

        def handle(request: Request) -> Reply:
            for header in ("cookie", "dell-emc-token"):
                for value in re.findall(r"[^=;\s]{8,}", request.headers.get(header, "")):
                    self.canaries[f"{header} of {name} {value[:4]}"] = value
            reply: Reply = answering(request)
            return reply

        return handle

    def spellings(self) -> dict[bytes, str]:
        found: dict[bytes, str] = {}
        for name, value in self.canaries.items():
            basic = base64.b64encode(f"{USERNAME}:{value}".encode()).decode()
            for spelled in (value, quote(value, safe=""), quote_plus(value), json.dumps(value)[1:-1], basic):
                found[spelled.encode()] = name
            found[base64.b64encode(value.encode())] = name
        return found

    def told_in(self, content: bytes) -> set[str]:
        return {name for spelled, name in self.spellings().items() if spelled in content}

    def written(self) -> Iterator[tuple[Path, bytes]]:
        for path in sorted(self.world.directory.rglob("*")):
            if path.is_file() and path not in self.files:
                yield path, path.read_bytes()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    with a_world(tmp_path, replications=4, vendors=("powerstore", "trident")) as world:
        kept = Kept(world)
        configured(kept)
        yield kept


def configured(kept: Kept) -> None:
    """One secret in each way: file, variable, credential, command, in the file itself, token, key, plugin, hash."""
    directory, text = kept.directory, kept.world.config.read_text().replace("    # ontap:", "    ontap:")
    program(kept, "fetch", "cat '{directory}/credentials/ontap-east'")
    for old, new in {
        "{file: credentials/east}": "{env: EAST_WORD}",
        "{file: credentials/ontap-east}": f"{{command: [{directory / 'fetch'}]}}",
        "{file: credentials/ontap-west}": "{credential: ontap-west}",
        "context: east": "context: east-admin",
        "replications: replications.yaml": (
            f"  gone: {{kind: powerstore, url: 'https://127.0.0.1:9', username: u, password: {INLINE}}}\n"
            "replications: replications.yaml"
        ),
    }.items():
        assert old in text
        text = text.replace(old, new)
    kept.world.config.write_text(text)
    kept.world.config.chmod(0o600)
    plugged(kept)
    hooked(kept)
    (directory / "web.yaml").write_text(f"basic_auth_users: {{scraper: {WEB_HASH!r}}}\n")


def program(kept: Kept, name: str, rest: str = "") -> str:
    """One that writes down what it is given, then does the rest."""
    path = kept.directory / name
    path.write_text(
        TELLS.format(directory=kept.directory, name=name, rest=rest.format(directory=kept.directory))
    )
    path.chmod(0o700)
    return str(path)


def plugged(kept: Kept) -> None:
    head = f'{{{{"kind": "ExecCredential", "apiVersion": "{VERSION}", "status": {{{{"token": "'
    token = "$(cat '{directory}/credentials/k8s-west.token')"
    program(kept, "login", f"printf '%s%s\"}}}}}}}}' '{head}' \"{token}\"")
    path = kept.directory / "kubeconfig-west.yaml"
    body = yaml.safe_load(path.read_text())
    given = {"apiVersion": VERSION, "command": "./login", "interactiveMode": "Never"}
    body["users"][0]["user"] = {"exec": given}
    path.write_text(yaml.safe_dump(body))


def hooked(kept: Kept) -> None:
    path, hook = kept.directory / "replications.yaml", program(kept, "hook")
    body = yaml.safe_load(path.read_text())
    for entry in body["replications"]:
        entry["hooks"] = {"after_promote": [hook]}
    path.write_text(yaml.safe_dump(body, sort_keys=False))


def environ(kept: Kept) -> dict[str, str]:
    return {
        "EAST_WORD": kept.canaries["east"],
        "CREDENTIALS_DIRECTORY": str(kept.directory / "credentials"),
        "REPLCTL_DAEMON__WEB_CONFIG_FILE": str(kept.directory / "web.yaml"),
        "PATH": os.environ["PATH"],
    }


COMMANDS = [
    "status -o json -vv",
    "explain {ps} -o yaml",
    "config show --origin",
    "config show -o json",
    "doctor -o json -vv",
    "backends -o json",
    "discover -o json",
    "import --dry-run -o yaml",
    "promote {ps} {k8s} --dry-run -o json",
    "promote {ps} {k8s} -y -vv -o json --reason canaries --metrics-textfile {directory}/metrics.prom",
    "plan --out {directory}/plan.json -o json",
    "history -o json --verify",
    "op list -o json",
    "promote gone -y",
    "status --config /no/such/file -o json",
]


def test_no_secret_is_left_anywhere(kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = kept.world
    entries = yaml.safe_load((kept.directory / "replications.yaml").read_text())["replications"]
    k8s = next(f"{each['namespace']}/{each['name']}" for each in entries if "mirror" in each["local"])
    world.control.stop_pods(k8s)
    told, codes = [], []
    for command in COMMANDS:
        words = command.format(ps=LEDGER, k8s=k8s, directory=tmp_path).split()
        process = world.spawn(*words, environ=environ(kept))
        out, err = process.communicate(timeout=2 * SURELY_SECONDS)
        told.append((command, f"{out}{err}".encode(errors="replace")))
        codes.append(process.returncode)
    assert {0, 5, 2} <= set(codes) <= {0, 1, 2, 3, 5, 10}
    told += [("daemon", as_daemon(kept, tmp_path)), ("a mistake", mistaken(kept, monkeypatch))]
    told += [(str(path.relative_to(world.directory)), content) for path, content in kept.written()]

    leaks = {where: kept.told_in(content) for where, content in told if kept.told_in(content)}
    assert leaks == {}
    was_seen(kept, [where for where, _ in told])


def as_daemon(kept: Kept, tmp_path: Path) -> bytes:
    """What the daemon logs, and what its ports tell those who know the password, and those who do not."""
    basic = base64.b64encode(f"scraper:{WEB_PASSWORD}".encode()).decode()
    with started(kept.world, tmp_path, **environ(kept)) as one:
        one.hears("READY=1")
        bodies = [
            one.get(path, headers={"Authorization": f"Basic {basic}"}) for path in ("/healthz", "/readyz")
        ]
        bodies.append(one.get("/metrics", one.metrics_port, {"Authorization": f"Basic {basic}"}))
        bodies.append(one.get("/metrics", one.metrics_port))
        assert [status for status, *_ in bodies] == [200, 200, 200, 401]
        written = dict(kept.written())  # with the log of the database, which is folded in at the end
        assert any(path.name.endswith("-wal") and content for path, content in written.items())
        code, err = one.end()
    assert code == 0
    return b"\0".join([*written.values(), (err + repr(bodies)).encode()])


def mistaken(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A mistake of ours whose message quotes all that this very process signed in with."""
    looked, before = Engine.status, set(kept.canaries)
    used = {"east", "west", "ontap-east", "ontap-west", "client key", "k8s-west"}

    def quoting(engine: Engine, *arguments: Any) -> Any:
        looked(engine, *arguments)
        sessions = kept.canaries.keys() - before
        assert {each.split(" ")[0] for each in sessions} == {"cookie"}
        raise RuntimeError(f"so it was: {[kept.canaries[each] for each in (*sorted(used), *sessions)]}")

    monkeypatch.setattr(Engine, "status", quoting)
    ran = kept.world.run("status", "-vv", "-o", "json", environ=environ(kept))
    assert ran.json["error"]["code"] == "internal"
    (report,) = kept.world.directory.rglob("report-*.txt")
    assert MASK in report.read_text()
    return (ran.out + ran.err).encode()


def was_seen(kept: Kept, places: list[str]) -> None:
    """That there was something to look through: sessions, programs, files, and secrets that were really used."""
    known = " ".join(kept.canaries)
    assert "cookie of east" in known
    assert "dell-emc-token of west" in known
    for part in (
        "seen-by-fetch",
        "seen-by-login",
        "seen-by-hook",
        "replctl.db",
        "anchors",
        "locks/",
        "names-",
    ):
        assert any(part in place for place in places), part
    assert {"plan.json", "metrics.prom"} <= set(places)
    assert {"world/config.yaml"}.isdisjoint(places)
