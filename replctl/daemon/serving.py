"""The daemon's HTTP side: `/metrics`, `/healthz`, `/readyz`, on one address or two, each connection in a thread.

It only asks what others made ready, so that it answers at once also while every backend hangs (R67). Whoever is slow,
in his handshake too, is slow in a thread of his own.
"""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any

from replctl.core.errors import InvalidConfiguration, ReplctlError
from replctl.daemon.doors import Doors, OpenDoor, Verdict
from replctl.daemon.exposition import CONTENT_TYPE
from replctl.logs import LOGGER
from replctl.settings.fields import split_address

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"
REQUEST_SECONDS = 10.0  # how long a client may be silent in the midst of a handshake or a request
MOST_CONNECTIONS = 128  # at once to one address; who comes after that is sent away
REALM = 'Basic realm="replctl", charset="UTF-8"'


@dataclass(frozen=True, slots=True)
class Page:
    """What is said at a path."""

    status: int
    content_type: str
    body: str


Pages = Mapping[str, Callable[[], Page]]


def metrics_page(text: Callable[[], str]) -> Callable[[], Page]:
    return lambda: Page(200, CONTENT_TYPE, text())


def document_page(document: Callable[[], Mapping[str, Any]], key: str) -> Callable[[], Page]:
    """A JSON document; 503 unless its `key` says yes."""

    def page() -> Page:
        told = document()
        return Page(200 if told[key] else 503, JSON, json.dumps(told) + "\n")

    return page


NOTHING_HERE = Page(404, TEXT, "there is nothing here\n")
TURNED_AWAY = {
    Verdict.UNKNOWN: (Page(401, TEXT, "who are you?\n"), ("WWW-Authenticate", REALM)),
    Verdict.BUSY: (Page(503, TEXT, "too many passwords are being tried\n"), ("Retry-After", "5")),
}


class _Server(socketserver.ThreadingMixIn, socketserver.TCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = MOST_CONNECTIONS

    def __init__(self, address: tuple[str, int], pages: Pages, doors: Doors) -> None:
        self.pages = pages
        self.doors = doors
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._room = threading.Semaphore(MOST_CONNECTIONS)
        super().__init__(address, _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._room.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        """In the connection's own thread: the handshake, where TLS is spoken, and then its requests."""
        context = self.doors.current().context
        if context is None:
            super().finish_request(request, client_address)
            return
        request.settimeout(REQUEST_SECONDS)
        with context.wrap_socket(request, server_side=True) as wrapped:
            super().finish_request(wrapped, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or whose handshake failed, is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    server_version = "replctl"
    sys_version = ""
    timeout = REQUEST_SECONDS

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def _answer(self, *, send_body: bool) -> None:
        verdict = self.server.doors.current().judge(self.headers.get("Authorization"))
        if verdict is not Verdict.WELCOME:
            page, header = TURNED_AWAY[verdict]
            logging.getLogger(LOGGER).debug("%s was not let in: %s", self.client_address[0], verdict.name)
            self._send(page, header, send_body=send_body)
            return
        make = self.server.pages.get(self.path.partition("?")[0])
        self._send(_made(make) if make else NOTHING_HERE, send_body=send_body)

    def _send(self, page: Page, *headers: tuple[str, str], send_body: bool) -> None:
        body = page.body.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line each."""


def _made(make: Callable[[], Page]) -> Page:
    """The page, or why there is none now, such as a store that cannot be read."""
    try:
        return make()
    except ReplctlError as error:
        return Page(503, TEXT, f"{error}\n")


class Servers:
    """Serves pages at their addresses from its entry to its exit; a context manager.

    Raises InvalidConfiguration when an address cannot be taken.
    """

    def __init__(self, pages: Mapping[str, Pages], doors: Doors | None = None) -> None:
        """`pages` are by address, `HOST:PORT`; `doors` say who may read them, everybody without."""
        self._servers: list[_Server] = []
        try:
            for address, its in pages.items():
                self._servers.append(_serve(address, its, doors or OpenDoor()))
        except ReplctlError:
            self.close()
            raise

    @property
    def addresses(self) -> tuple[str, ...]:
        """As bound, for ports that were left to the system."""
        return tuple(_shown(server.server_address) for server in self._servers)

    def __enter__(self) -> Servers:
        for server in self._servers:
            threading.Thread(target=server.serve_forever, daemon=True, name="serve").start()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
        self.close()

    def close(self) -> None:
        for server in self._servers:
            server.server_close()


def _serve(address: str, pages: Pages, doors: Doors) -> _Server:
    try:
        return _Server(split_address(address), pages, doors)
    except OSError as error:
        raise InvalidConfiguration(
            f"{address} cannot be listened on: {error.strerror or error}",
            remedy="daemon.metrics_address and daemon.health_address say where; something else may be there",
        ) from error


def _shown(address: Any) -> str:
    host, port, *_ = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
