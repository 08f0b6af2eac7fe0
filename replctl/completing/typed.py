"""What somebody has typed up to the cursor, taken apart as a shell would; pure.

bash hands over a line, because what it hands over as words is parted at `=` and `:` too. Nothing is expanded: a
variable or a command substitution is the text that it is, and nothing is run.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

BLANKS = " \t\n"
REDIRECTIONS = "<>"
QUOTES = "'\""
ESCAPED_IN_QUOTES = '"\\$`\n'


class Typed:
    """`before` and `after` are the other words, without the program; `current` is what stands before the cursor.

    `replaced_from` is where in `current` the part begins that the shell puts something else in the place of.
    `redirected`: the word is a file to write to or read.
    """

    __slots__ = ("after", "before", "current", "redirected", "replaced_from")

    def __init__(
        self,
        before: Sequence[str],
        current: str,
        after: Sequence[str] = (),
        *,
        replaced_from: int = 0,
        redirected: bool = False,
    ) -> None:
        self.before = before
        self.current = current
        self.after = after
        self.replaced_from = replaced_from
        self.redirected = redirected


class _Word:
    """A word as it grows: its text, where the last of its breaks ended, and whether a quote is open."""

    __slots__ = ("breaks_at", "quote", "redirects", "text")

    def __init__(self) -> None:
        self.text = ""
        self.breaks_at = 0
        self.quote = ""
        self.redirects = False


def of_line(line: str, rest: str, breaks: str) -> Typed:
    """From the line up to the cursor, what follows it, and the characters that readline parts words at."""
    *words, current = _words(line, breaks)
    before = [each.text for each in words[1:]]
    tail = rest.lstrip(BLANKS) if rest[:1] in tuple(BLANKS) else _after_word(rest)
    after = [each.text for each in _words(tail, "") if each.text]
    redirected = bool(words) and words[-1].redirects
    return Typed(
        before,
        current.text,
        after,
        replaced_from=current.breaks_at,
        redirected=redirected,
    )


def _after_word(rest: str) -> str:
    """What follows the rest of the word that the cursor stands in."""
    parts = rest.split(None, 1)
    return parts[1] if len(parts) > 1 else ""


def _words(line: str, breaks: str) -> list[_Word]:
    """The words of a line, the last of which is empty when a blank stands at its end."""
    words, at = [_Word()], 0
    started = False
    while at < len(line):
        character, word = line[at], words[-1]
        if not word.quote and character in BLANKS:
            if started:
                words.append(_Word())
            started = False
            at += 1
            continue
        started = True
        at += _take(word, character, line[at + 1 : at + 2], breaks)
    return words


def _take(word: _Word, character: str, follows: str, breaks: str) -> int:
    """Let the word grow by a character; how many characters of the line that took."""
    if word.quote:
        if character == word.quote:
            word.quote = ""
        elif character == "\\" and word.quote == '"' and follows and follows in ESCAPED_IN_QUOTES:
            word.text += follows
            return 2
        else:
            word.text += character
        return 1
    if character in QUOTES:
        word.quote, word.breaks_at = character, len(word.text)
        return 1
    if character == "\\":
        word.text += follows
        return 2
    word.text += character
    word.redirects = character in REDIRECTIONS
    if character in breaks:
        word.breaks_at = len(word.text)
    return 1


def unquoted(word: str) -> str:
    """One word as it was typed, without its quotes, of which the last may be open."""
    return "".join(each.text for each in _words(word, "")) if word else ""
