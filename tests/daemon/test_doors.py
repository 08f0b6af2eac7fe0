"""Who is let in at the daemon's ports: real TLS, real passwords, over real sockets."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import bcrypt
import httpx
import pytest
import trustme

from replctl.core.errors import InvalidConfiguration
from replctl.daemon import doors
from replctl.daemon.doors import Keys, Verdict
from replctl.daemon.serving import MOST_CONNECTIONS, Page, Servers

SURELY_SECONDS = 20.0  # of real time
SECRET = "correct horse"
HASHED = bcrypt.hashpw(SECRET.encode(), bcrypt.gensalt(4)).decode()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


class Site:
    """A web config file with what it names, and a client that trusts the authority."""

    def __init__(self, directory: Path, authority: trustme.CA) -> None:
        self.directory = directory
        self.authority = authority
        self.path = directory / "web.yaml"
        self.path.touch()

    def certificate(self, name: str = "localhost") -> None:
        issued = self.authority.issue_cert(name, "127.0.0.1")
        issued.private_key_and_cert_chain_pem.write_to_path(self.directory / "both.pem")

    def write(self, *, tls: str = "") -> None:
        self.path.write_text(f"tls_server_config: {{cert_file: both.pem, key_file: both.pem{tls}}}\n")

    def users(self, **hashes: str) -> None:
        self.path.write_text(
            "basic_auth_users:\n" + "".join(f"  {name}: {it}\n" for name, it in hashes.items())
        )

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context()
        self.authority.configure_trust(made)
        return made

    @contextmanager
    def served(self, pages: Any = None) -> Iterator[tuple[str, doors.Doors]]:
        door = doors.doors(self.path, "web.yaml")
        here = pages or {"/healthz": lambda: Page(200, "application/json", "{}")}
        with Servers({"127.0.0.1:0": here}, door) as servers:
            yield servers.addresses[0], door


@pytest.fixture
def site(tmp_path: Path, authority: trustme.CA) -> Site:
    return Site(tmp_path, authority)


def get(address: str, site: Site | None = None, **more: Any) -> httpx.Response:
    if site is None:
        return httpx.get(f"http://{address}/healthz", trust_env=False, timeout=SURELY_SECONDS, **more)
    verify = more.pop("verify", None) or site.context()
    url = f"https://{address}/healthz"
    return httpx.get(url, verify=verify, trust_env=False, timeout=SURELY_SECONDS, **more)


def test_tls_with_the_certificate_that_is_named(site: Site) -> None:
    site.certificate()
    site.write()
    with site.served() as (address, _):
        assert get(address, site).json() == {}
        with pytest.raises(httpx.TransportError):
            get(address)
        old = site.context()
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_2
        assert get(address, site, verify=old).status_code == 200
        site.write(tls=", min_version: TLS13")
        with pytest.raises(httpx.ConnectError):
            get(address, site, verify=old)
        assert get(address, site).status_code == 200


def test_a_client_shows_a_certificate_where_one_is_required(site: Site) -> None:
    site.certificate()
    site.authority.cert_pem.write_to_path(site.directory / "ca.pem")
    site.write(tls=", client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.pem")
    known, stranger = site.context(), site.context()
    site.authority.issue_cert("scraper@example.org").configure_cert(known)
    trustme.CA().issue_cert("scraper@example.org").configure_cert(stranger)
    with site.served() as (address, _):
        assert get(address, site, verify=known).status_code == 200
        for refused in (site.context(), stranger):
            with pytest.raises(httpx.TransportError):
                get(address, site, verify=refused)
        site.write(tls=", client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem")
        assert get(address, site).status_code == 200
        with pytest.raises(httpx.TransportError):
            get(address, site, verify=stranger)


def test_a_client_that_says_nothing_holds_nobody_up(site: Site) -> None:
    site.certificate()
    site.write()
    with site.served() as (address, _):
        host, _, port = address.partition(":")
        with socket.create_connection((host, int(port))):  # its handshake never begins
            assert get(address, site).status_code == 200


def test_too_many_connections_are_sent_away_and_room_is_made_again(site: Site) -> None:
    with site.served() as (address, _):
        host, _, port = address.partition(":")
        silent = [socket.create_connection((host, int(port))) for _ in range(MOST_CONNECTIONS)]
        with pytest.raises(httpx.TransportError):
            get(address)
        for each in silent:
            each.close()
        for _ in range(1000):  # until their threads have seen it
            try:
                assert get(address).status_code == 200
                return
            except httpx.TransportError:
                continue
        pytest.fail("no room was made again")


def test_a_password_is_asked_for_and_never_logged(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="replctl")
    site.users(scraper=HASHED)
    with site.served() as (address, _):
        for wrong in (None, ("scraper", "battery staple"), ("nobody", SECRET), ("scraper", SECRET + "\0")):
            answer = get(address, auth=wrong)
            assert (answer.status_code, answer.headers["WWW-Authenticate"][:5]) == (401, "Basic")
            assert "battery staple" not in answer.text
        assert get(address, auth=("scraper", SECRET)).status_code == 200
        bearer = httpx.get(f"http://{address}/", headers={"Authorization": "Bearer x"}, trust_env=False)
        assert bearer.status_code == 401
    assert "was not let in" in caplog.text
    assert "battery staple" not in caplog.text
    assert SECRET not in caplog.text


def test_the_files_are_read_anew_and_broken_ones_change_nothing(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="replctl")
    site.users(scraper=HASHED)
    with site.served() as (address, door):
        with httpx.Client(base_url=f"http://{address}", trust_env=False) as kept:
            assert kept.get("/healthz", auth=("scraper", SECRET)).status_code == 200
            site.users(scraper=bcrypt.hashpw(b"another", bcrypt.gensalt(4)).decode())
            assert kept.get("/healthz", auth=("scraper", SECRET)).status_code == 401  # on the same connection
            assert kept.get("/healthz", auth=("scraper", "another")).status_code == 200
        site.path.write_text("basic_auth_users: [scraper]\n")
        assert get(address, auth=("scraper", "another")).status_code == 200
        assert get(address, auth=("scraper", "another")).status_code == 200
        assert door.is_good is False
        assert caplog.text.count("is no use, and what was in force stays: web.yaml:1: basic_auth_users") == 1
        site.write()  # its certificate is not there yet
        assert get(address, auth=("scraper", "another")).status_code == 200
        site.certificate()
        assert get(address, site).status_code == 200
        assert door.is_good is True


def test_a_certificate_that_was_renewed_is_shown_at_once(site: Site) -> None:
    site.certificate()
    site.write()
    with site.served() as (address, _):
        assert get(address, site).status_code == 200
        other = Site(site.directory, trustme.CA())
        other.certificate()
        assert get(address, other).status_code == 200
        with pytest.raises(httpx.ConnectError):
            get(address, site)


def test_no_use_at_first_is_a_mistake_of_the_configuration(site: Site) -> None:
    site.write()
    with pytest.raises(InvalidConfiguration, match=r"web\.yaml: 1 mistake"):
        doors.doors(site.path, "web.yaml")


def header(name: str, password: str) -> str:
    return httpx.BasicAuth(name, password)._auth_header


class Counted:
    """bcrypt, counted: what is proven costs nothing a second time, and what is wrong costs the same for all."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.hashes: list[bytes] = []
        self.at_once, self.most = 0, 0
        self._really = bcrypt.checkpw
        self._lock = threading.Lock()
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, hashed: bytes) -> bool:
        with self._lock:
            self.hashes.append(hashed)
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        try:
            return self._really(password, hashed)
        finally:
            with self._lock:
                self.at_once -= 1


def test_what_was_proven_is_not_proven_again(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    keys = Keys({"scraper": HASHED.encode()})
    for _ in range(100):
        assert keys.judge(header("scraper", SECRET)) is Verdict.WELCOME
    assert len(counted.hashes) == 1
    for _ in range(3):
        assert keys.judge(header("scraper", "wrong")) is Verdict.UNKNOWN
    assert len(counted.hashes) == 4
    assert keys.judge(header("scraper", SECRET)) is Verdict.WELCOME


def test_a_name_that_nobody_has_is_judged_as_dearly_as_any(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    keys = Keys({"scraper": HASHED.encode()})
    assert keys.judge(header("nobody", SECRET)) is Verdict.UNKNOWN
    assert keys.judge(header("scraper", "x" * 73)) is Verdict.UNKNOWN
    cost = HASHED[:7].encode()
    assert [hashed[:7] for hashed in counted.hashes] == [cost, cost]


def test_many_wrong_passwords_at_once_are_proven_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    keys = Keys({"scraper": HASHED.encode()})
    assert keys.judge(header("scraper", SECRET)) is Verdict.WELCOME
    threads = [
        threading.Thread(target=keys.judge, args=(header("scraper", f"wrong {number}"),))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counted.most == 1
    monkeypatch.setattr(doors, "PROOF_SECONDS", 0.0)
    with keys._turn:
        assert keys.judge(header("scraper", "wrong")) is Verdict.BUSY
        assert keys.judge(header("scraper", SECRET)) is Verdict.WELCOME  # costs nothing, so it need not wait


@pytest.mark.parametrize("given", [None, "", "Basic", "Basic !!", "Basic bm8=", "Basic /w==", "Digest x"])
def test_what_are_no_credentials_costs_nothing(given: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch)
    assert Keys({"scraper": HASHED.encode()}).judge(given) is Verdict.UNKNOWN
    assert counted.hashes == []
