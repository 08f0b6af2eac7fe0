"""Judging both files at once, for `config validate`: every mistake of either, and what else is worth saying."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.settings import files
from replctl.settings.desired import Replications, parse_replications
from replctl.settings.effective import leaves
from replctl.settings.loading import REPLICATIONS_NAME, Draft, Settings, draft_of
from replctl.settings.mistakes import KINDS
from replctl.settings.origin import Notice, counted
from replctl.settings.secrets import SecretReference


@dataclass(frozen=True, slots=True, kw_only=True)
class Validation:
    """What both files are worth: no findings, or every mistake; and what is no mistake but worth saying.

    `mistakes` counts those that are not told one by one, too.
    """

    files: tuple[Path, ...]
    shown: tuple[str, ...]
    findings: tuple[Finding, ...]
    mistakes: int
    notices: tuple[Notice, ...]
    backends: int
    replications: int

    @property
    def sentence(self) -> str:
        if self.findings:
            return counted(in_a_row(self.shown), self.mistakes)
        return f"valid: {_many(self.backends, 'backend')}, {_many(self.replications, 'replication')}"


def validate(
    flags: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    *,
    home: Path | None = None,
    cwd: Path | None = None,
) -> Validation:
    """Judge the configuration and its desired-state file; raises InvalidConfiguration only without any file.

    No secret is read. The desired state is judged even when the configuration is wrong, as long as that one
    says of which kind each backend is.
    """
    draft = draft_of(flags, environ, home=home, cwd=cwd)
    settings = draft.settings(draft.model) if draft.model is not None else None
    path = _replications_path(draft, settings)
    replications, found = _replications(draft, path)
    web = settings.daemon.web_config_file if settings is not None else None
    others = (*found, *(_web_mistakes(draft, web) if web is not None else ()))
    named = [draft.path, path, *([web] if web is not None else [])]
    return Validation(
        files=tuple(named),
        shown=tuple(draft.around.shown(each) for each in named),
        findings=(*draft.wrong, *others),
        mistakes=draft.mistakes + len(others),
        notices=(
            *(settings.notices if settings else ()),
            *(_unreachable(settings) if settings else ()),
        ),
        backends=len(_kinds(draft) or {}),
        replications=len(replications or ()),
    )


def in_a_row(names: Sequence[str]) -> str:
    """`a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _replications_path(draft: Draft, settings: Settings | None) -> Path:
    if settings is not None:
        return settings.replications_path
    named = draft.layers.values.get("replications")
    return draft.path.parent / (named if isinstance(named, str) else REPLICATIONS_NAME)


def _replications(draft: Draft, path: Path) -> tuple[Replications | None, tuple[Finding, ...]]:
    kinds = _kinds(draft)
    if kinds is None:
        return None, ()
    try:
        shown = draft.around.shown(path)
        file = files.read(path, files.LARGEST_REPLICATIONS_BYTES, shown)
        return parse_replications(file.text, path, kinds, shown), ()
    except InvalidConfiguration as error:
        return None, error.findings


def _web_mistakes(draft: Draft, path: Path) -> tuple[Finding, ...]:
    from replctl.settings.webconfig import load_web_config  # few configurations name such a file

    try:
        load_web_config(path, draft.around.shown(path))
    except InvalidConfiguration as error:
        return error.findings
    return ()


def _kinds(draft: Draft) -> dict[str, str] | None:
    """The backends with their kind, unless one's is not known: then ends on it cannot be judged."""
    backends = draft.layers.values.get("backends")
    known: dict[str, str] = {}
    for name, backend in backends.items() if isinstance(backends, dict) else ():
        kind = backend.get("kind") if isinstance(backend, dict) else None
        if kind not in KINDS:
            return None
        known[name] = kind
    return known or None


def _unreachable(settings: Settings) -> Iterator[Notice]:
    """Files that the configuration names and that this user cannot read here."""
    for path, value in leaves(settings.model):
        named = value.file if isinstance(value, SecretReference) else value
        if path[0] == "backends" and isinstance(named, Path) and not os.access(named, os.R_OK):
            yield Notice(settings.layers.place(path), f"{named} cannot be read here")
