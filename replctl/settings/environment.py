"""The environment as a layer: `REPLCTL_DAEMON__METRICS_ADDRESS` and the like, taken apart by pydantic-settings.

Imported only when such a variable is there, for the sake of start-up. Each variable is read on its own, so that
every value knows which one set it. A backend's name has no `_`, so `K8S_WEST` means `k8s-west`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

from replctl.settings.config import Config
from replctl.settings.origin import HIDDEN_KEY, Origin, OriginKind, Path, Setting, Typed
from replctl.settings.secrets import OWN_PREFIX

DELIMITER = "__"


class _Variables(Config, BaseSettings):
    """The configuration's keys as variables."""

    model_config = SettingsConfigDict(
        env_prefix=OWN_PREFIX,
        env_prefix_target="all",
        env_nested_delimiter=DELIMITER,
        env_ignore_empty=True,
        defer_build=True,
    )


def layer(environ: Mapping[str, str]) -> Iterator[Setting]:
    """What the variables set; one that is empty sets nothing."""
    source = EnvSettingsSource(_Variables)
    for name in sorted(name for name in environ if name.startswith(OWN_PREFIX) and environ[name]):
        yield from _settings(source, name, environ[name])


def _settings(source: EnvSettingsSource, name: str, text: str) -> Iterator[Setting]:
    origin = Origin(OriginKind.ENVIRONMENT, name)
    path = _path(name)
    source.env_vars = {name.lower(): text}
    try:
        value: Any = source()
    except SettingsError:  # a table's variable that holds no JSON: judged as the text it is
        yield Setting(path, Typed(text), origin)
        return
    for key in name.removeprefix(OWN_PREFIX).lower().split(DELIMITER):
        if not isinstance(value, dict) or key not in value:
            return
        value = value[key]
    verbatim = path[-1] == HIDDEN_KEY or isinstance(value, str)
    yield from _spread(path, Typed(text) if verbatim else value, origin)


def _path(name: str) -> Path:
    keys = name.removeprefix(OWN_PREFIX).lower().split(DELIMITER)
    if keys[0] == "backends" and len(keys) > 1:
        keys[1] = keys[1].replace("_", "-")
    return tuple(keys)


def _spread(path: Path, value: Any, origin: Origin) -> Iterator[Setting]:
    yield Setting(path, value, origin)
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _spread((*path, str(key)), inner, origin)
