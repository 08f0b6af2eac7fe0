"""Writing a state into the desired-state file: nothing else of it changes, and what is not ours is not touched."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from replctl.core.model import State
from replctl.settings import Replications, editing, parse_replications
from replctl.settings.editing import NotEditable, edited, refuse_unless_ours, update

KINDS = {"west": "powerstore", "east": "powerstore"}
TEXT = """\
# who pays: finance, Grüße 🏦
replications:

  - name: ledger      # the first
    namespace: bank
    state:   'replica'   # until the move
    mode: asynchronous
    local: {backend: west, volume: ledger}
    peer:
        backend: east
        volume: ledger
  - {namespace: bank, name: cards, state: source,
     local: {backend: west, volume: cards}, peer: {backend: east, volume: cards}}
# the end"""
LEDGER, CARDS = "bank/ledger", "bank/cards"


def known(path: Path, text: str = TEXT) -> Replications:
    path.write_bytes(text.encode())
    return parse_replications(text.removeprefix("\ufeff"), path, KINDS, path.name)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replications.yaml"


def test_only_the_words_are_exchanged(path: Path) -> None:
    update(known(path), {LEDGER: State.SOURCE, CARDS: State.REPLICA})
    expected = TEXT.replace("'replica'", "'source'").replace("state: source,", "state: replica,")
    assert path.read_text() == expected


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT + "\n"])
def test_line_ends_and_marks_stay(path: Path, text: str) -> None:
    update(known(path, text), {LEDGER: State.SOURCE})
    assert path.read_bytes() == text.replace("'replica'", "'source'").encode()


def test_mode_and_links_stay(path: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = elsewhere / "entries.yaml"
    target.write_text(TEXT)
    target.chmod(0o640)
    path.symlink_to(target)
    update(known(path), {LEDGER: State.SOURCE})
    assert path.is_symlink()
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert "'source'" in target.read_text()
    assert [each.name for each in elsewhere.iterdir()] == ["entries.yaml"]


SHARED = """\
replications:
- {namespace: bank, name: ledger, state: &now replica,
   local: {backend: west, volume: a}, peer: {backend: east, volume: a}}
- {namespace: bank, name: cards, state: *now, local: {backend: west, volume: b}, peer: {backend: east, volume: b}}
"""


@pytest.mark.parametrize("key", [LEDGER, CARDS])
def test_what_is_shared_by_an_alias_is_not_exchanged(path: Path, key: str) -> None:
    with pytest.raises(NotEditable, match="cannot be exchanged by itself"):
        update(known(path, SHARED), {key: State.SOURCE})
    assert path.read_text() == SHARED


def test_an_entry_that_is_another_one_now_is_left_alone(path: Path) -> None:
    before = known(path)
    path.write_text(TEXT.replace("volume: ledger}", "volume: other}"))
    with pytest.raises(NotEditable, match="was changed meanwhile"):
        update(before, {LEDGER: State.SOURCE})


def test_an_edit_in_between_is_kept(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = known(path)
    really, written = editing.replaced, []

    def late(edit: editing.Edit) -> bool:
        if not written:
            written.append(True)
            path.write_text(TEXT.replace("# the end", "# another end"))
        return really(edit)

    monkeypatch.setattr(editing, "replaced", late)
    update(before, {LEDGER: State.SOURCE})
    assert path.read_text().endswith("# another end")
    assert "'source'" in path.read_text()


def test_a_file_in_a_git_work_tree_gets_a_patch_that_git_takes(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "site").mkdir(parents=True)
    (tree / ".git").mkdir()
    path = tree / "site" / "replications.yaml"
    edit = edited(known(path), {LEDGER: State.SOURCE})
    with pytest.raises(NotEditable, match=f"lies in the git work tree {tree}") as refusal:
        refuse_unless_ours(edit)
    patch = refusal.value.patch
    assert patch.startswith("--- a/site/replications.yaml\n+++ b/site/replications.yaml\n@@ ")
    assert [line for line in patch.splitlines() if line[:1] in "+-"][2:] == [
        "-    state:   'replica'   # until the move",
        "+    state:   'source'   # until the move",
    ]
    with pytest.raises(NotEditable):
        update(known(path), {LEDGER: State.SOURCE})
    assert path.read_text() == TEXT
    link = tmp_path / "linked.yaml"
    link.symlink_to(path)
    assert editing.work_tree(link) == tree


def test_the_patch_says_where_the_last_line_does_not_end(path: Path) -> None:
    text = SHARED.replace("&now ", "").replace("*now", "source").rstrip("\n")
    edit = edited(known(path, text), {CARDS: State.REPLICA})
    assert edit.patch.count("\n\\ No newline at end of file\n") == 2
    assert edit.patch.endswith("\n")


def test_a_file_that_cannot_be_written_is_refused_with_its_patch(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = known(path)
    monkeypatch.setattr(editing, "_is_writable", lambda _: False)  # root may write anything
    with pytest.raises(NotEditable, match="cannot be written by this user") as refusal:
        update(before, {LEDGER: State.SOURCE})
    assert "+    state:   'source'" in refusal.value.patch
    assert refusal.value.exit_code == 2
    assert path.read_text() == TEXT
