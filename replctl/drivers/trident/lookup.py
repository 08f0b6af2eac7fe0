"""From the ends that the file names to what a cluster says of them: by name where they are few, in lists where many.
Where a watch has told of them lately its copy stands for the lists.

Each end is a mirror relationship in a namespace; its claim is read with it. Reads by name run at the same time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from replctl.core.errors import Interrupted, NotFound, NotInstalled, ReplctlError
from replctl.core.model import End, Observation
from replctl.drivers.kubernetes.objects import NO_BODY, Body, part, text
from replctl.drivers.trident.keeping import NO_COPIES, Copies, Key
from replctl.drivers.trident.mirrors import Mirror, no_mirror, not_found
from replctl.drivers.trident.reading import CLAIMS, MIRRORS, Reader
from replctl.resilience import Look

BY_NAME = 50  # up to so many ends are asked for by name (design §12)
T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Found:
    """A relationship with its claim: None where that cannot be told, empty where it is not there."""

    mirror: Mirror
    claim: Body | None


class Lookup:
    """One look at one cluster."""

    def __init__(
        self,
        reader: Reader,
        parallel: int,
        look: Look,
        notice: Callable[[str, str], None],
        copies: Copies = NO_COPIES,
    ) -> None:
        self._copies = copies
        self._reader = reader
        self._parallel = parallel
        self._look = look
        self._notice = notice

    def find(self, ends: Sequence[End]) -> Mapping[End, Found | Observation]:
        """Every end's objects, or the observation that they are not there; raises what reading mirrors raises."""
        if self._copies.mirrors is not None or len(ends) > BY_NAME:
            return self._in_lists(ends)
        return dict(zip(ends, self._at_once(self._by_name, ends), strict=True))

    def _by_name(self, end: End) -> Found | Observation:
        namespace, name = mirror_key(end)
        try:
            mirror = Mirror(self._reader.item(MIRRORS, namespace, name, self._look))
        except NotInstalled:
            raise
        except NotFound:
            claim = self._claim(namespace, end.words.get("pvc", ""))
            return self._without_mirror(end, claim)
        return Found(mirror, self._claim(namespace, mirror.claim))

    def _claim(self, namespace: str, name: str) -> Body | None:
        """The claim; a look that fails says nothing about it and takes nothing away from the relationship."""
        if not name:
            return None
        try:
            return self._reader.item(CLAIMS, namespace, name, self._look)
        except NotFound:
            return NO_BODY
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("claims", f"claims cannot be read: {error.message}")
            return None

    def _in_lists(self, ends: Sequence[End]) -> Mapping[End, Found | Observation]:
        kept = self._copies.mirrors
        mirrors = kept.bodies if kept is not None else _by_key(self._reader.items(MIRRORS, self._look))
        claims = self._claims()
        found: dict[End, Found | Observation] = {}
        for end in ends:
            namespace, name = mirror_key(end)
            body = mirrors.get((namespace, name))
            called = Mirror(body).claim if body is not None else end.words.get("pvc", "")
            claim = claims.get((namespace, called), NO_BODY) if claims is not None and called else None
            found[end] = self._without_mirror(end, claim) if body is None else Found(Mirror(body), claim)
        return found

    def _claims(self) -> Mapping[Key, Body] | None:
        if self._copies.claims is not None:
            return self._copies.claims.bodies
        try:
            return _by_key(self._reader.items(CLAIMS, self._look))
        except Interrupted:
            raise
        except ReplctlError as error:
            self._notice("claims", f"claims cannot be read: {error.message}")
            return None

    def _without_mirror(self, end: End, claim: Body | None) -> Observation:
        """Absent: of a claim that is there, only its mirroring is."""
        backend, now = self._reader.backend, self._copies.heard_at or self._reader.now()
        namespace, name = mirror_key(end)
        if claim:
            return no_mirror(backend, claim, now)
        return not_found(backend, f"mirror relationship {namespace}/{name}", now)

    def _at_once(self, ask: Callable[[T], R], things: Sequence[T]) -> list[R]:
        """Ask about each, several at a time; the first error is raised."""
        if len(things) < 2:
            return [ask(thing) for thing in things]
        with ThreadPoolExecutor(max_workers=min(self._parallel, len(things))) as pool:
            asked = [pool.submit(copy_context().run, ask, thing) for thing in things]
            return [future.result() for future in asked]


def mirror_key(end: End) -> Key:
    """Namespace and name of an end's mirror relationship, as the file has them."""
    return end.words["namespace"], end.words["mirror"]


def _by_key(bodies: Sequence[Body]) -> Mapping[Key, Body]:
    found: dict[Key, Body] = {}
    for body in bodies:
        metadata = part(body, "metadata")
        found[text(metadata, "namespace"), text(metadata, "name")] = body
    return found
