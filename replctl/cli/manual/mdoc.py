"""Sentences and lists as mdoc, the language of manual pages that says what a word is and not how it looks; pure.

A sentence is plain English with a few marks that are used all over replctl: `words` in backquotes are typed or seen
as they stand, `--flags` are options, `page(7)` is another page. Each of them becomes the macro that means it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

WIDTH = 78  # of the source, which people read too
_MACRO = re.compile(r"[A-Z%][A-Za-z][a-z]?|br|sp")  # what a word must not be taken for
_TOKEN = re.compile(r"(?P<before>[(\[]*)(?P<core>.+?)(?P<after>[)\],.;:!?]*)$", re.DOTALL)
_WORDS = re.compile(r"[(\[]*`[^`]+`\S*|\S+")
_FLAG = re.compile(r"--?[a-zA-Z][a-zA-Z-]*")
_FLAG_WITH_VALUE = re.compile(r"(--?[a-zA-Z][a-zA-Z-]*)(=)([A-Z][A-Za-z/=,…]*)")
_VARIABLE = re.compile(r"REPLCTL_[A-Z0-9_]+")
_PAGE = re.compile(r"([a-z][a-z-]*)\(([1-9])\)")
_SENTENCE_END = re.compile(r"(?<=[.!?]) +(?=[A-Z`(\-]|$)")


def escaped(text: str, *, exact: bool = False) -> str:
    """Text that no character of is taken for a command; `exact` keeps `-` what one can paste."""
    return _no_command(_spelt(text, exact=exact))


def _spelt(text: str, *, exact: bool = False) -> str:
    made = text.replace("\\", "\\e")
    if exact:
        made = made.replace("-", "\\-")
    return "".join(each if each.isascii() else f"\\[u{ord(each):04X}]" for each in made)


def _no_command(line: str) -> str:
    """A line that begins with a dot or a quote is a command, unless something stands before it."""
    return f"\\&{line}" if line.startswith((".", "'")) else line


def argument(text: str, *, exact: bool = False) -> str:
    """One argument of a macro, quoted where it has to be."""
    made = escaped(text, exact=exact)
    if _MACRO.fullmatch(text) or (len(text) == 1 and text in ".,:;()[]?!|"):
        made = f"\\&{made}"
    return '"{}"'.format(made.replace('"', '""')) if not made or " " in made or '"' in made else made


def macro(name: str, *arguments: str) -> str:
    return " ".join((f".{name}", *arguments))


def flag(name: str) -> str:
    """The arguments of an option: `Fl o`, `Fl -output`."""
    return f"Fl {argument(name[1:], exact=True)}"


def prose(text: str) -> list[str]:
    """Sentences, each on lines of its own, with the marks in them as macros."""
    lines: list[str] = []
    for sentence in _SENTENCE_END.split(" ".join(text.split())):
        lines += _sentence(sentence)
    return lines


def _sentence(text: str) -> Iterator[str]:
    plain: list[str] = []
    for word in _WORDS.findall(text):
        found = _marked(word)
        if found is None:
            plain.append(_spelt(word))
            continue
        yield from _wrapped(plain)
        plain = []
        yield found
    yield from _wrapped(plain)


def _wrapped(words: Sequence[str]) -> list[str]:
    lines = textwrap.wrap(" ".join(words), WIDTH, break_long_words=False, break_on_hyphens=False)
    return [_no_command(line) for line in lines]


def _marked(word: str) -> str | None:
    """The macro line of a word that is marked, with the signs around it; None for a plain word."""
    matched = _TOKEN.match(word)
    assert matched is not None
    core, after = matched["core"], matched["after"]
    while after.startswith(")") and core.count("(") > core.count(
        ")"
    ):  # the end of `page(7)` is no sign around it
        core, after = core + after[0], after[1:]
    inner = _inner(core)
    if inner is None:
        return None
    opening = [f"No {sign} Ns" for sign in matched["before"]]
    return f".{' '.join([*opening, inner, *after])}"


def _inner(core: str) -> str | None:
    if core.startswith("`"):
        quoted, _, rest = core[1:].partition("`")
        name = f"Ev {quoted}" if _VARIABLE.fullmatch(quoted) else literal(quoted)
        return f"{name}{f' Ns {argument(rest)}' if rest else ''}"
    if page := _PAGE.fullmatch(core):
        return f"Xr {page[1]} {page[2]}"
    if _FLAG.fullmatch(core):
        return flag(core)
    if valued := _FLAG_WITH_VALUE.fullmatch(core):
        return f"{flag(valued[1])} Ns = Ns Ar {argument(valued[3])}"
    return None


def begun(sentence: str) -> str:
    """The sentence with a capital letter at its beginning, unless a word stands there that has none."""
    return sentence if sentence.startswith(("replctl", "`")) else sentence[0].upper() + sentence[1:]


def literal(words: str) -> str:
    """Words as they are typed or seen."""
    return f"Ql {argument(words, exact=True)}"


def command(words: str) -> str:
    """A word that is written as it stands, where it needs no quotes to be told from others: a tag."""
    return f"Cm {argument(words, exact=True)}"


def paragraphs(texts: Iterable[str]) -> list[str]:
    """Several, with the macro that parts them in between."""
    lines: list[str] = []
    for text in texts:
        lines += [".Pp"] * bool(lines) + prose(text)
    return lines


def tagged(
    items: Iterable[tuple[str, Sequence[str]]], *, compact: bool = False, width: str = "Ds"
) -> list[str]:
    """A list of tags, given as macros, with what is said of each, given as lines."""
    lines = [macro("Bl", "-tag", "-width", width, *(["-compact"] if compact else []))]
    for tag, said in items:
        lines += [macro("It", tag), *said]
    return [*lines, ".El"]


def table(head: Sequence[str], rows: Iterable[Sequence[str]], widths: Sequence[str]) -> list[str]:
    """Columns; `widths` are the longest words of all but the last one."""
    lines = [macro("Bl", "-column", *(argument(each) for each in widths))]
    lines.append(macro("It", " Ta ".join(f"Sy {argument(each)}" for each in head)))
    for row in rows:
        lines.append(macro("It", " Ta ".join(row)))
    return [*lines, ".El"]


def display(lines: Iterable[str]) -> list[str]:
    """Lines as they are typed."""
    return [".Bd -literal -offset indent", *(escaped(each, exact=True) for each in lines), ".Ed"]


def section(title: str, lines: Sequence[str]) -> list[str]:
    return [macro("Sh", title), *lines] if lines else []


def subsection(title: str, lines: Sequence[str]) -> list[str]:
    if not lines:
        return []
    end = "\\&" if title[-1] in "])." else ""  # or it would be taken for a sign behind the title
    return [macro("Ss", *(argument(word) for word in title.split())) + end, *lines]
