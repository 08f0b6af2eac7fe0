"""The configuration as it is in force: every value as a file would say it, and who set it.

For `config show`; secrets are named by where they are kept and never shown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from replctl.core.durations import write_duration
from replctl.core.model import Scalar
from replctl.core.secrets import Secret
from replctl.settings.loading import Settings
from replctl.settings.origin import Origin
from replctl.settings.origin import Path as KeyPath
from replctl.settings.secrets import SecretReference

INLINE = "<in the configuration itself>"


@dataclass(frozen=True, slots=True)
class Effective:
    """One value in force; None is unset."""

    key: str
    value: Scalar
    origin: Origin


def origins(settings: Settings) -> list[Effective]:
    """Every value in force with its origin, in the order of the documentation."""
    computed: dict[KeyPath, Any] = {
        ("replications",): settings.replications_path,
        ("state_dir",): settings.store_directory,
    }
    return [
        Effective(".".join(path), _shown(computed.get(path, value)), settings.layers.set_by(path))
        for path, value in leaves(settings.model)
    ]


def leaves(model: BaseModel, path: KeyPath = ()) -> Iterator[tuple[KeyPath, Any]]:
    """Every value of a model by the file's keys; a duration as text, a secret as where it is kept."""
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        if name.endswith("_seconds") and value is not None:
            value = write_duration(value)
        yield from _leaves(value, (*path, field.alias or name))


def _leaves(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, Any]]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _leaves(inner, (*path, key))
    elif isinstance(value, BaseModel) and not isinstance(value, SecretReference):
        yield from leaves(value, path)
    else:
        yield path, value


def _shown(value: Any) -> Scalar:
    if isinstance(value, Secret):
        return INLINE
    if isinstance(value, SecretReference):
        return value.described
    if isinstance(value, Path):
        return str(value)
    assert value is None or isinstance(value, str | int | float | bool)
    return value
