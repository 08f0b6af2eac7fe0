"""Sockets under a deadline: name, connection, handshake, writing and reading all end when the request must.

httpx bounds each single operation; a request made of many (a body that drips, a name with six addresses, a
resolver that hangs) can outlast any of its time-outs. Here every operation is also bounded by what is left until
the deadline of the request that it serves. What a request is and what its failure means is left to `drivers.http`.
"""

from __future__ import annotations

import ipaddress
import queue
import socket
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from replctl.clock import Cancel, Clock
from replctl.core.errors import Interrupted
from replctl.drivers.proxies import Proxy, blamed
from replctl.resilience import SLICE_SECONDS

KEEP_ALIVE_SECONDS = 55.0  # longer than a tick of the daemon, shorter than what servers usually grant
FRESH = "replctl.fresh"  # the request extension that asks for a connection of its own


class Network(httpcore.NetworkBackend):
    """TCP whose operations end with the deadline that their thread has set by `until`; through a proxy, if given."""

    def __init__(self, clock: Clock, proxy: Proxy | None = None) -> None:
        self._clock = clock
        self._proxy = proxy
        self._here = threading.local()
        self._sockets = httpcore.SyncBackend()

    @contextmanager
    def until(self, deadline: float, cancel: Cancel | None = None) -> Iterator[None]:
        """Bound everything that this thread does in here, by a time on the monotonic clock.

        `cancel` ends the wait for an answer too, for those who can do without one.
        """
        self._here.deadline, self._here.cancel, self._here.heard = deadline, cancel, False
        try:
            yield
        finally:
            del self._here.deadline, self._here.cancel, self._here.heard

    @property
    def heard(self) -> bool:
        """Whether anything came in since this thread last sent something."""
        heard: bool = self._here.heard
        return heard

    def bounded(self, seconds: float | None, too_late: type[httpcore.TimeoutException]) -> float:
        """The time-out of one operation; raises `too_late` when there is no time left for any."""
        left = self._left()
        if left <= 0:
            raise too_late("the deadline has passed")
        return left if seconds is None else min(seconds, left)

    def _left(self) -> float:
        left: float = self._here.deadline - self._clock.monotonic()
        return left

    def write(self, stream: httpcore.NetworkStream, buffer: bytes, timeout: float | None) -> None:
        self._here.heard = False
        stream.write(buffer, self.bounded(timeout, httpcore.WriteTimeout))

    def read(self, stream: httpcore.NetworkStream, max_bytes: int, timeout: float | None) -> bytes:
        """What has come in; raises Interrupted when the cancel is set meanwhile."""
        self._here.heard = True
        left = self.bounded(timeout, httpcore.ReadTimeout)
        cancel: Cancel | None = self._here.cancel
        if cancel is None:
            return stream.read(max_bytes, left)
        while not cancel.is_set:
            piece = min(SLICE_SECONDS, left)
            left -= piece
            try:
                return stream.read(max_bytes, piece)
            except httpcore.ReadTimeout:
                left = min(
                    left, self._left()
                )  # the clock that was handed in may run faster than the sockets'
                if left <= 0:
                    raise
        raise Interrupted("interrupted while waiting for the answer")

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the host, or to the proxy and through it."""
        proxy = self._proxy
        if proxy is None:
            return self._connected(host, port, timeout, local_address, socket_options)
        stream = self._to_proxy(proxy, timeout, local_address, socket_options)
        try:
            return proxy.tunnel(stream, host, port, self.bounded(timeout, httpcore.ConnectTimeout))
        except BaseException:
            stream.close()
            raise

    def _to_proxy(
        self, proxy: Proxy, timeout: float | None, local_address: str | None, options: Iterable[Any] | None
    ) -> httpcore.NetworkStream:
        with blamed(proxy, "cannot be connected to"):
            return self._connected(proxy.host, proxy.port, timeout, local_address, options)

    def _connected(
        self,
        host: str,
        port: int,
        timeout: float | None,
        local_address: str | None,
        socket_options: Iterable[Any] | None,
    ) -> httpcore.NetworkStream:
        """Connect to the first of the name's addresses that answers; a dead one only costs its fair share."""
        seconds = self.bounded(timeout, httpcore.ConnectTimeout)
        ends_at = self._clock.monotonic() + seconds
        addresses = resolve(host, port, seconds)
        while True:
            left = ends_at - self._clock.monotonic()
            if left <= 0:
                raise httpcore.ConnectTimeout("there was no time left to connect")
            share = left / len(addresses)
            try:
                stream = self._sockets.connect_tcp(
                    addresses.pop(0), port, share, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                if not addresses:
                    raise
            else:
                return _Stream(stream, self)


class _Stream(httpcore.NetworkStream):
    """One connection, whose operations end with the deadline of the request that uses it at the time."""

    def __init__(self, stream: httpcore.NetworkStream, network: Network) -> None:
        self._stream = stream
        self._network = network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._network.read(self._stream, max_bytes, timeout)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._network.write(self._stream, buffer, timeout)

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        seconds = self._network.bounded(timeout, httpcore.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, seconds), self._network)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses of a name, in the order to try them; raises ConnectError from a `socket.gaierror`.

    The system's resolver cannot be given a time-out, so that it is asked in a thread and left alone when it
    does not answer in time.
    """
    if _is_address(host):
        return [host]
    answers: queue.SimpleQueue[list[str] | OSError] = queue.SimpleQueue()
    threading.Thread(target=_look_up, args=(host, port, answers), daemon=True, name="resolver").start()
    try:
        return _first(answers, seconds)
    except OSError as error:
        # raised in here, so that it is the context too: httpcore's pool drops the cause of what passes through it
        raise httpcore.ConnectError(str(error)) from error


def _first(answers: queue.SimpleQueue[list[str] | OSError], seconds: float) -> list[str]:
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty:
        text = f"the resolver did not answer within {seconds:.1f} s"
        raise socket.gaierror(socket.EAI_AGAIN, text) from None
    if isinstance(answer, OSError):
        raise answer
    return answer


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _look_up(host: str, port: int, answers: queue.SimpleQueue[list[str] | OSError]) -> None:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        answers.put(list(dict.fromkeys(str(address[0]) for *_, address in found)))
    except UnicodeError:  # a label that is empty or too long
        answers.put(socket.gaierror(socket.EAI_NONAME, "not a host name"))
    except OSError as error:
        answers.put(error)


class Transport(httpx.BaseTransport):
    """Two pools over one network: connections kept alive, and fresh ones for requests that ask for it."""

    def __init__(self, context: ssl.SSLContext, network: Network, keep: int) -> None:
        self._kept = _Pool(context, network, keep)
        self._fresh = _Pool(context, network, 0)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._fresh if request.extensions.get(FRESH) else self._kept
        return pool.handle_request(request)

    def close(self) -> None:
        self._kept.close()
        self._fresh.close()


class _Pool(httpx.HTTPTransport):
    """httpx's own transport, over our network: it has no public way to be given one."""

    def __init__(self, context: ssl.SSLContext, network: Network, keep: int) -> None:
        super().__init__(verify=context, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context,
            max_connections=None,  # bounded by the client's slots, whose wait knows the deadline
            max_keepalive_connections=keep,
            keepalive_expiry=KEEP_ALIVE_SECONDS,
            network_backend=network,
        )
