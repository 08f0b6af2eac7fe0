"""The printer: what reaches which stream, and what never reaches a terminal."""

from __future__ import annotations

import io
import json
import os
from typing import Any

import pytest
import yaml
from cli.conftest import Terminal
from hypothesis import given, settings
from hypothesis import strategies as st

from replctl.cli.lines import (
    Role,
    Row,
    Span,
    abridged,
    columns,
    cropped,
    fitted,
    length,
    line,
    plain,
    table,
    wrapped,
)
from replctl.cli.output import PAINT, Colour, Format, Output, harmless, to_json, to_yaml

FOREIGN = "evil\x1b[2J\x07name\u202e\r\n\x9b31m"


def output(terminal: bool = False, **more: Any) -> Output:
    made = Terminal if terminal else io.StringIO
    environ = more.pop("environ", {})
    return Output(made(), made(), environ, **more)


def written(stream: Any) -> str:
    text: str = stream.getvalue()
    return text


def test_no_control_character_reaches_a_stream_but_our_colours() -> None:
    for terminal in (False, True):
        printer = output(terminal)
        printer.data([line(Span(FOREIGN, Role.BAD), FOREIGN)])
        bare = written(printer.stdout)
        for code in {*PAINT.values(), "\x1b[0m"} - {""}:
            bare = bare.replace(code, "")
        assert bare == f"{harmless(FOREIGN)}{harmless(FOREIGN)}\n"
        assert all(each.isprintable() or each == "\n" for each in bare)


def test_names_stand_one_on_a_line_whatever_is_in_them() -> None:
    printer = output()
    printer.names([FOREIGN, "b"])
    assert written(printer.stdout) == f"{harmless(FOREIGN)}\nb\n"


@settings(deadline=None)  # a busy machine proves nothing
@given(st.text())
def test_json_is_harmless_and_says_the_same(text: str) -> None:
    told = to_json({"message": text})
    assert json.loads(told) == {"message": text}
    assert all(each.isprintable() or each == "\n" for each in told)
    assert not any("\ud800" <= each <= "\udfff" for each in told)


@settings(deadline=None)  # a busy machine proves nothing
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_yaml_is_harmless_and_says_the_same(text: str) -> None:
    told = to_yaml({"message": text})
    assert yaml.safe_load(told) == {"message": text}
    assert told.isascii()


def test_colour_only_on_a_terminal_and_never_with_no_color() -> None:
    def coloured(terminal: bool, colour: Colour = Colour.AUTO, **environ: str) -> bool:
        printer = output(terminal, colour=colour, environ=environ)
        printer.data([line(Span("bad", Role.BAD))])
        return "\x1b[" in written(printer.stdout)

    assert coloured(True)
    assert not coloured(False)
    assert not coloured(True, NO_COLOR="1")
    assert not coloured(True, TERM="dumb")
    assert not coloured(True, Colour.NEVER)
    assert coloured(False, Colour.ALWAYS, NO_COLOR="1")


def test_quiet_silences_commentary_not_what_must_be_read() -> None:
    printer = output(quiet=True)
    printer.say([line("by the way")])
    printer.say_text("by the way")
    printer.tell([line("refused")])
    assert written(printer.stderr) == "refused\n"


def test_a_reader_who_goes_away_ends_the_printing_not_the_work() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w") as pipe:
        printer = Output(pipe, io.StringIO(), {})
        for _ in range(3):
            printer.data([line("x" * 100_000)])
        printer.flush()
    assert written(printer.stderr) == ""


def test_a_terminal_without_utf8_gets_question_marks() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    Output(stream, io.StringIO(), {}).data([line("✓ done → now")])
    assert raw.getvalue() == b"? done ? now\n"


def test_widths_follow_the_terminal() -> None:
    assert output(True, environ={"COLUMNS": "120"}).width == 120
    assert output(True, environ={"COLUMNS": "wide"}).width == 80
    assert output(False, environ={"COLUMNS": "120"}).width is None


def test_formats_know_whether_they_are_documents() -> None:
    assert [each for each in Format if each.is_document] == [Format.JSON, Format.JSONL, Format.YAML]


def test_one_long_cell_does_not_pad_all_the_others() -> None:
    rows = [Row((Span("x" * 50_000), Span("a"))), *(Row((Span("y"), Span("b"))) for _ in range(100))]
    told = plain(table(["NAME", "STATE"], rows, None))
    assert len(told) < 100_000
    assert "x" * 50_000 in told


def test_a_table_cuts_no_cell() -> None:
    rows = [Row((Span("a-very-long-name-that-nobody-may-cut"), Span("x")), Span("a remark that is long"))]
    text = plain(table(["NAME", "X"], rows, 30, remark="MESSAGE"))
    assert "a-very-long-name-that-nobody-may-cut" in text
    assert text.splitlines()[0].split() == ["a-very-long-name-that-nobody-may-cut", "x", "x"]
    assert "    a remark that is long" in text
    assert plain(table(["NAME", "X"], rows, 40, remark="MESSAGE")).splitlines()[0].split() == ["NAME", "X"]


def test_columns_give_way_in_their_order_and_names_at_last() -> None:
    rows = [
        Row((Span(f"bank-of-the-{each}/ledger-of-all"), Span("ok"), Span("why")))
        for each in ("north", "south")
    ]
    headers, _ = fitted(["NAME", "STATE", "WHY"], rows, 40, ["WHY"])
    assert headers == ["NAME", "STATE"]
    headers, short = fitted(["NAME", "STATE", "WHY"], rows, 33, ["WHY"], abridged)
    assert [each.cells[0].text for each in short] == [
        "bank-o…north/ledger-of-all",
        "bank-o…south/ledger-of-all",
    ]
    _, alike = fitted(["NAME", "STATE", "WHY"], rows, 24, ["WHY"], abridged)
    assert [each.cells[0].text for each in alike] == [each.cells[0].text for each in rows]


@given(st.text(st.characters(codec="utf-8", categories=["L", "N"]), max_size=30), st.integers(16, 40))
def test_what_is_cut_fits(key: str, room: int) -> None:
    assert columns(abridged(f"{key}/{key}", room)) <= room
    assert length(cropped(line(key, Span(key, Role.BAD)), room)) <= room


@settings(deadline=None)  # a busy machine proves nothing
@given(st.text(st.characters(min_codepoint=32, max_codepoint=126)), st.integers(20, 120))
def test_wrapping_keeps_every_word(text: str, width: int) -> None:
    lines = wrapped(text, width, first=line("head: "), indent=4)
    assert plain(lines).split() == ["head:", *text.split()]


@pytest.mark.parametrize("width", [20, 40, 80])
def test_wrapping_keeps_to_the_width(width: int) -> None:
    lines = wrapped("word " * 50, width, first=line("head: "), indent=4)
    assert max(len(each) for each in plain(lines).splitlines()) <= width
