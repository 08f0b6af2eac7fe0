"""The driver of one cluster with Trident (design §4, §7; CT).

It fits the engine's `Driver` without knowing it. Words are translated in `words`, objects become observations in
`mirrors`, ends are found in `lookup`, steps come from `recipe` and are written by `writing`; what is left here is the
order of the questions and what is remembered between them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self

from replctl.clock import Cancel, Clock
from replctl.core.errors import Interrupted, InvalidInput, NotFound, ReplctlError, trouble_of
from replctl.core.events import Noticed, Report
from replctl.core.model import End, Mode, Observation, Scalar, TroubleKind, Volume
from replctl.core.plans import Errand, Followed, Receipt
from replctl.core.retry import RetryPolicy
from replctl.core.secrets import Secret
from replctl.drivers.discovery import Capabilities, ClockOffset, Contact, DiscoveryCache, Inventory
from replctl.drivers.http import (
    BackendClient,
    Connection,
    Dialect,
    SignIn,
    TimeoutSettings,
    Tls,
    TlsSettings,
)
from replctl.drivers.kubernetes.access import Access, Local, in_pod
from replctl.drivers.kubernetes.client import KubernetesClient
from replctl.drivers.kubernetes.kubeconfig import by_kubeconfig
from replctl.drivers.kubernetes.objects import Resource
from replctl.drivers.names import Names
from replctl.drivers.trident import inventory, mirrors
from replctl.drivers.trident.keeping import NO_COPIES, Copies, Kept, Key
from replctl.drivers.trident.lookup import Found, Lookup, mirror_key
from replctl.drivers.trident.mirrors import Mirror, Relationship, Surroundings
from replctl.drivers.trident.ontap import Ontap, OntapSignIn, error_message
from replctl.drivers.trident.promotions import Promotion, Return
from replctl.drivers.trident.reading import ATTACHMENTS, CLAIMS, MIRRORS, Reader
from replctl.drivers.trident.recipe import TridentRecipe
from replctl.drivers.trident.translations import Made, Translated, translate
from replctl.resilience import BreakerBoard, Budget, Look

if TYPE_CHECKING:
    from replctl.drivers.trident.writing import Writer

KIND = "trident"
DISCOVERY_TTL_SECONDS = 300.0
UNNAMED = "https://unnamed"  # until the kubeconfig has been read
FOLLOW_SECONDS = 86_400.0  # one call of a watch; who wants more calls again
Told = Callable[[Collection[str]], None]
HISTORY_SECONDS = 15 * 60.0  # an API server keeps changes for some five minutes; clocks may differ
DATE_SECONDS = 1.0  # the unit of a `Date` header


class OntapSettings(Protocol):
    """What the configuration says of the ONTAP cluster under Trident."""

    @property
    def url(self) -> str: ...
    @property
    def username(self) -> str: ...
    @property
    def tls(self) -> TlsSettings: ...


class ClusterSettings(Protocol):
    """What the configuration says of one cluster; `replctl.settings.TridentBackend` fits."""

    @property
    def kubeconfig(self) -> Path | None: ...
    @property
    def context(self) -> str | None: ...
    @property
    def in_cluster(self) -> bool: ...
    @property
    def modes(self) -> Mapping[str, Mode]: ...
    @property
    def snapshot_class(self) -> str | None: ...
    @property
    def timeouts(self) -> TimeoutSettings: ...
    @property
    def max_concurrency(self) -> int: ...
    @property
    def ontap(self) -> OntapSettings | None: ...


class TridentDriver:
    """One cluster. `observe` never raises for its trouble; `act` sends a change at most once."""

    def __init__(
        self,
        *,
        backend: str,
        access: Callable[[], Access],
        make_client: Callable[[Access], KubernetesClient],
        clock: Clock,
        report: Report,
        modes: Mapping[str, Mode],
        parallel: int,
        snapshot_class: str | None = None,
        ontap: Ontap | None = None,
        discovery_ttl_seconds: float = DISCOVERY_TTL_SECONDS,
    ) -> None:
        self._backend = backend
        self._read_access = access
        self._make_client = make_client
        self._clock = clock
        self._report = report
        self._modes = modes
        self._parallel = parallel
        self._snapshot_class = snapshot_class
        self._ontap = ontap
        self._discovery = DiscoveryCache(clock, discovery_ttl_seconds)
        self._recipe = TridentRecipe()
        self._lock = Lock()
        self._opened: tuple[Access, KubernetesClient] | None = None
        self._version: str | None = None
        self._kept = {resource: Kept(resource, clock) for resource in (MIRRORS, CLAIMS)}
        self._translated: Made = {}  # of the objects that are kept
        self._watched: set[str] = set()  # claims of promotions that were seen step by step

    @classmethod
    def open(
        cls,
        settings: ClusterSettings,
        *,
        backend: str,
        password: Callable[[], Secret],  # of ONTAP; API servers take what the kubeconfig holds
        clock: Clock,
        board: BreakerBoard,
        policy: RetryPolicy,
        report: Report,
        redact: Callable[[str], str] = str,
        discovery_ttl_seconds: float = DISCOVERY_TTL_SECONDS,
        names: Names | None = None,  # here a name is the address itself: nothing is looked up by it
        environ: Mapping[str, str] | None = None,
        conceal: Callable[[Secret], None] = lambda secret: None,
    ) -> Self:
        """The driver of a configured cluster. Its kubeconfig is read when it is first asked something.

        `environ` is what credential plugins may see, and says where a pod's API server and a proxy are; by default
        our own. `conceal` is told each secret that is come by.
        """
        bare = Connection(
            backend=backend,
            url=UNNAMED,
            connect_timeout_seconds=settings.timeouts.connect_seconds,
            read_timeout_seconds=settings.timeouts.read_seconds,
            max_concurrency=settings.max_concurrency,
        )
        local = Local(clock=clock, environ=os.environ if environ is None else environ, conceal=conceal)
        shared: dict[str, Any] = {
            "clock": clock,
            "board": board,
            "policy": policy,
            "report": report,
            "redact": redact,
        }
        return cls(
            backend=backend,
            access=lambda: _access(settings, bare, local),
            make_client=partial(KubernetesClient, budget=Budget(), **shared),
            clock=clock,
            report=report,
            modes=settings.modes,
            parallel=settings.max_concurrency,
            snapshot_class=settings.snapshot_class,
            ontap=None if settings.ontap is None else _ontap(settings.ontap, bare, password, shared),
            discovery_ttl_seconds=discovery_ttl_seconds,
        )

    @property
    def backend(self) -> str:
        return self._backend

    @property
    def kind(self) -> str:
        return KIND

    @property
    def url(self) -> str:
        """Raises InvalidConfiguration for a kubeconfig that cannot be used."""
        return self._client.connection.origin

    @property
    def host(self) -> str:
        """Empty where the kubeconfig cannot be used, which `contact` tells."""
        with suppress(InvalidInput):
            return self._client.connection.host
        return ""

    @property
    def recipe(self) -> TridentRecipe:
        return self._recipe

    @property
    def discovery(self) -> DiscoveryCache:
        """The cache of `discover`: its figures, and `invalidate`."""
        return self._discovery

    @property
    def _client(self) -> KubernetesClient:
        with self._lock:
            if self._opened is None:
                access = self._read_access()
                self._opened = access, self._make_client(access)
            return self._opened[1]

    @property
    def _reader(self) -> Reader:
        return Reader(self._client, self._clock)

    # -- looking ---------------------------------------------------------------------------------------------

    def observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        """What each end says now; a backend's trouble is carried by the observations, never raised."""
        try:
            return self._observe(ends, look)
        except Interrupted:
            raise
        except ReplctlError as error:
            trouble = trouble_of(error)
            if isinstance(error, InvalidInput):  # the kubeconfig, or its token: our own trouble
                trouble = replace(trouble, kind=TroubleKind.CREDENTIALS)
            return dict.fromkeys(ends, mirrors.unread(self._backend, trouble, self._clock.now()))

    def _observe(self, ends: Sequence[End], look: Look) -> Mapping[End, Observation]:
        reader = self._reader
        with ThreadPoolExecutor(max_workers=1) as aside:
            asked = aside.submit(copy_context().run, self._relationships, look)
            copies = self._copies(reader, look)
            found = Lookup(reader, self._parallel, look, self._notice, copies).find(ends)
            relationships = asked.result()
        read = {end: each for end, each in found.items() if isinstance(each, Found)}
        around = Surroundings(
            backend=self._backend,
            read_at=copies.heard_at or self._clock.now(),
            modes=self._modes,
            attached=self._attached(reader, look) if read else None,
            relationships=relationships,
        )
        translated = translate(read, around, self._translated)
        if copies.mirrors is not None:  # these objects will be there again
            self._translated = translated
        for field, value in sorted({pair for each in translated.values() for pair in each.strange}):
            self._notice("translation", f"{field}={value}")
        return {
            end: self._seen(end, translated[end], around, look) if isinstance(each, Found) else each
            for end, each in found.items()
        }

    def _copies(self, reader: Reader, look: Look) -> Copies:
        """What watches keep, where a look is content with it, the cluster answers, and has as many mirrors."""
        mirrors = self._kept[MIRRORS].copy() if look.kept else None
        if mirrors is None or reader.count(MIRRORS, look) != len(mirrors.bodies):
            return NO_COPIES
        return Copies(mirrors, self._kept[CLAIMS].copy())

    def _seen(self, end: End, made: Translated, around: Surroundings, look: Look) -> Observation:
        found, seen = made.found, made.seen
        kept = seen.as_of is not None and around.read_at - seen.as_of < HISTORY_SECONDS
        if seen.unproven and seen.claim is not None and kept and self._was_watched(found.mirror, look):
            return mirrors.mirror_seen(end, found.mirror, found.claim, around, watched=True)
        return seen

    def _was_watched(self, mirror: Mirror, look: Look) -> bool:
        """Whether a change of ours was true, by what the object was since then (CT §4.3)."""
        changed = Promotion.of(mirror.body) or Return.of(mirror.body)
        if changed is None or not changed.fits(mirror.generation):
            return False
        if mirror.claimed not in self._watched:
            from replctl.drivers.trident.history import between  # after a change of ours alone

            key, versions = (mirror.namespace, mirror.name), (changed.since, mirror.version)
            history = between(self._client, MIRRORS, key, versions, look)
            if changed.passed(history):
                self._watched.add(mirror.claimed)
        return mirror.claimed in self._watched

    def _relationships(self, look: Look) -> Mapping[str, Relationship] | None:
        """ONTAP's word, if it comes soon: a look shall not be late because of what it can do without."""
        if self._ontap is None:
            return None
        half = look.remaining(self._clock) / 2
        brief = replace(look, deadline=self._clock.monotonic() + half, retry=False)
        try:
            return self._ontap.relationships(brief)
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("ontap", f"ONTAP cannot be asked: {error.message}")
            return None

    def _attached(self, reader: Reader, look: Look) -> Mapping[str, int] | None:
        try:
            return mirrors.attachments_by_volume(reader.items(ATTACHMENTS, look))
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("attachments", f"who has volumes attached cannot be read: {error.message}")
            return None

    def _notice(self, topic: str, message: str) -> None:
        self._report(Noticed(topic=topic, message=message, backend=self._backend))

    # -- being told ------------------------------------------------------------------------------------------

    def watches(self) -> Mapping[str, Callable[[Told, Cancel], None]]:
        """Mirror relationships, of which it is told; and their claims, which are only kept."""
        return {
            MIRRORS.plural: lambda told, cancel: self._follow(MIRRORS, told, cancel),
            CLAIMS.plural: lambda told, cancel: self._follow(CLAIMS, _tell_nobody, cancel),
        }

    def thing(self, end: End) -> str:
        return _thing(mirror_key(end))

    def _follow(self, resource: Resource, told: Told, cancel: Cancel) -> None:
        look = Look(deadline=self._clock.monotonic() + FOLLOW_SECONDS, retry=True, cancel=cancel)
        self._kept[resource].follow(
            self._client, look, lambda keys: told(frozenset(_thing(key) for key in keys))
        )

    # -- acting ----------------------------------------------------------------------------------------------

    def act(
        self, end: End, action: str, arguments: Mapping[str, Scalar], seen: Observation, look: Look
    ) -> Receipt:
        """Send one change of the relationship that was seen, or make what bears the operation's name."""
        self._writer.act(end, action, arguments, seen, look)
        return Receipt()

    def follow(self, receipt: Receipt, look: Look) -> Followed:
        """There are no jobs: the states tell."""
        return Followed(ended=True)

    def errand(self, end: End, action: str, arguments: Mapping[str, Scalar], look: Look) -> Errand:
        return self._writer.errand(end, action, arguments, look, self._ahead)

    def tidy(self, end: End, operation: str, look: Look, *, in_vain: bool) -> None:
        self._writer.tidy(end, operation, look, in_vain=in_vain)

    @property
    def _writer(self) -> Writer:
        from replctl.drivers.trident.writing import Writer  # for a change alone

        return Writer(self._client, self._snapshot_class)

    def _ahead(self, look: Look) -> float | None:
        """How far the cluster's clock may be ahead of ours; None where it cannot be read."""
        offset = self.clock_offset(look)
        return None if offset is None else offset.seconds + offset.margin_seconds

    def volumes(self, end: End, seen: Observation, look: Look) -> tuple[Volume, ...]:
        """The one volume that pods are given, by its claim; raises NotFound where no volume is known."""
        volume, claim = seen.vendor.get("persistent_volume"), seen.vendor.get("pvc")
        if not volume:
            raise NotFound(f"it is not known which volume the {end} has", backend=self._backend)
        return (Volume(str(volume), str(claim) if claim else None),)

    # -- what there is ---------------------------------------------------------------------------------------

    def capabilities(self, look: Look) -> Capabilities:
        """The API server's release, and what Trident serves on it; raises NotInstalled where it is not there."""
        reader = self._reader
        version = self._read_version(reader, look)
        return Capabilities(kind=KIND, version=version, words=reader.resources(look))

    def _read_version(self, reader: Reader, look: Look) -> str | None:
        if self._version is None:
            self._version = reader.version(look)
        return self._version

    def contact(self, seconds: float) -> Contact:
        """Name, connection and certificate, without signing in; never raises for the cluster's trouble."""
        from replctl.drivers.handshake import contact  # for `doctor` alone

        try:
            return contact(self._client.connection, seconds)
        except InvalidInput as error:
            return Contact(trouble=error)

    def count_sessions(self, look: Look) -> int:
        """How many mirror relationships there are."""
        return len(self._reader.items(MIRRORS, look))

    def clock_offset(self, look: Look) -> ClockOffset | None:
        """The API server's clock against ours, by the `Date` of an answer; None when it does not say."""
        try:
            answer = self._reader.date_of(look)
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("clock", f"the API server's clock cannot be read: {error.message}")
            return None
        if answer.date_at is None or answer.received_at < answer.sent_at:
            return None
        half = (answer.received_at - answer.sent_at) / 2
        return ClockOffset(answer.date_at - (answer.sent_at + half), half + DATE_SECONDS)

    def discover(self, look: Look) -> Inventory:
        """What is there, remembered for the discovery's time to live (R76)."""
        return self._discovery.get(lambda: self._discover(look))

    def _discover(self, look: Look) -> Inventory:
        reader = self._reader
        return inventory.take(reader, KIND, self._read_version(reader, look), look)

    def close(self) -> None:
        """Let go of the connections."""
        with self._lock:
            opened = self._opened
        if opened is not None:
            opened[1].close()
        if self._ontap is not None:
            self._ontap.client.close()


def _thing(key: Key) -> str:
    return "/".join(key)


def _tell_nobody(things: Collection[str]) -> None:
    """What happens to a claim changes no role; the next look sees it."""


def _access(settings: ClusterSettings, bare: Connection, local: Local) -> Access:
    """The way to the cluster, read now; raises InvalidConfiguration."""
    if settings.in_cluster or settings.kubeconfig is None:
        return in_pod(bare, local)
    return by_kubeconfig(bare, settings.kubeconfig, settings.context, local)


def _ontap(
    system: OntapSettings,
    bare: Connection,
    password: Callable[[], Secret],
    shared: Mapping[str, Any],
) -> Ontap:
    """The client of ONTAP. Breaker and budget are its own: its silence says nothing of Kubernetes."""
    connection = replace(
        bare,
        backend=f"{bare.backend}.ontap",
        url=system.url,
        tls=Tls(ca_file=system.tls.ca_file, verify=system.tls.verify),
    )
    sign_in: SignIn = OntapSignIn(system.username, password)
    dialect = Dialect(error_message)
    return Ontap(BackendClient(connection, sign_in, dialect=dialect, budget=Budget(), **shared))
