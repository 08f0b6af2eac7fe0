"""Kubeconfig files: found, merged, judged; and the ways to sign in that they hold (CT §12.7)."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import trustme
from clusters import BARE, Desk, kubeconfig
from sites import always
from wire import Server, reply

from replctl.core import errors
from replctl.core.events import Noticed
from replctl.drivers.kubernetes.kubeconfig import by_kubeconfig, files

RELEASE = reply(200, {"gitVersion": "v1.36.2"})


def encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def release_of(desk: Desk, path: Path | str | None, context: str | None = None) -> str:
    return desk.of(path, context).version(desk.look())


def refused(desk: Desk, path: Path | str | None, context: str | None = None) -> str:
    """The one sentence that a kubeconfig is refused with."""
    with pytest.raises(errors.InvalidConfiguration) as raised:
        desk.of(path, context).version(desk.look())
    (finding,) = raised.value.findings
    assert str(finding) == raised.value.message
    assert raised.value.exit_code == 2
    return raised.value.message


@pytest.fixture
def server(site) -> Server:
    return site.server(always(RELEASE))


def bearer(server: Server) -> str | None:
    return server.requests[-1].headers.get("authorization")


# Which files


def test_the_files_are_what_is_configured_or_the_variable_or_the_usual_place(tmp_path):
    home, listed = {"HOME": str(tmp_path)}, {"KUBECONFIG": "/a:~/b:/a:", "HOME": str(tmp_path)}
    assert files(None, home) == (tmp_path / ".kube/config",)
    assert files(None, listed) == (Path("/a"), tmp_path / "b")
    assert files("~/c", listed) == (tmp_path / "c",)
    assert files("/x:/y", listed) == (Path("/x"), Path("/y"))
    colon = tmp_path / "with:colon"
    colon.touch()
    assert files(colon, home) == (colon,)


def test_the_first_definition_of_a_list_wins(desk, server, site, tmp_path):
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    first = kubeconfig(tmp_path, {"server": "https://other.example"}, name="first", contexts=[], clusters=[])
    second = kubeconfig(
        tmp_path, place, {"token": "second-token"}, name="second", **{"current-context": "none"}
    )
    assert release_of(desk, f"{tmp_path}/missing:{first}:{second}") == "v1.36.2"
    assert bearer(server) == "Bearer sesame-token"


def test_the_variable_is_a_list_too(server, site, tmp_path):
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    path = kubeconfig(tmp_path, place)
    desk = Desk({"KUBECONFIG": f"{tmp_path}/missing:{path}"})
    assert release_of(desk, None) == "v1.36.2"
    desk.close()


def test_a_list_of_nothing_is_named(desk, tmp_path):
    said = refused(desk, f"{tmp_path}/a:{tmp_path}/b")
    assert (
        said
        == f"{tmp_path}/a, {tmp_path}/b: none of them is there: a list of files, one of which must be there"
    )


def test_another_context_can_be_named(desk, server, site, tmp_path):
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    path = kubeconfig(
        tmp_path,
        place,
        users=[
            {"name": "driver", "user": {"token": "one-token"}},
            {"name": "other", "user": {"token": "two-token"}},
        ],
        contexts=[
            {"name": "west", "context": {"cluster": "west", "user": "driver"}},
            {"name": "else", "context": {"cluster": "west", "user": "other", "namespace": "bank"}},
        ],
    )
    release_of(desk, path, "else")
    assert bearer(server) == "Bearer two-token"
    assert desk.access(path, "else").namespace == "bank"
    assert desk.access(path).namespace == ""


# Who the server is


@pytest.mark.parametrize("form", ["data", "file", "relative", "both"])
def test_the_authority_is_data_or_a_file_beside_the_kubeconfig(desk, server, site, tmp_path, form):
    pem = site.ca_file.read_bytes()
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/ca.pem").write_bytes(pem)
    forms = {
        "data": {"certificate-authority-data": encoded(pem)},
        "file": {"certificate-authority": str(site.ca_file)},
        "relative": {"certificate-authority": "pki/ca.pem"},
        "both": {"certificate-authority-data": encoded(pem), "certificate-authority": "nowhere.pem"},
    }
    assert release_of(desk, kubeconfig(tmp_path, {"server": server.url, **forms[form]})) == "v1.36.2"


def test_another_authority_is_not_trusted_and_the_field_is_named(desk, server, tmp_path):
    other = trustme.CA().cert_pem.bytes()
    path = kubeconfig(tmp_path, {"server": server.url, "certificate-authority-data": encoded(other)})
    with pytest.raises(errors.TlsFailed) as raised:
        release_of(desk, path)
    assert f"{path}: clusters[west].cluster.certificate-authority" in raised.value.remedy
    assert server.requests == []


def test_unverified_tls_is_loud(desk, site, tmp_path):
    from sites import identified

    server = site.server(always(RELEASE), identified(trustme.CA().issue_cert("elsewhere.example")))
    path = kubeconfig(tmp_path, {"server": server.url, "insecure-skip-tls-verify": True})
    release_of(desk, path)
    (noticed,) = desk.said(Noticed)
    assert noticed.topic == "tls-not-verified"
    assert f"{path}: clusters[west].cluster.insecure-skip-tls-verify: true" in noticed.message


def test_the_name_to_verify_may_be_another_than_the_address_s(desk, site, authority, tmp_path):
    from sites import identified

    server = site.server(always(RELEASE), identified(authority.issue_cert("api.west.example")))
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    with pytest.raises(errors.TlsFailed) as raised:
        release_of(desk, kubeconfig(tmp_path, place))
    assert "clusters[west].cluster.server" in raised.value.remedy
    named = kubeconfig(tmp_path, {**place, "tls-server-name": "api.west.example"}, name="named")
    assert release_of(desk, named) == "v1.36.2"


# Who we are


def test_a_token(desk, server, site, tmp_path):
    release_of(desk, kubeconfig(tmp_path, {"server": server.url, "certificate-authority": str(site.ca_file)}))
    assert bearer(server) == "Bearer sesame-token"
    assert "sesame" not in desk.secrets.redact("sesame-token")


def test_a_token_file_wins_and_is_read_again_each_minute(desk, server, site, tmp_path):
    token = tmp_path / "token"
    token.write_text("first-token\n")
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    client = desk.of(kubeconfig(tmp_path, place, {"tokenFile": "token", "token": "other-token"}))
    client.version(desk.look())
    assert bearer(server) == "Bearer first-token"
    token.write_text("second-token")
    desk.clock.advance(59)
    client.version(desk.look())
    assert bearer(server) == "Bearer first-token"
    desk.clock.advance(2)
    client.version(desk.look())
    assert bearer(server) == "Bearer second-token"
    token.unlink()
    desk.clock.advance(61)
    client.version(desk.look())
    assert bearer(server) == "Bearer second-token", "what was good is used as long as it is taken"
    assert "token" not in desk.secrets.redact("first-token second-token")


def test_a_token_that_is_refused_is_read_again_at_once_and_once(desk, site, tmp_path):
    token, good = tmp_path / "token", ["second-token"]
    token.write_text("first-token")

    def serve(seen: Any) -> bytes:
        if seen.headers["authorization"] in {f"Bearer {each}" for each in good}:
            return RELEASE
        token.write_text("second-token")
        return reply(401, {"kind": "Status", "status": "Failure", "reason": "Unauthorized", "code": 401})

    server = site.server(serve)
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    client = desk.of(kubeconfig(tmp_path, place, {"tokenFile": "token"}))
    with pytest.raises(errors.Unauthorized) as raised:
        client.version(desk.look())
    assert len(server.requests) == 1, "it was read just now: another reading would be no better"
    assert f"check {tmp_path}/config: users[driver].user" in raised.value.remedy
    assert client.version(desk.look()) == "v1.36.2"
    assert len(server.requests) == 3
    good.clear()
    with pytest.raises(errors.Unauthorized):
        client.version(desk.look())
    assert len(server.requests) == 5


@pytest.mark.parametrize("form", ["data", "file"])
def test_a_client_certificate_is_shown(desk, estate, tmp_path, form):
    import yaml

    body = yaml.safe_load((estate.sim.options.directory / "kubeconfig-west.yaml").read_text())
    (admin,) = [user["user"] for user in body["users"] if user["name"] == "admin"]
    if form == "file":
        for key in ("client-certificate", "client-key"):
            (tmp_path / f"{key}.pem").write_bytes(base64.b64decode(admin.pop(f"{key}-data")))
            admin[key] = f"{key}.pem"
    place = body["clusters"][0]["cluster"]
    place["certificate-authority"] = str(estate.sim.options.directory / "ca.pem")
    client = desk.of(kubeconfig(tmp_path, place, admin))
    from clusters import VOLUMES

    assert client.list(VOLUMES, desk.look()).items, "a right of the administrator's alone"


def test_a_certificate_that_is_renewed_is_shown_from_then_on(desk, site, authority, tmp_path):
    """Seen in the handshake by a server that demands one; kept connections of before are not used any more."""
    import ssl

    from sites import identified

    context = identified(authority.issue_cert("localhost"))
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    server = site.server(always(RELEASE), context)

    def issue(name: str) -> None:
        made = authority.issue_cert(name)
        made.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
        (tmp_path / "crt.pem").write_bytes(b"".join(pem.bytes() for pem in made.cert_chain_pems))

    issue("one.example")
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    client = desk.of(kubeconfig(tmp_path, place, {"client-certificate": "crt.pem", "client-key": "key.pem"}))
    client.version(desk.look())
    client.version(desk.look())
    assert server.connections == 1
    issue("two.example")
    desk.clock.advance(61)
    client.version(desk.look())
    assert server.connections == 2


def test_a_rotated_authority_is_trusted_within_a_minute(desk, site, authority, tmp_path):
    from sites import identified

    old, new = trustme.CA(), trustme.CA()
    ca = tmp_path / "ca.pem"
    old.cert_pem.write_to_path(str(ca))
    first = site.server(always(RELEASE), identified(old.issue_cert("localhost")))
    client = desk.of(kubeconfig(tmp_path, {"server": first.url, "certificate-authority": "ca.pem"}))
    client.version(desk.look())
    first.close()
    second = site.server(always(RELEASE), identified(new.issue_cert("localhost")), port=first.port)
    new.cert_pem.write_to_path(str(ca))
    with pytest.raises(errors.TlsFailed):
        client.version(desk.look())
    desk.clock.advance(61)
    assert client.version(desk.look()) == "v1.36.2"
    ca.unlink()
    desk.clock.advance(61)
    assert client.version(desk.look()) == "v1.36.2"
    assert second.requests


def test_nobody_may_look_where_that_is_allowed(desk, server, site, tmp_path):
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    release_of(desk, kubeconfig(tmp_path, place, {}))
    assert bearer(server) is None


# What is refused, in one sentence with file, field, value and what is allowed


USER = "{path}: users[driver].user"
CLUSTER = "{path}: clusters[west].cluster"
NO_BASIC = "is set: API servers take no user and password any more; a token, a client certificate or exec"
NOBODY = "is set: replctl impersonates nobody; an account of its own"
PROXY_ALLOWED = "http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT"
NO_BASE64 = "is not base64: PEM in base64"
GONE = "cannot be read (No such file or directory)"
SERVER_ALLOWED = "https://HOST[:PORT][/PATH]; a token is never sent over anything else"


@pytest.mark.parametrize(
    ("cluster", "user", "said"),
    [
        ({}, {"username": "u", "password": "hunter2"}, f"{USER}.username: {NO_BASIC}"),
        ({}, {"password": "hunter2"}, f"{USER}.password: {NO_BASIC}"),
        (
            {},
            {"auth-provider": {"name": "oidc"}},
            f"{USER}.auth-provider: is set: clients take no auth-provider any more; exec",
        ),
        ({}, {"as": "root", "token": "t-o-k"}, f"{USER}.as: {NOBODY}"),
        ({}, {"as-groups": ["a"], "token": "t-o-k"}, f"{USER}.as-groups: {NOBODY}"),
        ({}, {"token": 7}, f"{USER}.token: is a number: a text"),
        (
            {},
            {"token": "hunter2 with a blank"},
            f"{USER}.token: holds characters that no token has: a bearer token",
        ),
        (
            {},
            {"tokenFile": "gone"},
            f"{USER}.tokenFile: {{dir}}/gone {GONE}: a file that holds a bearer token",
        ),
        (
            {},
            {"client-certificate-data": "AAAA"},
            f"{USER}.client-key: is missing: both client-certificate and client-key, or neither",
        ),
        (
            {},
            {"client-key": "gone"},
            f"{USER}.client-key: {{dir}}/gone cannot be read (No such file or directory): a file in PEM",
        ),
        (
            {},
            {"client-certificate-data": "hunter2!"},
            f"{USER}.client-certificate-data: {NO_BASE64}",
        ),
        ({}, {"exec": "aws"}, f"{USER}.exec: is a text: a mapping"),
        ({"server": None}, None, f"{CLUSTER}.server: is missing: required"),
        ({"server": "http://x"}, None, f"{CLUSTER}.server: is http://x: {SERVER_ALLOWED}"),
        ({"server": "west:6443"}, None, f"{CLUSTER}.server: is west:6443: {SERVER_ALLOWED}"),
        (
            {"server": "https://u:hunter2@x"},
            None,
            f"{CLUSTER}.server: is an address with a user in it: {SERVER_ALLOWED}",
        ),
        ({"server": "https://x:99999"}, None, f"{CLUSTER}.server: is https://x:99999: {SERVER_ALLOWED}"),
        (
            {"certificate-authority": "gone"},
            None,
            "{dir}/gone: cannot be read (No such file or directory): a file of certificates in PEM",
        ),
        (
            {"certificate-authority-data": "?"},
            None,
            f"{CLUSTER}.certificate-authority-data: {NO_BASE64}",
        ),
        (
            {"insecure-skip-tls-verify": "yes"},
            None,
            f"{CLUSTER}.insecure-skip-tls-verify: is a text: true or false",
        ),
        (
            {"proxy-url": "ftp://u:hunter2@x"},
            None,
            f"{CLUSTER}.proxy-url: is not an address of a proxy: {PROXY_ALLOWED}",
        ),
    ],
)
def test_what_is_wrong_with_an_entry(desk, tmp_path, cluster, user, said):
    path = kubeconfig(tmp_path, cluster, user)
    told = refused(desk, path)
    assert told == said.format(path=path, dir=tmp_path)
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"current-context": None}, "{path}: current-context: is missing: one of west; or a context"),
        ({"current-context": 7}, "{path}: current-context: is a number: the name of a context"),
        ({"current-context": "east"}, "{path}: contexts: has no east: one of west"),
        ({"contexts": None}, "{path}: contexts: has no west: one of none, there are none"),
        ({"contexts": "x"}, "{path}: contexts: is a text: a list of named entries"),
        ({"contexts": [{"name": "west"}]}, "{path}: contexts[west].context: is missing: a mapping"),
        (
            {"contexts": [{"name": "west", "context": {"user": "driver"}}]},
            "{path}: contexts[west].context.cluster: is missing: required",
        ),
        ({"clusters": []}, "{path}: clusters: has no west: one of none, there are none"),
        ({"users": [{"name": "x", "user": {}}]}, "{path}: users: has no driver: one of x"),
        ({"kind": "Pod"}, "{path}: is no kubeconfig: a kubeconfig: apiVersion v1, kind Config"),
        ({"apiVersion": "v2"}, "{path}: apiVersion: is v2: v1"),
    ],
)
def test_what_is_wrong_with_a_file(desk, tmp_path, more, said):
    path = kubeconfig(tmp_path, **more)
    assert refused(desk, path) == said.format(path=path)


LAUGHS = b"a0: &a0 [hunter2, hunter2]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)  # a billion of them


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read (No such file or directory)"),
        (b"", "is empty"),
        (b"a: [\nb: hunter2", ":3: not YAML: "),
        (b"\xff\xfe\x00", "is not UTF-8"),
        (b"[1]", "is no kubeconfig"),
        (b"[" * 5000, ":1: nested too deep: at most 32 levels"),
        (b"a: hunter2\na: hunter2\n", ":2: a duplicate key: each key once; line 1 has it already"),
        (b"a: !!python/object/apply:os.system [hunter2]\n", ":1: a tag: values without tags"),
        (LAUGHS, ": too many values: at most 100000, aliases unfolded"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_what_is_no_kubeconfig_at_all(desk, tmp_path, content, said):
    path = tmp_path / "config"
    if content is not None:
        path.write_bytes(content)
    told = refused(desk, path)
    assert told.startswith(str(path))
    assert said in told
    assert "hunter2" not in told


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(
    desk, server, site, authority, tmp_path
):
    from cryptography.hazmat.primitives import serialization

    made = authority.issue_cert("driver.example")
    key = serialization.load_pem_private_key(made.private_key_pem.bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"hunter2"),
    )
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    user = {
        "client-certificate-data": encoded(made.cert_chain_pems[0].bytes()),
        "client-key-data": encoded(locked),
    }
    with pytest.raises(errors.TlsFailed) as raised:
        release_of(desk, kubeconfig(tmp_path, place, user))
    assert "passphrase" in raised.value.remedy


def test_reading_a_kubeconfig_opens_nothing_and_its_value_shows_no_secret(desk, server, site, tmp_path):
    place = {"server": server.url, "certificate-authority": str(site.ca_file)}
    access = by_kubeconfig(BARE, kubeconfig(tmp_path, place), None, desk.local)
    assert server.connections == 0
    assert "sesame" not in repr(access)
    assert "sesame" not in repr(access.sign_in)
    assert json.dumps(str(access.connection))
