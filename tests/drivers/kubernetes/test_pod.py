"""Inside a cluster: the pod's own service account, whose token and authority are rotated (CT §12.8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from clusters import BARE, Desk
from sites import always
from wire import reply

from replctl.core import errors
from replctl.drivers.kubernetes.access import in_pod

RELEASE = reply(200, {"gitVersion": "v1.36.2"})


@pytest.fixture
def files(tmp_path, site) -> Path:
    (tmp_path / "token").write_text("first-token")
    (tmp_path / "namespace").write_text("replctl\n")
    (tmp_path / "ca.crt").write_bytes(site.ca_file.read_bytes())
    return tmp_path


def inside(port: int | str) -> Desk:
    return Desk({"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(port)})


def test_the_service_account_of_the_pod(site, files):
    server = site.server(always(RELEASE))
    desk = inside(server.port)
    access = in_pod(BARE, desk.local, files)
    client = desk.client(access)
    assert client.version(desk.look()) == "v1.36.2"
    assert access.namespace == "replctl"
    (files / "token").write_text("second-token")
    desk.clock.advance(61)
    client.version(desk.look())
    assert [seen.headers["authorization"] for seen in server.requests] == [
        "Bearer first-token",
        "Bearer second-token",
    ]
    desk.close()


def test_an_address_of_the_sixth_version_stands_in_brackets(files):
    desk = Desk({"KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"})
    assert in_pod(BARE, desk.local, files).connection.origin == "https://[fd00::1]:443"


@pytest.mark.parametrize(
    ("environ", "missing"),
    [({}, "KUBERNETES_SERVICE_HOST"), ({"KUBERNETES_SERVICE_HOST": "x"}, "KUBERNETES_SERVICE_PORT")],
)
def test_outside_of_a_pod_that_is_said(environ, missing):
    with pytest.raises(errors.InvalidConfiguration) as raised:
        in_pod(BARE, Desk(environ).local)
    assert f"backends.west.in_cluster: {missing} is not set" in raised.value.message


@pytest.mark.parametrize("name", ["token", "ca.crt"])
def test_a_file_that_is_missing_is_named(site, files, name):
    server = site.server(always(RELEASE))
    desk = inside(server.port)
    (files / name).unlink()
    with pytest.raises(errors.InvalidConfiguration) as raised:
        desk.client(in_pod(BARE, desk.local, files)).version(desk.look())
    assert f"{files / name}: cannot be read" in raised.value.message
    assert server.requests == []


def test_an_authority_that_is_empty_trusts_nobody(site, files):
    server = site.server(always(RELEASE))
    desk = inside(server.port)
    (files / "ca.crt").write_text("nothing of use")
    with pytest.raises(errors.TlsFailed) as raised:
        desk.client(in_pod(BARE, desk.local, files)).version(desk.look())
    assert str(files / "ca.crt") in raised.value.message
