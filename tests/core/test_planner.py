"""The planner, told as transcripts (cases/*.txt) and as properties over arbitrary worlds."""

from __future__ import annotations

from pathlib import Path

import pytest
from core.transcripts import Case, cases

FILES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
CASES = [pytest.param(case, id=f"{path.stem}: {case.title}") for path in FILES for case in cases(path)]


@pytest.mark.parametrize("case", CASES)
def test_the_planner_answers_as_written(case: Case) -> None:
    for answered, expected in case.play():
        assert answered == expected
