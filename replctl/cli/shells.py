"""What completion is made of: the grammar that answers TAB, from the command tree, and a script for each shell; pure.

The scripts hold nothing of the tree: they hand the line to `replctl __complete` (see `replctl.completing`) and show
what it offers, so that a script which was installed once fits every version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from replctl.cli.helping import LONGEST_SENTENCE
from replctl.cli.options import HEADINGS, Choosing
from replctl.cli.output import Colour, Format
from replctl.completing.answering import COMMAND, DIRECTORIES, FILES
from replctl.completing.offers import DIRECTORY, FILE, LIST, NAME, SELECTOR, WORDS

GRAMMAR = "replctl/completing/grammar.txt"
TEXT = "text"
DURATIONS = f"{WORDS}30s 2m 5m 30m 1h"

# What is offered as a value, by the option, or else by the metavar of an option or argument. A new one must choose.
BY_OPTION: Mapping[str, str] = {
    "--namespace": "namespace",
    "--to": "end",
    "--survivor": "end",
    "--every": f"{WORDS}5s 30s 1m",
    "--for": f"{WORDS}4h 1d 7d",
    "--snapshot": TEXT,
    "--vendors": f"{LIST}powerstore trident",
}
BY_METAVAR: Mapping[str, str] = {
    "NAME": NAME,
    "ID": "operation",
    "BACKEND": "backend",
    "GROUP": "group",
    "TERMS": SELECTOR,
    "FILE": FILE,
    "DIR": DIRECTORY,
    "FORMAT": WORDS + " ".join(Format),
    "WHEN": WORDS + " ".join(Colour),
    "SHELL": f"{WORDS}bash zsh fish",
    "DURATION": DURATIONS,
    "BOUND": f"{LIST}unknown",
    "[NAME=]FILE": FILE,
    **dict.fromkeys(("NAME=URL", "NAME=CONTEXT", "[NAME=]USER", "[NAME=]VARIABLE", "[NAME=]COMMAND"), TEXT),
    **dict.fromkeys(("TEXT", "REASON", "HOW", "URL", "N", "S", "X"), TEXT),
}


def grammar(tree: Any) -> str:
    """The commands, options and values of a typer command tree, as `completing.grammar` reads them."""
    return "\n\n".join(_paragraphs(tree, ())) + "\n"


def _paragraphs(node: Any, above: tuple[str, ...]) -> Iterator[str]:
    commands: Mapping[str, Any] = getattr(node, "commands", {})
    lines: list[tuple[str, ...]] = [("place", " ".join(above), node.get_short_help_str(LONGEST_SENTENCE))]
    for each in node.params:
        if each.param_type_name == "argument":
            lines.append(("argument", _kind(each), "one" if each.nargs == 1 else "many"))
    lines += [_option(each) for each in node.params if each.param_type_name == "option"]
    if not commands:
        lines.append(("option", "-h --help", "", "once", "Show this message and exit."))
    yield "\n".join("\t".join(line) for line in lines)
    for name, child in commands.items():
        yield from _paragraphs(child, (*above, name))


def _option(parameter: Any) -> tuple[str, ...]:
    flag = parameter.is_flag or parameter.count
    manner = "again" if parameter.multiple or parameter.count else "once"
    if getattr(parameter, "rich_help_panel", None) == HEADINGS[Choosing]:
        manner = "chooses"
    names = " ".join((*parameter.opts, *parameter.secondary_opts))
    return ("option", names, "" if flag else _kind(parameter), manner, parameter.help or "")


def _kind(parameter: Any) -> str:
    if parameter.metavar == "NAME=VALUE":
        return _assumptions()
    decided = (BY_OPTION[name] for name in parameter.opts if name in BY_OPTION)
    return next(decided, None) or BY_METAVAR[parameter.metavar]


def _assumptions() -> str:
    from replctl.simulator.assumptions import ASSUMPTIONS

    return WORDS + " ".join(f"{each.name}={value}" for each in ASSUMPTIONS for value in each.values)


def files(tree: Any) -> Mapping[str, str]:
    """Every file that is generated, by its path in the source tree."""
    scripts = {f"completions/{name}": SCRIPTS[shell] for shell, name in FILE_NAMES.items()}
    return {GRAMMAR: grammar(tree), **scripts}


FILE_NAMES: Mapping[str, str] = {"bash": "replctl.bash", "zsh": "_replctl", "fish": "replctl.fish"}

BASH = f"""\
# bash completion for replctl, as `replctl completion bash` prints it
_replctl() {{
    local program=replctl offers IFS=$'\\n'
    if [[ $1 == */replctl ]]; then program=${{1/#\\~\\//$HOME/}}; fi
    COMPREPLY=()
    offers=$("$program" {COMMAND} bash "$COMP_WORDBREAKS" \\
        "${{COMP_LINE:0:COMP_POINT}}" "${{COMP_LINE:COMP_POINT}}" </dev/null 2>/dev/null)
    case $? in
        0) COMPREPLY=($offers) ;;
        {FILES}) compopt -o default 2>/dev/null || COMPREPLY=($(compgen -f -- "$2")) ;;
        {DIRECTORIES}) compopt -o dirnames 2>/dev/null || COMPREPLY=($(compgen -d -- "$2")) ;;
    esac
}}
complete -F _replctl replctl
"""

ZSH = f"""\
#compdef replctl
# zsh completion for replctl, as `replctl completion zsh` prints it
_replctl() {{
    local program=replctl code
    local -a offers expl space
    [[ $words[1] == */replctl ]] && program=${{${{(Q)words[1]}}/#\\~\\//$HOME/}}
    offers=("${{(@f)$("$program" {COMMAND} zsh "$COLUMNS" $((CURRENT - 2)) \\
        "${{(@Q)words[2,CURRENT-1]}}" "$PREFIX" "${{(@Q)words[CURRENT+1,-1]}}" </dev/null 2>/dev/null)}}")
    code=$?
    case $code in
        0)
            local -a offered=("${{(@)offers%%$'\\t'*}}") shown=("${{(@)offers#*$'\\t'}}")
            [[ $RBUFFER == ' '* ]] && space=(-S '')
            [[ -n $offers[1] ]] && _wanted offers expl offer compadd "$space[@]" -l -d shown -a offered ;;
        {FILES}) [[ $PREFIX == -*=* ]] && compset -P 1 '*='; _files ;;
        {DIRECTORIES}) [[ $PREFIX == -*=* ]] && compset -P 1 '*='; _files -/ ;;
        *) return 1 ;;
    esac
}}
if [[ $funcstack[1] == _replctl ]]; then _replctl "$@"; else compdef _replctl replctl; fi
"""

FISH = f"""\
# fish completion for replctl, as `replctl completion fish` prints it
function __replctl_offers
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l program replctl
    string match -q -- '*/replctl' $before[1]; and set program $before[1]
    set -l offers ($program {COMMAND} fish (math (count $before) - 1) $before[2..] "$current" </dev/null 2>/dev/null)
    switch $status
        case 0
            string join -- \\n $offers
        case {FILES} {DIRECTORIES}
            set -l typed (string match -r -- '^-[^=]*=' "$current")
            set -l paths (__fish_complete_path (string replace -- "$typed" '' "$current" | string trim -l -c '"\\''))
            string join -- \\n "$typed"$paths
    end
end
complete -c replctl -f -a '(__replctl_offers)'
"""

SCRIPTS: Mapping[str, str] = {"bash": BASH, "zsh": ZSH, "fish": FISH}
