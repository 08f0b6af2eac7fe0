"""What a simulated world contains, by seed, and the files that a user of it needs (design §8, §11).

Names, groups and sides of the replications; the two files in which replctl reads them; credentials and the trusted
certificate. The worlds of the same seed and size are the same.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from replctl.simulator.chance import chance, digest

USERNAME = "replctl"
SECRET_MODE = 0o600

_NAMESPACES = ("bank", "shop", "hr", "web", "lab", "plant", "claims", "fleet", "media", "tax")
_APPLICATIONS = (
    "ledger",
    "orders",
    "payroll",
    "invoices",
    "catalog",
    "search",
    "mail",
    "archive",
    "sessions",
    "metrics",
    "stock",
    "pricing",
    "audit",
    "events",
    "profiles",
    "reports",
    "billing",
    "shipping",
    "scans",
    "backups",
)
_GROUPS = {"bank": "payments", "shop": "storefront", "claims": "claims"}
_TIERS = ("gold", "silver", "bronze")


@dataclass(frozen=True, slots=True)
class Entry:
    """One replication of a world as its owner would describe it; `source` is the array that hosts use."""

    namespace: str
    name: str
    kind: str
    resource: str
    source: str
    group: str | None
    order: int
    labels: Mapping[str, str]

    @property
    def full_name(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def list_entries(seed: int, count: int) -> list[Entry]:
    """The replications of a world; the first is always bank/ledger, a volume group whose source is east."""
    names = [(namespace, name) for name in _APPLICATIONS for namespace in _NAMESPACES]
    names.sort(key=lambda pair: (pair != ("bank", "ledger"), digest(seed, *pair)))
    return [_entry(seed, index, *_numbered(names, index)) for index in range(count)]


def _numbered(names: list[tuple[str, str]], index: int) -> tuple[str, str]:
    namespace, name = names[index % len(names)]
    lap = index // len(names)
    return (namespace, name) if lap == 0 else (namespace, f"{name}-{lap + 1}")


def _entry(seed: int, index: int, namespace: str, name: str) -> Entry:
    grouped = index == 0 or chance(seed, index, 1) < 0.3
    other_way = index > 0 and (index % 4 == 3 if index < 8 else chance(seed, index, 2) < 0.15)
    labels = {"tier": _TIERS[int(chance(seed, index, 3) * 3)]} if chance(seed, index, 4) < 0.6 else {}
    return Entry(
        namespace=namespace,
        name=name,
        kind="volume_group" if grouped else "volume",
        resource="ledger-vg" if index == 0 else f"{namespace}-{name}" + ("-vg" if grouped else ""),
        source="west" if other_way else "east",
        group=_GROUPS.get(namespace),
        order=int(chance(seed, index, 5) * 3) if namespace in _GROUPS and index else 0,
        labels={"tier": "gold"} if index == 0 else labels,
    )


def policy_name(array: str) -> str:
    """The protection policy of an array that replicates to the other one."""
    return f"gold-dr-{array}"


def password(seed: int, array: str) -> str:
    """The password of the one user of an array."""
    return "Sim-" + digest(seed, array, "password")[:20]


def write_files(
    directory: Path, seed: int, entries: list[Entry], urls: Mapping[str, str], ca_pem: bytes
) -> Path:
    """Write everything that replctl needs into the directory; returns the path of config.yaml."""
    (directory / "credentials").mkdir(parents=True, exist_ok=True)
    for array in urls:
        secret = directory / "credentials" / array
        secret.touch(mode=SECRET_MODE)
        secret.chmod(SECRET_MODE)
        secret.write_text(password(seed, array) + "\n")
    (directory / "ca.pem").write_bytes(ca_pem)
    (directory / "replications.yaml").write_text(_replications_text(entries))
    config = directory / "config.yaml"
    config.write_text(_config_text(urls))
    return config


def _config_text(urls: Mapping[str, str]) -> str:
    backends = "".join(
        f"  {array}:\n    kind: powerstore\n    url: {url}\n    username: {USERNAME}\n"
        f"    password: {{file: credentials/{array}}}\n    tls: {{ca_file: ca.pem}}\n"
        for array, url in urls.items()
    )
    return f"backends:\n{backends}replications: replications.yaml\nstate_dir: state\n"


def _replications_text(entries: list[Entry]) -> str:
    if not entries:
        return "replications: []\n"
    return "replications:\n" + "".join(_entry_text(entry) for entry in entries)


def _entry_text(entry: Entry) -> str:
    state = "source" if entry.source == "west" else "replica"
    lines = [
        f"- namespace: {entry.namespace}",
        f"  name: {entry.name}",
        f"  state: {state}",
        "  mode: asynchronous",
        "  rpo: 5m",
    ]
    if entry.group:
        lines += [f"  group: {entry.group}", f"  order: {entry.order}"]
    if entry.labels:
        lines.append(f"  labels: {json.dumps(dict(entry.labels))}")
    for side, backend in (("local", "west"), ("peer", "east")):
        policy = f", policy: {policy_name(backend)}" if backend == entry.source else ""
        lines.append(f"  {side}: {{backend: {backend}, {entry.kind}: {entry.resource}{policy}}}")
    return "\n".join(lines) + "\n"
