"""Completion scripts for bash, zsh and fish, written from the command tree; pure.

A place is where one is in the tree: nothing, `promote`, `op`, `op wait`. Each script finds the place from the words
before the cursor, and offers what belongs there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from replctl.cli.helping import LONGEST_SENTENCE
from replctl.cli.output import Colour, Format

FILES = ("--config", "--dir")
VALUES: Mapping[str, tuple[str, ...]] = {
    "--output": tuple(Format),
    "--color": tuple(Colour),
    "SHELL": ("bash", "zsh", "fish"),
}


@dataclass(frozen=True, slots=True)
class Option:
    """`names` as typed; `value` says whether a value follows; `offers` are the values there are."""

    names: tuple[str, ...]
    help: str
    value: bool

    @property
    def offers(self) -> tuple[str, ...]:
        return next((VALUES[name] for name in self.names if name in VALUES), ())

    @property
    def is_file(self) -> bool:
        return any(name in FILES for name in self.names)


@dataclass(frozen=True, slots=True)
class Place:
    """What can stand at one place of the tree: commands or words with their help, and options."""

    words: str
    offers: tuple[tuple[str, str], ...]
    options: tuple[Option, ...]


def places(tree: Any) -> list[Place]:
    """Every place of a typer command tree, the root first."""
    return list(_walk(tree, ()))


def _walk(node: Any, above: tuple[str, ...]) -> Iterator[Place]:
    commands: Mapping[str, Any] = getattr(node, "commands", {})
    offers = [(name, child.get_short_help_str(LONGEST_SENTENCE)) for name, child in commands.items()]
    arguments = [each for each in node.params if each.param_type_name == "argument"]
    offers += [(word, "") for each in arguments for word in VALUES.get(each.metavar or "", ())]
    options = [_option(each) for each in node.params if each.param_type_name == "option"]
    if not commands:
        options.append(Option(("-h", "--help"), "Show this message and exit.", value=False))
    yield Place(" ".join(above), tuple(offers), tuple(options))
    for name, child in commands.items():
        yield from _walk(child, (*above, name))


def _option(parameter: Any) -> Option:
    names = (*parameter.opts, *parameter.secondary_opts)
    return Option(tuple(names), parameter.help or "", value=not (parameter.is_flag or parameter.count))


def _moves(known: Sequence[Place]) -> list[tuple[str, str]]:
    """From a place, by a word, to a place: as `PLACE WORD` and the place that it leads to."""
    inner = [place.words for place in known if place.words]
    return [(f"{words.rpartition(' ')[0]} {words.rpartition(' ')[2]}", words) for words in inner]


def _with_value(known: Sequence[Place]) -> list[Option]:
    found = {option.names: option for place in known for option in place.options if option.value}
    return list(found.values())


def bash(known: Sequence[Place]) -> str:
    """For bash 3.2 and later, which macOS still has."""
    return BASH.format(
        moves="\n".join(f'            "{pattern}") place="{to}" ;;' for pattern, to in _moves(known)),
        values="\n".join(_bash_value(option) for option in _with_value(known)),
        places="\n".join(
            f'        "{place.words}") offers="{_joined(word for word, _ in place.offers)}"\n'
            f'            options="{_joined(name for each in place.options for name in each.names)}" ;;'
            for place in known
        ),
    )


def _bash_value(option: Option) -> str:
    names = "|".join(option.names)
    if option.is_file:
        return f'        {names}) COMPREPLY=($(compgen -f -- "$cur")); return ;;'
    return f'        {names}) COMPREPLY=($(compgen -W "{_joined(option.offers)}" -- "$cur")); return ;;'


def _joined(words: Iterable[str]) -> str:
    return " ".join(words)


def zsh(known: Sequence[Place]) -> str:
    return ZSH.format(
        moves="\n".join(f'            "{pattern}") place="{to}" ;;' for pattern, to in _moves(known)),
        values="\n".join(_zsh_value(option) for option in _with_value(known)),
        places="\n".join(
            f'        "{place.words}")\n'
            f"            offers=({_joined(_described(*offer) for offer in place.offers)})\n"
            f"            options=({_joined(_described(n, o.help) for o in place.options for n in o.names)}) ;;"
            for place in known
        ),
    )


def _zsh_value(option: Option) -> str:
    names = "|".join(option.names)
    if option.is_file:
        return f"        {names}) _files; return ;;"
    return f"        {names}) compadd -- {_joined(option.offers)}; return ;;"


def _described(word: str, help: str) -> str:
    escaped = help.replace("\\", "\\\\").replace(":", "\\:")
    return _quoted(f"{word}:{escaped}")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish(known: Sequence[Place]) -> str:
    return FISH.format(
        moves="\n".join(
            f'            case "{pattern}"\n                set place "{to}"' for pattern, to in _moves(known)
        ),
        places="\n".join(each for place in known for each in _fish_place(place)),
    )


def _fish_place(place: Place) -> Iterator[str]:
    head = f"complete -c replctl -n '__replctl_at \"{place.words}\"'"
    for word, help in place.offers:
        yield f"{head} -a {word} -d {_fish_quoted(help)}"
    for option in place.options:
        yield f"{head} {_joined(_fish_option(option))} -d {_fish_quoted(option.help)}"


def _fish_option(option: Option) -> Iterator[str]:
    for name in option.names:
        yield f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
    if option.value:
        yield "-r -F" if option.is_file else f"-x -a {_fish_quoted(_joined(option.offers))}"


def _fish_quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


SCRIPTS: Mapping[str, Callable[[Sequence[Place]], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

BASH = """\
# bash completion for replctl, printed by `replctl completion bash`
_replctl() {{
    local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} place="" offers="" options="" i
    COMPREPLY=()
    if [[ $cur == "=" ]]; then cur=""; elif [[ $prev == "=" ]]; then prev=${{COMP_WORDS[COMP_CWORD-2]}}; fi
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "$place ${{COMP_WORDS[i]}}" in
{moves}
        esac
    done
    case $prev in
{values}
    esac
    case $place in
{places}
    esac
    if [[ $cur == -* ]]; then
        COMPREPLY=($(compgen -W "$options" -- "$cur"))
    else
        COMPREPLY=($(compgen -W "$offers" -- "$cur"))
    fi
}}
complete -F _replctl replctl
"""

ZSH = """\
#compdef replctl
# zsh completion for replctl, printed by `replctl completion zsh`
_replctl() {{
    local place="" i
    local -a offers options
    for ((i = 2; i < CURRENT; i++)); do
        case "$place ${{words[i]}}" in
{moves}
        esac
    done
    case ${{words[CURRENT-1]}} in
{values}
    esac
    case $place in
{places}
    esac
    if [[ $PREFIX == -* ]]; then
        _describe -o option options
    else
        _describe command offers
    fi
}}
if [[ $funcstack[1] == _replctl ]]; then _replctl "$@"; else compdef _replctl replctl; fi
"""

FISH = """\
# fish completion for replctl, printed by `replctl completion fish`
function __replctl_at
    set -l place ""
    for word in (commandline -opc)[2..-1]
        switch "$place $word"
{moves}
        end
    end
    test "$place" = "$argv[1]"
end
complete -c replctl -f
{places}
"""
