"""The kubeconfig: what it says is done, what we do not do is refused by file and field (CT §12.7, §12.8)."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from replctl.core.errors import InvalidConfiguration
from replctl.drivers.http import Connection
from replctl.drivers.trident.access import Access, TokenSignIn, by_kubeconfig, in_pod

BARE = Connection(backend="k8s-west", url="https://unnamed")


def kubeconfig(
    directory: Path, *, cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None
) -> Path:
    said = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "west",
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s.example:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": {"token": "t0ps3cret"} if user is None else user}],
        "contexts": [{"name": "west", "context": {"cluster": "c", "user": "u"}}],
    }
    path = directory / "kubeconfig.yaml"
    path.write_text(yaml.safe_dump(said))
    return path


def token(access: Access) -> str:
    assert access.token is not None
    return access.token().reveal()


def test_server_and_token(tmp_path: Path) -> None:
    access = by_kubeconfig(BARE, kubeconfig(tmp_path), None)
    assert access.connection.url == "https://k8s.example:6443"
    assert token(access) == "t0ps3cret"
    assert "t0ps3cret" not in repr(access)


def test_a_server_behind_a_path(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, cluster={"server": "https://rancher.example/k8s/clusters/c-1/"})
    made = by_kubeconfig(BARE, path, "west").connection
    assert (made.url, made.base_path) == ("https://rancher.example", "/k8s/clusters/c-1")


def test_relative_files_are_read_beside_it(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one\n")
    path = kubeconfig(
        tmp_path, cluster={"certificate-authority": "ca.pem"}, user={"tokenFile": "token", "token": "old"}
    )
    access = by_kubeconfig(BARE, path, None)
    assert access.connection.tls.ca_file == tmp_path / "ca.pem"
    assert token(access) == "one"
    (tmp_path / "token").write_text("two\n")
    assert token(access) == "two"


def test_data_wins_over_files(tmp_path: Path) -> None:
    pem = base64.b64encode(b"-----PEM").decode()
    cluster = {"certificate-authority": "ca.pem", "certificate-authority-data": pem}
    user = {"client-certificate-data": pem, "client-key-data": pem, "client-key": "missing.pem"}
    access = by_kubeconfig(BARE, kubeconfig(tmp_path, cluster=cluster, user=user), None)
    assert (access.connection.tls.ca_file, access.connection.tls.ca_pem) == (None, "-----PEM")
    assert access.connection.tls.identity is not None
    assert access.connection.tls.identity.key == b"-----PEM"
    assert "PEM" not in repr(access.connection.tls.identity)
    assert access.token is None
    assert TokenSignIn(access.token).headers("GET") == {}


@pytest.mark.parametrize(
    ("cluster", "user", "field"),
    [
        ({"server": "http://k8s.example"}, None, "clusters[c].cluster.server"),
        ({"server": 5}, None, "clusters[c].cluster.server"),
        ({"proxy-url": "http://proxy"}, None, "clusters[c].cluster.proxy-url"),
        ({"tls-server-name": "x"}, None, "clusters[c].cluster.tls-server-name"),
        ({"certificate-authority-data": "%%%"}, None, "clusters[c].cluster.certificate-authority-data"),
        ({}, {"exec": {"command": "aws"}}, "users[u].user.exec"),
        ({}, {"as": "admin"}, "users[u].user.as"),
        ({}, {"token": 5}, "users[u].user.token"),
        ({}, {"client-key": "nowhere.pem"}, "users[u].user.client-key"),
        ({}, {"client-certificate-data": "YQ=="}, "users[u].user"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_field(
    tmp_path: Path, cluster: dict[str, Any], user: dict[str, Any] | None, field: str
) -> None:
    path = kubeconfig(tmp_path, cluster=cluster, user=user)
    with pytest.raises(InvalidConfiguration) as caught:
        by_kubeconfig(BARE, path, None)
    (finding,) = caught.value.findings
    assert finding.place == f"{path}: {field}"


def test_a_context_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match=r"contexts\[north\].*one of west"):
        by_kubeconfig(BARE, kubeconfig(tmp_path), "north")


@pytest.mark.parametrize("content", ["{", "[]", "kind: Secret", "token: t0ps3cret: x"])
def test_a_file_that_is_no_kubeconfig_shows_nothing_of_itself(tmp_path: Path, content: str) -> None:
    path = tmp_path / "kubeconfig.yaml"
    path.write_text(content)
    with pytest.raises(InvalidConfiguration) as caught:
        by_kubeconfig(BARE, path, None)
    assert str(path) in str(caught.value)
    assert "t0ps3cret" not in str(caught.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfiguration, match="cannot be read"):
        by_kubeconfig(BARE, tmp_path / "none", None)


@pytest.mark.parametrize("content", [None, "\n"])
def test_a_token_file_without_a_token(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "token").write_text(content)
    access = by_kubeconfig(BARE, kubeconfig(tmp_path, user={"tokenFile": "token"}), None)
    with pytest.raises(InvalidConfiguration, match="the token"):
        token(access)


@pytest.mark.parametrize(
    ("host", "url"), [("10.0.0.1", "https://10.0.0.1:443"), ("fd00::1", "https://[fd00::1]:443")]
)
def test_in_a_pod(host: str, url: str) -> None:
    environ = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": "443"}
    assert in_pod(BARE, environ).connection.url == url


def test_outside_of_a_pod() -> None:
    with pytest.raises(InvalidConfiguration, match="in_cluster"):
        in_pod(BARE, {})
