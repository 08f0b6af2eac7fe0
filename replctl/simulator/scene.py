"""What a simulated world contains, by seed, and the files that a user of it needs (design §8, §11).

Names, groups and sides of the replications; the two files in which replctl reads them; credentials and the trusted
certificate. The worlds of the same seed and size are the same.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from replctl.simulator.chance import chance, digest

USERNAME = "replctl"
SNAPSHOT_CLASS_NAME = "trident-snaps"
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
POWERSTORE, TRIDENT = "powerstore", "trident"
VENDORS = (POWERSTORE, TRIDENT)
# Whose replications a world has unless somebody says otherwise.
DEFAULT_VENDORS: tuple[str, ...] = (POWERSTORE,)

# What `create` needs to know of a replica in a cluster.
MAKING = "replication_policy: MirrorAllSnapshots, schedule: 5min, storage_class: mirrored, size: 1Gi"
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
    vendor: str = POWERSTORE

    @property
    def full_name(self) -> str:
        """namespace/name."""
        return f"{self.namespace}/{self.name}"


def list_entries(seed: int, count: int, vendors: Sequence[str] = DEFAULT_VENDORS) -> list[Entry]:
    """The replications of a world, spread over the vendors; the first is always bank/ledger, whose source is east."""
    names = [(namespace, name) for name in _APPLICATIONS for namespace in _NAMESPACES]
    names.sort(key=lambda pair: (pair != ("bank", "ledger"), digest(seed, *pair)))
    found = [_entry(seed, index, *_numbered(names, index)) for index in range(count)]
    return [replace(entry, vendor=vendors[index % len(vendors)]) for index, entry in enumerate(found)]


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


class UnknownVendor(ValueError):
    """A vendor that the simulator does not know, or none at all; the message is one sentence."""


def read_vendors(names: Sequence[str]) -> tuple[str, ...]:
    """Vendors as somebody names them, each once, in our order; raises UnknownVendor."""
    unknown = [name for name in names if name not in VENDORS]
    if unknown or not names:
        raise UnknownVendor(f"vendors can be {' and '.join(VENDORS)}, not {', '.join(unknown) or 'none'}")
    return tuple(vendor for vendor in VENDORS if vendor in names)


def password(seed: int, array: str) -> str:
    """The password of the one user of an array."""
    return "Sim-" + digest(seed, array, "password")[:20]


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the world answers: URLs by name of arrays, clusters and ONTAP systems."""

    arrays: Mapping[str, str]
    clusters: Mapping[str, str]
    ontap: Mapping[str, str]


def write_files(
    directory: Path, seed: int, entries: list[Entry], addresses: Addresses, ca_pem: bytes
) -> Path:
    """Write everything that replctl needs into the directory; returns the path of config.yaml."""
    (directory / "credentials").mkdir(parents=True, exist_ok=True)
    for name in (*addresses.arrays, *addresses.ontap):
        write_secret(directory / "credentials" / name, password(seed, name) + "\n")
    (directory / "ca.pem").write_bytes(ca_pem)
    (directory / "replications.yaml").write_text(_replications_text(entries))
    config = directory / "config.yaml"
    config.write_text(_config_text(addresses))
    return config


def write_secret(path: Path, text: str) -> None:
    """Write a file that its owner alone can read."""
    path.touch(mode=SECRET_MODE)
    path.chmod(SECRET_MODE)
    path.write_text(text)


def _config_text(addresses: Addresses) -> str:
    backends = "".join(
        f"  {array}:\n    kind: powerstore\n    url: {url}\n    username: {USERNAME}\n"
        f"    password: {{file: credentials/{array}}}\n    tls: {{ca_file: ca.pem}}\n"
        for array, url in addresses.arrays.items()
    )
    backends += "".join(_cluster_text(name, addresses.ontap) for name in addresses.clusters)
    return f"backends:\n{backends}replications: replications.yaml\nstate_dir: state\n"


def _cluster_text(cluster: str, ontap: Mapping[str, str]) -> str:
    site = cluster.removeprefix("k8s-")
    system = f"ontap-{site}"
    return (
        f"  {cluster}:\n    kind: trident\n    kubeconfig: kubeconfig-{site}.yaml\n    context: {site}\n"
        "    policies: {Sync: synchronous, MirrorAllSnapshots: asynchronous}\n"
        f"    snapshot_class: {SNAPSHOT_CLASS_NAME}\n"
        f"    # ontap: {{url: {ontap[system]}, username: {USERNAME}, "
        f"password: {{file: credentials/{system}}}, tls: {{ca_file: ca.pem}}}}\n"
    )


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
    for side, site in (("local", "west"), ("peer", "east")):
        lines.append(f"  {side}: {{{_end_text(entry, site)}}}")
    return "\n".join(lines) + "\n"


def _end_text(entry: Entry, site: str) -> str:
    if entry.vendor == POWERSTORE:
        policy = f", policy: {policy_name(site)}" if site == entry.source else ""
        return f"backend: {site}, {entry.kind}: {entry.resource}{policy}"
    where = f"backend: k8s-{site}, namespace: {entry.namespace}"
    making = "" if site == entry.source else f", {MAKING}"
    return f"{where}, mirror: {mirror_name(entry, site)}, pvc: {claim_name(entry)}{making}"


def mirror_name(entry: Entry, site: str) -> str:
    """What the mirror relationship of a replication is called in one cluster."""
    return entry.name if site == "east" else f"{entry.name}-dr"


def claim_name(entry: Entry) -> str:
    """What the claim of a replication is called in both clusters."""
    return f"{entry.name}-data"
