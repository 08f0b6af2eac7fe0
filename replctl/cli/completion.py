"""`completion`: the script that teaches a shell the commands and options of this program."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from replctl.cli.surroundings import PROGRAM

VARIABLE = f"_{PROGRAM.upper()}_COMPLETE"  # set by the scripts, read by the boundary


class Shell(StrEnum):
    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    context: typer.Context,
    *,
    shell: Annotated[Shell, typer.Argument(metavar="SHELL", help="bash, zsh or fish.")],
) -> int:
    """Print the completion script of a shell, to be sourced: . <(replctl completion bash)"""
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # typer's own, not marked as exported

    script = get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value)
    context.obj.stdout.write(f"{script}\n")
    return 0
