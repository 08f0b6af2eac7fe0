"""The web config file: what it may say, and every mistake with its line, never with a hash."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from settings.conftest import CONFIG, Place
from settings.test_desired import LEDGER, document

from replctl.core.errors import InvalidConfiguration
from replctl.settings.webconfig import ClientAuth, TlsVersion, load_web_config, server_context

HASH = "$2b$04$" + "a" * 53
TLS = "tls_server_config:\n  cert_file: cert.pem\n  key_file: keys/key.pem\n"


def mistakes(tmp_path: Path, text: str) -> list[str]:
    (tmp_path / "web.yaml").write_text(text)
    with pytest.raises(InvalidConfiguration) as refusal:
        server_context(load_web_config(tmp_path / "web.yaml", "web.yaml"))
    assert "aaaa" not in str(refusal.value) + repr(refusal.value.findings)
    return [str(each) for each in refusal.value.findings]


def test_all_that_it_may_say(tmp_path: Path) -> None:
    more = "  client_auth_type: RequireAndVerifyClientCert\n  client_ca_file: /ca.pem\n  min_version: TLS13\n"
    (tmp_path / "web.yaml").write_text(f"{TLS}{more}basic_auth_users:\n  scraper: {HASH}\n")
    found = load_web_config(tmp_path / "web.yaml", "web.yaml")
    assert found.tls is not None
    assert found.paths == tuple(
        tmp_path / name for name in ("web.yaml", "cert.pem", "keys/key.pem", "/ca.pem")
    )
    assert (found.tls.client_auth, found.tls.min_version) == (ClientAuth.REQUIRED, TlsVersion.TLS13)
    assert found.users == {"scraper": HASH.encode()}
    assert HASH not in repr(found)


@pytest.mark.parametrize("text", ["", "# nothing\n", "{}\n", "basic_auth_users: {}\n"])
def test_nothing_is_plain_and_open(tmp_path: Path, text: str) -> None:
    (tmp_path / "web.yaml").write_text(text)
    found = load_web_config(tmp_path / "web.yaml", "web.yaml")
    assert (found.tls, dict(found.users), server_context(found)) == (None, {}, None)


def test_every_mistake_is_told_with_its_line(tmp_path: Path) -> None:
    text = """\
tls_server_config:
  cert_fil: cert.pem
  key_file: 7
  client_auth_type: RequestClientCert
  min_version: TLS10
basic_auth_users:
  scraper: hunter2
  "a:b": $2b$04$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  slow: $2b$31$aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
rate_limit: {}
"""
    found = mistakes(tmp_path, text)
    assert [each.partition(": ")[0] for each in found] == [
        f"web.yaml:{line}" for line in (2, 2, 3, 4, 5, 7, 8, 9, 10)
    ]
    assert found[0] == (
        'web.yaml:2: tls_server_config.cert_fil: unknown key: did you mean "cert_file"? allowed: cert_file, '
        "key_file, client_auth_type, client_ca_file, min_version"
    )
    assert found[4].startswith('web.yaml:5: tls_server_config.min_version: "TLS10": ')
    assert found[4].endswith("allowed: TLS12, TLS13")
    assert found[5].startswith(
        "web.yaml:7: basic_auth_users.scraper: not such a hash (not shown): a bcrypt hash"
    )
    assert "hunter2" not in "".join(found)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (
            "  client_auth_type: RequireAndVerifyClientCert\n",
            "web.yaml:4: tls_server_config.client_ca_file: missing",
        ),
        (
            "  client_ca_file: ca.pem\n",
            'web.yaml:4: tls_server_config.client_ca_file: "ca.pem": together with',
        ),
    ],
)
def test_clients_certificates_are_judged_by_an_authority_or_not_asked_for(
    tmp_path: Path, more: str, said: str
) -> None:
    (found,) = mistakes(tmp_path, TLS + more)
    assert found.startswith(said)


def test_files_that_are_no_use_are_told_by_their_own_line(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    one, other = (trustme.CA().issue_cert("localhost") for _ in range(2))
    (missing,) = mistakes(tmp_path, TLS)
    assert missing.startswith("web.yaml:2: tls_server_config.cert_file: ")
    assert "No such file" in missing
    one.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    (tmp_path / "keys" / "key.pem").write_text("not a key")
    (useless,) = mistakes(tmp_path, TLS)
    assert useless.startswith("web.yaml:3: tls_server_config.key_file: ")
    assert "no certificate with its key" in useless
    other.private_key_pem.write_to_path(tmp_path / "keys" / "key.pem")
    (foreign,) = mistakes(tmp_path, TLS)
    assert "it does not belong to the certificate" in foreign
    one.private_key_pem.write_to_path(tmp_path / "keys" / "key.pem")
    (tmp_path / "ca.pem").write_text("nothing")
    more = "  client_auth_type: VerifyClientCertIfGiven\n  client_ca_file: ca.pem\n"
    (authority,) = mistakes(tmp_path, TLS + more)
    assert authority.startswith("web.yaml:5: tls_server_config.client_ca_file: ")


def test_validation_judges_it_beside_the_others(place: Place) -> None:
    place.write("config.yaml", CONFIG + "daemon: {web_config_file: web.yaml}\n")
    place.write("replications.yaml", document(LEDGER))
    place.write("web.yaml", "tls: {}\n")
    found = place.validate()
    assert found.sentence == "config.yaml, replications.yaml and web.yaml: 1 mistake"
    assert [each.place for each in found.findings] == ["web.yaml:1: tls"]
    place.write("web.yaml", f"basic_auth_users: {{scraper: {HASH}}}\n")
    assert place.validate().sentence == "valid: 4 backends, 1 replication"
