"""Whether a document that was read fits its shape, with the first place where it does not.

For files of ours that somebody else may have touched in between. It knows the hints that `shapes` are made of.
"""

from __future__ import annotations

import types
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints, is_typeddict

from replctl.core.errors import Finding, InvalidInput, excerpt

_SCALARS = (str, int, float, bool, type(None))
_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}


def check(shape: Any, value: object, place: str) -> None:
    """Raises InvalidInput with place, value and what is allowed; `place` is what is read, such as its file's name."""
    found = _wrong(shape, value, "")
    if found is not None:
        where, what, allowed = found
        finding = Finding(f"{place}: {where or 'all of it'}", what, allowed)
        raise InvalidInput(f"{place} is not what it should be", findings=[finding])


_Wrong = tuple[str, str, str] | None


def _wrong(hint: Any, value: object, place: str) -> _Wrong:
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _wrong(inner[0], value, place)
    if origin in (Union, types.UnionType):
        tried = [_wrong(each, value, place) for each in inner]
        return None if None in tried else next(each for each in tried if each is not None)
    if origin is Literal:
        return None if value in inner and type(value) in map(type, inner) else _no(place, value, inner)
    if origin is list:
        return _in_list(inner[0], value, place)
    if origin is dict:
        return _in_table(dict.fromkeys(value, inner[1]) if isinstance(value, dict) else {}, value, place)
    return _plain(hint, value, place)


def _plain(hint: Any, value: object, place: str) -> _Wrong:
    if is_typeddict(hint):
        hints = get_type_hints(hint, include_extras=True)
        return _in_table(hints, value, place, hint.__required_keys__)
    if issubclass(hint, Enum):
        words = tuple(member.value for member in hint)
        return None if value in words else _no(place, value, words)
    if hint is float and type(value) is int:
        return None
    return None if type(value) is hint else (place, _shown(value), _WORDS[hint])


def _in_list(inner: Any, value: object, place: str) -> _Wrong:
    if not isinstance(value, list):
        return place, _shown(value), "a list"
    tried = (_wrong(inner, each, f"{place}[{at}]") for at, each in enumerate(value))
    return next((each for each in tried if each is not None), None)


def _in_table(
    hints: dict[str, Any], value: object, place: str, required: frozenset[str] = frozenset()
) -> _Wrong:
    if not isinstance(value, dict):
        return place, _shown(value), "a table"
    head = f"{place}." if place else ""
    for key in sorted(required - value.keys()):
        return f"{head}{key}", "missing", "required"
    for key, each in value.items():
        if key not in hints:
            return f"{head}{excerpt(str(key))}", "unknown", f"one of {', '.join(hints)}"
        found = _wrong(hints[key], each, f"{head}{key}")
        if found is not None:
            return found
    return None


def _no(place: str, value: object, allowed: tuple[object, ...]) -> _Wrong:
    return place, _shown(value), " or ".join(str(each) for each in allowed)


def _shown(value: object) -> str:
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return excerpt(str(value)) if isinstance(value, _SCALARS) else type(value).__name__
