"""The kubeconfig of a simulated cluster: a driver with a token file, an administrator with a certificate."""

import base64
from dataclasses import dataclass
from pathlib import Path

from replctl.simulator.kubernetes.access import ADMIN, DRIVER
from replctl.simulator.scene import write_secret


@dataclass(frozen=True, slots=True)
class Identity:
    """What a client shows: certificate and key, PEM."""

    certificate: bytes
    key: bytes


def write_kubeconfig(directory: Path, cluster: str, url: str, token: str, admin: Identity) -> Path:
    """Write kubeconfig and token file (CT §12.7); context `SITE` is the driver's, `SITE-admin` the other's."""
    site = cluster.removeprefix("k8s-")
    write_token(directory, cluster, token)
    path = directory / f"kubeconfig-{site}.yaml"
    certificate, key = (base64.b64encode(data).decode() for data in (admin.certificate, admin.key))
    write_secret(
        path,
        f"""apiVersion: v1
kind: Config
current-context: {site}
clusters:
- name: {site}
  cluster:
    server: {url}
    certificate-authority: ca.pem
users:
- name: {DRIVER}
  user:
    tokenFile: credentials/{cluster}.token
- name: {ADMIN}
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: {site}
  context: {{cluster: {site}, user: {DRIVER}}}
- name: {site}-admin
  context: {{cluster: {site}, user: {ADMIN}}}
""",
    )
    return path


def write_token(directory: Path, cluster: str, token: str) -> None:
    """Write the driver's token where its kubeconfig looks for it."""
    (directory / "credentials").mkdir(parents=True, exist_ok=True)
    write_secret(directory / "credentials" / f"{cluster}.token", token + "\n")
