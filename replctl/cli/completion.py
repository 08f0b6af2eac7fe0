"""`completion`: the script that teaches a shell the commands, options, values and names of this program.

The same scripts are installed with the program. They ask it at each TAB (`replctl.completing`), which answers from
files before anything slow is imported.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    context: typer.Context,
    *,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script of a shell.

    It is to be sourced. In bash and zsh: source <(replctl completion bash). In fish: replctl completion fish | source
    """
    from replctl.cli import shells

    typer.echo(shells.SCRIPTS[shell.value], nl=False)
    return 0
