"""The daemon's HTTP side: `/metrics`, `/healthz`, `/readyz`, on one address or two, each request in a thread.

It only asks what others made ready, so that it answers at once also while every backend hangs (R67).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from replctl.core.errors import InvalidConfiguration, ReplctlError
from replctl.daemon.exposition import CONTENT_TYPE

JSON = "application/json"
REQUEST_SECONDS = 10.0  # how long a client may take over its request


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


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, address: tuple[str, int], pages: Pages) -> None:
        self.pages = pages
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is no news."""


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
        make = self.server.pages.get(self.path.partition("?")[0])
        page = make() if make else Page(404, "text/plain; charset=utf-8", "there is nothing here\n")
        body = page.body.encode()
        self.send_response(page.status)
        self.send_header("Content-Type", page.content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if send_body:
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Scrapes are not worth a line each."""


class Servers:
    """Serves pages at their addresses from its entry to its exit; a context manager.

    Raises InvalidConfiguration when an address cannot be taken.
    """

    def __init__(self, pages: Mapping[str, Pages]) -> None:
        """`pages` are by address, `HOST:PORT`; two that are one share a server."""
        self._servers: list[_Server] = []
        try:
            for address, its in pages.items():
                self._servers.append(_serve(address, its))
        except ReplctlError:
            self.close()
            raise

    @property
    def addresses(self) -> tuple[str, ...]:
        """As bound, for ports that were left to the system."""
        return tuple(f"{server.server_address[0]!s}:{server.server_address[1]}" for server in self._servers)

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


def _serve(address: str, pages: Pages) -> _Server:
    host, _, port = address.rpartition(":")
    try:
        return _Server((host.strip("[]"), int(port)), pages)
    except OSError as error:
        raise InvalidConfiguration(
            f"{address} cannot be listened on: {error.strerror or error}",
            remedy="daemon.metrics_address and daemon.health_address say where; something else may be there",
        ) from error
