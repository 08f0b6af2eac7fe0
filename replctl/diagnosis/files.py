"""Whether both files are right, who may change them, and whether every secret can be read; no secret is kept."""

from __future__ import annotations

import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from replctl.core.errors import InvalidConfiguration
from replctl.diagnosis.checks import Check, any_fails, fails, warns, well
from replctl.settings import SecretReference, Settings, resolve_secret, validate
from replctl.settings.validation import Validation, in_a_row

CONFIGURATION, MODE, SECRET = "configuration", "file-mode", "secret"
VALIDATE = "mend the file, then: replctl config validate"


def check_files(flags: Mapping[str, str], environ: Mapping[str, str]) -> list[Check]:
    """Every mistake of either file, and who may write them."""
    try:
        found = validate(flags, environ)
    except InvalidConfiguration as error:
        return misconfigured(error)
    return [*_of_validation(found), *(_mode(path) for path in found.files if path.exists())]


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
        yield warns(CONFIGURATION, notice.place, notice.message, "mend it there, or know why it is so")


def _mode(path: Path) -> Check:
    """Who else may write a file that says where passwords are sent to."""
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & stat.S_IWOTH:
        return fails(MODE, str(path), f"mode {mode:04o}: everyone may change it", f"chmod o-w {path}")
    if mode & stat.S_IWGRP:
        return warns(MODE, str(path), f"mode {mode:04o}: its group may change it", f"chmod g-w {path}")
    return well(MODE, str(path), f"mode {mode:04o}: only its owner may change it")


def check_secrets(settings: Settings) -> list[Check]:
    """Whether each backend's password can be read now, and how it is kept."""
    return [_secret(settings, name) for name in sorted(settings.backends) if _has_password(settings, name)]


def _has_password(settings: Settings, backend: str) -> bool:
    return getattr(settings.backends[backend], "password", None) is not None


def _secret(settings: Settings, backend: str) -> Check:
    source = getattr(settings.backends[backend], "password", None)
    kept = str(source).strip("<>") if isinstance(source, SecretReference) else "from the configuration itself"
    try:
        reading = resolve_secret(settings, backend)
    except InvalidConfiguration as error:
        why = "; ".join(f"{each.value}: {each.allowed}" for each in error.findings) or error.message
        cure = error.remedy or f"mend backends.{backend}.password, or what it names"
        return fails(SECRET, backend, f"the password cannot be read: {why}", cure)
    if reading.notice is None:
        return well(SECRET, backend, f"the password can be read {kept}")
    cure = f"let its owner alone read it: chmod go= {_path_of(source)}"
    return warns(SECRET, backend, reading.notice.message, cure)


def _path_of(source: object) -> str:
    return str(source.file) if isinstance(source, SecretReference) and source.file is not None else "FILE"
