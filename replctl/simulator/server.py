"""HTTP/1.1 over TLS on loopback, as lean as a simulator of thousands of answers a second needs it.

One daemon thread a connection, which also does the TLS handshake; keep-alive; bounded headers, bodies and idle
connections. A server can go dark: refuse connections, or let the kernel accept them and never answer. A handler
turns a request into a reply; what the reply does to the connection beyond bytes (cut it, keep silent) is said by its
`then`. Knows nothing of arrays.
"""

import contextlib
import selectors
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

IDLE_SECONDS = 300.0
HANDSHAKE_SECONDS = 30.0
LONGEST_HEAD_BYTES = 65536
LONGEST_BODY_BYTES = 4 * 2**20
READ_BYTES = 65536
BACKLOG = 512
JOIN_SECONDS = 5.0
# What ends a connection quietly: the client is gone, or the socket was closed under the thread.
DISCONNECTED = (OSError, ssl.SSLError, EOFError, ValueError)

_REASONS = {
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    206: "Partial Content",
    302: "Found",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    409: "Conflict",
    410: "Gone",
    413: "Request Entity Too Large",
    415: "Unsupported Media Type",
    416: "Range Not Satisfiable",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}
_RESET = struct.pack("ii", 1, 0)


Subject = tuple[str, tuple[str, ...]]  # common name and organisations of a client certificate


class Severed(Exception):
    """Raised by a stream that breaks off where it is."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a client sent; header names in lower case, `path` and `query` as on the wire.

    `subject`: whom the client's certificate names, where the server asks for one.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    subject: Subject | None = None


@dataclass(slots=True)
class Reply:
    """What it is answered. `then` is what becomes of the connection: keep, close, reset, silence.

    A `stream` without `stream_bytes` is sent in chunks for as long as it goes on; an empty piece of it only looks
    whether the client is still there.
    """

    status: int = 200
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)
    media_type: str = "application/json"
    then: str = "keep"
    seconds: float = 0.0
    stream: Iterable[bytes] | None = None
    stream_bytes: int = 0


Handler = Callable[[Request], Reply]


class Server:
    """A listening port with its connections; modes: serve, refuse, silent."""

    def __init__(self, name: str, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.name = name
        self._handler = handler
        self._tls = tls
        self._lock = threading.Lock()
        self._connections: set[socket.socket] = set()
        self._threads: set[threading.Thread] = set()
        self._awake, self._wake = socket.socketpair()
        self.mode = "serve"
        self._turned = threading.Condition(self._lock)
        self._stopping = False
        self._listener = self._bind(0)
        self.port: int = self._listener.getsockname()[1]
        self._listener.listen(BACKLOG)
        self._acceptor = threading.Thread(target=self._accept, name=f"{name}-accept", daemon=True)

    @property
    def url(self) -> str:
        """Where to reach it."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to serve."""
        self._acceptor.start()

    def stop(self) -> None:
        """Close everything and wait for the threads."""
        with self._lock:
            if self._stopping:
                return
            self._stopping = True
            self._turned.notify_all()
        self._wake.send(b"x")
        if self._acceptor.ident is not None:
            self._acceptor.join(JOIN_SECONDS)
        self._cut_connections()
        for thread in list(self._threads):
            thread.join(JOIN_SECONDS)
        for sock in (self._listener, self._awake, self._wake):
            sock.close()

    def turn(self, mode: str) -> None:
        """Go dark, or serve again; a dark server drops the connections that it has when it refuses."""
        with self._lock:
            if mode == self.mode:
                return
            before, self.mode = self.mode, mode
            self._turned.notify_all()
            if mode == "refuse":
                # The port stays ours while nobody listens: bound, and therefore refusing.
                self._listener.close()
                self._listener = self._bind(self.port)
            elif before == "refuse":
                self._listener.listen(BACKLOG)
        self._wake.send(b"x")
        if mode == "refuse":
            self._cut_connections()

    def wait_real(self, seconds: float) -> bool:
        """Wait real seconds; False when the server stops first."""
        with self._turned:
            return not self._turned.wait_for(lambda: self._stopping, seconds)

    def _bind(self, port: int) -> socket.socket:
        sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        return sock

    def _cut_connections(self) -> None:
        with self._lock:
            open_now = list(self._connections)
        for sock in open_now:
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    # Accepting

    def _accept(self) -> None:
        while not self._stopping:
            with self._lock:
                listener, serving = self._listener, self.mode == "serve"
            ready = self._wait_for((self._awake, listener) if serving else (self._awake,))
            if self._awake in ready:
                self._awake.recv(READ_BYTES)
            elif listener in ready:
                self._accept_one(listener)

    @staticmethod
    def _wait_for(socks: Iterable[socket.socket]) -> set[object]:
        with selectors.DefaultSelector() as selector:
            try:
                for sock in socks:
                    selector.register(sock, selectors.EVENT_READ)
            except ValueError:
                return set()  # turn() has just replaced the listener
            return {key.fileobj for key, _ in selector.select()}

    def _accept_one(self, listener: socket.socket) -> None:
        try:
            sock, _ = listener.accept()
        except OSError:
            return  # closed by turn() in the meantime
        thread = threading.Thread(target=self._serve, args=(sock,), name=f"{self.name}-client", daemon=True)
        with self._lock:
            if self._stopping:
                sock.close()
                return
            self._threads.add(thread)
        thread.start()

    # One connection

    def _serve(self, raw: socket.socket) -> None:
        sock = raw
        try:
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            raw.settimeout(HANDSHAKE_SECONDS)
            if self._tls is not None:
                sock = self._tls.wrap_socket(raw, server_side=True, do_handshake_on_connect=False)
            with self._lock:
                if self._stopping:
                    return
                self._connections.add(sock)
            if isinstance(sock, ssl.SSLSocket):
                sock.do_handshake()
            sock.settimeout(IDLE_SECONDS)
            self._converse(sock)
        except DISCONNECTED:
            pass  # a client that goes away is not news
        finally:
            with self._lock:
                self._connections.discard(sock)
                self._threads.discard(threading.current_thread())
            sock.close()

    def _converse(self, sock: socket.socket) -> None:
        reader = Reader(sock, _subject(sock))
        while not self._stopping:
            request = reader.next()
            if request is None:
                return
            reply = self._handler(request) if self.mode == "serve" else Reply(then="silence")
            if self.mode != "serve":
                reply = Reply(then="silence")
            if not self._answer(sock, reply) or request.headers.get("connection", "").lower() == "close":
                return

    def _answer(self, sock: socket.socket, reply: Reply) -> bool:
        """Send the reply; whether the connection goes on."""
        if reply.then == "silence":
            self._keep_silent(reply.seconds)
        if reply.then in ("silence", "reset"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        if reply.stream is not None and not reply.stream_bytes:
            return self._send_chunks(sock, reply, reply.stream)
        if reply.stream is not None:
            sock.sendall(_head(reply, reply.stream_bytes))
            for chunk in reply.stream:
                sock.sendall(chunk)
        else:
            sock.sendall(_head(reply, len(reply.body)) + reply.body)
        return reply.then == "keep"

    def _send_chunks(self, sock: socket.socket, reply: Reply, stream: Iterable[bytes]) -> bool:
        """Send a stream of unknown length; whether the connection goes on."""
        sock.sendall(_head(reply, None))
        try:
            for piece in stream:
                if self.mode != "serve":
                    self._keep_silent(0.0)
                    raise Severed
                if piece:
                    sock.sendall(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
                elif _is_gone(sock):
                    return False
        except Severed:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            return False
        sock.sendall(b"0\r\n\r\n")
        return reply.then == "keep"

    def _keep_silent(self, seconds: float) -> None:
        """Say nothing: for some real seconds, or while the server is silent."""
        with self._turned:
            if seconds:
                self._turned.wait_for(lambda: self._stopping or self.mode == "refuse", seconds)
            else:
                self._turned.wait_for(lambda: self._stopping or self.mode != "silent")


def _subject(sock: socket.socket) -> Subject | None:
    """Whom a client's certificate names, if it sent one."""
    certificate: Any = sock.getpeercert() if isinstance(sock, ssl.SSLSocket) else None
    if not certificate:
        return None
    pairs = [pair for part in certificate.get("subject", ()) for pair in part]
    names = [value for name, value in pairs if name == "commonName"]
    return names[0] if names else "", tuple(value for name, value in pairs if name == "organizationName")


def _is_gone(sock: socket.socket) -> bool:
    """Whether the client has closed the connection; it has nothing to say while it is being answered."""
    with selectors.DefaultSelector() as selector:
        selector.register(sock, selectors.EVENT_READ)
        return bool(selector.select(0)) and not sock.recv(READ_BYTES)


def _head(reply: Reply, length: int | None) -> bytes:
    lines = [f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Unknown')}"]
    if reply.status != 204:
        lines.append(f"Content-Type: {reply.media_type}")
        lines.append("Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}")
    lines += [f"{name}: {value}" for name, value in reply.headers]
    if reply.then == "close":
        lines.append("Connection: close")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Reader:
    """Requests from a socket, one after the other."""

    def __init__(self, sock: socket.socket, subject: Subject | None = None) -> None:
        self._sock = sock
        self._subject = subject
        self._buffer = b""

    def next(self) -> Request | None:
        """The next request, or None when the client has closed. Raises ValueError for what is not HTTP."""
        end = self._buffer.find(b"\r\n\r\n")
        while end < 0:
            if len(self._buffer) > LONGEST_HEAD_BYTES:
                raise ValueError("the head is too long")
            data = self._sock.recv(READ_BYTES)
            if not data:
                return None
            self._buffer += data
            end = self._buffer.find(b"\r\n\r\n")
        head, self._buffer = self._buffer[:end], self._buffer[end + 4 :]
        return self._read_request(head.decode("latin-1"))

    def _read_request(self, head: str) -> Request:
        first, *lines = head.split("\r\n")
        method, target, _ = first.split(" ")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.partition("?")
        return Request(method, path, query, headers, self._read_body(headers), self._subject)

    def _read_body(self, headers: Mapping[str, str]) -> bytes:
        length = int(headers.get("content-length", "0"))
        if not 0 <= length <= LONGEST_BODY_BYTES or "transfer-encoding" in headers:
            raise ValueError("a body of no acceptable length")
        if not length:
            return b""
        while len(self._buffer) < length:
            data = self._sock.recv(READ_BYTES)
            if not data:
                raise EOFError
            self._buffer += data
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body
