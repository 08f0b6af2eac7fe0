"""Configuration and desired state: files, environment and flags into values, with precise errors (design §8).

    load(flags, environ)            -> Settings        config.yaml under environment and flags
    load_replications(settings)     -> Replications    replications.yaml, judged against the backends
    reload, clashes                                    the daemon's rules for a changed file, pure
    origins(settings), validate()                      for `config show` and `config validate`
    resolve_secret(settings, name)  -> Reading         a password, at the moment it is needed

Values only: nothing here talks to a backend, and importing it imports neither YAML nor an HTTP client; what only
`config show` and `config validate` need is imported when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from replctl.settings.config import Backend, Config, PowerStoreBackend, TridentBackend
from replctl.settings.desired import (
    Identity,
    Replications,
    clashes,
    load_replications,
    parse_replications,
    reload,
)
from replctl.settings.loading import Settings, find_config, load, resolve_secret
from replctl.settings.origin import Notice, Origin, OriginKind
from replctl.settings.secrets import Keeper, Reading, SecretReference

if TYPE_CHECKING:
    from replctl.settings.effective import Effective, origins
    from replctl.settings.validation import Validation, validate

__all__ = [
    "Backend",
    "Config",
    "Effective",
    "Identity",
    "Keeper",
    "Notice",
    "Origin",
    "OriginKind",
    "PowerStoreBackend",
    "Reading",
    "Replications",
    "SecretReference",
    "Settings",
    "TridentBackend",
    "Validation",
    "clashes",
    "find_config",
    "load",
    "load_replications",
    "origins",
    "parse_replications",
    "reload",
    "resolve_secret",
    "validate",
]

_LATE = {
    "Effective": "effective",
    "origins": "effective",
    "Validation": "validation",
    "validate": "validation",
}


def __getattr__(name: str) -> Any:
    if name not in _LATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_LATE[name]}"), name)
