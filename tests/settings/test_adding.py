"""Adding entries to the desired-state file: all that stands there stays, to the byte."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from replctl.core.model import End, Mode, Replication, State
from replctl.settings import Replications, parse_replications
from replctl.settings.adding import added
from replctl.settings.editing import NotEditable, created

KINDS = {"west": "powerstore", "east": "powerstore", "k8s-west": "trident", "k8s-east": "trident"}
BANK = """\
# ours

replications:
- namespace: bank   # the first
  name: ledger
  state: 'replica'
  local: {backend: west, volume: ledger}
  peer:
    backend: east
    volume: ledger  # and the last

# hands off below
groups: {}
"""
NEW = Replication(
    namespace="shop",
    name="cards",
    desired_state=State.SOURCE,
    mode=Mode.ASYNCHRONOUS,
    local=End("west", "powerstore", (("volume", 'Cards 1: "x" é'),)),
    peer=End("east", "powerstore", (("session", "0123"),)),
)
MIRROR = Replication(
    namespace="shop",
    name="orders",
    desired_state=State.REPLICA,
    local=End("k8s-west", "trident", (("namespace", "no"), ("mirror", "orders-dr"), ("pvc", "data"))),
    peer=End("k8s-east", "trident", (("namespace", "no"), ("mirror", "orders"), ("pvc", "data"))),
)
LINES = """\
- namespace: shop
  name: cards
  state: source
  mode: asynchronous
  local: {backend: west, volume: "Cards 1: \\"x\\" é"}
  peer: {backend: east, session: "0123"}
- namespace: shop
  name: orders
  state: replica
  local: {backend: k8s-west, namespace: "no", mirror: orders-dr, pvc: data}
  peer: {backend: k8s-east, namespace: "no", mirror: orders, pvc: data}
"""


def known(path: Path, text: str) -> Replications:
    path.write_bytes(text.encode())
    return parse_replications(text.removeprefix("\ufeff"), path, KINDS, path.name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replications.yaml"


def with_lines(path: Path, text: str) -> str:
    edit = added(known(path, text), [NEW, MIRROR])
    assert edit.before == text
    return edit.after


def test_new_entries_stand_behind_the_last_one(path: Path) -> None:
    head, tail = BANK[: (at := BANK.index("\n# hands off"))], BANK[at:]
    assert with_lines(path, BANK) == head + LINES + tail


def test_with_nothing_new_nothing_changes(path: Path) -> None:
    edit = added(known(path, BANK), [])
    assert (edit.before, edit.patch) == (edit.after, "")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("replications: []\n", "replications:\n" + LINES),
        ("replications:  [ ]   # none yet\n# end\n", "replications:   # none yet\n" + LINES + "# end\n"),
        ("replications: []", "replications:\n" + LINES),
        ("\ufeffreplications: []\r\n", "\ufeffreplications:\r\n" + LINES.replace("\n", "\r\n")),
    ],
)
def test_an_empty_list_gets_its_first_entries(path: Path, text: str, expected: str) -> None:
    assert with_lines(path, text) == expected


ENTRY = """\
{namespace: bank, name: ledger, state: replica, local: {backend: west, volume: l},
 peer: {backend: east, volume: l}}"""


@pytest.mark.parametrize(
    "text",
    [
        f"replications:\n  - {ENTRY}",
        f"replications:\n  -   {ENTRY}   # behind\n  # more\n",
        f"---\nreplications:\n- {ENTRY}\n...\n",
        f"replications: [{ENTRY}]\n",
        f"replications: [\n {ENTRY},  # with a comma\n]\n",
        f'{{"replications": [{ENTRY}]}}',
        f"replications:\n- {ENTRY}\n".replace("\n", "\r\n"),
        BANK.replace("    volume: ledger  # and the last\n", "    volume: |-\n      ledger\n\n"),
        BANK.replace("{backend: west, volume: ledger}", "{backend: west, volume: &x ledger}").replace(
            "volume: ledger  # and the last", "volume: *x"
        ),
    ],
)
def test_other_ways_to_write_it_keep_theirs(path: Path, text: str) -> None:
    after = with_lines(path, text)
    assert parse_replications(after, path, KINDS)["shop/cards"] == NEW
    same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(text, after, strict=False))
    kept = len(list(same))  # up to the new entries; and all that was behind them
    assert after.endswith(text[kept:])
    assert ("\r\n" in after) is ("\r\n" in text)


def test_what_it_would_change_besides_is_not_written(path: Path) -> None:
    before = known(path, BANK)
    path.write_text(BANK.replace("'replica'", "source"))
    with pytest.raises(NotEditable, match="cannot be put behind the others"):
        added(before, [NEW])
    path.write_text("# nothing\n")
    with pytest.raises(NotEditable, match="no place for entries"):
        added(before, [NEW])


def test_a_new_file_has_the_list_and_is_never_put_over_another(path: Path) -> None:
    nothing = Replications(path, path.name, {}, KINDS)
    edit = added(nothing, [NEW, MIRROR])
    assert edit.after == "replications:\n" + LINES
    assert created(edit)
    assert path.stat().st_mode & 0o777 == 0o644
    assert not created(edit)
    assert path.read_text() == edit.after
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_elsewhere_it_is_the_whole_file(path: Path, tmp_path: Path) -> None:
    edit = added(known(path, BANK), [NEW], tmp_path / "new.yaml")
    assert edit.before == ""
    assert list(yaml.safe_load(edit.after)["replications"][0]) == [
        "namespace",
        "name",
        "state",
        "local",
        "peer",
    ]
    assert len(yaml.safe_load(edit.after)["replications"]) == 2


def test_a_name_that_moves_a_cursor_is_written_escaped(tmp_path: Path) -> None:
    """Whoever shows the file on a terminal sees what is in it; a name is the array's, and may be anything."""
    name = "a\u202egnp\U000e0001 é"
    path = tmp_path / "replications.yaml"
    for text in (BANK, json.dumps(yaml.safe_load(BANK))):
        path.write_text(text)
        entry = replace(NEW, local=End("west", "powerstore", (("volume", name),)))
        after = added(parse_replications(path.read_text(), path, KINDS), [entry]).after
        assert after.replace("\n", "").isprintable()
        assert parse_replications(after, path, KINDS)["shop/cards"].local.words["volume"] == name
