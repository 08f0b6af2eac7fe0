"""What every no has to have: a name, what was seen, and something to type that the command line understands."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

import typer
from worlds import Ran

from replctl.cli.app import command

TREE = command()
COMMAND = re.compile(r"\breplctl ([a-z][^;()]*)")


def parsed(words: Sequence[str]) -> Any:
    """The command line as typer reads it, without what it would do; raises where it is not understood."""
    node: Any = TREE
    rest = list(words)
    while hasattr(node, "commands"):
        if not rest or rest[0] not in node.commands:
            raise LookupError(f"there is no command {' '.join(words)}")
        node = node.commands[rest.pop(0)]
    if rest == ["-h"]:
        return None
    return node.make_context("replctl", rest)


def typable(text: str) -> list[list[str]]:
    """The commands of ours that a sentence names, as far as they are ones: each up to where prose goes on.

    An option is never taken for prose, so that one that the command does not have is found.
    """
    return [_longest(_words(each)) for each in COMMAND.findall(text)]


def _words(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:  # an apostrophe of the prose behind it
        return text.split()


def _longest(words: list[str]) -> list[str]:
    least = max((at + 1 for at, word in enumerate(words) if word.startswith("-")), default=1)
    for length in range(len(words), least - 1, -1):
        try:
            parsed([word.rstrip(",.:") for word in words[:length]])
        except (typer.TyperException, LookupError):
            continue
        return words[:length]
    raise AssertionError(f"cannot be typed: replctl {' '.join(words)}")


def errors_of(ran: Ran) -> list[dict[str, Any]]:
    """Each failure that a document tells, of the command or of one of its operations."""
    document = ran.json
    found = [document.get("error"), *(each["error"] for each in document.get("operations", []))]
    return [each for each in found if each]


def refusals_of(ran: Ran) -> Iterator[dict[str, Any]]:
    yield from (each["refusal"] for each in ran.json["operations"] if each["refusal"])


def flowing(text: str) -> str:
    """Without the line ends and indents that a screen has put in."""
    return " ".join(text.split())


def check_error(code: str, document: Ran, screen: Ran) -> None:
    """The same error in the document and on the screen: its code, what is wrong, and what to type."""
    (error,) = [each for each in errors_of(document) if each["code"] == code] or [None]
    assert error is not None, (code, document.out)
    assert error["message"]
    assert typable(error["remedy"]), error
    shown = flowing(screen.out + screen.err)
    assert re.search(rf"\b{code}(\]: |: )\S", shown), (code, shown)
    assert typable(shown.rpartition("→ ")[2]), shown


def check_guard(name: str, override: str | None, document: Ran, screen: Ran) -> None:
    """The guard with its evidence, its flag and the next command, in both."""
    ((refusal, guard),) = [
        (refusal, each)
        for refusal in refusals_of(document)
        for each in refusal["guards"]
        if each["name"] == name
    ]
    shown = flowing(screen.out + screen.err)
    assert f"{name}: " in shown
    assert guard["evidence"], guard
    for each in guard["evidence"]:
        assert each["value"], guard
        said_of_no_backend = each["fact"] == "terminal" or "." in each["fact"]  # or of the file, by its key
        assert each["as_of"] or said_of_no_backend, each
        assert flowing(each["value"]) in shown or each["fact"] == "loss", (
            each
        )  # which is stated in full below
        place = f"({each['backend']}, read " if each["backend"] else "("
        assert not each["as_of"] or each["fact"] == "loss" or place in shown
    assert guard["override"] is None or f"answered by {guard['override'].partition('=')[0]}" in shown
    assert override is not None or guard["override"] in (None, "--survivor=BACKEND")
    assert typable(refusal["next"]), refusal
    assert "next:" in shown
    assert typable(shown.partition("next:")[2])
