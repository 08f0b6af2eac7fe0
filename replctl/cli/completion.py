"""`completion`: the script that teaches a shell the commands, options and values of this program.

The script holds all it needs: pressing TAB starts nothing, and so can neither be slow nor print an error. It is made
from the same tree that the command line is parsed with.
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

    It is to be sourced, in bash and zsh: source <(replctl completion bash)
    """
    from replctl.cli import shells

    tree = context.find_root().command
    context.obj.stdout.write(shells.SCRIPTS[shell.value](shells.places(tree)))
    return 0
