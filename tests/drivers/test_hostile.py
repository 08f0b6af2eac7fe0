"""Servers that mean us harm, or are broken as if they did: bounded in memory and time, and nothing told to others."""

from __future__ import annotations

import gzip
import itertools
import json
import ssl
import time
import tracemalloc
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sites import Array, CookieSignIn, Site, always, identified
from wire import JSON, Peer, Seen, raw, reply

from replctl.core import errors
from replctl.core.retry import CHANGE, READ
from replctl.drivers import decoding
from replctl.drivers.answers import LARGEST_BODY_BYTES, parse
from replctl.drivers.http import Tls
from replctl.resilience import Look

MEBIBYTE = 1024 * 1024
KINDS = [READ, CHANGE]


# -- TLS -----------------------------------------------------------------------------------------------------


def refused(site: Site, context: ssl.SSLContext, kind: str) -> Any:
    """The error of a handshake: exit 11, and not a byte of a request was sent."""
    server = site.server(always(reply(200, {})), context)
    error = site.caller(server, CookieSignIn()).fails(kind, errors.TlsFailed, during="login")
    assert error.exit_code == 11
    assert not error.maybe_happened
    assert server.requests == []
    return error


def self_signed(directory: Path) -> ssl.SSLContext:
    """A certificate that no authority stands behind."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    borrowed = trustme.CA().issue_cert("localhost")  # for its dates alone
    dates = x509.load_pem_x509_certificate(borrowed.cert_chain_pems[0].bytes())
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(dates.not_valid_before_utc)
        .not_valid_after(dates.not_valid_after_utc)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, nothing = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path = directory / "own.pem"
    path.write_bytes(key.private_bytes(pem, form, nothing) + made.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_signed_itself_is_not_trusted(site: Site, tmp_path: Path) -> None:
    error = refused(site, self_signed(tmp_path), READ)
    assert "self-signed" in error.message.replace("self signed", "self-signed")
    assert error.remedy.endswith("name that certificate itself in backends.west.tls.ca_file")


def old(authority: trustme.CA, version: ssl.TLSVersion) -> ssl.SSLContext:
    context = identified(authority.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    context.set_ciphers("ALL:@SECLEVEL=0")
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.parametrize("kind", KINDS)
def test_an_older_tls_is_not_spoken(
    site: Site, authority: trustme.CA, version: ssl.TLSVersion, kind: str
) -> None:
    error = refused(site, old(authority, version), kind)
    assert "does not speak TLS as we do" in error.message
    assert error.remedy.startswith("have TLS 1.2 or newer turned on there")


@pytest.mark.parametrize("verify", [True, False])
def test_nor_where_the_system_would_or_nothing_is_verified(
    site: Site, authority: trustme.CA, verify: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A system's OpenSSL may be set to speak anything; `verify: false` is about certificates alone."""

    def lax(**given: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context.minimum_version = ssl.TLSVersion.TLSv1
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.load_verify_locations(**given)
        return context

    monkeypatch.setattr(ssl, "create_default_context", lax)
    server = site.server(always(reply(200, {})), old(authority, ssl.TLSVersion.TLSv1_1))
    caller = site.caller(server, tls=Tls(ca_file=site.ca_file, verify=verify))
    assert "TLS 1.2" in caller.fails(READ, errors.TlsFailed).remedy
    assert server.requests == []


def test_a_cipher_that_hides_nothing_is_not_taken(site: Site, authority: trustme.CA) -> None:
    context = identified(authority.issue_cert("localhost"))
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("eNULL:@SECLEVEL=0")
    assert "cipher" in refused(site, context, READ).remedy


# -- elsewhere -----------------------------------------------------------------------------------------------


class Elsewhere(Array):
    """An array that sends everybody somewhere else, at the login or after it."""

    def __init__(self, status: int, place: str, *, at_login: bool) -> None:
        super().__init__()
        self.answer = raw(status, b"{}", {**JSON, "Location": place})
        self.at_login = at_login

    def __call__(self, seen: Seen) -> Any:
        if (seen.path == "/login") == self.at_login:
            return self.answer
        return super().__call__(seen)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("at_login", [True, False])
@pytest.mark.parametrize("scheme", ["https", "http"])
def test_nobody_is_followed_anywhere(site: Site, status: int, at_login: bool, scheme: str) -> None:
    """Neither the password nor the session leaves for a place that no configuration names."""
    other = site.server(always(reply(200, [{}], set_cookie="auth=x", x_token="y")))
    place = f"{scheme}://localhost:{other.port}/login"
    caller = site.caller(site.server(Elsewhere(status, place, at_login=at_login)), CookieSignIn())
    for kind in KINDS:
        with pytest.raises(errors.ReplctlError) as raised:
            caller.send(kind)
        assert raised.value.exit_code in (4, 11)
        assert "elsewhere" not in raised.value.message
    assert other.connections == 0


# -- floods --------------------------------------------------------------------------------------------------


@contextmanager
def within(mebibytes: int) -> Iterator[None]:
    """No more memory than that is taken meanwhile."""
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < mebibytes * MEBIBYTE
    finally:
        tracemalloc.stop()


def packed(size: int, *, times: int = 1) -> bytes:
    """So many zeros, packed as often."""
    content = b"\0" * size
    for _ in range(times):
        content = gzip.compress(content, 9)
    return content


BOMBS = [
    pytest.param("gzip", packed(8 * LARGEST_BODY_BYTES), id="a bomb"),
    pytest.param("gzip, gzip", packed(8 * LARGEST_BODY_BYTES, times=2), id="a bomb in a bomb"),
    pytest.param("deflate", zlib.compress(b"\0" * 8 * LARGEST_BODY_BYTES), id="another one"),
    pytest.param("br", b"\x0b\x02\x80{}\x03", id="not asked for"),
    pytest.param("gzip", packed(100)[:-9], id="cut"),
    pytest.param("gzip", gzip.compress(b"{}") + b"and more", id="more"),
]


@pytest.mark.parametrize(("coding", "content"), BOMBS)
def test_what_is_packed_is_never_unpacked_whole(site: Site, coding: str, content: bytes) -> None:
    _, caller = site.pair(always(raw(200, content, {**JSON, "Content-Encoding": coding})))
    with within(3 * LARGEST_BODY_BYTES // MEBIBYTE):
        error = caller.fails(READ, errors.UnreadableAnswer)
    assert error.exit_code == 11
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("coding", "content"),
    [
        ("gzip", gzip.compress(b'{"a": 1}', mtime=0)),
        ("X-GZIP", gzip.compress(b'{"a": 1}', mtime=0)),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')[2:-4]),
        ("identity", b'{"a": 1}'),
        ("", b'{"a": 1}'),
    ],
)
def test_what_was_asked_for_is_unpacked(site: Site, coding: str, content: bytes) -> None:
    _, caller = site.pair(always(raw(200, content, {**JSON, "Content-Encoding": coding})))
    assert caller.read().body == {"a": 1}


def test_pieces_are_small_and_whole() -> None:
    content = bytes(range(256)) * 4096
    response = httpx.Response(
        200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(gzip.compress(content))
    )
    found = list(decoding.pieces(response))
    assert b"".join(found) == content
    assert max(map(len, found)) <= decoding.PIECE_BYTES


FLOODS = {
    "headers": (b"HTTP/1.1 200 OK\r\n", lambda n: f"X-{n}: {'x' * 1000}\r\n".encode()),
    "one header": (b"HTTP/1.1 200 OK\r\nX: ", lambda n: b"x" * 1000),
    "a status": (b"HTTP/1.1 200 ", lambda n: b"x" * 1000),
    "a chunk's size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", lambda n: b"0" * 1000),
    "trailers": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n",
        lambda n: f"X-{n}: {'x' * 1000}\r\n".encode(),
    ),
}


@pytest.mark.parametrize("name", FLOODS)
def test_a_head_without_end_is_left(site: Site, name: str) -> None:
    begin, more = FLOODS[name]
    sent = itertools.count()

    def flood(peer: Peer) -> None:
        peer.send(begin)
        with suppress(OSError):
            while True:
                peer.send(more(next(sent)))

    _, caller = site.pair(always(flood))
    with within(16):
        caller.fails(READ, errors.UnreadableAnswer)
    assert next(sent) < 20_000  # a few hundred, and what sockets hold


def test_patience_is_not_renewed_by_every_word(site: Site) -> None:  # R31
    """An answer that is always just about to come: the deadline counts from the beginning."""

    def wait(peer: Peer) -> None:
        with suppress(OSError):
            while not peer.ending.is_set:
                peer.send(b"HTTP/1.1 102 Processing\r\n\r\n" * 50)

    _, caller = site.pair(always(wait))
    began = time.monotonic()
    with within(16):
        caller.fails(READ, errors.TimedOut, caller.look(0.3))
    assert time.monotonic() - began < 10


# -- words ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 9\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\0c\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n{}",
        b"HTTP/1.1 99 No\r\n\r\n{}",
        b"\0" * 1000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_is_no_answer(site: Site, answer: bytes) -> None:
    def act(peer: Peer) -> None:
        peer.send(answer)
        peer.stream.close()

    _, caller = site.pair(always(act))
    assert caller.fails(READ, errors.UnreadableAnswer).exit_code == 11
    assert caller.fails(CHANGE, errors.OutcomeUnknown).exit_code == 9


def test_what_follows_an_answer_is_not_the_next_one(site: Site) -> None:
    """Bytes that nobody asked for must not be taken for the answer to what is asked next."""
    smuggled = reply(200, {"of": "nobody"})
    _, caller = site.pair(lambda seen: reply(200, {"of": seen.path}) + smuggled)
    for path in ("/a", "/b", "/c"):
        assert caller.read(path).body == {"of": path}


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b'"\\\\ud800"', "\\ud800"),
    ],
)
def test_json_that_is_odd_and_means_one_thing(content: bytes, value: Any) -> None:
    assert parse(content) == (value, False)


@pytest.mark.parametrize(
    "content",
    [
        b'{"name": "\\ud800"}',
        b'{"\\uDFFF": 1}',
        b'["\\ude00\\ud83d"]',
        b"[" * 100_000,
        b'{"a":' * 5000,
        b"NaN",
        b"-Infinity",
        b"1e999",
        b"[-1e400]",
        b"9" * 10_000,
        b"\xff\xfe",
        b"{'a': 1}",
        b"{} {}",
    ],
)
def test_json_that_means_nothing(content: bytes) -> None:
    assert parse(content) == (None, True)


def test_no_word_of_an_answer_tells_a_secret(site: Site) -> None:
    """A server that says again what it was told, wherever an answer has room for it."""
    array, _server, caller = site.array()
    caller.read()
    for said in ("hunter2-secret", "session-1", "token-of-session-1"):
        caller.secrets.add(said)
        for answer in (
            reply(422, {"messages": [{"code": said, "message_l10n": said}]}),
            raw(500, b"<html>", {"Content-Type": f"text/{said}"}),
            raw(500, json.dumps({"messages": said}).encode(), JSON),
        ):
            array.routes["/things"] = always(answer)
            for kind in KINDS:
                with pytest.raises(errors.ReplctlError) as raised:
                    caller.send(kind)
                assert said not in f"{raised.value} {raised.value!r} {raised.value.remedy}"


def test_a_stream_is_bounded_as_an_answer_is(site: Site) -> None:
    """What goes on, and is packed, unfolds to no more than a line may have."""
    content = packed(2 * LARGEST_BODY_BYTES)
    _, caller = site.pair(always(raw(200, content, {**JSON, "Content-Encoding": "gzip"})))
    look: Look = caller.look()
    stream = caller.client.stream("/things", operation="thing watch", look=look, idle_seconds=20.0)
    with within(3 * LARGEST_BODY_BYTES // MEBIBYTE), pytest.raises(errors.UnreadableAnswer):
        list(stream.lines(look))
    stream.close()
