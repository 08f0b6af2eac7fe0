"""Where a secret is kept, and reading it at the moment it is needed.

A file, a variable, a systemd credential, a command, or the text itself in a configuration that its owner alone
can read (design §8). Nothing is read before somebody asks, so a verb that does not touch a backend does not
touch its secret; nothing is kept, so a rotated secret is found at the next sign-in. No error shows a value, nor
anything that a command said.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import SkipJsonSchema

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.core.secrets import Secret
from replctl.settings.fields import FilePath, Model, wrong
from replctl.settings.files import Unreadable, slurp
from replctl.settings.origin import Notice

COMMAND_TIMEOUT_SECONDS = 10.0
LARGEST_SECRET_BYTES = 64 * 1024
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
OWN_PREFIX = "REPLCTL_"
CREDENTIAL_PATTERN = r"^(?!\.{1,2}$)[^/\x00]+$"
SOURCES = frozenset({"file", "env", "credential", "command"})
ONE_OF_SOURCES = "exactly one of file, env, credential, command"


def _credential(value: str) -> str:
    if not value or "/" in value or "\0" in value or value in (".", ".."):
        raise wrong("the name of a credential, no path")
    return value


Credential = Annotated[
    str, AfterValidator(_credential), WithJsonSchema({"type": "string", "pattern": CREDENTIAL_PATTERN})
]
CommandLine = Annotated[list[str], Field(min_length=1)]


class SecretReference(Model):
    """Where to read the secret; exactly one of the four."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    file: FilePath | SkipJsonSchema[None] = Field(
        default=None, description="A file that holds it, not readable by everyone; relative to this file."
    )
    env: str | SkipJsonSchema[None] = Field(
        default=None, min_length=1, description="The environment variable that holds it."
    )
    credential: Credential | SkipJsonSchema[None] = Field(
        default=None, description="The systemd credential that holds it."
    )
    command: CommandLine | SkipJsonSchema[None] = Field(
        default=None,
        description="A program with its arguments, run without a shell; the first line it prints is the secret.",
    )

    @model_validator(mode="before")
    @classmethod
    def _exactly_one(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        given = SOURCES & set(value)
        if not value or len(given) > 1 or any(value[source] is None for source in given):
            raise wrong(ONE_OF_SOURCES)
        return value

    @property
    def described(self) -> str:
        """Where it is read, without the arguments of a command: those may be secret too."""
        if self.command is not None:
            return f"<from command {self.command[0]}>"
        if self.env is not None:
            return f"<from environment {self.env}>"
        if self.credential is not None:
            return f"<from credential {self.credential}>"
        return f"<from file {self.file}>"

    def __repr__(self) -> str:
        return self.described

    __str__ = __repr__


def _inline(value: Any) -> Secret:
    if not isinstance(value, str) or not value:
        raise wrong(f"a text, or {ONE_OF_SOURCES}")
    return Secret(str(value))


def _tag(value: Any) -> str:
    return "reference" if isinstance(value, dict | SecretReference) else "inline"


InlineSecret = Annotated[Secret, PlainValidator(_inline), WithJsonSchema({"type": "string", "minLength": 1})]
Password = Annotated[
    Annotated[InlineSecret, Tag("inline")] | Annotated[SecretReference, Tag("reference")],
    Discriminator(_tag),
]
PASSWORD_TAGS = frozenset({"inline", "reference"})


def variables(model: BaseModel) -> Iterator[str]:
    """The environment variables by which a configuration keeps secrets."""
    if isinstance(model, SecretReference):
        if model.env is not None:
            yield model.env
        return
    for name in type(model).model_fields:
        value = getattr(model, name)
        for inner in value.values() if isinstance(value, dict) else [value]:
            if isinstance(inner, BaseModel):
                yield from variables(inner)


@dataclass(frozen=True, slots=True)
class Keeper:
    """The environment that secrets are read from, and that programs we start may see.

    `named_variables` are those that hold secrets by `env:`; no child process sees them.
    """

    environ: Mapping[str, str] = field(repr=False)
    named_variables: frozenset[str] = frozenset()

    def child_environment(self) -> dict[str, str]:
        """For programs that we start: no REPLCTL_* and no variable that holds a secret."""
        return {
            name: value
            for name, value in self.environ.items()
            if not name.startswith(OWN_PREFIX) and name not in self.named_variables
        }


@dataclass(frozen=True, slots=True)
class Reading:
    """A secret that was read, and what is worth saying about the way it is kept."""

    secret: Secret
    notice: Notice | None = None


def read(source: Secret | SecretReference, place: str, keeper: Keeper) -> Reading:
    """Read the secret now; raises InvalidConfiguration naming `place` and what is wrong, never a value."""
    if isinstance(source, Secret):
        return Reading(source)
    try:
        text, notice = _read(source, keeper)
        if not text:
            raise _Unresolved("it is empty")
    except _Unresolved as error:
        finding = Finding(place, source.described, str(error))
        # The reason stands in the message too: where a backend's trouble is shown, that is all there is room for.
        message = f"{place}: the secret cannot be read: {error}"
        raise InvalidConfiguration(message, findings=[finding]) from None
    return Reading(Secret(text), Notice(place, notice) if notice else None)


class _Unresolved(Exception):
    """Why a secret cannot be read, in words that hold nothing of it."""


def _read(source: SecretReference, keeper: Keeper) -> tuple[str, str]:
    if source.env is not None:
        return _variable(source.env, keeper), ""
    if source.credential is not None:
        directory = keeper.environ.get(CREDENTIALS_VARIABLE)
        if not directory:
            raise _Unresolved(f"{CREDENTIALS_VARIABLE} is not set; systemd sets it for LoadCredential=")
        return _file(Path(directory) / source.credential)[0], ""
    if source.command is not None:
        return _command(source.command, keeper), ""
    assert source.file is not None
    text, mode = _file(source.file)
    return text, _judge_mode(mode, source.file)


def _variable(name: str, keeper: Keeper) -> str:
    try:
        return keeper.environ[name]
    except KeyError:
        raise _Unresolved("the variable is not set") from None


def _file(path: Path) -> tuple[str, int]:
    try:
        content, mode = slurp(path, LARGEST_SECRET_BYTES)
    except Unreadable as error:
        raise _Unresolved(str(error)) from None
    return _without_newline(_decoded(content)), mode


def _judge_mode(mode: int, path: Path) -> str:
    """Refuse what everyone can read or write; mention what a group can."""
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise _Unresolved(f"mode {mode:04o} lets everyone at it; chmod o-rw {path}")
    if mode & (stat.S_IRGRP | stat.S_IWGRP):
        return f"{path} has mode {mode:04o}: its group can read the secret"
    return ""


def _command(arguments: list[str], keeper: Keeper) -> str:
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=keeper.child_environment(),
            start_new_session=True,
            bufsize=0,
        )
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command line"
        raise _Unresolved(f"it cannot be started: {reason}") from None
    with process:
        try:
            output = _heard(process)
            process.wait(COMMAND_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            _kill(process)
            raise _Unresolved(f"it took longer than {COMMAND_TIMEOUT_SECONDS:.0f}s") from None
        except _Unresolved:
            _kill(process)
            raise
    if process.returncode != 0:
        raise _Unresolved(f"it ended with status {process.returncode}; run it by hand to see why")
    first, _, _ = _decoded(output).partition("\n")
    return first.removesuffix("\r")


def _heard(process: subprocess.Popen[bytes]) -> bytes:
    """All that it prints, up to its end; raises TimeoutExpired, and _Unresolved for more than a secret can be."""
    assert process.stdout is not None
    pipe, heard = process.stdout.fileno(), bytearray()

    def listen() -> None:
        while len(heard) <= LARGEST_SECRET_BYTES and (piece := os.read(pipe, LARGEST_SECRET_BYTES)):
            heard.extend(piece)

    ear = threading.Thread(target=listen, daemon=True, name="secret")
    ear.start()
    ear.join(COMMAND_TIMEOUT_SECONDS)
    if ear.is_alive():
        raise subprocess.TimeoutExpired(process.args, COMMAND_TIMEOUT_SECONDS)
    if len(heard) > LARGEST_SECRET_BYTES:
        raise _Unresolved(f"it printed more than {LARGEST_SECRET_BYTES // 1024} KiB")
    return bytes(heard)


def _kill(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _decoded(content: bytes) -> str:
    text: str | None = None
    with suppress(UnicodeDecodeError):
        text = content.decode()
    if (
        text is None
    ):  # raised out here: the other error holds the bytes, and would hang on ours as its context
        raise _Unresolved("not UTF-8 text")
    return text


def _without_newline(text: str) -> str:
    return text[:-1].removesuffix("\r") if text.endswith("\n") else text
