"""The first two files of somebody who has none: their text, and laying them down, all or nothing.

Nothing that is there is ever written over. A password stands in a file of its own, which its owner alone can read,
and is never in a text of ours.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from replctl.core.errors import InvalidInput
from replctl.core.secrets import Secret
from replctl.settings.loading import (
    CONFIG_NAME,
    CONFIG_VARIABLE,
    REPLICATIONS_NAME,
    SYSTEM_DIRECTORY,
    Surroundings,
    default_state_directory,
)

CREDENTIALS_NAME = "credentials"
STATE_NAME = "state"
OPEN_FILE, PRIVATE_FILE, PRIVATE_DIRECTORY = 0o644, 0o600, 0o700
_PLAIN = re.compile(r"[A-Za-z~./][-A-Za-z0-9~._/]*")  # with what follows a colon, YAML takes it for a text
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "~", "."})
HEAD = """\
# Where the arrays and clusters are. `replctl doctor` checks it, `replctl config show` says what is in force,
# and replctl-config(5) knows every key.
"""
NO_ENTRIES = """\
# What is replicated; `replctl import` writes an entry for each session and mirror that it finds:
#
# - namespace: bank
#   name: ledger
#   state: replica            # what the local end shall be: source or replica
#   mode: asynchronous
#   rpo: 5m
#   local: {backend: west, volume_group: ledger-vg}
#   peer:  {backend: east, volume_group: ledger-vg}
replications: []
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewArray:
    """A PowerStore; its password is either kept by replctl in a file of its own (`secret`), or elsewhere (`kept`)."""

    name: str
    url: str
    username: str
    secret: Secret | None = None
    kept: Mapping[str, str | Sequence[str]] = field(default_factory=dict)
    ca_file: Path | None = None

    @property
    def source(self) -> Mapping[str, str | Sequence[str]]:
        """Where the configuration says that the password is."""
        return self.kept or {"file": f"{CREDENTIALS_NAME}/{self.name}"}


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCluster:
    """A Kubernetes cluster with Trident; without a context the current one of the kubeconfig."""

    name: str
    kubeconfig: Path
    context: str | None = None


NewBackend = NewArray | NewCluster


@dataclass(frozen=True, slots=True)
class NewFile:
    """A file to be laid down; one whose mode is private holds a secret."""

    path: Path
    text: str = field(repr=False)
    mode: int = OPEN_FILE

    @property
    def is_private(self) -> bool:
        return self.mode == PRIVATE_FILE


@dataclass(frozen=True, slots=True)
class Place:
    """Where the files go: the configuration, and what lies beside it. `found` where it is sought by itself."""

    config: Path
    found: bool
    state: Path | None

    @property
    def replications(self) -> Path:
        return self.config.parent / REPLICATIONS_NAME

    def credential(self, backend: str) -> Path:
        return self.config.parent / CREDENTIALS_NAME / backend


def place_of(flag: str | None, environ: Mapping[str, str], *, uid: int | None = None) -> Place:
    """As named by flag or variable; else the system's place for root, and the home directory for anybody else."""
    around = Surroundings.of(environ, None, None)
    named = flag or environ.get(CONFIG_VARIABLE)
    if named:
        start = around.home / named[2:] if named.startswith("~/") else around.cwd / named
        return Place(start, flag is None, default_state_directory(start, around))
    root = (os.geteuid() if uid is None else uid) == 0
    directory = SYSTEM_DIRECTORY if root else around.xdg("XDG_CONFIG_HOME", ".config") / "replctl"
    config = directory / CONFIG_NAME
    return Place(config, True, default_state_directory(config, around))


def refuse_existing(paths: Iterable[Path]) -> None:
    """Raises InvalidInput for the first that is there, whatever it is."""
    for path in paths:
        if os.path.lexists(path):
            raise _is_there(path)


def _is_there(path: Path) -> InvalidInput:
    return InvalidInput(
        f"{path} is there already, and nothing is written over",
        remedy="edit it, and check it by `replctl config validate`; or name another place with --config FILE",
    )


def config_text(backends: Sequence[NewBackend], place: Place) -> str:
    """`config.yaml` with these backends."""
    lines = ["backends:"]
    for each in backends:
        lines += [f"  {each.name}:", *(f"    {line}" for line in _lines(each))]
    lines.append(f"replications: {REPLICATIONS_NAME}")
    if place.state is None:  # nothing else says where
        lines.append(f"state_dir: {STATE_NAME}")
    return HEAD + "\n".join(lines) + "\n"


def _lines(backend: NewBackend) -> Iterator[str]:
    if isinstance(backend, NewCluster):
        yield "kind: trident"
        yield f"kubeconfig: {word(str(backend.kubeconfig))}"
        if backend.context is not None:
            yield f"context: {word(backend.context)}"
        return
    yield "kind: powerstore"
    yield f"url: {word(backend.url)}"
    yield f"username: {word(backend.username)}"
    kept = ", ".join(f"{key}: {_value(value)}" for key, value in backend.source.items())
    yield f"password: {{{kept}}}"
    if backend.ca_file is not None:
        yield f"tls: {{ca_file: {word(str(backend.ca_file))}}}"


def _value(value: str | Sequence[str]) -> str:
    return word(value) if isinstance(value, str) else f"[{', '.join(word(each) for each in value)}]"


def word(text: str) -> str:
    """A text as one would write it; in quotes what YAML would take for something else."""
    plain = _PLAIN.fullmatch(text) is not None and text.lower() not in _WORDS
    return text if plain or (text.startswith("https://") and _is_plain_url(text)) else json.dumps(text)


def _is_plain_url(text: str) -> bool:
    return re.fullmatch(r"https://[-A-Za-z0-9.]+(:[0-9]+)?/?", text) is not None


def new_files(backends: Sequence[NewBackend], place: Place, replications: str) -> list[NewFile]:
    """Everything that is to be laid down, the configuration last: without it nothing is in force."""
    secrets = [
        NewFile(place.credential(each.name), each.secret.reveal() + "\n", PRIVATE_FILE)
        for each in backends
        if isinstance(each, NewArray) and each.secret is not None
    ]
    return [
        *secrets,
        NewFile(place.replications, replications),
        NewFile(place.config, config_text(backends, place)),
    ]


def lay_down(files: Sequence[NewFile]) -> None:
    """All of them, or none; raises InvalidInput where one is there by now, or cannot be written."""
    refuse_existing(each.path for each in files)
    directories: list[Path] = []
    laid: list[Path] = []
    try:
        for each in files:
            directories += _made(each.path.parent, private=each.is_private)
            _lay(each)
            laid.append(each.path)
    except BaseException as error:
        for path in reversed(laid):
            path.unlink(missing_ok=True)
        for directory in reversed(directories):
            with suppress(OSError):  # somebody put something in it meanwhile
                directory.rmdir()
        if isinstance(error, FileExistsError):
            raise _is_there(files[len(laid)].path) from error
        if isinstance(error, OSError):
            said = f"{error.filename or 'the files'} cannot be written: {error.strerror or error}"
            raise InvalidInput(said, remedy="name another place with --config FILE") from error
        raise


def _made(directory: Path, *, private: bool) -> list[Path]:
    """The directories that were not there, outermost first."""
    missing = [each for each in (directory, *directory.parents) if not each.exists()][::-1]
    for each in missing:
        each.mkdir(PRIVATE_DIRECTORY if private and each == directory else 0o755)
    return missing


def _lay(new: NewFile) -> None:
    """Whole and on disk before it has its name; raises FileExistsError when something has that name."""
    descriptor, name = tempfile.mkstemp(dir=new.path.parent, prefix=f".{new.path.name}.")
    made = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(new.text)
            stream.flush()
            os.fchmod(stream.fileno(), new.mode)
            os.fsync(stream.fileno())
        os.link(made, new.path)
    finally:
        made.unlink(missing_ok=True)
