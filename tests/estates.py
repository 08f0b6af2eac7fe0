"""A simulated pair of clusters, and clients of them that are nothing but http.client, ssl and json."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import yaml

from replctl.simulator import Options, Simulator

START_AT = 1_900_000_000.0
TIMEOUT_SECONDS = 20.0
LEDGER = "bank/ledger"  # the first of every world: written on k8s-east, its replica on k8s-west
MERGE, JSON = "application/merge-patch+json", "application/json-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"
MIRRORS = "/apis/trident.netapp.io/v1/namespaces/{}/tridentmirrorrelationships"
UPDATES = "/apis/trident.netapp.io/v1/namespaces/{}/tridentactionmirrorupdates"
INFOS = "/apis/trident.netapp.io/v1/namespaces/{}/tridentsnapshotinfos"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1/namespaces/{}/volumesnapshots"
CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
CLAIMS = "/api/v1/namespaces/{}/persistentvolumeclaims"
EVENTS = "/api/v1/namespaces/{}/events"
ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{}/leases"


class Answer:
    """Status, headers and body of an answer."""

    def __init__(self, status: int, headers: Any, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data)

    @property
    def said(self) -> tuple[int, str | None]:
        """Status and reason, as one decides by them."""
        return self.status, self.json.get("reason")

    @property
    def causes(self) -> set[tuple[str, str]]:
        return {(cause["reason"], cause["field"]) for cause in self.json["details"]["causes"]}


class Watching:
    """An open watch; events as they come."""

    def __init__(self, connection: http.client.HTTPSConnection, answer: http.client.HTTPResponse) -> None:
        self._connection = connection
        self._answer = answer
        self.status = answer.status

    def next(self) -> Any:
        """The next event; None at the end of the stream."""
        line = self._answer.readline()
        return json.loads(line) if line else None

    def rest(self) -> list[Any]:
        """All events up to the end of the stream; raises where it breaks off."""
        return [json.loads(line) for line in self._answer.read().splitlines()]

    def close(self) -> None:
        self._answer.close()
        self._connection.close()


class Cluster:
    """A client of one API server, as the driver or as the administrator."""

    def __init__(self, sim: Simulator, name: str, *, admin: bool = False, token: str | None = None) -> None:
        self.name = name
        self.directory = sim.options.directory
        self._place = urlsplit(sim.ready["clusters"][name])
        self._context = ssl.create_default_context(cafile=str(self.directory / "ca.pem"))
        self.headers: dict[str, str] = {}
        if admin:
            self._identify()
        else:
            self.token(token or (self.directory / "credentials" / f"{name}.token").read_text().strip())
        self.connection = self._connect()

    def token(self, token: str) -> None:
        self.headers["Authorization"] = f"Bearer {token}"

    def _identify(self) -> None:
        """The certificate of the administrator, out of the kubeconfig."""
        path = self.directory / f"kubeconfig-{self.name.removeprefix('k8s-')}.yaml"
        users = {user["name"]: user["user"] for user in yaml.safe_load(path.read_text())["users"]}
        pem = self.directory / "admin.pem"
        parts = ("client-certificate-data", "client-key-data")
        pem.write_bytes(b"".join(base64.b64decode(users["admin"][part]) for part in parts))
        self._context.load_cert_chain(pem)

    def _connect(self) -> http.client.HTTPSConnection:
        return http.client.HTTPSConnection(
            "127.0.0.1", self._place.port, context=self._context, timeout=TIMEOUT_SECONDS
        )

    def call(
        self, method: str, path: str, body: Any = None, media: str = "application/json", **headers: str
    ) -> Answer:
        sent = {**self.headers, **{name.replace("_", "-"): value for name, value in headers.items()}}
        data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["Content-Type"] = media
        try:
            self.connection.request(method, path, body=data, headers=sent)
            answer = self.connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        except (OSError, http.client.HTTPException):
            self.connection.close()  # the next call opens another
            raise

    def get(self, path: str, **headers: str) -> Any:
        answer = self.call("GET", path, **headers)
        assert answer.status == 200, answer.data
        return answer.json

    def post(self, path: str, body: Any) -> Any:
        answer = self.call("POST", path, body)
        assert answer.status == 201, answer.data
        return answer.json

    def patch(self, path: str, body: Any, media: str = MERGE) -> Any:
        answer = self.call("PATCH", path, body, media)
        assert answer.status == 200, answer.data
        return answer.json

    def watch(self, path: str, **query: str) -> Watching:
        words = "&".join(f"{name}={quote(value)}" for name, value in {"watch": "1", **query}.items())
        connection = self._connect()
        connection.request("GET", f"{path}?{words}", headers=self.headers)
        return Watching(connection, connection.getresponse())


class Estate:
    """A world of two clusters, with a driver's client of each and short words for what tests do all the time."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.control = sim.control
        self.east, self.west = Cluster(sim, "k8s-east"), Cluster(sim, "k8s-west")
        self._opened = [self.east, self.west]

    def admin(self, name: str) -> Cluster:
        self._opened.append(Cluster(self.sim, name, admin=True))
        return self._opened[-1]

    def client(self, name: str, token: str | None = None) -> Cluster:
        self._opened.append(Cluster(self.sim, name, token=token))
        return self._opened[-1]

    def mirror(self, cluster: Cluster, name: str = "", namespace: str = "bank") -> Any:
        return cluster.get(f"{MIRRORS.format(namespace)}/{name or self.name(cluster)}")

    def name(self, cluster: Cluster) -> str:
        return "ledger" if cluster.name == "k8s-east" else "ledger-dr"

    def state(self, cluster: Cluster, name: str = "", namespace: str = "bank") -> str | None:
        """The state word, or None without conditions."""
        found = self.mirror(cluster, name, namespace).get("status", {}).get("conditions")
        return found[0]["state"] if found else None

    def desire(self, cluster: Cluster, state: str, remote: str | None = None, **mapping: str) -> Any:
        """Write what the ledger's mirror shall be."""
        spec: dict[str, Any] = {"state": state}
        body = self.mirror(cluster)
        place = {**body["spec"]["volumeMappings"][0], "promotedSnapshotHandle": "", **mapping}
        spec["volumeMappings"] = [place if remote is None else {**place, "remoteVolumeHandle": remote}]
        return cluster.patch(f"{MIRRORS.format('bank')}/{self.name(cluster)}", {"spec": spec})

    def handle(self, cluster: Cluster) -> str:
        return str(self.mirror(cluster)["status"]["conditions"][0]["localVolumeHandle"])

    def until(self, cluster: Cluster, state: str, seconds: float = 120.0, name: str = "") -> Any:
        """Move time on until a mirror shows a state; fails when it does not."""
        for _ in range(int(seconds)):
            if self.state(cluster, name) == state:
                return self.mirror(cluster, name)
            self.control.advance(1)
        raise AssertionError(f"the mirror is {self.state(cluster, name)!r}, not {state!r}")

    def truth(self, name: str = LEDGER) -> dict[str, Any]:
        return dict(self.control.truth(name))

    def close(self) -> None:
        for client in self._opened:
            client.connection.close()


def new_mirror(name: str, claim: str, state: str, remote: str = "", **more: Any) -> dict[str, Any]:
    """A mirror relationship with all six strings."""
    place = {"localPVCName": claim, "remoteVolumeHandle": remote, "promotedSnapshotHandle": ""}
    spec = {"state": state, "replicationPolicy": "", "replicationSchedule": "", "volumeMappings": [place]}
    return {
        "apiVersion": "trident.netapp.io/v1",
        "kind": "TridentMirrorRelationship",
        "metadata": {"name": name},
        "spec": {**spec, **more},
    }


def new_claim(name: str, mirror: str | None = None) -> dict[str, Any]:
    annotations = {"trident.netapp.io/mirrorRelationship": mirror} if mirror else {}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "accessModes": ["ReadWriteMany"],
            "storageClassName": "mirrored",
            "resources": {"requests": {"storage": "1Gi"}},
        },
    }


def new_update(name: str, mirror: str, snapshot: str = "") -> dict[str, Any]:
    spec = {"tridentMirrorRelationshipName": mirror, **({"snapshotHandle": snapshot} if snapshot else {})}
    return {
        "apiVersion": "trident.netapp.io/v1",
        "kind": "TridentActionMirrorUpdate",
        "metadata": {"name": name},
        "spec": spec,
    }


def new_snapshot(name: str, claim: str) -> dict[str, Any]:
    spec = {"volumeSnapshotClassName": "trident-snaps", "source": {"persistentVolumeClaimName": claim}}
    return {
        "apiVersion": "snapshot.storage.k8s.io/v1",
        "kind": "VolumeSnapshot",
        "metadata": {"name": name},
        "spec": spec,
    }


@contextmanager
def an_estate(directory: Path, **options: Any) -> Iterator[Estate]:
    """Two clusters whose time stands still unless somebody moves it; keyword arguments are those of Options."""
    settings: dict[str, Any] = {"vendors": ("trident",), "speed": 0.0, "start_at": START_AT, **options}
    with Simulator(Options(directory=directory, **settings)) as sim:
        estate = Estate(sim)
        try:
            yield estate
        finally:
            estate.close()
