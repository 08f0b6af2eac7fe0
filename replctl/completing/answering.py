"""`replctl __complete`: what the scripts of the shells ask when TAB is pressed.

    __complete bash BREAKS LINE REST      the line up to the cursor and what follows; characters that part words
    __complete zsh COLUMNS N WORD …       the words without the program; the one after N others is completed
    __complete fish N WORD …

Answers one offer a line; the exit code says how they are meant. Whatever goes wrong, nothing is offered and nothing
is said: somebody is in the middle of typing.
"""

from __future__ import annotations

import os

from replctl.completing import grammar, kept, places, typed
from replctl.completing.offers import DIRECTORY, Answer, offered

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from replctl.completing.kept import Kept
    from replctl.completing.typed import Typed

COMMAND = "__complete"
OFFERS, NOTHING, FILES, DIRECTORIES = 0, 1, 4, 5
WIDEST_WORD_COLUMNS = 48


def safely(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int]:
    """The answer, to be printed as it is, and the exit code. Never raises."""
    try:
        return answer(argv, environ)
    except Exception:  # whatever it is, a prompt is no place to say it
        return "", NOTHING


def answer(argv: Sequence[str], environ: Mapping[str, str]) -> tuple[str, int]:
    """The offers as the shell wants them, and the code."""
    shell, *asked = argv
    line = _typed(shell, asked)
    found = offered(grammar.shipped(), lambda config: _kept(config, environ), line)
    if found.path:
        return "", DIRECTORIES if found.path == DIRECTORY else FILES
    return {"bash": _bash, "zsh": _zsh, "fish": _fish}[shell](found, line, asked), OFFERS


def _typed(shell: str, asked: Sequence[str]) -> Typed:
    if shell == "bash":
        breaks, line, rest = asked
        return typed.of_line(line, rest, breaks)
    count, *words = asked[1:] if shell == "zsh" else asked
    at = int(count)
    return typed.Typed(words[:at], typed.unquoted(words[at]), words[at + 1 :])


def _kept(config: str | None, environ: Mapping[str, str]) -> Kept:
    """What is kept for the configuration that the command would use."""
    around = places.of_process(environ)
    flag = os.path.expandvars(config) if config else None
    path = places.config_path(flag, around)
    directory = places.state_directory(path, around) if path is not None else None
    return kept.read(directory, path) if path is not None and directory is not None else kept.Kept()


def _bash(found: Answer, line: Typed, asked: Sequence[str]) -> str:
    """bash matches nothing by itself, and puts a word in the place of what follows the last break only.

    Where nothing begins as it was typed, letters are taken for one another whatever their case.
    """
    words = [word for word, _ in found.offers]
    exact = [word for word in words if word.startswith(line.current)]
    folded = line.current.casefold()
    matching = exact or [word for word in words if word.casefold().startswith(folded)]
    return "".join(f"{word[line.replaced_from :]}\n" for word in matching)


def _zsh(found: Answer, line: Typed, asked: Sequence[str]) -> str:
    """The word, and how it is shown: cut to the width of the terminal."""
    columns = max(int(asked[0]) - 1, 1)
    shown = [word[len(found.typed) :] for word, _ in found.offers]
    width = min(max(map(len, shown), default=0), WIDEST_WORD_COLUMNS)
    rows = [
        f"{each.ljust(width)}  -- {said}" if said else each
        for each, (_, said) in zip(shown, found.offers, strict=True)
    ]
    return "".join(f"{word}\t{row[:columns]}\n" for (word, _), row in zip(found.offers, rows, strict=True))


def _fish(found: Answer, line: Typed, asked: Sequence[str]) -> str:
    """fish would look into what is said of a word too; what was typed must be in the word."""
    folded = line.current.casefold()
    return "".join(
        f"{word}\t{said}\n" if said else f"{word}\n"
        for word, said in found.offers
        if folded in word.casefold()
    )
