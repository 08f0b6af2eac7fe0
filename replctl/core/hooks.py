"""Hooks: programs of the user's around a change of roles, as values, and what their end means (design §4).

Pure. Which plan has which hooks is `core.surrounding`'s; running them is for others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType

from replctl.core.durations import format_duration
from replctl.core.values import dataclass

SAID_CHARACTERS = 500  # of what a hook printed last, kept and shown
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")


class Moment(StrEnum):
    """When a hook runs."""

    BEFORE_DEMOTE = "before_demote"  # its no is a refusal: nothing has been changed yet
    AFTER_PROMOTE = "after_promote"  # the new source was observed as such


@dataclass(frozen=True, slots=True)
class Hook:
    """A program with its arguments, no shell, and how long it may run."""

    command: tuple[str, ...]
    timeout_seconds: float

    @property
    def program(self) -> str:
        """What is shown of it: arguments may be nobody's business."""
        return self.command[0]


Hooks = Mapping[str, Hook]
"""By the name of the moment."""
NO_HOOKS: Hooks = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class HookSet:
    """All hooks that concern one replication: its own, and those of its group."""

    own: Hooks = field(default_factory=lambda: NO_HOOKS, hash=False)
    group: Hooks = field(default_factory=lambda: NO_HOOKS, hash=False)


@dataclass(frozen=True, slots=True)
class HookCall:
    """A hook as a step: `group` names the group for which it runs once, None when it is the replication's own."""

    moment: Moment
    hook: Hook
    group: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What became of a program.

    `status` is its exit status, below zero the signal that ended it, None when it did not come to its own end: then
    `fault` says why. `said` is what it printed last, fit to be shown. `interrupted`: a person stopped it.
    """

    status: int | None = None
    said: str = ""
    fault: str = ""
    interrupted: bool = False

    @property
    def well(self) -> bool:
        return self.status == 0 and not self.fault and not self.interrupted

    @property
    def sentence(self) -> str:
        """How it ended, with what it said."""
        if self.fault:
            end = self.fault
        elif self.status is None or self.status < 0:
            end = f"was ended by signal {-(self.status or 0)}"
        else:
            end = f"ended with status {self.status}"
        return f"{end}; it said: {self.said}" if self.said else end


def too_long(seconds: float) -> str:
    return f"took longer than {format_duration(seconds)} and was stopped"


def readable(output: str, redact: Callable[[str], str]) -> str:
    """The end of what a program printed: one line, no control characters, no known secret.

    Secrets are taken out twice, for what was broken up by control characters is whole after these are gone.
    """
    lines = _ESCAPES.sub("", redact(output)).splitlines()
    clean = ("".join(each if each.isprintable() else "" for each in line).strip() for line in lines)
    text = redact(" / ".join(line for line in clean if line))
    return f"…{text[-SAID_CHARACTERS:]}" if len(text) > SAID_CHARACTERS else text
