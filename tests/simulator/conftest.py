"""A simulated world in a temporary directory, and a client that is nothing but http.client and ssl."""

import base64
import http.client
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from estates import Estate, an_estate

from replctl.simulator import Options, Simulator

START_AT = 1_900_000_000.0
LEDGER = "bank/ledger"
TIMEOUT_SECONDS = 20.0


class Answer:
    """Status, headers and decoded body of an answer."""

    def __init__(self, status: int, headers: Any, data: bytes) -> None:
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def json(self) -> Any:
        return json.loads(self.data) if self.data else None

    @property
    def code(self) -> str:
        return str(self.json["messages"][0]["code"])


class Client:
    """One connection to one array, with cookie and token as a careful client keeps them."""

    def __init__(self, sim: Simulator, array: str, login: bool = True) -> None:
        self.array = array
        directory = sim.options.directory
        place = urlsplit(sim.ready["arrays"][array])
        context = ssl.create_default_context(cafile=str(directory / "ca.pem"))
        self.connection = http.client.HTTPSConnection(
            "127.0.0.1", place.port, context=context, timeout=TIMEOUT_SECONDS
        )
        secret = (directory / "credentials" / array).read_text().strip()
        self.basic = {"Authorization": "Basic " + base64.b64encode(f"replctl:{secret}".encode()).decode()}
        self.headers: dict[str, str] = {}
        if login:
            self.log_in()

    def log_in(self) -> Answer:
        self.headers = {}
        answer = self.call("GET", "login_session", headers=self.basic)
        assert answer.status == 200
        self.headers["Cookie"] = answer.headers["Set-Cookie"].split(";")[0]
        return answer

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: dict[str, str] | None = None,
        data: bytes | None = None,
    ) -> Answer:
        sent = {**self.headers, **(headers or {})}
        if body is not None:
            data, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        self.connection.request(method, "/api/rest/" + path, body=data, headers=sent)
        answer = self.connection.getresponse()
        result = Answer(answer.status, answer.headers, answer.read())
        if "DELL-EMC-TOKEN" in answer.headers:
            self.headers["DELL-EMC-TOKEN"] = answer.headers["DELL-EMC-TOKEN"]
        return result

    def get(self, path: str, **headers: str) -> Any:
        answer = self.call("GET", path, headers=headers)
        assert answer.status in (200, 206), answer.data
        return answer.json

    def close(self) -> None:
        self.connection.close()


class World:
    """A simulator with a client for each array and short words for what tests do all the time."""

    def __init__(self, sim: Simulator) -> None:
        self.sim = sim
        self.control = sim.control
        self.clients: dict[str, Client] = {}
        self._opened: list[Client] = []

    def client(self, array: str, login: bool = True) -> Client:
        """A new connection."""
        client = Client(self.sim, array, login)
        self._opened.append(client)
        return client

    def __getitem__(self, array: str) -> Client:
        if array not in self.clients:
            self.clients[array] = self.client(array)
        return self.clients[array]

    def hang_up(self, array: str) -> None:
        """Forget the connection to an array, as after it was cut."""
        self.clients.pop(array, None)

    def session_id(self, array: str, name: str = LEDGER) -> str:
        return str(self.control.truth(name)["session_id"][array])

    def session(self, array: str, name: str = LEDGER) -> Any:
        return self[array].get(f"replication_session/{self.session_id(array, name)}?select=*")

    def act(
        self, array: str, action: str, body: Any = None, name: str = LEDGER, query: str = "?is_async=true"
    ) -> Answer:
        """An action as a job, so that it does not hold the connection."""
        return self[array].call(
            "POST", f"replication_session/{self.session_id(array, name)}/{action}{query}", body
        )

    def outcome(self, answer: Answer, array: str, seconds: float = 60.0) -> Any:
        """What became of the job that an answer names."""
        assert answer.status == 202, answer.data
        for _ in range(int(seconds / 5)):
            job = self[array].get(f"job/{answer.json['id']}?select=*")
            if job["phase"] in ("Completed", "Failed"):
                return job
            self.control.advance(5)
        raise AssertionError("the job has not ended")

    def see(self, name: str = LEDGER) -> tuple[str, str, str, str]:
        """Role and state as both arrays show them: east, then west."""
        east, west = self.session("east", name), self.session("west", name)
        return east["role"], east["state"], west["role"], west["state"]

    def close(self) -> None:
        for client in self._opened:
            client.close()


@pytest.fixture
def open_world(tmp_path: Path) -> Iterator[Callable[..., World]]:
    """Opens worlds that stand still unless advanced; keyword arguments are those of Options."""
    opened: list[tuple[Simulator, World]] = []

    def open_one(**options: Any) -> World:
        directory = tmp_path / f"world-{len(opened)}"
        sim = Simulator(Options(**{"directory": directory, "speed": 0.0, "start_at": START_AT, **options}))
        world = World(sim.start())
        opened.append((sim, world))
        return world

    yield open_one
    for sim, world in opened:
        world.close()
        sim.stop()


@pytest.fixture(scope="module")
def large_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """20,000 replications, shared by the tests of a module."""
    options = Options(
        directory=tmp_path_factory.mktemp("large"), speed=0.0, start_at=START_AT, replications=20_000
    )
    with Simulator(options) as sim:
        world = World(sim)
        yield world
        world.close()


@pytest.fixture
def world(open_world: Callable[..., World]) -> World:
    """Four replications, default assumptions, time stands still."""
    return open_world()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """A pair of clusters with default assumptions; time stands still."""
    with an_estate(tmp_path) as made:
        yield made


@pytest.fixture
def open_estate(tmp_path: Path) -> Iterator[Callable[..., Estate]]:
    """Opens pairs of clusters, each in a directory of its own; keyword arguments are those of `an_estate`."""
    numbers = count()
    with ExitStack() as opened:

        def open_one(**options: Any) -> Estate:
            return opened.enter_context(an_estate(tmp_path / f"estate-{next(numbers)}", **options))

        yield open_one
