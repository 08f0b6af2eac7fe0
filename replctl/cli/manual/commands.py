"""replctl(1) and a page for each command, from the tree that the command line is parsed with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

from replctl.cli.helping import LONGEST_SENTENCE, OWN
from replctl.cli.manual import forms, mdoc, words
from replctl.cli.manual.pages import Page
from replctl.cli.manual.settings import config_files
from replctl.cli.options import HEADINGS, Common
from replctl.cli.output import Format
from replctl.core.outcomes import MEANINGS

Node = Any  # typer's commands and options
EVERYWHERE = HEADINGS[Common]
_PAGES_OF_ALL = (("replctl", "1"), ("replctl-exit-codes", "7"))
_NO_CONFIGURATION = frozenset(
    {
        "completion",
        "demo",
        "simulate",
        "systemd show",
        "systemd install",
        "monitoring alerts",
        "monitoring dashboard",
    }
)


def pages(tree: Node) -> Iterator[Page]:
    """Every page of section 1."""
    yield _root(tree)
    for path, node in walk(tree):
        yield _group(path, node) if getattr(node, "commands", None) else _command(path, node)


def walk(node: Node, above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Node]]:
    """Every command and group below, by its words."""
    for name, child in getattr(node, "commands", {}).items():
        yield (*above, name), child
        yield from walk(child, (*above, name))


def named(path: Iterable[str]) -> str:
    return "-".join(("replctl", *path))


# -- replctl(1) and groups -----------------------------------------------------------------------------------------


def _root(tree: Node) -> Page:
    flags = [(mdoc.flag("--version"), ["Show the version and exit."]), _help()]
    return Page(
        name="replctl",
        section="1",
        about=_about(tree),
        parts=(
            (
                "SYNOPSIS",
                [mdoc.macro("Nm"), mdoc.macro("Ar", "command"), ".Op Ar option ...", ".Op Ar argument ..."],
            ),
            ("DESCRIPTION", _root_description()),
            ("COMMANDS", _commands(tree)),
            ("OPTIONS", mdoc.tagged(flags)),
            ("ENVIRONMENT", _environment()),
            ("FILES", config_files()),
            ("EXIT STATUS", _exit_status(words.CHANGES)),
            ("EXAMPLES", _examples(words.FIRST)),
        ),
        related=_OTHER_PAGES,
    )


_OTHER_PAGES = (
    ("replctl-config", "5"),
    ("replctl-replications", "5"),
    ("replctl-exit-codes", "7"),
    ("replctl-guards", "7"),
    ("replctl-metrics", "7"),
)


def _root_description() -> list[str]:
    return mdoc.paragraphs(words.ABOUT)


def _commands(tree: Node) -> list[str]:
    """Each command with its sentence, under the headings of `-h`; of groups what is in them."""
    headings: dict[str, list[tuple[str, list[str]]]] = {}
    for name, node in tree.commands.items():
        inner: list[tuple[tuple[str, ...], Node]] = [
            ((name, each), child) for each, child in getattr(node, "commands", {}).items()
        ]
        rows = headings.setdefault(node.rich_help_panel, [])
        for path, child in inner or [((name,), node)]:
            rows.append((f"Xr {named(path)} 1", mdoc.prose(_short(child))))
    return [
        line for heading, rows in headings.items() for line in mdoc.subsection(heading, mdoc.tagged(rows))
    ]


def _group(path: tuple[str, ...], node: Node) -> Page:
    inner = [
        (f"Xr {named((*path, name))} 1", mdoc.prose(_short(child))) for name, child in node.commands.items()
    ]
    return Page(
        name=named(path),
        section="1",
        about=_about(node),
        parts=(
            ("SYNOPSIS", [mdoc.macro("Nm", "replctl", *path), ".Ar command", ".Op Ar option ..."]),
            ("DESCRIPTION", [*mdoc.prose(f"{node.help} The commands:"), *mdoc.tagged(inner)]),
        ),
        related=(*((named((*path, name)), "1") for name in node.commands), *_PAGES_OF_ALL),
    )


# -- a command -----------------------------------------------------------------------------------------------------


def _command(path: tuple[str, ...], node: Node) -> Page:
    told = words.COMMANDS[" ".join(path)]
    reads_configuration = " ".join(path) not in _NO_CONFIGURATION
    return Page(
        name=named(path),
        section="1",
        about=_about(node),
        parts=(
            ("SYNOPSIS", _synopsis(path, node)),
            ("DESCRIPTION", _description(node, told)),
            ("OPTIONS", _options(node)),
            ("FILES", config_files() if reads_configuration else []),
            ("EXIT STATUS", _exit_status(told.exits)),
            ("EXAMPLES", _examples(told.examples)),
        ),
        related=(*((named(each.split()), "1") for each in told.related if each), *_pages_of(node)),
    )


def _pages_of(node: Node) -> Iterator[tuple[str, str]]:
    yield from _PAGES_OF_ALL
    if any("uards" in (each.rich_help_panel or "") for each in _of_kind(node, "option")):
        yield "replctl-guards", "7"
    if any("--metrics-textfile" in each.opts for each in node.params):
        yield "replctl-metrics", "7"


def _of_kind(node: Node, kind: str) -> list[Node]:
    return [each for each in node.params if each.param_type_name == kind]


def _about(node: Node) -> str:
    text = _short(node).rstrip(".")
    return text[0].lower() + text[1:]


def _short(node: Node) -> str:
    return str(node.get_short_help_str(LONGEST_SENTENCE))


def _synopsis(path: tuple[str, ...], node: Node) -> list[str]:
    """What the command has of its own; what every command takes is one word."""
    lines = [mdoc.macro("Nm", "replctl", *path)]
    for each in _of_kind(node, "option"):
        if each.rich_help_panel != EVERYWHERE:
            lines.append(f".{_usage(each)}" if each.required else f".Op {_usage(each)}")
    lines.append(".Op Ar option ...")
    for each in _of_kind(node, "argument"):
        name = f"Ar {mdoc.argument(str(each.metavar))}{' ...' if each.nargs != 1 else ''}"
        lines.append(f".{name}" if each.required else f".Op {name}")
    return lines


def _usage(option: Node) -> str:
    """The option in its longest form, with what stands for its value."""
    name = max((*option.opts, *option.secondary_opts), key=lambda each: (each.startswith("--no-"), len(each)))
    return f"{mdoc.flag(name)}{_value(option)}"


def _value(option: Node) -> str:
    return f" Ns = Ns Ar {mdoc.argument(str(option.metavar))}" if _takes_value(option) else ""


def _takes_value(option: Node) -> bool:
    return not (option.is_flag or option.count)


def _description(node: Node, told: words.Words) -> list[str]:
    said = [part for part in node.help.split("\n\n") if part]
    return mdoc.paragraphs((*said, *told.more))


def _options(node: Node) -> list[str]:
    lines = mdoc.prose(
        "A switch is off unless it is given. Options stand after the command's words, in any order."
    )
    arguments = [
        (f"Ar {mdoc.argument(str(each.metavar))}", mdoc.prose(each.help))
        for each in _of_kind(node, "argument")
    ]
    if arguments:
        lines += mdoc.subsection("Arguments", mdoc.tagged(arguments))
    headings: dict[str, list[Node]] = {}
    for each in _of_kind(node, "option"):
        headings.setdefault(each.rich_help_panel or OWN, []).append(each)
    for heading in sorted(headings, key=lambda each: (each != OWN, each == EVERYWHERE)):
        said = [(_tag(each), _told(each)) for each in headings[heading]]
        title = "Of this command" if heading == OWN else heading
        lines += mdoc.subsection(title, mdoc.tagged([*said, *([_help()] if heading == EVERYWHERE else [])]))
    return lines


def _help() -> tuple[str, list[str]]:
    return f"{mdoc.flag('-h')} , {mdoc.flag('--help')}", ["Show a short help and exit."]


def _tag(option: Node) -> str:
    """`Fl o , -output Ns = Ns Ar FORMAT`, and every other way to type it."""
    names = (*option.opts, *option.secondary_opts)
    return f"{' , '.join(mdoc.flag(each) for each in names)}{_value(option)}"


def _told(option: Node) -> list[str]:
    lines = mdoc.prose(option.help)
    if not _takes_value(option):
        return lines
    form = mdoc.prose(f"Form: {_form(option)}. Default: {_default(option)}.")
    return [*lines, ".Pp", *form] if option.help else form


def _form(option: Node) -> str:
    kind = option.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, Format):
        return "; ".join(f"`{each}`: {forms.FORMATS[each]}" for each in kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ", ".join(f"`{each.value}`" for each in kind)
    said = _number(option) if kind in (int, float) else forms.FORMS[option.metavar]
    return f"{said}; can be given several times" if option.multiple or "list" in str(kind) else said


def _number(option: Node) -> str:
    noun = "a whole number" if option.type_descriptor.annotation is int else "a number"
    return noun if option.min is None else f"{noun}, at least {option.min:g}"


def _default(option: Node) -> str:
    if option.required:
        return "none; it has to be given"
    if option.default is not None:
        value = option.default.value if isinstance(option.default, Enum) else option.default
        return f"`{value}`"
    return next((forms.UNSET[each] for each in option.opts if each in forms.UNSET), "none")


def _exit_status(exits: words.Codes) -> list[str]:
    said = (
        (f"Sy {int(code)}", mdoc.prose(f"{mdoc.begun(own or MEANINGS[code])}."))
        for code, own in exits.items()
    )
    return [
        *mdoc.tagged(said, compact=True, width="143"),
        ".Pp",
        *mdoc.prose("A mistake of replctl itself ends with 1. More about each is in replctl-exit-codes(7)."),
    ]


def _examples(examples: Sequence[tuple[str, str]]) -> list[str]:
    lines: list[str] = []
    for at, (wanted, typed) in enumerate(examples):
        lines += [".Pp"] * bool(at) + mdoc.prose(wanted) + mdoc.display((typed,))
    return lines


def _environment() -> list[str]:
    said: Mapping[str, str] = words.ENVIRONMENT
    return mdoc.tagged((f"Ev {mdoc.argument(name)}", mdoc.prose(text)) for name, text in said.items())
