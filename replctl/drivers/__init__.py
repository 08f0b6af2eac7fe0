"""Which driver speaks to which kind of backend (R73, R79).

A kind is a word of the configuration and is looked up as such: nothing is guessed from class names, nothing is
"the first available". Our own kinds are known by their place and imported only when asked for; the installed
packages are searched (entry point group `replctl.drivers`) only for a kind that we do not know, because that
search is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from importlib import import_module
from threading import Lock
from types import MappingProxyType
from typing import Any, Protocol

from replctl.core.errors import Finding, InvalidConfiguration, InvalidInput

ENTRY_POINT_GROUP = "replctl.drivers"
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "powerstore": "replctl.drivers.powerstore:PowerStoreDriver",
        "trident": "replctl.drivers.trident:TridentDriver",
    }
)


class DriverClass(Protocol):
    """What is registered under a kind: something that opens a backend. Each driver documents what `open` takes."""

    @property
    def open(self) -> Callable[..., Any]: ...


class Installed(Protocol):
    """An entry point of an installed package, as `importlib.metadata` gives it."""

    @property
    def name(self) -> str: ...

    @property
    def value(self) -> str: ...

    def load(self) -> Any: ...


def installed_drivers() -> Iterable[Installed]:
    """The drivers that installed packages offer; imported here because the import alone costs milliseconds."""
    from importlib.metadata import entry_points

    return entry_points(group=ENTRY_POINT_GROUP)


class Registry:
    """Kinds and their drivers. Raises InvalidInput for a kind that is empty, registered twice or unknown."""

    def __init__(
        self,
        built_in: Mapping[str, str] = BUILT_IN,
        installed: Callable[[], Iterable[Installed]] = installed_drivers,
    ) -> None:
        self._built_in = built_in
        self._installed = installed
        self._loaders: dict[str, Callable[[], DriverClass]] = {
            kind: partial(_load, place) for kind, place in built_in.items()
        }
        self._searched = False
        self._lock = Lock()

    def register(self, kind: str, driver: DriverClass) -> None:
        """Add a driver under `kind`; one kind, one driver."""
        with self._lock:
            self._add(kind, lambda: driver)

    def find(self, kind: str) -> DriverClass:
        """The driver of `kind`; an unknown one is an error that names the kinds there are."""
        with self._lock:
            _refuse_empty(kind)
            if kind not in self._loaders:
                self._search()
            if kind not in self._loaders:
                raise self._unknown(kind)
            return self._loaders[kind]()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind there is, the installed ones too: a search, for lists and for error messages."""
        with self._lock:
            self._search()
            return tuple(sorted(self._loaders))

    def _add(self, kind: str, load: Callable[[], DriverClass]) -> None:
        _refuse_empty(kind)
        if kind in self._loaders:
            raise InvalidInput(f"a driver of kind {kind} is registered already")
        self._loaders[kind] = load

    def _search(self) -> None:
        """Take up what installed packages offer, unloaded; our own entry points name what is known already."""
        if self._searched:
            return
        for offered in self._installed():
            if self._built_in.get(offered.name) != offered.value:
                self._add(offered.name, offered.load)
        self._searched = True

    def _unknown(self, kind: str) -> InvalidInput:
        finding = Finding("kind", kind, f"one of {', '.join(sorted(self._loaders))}")
        return InvalidConfiguration(f"no driver of kind {kind} is known", findings=(finding,))


def _load(place: str) -> DriverClass:
    module, _, attribute = place.partition(":")
    loaded: DriverClass = getattr(import_module(module), attribute)
    return loaded


def _refuse_empty(kind: str) -> None:
    if not kind.strip():
        raise InvalidInput("a driver needs a kind; this one is empty")


REGISTRY = Registry()
