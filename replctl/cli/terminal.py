"""Our lines on rich's console, for what redraws itself: the progress line and the live screen. Imports rich late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

from replctl.cli.lines import Line
from replctl.cli.output import PAINT, RESET, Output, harmless

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def console(output: Output, stream: TextIO, width: int | None) -> Console:
    """A console on one of the output's streams, coloured as that is."""
    from rich.console import Console

    return Console(
        file=stream,
        width=width,
        force_terminal=True,
        no_color=not output.coloured(stream),
        highlight=False,
        markup=False,
        emoji=False,
    )


def text(lines: Sequence[Line]) -> Text:
    """The lines as rich's; foreign text in them is made harmless."""
    from rich.text import Text

    made = [
        Text.from_ansi("".join(f"{PAINT[span.role]}{harmless(span.text)}{RESET}" for span in spans))
        for spans in lines
    ]
    return Text("\n").join(made)
