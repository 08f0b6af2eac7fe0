"""The driver of one PowerStore array: looks, acts, follows (design §4, §7; CP).

It fits the engine's `Driver` without knowing it. Words are translated in `words`, rows become observations in
`sessions`, ends are found in `lookup`, bodies are made in `actions`; what is left here is the order of the
questions, what is remembered between them, and that a change is sent to the session that was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol, Self

from replctl.clock import Clock
from replctl.core.errors import (
    BackendUnwell,
    Forbidden,
    Interrupted,
    InvalidInput,
    NeverSent,
    NotFound,
    Rejected,
    ReplctlError,
    excerpt,
    trouble_of,
)
from replctl.core.events import Noticed, Report, Translated
from replctl.core.model import End, Observation, Scalar, TroubleKind, Volume
from replctl.core.plans import Errand, Followed, Receipt
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.discovery import Capabilities, ClockOffset, Contact, DiscoveryCache, Inventory
from replctl.drivers.http import BackendClient, Connection, TimeoutSettings, Tls, TlsSettings
from replctl.drivers.names import Names, NoNames
from replctl.drivers.powerstore import actions, inventory, sessions
from replctl.drivers.powerstore.lookup import (
    SESSION,
    SESSIONS,
    SHOWN,
    Found,
    Lookup,
    Memory,
    described,
    locator,
    path_of,
)
from replctl.drivers.powerstore.policies import Policies
from replctl.drivers.powerstore.query import JOB_FIELDS, REMOTE_FIELDS, Release, one, release_of, select
from replctl.drivers.powerstore.reading import Reader
from replctl.drivers.powerstore.recipe import PowerStoreRecipe
from replctl.drivers.powerstore.sessions import Row, Surroundings
from replctl.drivers.powerstore.signin import PowerStoreSignIn
from replctl.drivers.powerstore.stamps import ClockReading, clock_reading
from replctl.resilience import BreakerBoard, Budget, Look

KIND = "powerstore"
BASE_PATH = "/api/rest"
DISCOVERY_TTL_SECONDS = 300.0
CLOCK_TTL_SECONDS = 60.0
CLOCK_STEP_SECONDS = (
    1.0  # by which our wall clock is said to have been set, and not to have gone wrong by itself
)
NO_NAMES = NoNames()
CONFIRMED_SECONDS = 2.0  # a name confirmed so shortly before a change need not be asked again
REMOTE_SYSTEMS = "/remote_system"
JOBS = "/job"
CLUSTER = "/cluster"
RELEASES = "/software_installed"
CREATE, DELETE = "create", "delete"  # actions on a policy's assignment, not on a session
_ALL = {"select": "*"}


class ArraySettings(Protocol):
    """What the configuration says of one array; `replctl.settings.PowerStoreBackend` fits."""

    @property
    def url(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def tls(self) -> TlsSettings: ...
    @property
    def timeouts(self) -> TimeoutSettings: ...
    @property
    def max_concurrency(self) -> int: ...
    @property
    def clock_margin_seconds(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class _KeptClock:
    """A reading of the array's clock, with what our own two clocks said then."""

    reading: ClockReading
    monotonic: float
    wall: float

    @classmethod
    def of(cls, reading: ClockReading, clock: Clock) -> _KeptClock:
        return cls(reading, clock.monotonic(), clock.now())

    def holds(self, clock: Clock) -> bool:
        """Whether it is young, and our wall clock was not set meanwhile."""
        age = clock.monotonic() - self.monotonic
        return age < CLOCK_TTL_SECONDS and abs(clock.now() - self.wall - age) < CLOCK_STEP_SECONDS


class PowerStoreDriver:
    """One array. `observe` never raises for its trouble; `act` sends a change at most once."""

    def __init__(
        self,
        *,
        backend: str,
        client: BackendClient,
        clock: Clock,
        report: Report,
        clock_margin_seconds: float | None = None,
        discovery_ttl_seconds: float = DISCOVERY_TTL_SECONDS,
        names: Names = NO_NAMES,
    ) -> None:
        self._backend = backend
        self._client = client
        self._clock = clock
        self._report = report
        self._margin = clock_margin_seconds
        self._reader = Reader(client, backend, clock)
        self._memory = Memory(clock, discovery_ttl_seconds, names)
        self._discovery = DiscoveryCache(clock, discovery_ttl_seconds, backend, report)
        self._lock = Lock()
        self._release: Release | None = None
        self._version: str | None = None
        self._clock_read: _KeptClock | None = None
        self._recipe = PowerStoreRecipe()
        self._policies = Policies(self._reader, client, backend)

    @classmethod
    def open(
        cls,
        settings: ArraySettings,
        *,
        backend: str,
        password: Callable[[], Secret],
        clock: Clock,
        board: BreakerBoard,
        policy: RetryPolicy,
        report: Report,
        redact: Callable[[str], str] = str,
        discovery_ttl_seconds: float = DISCOVERY_TTL_SECONDS,
        names: Names = NO_NAMES,
        environ: Mapping[str, str] | None = None,  # no program is run here
        conceal: Callable[[Secret], None] = lambda secret: None,
    ) -> Self:
        """The driver of a configured array. Nothing is connected to and no password is read before it is needed.

        `names` are where is kept what ends were found to mean; before a change it is confirmed, not trusted.
        `conceal` is told each secret of a session. Raises InvalidInput for a url that is none.
        """
        connection = Connection(
            backend=backend,
            url=settings.url,
            base_path=BASE_PATH,
            tls=Tls(ca_file=settings.tls.ca_file, verify=settings.tls.verify),
            connect_timeout_seconds=settings.timeouts.connect_seconds,
            read_timeout_seconds=settings.timeouts.read_seconds,
            max_concurrency=settings.max_concurrency,
        )
        client = BackendClient(
            connection,
            PowerStoreSignIn(settings.username, password, conceal),
            clock=clock,
            board=board,
            policy=policy,
            budget=Budget(),
            report=report,
            redact=redact,
        )
        return cls(
            backend=backend,
            client=client,
            clock=clock,
            report=report,
            clock_margin_seconds=settings.clock_margin_seconds,
            discovery_ttl_seconds=discovery_ttl_seconds,
            names=names,
        )

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def kind(self) -> str:
        return KIND

    @property
    def url(self) -> str:
        return self._client.connection.origin

    @property
    def host(self) -> str:
        return self._client.connection.host

    @property
    def recipe(self) -> PowerStoreRecipe:
        return self._recipe

    @property
    def discovery(self) -> DiscoveryCache:
        """The cache of `discover`: its figures, and `invalidate`."""
        return self._discovery

    # -- looking ---------------------------------------------------------------------------------------------

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        """What each end says now; a backend's trouble is carried by the observations, never raised."""
        try:
            return self._observe(ends, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            trouble = trouble_of(error)
            if isinstance(error, InvalidInput):  # no password to be read: our own trouble, not the array's
                trouble = replace(trouble, kind=TroubleKind.CREDENTIALS)
            return dict.fromkeys(ends, sessions.unread(self._backend, trouble, self._clock.now()))

    def _observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        release = self._read_release(look)
        found = Lookup(self._reader, self._memory, release, look).find(ends)
        rows = [row for row in found.values() if isinstance(row, Row)]
        around = self._surroundings(release, look) if rows else Surroundings(backend=self._backend)
        self._count_strange(rows, around.remote_systems.values())
        began = self._clock.monotonic()
        seen = {end: self._seen(end, thing, around) for end, thing in found.items()}
        seconds = self._clock.monotonic() - began
        if rows:
            told = Translated(backend=self._backend, what="session", count=len(rows), seconds=seconds)
            self._report(told)
        return seen

    def _seen(self, end: End, thing: Found, around: Surroundings) -> Observation:
        seen = sessions.session_seen(thing, around) if isinstance(thing, Row) else thing
        formerly = self._memory.formerly(end)
        return seen if formerly is None else replace(seen, formerly=formerly)

    def _surroundings(self, release: Release | None, look: Look) -> Surroundings:
        return Surroundings(
            backend=self._backend,
            clock=self._read_clock(look),
            clock_margin_seconds=self._margin,
            remote_systems=self._read_remotes(release, look),
        )

    def _read_release(self, look: Look) -> Release | None:
        """The array's release, read once. None when it answers but does not say: then all fields are asked for."""
        if self._release is not None:
            return self._release
        params = {"select": "release_version", "is_cluster": "eq.true"}
        try:
            answer = self._reader.simple(RELEASES, params, look)
        except (Forbidden, NotFound, Rejected) as error:
            self._notice("release", f"the array's release cannot be read: {error.message}")
            return None
        said = _first(answer.body).get("release_version")
        release = release_of(said) if isinstance(said, str) else None
        if release is not None:
            self._release, self._version = release, said
        return release

    def _read_clock(self, look: Look) -> ClockReading | None:
        """The array's clock against ours, at most a minute old; None when it cannot be read."""
        with self._lock:
            if self._clock_read and self._clock_read.holds(self._clock):
                return self._clock_read.reading
        try:
            answer = self._reader.simple(CLUSTER, _ALL, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("clock", f"the array's clock cannot be read: {error.message}")
            return None
        said = _first(answer.body).get("system_time")
        reading = clock_reading(said, answer.sent_at, answer.received_at)
        with self._lock:
            self._clock_read = _KeptClock.of(reading, self._clock) if reading is not None else None
        return reading

    def _read_remotes(self, release: Release | None, look: Look) -> Mapping[str, Row]:
        params = {"select": select(REMOTE_FIELDS, release)}
        try:
            rows = self._reader.rows(REMOTE_SYSTEMS, params, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("remote-systems", f"the remote systems cannot be read: {error.message}")
            return MappingProxyType({})
        return {row.id: row for row in rows}

    def _count_strange(self, rows: Iterable[Row], remotes: Iterable[Row]) -> None:
        for field, value in sorted(sessions.strange_words(rows, remotes)):
            self._notice("translation", f"{field}={value}")

    def _notice(self, topic: str, message: str) -> None:
        self._report(Noticed(topic=topic, message=message, backend=self._backend))

    # -- acting ----------------------------------------------------------------------------------------------

    def act(
        self, end: End, action: str, arguments: Mapping[str, Scalar], seen: Observation, look: Look
    ) -> Receipt:
        """Send one change to the session that was seen. The array goes on with it as a job (CP §5).

        Sessions are made and removed by way of the policy of what they protect (CP §6, §11).
        """
        if action == CREATE:
            return self._policies.assign(end, str(arguments["policy"]), look)
        if action == DELETE:
            return self._policies.remove(end, look)
        order = actions.order(action, arguments)
        if not seen.identity:
            raise NotFound(f"no replication session is known for the {described(end)}", backend=self._backend)
        self._confirm(end, seen, look)
        answer = self._client.change(
            "POST",
            f"{one(SESSIONS, seen.identity)}/{order.word}",
            body=dict(order.body) if order.body is not None else None,
            params={"is_async": "true"},
            operation=action,
            look=look,
        )
        return Receipt(actions.job_id(answer.body) if answer.status == 202 else None)

    def _confirm(self, end: End, seen: Observation, look: Look) -> None:
        """Right before a change: the name in the file still means the thing that was seen (design §12)."""
        kind, value = locator(end)
        if kind == SESSION or seen.resource is None:
            return
        if self._memory.confirmed_within(end, CONFIRMED_SECONDS):
            return
        try:
            row = self._reader.item(one(path_of(kind), seen.resource), {"select": "id,name"}, look)
        except BackendUnwell as error:
            raise NeverSent(
                f"nothing was sent: the look before the change failed: {error.message}",
                backend=self._backend,
                operation="confirm",
            ) from error
        if value not in (row.id, row.text("name")):
            self._memory.forget(end)
            called = excerpt(row.text("name") or "")
            raise NotFound(
                f"nothing was sent: what was {SHOWN[kind]} {value} is now called {called}",
                backend=self._backend,
            )

    def follow(self, receipt: Receipt, look: Look) -> Followed:
        """Ask once after a job. One that is gone says nothing: only the session's state tells then."""
        if receipt.job is None:
            return Followed(ended=True)
        params = {"select": select(JOB_FIELDS, self._release)}
        try:
            job = self._reader.item(one(JOBS, receipt.job), params, look)
        except NotFound:
            return Followed(ended=True)
        return actions.followed(job.values)

    def errand(self, end: End, action: str, arguments: Mapping[str, Scalar], look: Look) -> Errand:
        """There are none here: the array itself makes the last copy."""
        return Errand(there=False)

    def tidy(self, end: End, operation: str, look: Look, *, in_vain: bool) -> None:
        """Nothing is left beside the sessions."""

    def volumes(self, end: End, seen: Observation, look: Look) -> Sequence[Volume]:
        """What hosts are to be given of an end that became the source: one request, asked of nobody before."""
        from replctl.drivers.powerstore import mapping  # for the end of a change of roles alone

        return mapping.volumes(self._reader, end, seen, look)

    # -- what there is ---------------------------------------------------------------------------------------

    def capabilities(self, look: Look) -> Capabilities:
        """Kind, release and what the array says that it can do with its remote systems; nothing is assumed."""
        self._read_release(look)
        return inventory.capabilities(self._reader, KIND, self._version, look)

    def contact(self, seconds: float) -> Contact:
        """Name, connection and certificate, without signing in; never raises for the array's trouble."""
        from replctl.drivers.handshake import contact  # for `doctor` alone

        return contact(self._client.connection, seconds)

    def count_sessions(self, look: Look) -> int:
        return inventory.count_sessions(self._reader, look)

    def clock_offset(self, look: Look) -> ClockOffset | None:
        """The array's clock against ours, at most a minute old; None when it cannot be read."""
        reading = self._read_clock(look)
        return None if reading is None else ClockOffset(reading.offset, reading.margin)

    def discover(self, look: Look) -> Inventory:
        """What is there, remembered for the discovery's time to live (R76)."""
        return self._discovery.get(lambda: self._discover(look))

    def _discover(self, look: Look) -> Inventory:
        release = self._read_release(look)
        return inventory.take(self._reader, KIND, self._version, release, look)

    def close(self) -> None:
        """Sign out, let go of the connections, and keep what names were found to mean."""
        self._client.close()
        self._memory.save()


def _first(body: object) -> Mapping[str, Any]:
    """The one item of a collection that has one; empty when the answer is something else."""
    item = body[0] if isinstance(body, list) and body else body
    return item if isinstance(item, Mapping) else {}
