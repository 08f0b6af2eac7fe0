"""The way to a backend, step by step and without signing in: its name, a connection, its certificate (`doctor`).

Each step ends the walk when it fails, with the error that a request would meet there. Nothing is sent but the
handshake.
"""

from __future__ import annotations

import socket
import ssl
from contextlib import closing

import httpcore

from replctl.core.errors import NameUnresolved, NeverSent, ReplctlError, excerpt
from replctl.drivers.discovery import Contact
from replctl.drivers.network import resolve
from replctl.drivers.wire import Connection, context_for, tls_failure


def contact(connection: Connection, seconds: float) -> Contact:
    """Walk the way once; every step may take `seconds`."""
    try:
        addresses = _addresses(connection, seconds)
    except ReplctlError as error:
        return Contact(trouble=error)
    try:
        stream, address = _connected(connection, addresses, seconds)
    except ReplctlError as error:
        return Contact(addresses=addresses, trouble=error)
    with closing(stream):
        return _shake(connection, addresses, address, stream)


def _addresses(connection: Connection, seconds: float) -> tuple[str, ...]:
    host, place = connection.host, connection.places.address
    try:
        return tuple(resolve(host, connection.port, seconds))
    except httpcore.ConnectError as error:
        text = f"the name {host} cannot be resolved: {excerpt(str(error))}"
        raise NameUnresolved(text, remedy=f"check {place} and the resolver of this machine") from error


def _connected(
    connection: Connection, addresses: tuple[str, ...], seconds: float
) -> tuple[socket.socket, str]:
    """To the first address that answers, as requests do; raises NeverSent with the last one's no."""
    last: OSError | None = None
    for address in addresses:
        try:
            stream = socket.create_connection((address, connection.port), timeout=seconds / len(addresses))
        except OSError as error:
            last = error
        else:
            stream.settimeout(seconds)
            return stream, address
    late = isinstance(last, TimeoutError)
    why = "accepted no connection in time" if late else f"cannot be connected to: {_said(last)}"
    raise NeverSent(f"{connection.host} port {connection.port} {why}", remedy=_check(connection)) from last


def _check(connection: Connection) -> str:
    return f"check {connection.places.address} and the way to it"


def _said(error: OSError | None) -> str:
    return "it has no address" if error is None else excerpt(error.strerror or str(error))


def _shake(
    connection: Connection, addresses: tuple[str, ...], address: str, stream: socket.socket
) -> Contact:
    try:
        context = context_for(connection)
        with _wrapped(connection, context, stream) as secure:
            ends_at = _end(secure.getpeercert())
    except ReplctlError as error:
        return Contact(addresses=addresses, address=address, trouble=error)
    own = context.get_ca_certs() if connection.tls.ca_file is not None else []
    ends = [end for each in own if (end := _end(each)) is not None]
    return Contact(
        addresses=addresses,
        address=address,
        shook_hands=True,
        verified=connection.tls.verify,
        certificate_ends_at=ends_at,
        authority_ends_at=min(ends, default=None),
    )


def _wrapped(connection: Connection, context: ssl.SSLContext, stream: socket.socket) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(stream, server_hostname=connection.host)
    except ssl.SSLError as error:
        raise tls_failure(error, connection) from error
    except OSError as error:
        late = isinstance(error, TimeoutError)
        why = "did not finish the handshake in time" if late else f"ended the handshake: {_said(error)}"
        text = f"{connection.host} {why}"
        raise NeverSent(text, remedy=_check(connection)) from error


def _end(certificate: object) -> float | None:
    """When a certificate ends, from what the ssl module tells of it."""
    said = certificate.get("notAfter") if isinstance(certificate, dict) else None
    return float(ssl.cert_time_to_seconds(said)) if isinstance(said, str) else None
