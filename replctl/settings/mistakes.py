"""What pydantic found wrong, as findings that people can act on: where, what it is, what is allowed.

A value is shown only where it cannot be a secret: never at or beneath a `password`, never at a key that we do
not know, and no text with an `@` in it, which may be a URL with a password.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from replctl.core.errors import Finding, excerpt
from replctl.settings.config import Config
from replctl.settings.origin import HIDDEN_KEY, MOST_TOLD, Layers, Path, is_secret
from replctl.settings.secrets import PASSWORD_TAGS

KINDS = ("powerstore", "trident")
UNTOLD = Finding("", "one more", "")
_WANTED: Mapping[str, str] = {
    "bool_type": "true or false",
    "dict_type": "a table of keys",
    "float_type": "a number",
    "int_type": "a whole number",
    "list_type": "a list",
    "model_type": "a table of keys",
    "model_attributes_type": "a table of keys",
    "string_type": "a text; quote it if it reads as a number, yes, no or null",
    "string_too_short": "a text that is not empty",
    "finite_number": "a finite number",
}


def findings(error: ValidationError, layers: Layers) -> list[Finding]:
    """Every mistake that pydantic found; from too many on not what they are."""
    found = error.errors(include_url=False)
    untold = [UNTOLD] * (len(found) - MOST_TOLD)
    return [*(_finding(mistake, layers) for mistake in found[:MOST_TOLD]), *untold]


def suggest(word: str, known: Iterable[str]) -> str:
    """`did you mean "password"? ` when something near is known, or begins like it, else nothing."""
    words = list(known)
    begun = [each for each in words if len(word) > 1 and each.startswith(word)]
    near = get_close_matches(word, words, n=1) or begun
    return f'did you mean "{near[0]}"? ' if near else ""


def shown(value: Any) -> str:
    """A value for a message: texts quoted and cut, tables and lists only named."""
    if isinstance(value, str):
        return "a text (not shown)" if "@" in value else f'"{excerpt(value)}"'
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list | tuple):
        return "a list"
    return "nothing" if value is None else excerpt(json.dumps(value, default=str))


def _finding(mistake: Any, layers: Layers) -> Finding:
    kind, path = mistake["type"], _path(mistake["loc"])
    if kind == "extra_forbidden":
        return _unknown_key(path, layers)
    if kind == "missing":
        field = _models_at(path[:-1], layers.values)
        return layers.finding(path, "missing", _purpose(field, path[-1]))
    if kind.startswith("union_tag"):
        return _kind(path, layers, kind == "union_tag_not_found")
    value = "a secret (not shown)" if is_secret(path) else shown(mistake["input"])
    return layers.finding(path, value, _allowed(kind, mistake.get("ctx", {})))


def _path(loc: tuple[str | int, ...]) -> Path:
    """The keys as in the file: without the tags by which pydantic tells variants apart."""
    path: list[str] = []
    for index, part in enumerate(loc):
        variant = index == 2 and loc[0] == "backends"
        source = part in PASSWORD_TAGS and path[-1:] == [HIDDEN_KEY]
        if part != "[key]" and not variant and not source:
            path.append(str(part))
    return tuple(path)


def _unknown_key(path: Path, layers: Layers) -> Finding:
    known = [key for model in _models_at(path[:-1], layers.values) for key in _keys(model)]
    if is_secret(path[:-1]):
        path = path[:-1]  # {hunter2} is a table with one key, which is the secret
        return layers.finding(path, "unknown key", f"allowed: {', '.join(known)}")
    return layers.finding(path, "unknown key", f"{suggest(path[-1], known)}allowed: {', '.join(known)}")


def _kind(path: Path, layers: Layers, missing: bool) -> Finding:
    path = (*path, "kind")
    value: Any = layers.values
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    hint = suggest(value, KINDS) if isinstance(value, str) else ""
    return layers.finding(path, "missing" if missing else shown(value), f"{hint}allowed: {', '.join(KINDS)}")


def _allowed(kind: str, context: Mapping[str, Any]) -> str:
    if "allowed" in context:
        return str(context["allowed"])
    if "expected" in context:
        return f"allowed: {context['expected']}"
    for bound, words in (("ge", "at least"), ("le", "at most"), ("gt", "above"), ("lt", "below")):
        if bound in context:
            return f"{words} {context[bound]}"
    if kind == "too_short":
        return f"at least {context.get('min_length', 1)}"
    return _WANTED.get(kind, "another value")


def _purpose(models: list[type[BaseModel]], key: str) -> str:
    for model in models:
        for name, field in model.model_fields.items():
            if key == (field.alias or name) and field.description:
                return f"required: {field.description}"
    return "required"


def _keys(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _models_at(path: Path, values: Any) -> list[type[BaseModel]]:
    """The models that a table at the path may be; a backend's kind chooses among them."""
    models: list[type[BaseModel]] = [Config]
    annotation: Any = Config
    for key in path:
        values = values.get(key) if isinstance(values, dict) else None
        annotation = _step(annotation, models, key)
        models = _of_kind(list(_models_in(annotation)), values)
    return models


def _step(annotation: Any, models: list[type[BaseModel]], key: str) -> Any:
    if get_origin(annotation) is dict:
        return get_args(annotation)[1]
    for model in models:
        for name, field in model.model_fields.items():
            if key == (field.alias or name):
                return field.annotation
    return None


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) is not dict:
        for inner in get_args(annotation):
            yield from _models_in(inner)


def _of_kind(models: list[type[BaseModel]], values: Any) -> list[type[BaseModel]]:
    if len(models) < 2 or not isinstance(values, dict):
        return models
    chosen = [
        model for model in models if values.get("kind") in get_args(model.model_fields["kind"].annotation)
    ]
    return chosen or models
