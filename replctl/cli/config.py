"""`config`: which configuration is in force, where each value comes from, and whether both files are right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from replctl.cli.options import Common

if TYPE_CHECKING:
    from pydantic import BaseModel

    from replctl.settings import Origin, Settings
    from replctl.settings.origin import Layers

Value = str | int | float | bool | None
Key = tuple[str, ...]


def show(
    context: typer.Context,
    *,
    origin: Annotated[
        bool, typer.Option("--origin", help="Say of each value who set it: file and line, variable, default.")
    ] = False,
    common: Common,
) -> int:
    """Show the configuration in force; passwords are never shown."""
    from replctl.cli import documents, tables
    from replctl.cli.output import Format
    from replctl.cli.session import output_for
    from replctl.settings import load

    here = context.obj
    rows = list(values(load(common.flags, here.environ)))
    output = output_for(here, common)
    if output.format.is_document:
        output.document(documents.configuration(rows))
    elif output.format is Format.NAME:
        output.text("".join(f"{key}\n" for key, _, _ in rows))
    else:
        output.data(tables.settings(rows, output.width, origin=origin or output.format is Format.WIDE))
    return 0


def validate(context: typer.Context, *, common: Common) -> int:
    """Check configuration and desired-state file; every mistake is told at once, with its line."""
    from replctl.cli import documents
    from replctl.cli.lines import Role, Span, line
    from replctl.cli.output import Format
    from replctl.cli.session import output_for
    from replctl.settings import load, load_replications

    here = context.obj
    settings = load(common.flags, here.environ)
    replications = load_replications(settings)
    output = output_for(here, common)
    output.say(
        line(Span("note:", Role.WARN), f" {notice}") for notice in (*settings.notices, *replications.notices)
    )
    files = (str(settings.config_path), str(settings.replications_path))
    if output.format.is_document:
        output.document(documents.validation(*files, len(settings.backends), len(replications)))
    elif output.format is Format.NAME:
        output.text("".join(f"{file}\n" for file in files))
    else:
        counts = f"{len(settings.backends)} backends, {len(replications)} replications"
        output.data([line(Span("✓", Role.GOOD), f" {files[0]} and {files[1]} are right: {counts}")])
    return 0


def path(context: typer.Context, *, common: Common) -> int:
    """Print which configuration file is used."""
    from replctl.cli import documents
    from replctl.cli.session import output_for
    from replctl.settings import find_config

    found = str(find_config(common.flags.get("config"), context.obj.environ))
    output = output_for(context.obj, common)
    if output.format.is_document:
        output.document(documents.path(found))
    else:
        output.text(f"{found}\n")
    return 0


def values(settings: Settings) -> Iterator[tuple[str, Value, str]]:
    """Every key with its value as one would type it, and who set it."""
    derived: dict[Key, Path | None] = {
        ("replications",): settings.replications_path,
        ("state_dir",): settings.store_directory,
    }
    for key, value in _walk(settings.model, ()):
        if value is None and derived.get(key) is not None:
            value = str(derived[key])
        yield ".".join(key), value, str(_origin(settings.layers, key))


def _walk(model: BaseModel, above: Key) -> Iterator[tuple[Key, Value]]:
    for name, described in type(model).model_fields.items():
        yield from _leaves(getattr(model, name), (*above, described.alias or name), name)


def _leaves(value: object, key: Key, attribute: str) -> Iterator[tuple[Key, Value]]:
    from pydantic import BaseModel

    from replctl.core.durations import write_duration
    from replctl.settings import SecretReference

    if isinstance(value, SecretReference):
        yield key, value.described
    elif isinstance(value, BaseModel):
        yield from _walk(value, key)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _leaves(inner, (*key, str(name)), attribute)
    elif isinstance(value, float) and attribute.endswith("_seconds"):
        yield key, write_duration(value)
    elif value is None or isinstance(value, str | int | float | bool):
        yield key, value
    else:
        yield key, str(value)  # a path; or a secret, which prints as stars


def _origin(layers: Layers, key: Key) -> Origin:
    """Who set the very key, or something beneath it; a table around it says nothing of a default in it."""
    from replctl.settings.origin import DEFAULT

    exact = layers.origins.get(key)
    beneath = (origin for known, origin in layers.origins.items() if known[: len(key)] == key)
    return exact or next(beneath, DEFAULT)
