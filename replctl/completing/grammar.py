"""The command tree as a file tells it: which commands, options and values there are at each place.

A place is where one is in the tree: nothing, `promote`, `op`, `op wait`. The file's paragraphs are places; their
lines are parted by tabs:

    place    <words> <help>
    argument <kind> one|many
    option   <names> <kind, empty for a flag> once|again|chooses <help>

A kind says what is offered as a value (`offers.KINDS`); `words:` is followed by the words that there are. `again` may
be given more than once; `chooses` stands in the place of names.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "grammar.txt"


class Option:
    """`kind` is what its value is; empty for a flag, which has none."""

    __slots__ = ("help", "kind", "manner", "names")

    def __init__(self, names: str, kind: str, manner: str, help: str) -> None:
        self.names = tuple(names.split(" "))
        self.kind = kind
        self.manner = manner
        self.help = help


class Argument:
    __slots__ = ("kind", "many")

    def __init__(self, kind: str, count: str) -> None:
        self.kind = kind
        self.many = count == "many"


class Place:
    """What can stand at one place: commands with their help, or arguments; and options."""

    __slots__ = ("arguments", "commands", "options", "words")

    def __init__(self, words: str, paragraph: str, commands: Sequence[tuple[str, str]]) -> None:
        rows = [line.split("\t") for line in paragraph.splitlines()[1:]]
        self.words = words
        self.commands = commands
        self.arguments = [Argument(*row[1:]) for row in rows if row[0] == "argument"]
        self.options = [Option(*row[1:]) for row in rows if row[0] == "option"]

    def option(self, name: str) -> Option | None:
        return next((each for each in self.options if name in each.names), None)


class Grammar:
    """All places, each read when it is asked for."""

    __slots__ = ("_helps", "_paragraphs")

    def __init__(self, text: str) -> None:
        self._paragraphs: dict[str, str] = {}
        self._helps: dict[str, str] = {}
        for paragraph in text.strip("\n").split("\n\n"):
            _, words, help = paragraph.partition("\n")[0].split("\t")
            self._paragraphs[words] = paragraph
            self._helps[words] = help

    def place(self, words: str = "") -> Place:
        return Place(words, self._paragraphs[words], list(self._commands(words)))

    def places(self) -> list[Place]:
        return [self.place(words) for words in self._paragraphs]

    def _commands(self, above: str) -> list[tuple[str, str]]:
        head = f"{above} " if above else ""
        return [
            (words[len(head) :], help)
            for words, help in self._helps.items()
            if words and words.startswith(head) and " " not in words[len(head) :]
        ]


def shipped() -> Grammar:
    """The grammar that belongs to this version."""
    with open(os.path.join(os.path.dirname(__file__), FILE), encoding="utf-8") as file:
        return Grammar(file.read())
