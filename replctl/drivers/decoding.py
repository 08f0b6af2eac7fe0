"""The body of an answer as it was before it was compressed, in small pieces whatever it would unfold to.

httpx unpacks a whole piece of what came in at once, and as often over as the answer says: a few kilobytes can become
gigabytes before anybody can count them. Here only what we ask for is unpacked, once, and never more than a piece.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import httpx

ASKED_FOR = "gzip, deflate"
PIECE_BYTES = 64 * 1024
_PLAIN = frozenset({"", "identity"})
_GZIP = frozenset({"gzip", "x-gzip"})


def pieces(response: httpx.Response) -> Iterator[bytes]:
    """Pieces as they come, none of them empty; raises httpx.DecodingError for what is not packed as it says."""
    coding = response.headers.get("content-encoding", "").strip().lower()
    if coding in _PLAIN:
        yield from (piece for piece in response.iter_raw() if piece)
        return
    if coding not in _GZIP and coding != "deflate":
        raise httpx.DecodingError("packed in a way that was not asked for")
    unpacking: Any = None
    for packed in response.iter_raw():
        unpacking = unpacking or _opened(packed, coding)
        while packed:
            if unpacking.eof:
                raise httpx.DecodingError("more than what was packed")
            try:
                piece = unpacking.decompress(packed, PIECE_BYTES)
            except zlib.error as error:
                raise httpx.DecodingError("not packed as it says") from error
            packed = unpacking.unconsumed_tail or unpacking.unused_data
            if piece:
                yield piece
    if unpacking is not None and not unpacking.eof:
        raise httpx.DecodingError("cut short")


def _opened(first: bytes, coding: str) -> Any:
    """What unpacks it. By `deflate` some mean it with the head of zlib and some without."""
    if coding in _GZIP:
        return zlib.decompressobj(zlib.MAX_WBITS | 16)
    headed = first[:1] and first[0] & 0x0F == zlib.DEFLATED and first[0] >> 4 <= 7
    return zlib.decompressobj(zlib.MAX_WBITS if headed else -zlib.MAX_WBITS)
