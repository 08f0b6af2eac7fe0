"""A small HTTPS server on loopback that does what a test tells it to, down to the bytes.

It speaks just enough HTTP/1.1 for a client to be tried against: keep-alive, a log of what came in, and answers
that may be anything, also nothing. One thread a connection; `close` leaves none behind.
"""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from replctl.clock import Cancel

JSON = {"Content-Type": "application/json"}
LOOK_AGAIN_SECONDS = 0.01


@dataclass(frozen=True)
class Seen:
    """A request as it came in; header names in lower case, `connection` counts from one."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


Act = Callable[["Peer"], None]
Handler = Callable[[Seen], bytes | Act]


@dataclass
class Peer:
    """The connection to the client, for answers that are more than bytes."""

    stream: socket.socket
    ending: Cancel

    def send(self, data: bytes) -> None:
        self.stream.sendall(data)

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.stream.close()

    def hang(self) -> None:
        """Say nothing until the server ends, or the client gives up."""
        with suppress(OSError):
            self.stream.recv(1)


def reply(status: int = 200, body: Any = None, **headers: str) -> bytes:
    """An answer with a JSON body; `retry_after="3"` gives a header `Retry-After`."""
    content = b"" if body is None else json.dumps(body).encode()
    return raw(status, content, {**JSON, **{name.replace("_", "-"): text for name, text in headers.items()}})


def raw(status: int, content: bytes, headers: Mapping[str, str] | None = None) -> bytes:
    """An answer with any bytes as its body."""
    lines = [f"HTTP/1.1 {status} Said", f"Content-Length: {len(content)}"]
    lines += [f"{name}: {text}" for name, text in (headers or {}).items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def and_close(data: bytes) -> Act:
    """Say it, then end the connection without a word: the client finds out when it next uses it."""

    def act(peer: Peer) -> None:
        peer.send(data)
        peer.stream.close()

    return act


def just_close(peer: Peer) -> None:
    peer.stream.close()


class Server:
    """Answers each request with what `handler` makes of it, on `https://localhost:<port>`."""

    def __init__(self, context: ssl.SSLContext, handler: Handler, port: int = 0) -> None:
        self.handler = handler
        self.requests: list[Seen] = []
        self.connections = 0
        self._context = context
        self._ending = Cancel()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._start(self._accept)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    def paths(self, path: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.path == path]

    def drop_connections(self) -> None:
        """End every connection, as a server does with those that were idle too long."""
        with self._lock:
            for stream in self._open:
                with suppress(OSError):
                    stream.shutdown(socket.SHUT_RDWR)

    def all_ended(self, seconds: float) -> bool:
        """Whether every connection has ended, or does within so many seconds."""
        until = time.monotonic() + seconds
        while self._open and time.monotonic() < until:
            time.sleep(LOOK_AGAIN_SECONDS)
        return not self._open

    def close(self) -> None:
        self._ending.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop_connections()
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()

    def _start(self, target: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=target, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                stream, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._start(self._serve, stream, self.connections)

    def _serve(self, plain: socket.socket, number: int) -> None:
        stream = plain
        try:
            with self._lock:
                self._open.add(plain)
            plain.settimeout(20)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            stream = self._context.wrap_socket(plain, server_side=True)
            with self._lock:
                self._open.add(stream)
            while not self._ending.is_set and (seen := self._read(stream, number)):
                self._answer(Peer(stream, self._ending), seen)
        except OSError:
            pass
        finally:
            with self._lock:
                self._open -= {plain, stream}
            stream.close()
            plain.close()

    def _answer(self, peer: Peer, seen: Seen) -> None:
        with self._lock:
            self.requests.append(seen)
        answer = self.handler(seen)
        if isinstance(answer, bytes):
            peer.send(answer)
        else:
            answer(peer)

    def _read(self, stream: socket.socket, number: int) -> Seen | None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = stream.recv(1)
            if not byte:
                return None
            head += byte
        first, *lines = head.decode("latin-1").strip().split("\r\n")
        headers = {name.lower(): text.strip() for name, _, text in (line.partition(":") for line in lines)}
        body = b""
        while len(body) < int(headers.get("content-length", "0")):
            body += stream.recv(65536)
        method, target, _ = first.split(" ")
        return Seen(method, target, headers, body, number)
