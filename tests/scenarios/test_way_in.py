"""What is wrong with the way to an array, as a person sees it: the exit code, the cure, and that nothing was told."""

from __future__ import annotations

import ssl
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from sites import identified
from wire import JSON, Handler, Seen, Server, raw, reply
from worlds import LEDGER, Ran, World, a_world

PLACE = "backends.west"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("way"), replications=1, vendors=("powerstore",)) as made:
        yield made


@pytest.fixture
def world(shared: World) -> Iterator[World]:
    kept = shared.config.read_text()
    yield shared
    shared.config.write_text(kept)


class Impostor:
    """Another server where west should be; its certificates are of an authority that the configuration trusts."""

    def __init__(self, world: World, directory: Path) -> None:
        self.world = world
        self.state_dir = directory / "state"
        self.authority = trustme.CA()
        self.made: list[Server] = []
        self.ca_file = directory / "trusted.pem"
        self.authority.cert_pem.write_to_path(str(self.ca_file))

    def run(self, *argv: str) -> Ran:
        """One command that remembers nothing of those before this test."""
        return self.world.run(*argv, state_dir=self.state_dir)

    def stands(self, context: ssl.SSLContext, handler: Handler, tls: str = "") -> Server:
        server = Server(context, handler)
        self.made.append(server)
        text, url = self.world.config.read_text(), self.world.simulator.ready["arrays"]["west"]
        block = f"url: {server.url}\n"
        assert f"url: {url}\n" in text
        text = text.replace(f"url: {url}\n", block, 1)
        before, _, after = text.partition(block)
        after = after.replace("{ca_file: ca.pem}", f"{{ca_file: {self.ca_file}{tls}}}", 1)
        self.world.config.write_text(before + block + after)
        return server


@pytest.fixture
def impostor(world: World, tmp_path: Path) -> Iterator[Impostor]:
    made = Impostor(world, tmp_path)
    yield made
    for server in made.made:
        server.close()


def nobody(seen: Seen) -> bytes:
    return reply(401)


def of_tomorrow(authority: trustme.CA) -> ssl.SSLContext:
    day = datetime(2099, 1, 2, tzinfo=UTC)
    return identified(authority.issue_cert("localhost", not_before=day, not_after=day.replace(day=3)))


def of_yesterday(authority: trustme.CA) -> ssl.SSLContext:
    day = datetime(2020, 1, 2, tzinfo=UTC)
    return identified(authority.issue_cert("localhost", not_before=day.replace(day=1), not_after=day))


def of_another_age(authority: trustme.CA) -> ssl.SSLContext:
    context = identified(authority.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


WRONG = {
    "another name": (lambda trusted: identified(trusted.issue_cert("east.example")), f"{PLACE}.url"),
    "another authority": (lambda _: identified(trustme.CA().issue_cert("localhost")), f"{PLACE}.tls.ca_file"),
    "expired": (of_yesterday, "renew the certificate"),
    "not yet valid": (of_tomorrow, "the clock of this machine"),
    "an older TLS": (of_another_age, "TLS 1.2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_nothing_is_told_to_who_cannot_prove_who_he_is(impostor: Impostor, name: str) -> None:
    make, cure = WRONG[name]
    server = impostor.stands(make(impostor.authority), nobody)
    acted = impostor.run("promote", LEDGER, "-y", "-o", "json")
    assert (acted.code, acted.operation["error"]["code"]) == (11, "tls-failed")
    assert cure in acted.operation["error"]["remedy"]
    looked = impostor.run("status", LEDGER)
    assert looked.code == 3  # the other side answers
    assert server.requests == []
    assert impostor.world.changes() == []


@pytest.mark.parametrize("status", [302, 307])
def test_the_password_follows_nobody(impostor: Impostor, status: int) -> None:
    """Neither to another host nor to plain HTTP; what was sent to the first was sent there alone."""
    other = Server(identified(impostor.authority.issue_cert("localhost")), nobody)
    impostor.made.append(other)
    answer = raw(status, b"{}", {**JSON, "Location": f"http://localhost:{other.port}/api/rest/login_session"})
    impostor.stands(identified(impostor.authority.issue_cert("localhost")), lambda seen: answer)
    acted = impostor.run("promote", LEDGER, "-y", "-o", "json")
    assert acted.code in (4, 11)
    assert "redirect" in acted.operation["error"]["message"]
    assert other.connections == 0


def test_where_nothing_is_verified_every_command_says_so(impostor: Impostor) -> None:
    impostor.stands(identified(trustme.CA().issue_cert("elsewhere.example")), nobody, tls=", verify: false")
    for command in ("status", "discover", "backends", f"explain {LEDGER}", f"plan {LEDGER}"):
        said = impostor.run(*command.split()).err
        assert "certificates are not verified: anybody in between can take the password" in said, command
        assert "TLS is not verified (tls.verify: false)" in said, command
    assert "certificates are not verified" in impostor.run("config", "validate").err
    assert "certificates are not verified" in impostor.run("doctor").out


def test_plain_http_is_no_address(world: World) -> None:
    text = world.config.read_text()
    for scheme in ("http", "HTTP", "ftp"):
        world.config.write_text(text.replace("url: https://", f"url: {scheme}://", 1))
        ran = world.run("promote", LEDGER, "-y", "-o", "json")
        assert ran.code == 2
        assert "https://" in ran.json["error"]["message"]
