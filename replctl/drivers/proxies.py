"""Through a proxy: a tunnel to the backend, made before a byte of ours is sent (CT §12.7).

Three kinds: HTTP CONNECT over plain TCP, the same over TLS, SOCKS5. What passes through is TLS to the backend itself,
so that a proxy sees where we go and nothing of what we say. The backend's name is resolved by the proxy. What goes
wrong in here is an error of connecting: nothing has reached the backend.
"""

from __future__ import annotations

import base64
import ipaddress
import re
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import unquote, urlsplit

import httpcore

from replctl.core.errors import excerpt
from replctl.core.secrets import Secret

DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
LONGEST_HEAD_BYTES = 16 * 1024  # of a proxy's answer
LONGEST_SOCKS_TEXT = 255  # bytes of a name or a password, which SOCKS5 counts in one
READ_BYTES = 4096
_END_OF_HEAD = b"\r\n\r\n"
_STATUS_LINE = re.compile(rb"HTTP/1\.[01] (\d{3})([^\r\n]*)")
_SOCKS_REFUSALS = {
    1: "it failed",
    2: "its rules do not allow it",
    3: "the network is unreachable",
    4: "the host is unreachable",
    5: "the connection was refused",
    6: "it took too long",
}


class ProxyFailed(OSError):
    """The proxy did not connect us; `strerror` says why, in words that name it."""

    def __init__(self, proxy: Proxy, why: str) -> None:
        super().__init__(0, f"the proxy {proxy.host} port {proxy.port} {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """Where it is, and what it is shown of us if it asks."""

    scheme: str
    host: str
    port: int
    username: str = ""
    password: Secret | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """`scheme://[user:password@]host[:port]`; raises ValueError, whose text says what is allowed."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        rest = parts.path not in ("", "/") or parts.query or parts.fragment
        if parts.scheme not in DEFAULT_PORTS or not host or rest:
            raise ValueError("http://HOST:PORT, https://HOST:PORT or socks5://HOST:PORT")
        password = Secret(unquote(parts.password)) if parts.password else None
        username = unquote(parts.username or "")
        return cls(
            scheme=parts.scheme,
            host=host,
            port=port or DEFAULT_PORTS[parts.scheme],
            username=username,
            password=password,
        )

    def tunnel(
        self, stream: httpcore.NetworkStream, host: str, port: int, seconds: float
    ) -> httpcore.NetworkStream:
        """A stream to the backend over one to the proxy; raises httpcore's errors of connecting."""
        with blamed(self, "did not connect us"):
            if self.scheme == "https":
                stream = stream.start_tls(ssl.create_default_context(), self.host, seconds)
            if self.scheme.startswith("socks5"):
                _socks(self, stream, host, port, seconds)
            else:
                _connect(self, stream, host, port, seconds)
        return stream


@contextmanager
def blamed(proxy: Proxy, what: str) -> Iterator[None]:
    """Errors of what is done within as httpcore's errors of connecting, caused by a ProxyFailed that says `what`."""
    try:
        try:
            yield
        except ProxyFailed:
            raise
        except (httpcore.TimeoutException, TimeoutError) as error:
            raise httpcore.ConnectTimeout(str(error)) from error
        except (httpcore.NetworkError, OSError) as error:
            raise ProxyFailed(proxy, f"{what}: {excerpt(str(error))}") from error
    except ProxyFailed as failed:
        # raised in here, so that it is the context too: httpcore's pool drops the cause of what passes through it
        raise httpcore.ConnectError(str(failed)) from failed


def _connect(proxy: Proxy, stream: httpcore.NetworkStream, host: str, port: int, seconds: float) -> None:
    """HTTP CONNECT. The client speaks first in TLS, so that nothing may follow the proxy's answer."""
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}"]
    if proxy.username or proxy.password:
        pair = f"{proxy.username}:{proxy.password.reveal() if proxy.password else ''}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    stream.write("\r\n".join([*lines, "", ""]).encode(), seconds)
    head = b""
    while not head.endswith(_END_OF_HEAD):
        piece = stream.read(1 if head else len("HTTP/1.1 200"), seconds)
        if not piece or len(head) > LONGEST_HEAD_BYTES:
            raise ProxyFailed(proxy, "did not answer as an HTTP proxy does")
        head += piece
    said = _STATUS_LINE.match(head)
    if said is None:
        raise ProxyFailed(proxy, "did not answer as an HTTP proxy does")
    if not said[1].startswith(b"2"):
        words = f"{said[1].decode()}{said[2].decode('latin-1')}"
        raise ProxyFailed(proxy, f"did not connect us: it answered {excerpt(words, 60)}")


def _socks(proxy: Proxy, stream: httpcore.NetworkStream, host: str, port: int, seconds: float) -> None:
    """SOCKS5, by name or address, with a password where the proxy asks for one."""
    known = proxy.username != ""
    stream.write(b"\x05\x02\x00\x02" if known else b"\x05\x01\x00", seconds)
    version, method = _exactly(proxy, stream, 2, seconds)
    if version != 5:
        raise ProxyFailed(proxy, "does not speak SOCKS5")
    if method == 2 and known:
        name, password = proxy.username.encode(), (proxy.password or Secret("")).reveal().encode()
        if max(len(name), len(password)) > LONGEST_SOCKS_TEXT:
            raise ProxyFailed(proxy, "takes no name or password as long as ours")
        stream.write(b"\x01" + bytes([len(name)]) + name + bytes([len(password)]) + password, seconds)
        if _exactly(proxy, stream, 2, seconds)[1] != 0:
            raise ProxyFailed(proxy, "does not take the user and password in its address")
    elif method != 0:
        raise ProxyFailed(proxy, "wants us to sign in in a way that we have nothing for")
    stream.write(b"\x05\x01\x00" + _socks_address(proxy, host) + port.to_bytes(2), seconds)
    _, refusal, _, kind = _exactly(proxy, stream, 4, seconds)
    if refusal:
        raise ProxyFailed(proxy, f"did not connect us: {_SOCKS_REFUSALS.get(refusal, f'code {refusal}')}")
    length = {1: 4, 4: 16}.get(kind) or _exactly(proxy, stream, 1, seconds)[0]
    _exactly(proxy, stream, length + 2, seconds)  # the address that it bound, of no use to us


def _socks_address(proxy: Proxy, host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        if len(name) > LONGEST_SOCKS_TEXT:
            raise ProxyFailed(proxy, "takes no name as long as the backend's") from None
        return b"\x03" + bytes([len(name)]) + name
    return (b"\x01" if address.version == 4 else b"\x04") + address.packed


def _exactly(proxy: Proxy, stream: httpcore.NetworkStream, count: int, seconds: float) -> bytes:
    got = b""
    while len(got) < count:
        piece = stream.read(count - len(got), seconds)
        if not piece:
            raise ProxyFailed(proxy, "ended the connection in the middle of its answer")
        got += piece
    return got


def from_environment(environ: Mapping[str, str], host: str, port: int) -> str:
    """The proxy that `HTTPS_PROXY` and `NO_PROXY` mean for a backend; empty for none. Loopback needs none."""
    url = environ.get("HTTPS_PROXY") or environ.get("https_proxy") or ""
    if not url or _is_exempt(environ.get("NO_PROXY") or environ.get("no_proxy") or "", host.lower(), port):
        return ""
    return url if "://" in url else f"http://{url}"


def _is_exempt(exempt: str, host: str, port: int) -> bool:
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    rules = (rule.strip().lower() for rule in exempt.split(","))
    return any(_matches(rule, host, port, address) for rule in rules if rule)


def _matches(
    rule: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    """One rule of `NO_PROXY`: `*`, a network, an address, or a name and all below it, each with a port if wanted."""
    if rule == "*":
        return True
    if "/" in rule:
        try:
            return address is not None and address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name, colon, wanted = rule.rpartition(":")
    if colon and wanted.isdigit() and _address(rule) is None:
        if int(wanted) != port:
            return False
        rule = name
    if address is not None:
        return _address(rule.strip("[]")) == address
    rule = rule.removeprefix("*")
    return host.endswith(rule) if rule.startswith(".") else host == rule or host.endswith(f".{rule}")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
