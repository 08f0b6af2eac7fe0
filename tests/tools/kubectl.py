"""The simulated clusters driven with a real kubectl: `make check-tools`, which .ci/run does too.

Not one of the tests that `make test` runs, for those want nothing but Python and make. kubectl keeps real time, so
that the world here runs at a speed of its own. A kubectl before 1.23 cannot wait for a JSONPath; it is asked again.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from estates import LEDGER, new_claim, new_mirror

from replctl.simulator import Options, Simulator

SPEED = 20.0
PATIENCE_SECONDS = 60.0
LOOK_SECONDS = 0.25
WAITS_SINCE = (1, 23)
STATE = "{.status.conditions[0].state}"


class Kubectl:
    """kubectl with the kubeconfigs of a world."""

    def __init__(self, sim: Simulator, home: Path) -> None:
        self.directory = sim.options.directory
        self.control = sim.control
        self._home = home

    def environ(self, site: str) -> dict[str, str]:
        kubeconfig = str(self.directory / f"kubeconfig-{site}.yaml")
        return {"PATH": os.environ["PATH"], "HOME": str(self._home), "KUBECONFIG": kubeconfig}

    def ask(self, site: str, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["kubectl", *words],
            env=self.environ(site),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )

    def do(self, site: str, *words: str, stdin: str | None = None) -> str:
        done = self.ask(site, *words, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refuse(self, site: str, *words: str) -> str:
        done = self.ask(site, *words)
        assert done.returncode != 0, done.stdout
        return done.stderr

    def version(self) -> tuple[int, int]:
        said = json.loads(self.do("west", "version", "--client", "-o", "json"))["clientVersion"]
        return int(said["major"]), int(re.sub(r"\D", "", said["minor"]))

    def wait(self, site: str, mirror: str, state: str) -> None:
        """Until a mirror of the bank shows a state."""
        if self.version() >= WAITS_SINCE:
            condition = f"--for=jsonpath={STATE}={state}"
            self.do(
                site, "wait", f"tmr/{mirror}", "-n", "bank", condition, f"--timeout={PATIENCE_SECONDS:.0f}s"
            )
            return
        until = time.monotonic() + PATIENCE_SECONDS
        while self.do(site, "get", "tmr", mirror, "-n", "bank", "-o", f"jsonpath={STATE}") != state:
            assert time.monotonic() < until
            time.sleep(LOOK_SECONDS)

    def patch(self, site: str, mirror: str, patch: Any, kind: str = "merge") -> str:
        words = ("patch", "tmr", mirror, "-n", "bank", "--type", kind, "-p", json.dumps(patch))
        return self.do(site, *words)


@pytest.fixture
def kubectl(tmp_path):
    options = Options(directory=tmp_path / "world", vendors=("trident",), speed=SPEED)
    with Simulator(options) as sim:
        yield Kubectl(sim, tmp_path)


def columns(text: str) -> list[list[str]]:
    return [re.split(r"\s{2,}", line.strip()) for line in text.splitlines()]


def test_get_shows_the_printer_columns(kubectl):
    head, *rows = columns(kubectl.do("west", "get", "tmr", "-A"))
    assert head[:5] == ["NAMESPACE", "NAME", "DESIRED STATE", "LOCAL PVC", "ACTUAL STATE"]
    assert ["bank", "ledger-dr", "established", "ledger-data", "established"] in rows
    assert len(rows) == 4
    assert "ledger" in kubectl.do("east", "get", "tridentmirrorrelationships", "-n", "bank", "-o", "name")
    paged = kubectl.do("west", "get", "tmr", "-A", "--chunk-size=1", "-o", "name")
    assert len(paged.splitlines()) == 4
    assert "trident.netapp.io" in kubectl.do("west", "api-resources")


def test_a_failover_by_hand(kubectl):
    watching = subprocess.Popen(
        ["kubectl", "get", "tmr", "-n", "bank", "-w"],
        env=kubectl.environ("west"),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert watching.stdout is not None
        watching.stdout.readline()
        assert "established" in watching.stdout.readline()
        kubectl.control.stop_pods(LEDGER)
        kubectl.patch("west", "ledger-dr", {"spec": {"state": "promoted"}})
        kubectl.wait("west", "ledger-dr", "promoted")
        seen = [line.split()[-1] for line in (watching.stdout.readline() for _ in range(3))]
        assert seen == ["established", "promoting", "promoted"]
    finally:
        watching.terminate()
        watching.wait()
        if watching.stdout is not None:
            watching.stdout.close()
    handle = kubectl.do(
        "west",
        "get",
        "tmr",
        "ledger-dr",
        "-n",
        "bank",
        "-o",
        "jsonpath={.status.conditions[0].localVolumeHandle}",
    )
    mapping = {"localPVCName": "ledger-data", "remoteVolumeHandle": handle, "promotedSnapshotHandle": ""}
    kubectl.patch("east", "ledger", {"spec": {"state": "reestablished", "volumeMappings": [mapping]}})
    kubectl.wait("east", "ledger", "reestablished")
    assert kubectl.control.truth(LEDGER)["source"] == "k8s-west"
    assert "promoted" in kubectl.do("west", "describe", "tmr", "ledger-dr", "-n", "bank")


def test_objects_come_and_go(kubectl):
    objects = {
        "apiVersion": "v1",
        "kind": "List",
        "items": [new_mirror("fresh", "fresh-data", "promoted"), new_claim("fresh-data")],
    }
    for item in objects["items"]:
        item["metadata"]["namespace"] = "bank"
    kubectl.do("east", "create", "--validate=false", "-f", "-", stdin=json.dumps(objects))
    kubectl.wait("east", "fresh", "promoted")
    kubectl.do("east", "apply", "--validate=false", "-f", "-", stdin=json.dumps(objects))
    guard = {"op": "test", "path": "/spec/state", "value": "promoted"}
    label = {"op": "add", "path": "/metadata/labels", "value": {"tier": "gold"}}
    kubectl.patch("east", "fresh", [guard, label], kind="json")
    assert kubectl.do("east", "get", "tmr", "-A", "-l", "tier=gold", "-o", "name").endswith("/fresh\n")
    assert "deleted" in kubectl.do("east", "delete", "tmr", "fresh", "-n", "bank")
    assert "NotFound" in kubectl.refuse("east", "get", "tmr", "fresh", "-n", "bank")


def test_refusals_are_told_as_a_real_server_tells_them(kubectl):
    wrong = ("patch", "tmr", "ledger-dr", "-n", "bank", "-p")
    assert "is invalid" in kubectl.refuse("west", *wrong, '{"spec":{"state":"Promoted"}}', "--type", "merge")
    assert "unknown format" in kubectl.refuse("west", *wrong, '{"spec":{"state":"promoted"}}')
    assert "Forbidden" in kubectl.refuse("west", "delete", "pvc", "ledger-data", "-n", "bank")
    kubectl.control.expire_token("k8s-west")
    assert "Unauthorized" in kubectl.refuse("west", "get", "tmr", "-A")
    administrator = kubectl.do("west", "--context", "west-admin", "get", "crd", "-o", "name")
    assert "tridentmirrorrelationships" in administrator
