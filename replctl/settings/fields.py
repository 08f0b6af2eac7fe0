"""The kinds of values that a configuration holds, each with what it accepts and how the schema says so.

A file's values have the type that is written there; a `Typed` text, from a flag or a variable, becomes a number
or a truth where one is wanted. Every refusal says what is allowed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from replctl.core.durations import DURATION_ALLOWED, DURATION_PATTERN, InvalidDuration, parse_duration
from replctl.core.names import LONGEST_NAME, NAME_ALLOWED, NAME_PATTERN, is_name
from replctl.settings.origin import Typed

URL_PATTERN = r"^https://[^/?#@\s]+/?$"
URL_ALLOWED = "https://HOST or https://HOST:PORT, without user, path or /api/rest"
ADDRESS_PATTERN = r"^(\[[0-9A-Fa-f:.]+\]|[^:\s\[\]]+):[0-9]{1,5}$"
ADDRESS_ALLOWED = "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080"
HIGHEST_PORT = 65535
PATH_FORMAT = "path"  # in the schema: tells a text that names a file from any other


class Model(BaseModel):
    """A table of the configuration: frozen, strict, and no key that it does not know."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, hide_input_in_errors=True, validate_by_name=False
    )


@dataclass(frozen=True, slots=True)
class Base:
    """What relative paths are relative to: the file's directory, or where the command was typed."""

    directory: Path
    home: Path
    cwd: Path

    def path(self, text: str) -> Path:
        start = self.cwd if isinstance(text, Typed) else self.directory
        if text == "~" or text.startswith("~/"):
            return self.home / text[2:]
        return start / text


def wrong(allowed: str) -> PydanticCustomError:
    """The error whose only message is what is allowed; where and what it was is added outside."""
    return PydanticCustomError("allowed", "{allowed}", {"allowed": allowed})


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str):
        raise wrong(DURATION_ALLOWED)
    try:
        return parse_duration(value)
    except InvalidDuration as error:
        raise wrong(error.findings[0].allowed) from None


def _some(value: float) -> float:
    if value <= 0:
        raise wrong("a duration above zero, such as 5s")
    return value


def _from_typed(value: Any) -> Any:
    """A number or a truth out of a typed text; anything else stays what it is and is judged as such."""
    if not isinstance(value, Typed):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return str(value)


def _path(value: Any, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise wrong("a path")
    assert isinstance(info.context, Base)
    return info.context.path(value)


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        right = parts.scheme == "https" and bool(parts.hostname) and parts.path in ("", "/")
        right = right and parts.username is None and not (parts.query or parts.fragment) and parts.port != 0
    except ValueError:
        right = False
    if not right or any(character.isspace() for character in value):
        raise wrong(URL_ALLOWED)
    return value.rstrip("/")


def split_address(text: str) -> tuple[str, int]:
    """Host and port of `127.0.0.1:8080` or `[::1]:8080`."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)


def _address(value: str) -> str:
    if not re.fullmatch(ADDRESS_PATTERN, value) or split_address(value)[1] > HIGHEST_PORT:
        raise wrong(ADDRESS_ALLOWED)
    return value


def _name(value: str) -> str:
    if not is_name(value):
        raise wrong(NAME_ALLOWED)
    return value


Duration = Annotated[
    float, BeforeValidator(_seconds), WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN})
]
SomeDuration = Annotated[
    float,
    BeforeValidator(_seconds),
    AfterValidator(_some),
    WithJsonSchema({"type": "string", "pattern": DURATION_PATTERN, "not": {"pattern": r"^0+[a-z]+$"}}),
]
Count = Annotated[int, BeforeValidator(_from_typed)]
Number = Annotated[float, BeforeValidator(_from_typed)]
Truth = Annotated[bool, BeforeValidator(_from_typed)]
Text = Annotated[str, Field(min_length=1)]
FilePath = Annotated[
    Path, PlainValidator(_path), WithJsonSchema({"type": "string", "minLength": 1, "format": PATH_FORMAT})
]
Url = Annotated[str, AfterValidator(_url), WithJsonSchema({"type": "string", "pattern": URL_PATTERN})]
Address = Annotated[
    str, AfterValidator(_address), WithJsonSchema({"type": "string", "pattern": ADDRESS_PATTERN})
]
Name = Annotated[
    str,
    AfterValidator(_name),
    WithJsonSchema({"type": "string", "pattern": NAME_PATTERN, "maxLength": LONGEST_NAME}),
]


def duration(default: str, alias: str, description: str) -> Any:
    """A duration with its default as people type it; inside it is float seconds."""
    return Field(
        default=parse_duration(default),
        alias=alias,
        description=description,
        json_schema_extra={"default": default},
    )
