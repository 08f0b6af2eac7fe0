"""From files, environment and flags to `Settings`, or to every mistake at once.

The only place that knows the order of the layers, where a configuration is looked for and where its store lies
(design §8). Nothing is read from the process itself but by default: the environment, the home directory and the
working directory can be handed in. No secret is read here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from replctl.core.breaker import BreakerSettings
from replctl.core.errors import Finding, InvalidConfiguration
from replctl.core.retry import RetryPolicy
from replctl.core.values import dataclass
from replctl.settings import files, layering, secrets
from replctl.settings.config import Backend, Config, Daemon, Discovery, Metrics
from replctl.settings.consistency import contradictions, notices
from replctl.settings.fields import Base
from replctl.settings.mistakes import findings as mistakes
from replctl.settings.origin import MOST_TOLD, Layers, Notice, counted, in_order
from replctl.settings.secrets import Keeper, Reading

CONFIG_VARIABLE = "REPLCTL_CONFIG"
CONFIG_FLAG = "config"
CONFIG_NAME = "config.yaml"
REPLICATIONS_NAME = "replications.yaml"
SYSTEM_DIRECTORY = Path("/etc/replctl")
SYSTEM_STATE_DIRECTORY = Path("/var/lib/replctl")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process stands in: its environment, home and working directory. Never printed."""

    environ: Mapping[str, str] = field(repr=False)
    home: Path
    cwd: Path

    @classmethod
    def of(cls, environ: Mapping[str, str] | None, home: Path | None, cwd: Path | None) -> Surroundings:
        """The process's own, where nothing else is given."""
        environ = os.environ if environ is None else environ
        return cls(MappingProxyType(dict(environ)), home or _home(environ), (cwd or _cwd()).absolute())

    def shown(self, path: Path) -> str:
        """A path as people call it from here."""
        near = self.cwd != Path("/") and path.is_relative_to(self.cwd)
        return str(path.relative_to(self.cwd) if near else path)

    def xdg(self, variable: str, default: str) -> Path:
        """A base directory of the XDG specification, in which a relative path counts as unset."""
        given = Path(self.environ.get(variable, ""))
        return given if given.is_absolute() else self.home / default


def _home(environ: Mapping[str, str]) -> Path:
    """In a container the user may have no home, nor even a name; then it is the root directory."""
    try:
        return Path(environ.get("HOME") or Path.home())
    except RuntimeError:
        return Path("/")


def _cwd() -> Path:
    """A working directory may have been removed under us; nothing relative can be meant then."""
    try:
        return Path.cwd()
    except FileNotFoundError:
        return Path("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The configuration in force. Durations are float seconds; paths are absolute.

    `notices` are things to say aloud that are no mistakes. `model` and `layers` are for `config show`.
    """

    config_path: Path
    replications_path: Path
    backends: Mapping[str, Backend]
    retry: RetryPolicy
    breaker: BreakerSettings
    daemon: Daemon
    metrics: Metrics
    discovery: Discovery
    history_keep_seconds: float
    observe_timeout_seconds: float
    notices: tuple[Notice, ...]
    model: Config = field(repr=False)
    layers: Layers = field(repr=False)
    keeper: Keeper = field(repr=False)
    around: Surroundings = field(repr=False)
    store_directory: Path | None

    @property
    def state_dir(self) -> Path:
        """Where the store lies; raises InvalidConfiguration when nothing says so (design §8)."""
        if self.store_directory is not None:
            return self.store_directory
        shown = self.around.shown(self.config_path)
        allowed = "required outside /etc/replctl and the home directory"
        finding = Finding(f"{shown}: state_dir", "missing", allowed)
        raise InvalidConfiguration(
            "nothing says where the store lies",
            findings=[finding],
            remedy=f"write `state_dir: DIRECTORY` into {shown}, or set REPLCTL_STATE_DIR",
        )


def find_config(
    flag: str | os.PathLike[str] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    cwd: Path | None = None,
) -> Path:
    """The configuration file: `--config`, REPLCTL_CONFIG, the XDG directory, /etc; raises InvalidConfiguration.

    What was named is taken even if it is not there, so that no other file is used in its stead.
    """
    around = Surroundings.of(environ, home, cwd)
    base = Base(around.cwd, around.home, around.cwd)
    named = os.fspath(flag) if flag else around.environ.get(CONFIG_VARIABLE)
    if named:
        return base.path(named)
    places = [around.xdg("XDG_CONFIG_HOME", ".config") / "replctl", SYSTEM_DIRECTORY]
    for place in places:
        if os.path.lexists(place / CONFIG_NAME):
            return place / CONFIG_NAME
    looked = " and ".join(str(place / CONFIG_NAME) for place in places)
    raise InvalidConfiguration(
        f"no configuration: looked for {looked}",
        remedy=f"write one of them, or name another with --config or {CONFIG_VARIABLE}",
    )


def load(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    cwd: Path | None = None,
) -> Settings:
    """The settings in force; raises InvalidConfiguration with every mistake of file, environment and flags.

    `flags` are by dotted key, such as `{"config": PATH, "daemon.interval": "10s"}`; None means not given.
    """
    draft = draft_of(flags, environ, home=home, cwd=cwd)
    if draft.model is None or draft.wrong:
        raise InvalidConfiguration(counted(draft.shown, draft.mistakes), findings=draft.wrong)
    return draft.settings(draft.model)


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A configuration as far as it could be read; `model` is None when it could not be understood.

    `wrong` are its `mistakes`, of too many the first.
    """

    path: Path
    shown: str
    around: Surroundings
    layers: Layers
    model: Config | None
    wrong: tuple[Finding, ...]
    mistakes: int

    def settings(self, model: Config) -> Settings:
        named = frozenset(secrets.variables(model))
        return Settings(
            config_path=self.path,
            replications_path=model.replications or self.path.parent / REPLICATIONS_NAME,
            backends=MappingProxyType(model.backends),
            retry=model.retry.policy,
            breaker=model.breaker.settings,
            daemon=model.daemon,
            metrics=model.metrics,
            discovery=model.discovery,
            history_keep_seconds=model.history_keep_seconds,
            observe_timeout_seconds=model.observe_timeout_seconds,
            notices=tuple(notices(model, self.layers, self.around.environ, named)),
            model=model,
            layers=self.layers,
            keeper=Keeper(self.around.environ, named),
            around=self.around,
            store_directory=model.state_dir or default_state_directory(self.path, self.around),
        )


def draft_of(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    cwd: Path | None = None,
) -> Draft:
    """Read as much as can be read; raises InvalidConfiguration only when there is no file or it is no YAML."""
    around = Surroundings.of(environ, home, cwd)
    given = {key: value for key, value in (flags or {}).items() if value is not None}
    path = find_config(given.pop(CONFIG_FLAG, None), around.environ, home=around.home, cwd=around.cwd)
    file = files.read(path, files.LARGEST_CONFIG_BYTES, around.shown(path))
    layers, wrong = _layers(file, given, around)
    wrong += contradictions(layers, file)
    model, more = _validated(layers, Base(path.parent, around.home, around.cwd))
    in_place = in_order([*wrong, *more], file.shown)
    return Draft(
        path=path,
        shown=file.shown,
        around=around,
        layers=layers,
        model=model,
        wrong=tuple(_told(in_place, file.shown)),
        mistakes=len(in_place),
    )


def _told(wrong: list[Finding], shown: str) -> list[Finding]:
    """Of too many the first, and how many more there are."""
    if len(wrong) <= MOST_TOLD:
        return wrong
    more = f"at least {len(wrong) - MOST_TOLD} more mistakes"
    return [*wrong[:MOST_TOLD], Finding(shown, more, "mend those above first")]


def _layers(file: files.File, flags: Mapping[str, Any], around: Surroundings) -> tuple[Layers, list[Finding]]:
    layers, wrong = Layers(), []
    settings, found = layering.from_file(file)
    wrong += found
    layers.lay(settings)
    layers.lay(layering.from_environment(around.environ))
    layers.lay(layering.from_flags(flags))
    return layers, wrong


def _validated(layers: Layers, base: Base) -> tuple[Config | None, list[Finding]]:
    try:
        return Config.model_validate(layers.values, context=base), []
    except ValidationError as error:
        return None, mistakes(error, layers)


def default_state_directory(config: Path, around: Surroundings) -> Path | None:
    """Where the store of a configuration lies that does not say so itself; None when nowhere."""
    if config.parent == SYSTEM_DIRECTORY:
        return SYSTEM_STATE_DIRECTORY
    homes = {around.home, around.home.resolve()} - {Path("/")}  # a daemon's home may be the root directory
    personal = around.xdg("XDG_CONFIG_HOME", ".config") / "replctl"
    if config.parent == personal or any(config.is_relative_to(home) for home in homes):
        return around.xdg("XDG_STATE_HOME", ".local/state") / "replctl"
    return None


def resolve_secret(settings: Settings, backend: str, key: str = "password") -> Reading:
    """Read a backend's secret now, and say what is worth saying about how it is kept.

    `key` is dotted for one further in, such as `ontap.password`. Raises InvalidConfiguration, which names where
    the secret is kept and what is wrong, never a value.
    """
    source: Any = settings.backends[backend]
    for part in key.split("."):
        source = getattr(source, part)
    place = settings.layers.place(("backends", backend, *key.split(".")))
    return secrets.read(source, place, settings.keeper)
