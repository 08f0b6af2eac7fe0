"""HTTP over TLS as the arrays speak it: keep-alive, media types, bad requests, silence, the end (design §11)."""

import contextlib
import errno
import socket
import ssl
import threading
from urllib.parse import urlsplit

import pytest

from replctl.simulator.server import LONGEST_HEAD_BYTES, Reply, Request, Server


@pytest.fixture
def echo():
    """A server without TLS that tells what it was asked."""
    server = Server(
        "echo", lambda request: Reply(body=f"{request.method} {request.path}?{request.query} ".encode())
    )
    server.start()
    yield server
    server.stop()


def half_close(sock):
    """Say that nothing more will be sent, unless the other side has cut already."""
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError as error:
        if error.errno != errno.ENOTCONN:
            raise


def talk(port, data):
    """Send bytes, half-close, read everything until the other side closes or cuts."""
    answer = b""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as sock,
        contextlib.suppress(ConnectionError),
    ):
        sock.sendall(data)
        half_close(sock)
        while part := sock.recv(65536):
            answer += part
    return answer


def test_requests_on_one_connection_are_answered_in_order(echo):
    answer = talk(
        echo.port, b"GET /one?x=1 HTTP/1.1\r\n\r\nPOST /two HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    )
    assert answer.index(b"GET /one?x=1") < answer.index(b"POST /two")


def test_a_client_can_ask_to_close(echo):
    first = b"GET /one HTTP/1.1\r\nConnection: close\r\n\r\n"
    assert b"two" not in talk(echo.port, first + b"GET /two HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: many\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nshort",
        b"GET / HTTP/1.1\r\nX: " + b"x" * (LONGEST_HEAD_BYTES + 10),
    ],
    ids=["nonsense", "length", "negative", "chunked", "short", "long"],
)
def test_what_is_not_a_request_ends_the_connection(echo, data):
    assert talk(echo.port, data) == b""


def test_a_connection_without_tls_is_dropped(world):
    place = urlsplit(world.sim.ready["arrays"]["east"])
    assert b"HTTP" not in talk(place.port, b"GET / HTTP/1.1\r\n\r\n")


def test_the_certificate_is_checked_against_our_own_authority(world):
    place = urlsplit(world.sim.ready["arrays"]["east"])
    with (
        socket.create_connection(("127.0.0.1", place.port), timeout=10) as sock,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        ssl.create_default_context().wrap_socket(sock, server_hostname="127.0.0.1")
    trusting = ssl.create_default_context(cafile=str(world.sim.options.directory / "ca.pem"))
    with (
        socket.create_connection(("127.0.0.1", place.port), timeout=10) as sock,
        trusting.wrap_socket(sock, server_hostname="localhost") as wrapped,
    ):
        assert wrapped.version() == "TLSv1.3"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "nothing", 404),
        ("GET", "volume/a/b/c", 404),
        ("PUT", "volume", 405),
        ("DELETE", "replication_session", 405),
        ("POST", "replication_session", 405),
        ("GET", "logout", 405),
        ("GET", "volume/nobody", 404),
    ],
)
def test_paths_and_verbs_that_are_not_there(world, method, path, status):
    assert world["east"].call(method, path).status == status


def test_only_json_is_given_and_taken(world):
    assert world["east"].call("GET", "cluster", headers={"Accept": "text/html"}).status == 406
    path = f"replication_session/{world.session_id('east')}/pause"
    assert world["east"].call("POST", path, data=b"a=b", headers={"Content-Type": "text/plain"}).status == 415
    assert (
        world["east"].call("POST", path, data=b"{", headers={"Content-Type": "application/json"}).status
        == 400
    )


def test_answers_with_204_have_no_body(world):
    answer = world["east"].call("POST", "logout")
    assert (answer.status, answer.data, answer.headers["Content-Length"]) == (204, b"", None)


def test_many_connections_at_once(world):
    statuses = []

    def ask():
        client = world.client("east")
        statuses.append(client.call("GET", "cluster").status)
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert statuses == [200] * 24


def test_stopping_ends_all_threads_also_of_clients_that_say_nothing(open_world):
    world = open_world()
    place = urlsplit(world.sim.ready["arrays"]["east"])
    world["west"].get("cluster")
    with socket.create_connection(("127.0.0.1", place.port), timeout=10):
        world.sim.stop()
        world.sim.stop()
    names = {thread.name for thread in threading.enumerate()}
    assert not {name for name in names if name.startswith(("east-", "west-", "control-"))}


def test_a_server_goes_dark_and_comes_back_as_often_as_wished(echo):
    for mode in ("refuse", "silent", "refuse", "serve", "silent", "serve", "serve"):
        echo.turn(mode)
    assert b"GET /x" in talk(echo.port, b"GET /x HTTP/1.1\r\n\r\n")


def test_a_reply_knows_its_defaults():
    assert Reply().then == "keep"
    assert Request("GET", "/", "", {}, b"").body == b""
