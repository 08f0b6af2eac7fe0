"""One check of `doctor`: what was looked at, how it stands, and the cure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from replctl.core.errors import ReplctlError
from replctl.core.model import Trouble


class Level(StrEnum):
    """How a check came out; only `fail` changes the exit code."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """`name` is what was checked and `subject` of what; `cure` a command or an edit, empty when all is well."""

    name: str
    subject: str
    level: Level
    sentence: str
    cure: str = ""


def well(name: str, subject: str, sentence: str) -> Check:
    return Check(name=name, subject=subject, level=Level.OK, sentence=sentence)


def warns(name: str, subject: str, sentence: str, cure: str) -> Check:
    return Check(name=name, subject=subject, level=Level.WARN, sentence=sentence, cure=cure)


def fails(name: str, subject: str, sentence: str, cure: str) -> Check:
    return Check(name=name, subject=subject, level=Level.FAIL, sentence=sentence, cure=cure)


def of_error(name: str, subject: str, error: ReplctlError | Trouble, cure: str) -> Check:
    """A failed check in the error's own words; `cure` where it brings none."""
    return fails(name, subject, error.message, error.remedy or cure)


def any_fails(checks: Iterable[Check]) -> bool:
    return any(check.level is Level.FAIL for check in checks)
