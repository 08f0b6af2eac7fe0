"""Ways through a proxy, over real sockets: tunnels that are made, tunnels that are not, and who needs none."""

from __future__ import annotations

import base64
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
import trustme
from sites import Site, always, free_port, identified
from wire import Seen, reply

from replctl.core import errors
from replctl.core.retry import CHANGE, READ
from replctl.core.secrets import Secret
from replctl.drivers.handshake import contact
from replctl.drivers.http import Connection, Tls
from replctl.drivers.proxies import Proxy, from_environment

SECONDS = 20.0
HTTP_OK = b"HTTP/1.1 200 Connection established\r\nVia: 1.1 proxy\r\n\r\n"


class Middle:
    """A proxy that speaks by a script and then, if that gave a place, passes bytes on to a port of ours."""

    def __init__(
        self, script: Callable[[socket.socket], int | None], context: ssl.SSLContext | None = None
    ) -> None:
        self.script = script
        self.context = context
        self.heard: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            stream.settimeout(SECONDS)
            self._start(self._serve, stream)

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        self._threads.append(threading.Thread(target=target, args=arguments))
        self._threads[-1].start()

    def _serve(self, stream: socket.socket) -> None:
        with suppress(OSError):
            if self.context is not None:
                stream = self.context.wrap_socket(stream, server_side=True)
            self._open.append(stream)
            port = self.script(stream)
            if port is not None:
                onward = socket.create_connection(("127.0.0.1", port), timeout=SECONDS)
                self._open.append(onward)
                self._start(_pour, onward, stream)
                _pour(stream, onward)
                return
        stream.close()

    def close(self) -> None:
        for stream in self._open:
            with suppress(OSError):
                stream.shutdown(socket.SHUT_RDWR)
            stream.close()
        for thread in self._threads:
            thread.join(SECONDS)
            assert not thread.is_alive()


def _pour(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


def head(stream: socket.socket) -> bytes:
    heard = b""
    while not heard.endswith(b"\r\n\r\n"):
        heard += stream.recv(1)
    return heard


@pytest.fixture
def middle() -> Iterator[Callable[..., Middle]]:
    made: list[Middle] = []

    def make(script: Callable[[socket.socket], int | None], context: ssl.SSLContext | None = None) -> Middle:
        made.append(Middle(script, context))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture
def backend(site: Site) -> Any:
    return site.server(lambda seen: reply(200, {"path": seen.path}))


def speaking_http(
    heard: list[bytes], port: int, answer: bytes = HTTP_OK
) -> Callable[[socket.socket], int | None]:
    def script(stream: socket.socket) -> int | None:
        heard.append(head(stream))
        stream.sendall(answer)
        return port if answer is HTTP_OK else None

    return script


def speaking_socks(
    heard: list[bytes], port: int, *, method: int = 0, taken: int = 0, refusal: int = 0
) -> Callable[[socket.socket], int | None]:
    def script(stream: socket.socket) -> int | None:
        heard.append(stream.recv(16))
        stream.sendall(bytes([5, method]))
        if method == 2:
            heard.append(stream.recv(600))
            stream.sendall(bytes([1, taken]))
            if taken:
                return None
        elif method:
            return None
        heard.append(stream.recv(600))
        stream.sendall(bytes([5, refusal, 0, 3, 4]) + b"host" + b"\x00\x50")
        return None if refusal else port

    return script


def hung_up(stream: socket.socket) -> None:
    """The connection ends where an answer should be."""
    stream.recv(16)


def through(middle: Middle, scheme: str = "http", **how: Any) -> Proxy:
    return Proxy(scheme=scheme, host="localhost", port=middle.port, **how)


def test_a_tunnel_over_http(site: Site, middle: Any, backend: Any) -> None:
    heard: list[bytes] = []
    proxy = through(middle(speaking_http(heard, backend.port)))
    caller = site.caller(backend, proxy=proxy)
    assert caller.read().body == {"path": "/things"}
    assert caller.change().status == 200
    place = f"localhost:{backend.port}".encode()
    assert heard == [b"CONNECT %s HTTP/1.1\r\nHost: %s\r\n\r\n" % (place, place)] * 2
    assert contact(caller.client.connection, SECONDS).shook_hands


def test_a_proxy_is_shown_who_we_are_if_its_address_says_so(site: Site, middle: Any, backend: Any) -> None:
    heard: list[bytes] = []
    parsed = Proxy.parse("http://ada:p%40ss@localhost:1")
    assert parsed.password == Secret("p@ss")
    assert "p@ss" not in repr(parsed)
    proxy = through(middle(speaking_http(heard, backend.port)), username="ada", password=parsed.password)
    site.caller(backend, proxy=proxy).read()
    assert b"Proxy-Authorization: Basic " + base64.b64encode(b"ada:p@ss") in heard[0]


def test_a_proxy_over_tls(
    site: Site, middle: Any, backend: Any, localhost: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TLS to the backend inside of TLS to the proxy, whose certificate the system's authorities must have signed."""
    heard: list[bytes] = []
    proxy = through(middle(speaking_http(heard, backend.port), localhost), "https")
    with_strangers = site.caller(backend, proxy=proxy)
    error = with_strangers.fails(CHANGE, errors.NeverSent)
    assert "the proxy localhost port" in error.message
    monkeypatch.setenv("SSL_CERT_FILE", str(site.ca_file))
    assert site.caller(backend, proxy=proxy).read().body == {"path": "/things"}
    assert len(heard) == 1


def test_the_name_to_verify_counts_behind_a_proxy_too(site: Site, middle: Any, authority: trustme.CA) -> None:
    hidden = site.server(always(reply(200, {})), identified(authority.issue_cert("api.west.example")))
    proxy = through(middle(speaking_http([], hidden.port)))
    site.caller(hidden, proxy=proxy).fails(READ, errors.TlsFailed)
    named = site.caller(hidden, proxy=proxy, tls=Tls(ca_file=site.ca_file, server_name="api.west.example"))
    assert named.read().body == {}
    assert contact(named.client.connection, SECONDS).shook_hands
    assert not contact(site.caller(hidden, proxy=proxy).client.connection, SECONDS).shook_hands


@pytest.mark.parametrize(("method", "names"), [(0, b"\x05\x01\x00"), (2, b"\x05\x02\x00\x02")])
def test_a_tunnel_over_socks(site: Site, middle: Any, backend: Any, method: int, names: bytes) -> None:
    heard: list[bytes] = []
    known = {"username": "ada", "password": Secret("p@ss")} if method else {}
    proxy = through(middle(speaking_socks(heard, backend.port, method=method)), "socks5", **known)
    assert site.caller(backend, proxy=proxy).read().body == {"path": "/things"}
    assert heard[0] == names
    assert heard[-1] == b"\x05\x01\x00\x03\x09localhost" + backend.port.to_bytes(2)
    if method:
        assert heard[1] == b"\x01\x03ada\x04p@ss"


def test_socks_by_address(site: Site, middle: Any, backend: Any) -> None:
    heard: list[bytes] = []
    proxy = through(middle(speaking_socks(heard, backend.port)), "socks5")
    site.caller(f"https://127.0.0.1:{backend.port}", proxy=proxy).read()
    assert heard[-1] == b"\x05\x01\x00\x01\x7f\x00\x00\x01" + backend.port.to_bytes(2)


@pytest.mark.parametrize(
    ("scheme", "script", "said"),
    [
        ("http", lambda port: speaking_http([], port, b"HTTP/1.1 403 Forbidden\r\n\r\n"), "answered 403 Forbidden"),
        ("http", lambda port: speaking_http([], port, b"HTTP/1.0 407 Who\r\nA: b\r\n\r\n"), "answered 407 Who"),
        ("http", lambda port: speaking_http([], port, b"SSH-2.0-x\r\n\r\n"), "did not answer as an HTTP proxy does"),
        ("http", lambda port: speaking_http([], port, b"HTTP/1.1 2"), "did not answer as an HTTP proxy does"),
        ("http", lambda port: speaking_http([], port, b"HTTP/1.1 200 " + b"x" * 20_000), "did not answer as an HTTP"),
        ("socks5", lambda port: speaking_socks([], port, refusal=5), "the connection was refused"),
        ("socks5", lambda port: speaking_socks([], port, refusal=99), "code 99"),
        ("socks5", lambda port: speaking_socks([], port, method=255), "sign in in a way that we have nothing for"),
        ("socks5", lambda port: lambda stream: hung_up(stream), "ended the connection"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("kind", [READ, CHANGE])
def test_what_a_proxy_refuses_has_never_been_sent(
    site: Site, middle: Any, backend: Any, scheme: str, script: Any, said: str, kind: str
) -> None:  # R27
    proxy = through(middle(script(backend.port)), scheme)
    caller = site.caller(backend, proxy=proxy)
    error = caller.fails(kind, errors.NeverSent)
    assert f"the proxy localhost port {proxy.port} " in error.message
    assert said in error.message
    assert backend.requests == []
    trouble = contact(caller.client.connection, SECONDS).trouble
    assert trouble is not None
    assert said in trouble.message


def test_a_wrong_password_for_socks(site: Site, middle: Any, backend: Any) -> None:
    script = speaking_socks([], backend.port, method=2, taken=1)
    proxy = through(middle(script), "socks5", username="ada", password=Secret("p@ss"))
    error = site.caller(backend, proxy=proxy).fails(CHANGE, errors.NeverSent)
    assert "does not take the user and password" in error.message
    assert "p@ss" not in str(error)


def test_a_proxy_that_says_nothing_ends_with_the_deadline(site: Site, middle: Any, backend: Any) -> None:
    proxy = through(middle(lambda stream: stream.recv(1) and stream.recv(65536) and stream.recv(1) and None))
    caller = site.caller(backend, proxy=proxy)
    caller.fails(CHANGE, errors.NeverSent, caller.look(0.5))
    assert backend.requests == []


def test_a_dead_proxy_is_named(site: Site, backend: Any) -> None:
    proxy = Proxy(scheme="http", host="localhost", port=free_port())
    caller = site.caller(backend, proxy=proxy)
    error = caller.fails(CHANGE, errors.NeverSent)
    assert f"the proxy localhost port {proxy.port} cannot be connected to" in error.message
    assert "check the proxy" in error.remedy
    assert contact(caller.client.connection, SECONDS).addresses


@pytest.mark.parametrize(
    ("url", "scheme", "host", "port"),
    [
        ("http://proxy.example", "http", "proxy.example", 80),
        ("https://proxy.example:8443/", "https", "proxy.example", 8443),
        ("socks5://[fd00::1]", "socks5", "fd00::1", 1080),
    ],
)
def test_addresses_of_proxies(url: str, scheme: str, host: str, port: int) -> None:
    proxy = Proxy.parse(url)
    assert (proxy.scheme, proxy.host, proxy.port) == (scheme, host, port)


@pytest.mark.parametrize(
    "url", ["", "proxy:3128", "ftp://x", "http://", "http://x/path", "http://x:99999", "http://[x"]
)
def test_what_is_no_address_of_a_proxy(url: str) -> None:
    with pytest.raises(ValueError, match="http://HOST:PORT"):
        Proxy.parse(url)


PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("environ", "host", "expected"),
    [
        ({}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY}, "west.example", PROXY),
        ({"https_proxy": "proxy:3128"}, "west.example", PROXY),
        ({"HTTP_PROXY": PROXY}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY}, "localhost", ""),
        ({"HTTPS_PROXY": PROXY}, "127.0.0.1", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "a, west.example"}, "WEST.example", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "example"}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".example"}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "*.example"}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": ".west.example"}, "west.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "ample"}, "west.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "west.example:6443"}, "west.example", ""),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "west.example:443"}, "west.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, "10.1.2.3", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, "11.1.2.3", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8"}, "west.example", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "x/y"}, "10.1.2.3", PROXY),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "fd00::1"}, "fd00::1", ""),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "10.1.2.3:6443"}, "10.1.2.3", ""),
    ],
)
def test_the_environment_s_proxy(environ: dict[str, str], host: str, expected: str) -> None:
    assert from_environment(environ, host, 6443) == expected


def test_a_connection_without_a_proxy_ignores_the_environment(
    site: Site, backend: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", f"http://localhost:{free_port()}")
    assert site.caller(backend).read().body == {"path": "/things"}


def test_a_kubeconfig_s_proxy_is_used_and_a_backend_s_own_address_is_still_verified(
    site: Site, middle: Any, backend: Any
) -> None:
    seen: list[Seen] = backend.requests
    proxy = through(middle(speaking_http([], backend.port)))
    connection = Connection(backend="west", url=backend.url, proxy=proxy, tls=Tls(ca_file=site.ca_file))
    assert contact(connection, SECONDS).shook_hands
    assert seen == []
