"""What belongs where the cursor stands; pure, from a grammar, what is kept of names, and the words of the line.

A flag is offered once, a name too; of names and selections only the one that was begun with. What is offered is the
whole word, with what of it was typed already (`--output=`), because shells match whole words.
"""

from __future__ import annotations

from replctl.completing.grammar import Argument, Grammar, Option, Place
from replctl.completing.kept import Kept, Replication

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from replctl.completing.typed import Typed

    Offer = tuple[str, str]

WORDS = "words:"
LIST = "list:"
SELECTOR = "selector"
FILE = "file"
DIRECTORY = "directory"
NAME = "name"


class Answer:
    """`offers` are words with what is said of each; `typed` of each stands there already, up to what is matched.

    `path` asks for files (FILE) or directories instead.
    """

    __slots__ = ("offers", "path", "typed")

    def __init__(self, offers: Sequence[Offer] = (), *, typed: str = "", path: str = "") -> None:
        self.offers = offers
        self.typed = typed
        self.path = path


class _Line:
    """The words as the command line's grammar sees them, read from left to right."""

    __slots__ = ("_grammar", "awaits", "given", "only_names", "place", "plain", "values")

    def __init__(self, grammar: Grammar) -> None:
        self._grammar = grammar
        self.place: Place = grammar.place()
        self.given: set[Option] = set()
        self.values: dict[str, str] = {}
        self.plain: list[str] = []  # arguments, as typed
        self.awaits: Option | None = None  # the option whose value comes next
        self.only_names = False  # after `--`

    def read(self, words: Iterable[str]) -> None:
        for word in words:
            self._read(word)

    def _read(self, word: str) -> None:
        if self.awaits is not None:
            self._give(self.awaits, word)
            self.awaits = None
        elif self.only_names:
            self.plain.append(word)
        elif word == "--":
            self.only_names = True
        elif word.startswith("--"):
            name, equals, value = word.partition("=")
            self._take(self.place.option(name), value if equals else None)
        elif word.startswith("-") and len(word) > 1:
            self._read_cluster(word[1:])
        elif self.place.commands:
            self._enter(word)
        else:
            self.plain.append(word)

    def _read_cluster(self, letters: str) -> None:
        """`-yo json`, `-ojson`."""
        for at, letter in enumerate(letters):
            option = self.place.option(f"-{letter}")
            if option is not None and option.kind:
                self._take(option, letters[at + 1 :] or None)
                return
            self._take(option, None)

    def _take(self, option: Option | None, value: str | None) -> None:
        if option is None:
            return
        if option.kind and value is None:
            self.awaits = option
            return
        self._give(option, value or "")

    def _give(self, option: Option, value: str) -> None:
        self.given.add(option)
        self.values.update(dict.fromkeys(option.names, value))

    def _enter(self, word: str) -> None:
        inner = f"{self.place.words} {word}".strip()
        known = any(word == name for name, _ in self.place.commands)
        self.place = self._grammar.place(inner) if known else Place(inner, "", ())

    @property
    def chooses(self) -> bool:
        """Whether replications were chosen otherwise than by name."""
        return any(each.manner == "chooses" for each in self.given)

    def argument(self) -> Argument | None:
        """What may stand there as one more argument."""
        arguments = self.place.arguments
        if not arguments:
            return None
        last = arguments[min(len(self.plain), len(arguments) - 1)]
        return last if last.many or len(self.plain) < len(arguments) else None


def offered(grammar: Grammar, kept: Callable[[str | None], Kept], typed: Typed) -> Answer:
    """What belongs there. `kept` reads the names of the configuration that `--config` names, if it does."""
    if typed.redirected:
        return Answer(path=FILE)
    line = _Line(grammar)
    line.read(typed.before)
    awaits, only_names, argument = line.awaits, line.only_names, line.argument()
    line.awaits = None
    line.read(typed.after)
    known = _Known(line, lambda: kept(line.values.get("--config")))
    current = typed.current
    if awaits is not None:
        return known.value(awaits.kind, current)
    if not only_names and current.startswith("-"):
        return _dashed(line, known, current)
    if line.place.commands:
        return Answer(line.place.commands)
    if argument is None or (argument.kind == NAME and line.chooses):
        return Answer() if current or only_names else Answer(_flags(line, "--"))
    return known.value(argument.kind, current)


def _dashed(line: _Line, known: _Known, current: str) -> Answer:
    """`--flag`, `--flag=value`, `-fvalue`."""
    name, equals, value = current.partition("=")
    if current.startswith("--"):
        option = line.place.option(name)
        if not equals:
            return Answer(_flags(line, current))
        return known.value(option.kind, value, f"{name}=") if option is not None else Answer()
    option = line.place.option(current[:2])
    if option is not None and option.kind and len(current) > 2:
        return known.value(option.kind, current[2:], current[:2])
    return Answer(_flags(line, current))


def _flags(line: _Line, current: str) -> list[Offer]:
    """Those of this place that may still be given; short ones too, where no second dash was typed."""
    named = bool(line.plain) and any(each.kind == NAME for each in line.place.arguments)
    return [
        (name, option.help)
        for option in line.place.options
        if option.manner == "again" or option not in line.given
        if not (option.manner == "chooses" and named)
        for name in option.names
        if name.startswith("--") or not current.startswith("--")
    ]


class _Known:
    """Values by their kinds."""

    __slots__ = ("_kept", "_line", "_read")

    def __init__(self, line: _Line, read: Callable[[], Kept]) -> None:
        self._line = line
        self._read = read
        self._kept: Kept | None = None

    @property
    def kept(self) -> Kept:
        if self._kept is None:
            self._kept = self._read()
        return self._kept

    def value(self, kind: str, current: str, typed: str = "") -> Answer:
        """What may stand there as a value of the kind, behind what was typed of the word (`--output=`)."""
        if kind in (FILE, DIRECTORY):
            return Answer(path=kind, typed=typed)
        if kind == SELECTOR or kind.startswith(LIST):
            terms = current[: current.rfind(",") + 1]
            typed += terms
            found = self._selector(terms) if kind == SELECTOR else _listed(kind, terms)
        elif kind.startswith(WORDS):
            found = [(word, "") for word in kind[len(WORDS) :].split(" ")]
        else:
            found = KINDS[kind](self, current)
        return Answer([(f"{typed}{word}", said) for word, said in found], typed=typed)

    def names(self, current: str) -> list[Offer]:
        """Keys; bare names with `-n`, or where one is typed and only one replication bears it."""
        named, namespace = set(self._line.plain), self._line.values.get("--namespace")
        left = [each for each in self.kept.replications if not _is_named(each, named, namespace)]
        if "/" not in current and namespace is not None:
            return [(each.name, _about(each)) for each in left if each.namespace == namespace]
        typed = current.casefold()
        if "/" in current or any(each.key.startswith(typed) for each in left):
            return [(each.key, _about(each)) for each in left]
        bearers: dict[str, int] = {}
        for each in self.kept.replications:
            bearers[each.name] = bearers.get(each.name, 0) + 1
        return [(each.name, _about(each)) for each in left if bearers[each.name] == 1]

    def groups(self, current: str) -> list[Offer]:
        return _counted(each.group for each in self._here() if each.group)

    def namespaces(self, current: str) -> list[Offer]:
        return _counted(each.namespace for each in self.kept.replications)

    def backends(self, current: str) -> list[Offer]:
        named = set(self._line.plain)
        return [(each, "") for each in self.kept.backends if each not in named]

    def ends(self, current: str) -> list[Offer]:
        """Backends on which the replications that are meant have an end; all, when none is said."""
        named, namespace = set(self._line.plain), self._line.values.get("--namespace")
        meant = [each for each in self.kept.replications if _is_named(each, named, namespace)]
        group = self._line.values.get("--group")
        meant = meant or [each for each in self._here() if group and each.group == group]
        on = {backend for each in meant for backend in each.ends}
        return [(each, "") for each in self.kept.backends if not on or each in on]

    def operations(self, current: str) -> list[Offer]:
        return [(each.identity, f"{each.verb} {each.key}") for each in self.kept.operations]

    def nothing(self, current: str) -> list[Offer]:
        return []

    def _selector(self, terms: str) -> list[Offer]:
        """Labels whose keys no term speaks of already."""
        used = {term.partition("=")[0].rstrip("! ") for term in terms.split(",")}
        found = _counted(label for each in self._here() for label in each.labels)
        return [(label, said) for label, said in found if label.partition("=")[0] not in used]

    def _here(self) -> list[Replication]:
        """Those that a selection chooses from."""
        namespace = self._line.values.get("--namespace")
        return [each for each in self.kept.replications if namespace in (None, each.namespace)]


KINDS: Mapping[str, Callable[[_Known, str], list[Offer]]] = {
    NAME: _Known.names,
    "group": _Known.groups,
    "namespace": _Known.namespaces,
    "backend": _Known.backends,
    "end": _Known.ends,
    "operation": _Known.operations,
    "text": _Known.nothing,
}
"""Kinds of values that are looked up; beside them FILE, DIRECTORY, SELECTOR, WORDS and LIST."""


def _listed(kind: str, terms: str) -> list[Offer]:
    """Words of which several may be given, parted by commas."""
    return [(word, "") for word in kind[len(LIST) :].split(" ") if word not in terms.split(",")]


def _is_named(each: Replication, named: set[str], namespace: str | None) -> bool:
    if not named:
        return False
    return each.key in named or (each.name in named and namespace in (None, each.namespace))


def _about(each: Replication) -> str:
    return ", ".join(part for part in (each.state, each.group) if part)


def _counted(words: Iterable[str]) -> list[Offer]:
    """Each once, in order, with how many replications bear it."""
    often: dict[str, int] = {}
    for word in words:
        often[word] = often.get(word, 0) + 1
    return [(word, "1 replication" if n == 1 else f"{n} replications") for word, n in sorted(often.items())]
