"""What each backend is (`backends`), and what is on it and in the desired-state file or not (`discover`).

One backend that fails hides no other. Only one attempt is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from replctl.bootstrap import Backend, Services
from replctl.core.breaker import BreakerState, Position
from replctl.core.errors import Interrupted, ReplctlError, trouble_of
from replctl.core.model import End, Replication, Trouble
from replctl.core.outcomes import ExitCode
from replctl.diagnosis.visiting import Patience, visit
from replctl.drivers.discovery import Inventory, Presence, Thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One backend as it stands now; None is not known. `trouble` is what kept us from all or a part of it."""

    name: str
    kind: str
    url: str | None
    reachable: bool = False
    version: str | None = None
    clock_offset_seconds: float | None = None
    clock_margin_seconds: float | None = None
    latency_seconds: float | None = None
    sessions: int | None = None
    capabilities: tuple[str, ...] = ()
    breakers: Mapping[str, Position] = field(default_factory=dict, hash=False)
    trouble: Trouble | None = None


def standings(services: Services, patience: Patience) -> list[Standing]:
    """Every configured backend, by name."""
    breakers = _breakers(services)

    def bare(name: str) -> Standing:
        settings = services.settings.backends[name]
        positions = {kind: state.position for (where, kind), state in breakers.items() if where == name}
        url = getattr(settings, "url", None)
        return Standing(name=name, kind=settings.kind, url=url, breakers=MappingProxyType(positions))

    def ask(driver: Backend) -> Standing:
        return _standing(driver, bare(driver.backend), services, patience)

    def silent(name: str, error: ReplctlError) -> Standing:
        return replace(bare(name), trouble=trouble_of(error))

    found = visit(services, sorted(services.settings.backends), ask, silent, patience.seconds)
    return list(found.values())


def _breakers(services: Services) -> Mapping[tuple[str, str], BreakerState]:
    """As the store has them; of a store that cannot be read nothing is known, and the drivers say so."""
    try:
        return services.store.breakers()
    except ReplctlError:
        return {}


def _standing(driver: Backend, bare: Standing, services: Services, patience: Patience) -> Standing:
    look = patience.look(services)
    able = driver.capabilities(look)
    words = tuple(sorted(able.words))
    known = replace(
        bare, url=bare.url or driver.url, reachable=True, version=able.version, capabilities=words
    )
    began = services.clock.monotonic()
    offset = driver.clock_offset(look)
    if offset is not None:
        known = replace(
            known,
            latency_seconds=services.clock.monotonic() - began,
            clock_offset_seconds=offset.seconds,
            clock_margin_seconds=offset.margin_seconds,
        )
    try:
        return replace(known, sessions=driver.count_sessions(look))
    except Interrupted:
        raise
    except ReplctlError as error:
        return replace(known, trouble=trouble_of(error))


def code_of(complete: Sequence[bool]) -> ExitCode:
    """As that of `status`: all answered, some, or none."""
    if all(complete):
        return ExitCode.DONE
    return ExitCode.PARTIAL if any(complete) else ExitCode.UNREACHABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing on a backend. `copies` is what a session replicates; `managed_by` the file's name for it."""

    thing: Thing
    copies: Thing | None
    replicated: bool
    managed_by: str | None

    @property
    def is_session(self) -> bool:
        return self.thing.replicates is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """All that was found on one backend."""

    inventory: Inventory
    found: tuple[Found, ...]

    @property
    def sessions(self) -> tuple[Found, ...]:
        return tuple(each for each in self.found if each.is_session)


def discover(services: Services, names: Iterable[str], patience: Patience) -> list[Findings]:
    """What is on the backends, sessions first, and what of it the desired-state file names."""

    def unknown(name: str, error: ReplctlError) -> Inventory:
        kind = services.settings.backends[name].kind
        return Inventory(
            backend=name,
            kind=kind,
            read_at=services.clock.now(),
            presence=Presence.UNKNOWN,
            missing=MappingProxyType({kind: trouble_of(error)}),
        )

    def ask(driver: Backend) -> Inventory:
        return driver.discover(patience.look(services))

    inventories = visit(services, names, ask, unknown, patience.seconds)
    known = list(services.replications.values())
    return [Findings(inventory=each, found=_found(each, known)) for each in inventories.values()]


def found_code(findings: Sequence[Findings]) -> ExitCode:
    """0 when everything was read, 11 when no backend could be asked, 3 in between."""
    presences = [each.inventory.presence for each in findings]
    if presences and all(each is Presence.UNKNOWN for each in presences):
        return ExitCode.UNREACHABLE
    return ExitCode.DONE if all(each is Presence.EVERYTHING for each in presences) else ExitCode.PARTIAL


def _found(inventory: Inventory, known: Sequence[Replication]) -> tuple[Found, ...]:
    names = _names(inventory.backend, known)
    by_id = {thing.id: thing for thing in inventory.things if thing.replicates is None}
    copied = {thing.replicates: thing for thing in inventory.things if thing.replicates is not None}
    found = []
    for thing in inventory.things:
        copies = by_id.get(thing.replicates) if thing.replicates is not None else None
        related = [thing, copies, copied.get(thing.id)]
        keys = (_key(each, names) for each in related if each is not None)
        found.append(
            Found(
                thing=thing,
                copies=copies,
                replicated=thing.replicates is not None or thing.id in copied,
                managed_by=next((key for key in keys if key is not None), None),
            )
        )
    return tuple(sorted(found, key=lambda each: (not each.is_session, each.thing.kind)))


def _names(backend: str, known: Sequence[Replication]) -> dict[tuple[str, str], str]:
    """What the file calls things of this backend: (kind, name or id) and the replication that does."""
    return {
        words: replication.key
        for replication in known
        for end in (replication.local, replication.peer)
        if end.backend == backend
        for words in _qualified(end)
    }


def _qualified(end: End) -> Iterator[tuple[str, str]]:
    """What an end is found by; names that are unique within a namespace only are said with it."""
    namespace = end.words.get("namespace")
    for kind, name in end.locator:
        if namespace is None:
            yield kind, name
        elif kind != "namespace":
            yield kind, f"{namespace}/{name}"


def _key(thing: Thing, names: Mapping[tuple[str, str], str]) -> str | None:
    return names.get((thing.kind, thing.id)) or names.get((thing.kind, thing.name))
