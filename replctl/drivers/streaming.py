"""An answer that goes on: line by line, as it comes, until somebody has had enough of it.

Each wait for the next line is bounded by how long silence is believed and by the look's deadline, and ends with the
look's cancel. How the connection is made is `drivers.wire`'s.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx

from replctl.clock import Cancel, Clock
from replctl.core.errors import ConnectionLost, ReplctlError, UnreadableAnswer
from replctl.drivers import decoding
from replctl.drivers.answers import LARGEST_BODY_BYTES
from replctl.drivers.network import Network
from replctl.resilience import Look


class Stream:
    """An open answer. `lines` may be read by one thread; `close` lets go of the connection, more than once too."""

    def __init__(
        self,
        response: httpx.Response,
        network: Network,
        clock: Clock,
        *,
        idle_seconds: float,
        lost: Callable[[httpx.HTTPError], ReplctlError],
        let_go: Callable[[], None],
    ) -> None:
        self._response = response
        self._network = network
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._lost = lost
        self._let_go = let_go
        self._open = True

    def lines(self, look: Look) -> Iterator[bytes]:
        """Each line once it is whole, until the end of the answer.

        Raises TimedOut after too long a silence, ConnectionLost for an end in the middle of something, Interrupted
        for a cancelled look.
        """
        pieces = decoding.pieces(self._response)
        rest = bytearray()
        while piece := self._next(pieces, look):
            begun, *whole = piece.split(b"\n")
            rest += begun
            if whole:
                *lines, last = (bytes(rest), *whole)
                rest = bytearray(last)
                yield from (line for line in lines if line.strip())
            if len(rest) > LARGEST_BODY_BYTES:
                raise UnreadableAnswer("one line of its answer is longer than any of its API")
        if rest.strip():
            raise ConnectionLost("the answer ended in the middle of a line")

    def close(self) -> None:
        if self._open:
            self._open = False
            self._response.close()
            self._let_go()

    def _next(self, pieces: Iterator[bytes], look: Look) -> bytes:
        """What came next; empty at the end."""
        patience = min(look.deadline, self._clock.monotonic() + self._idle_seconds)
        with self._network.until(patience, look.cancel or Cancel()):
            try:
                return next((piece for piece in pieces if piece), b"")
            except httpx.HTTPError as error:
                raise self._lost(error) from error
            except httpx.StreamError as error:  # it was closed meanwhile, by the client that is being closed
                raise ConnectionLost("the connection to it was given up meanwhile") from error
