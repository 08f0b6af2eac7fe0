"""The query language of the arrays: select, filters, order, paging (CP §4). Text in, functions over rows out.

A schema says which fields and relations a resource has and how to read them from a row; what a row is, this module
does not care. Whatever it does not understand is BadQuery, as the arrays answer 400.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import translate
from functools import lru_cache
from re import IGNORECASE
from re import compile as compile_pattern
from typing import Any
from urllib.parse import parse_qsl

DEFAULT_PAGE = 100
LARGEST_PAGE = 2000
QUERIES_REMEMBERED = 4096

Row = Any
Getter = Callable[[Row], Any]
Test = Callable[[Row], bool]


class BadQuery(ValueError):
    """A query that the array refuses with 400."""


class BadRange(ValueError):
    """A page that the array refuses with 416."""


@dataclass(frozen=True, slots=True)
class Field:
    """A property: how to read it, since which release, and how filters compare it."""

    get: Getter
    since: tuple[int, ...] = (1,)
    kind: str = "text"  # text, name (case does not count), number, bool, time, json
    filterable: bool = True


@dataclass(frozen=True, slots=True)
class Relation:
    """Other objects that can be selected along, one or many."""

    schema: Callable[[], "Schema"]
    get: Getter
    many: bool = True
    since: tuple[int, ...] = (1,)


@dataclass(frozen=True, eq=False)
class Schema:
    """A resource: its fields and relations. `simple` ones ignore filters, order and pages (CP §1).

    `select` is what a query gets that selects nothing: the id alone, for all but the login (CP §2, §4).
    """

    name: str
    fields: Mapping[str, Field]
    relations: Mapping[str, Relation] = field(default_factory=dict)
    simple: bool = False
    select: str = "id"
    by_name: bool = False
    indexed: tuple[str, ...] = ("id",)


@dataclass(frozen=True, slots=True)
class Query:
    """A query that was understood."""

    build: Callable[[Row], dict[str, Any]]
    tests: tuple[Test, ...]
    equals: Mapping[str, tuple[str, ...]]
    order: tuple[tuple[str, Getter, bool], ...]
    offset: int
    limit: int


@lru_cache(maxsize=QUERIES_REMEMBERED)
def parse(schema: Schema, version: tuple[int, ...], text: str, header: str | None, lenient: bool) -> Query:
    """Understand a query string and a Range header; raises BadQuery or BadRange.

    `lenient` lets unknown fields in select pass.
    """
    select, order = schema.select, ""
    page: dict[str, str] = {}
    tests: list[Test] = []
    equals: dict[str, tuple[str, ...]] = {}
    for key, value in parse_qsl(text, keep_blank_values=True):
        if key == "select":
            select = value
        elif key == "order":
            order = value
        elif key in ("offset", "limit"):
            page[key] = value
        elif not schema.simple:
            tests.append(_read_filter(schema, version, key, value))
            _remember_equality(schema, key, value, equals)
    offset, limit = (0, LARGEST_PAGE) if schema.simple else _read_page(page, header)
    return Query(
        build=_read_select(schema, version, select, lenient),
        tests=tuple(tests),
        equals=equals,
        order=() if schema.simple else _read_order(schema, version, order),
        offset=offset,
        limit=limit,
    )


def own_fields(schema: Schema, version: tuple[int, ...]) -> list[str]:
    """What `*` stands for in a release."""
    names = schema.fields.items()
    return [name for name, f in names if f.since <= version and not name.endswith("_l10n")]


def split(text: str) -> list[str]:
    """Split at commas outside parentheses and quotes."""
    parts: list[str] = []
    depth, start, quoted = 0, 0, False
    for at, sign in enumerate(text):
        if sign == '"':
            quoted = not quoted
        elif quoted:
            continue
        elif sign == "(":
            depth += 1
        elif sign == ")":
            depth -= 1
        elif sign == "," and depth == 0:
            parts.append(text[start:at])
            start = at + 1
    if depth or quoted:
        raise BadQuery(f"unbalanced: {text}")
    parts.append(text[start:])
    return [part.strip() for part in parts]


# Select


def _read_select(
    schema: Schema, version: tuple[int, ...], text: str, lenient: bool
) -> Callable[[Row], dict[str, Any]]:
    getters: dict[str, Getter] = {}
    for part in split(text):
        getters.update(_read_selected(schema, version, part, lenient))
    pairs = tuple(getters.items())

    def build(row: Row) -> dict[str, Any]:
        return {name: get(row) for name, get in pairs}

    return build


def _read_selected(schema: Schema, version: tuple[int, ...], part: str, lenient: bool) -> dict[str, Getter]:
    if part == "*":
        return {name: schema.fields[name].get for name in own_fields(schema, version)}
    name, bracket, inner = part.partition("(")
    if name in schema.fields and not bracket and schema.fields[name].since <= version:
        return {name: schema.fields[name].get}
    relation = schema.relations.get(name)
    if relation is not None and relation.since <= version:
        wanted = inner[:-1] if bracket else "id"
        return {name: _follow(relation, _read_select(relation.schema(), version, wanted, lenient))}
    if lenient:
        return {}
    raise BadQuery(f"{schema.name} has no property {name}")


def _follow(relation: Relation, build: Callable[[Row], dict[str, Any]]) -> Getter:
    if relation.many:
        return lambda row: [build(other) for other in relation.get(row)]

    def one(row: Row) -> dict[str, Any] | None:
        other = relation.get(row)
        return None if other is None else build(other)

    return one


# Order and pages


def _read_order(schema: Schema, version: tuple[int, ...], text: str) -> tuple[tuple[str, Getter, bool], ...]:
    result = []
    for part in split(text) if text else []:
        name, _, direction = part.partition(".")
        if direction not in ("", "asc", "desc"):
            raise BadQuery(f"cannot order by {part}")
        result.append((name, _find_field(schema, version, name).get, direction == "desc"))
    return tuple(result)


def _read_page(page: Mapping[str, str], header: str | None) -> tuple[int, int]:
    first, limit = page.get("offset", "0"), page.get("limit", str(DEFAULT_PAGE))
    if header is not None and not page:
        first, _, last = header.strip().partition("-")
        if not (first.isdecimal() and last.isdecimal()) or int(last) < int(first):
            raise BadRange(f"malformed range {header}")
        limit = str(int(last) - int(first) + 1)
    if not first.isdecimal() or not limit.isdecimal() or int(limit) == 0:
        raise BadRange("offset and limit must be whole numbers, limit above 0")
    return int(first), min(int(limit), LARGEST_PAGE)


# Filters


def _find_field(schema: Schema, version: tuple[int, ...], name: str) -> Field:
    found = schema.fields.get(name)
    if found is None or found.since > version or not found.filterable:
        raise BadQuery(f"{schema.name} cannot be queried by {name}")
    return found


def _read_filter(schema: Schema, version: tuple[int, ...], key: str, value: str) -> Test:
    negated = key.startswith("not.")
    if key.removeprefix("not.") in ("and", "or"):
        return _negate(_read_logic(schema, version, key.removeprefix("not."), value), negated)
    return _read_condition(schema, version, key, value)


def _read_logic(schema: Schema, version: tuple[int, ...], word: str, value: str) -> Test:
    if not (value.startswith("(") and value.endswith(")")):
        raise BadQuery(f"{word} needs parentheses")
    tests = [_read_term(schema, version, part) for part in split(value[1:-1])]
    combine: Callable[[Iterable[bool]], bool] = all if word == "and" else any
    return lambda row: combine(test(row) for test in tests)


def _read_term(schema: Schema, version: tuple[int, ...], text: str) -> Test:
    plain = text.removeprefix("not.")
    for word in ("and", "or"):
        if plain.startswith(word + "("):
            return _negate(_read_logic(schema, version, word, plain[len(word) :]), plain != text)
    name, dot, rest = text.partition(".")
    if not dot:
        raise BadQuery(f"cannot read the filter {text}")
    return _read_condition(schema, version, name, rest)


def _read_condition(schema: Schema, version: tuple[int, ...], key: str, value: str) -> Test:
    name, *path = key.replace("->>", "->").split("->")
    found = _find_field(schema, version, name)
    get = _descend(found.get, path) if path else found.get
    plain = value.removeprefix("not.")
    op, dot, wanted = plain.partition(".")
    if not dot or op not in _OPERATORS:
        raise BadQuery(f"unknown operator in {key}={value}")
    test = _OPERATORS[op](get, "text" if path else found.kind, wanted)
    return _negate(test, plain != value)


def _negate(test: Test, negated: bool) -> Test:
    return (lambda row: not test(row)) if negated else test


def _descend(get: Getter, path: list[str]) -> Getter:
    def read(row: Row) -> Any:
        value = get(row)
        for step in path:
            if isinstance(value, list):
                value = value[int(step)] if step.isdecimal() and int(step) < len(value) else None
            else:
                value = value.get(step) if isinstance(value, dict) else None
        return value

    return read


def _read_value(kind: str, text: str) -> Any:
    """A filter's value in the type that its field has; raises BadQuery."""
    text = text.strip('"')
    try:
        if kind == "number":
            return float(text)
        if kind == "time":
            return datetime.fromisoformat(text.replace(" ", "+")).astimezone(UTC)
    except ValueError as e:
        raise BadQuery(f"{text!r} is not a {kind}") from e
    if kind == "bool":
        if text.lower() not in ("true", "false"):
            raise BadQuery(f"{text!r} is neither true nor false")
        return text.lower() == "true"
    return text.lower() if kind == "name" else text


def _normal(kind: str, value: Any) -> Any:
    """A field's value in the form in which it is compared."""
    if kind == "time" and value is not None:
        return datetime.fromisoformat(value)
    return value.lower() if kind == "name" and isinstance(value, str) else value


def _compare(accept: Callable[[Any, Any], bool]) -> Callable[[Getter, str, str], Test]:
    def make(get: Getter, kind: str, text: str) -> Test:
        wanted = _read_value(kind, text)

        def test(row: Row) -> bool:
            value = _normal(kind, get(row))
            return value is not None and accept(value, wanted)

        return test

    return make


def _among(get: Getter, kind: str, text: str) -> Test:
    if not (text.startswith("(") and text.endswith(")")):
        raise BadQuery("in needs parentheses")
    wanted = {_read_value(kind, part) for part in split(text[1:-1])}
    return lambda row: _normal(kind, get(row)) in wanted


def _is_null(get: Getter, kind: str, text: str) -> Test:
    if text.lower() in ("true", "false"):
        return lambda row: get(row) is (text.lower() == "true")
    if text.lower() != "null":
        raise BadQuery("is needs null, true or false")
    return lambda row: get(row) is None


def _like(get: Getter, kind: str, text: str) -> Test:
    pattern = compile_pattern(translate(text.replace("%", "*").replace("[", "[[]")), IGNORECASE)
    return lambda row: isinstance(value := get(row), str) and pattern.match(value) is not None


def _list_of(text: str) -> set[str]:
    return {part.strip('"') for part in split(text.strip("{}[]"))} - {""}


def _words(value: Any) -> set[str]:
    items = value if isinstance(value, list) else [value]
    return {item if isinstance(item, str) else json.dumps(item) for item in items if item is not None}


def _contains(get: Getter, kind: str, text: str) -> Test:
    wanted = _list_of(text)
    return lambda row: _words(get(row)) >= wanted


def _contained(get: Getter, kind: str, text: str) -> Test:
    wanted = _list_of(text)
    return lambda row: _words(get(row)) <= wanted


_OPERATORS: dict[str, Callable[[Getter, str, str], Test]] = {
    "eq": _compare(lambda value, wanted: value == wanted),
    "neq": _compare(lambda value, wanted: value != wanted),
    "gt": _compare(lambda value, wanted: value > wanted),
    "gte": _compare(lambda value, wanted: value >= wanted),
    "lt": _compare(lambda value, wanted: value < wanted),
    "lte": _compare(lambda value, wanted: value <= wanted),
    "ilike": _like,
    "in": _among,
    "is": _is_null,
    "cs": _contains,
    "cd": _contained,
}


def _remember_equality(schema: Schema, key: str, value: str, equals: dict[str, tuple[str, ...]]) -> None:
    """Note a filter that an index can answer, so that not every row need be looked at."""
    if key not in schema.indexed:
        return
    if value.startswith("eq."):
        equals[key] = (value[3:].strip('"'),)
    elif value.startswith("in.(") and value.endswith(")"):
        equals[key] = tuple(part.strip('"') for part in split(value[4:-1]))
