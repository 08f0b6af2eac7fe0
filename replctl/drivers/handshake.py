"""The way to a backend, step by step and without signing in: its name, a connection, its certificate (`doctor`).

Each step ends the walk when it fails, with the error that a request would meet there. Nothing is sent but the
handshake.
"""

from __future__ import annotations

import hashlib
import ssl
from contextlib import closing

import httpcore

from replctl.core.errors import NameUnresolved, NeverSent, ReplctlError, TlsFailed, excerpt
from replctl.drivers.discovery import Contact
from replctl.drivers.network import resolve
from replctl.drivers.proxies import ProxyFailed
from replctl.drivers.wire import OLDEST_TLS, Connection, context_for, tls_failure

_CONNECTING = (httpcore.ConnectError, httpcore.ConnectTimeout)


def contact(connection: Connection, seconds: float) -> Contact:
    """Walk the way once; every step may take `seconds`. Behind a proxy, name and address are the proxy's."""
    proxy = connection.proxy
    host, port = (proxy.host, proxy.port) if proxy is not None else (connection.host, connection.port)
    try:
        addresses = _addresses(connection, host, port, seconds)
    except ReplctlError as error:
        return Contact(trouble=error)
    try:
        stream, address = _connected(connection, addresses, host, port, seconds)
    except ReplctlError as error:
        return Contact(addresses=addresses, trouble=error)
    with closing(stream):
        return _shake(connection, addresses, address, stream, seconds)


def _addresses(connection: Connection, host: str, port: int, seconds: float) -> tuple[str, ...]:
    try:
        return tuple(resolve(host, port, seconds))
    except httpcore.ConnectError as error:
        text = f"the name {host} cannot be resolved: {excerpt(str(error))}"
        place = connection.places.address
        raise NameUnresolved(text, remedy=f"check {place} and the resolver of this machine") from error


def _connected(
    connection: Connection, addresses: tuple[str, ...], host: str, port: int, seconds: float
) -> tuple[httpcore.NetworkStream, str]:
    """To the first address that answers, as requests do; raises NeverSent with the last one's no."""
    last: Exception | None = None
    for address in addresses:
        try:
            return httpcore.SyncBackend().connect_tcp(address, port, seconds / len(addresses)), address
        except _CONNECTING as error:
            last = error
    late = isinstance(last, httpcore.ConnectTimeout)
    why = "accepted no connection in time" if late else f"cannot be connected to: {_said(last)}"
    raise NeverSent(f"{host} port {port} {why}", remedy=_check(connection)) from last


def _check(connection: Connection) -> str:
    return f"check {connection.places.address} and the way to it"


def _said(error: Exception | None) -> str:
    if error is None:
        return "it has no address"
    cause = error.__cause__
    return excerpt((cause.strerror if isinstance(cause, OSError) else None) or str(error))


def _shake(
    connection: Connection,
    addresses: tuple[str, ...],
    address: str,
    stream: httpcore.NetworkStream,
    seconds: float,
) -> Contact:
    tls = connection.tls
    try:
        context = context_for(connection)
        with closing(_wrapped(connection, context, stream, seconds)) as secure:
            ends_at = _end(secure.get_extra_info("ssl_object").getpeercert())
    except ReplctlError as error:
        untrusted = isinstance(error, TlsFailed) and isinstance(error.__cause__, httpcore.ConnectError)
        shown = _fingerprint(connection, addresses, seconds) if untrusted else None
        return Contact(addresses=addresses, address=address, fingerprint=shown, trouble=error)
    own = context.get_ca_certs() if tls.ca_file is not None or tls.ca_pem is not None else []
    ends = [end for each in own if (end := _end(each)) is not None]
    return Contact(
        addresses=addresses,
        address=address,
        shook_hands=True,
        verified=tls.verify,
        certificate_ends_at=ends_at,
        authority_ends_at=min(ends, default=None),
    )


def _fingerprint(connection: Connection, addresses: tuple[str, ...], seconds: float) -> str | None:
    """Of the certificate that was not trusted, for a person to compare; nothing is sent over it but the handshake."""
    anybody = ssl.create_default_context()
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    anybody.minimum_version = OLDEST_TLS
    proxy = connection.proxy
    host, port = (proxy.host, proxy.port) if proxy is not None else (connection.host, connection.port)
    try:
        stream, _ = _connected(connection, addresses, host, port, seconds)
        with closing(stream), closing(_wrapped(connection, anybody, stream, seconds)) as secure:
            shown = secure.get_extra_info("ssl_object").getpeercert(True)
    except ReplctlError:
        return None
    return hashlib.sha256(shown).digest().hex(":").upper() if shown else None


def _wrapped(
    connection: Connection, context: ssl.SSLContext, stream: httpcore.NetworkStream, seconds: float
) -> httpcore.NetworkStream:
    """TLS to the backend, through the proxy if there is one."""
    try:
        if connection.proxy is not None:
            stream = connection.proxy.tunnel(stream, connection.host, connection.port, seconds)
        return stream.start_tls(context, connection.tls.server_name or connection.host, seconds)
    except _CONNECTING as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError):
            raise tls_failure(cause, connection) from error
        if isinstance(cause, ProxyFailed):
            raise NeverSent(str(cause.strerror), remedy=_check(connection)) from error
        late = isinstance(error, httpcore.ConnectTimeout)
        why = "did not finish the handshake in time" if late else f"ended the handshake: {_said(error)}"
        raise NeverSent(f"{connection.host} {why}", remedy=_check(connection)) from error


def _end(certificate: object) -> float | None:
    """When a certificate ends, from what the ssl module tells of it."""
    said = certificate.get("notAfter") if isinstance(certificate, dict) else None
    return float(ssl.cert_time_to_seconds(said)) if isinstance(said, str) else None
