"""Running the command line in-process: streams that remember, terminals that are none, a clock that stands."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pytest
from cli import stage
from fakes import START, FakeClock
from papers import judge

from replctl.cli.boundary import main


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Ran:
    code: int
    out: str
    err: str


class Runner:
    """Runs command lines against a world; `world` can be changed between two runs."""

    def __init__(self) -> None:
        self.world = stage.World()
        self.environ: dict[str, str] = {"HOME": "/nonexistent"}
        self.clock = FakeClock(START)

    def __call__(self, *argv: str, terminal: bool = False, columns: int = 80, typed: str = "") -> Ran:
        stream: Callable[..., io.StringIO] = Terminal if terminal else io.StringIO
        out, err = stream(), stream()
        code = self._main(argv, columns, stream(typed), out, err)
        judge(argv, out.getvalue())
        return Ran(code, out.getvalue(), err.getvalue())

    def on_one_screen(self, *argv: str, columns: int, typed: str = "") -> str:
        """What stands on a terminal afterwards, told and data in their order."""
        screen = Terminal()
        self._main(argv, columns, Terminal(typed), screen, screen)
        return screen.getvalue()

    def _main(
        self, argv: Sequence[str], columns: int, stdin: io.StringIO, out: io.StringIO, err: io.StringIO
    ) -> int:
        return main(
            argv,
            clock=self.clock,
            environ={**self.environ, "COLUMNS": str(columns)},
            stdin=stdin,
            stdout=out,
            stderr=err,
            assemble=self.world.assemble,
            leave=_left,
        )


def _left(code: int) -> None:
    raise AssertionError(f"the process would have left with {code}")


@pytest.fixture
def run() -> Runner:
    return Runner()


def lines(text: str) -> Sequence[str]:
    return [each.rstrip() for each in text.splitlines()]
