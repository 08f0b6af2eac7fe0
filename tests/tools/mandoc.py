"""The manual, judged by mandoc, which knows its language best; `make check-tools` runs it."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "man").rglob("*.[1-9]"))
NARROW = 80


def mandoc(*words: str) -> str:
    ran = subprocess.run(["mandoc", *words], capture_output=True, text=True, check=False)
    return ran.stdout + ran.stderr


def test_no_page_gives_a_warning() -> None:
    assert PAGES
    assert mandoc("-T", "lint", "-W", "warning", *map(str, PAGES)) == ""


def test_no_page_gives_advice_but_about_pages_that_are_not_installed() -> None:
    advice = mandoc("-T", "lint", "-W", "style", *map(str, PAGES)).splitlines()
    assert [line for line in advice if "referenced manual not found: Xr replctl" not in line] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_nothing_that_is_typed_is_lost_on_the_screen(page: Path) -> None:
    """Options and their dashes are what one can paste, and no macro stands there as text."""
    shown = subprocess.run(
        ["mandoc", "-T", "ascii", "-O", f"width={NARROW}", str(page)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    plain = subprocess.run(["col", "-bx"], input=shown, capture_output=True, text=True, check=True).stdout
    source = page.read_text(encoding="utf-8")
    for line in source.splitlines():
        if line.startswith(".It Fl "):
            long = line.split("Fl ")[-1].split(" Ns ")[0].split()[0].replace("\\-", "-")
            assert f"-{long}" in plain, line
    assert not [line for line in plain.splitlines() if line.lstrip().startswith((".It", ".Ss", ".Fl", ".Ql"))]
    assert "\\" not in plain.replace("\\n", "")
