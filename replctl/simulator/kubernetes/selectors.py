"""Label and field selectors (CT §12.1)."""

import re
from collections.abc import Callable
from typing import Any

from replctl.simulator.kubernetes.kinds import Kind
from replctl.simulator.kubernetes.statuses import Object, bad_request

Test = Callable[[Object], bool]
_SET = re.compile(r"\s*([^\s!=(),]+)\s+(in|notin)\s+\(([^)]*)\)\s*")
_EQUAL = re.compile(r"\s*([^\s!=(),]+)\s*(==|=|!=)\s*([^\s!=(),]*)\s*")
_EXISTS = re.compile(r"\s*(!?)\s*([^\s!=(),]+)\s*")
_COMMA = re.compile(r",(?![^(]*\))")


def by_labels(text: str) -> list[Test]:
    """The tests of a label selector; refused with 400 where it cannot be read."""
    return [_label_test(part) for part in _COMMA.split(text)] if text.strip() else []


def _label_test(part: str) -> Test:
    if found := _SET.fullmatch(part):
        name, word, values = found[1], found[2], {value.strip() for value in found[3].split(",")}
        if word == "in":
            return lambda body: _labels(body).get(name) in values
        return lambda body: _labels(body).get(name) not in values
    if found := _EQUAL.fullmatch(part):
        name, sign, value = found[1], found[2], found[3]
        if sign == "!=":
            return lambda body: _labels(body).get(name) != value
        return lambda body: _labels(body).get(name) == value
    if found := _EXISTS.fullmatch(part):
        name, absent = found[2], bool(found[1])
        return lambda body: (name in _labels(body)) is not absent
    raise bad_request(f"unable to parse requirement: {part!r}")


def _labels(body: Object) -> dict[str, Any]:
    return body["metadata"].get("labels") or {}


def by_fields(kind: Kind, text: str) -> list[Test]:
    """The tests of a field selector; refused with 400 where a field cannot be selected by."""
    return [_field_test(kind, part) for part in text.split(",")] if text.strip() else []


def _field_test(kind: Kind, part: str) -> Test:
    found = _EQUAL.fullmatch(part)
    if found is None:
        raise bad_request(f"invalid selector: {part!r}")
    name, sign, value = found[1], found[2], found[3]
    if name not in ("metadata.name", "metadata.namespace", *kind.selectable):
        raise bad_request(f"field label not supported: {name}")
    return lambda body: (str(find_field(body, name)) == value) is (sign != "!=")


def find_field(body: Object, path: str) -> Any:
    """The value at a dotted path, "" if there is none."""
    found: Any = body
    for word in path.split("."):
        found = found.get(word, "") if isinstance(found, dict) else ""
    return found


def named_by(tests_text: str) -> str | None:
    """The one name that a field selector asks for, if it does."""
    found = re.fullmatch(r"\s*metadata\.name\s*==?\s*([^,\s]+)\s*", tests_text)
    return found[1] if found else None
