"""A client of one API server with all that stands around it, for tests of Kubernetes access."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from estates import Estate
from fakes import FakeClock
from wire import Act, Peer, Seen, reply

from replctl.core.breaker import BreakerSettings
from replctl.core.events import Event
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secrets
from replctl.drivers.http import Connection
from replctl.drivers.kubernetes.access import Access, Local
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.kubeconfig import by_kubeconfig
from replctl.drivers.kubernetes.objects import Resource
from replctl.resilience import BreakerBoard, Budget, Look

MIRRORS = Resource("trident.netapp.io", "v1", "tridentmirrorrelationships", "TridentMirrorRelationship")
CLAIMS = Resource("", "v1", "persistentvolumeclaims", "PersistentVolumeClaim")
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
MIRRORS_PATH = "/apis/trident.netapp.io/v1/namespaces/bank/tridentmirrorrelationships"
BARE = Connection(backend="west", url="https://unnamed")


class Desk:
    """Clock, events, secrets and breakers; makes clients that use them."""

    def __init__(self, environ: Mapping[str, str] | None = None, clock: Any = None) -> None:
        self.clock = clock or FakeClock()
        self.events: list[Event] = []
        self.secrets = Secrets()
        self.board = BreakerBoard(BreakerSettings(), None, self.clock, self.events.append)
        self.local = Local(
            clock=self.clock,
            environ={"PATH": os.environ["PATH"]} if environ is None else environ,
            conceal=self.secrets.add,
        )
        self._made: list[KubernetesClient] = []

    def client(self, access: Access) -> KubernetesClient:
        made = KubernetesClient(
            access,
            clock=self.clock,
            board=self.board,
            policy=RetryPolicy(),
            budget=Budget(),
            report=self.events.append,
            redact=self.secrets.redact,
        )
        self._made.append(made)
        return made

    def access(self, path: Path | str | None, context: str | None = None) -> Access:
        return by_kubeconfig(BARE, path, context, self.local)

    def of(self, path: Path | str | None, context: str | None = None) -> KubernetesClient:
        return self.client(self.access(path, context))

    def west(self, estate: Estate, context: str | None = None) -> KubernetesClient:
        """The driver's client of a simulated cluster."""
        return self.of(estate.sim.options.directory / "kubeconfig-west.yaml", context)

    def look(self, seconds: float = 20.0, **how: Any) -> Look:
        return Look(deadline=self.clock.monotonic() + seconds, **how)

    def said(self, kind: type) -> list[Any]:
        return [event for event in self.events if isinstance(event, kind)]

    def close(self) -> None:
        for made in self._made:
            made.close()


def kubeconfig(
    directory: Path,
    cluster: Mapping[str, Any] | None = None,
    user: Mapping[str, Any] | None = None,
    name: str = "config",
    **more: Any,
) -> Path:
    """A kubeconfig with one context, `west`; keyword arguments replace what stands at the top."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "west",
        "clusters": [{"name": "west", "cluster": {"server": "https://west.example", **(cluster or {})}}],
        "users": [{"name": "driver", "user": {"token": "sesame-token"} if user is None else user}],
        "contexts": [{"name": "west", "context": {"cluster": "west", "user": "driver"}}],
        **more,
    }
    path = directory / name
    path.write_text(yaml.safe_dump(body))
    return path


def mirror(name: str = "ledger-dr", version: int = 1, state: str = "established", **metadata: Any) -> Any:
    """A mirror relationship as an API server shows it."""
    return {
        "apiVersion": MIRRORS.api_version,
        "kind": MIRRORS.kind,
        "metadata": {
            "name": name,
            "namespace": "bank",
            "uid": f"uid-{name}",
            "resourceVersion": str(version),
            **metadata,
        },
        "spec": {"state": state},
    }


def listed(*items: Any, version: int = 1, token: str = "") -> bytes:
    metadata = {"resourceVersion": str(version), **({"continue": token} if token else {})}
    return reply(200, {"kind": f"{MIRRORS.kind}List", "metadata": metadata, "items": list(items)})


def status(code: int, reason: str | None, message: str = "no", **details: Any) -> dict[str, Any]:
    body = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code}
    return {**body, "message": message, "details": details, **({"reason": reason} if reason else {})}


def event(word: str, body: Any) -> dict[str, Any]:
    return {"type": word, "object": body}


def bookmark(version: int) -> dict[str, Any]:
    return event("BOOKMARK", {"kind": MIRRORS.kind, "metadata": {"resourceVersion": str(version)}})


def streamed(events: Iterable[Any], *, end: str = "closed") -> Act:
    """A watch's answer: some events, then its end: closed, broken (in the middle of a chunk), reset, or none."""

    def act(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for each in events:
            line = each if isinstance(each, bytes) else json.dumps(each).encode() + b"\n"
            peer.send(f"{len(line):x}\r\n".encode() + line + b"\r\n")
        if end == "closed":
            peer.send(b"0\r\n\r\n")
        elif end == "broken":
            peer.send(b'40\r\n{"type"')
            peer.stream.close()
        elif end == "reset":
            peer.reset()
        else:
            peer.hang()

    return act


def is_watch(seen: Seen) -> bool:
    return "watch=true" in seen.target
