"""Whether both files are right, who may change them, and whether every secret can be read; no secret is kept."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from replctl.core.errors import InvalidConfiguration
from replctl.diagnosis.checks import Check, any_fails, fails, warns, well
from replctl.drivers.kubernetes import kubeconfig
from replctl.settings import SecretReference, Settings, resolve_secret, validate
from replctl.settings.validation import Validation, in_a_row

CONFIGURATION, MODE, SECRET = "configuration", "file-mode", "secret"
TOLD_AGAIN = "mend it there, or know why it is so; replctl config validate tells it again"
VALIDATE = "mend the file, then: replctl config validate"


def check_files(flags: Mapping[str, str], environ: Mapping[str, str]) -> list[Check]:
    """Every mistake of either file, and who may write them."""
    try:
        found = validate(flags, environ)
    except InvalidConfiguration as error:
        return misconfigured(error)
    there = [path for path in found.files if path.exists()]
    return [*_of_validation(found), *(_mode(path) for path in there), *_ways_in(there)]


def is_sound(checks: Iterable[Check]) -> bool:
    """Whether the files can be worked with, whoever may write them."""
    return not any_fails(check for check in checks if check.name == CONFIGURATION)


def misconfigured(error: InvalidConfiguration) -> list[Check]:
    """An error as checks: one for each of its findings."""
    cure = error.remedy or VALIDATE
    if not error.findings:
        return [fails(CONFIGURATION, "config.yaml", error.message, cure)]
    return [
        fails(CONFIGURATION, each.place, f"{each.value}: {each.allowed}", cure) for each in error.findings
    ]


def _of_validation(found: Validation) -> Iterator[Check]:
    for finding in found.findings:
        yield fails(CONFIGURATION, finding.place, f"{finding.value}: {finding.allowed}", VALIDATE)
    if not found.findings:
        yield well(CONFIGURATION, in_a_row(found.shown), found.sentence)
    for notice in found.notices:
        yield warns(CONFIGURATION, notice.place, notice.message, TOLD_AGAIN)


def _mode(path: Path) -> Check:
    """Who else may write a file that says where passwords are sent to."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWOTH:
        return fails(MODE, str(path), f"mode {mode:04o}: everyone may change it", f"chmod o-w {path}")
    if mode & stat.S_IWGRP:
        return warns(MODE, str(path), f"mode {mode:04o}: its group may change it", f"chmod g-w {path}")
    return well(MODE, str(path), f"mode {mode:04o}: only its owner may change it")


def _ways_in(paths: Iterable[Path]) -> Iterator[Check]:
    """Directories in which everyone may put another file in the place of one of these, whoever owns it."""
    above = {parent for path in paths for way in (path.absolute(), path.resolve()) for parent in way.parents}
    for directory in sorted(above):
        mode = stat.S_IMODE(directory.stat().st_mode)
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            said = f"mode {mode:04o}: everyone may put another file in the place of one that is in it"
            yield fails(MODE, str(directory), said, f"chmod o-w {directory}")


def check_secrets(settings: Settings) -> list[Check]:
    """Whether each backend's secrets can be read now, and how they are kept."""
    return [check for name in sorted(settings.backends) for check in _secrets(settings, name)]


def _secrets(settings: Settings, backend: str) -> Iterator[Check]:
    configured: Any = settings.backends[backend]
    if getattr(configured, "password", None) is not None:
        yield _secret(settings, backend, "password", configured.password)
    if getattr(configured, "ontap", None) is not None:
        yield _secret(settings, backend, "ontap.password", configured.ontap.password)
    if configured.kind == "trident" and not configured.in_cluster:
        for path in kubeconfig.files(configured.kubeconfig, settings.around.environ):
            yield from _kubeconfig(backend, path)


def _secret(settings: Settings, backend: str, key: str, source: object) -> Check:
    what = "the password" if key == "password" else f"the password of {key.partition('.')[0]}"
    kept = str(source).strip("<>") if isinstance(source, SecretReference) else "from the configuration itself"
    try:
        reading = resolve_secret(settings, backend, key)
    except InvalidConfiguration as error:
        why = "; ".join(f"{each.value}: {each.allowed}" for each in error.findings) or error.message
        cure = error.remedy or f"mend backends.{backend}.{key}, or what it names"
        return fails(SECRET, backend, f"{what} cannot be read: {why}", cure)
    if reading.notice is None:
        return well(SECRET, backend, f"{what} can be read {kept}")
    cure = f"let its owner alone read it: chmod go= {_path_of(source)}"
    return warns(SECRET, backend, reading.notice.message, cure)


def _kubeconfig(backend: str, path: Path) -> Iterator[Check]:
    """It may hold tokens and keys; whether it is there and right is for the backend's checks."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        said = f"{path} has mode {mode:04o}: everyone may read what is in it, or change whom it trusts"
        yield warns(SECRET, backend, said, f"chmod o= {path}")


def _path_of(source: object) -> str:
    return str(source.file) if isinstance(source, SecretReference) and source.file is not None else "FILE"
