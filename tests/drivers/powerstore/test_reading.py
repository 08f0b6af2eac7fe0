"""Pages over the wire, also those that no simulator would give: overlaps, 416, missing headers, nonsense (CP §4)."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import trustme
from fakes import FakeClock
from wire import Seen, Server, raw, reply

from replctl.core.breaker import BreakerSettings
from replctl.core.errors import BackendUnwell, NotFound, UnreadableAnswer
from replctl.core.events import ignore
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.http import BackendClient, Connection, Tls
from replctl.drivers.powerstore.reading import Reader
from replctl.drivers.powerstore.signin import PowerStoreSignIn
from replctl.resilience import BreakerBoard, Budget, Look

Page = Callable[[int], bytes]
PATH = "/replication_session"


@dataclass
class Reading:
    """A reader whose array answers as `page` says; called, it gives the ids read and the offsets asked for."""

    reader: Reader
    look: Look
    pages: list[Page]
    offsets: list[int]

    def __call__(self, page: Page) -> tuple[list[str], list[int]]:
        self.pages[:] = [page]
        self.offsets.clear()
        return [row.id for row in self.reader.rows(PATH, {"select": "id"}, self.look)], self.offsets


@pytest.fixture
def read(tmp_path: Path) -> Iterator[Reading]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    offsets: list[int] = []
    pages: list[Page] = []

    def answer(seen: Seen) -> bytes:
        if seen.path.endswith("/login_session"):
            return reply(200, [{"id": "1"}], set_cookie="auth_cookie=c; Path=/")
        if seen.path.endswith("/logout"):
            return reply(204)
        query = parse_qs(urlsplit(seen.target).query)
        offsets.append(int(query["offset"][0]) if "offset" in query else -1)
        return pages[0](offsets[-1])

    server = Server(context, answer)
    clock = FakeClock()
    client = BackendClient(
        Connection(
            backend="west", url=server.url, base_path="/api/rest", tls=Tls(ca_file=tmp_path / "ca.pem")
        ),
        PowerStoreSignIn("u", lambda: Secret("password")),
        clock=clock,
        board=BreakerBoard(BreakerSettings(), None, clock, ignore),
        policy=RetryPolicy(),
        budget=Budget(),
        report=ignore,
    )
    reader = Reader(client, "west", clock)
    look = Look(deadline=clock.monotonic() + 30.0)

    yield Reading(reader, look, pages, offsets)
    client.close()
    server.close()


def items(first: int, last: int) -> list[dict[str, Any]]:
    return [{"id": f"{number:04d}"} for number in range(first, last + 1)]


def partial(first: int, last: int, total: int) -> bytes:
    return reply(206, items(first, last), content_range=f"{first}-{last}/{total}")


def ids(count: int) -> list[str]:
    return [item["id"] for item in items(0, count - 1)]


def test_one_page(read: Reading) -> None:
    assert read(lambda offset: reply(200, items(0, 2))) == (ids(3), [0])


def test_an_empty_collection(read: Reading) -> None:
    assert read(lambda offset: reply(200, [])) == ([], [0])


def test_the_array_may_cut_our_wish(read: Reading) -> None:
    found = read(lambda offset: partial(offset, min(offset + 9, 24), 25))
    assert found == (ids(25), [0, 10, 20])


def test_borders_that_overlap_give_each_row_once(read: Reading) -> None:
    def page(offset: int) -> bytes:
        first = max(0, offset - 1)
        return partial(first, min(first + 10, 24), 25)

    found, offsets = read(page)
    assert found == ids(25)
    assert offsets == [0, 11, 21]


def test_past_the_end_is_the_end(read: Reading) -> None:
    def page(offset: int) -> bytes:
        return partial(0, 9, 20) if offset == 0 else reply(416, {"messages": []})

    assert read(page) == (ids(10), [0, 10])


def test_without_the_header_pages_are_followed_as_far_as_they_go(read: Reading) -> None:
    def page(offset: int) -> bytes:
        return reply(206, items(offset, min(offset + 9, 24)) if offset < 25 else [])

    assert read(page) == (ids(25), [0, 10, 20, 25])


def test_a_total_that_changes_on_the_way(read: Reading) -> None:
    def page(offset: int) -> bytes:
        return partial(offset, min(offset + 9, 14), 15 if offset else 11)

    assert read(page) == (ids(15), [0, 10])


def test_a_list_that_never_ends_is_left(read: Reading) -> None:
    def page(offset: int) -> bytes:
        return reply(206, items(0, 9), content_range=f"{offset}-{offset + 9}/1000000")

    assert read(page) == (ids(10), [0, 10])


def test_rows_that_are_none_are_left_out(read: Reading) -> None:
    body = [{"id": "a"}, None, 7, "x", {"name": "no id"}, [], {"id": "b"}]
    assert read(lambda offset: reply(200, body)) == (["a", "b"], [0])


@pytest.mark.parametrize(
    "answer",
    [
        reply(200, {"id": "not a list"}),
        reply(200, "text"),
        raw(200, b"<html>", {"Content-Type": "text/html"}),
        raw(200, b'[{"id": "cu', {"Content-Type": "application/json"}),
        raw(200, b""),
        reply(500, {"messages": "broken"}),
    ],
)
def test_what_is_no_list_is_trouble(read: Reading, answer: bytes) -> None:
    with pytest.raises(BackendUnwell) as caught:
        read(lambda offset: answer)
    assert (caught.value.backend, caught.value.operation) == ("west", "read replication_session")  # R75


def test_a_single_thing(read: Reading) -> None:
    reader, look, pages = read.reader, read.look, read.pages
    pages.append(lambda offset: reply(200, {"id": "a"}))
    assert reader.item("/job/a", {}, look).id == "a"
    pages[0] = lambda offset: reply(404, {"messages": []})
    with pytest.raises(NotFound):
        reader.item("/job/a", {}, look)
    pages[0] = lambda offset: reply(200, [1])
    with pytest.raises(UnreadableAnswer):
        reader.item("/job/a", {}, look)
