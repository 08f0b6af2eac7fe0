"""What leads on from a failure: the command that is to be typed next, where its remedy names none.

Pure. Whoever found the trouble knows best what mends it, and says so in the remedy; that is kept, and the command put
behind it. So every error that a person or a script reads ends in something to type.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from replctl.cli.surroundings import PROGRAM
from replctl.core.outcomes import OPEN
from replctl.core.results import Failure, OperationResult

_COMMAND = re.compile(rf"\b{PROGRAM} [-a-z]")
_DOCTOR = f"{PROGRAM} doctor"
_BY_CODE: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "backend-unwell",
                "breaker-open",
                "busy",
                "connection-lost",
                "forbidden",
                "name-unresolved",
                "no-credential",
                "not-installed",
                "store-refused",
                "timed-out",
                "tls-failed",
                "unauthorized",
                "unreachable",
                "unreadable-answer",
            ),
            _DOCTOR,
        ),
        "invalid-configuration": f"{PROGRAM} config validate",
        "interrupted": f"{PROGRAM} op list --open",
        "internal": f"{PROGRAM} op list",
    }
)
"""What tells more about an error whatever was asked: mostly what ails the way to a backend."""


def of_command(failed: Failure, command: str, *, invalid: bool) -> Failure:
    """The failure of a command that came to no operation; `invalid` when the command line itself is wrong."""
    if failed.code in _BY_CODE:
        return _with(failed, _BY_CODE[failed.code])
    return _with(failed, f"{PROGRAM} {command} -h".replace("  ", " ") if invalid else f"{PROGRAM} status")


def of_operation(result: OperationResult) -> OperationResult:
    """The result with something to type, whatever it failed by."""
    if result.failure is None:
        return result
    if result.outcome in OPEN and result.operation_id is not None:
        following = f"{PROGRAM} op wait {result.operation_id}"
    else:
        following = _BY_CODE.get(result.failure.code, f"{PROGRAM} explain {result.key}")
    return replace(result, failure=_with(result.failure, following))


def _with(failed: Failure, following: str) -> Failure:
    if _COMMAND.search(failed.remedy):
        return failed
    return replace(failed, remedy="; ".join(each for each in (failed.remedy, following) if each))


def pasteable(words: str, tail: str) -> str:
    """The command of ours with which the words begin or end, with the tail; other words as they are."""
    before, parted, last = words.rpartition("; ")
    if not last.startswith(f"{PROGRAM} ") or "--config" in last:
        return words
    return f"{before}{parted}{last} {tail}"
