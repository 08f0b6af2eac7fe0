"""Marked YAML: lines, and everything that a configuration has no use for."""

from __future__ import annotations

import gc
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from replctl.core.errors import InvalidConfiguration
from replctl.settings import yamlmarks
from replctl.settings.yamlmarks import Leaf, Node, Row, Table, parse


def plain(node: Node | None) -> object:
    if node is None:
        return None
    if isinstance(node, Leaf):
        return node.value
    if isinstance(node, Row):
        return [plain(item) for item in node.items]
    return {key: plain(item) for key, item in node.items.items()}


def refusals(text: str) -> list[str]:
    with pytest.raises(InvalidConfiguration) as refusal:
        parse(text, "f")
    return [str(finding) for finding in refusal.value.findings]


def findings(text: str) -> list[str]:
    return [str(finding) for finding in parse(text, "f").findings]


def test_values_know_their_line() -> None:
    root = parse("a:\n  b: 1\n\n  c:\n  - x\n  - {d: y}\n", "f").root
    assert isinstance(root, Table)
    assert root.lines == {"a": 1}
    inner = root.items["a"]
    assert isinstance(inner, Table)
    assert inner.lines == {"b": 2, "c": 4}
    rows = inner.items["c"]
    assert isinstance(rows, Row)
    assert [item.line for item in rows.items] == [5, 6]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5), ("-5", -5), ("0x1f", 31), ("1.5", 1.5), ("yes", True), ("off", False), ("~", None), ("", None),
        ("null", None), ("'5'", "5"), ('"yes"', "yes"), ("5s", "5s"), ("2031-01-01", "2031-01-01"), ("=", "="),
        ("0b_", "0b_"), ("1_000", 1000), ("9" * 5000, "9" * 5000), (".inf", math.inf), ("ähm", "ähm"),
    ],
)  # fmt: skip
def test_scalars_mean_what_yaml_says_but_dates_stay_text(text: str, value: object) -> None:
    assert plain(parse(f"a: {text}", "f").root) == {"a": value}


json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(min_size=1), json_like, max_size=5), st.booleans())
def test_whatever_yaml_writes_is_read_as_yaml_reads_it(value: dict[str, object], flow: bool) -> None:
    text = yaml.safe_dump(value, default_flow_style=flow, allow_unicode=True)
    document = parse(text, "f")
    if not document.findings:  # a key "<<" is told
        assert plain(document.root) == yaml.safe_load(text)


def test_duplicates_and_odd_keys_are_told_all_at_once_with_their_lines() -> None:
    text = "a: 1\nb: {c: 1, c: 2}\na: 3\n1: x\nyes: x\n[x]: y\n<<: {d: 1}\ne: !!str 5\n"
    told = findings(text)
    assert [line.split(":")[1] for line in told] == ["2", "3", "4", "5", "6", "7", "8"]
    assert "line 1 has it already" in told[1]
    assert plain(parse(text, "f").root) == {"a": 1, "b": {"c": 1}, "e": "5"}


def test_syntax_errors_have_their_line() -> None:
    assert refusals("a: 1\nb: c: d\n") == ["f:2: not YAML: mapping values are not allowed in this context"]
    assert refusals("a: 1\nb:\n\t- x\n")[0].startswith("f:3: not YAML")
    assert refusals("a: 1\nb: \x07\n")[0].startswith("f:2: not YAML")
    assert refusals("a: 1\n---\nb: 1\n") == ["f:2: a second document: one document in a file"]
    assert refusals("a: *b\n") == ["f:1: an alias without its anchor: an anchor that stands before it"]
    assert refusals("a: &a [*a]\n")[0].startswith("f:1: an alias")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? "])
def test_deep_nesting_is_refused_and_ends_no_process(opening: str) -> None:
    """libyaml's own composer recurses in C: a file like this would end the process with a signal."""
    assert "nested too deep: at most 32 levels" in refusals(opening * 200_000)[0]


def test_aliases_are_shared_and_bombs_refused() -> None:
    assert plain(parse("a: &x {b: 1}\nc: *x\n", "f").root) == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    bomb += "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12))
    assert "too many values" in refusals(bomb)[0]


def test_huge_files_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yamlmarks, "MAX_CHARACTERS", 10)
    assert "too large" in refusals("a: 12345678\n")[0]


def test_without_libyaml_it_reads_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "a: {b: [1, 'x', ~]}\nc: |\n  long\n"
    with_library = parse(text, "f")
    monkeypatch.setattr(yamlmarks, "_LOADER", yaml.SafeLoader)
    assert parse(text, "f") == with_library
    assert refusals("a: b: c")[0].startswith("f:1: not YAML")
    assert refusals("a: 1\nb: \x07")[0].startswith("f:2: not YAML")
    assert "nested too deep" in refusals("[" * 2000)[0]


def test_the_collector_is_left_as_it_was() -> None:
    parse("a: 1", "f")
    refusals("a: [")
    assert gc.isenabled()
    gc.disable()
    try:
        parse("a: 1", "f")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_an_empty_file_is_no_table() -> None:
    assert parse("", "f").root is None
    assert parse("# nothing\n", "f").root is None
