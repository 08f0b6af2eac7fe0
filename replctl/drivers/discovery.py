"""What is there, over all backends: asked at once, remembered for a while, one failure hiding no other (R76).

Knows no vendor: a driver answers with an `Inventory`. The cache counts its hits and misses for the metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field
from enum import StrEnum
from threading import Lock
from types import MappingProxyType
from typing import Protocol

from replctl.clock import Clock
from replctl.core.errors import ReplctlError, trouble_of
from replctl.core.events import Discovered, Report, ignore
from replctl.core.model import Scalar, Trouble, TroubleKind
from replctl.core.values import dataclass
from replctl.resilience import Look


class Presence(StrEnum):
    """How much of what replctl needs a backend has."""

    EVERYTHING = "everything"
    PARTLY = "partly"
    NOTHING = "nothing"
    UNKNOWN = "unknown"  # it could not be asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Thing:
    """One thing on a backend: its kind there, id, name, and the vendor's words worth showing.

    `replicates` is the id of what a session copies on this side; None for what copies nothing. Of a session `named`
    is how the desired-state file names its end here; `resource` and `counterpart` are the ids by which both ends of a
    replication know each other, as an observation has them.
    """

    kind: str
    id: str
    name: str
    replicates: str | None = None
    named: tuple[tuple[str, str], ...] = ()
    resource: str | None = None
    counterpart: str | None = None
    facts: Mapping[str, Scalar] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a backend is and can do, as it says itself (R72)."""

    kind: str
    version: str | None
    words: frozenset[str]


@dataclass(frozen=True, slots=True)
class ClockOffset:
    """A backend's clock against ours: theirs minus ours, known to within `margin_seconds`."""

    seconds: float
    margin_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What was found on one backend; `missing` says what could not be read there, by kind, and why."""

    backend: str
    kind: str
    read_at: float
    presence: Presence
    version: str | None = None
    things: tuple[Thing, ...] = ()
    missing: Mapping[str, Trouble] = field(default_factory=dict, hash=False)

    def of_kind(self, kind: str) -> tuple[Thing, ...]:
        return tuple(thing for thing in self.things if thing.kind == kind)


def presence_of(read: int, missing: Mapping[str, Trouble]) -> Presence:
    """The word for so many kinds read and those missing. Only an answer proves that there is nothing."""
    if not missing:
        return Presence.EVERYTHING
    if read:
        return Presence.PARTLY
    absent = all(trouble.kind is TroubleKind.ABSENT for trouble in missing.values())
    return Presence.NOTHING if absent else Presence.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    """How far one comes on the way to a backend, without signing in.

    `addresses` is empty without a name, `address` None without a connection;
    `trouble` is what ended the walk. Ends are seconds since the epoch: of the certificate shown, and the first of
    those in ca_file; None where they are not known, as always without verification. `fingerprint` is that of a
    certificate that is not trusted: SHA-256, in pairs with colons.
    """

    addresses: tuple[str, ...] = ()
    address: str | None = None
    shook_hands: bool = False
    verified: bool = False
    certificate_ends_at: float | None = None
    authority_ends_at: float | None = None
    fingerprint: str | None = None
    trouble: ReplctlError | None = None


@dataclass(frozen=True, slots=True)
class CacheFigures:
    """How often the cache answered, and how often it had to ask."""

    hits: int = 0
    misses: int = 0


class DiscoveryCache:
    """The last inventory of one backend, good for `ttl_seconds` on the monotonic clock.

    What could not be asked is not kept: the next question asks again. One thread asks while others wait for it.
    """

    def __init__(self, clock: Clock, ttl_seconds: float, backend: str = "", report: Report = ignore) -> None:
        self._backend = backend
        self._report = report
        self._clock = clock
        self._ttl = ttl_seconds
        self._lock = Lock()
        self._kept: tuple[float, Inventory] | None = None
        self._hits = 0
        self._misses = 0

    def get(self, ask: Callable[[], Inventory]) -> Inventory:
        with self._lock:
            now = self._clock.monotonic()
            if self._kept is not None and now - self._kept[0] < self._ttl:
                self._hits += 1
                self._report(Discovered(backend=self._backend, hit=True, seconds=0.0))
                return self._kept[1]
            self._misses += 1
            found = ask()
            seconds = self._clock.monotonic() - now
            self._report(Discovered(backend=self._backend, hit=False, seconds=seconds))
            self._kept = (now, found) if found.presence is not Presence.UNKNOWN else None
            return found

    def invalidate(self) -> None:
        """Forget; the next question asks."""
        with self._lock:
            self._kept = None

    @property
    def figures(self) -> CacheFigures:
        with self._lock:
            return CacheFigures(self._hits, self._misses)


class Discoverer(Protocol):
    """The part of a driver that discovery needs."""

    @property
    def backend(self) -> str: ...

    @property
    def kind(self) -> str: ...

    def discover(self, look: Look) -> Inventory: ...


class Inspected(Discoverer, Protocol):
    """What else can be asked of a backend as such, for `backends` and `doctor`; each raises what reading raises."""

    @property
    def url(self) -> str: ...
    @property
    def host(self) -> str: ...

    def capabilities(self, look: Look) -> Capabilities: ...
    def count_sessions(self, look: Look) -> int: ...
    def clock_offset(self, look: Look) -> ClockOffset | None: ...

    def contact(self, seconds: float) -> Contact:
        """Name, connection and certificate, without signing in; never raises for the backend's trouble."""
        ...


def discover_all(drivers: Mapping[str, Discoverer], look: Look, clock: Clock) -> dict[str, Inventory]:
    """Every backend's inventory, asked at the same time; one that fails is `unknown` with its trouble."""
    if not drivers:
        return {}
    with ThreadPoolExecutor(max_workers=len(drivers), thread_name_prefix="discover") as pool:
        asked = {name: pool.submit(_discover, driver, look, clock) for name, driver in drivers.items()}
        return {name: future.result() for name, future in asked.items()}


def _discover(driver: Discoverer, look: Look, clock: Clock) -> Inventory:
    try:
        return driver.discover(look)
    except ReplctlError as error:
        return Inventory(
            backend=driver.backend,
            kind=driver.kind,
            read_at=clock.now(),
            presence=Presence.UNKNOWN,
            missing=MappingProxyType({driver.kind: trouble_of(error)}),
        )
