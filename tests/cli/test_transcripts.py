"""The screens as they were judged: each fits what is written down, no line is wrapped by a terminal, and colours add
nothing but colour."""

from __future__ import annotations

import re

import pytest
from cli import scenes

from replctl.cli.lines import columns
from replctl.cli.output import Colour

ESCAPE = re.compile(r"\x1b\[[0-9;]*m")
TO_TYPE = re.compile(r"\s*replctl \S")  # it stands on one line, so that it can be pasted
NAMES = list(scenes.names())


@pytest.mark.parametrize("name", NAMES)
def test_a_screen_is_as_it_is_written_down(name: str) -> None:
    assert scenes.transcript(name) == scenes.path_of(name).read_text(encoding="utf-8"), "make generate"


def test_nothing_else_is_written_down() -> None:
    assert {path.stem for path in scenes.HERE.iterdir()} == set(NAMES)


@pytest.mark.parametrize(
    ("name", "width"),
    [
        *((name, width) for name in NAMES for width in scenes.WIDTHS),
        *((name, 70) for name in scenes.DRAWN if name != "status-long-names"),
    ],
)
def test_no_terminal_wraps_a_line_that_is_not_to_be_pasted(name: str, width: int) -> None:
    for each in scenes.shown(name, width, Colour.NEVER).splitlines():
        assert columns(each) <= width or TO_TYPE.match(each), each


@pytest.mark.parametrize("name", NAMES)
def test_without_colours_all_is_there(name: str) -> None:
    bare, coloured = (scenes.shown(name, 80, each) for each in (Colour.NEVER, Colour.ALWAYS))
    assert "\x1b" not in bare
    assert [each.rstrip() for each in ESCAPE.sub("", coloured).splitlines()] == [
        each.rstrip().replace("--color never", "--color always") for each in bare.splitlines()
    ]
