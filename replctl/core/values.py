"""`dataclass` as the standard library makes it, for less: more than a hundred frozen values are made at each start.

The library writes the source of six methods for every frozen class and compiles each. Comparing, hashing and showing
need no source: those are made from the names of the fields, and what the library compiles is halved.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
else:

    def dataclass(**options: Any) -> Callable[[type], type]:
        """As `dataclasses.dataclass`, with the same options; only `frozen=True` is made otherwise."""
        if not options.get("frozen") or options.get("order") or not options.get("eq", True):
            return dataclasses.dataclass(**options)
        make = dataclasses.dataclass(**{**options, "eq": False, "repr": False})
        return lambda cls: _finished(make(cls), shows=options.get("repr", True))


def _finished(cls: type, *, shows: bool) -> type:
    own, fields = vars(cls), dataclasses.fields(cls)
    compared = _getter([each.name for each in fields if each.compare])
    hashed = _getter([each.name for each in fields if (each.compare if each.hash is None else each.hash)])
    shown = [each.name for each in fields if each.repr]

    def __eq__(self: Any, other: object) -> Any:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def __hash__(self: Any) -> int:
        return hash(hashed(self))

    def __repr__(self: Any) -> str:
        parts = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{self.__class__.__qualname__}({parts})"

    for method in (__eq__, __hash__, *([__repr__] if shows else [])):
        if own.get(method.__name__) is None:  # else the class has one of its own
            setattr(cls, method.__name__, method)
    return cls


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    if not names:
        return lambda _: ()
    get: Callable[[Any], Any] = attrgetter(*names)
    return get if len(names) > 1 else lambda value: (get(value),)
