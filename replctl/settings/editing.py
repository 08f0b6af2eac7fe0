"""Writing into the desired-state file what a command made true, and nothing else of it (design §10).

Only the words behind `state:` are exchanged, so that comments, order, quotes and line ends stay as they are to the
byte; what comes of it is read as the file will be, and must differ in those states alone. A file in a git work tree,
or one that cannot be written, is not touched: whoever keeps it gets the patch.
"""

from __future__ import annotations

import difflib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from replctl.core.errors import InvalidConfiguration, InvalidInput
from replctl.core.model import State
from replctl.settings import files
from replctl.settings.desired import Replications, parse_replications

GIT = ".git"
TRIES = 3  # to write while somebody else writes too
NEW_FILE = 0o644  # it holds no secret, and a daemon of another user reads it
BOM = "\ufeff"
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class NotEditable(InvalidInput):
    """The file is not ours to write; `patch` is what would have been written, for whoever keeps it."""

    code = "file-not-editable"

    def __init__(self, message: str, *, patch: str = "", remedy: str = "") -> None:
        super().__init__(message, remedy=remedy)
        self.patch = patch


@dataclass(frozen=True, slots=True)
class Edit:
    """The file as it is and as it shall be."""

    path: Path
    shown: str
    before: str
    after: str

    @property
    def patch(self) -> str:
        """In the form that `git apply` and `patch -p1` take, from the root of the work tree if there is one."""
        tree = work_tree(self.path)
        name = str(self.path.resolve().relative_to(tree)) if tree is not None else self.path.name
        lines = difflib.unified_diff(
            self.before.splitlines(keepends=True),
            self.after.splitlines(keepends=True),
            f"a/{name}",
            f"b/{name}",
        )
        return "".join(
            line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines
        )


def edited(known: Replications, wanted: Mapping[str, State]) -> Edit:
    """What giving these entries these states makes of the file as it is now.

    Raises NotEditable when that cannot be told from the text, such as a state that is shared through an alias, and
    InvalidConfiguration when the file is broken, or its entries are no longer those that are known.
    """
    before = text_of(known.path, known.shown)
    old = parse_replications(before.removeprefix(BOM), known.path, known.kinds, known.shown)
    for key in wanted:
        if key not in old or old[key].local != known[key].local or old[key].peer != known[key].peer:
            raise NotEditable(f"{known.shown} was changed meanwhile: {key} is not what it was")
    after = _exchanged(before, wanted)
    _refuse_other_changes(old, after, wanted, known)
    return Edit(known.path, known.shown, before, after)


def refuse_unless_ours(edit: Edit) -> None:
    """Raises NotEditable, with the patch, for a file that others keep, or that cannot be written."""
    tree = work_tree(edit.path)
    if tree is not None:
        said = f"{edit.shown} lies in the git work tree {tree}"
        raise NotEditable(
            said, patch=edit.patch, remedy="commit the patch there, and leave out --update-file"
        )
    if not _is_writable(edit.path.resolve()):
        said = f"{edit.shown} cannot be written by this user"
        raise NotEditable(said, patch=edit.patch, remedy="have the patch put in, and leave out --update-file")


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)


def update(known: Replications, wanted: Mapping[str, State]) -> None:
    """Write the states into the file; raises NotEditable, and InvalidConfiguration, with nothing written."""
    for _ in range(TRIES):
        edit = edited(known, wanted)
        refuse_unless_ours(edit)
        if replaced(edit):
            return
    raise NotEditable(f"{known.shown} is being written by somebody else again and again")


def work_tree(path: Path) -> Path | None:
    """The git work tree that the file lies in, by its own path or by what that leads to."""
    for start in (path.resolve(), path.absolute()):
        for directory in start.parents:
            if (directory / GIT).exists():
                return directory
    return None


def text_of(path: Path, shown: str) -> str:
    """With line ends and a byte order mark as they are, which `files.read` would drop."""
    files.read(path, files.LARGEST_REPLICATIONS_BYTES, shown)
    try:
        content, _ = files.slurp(path, files.LARGEST_REPLICATIONS_BYTES)
        return content.decode("utf-8")
    except (files.Unreadable, UnicodeDecodeError) as error:
        raise NotEditable(f"{shown} cannot be read: {error}") from None


def _exchanged(text: str, wanted: Mapping[str, State]) -> str:
    """The text with the words of these entries' states exchanged, quotes kept."""
    bare = text.removeprefix(BOM)
    kept = text[: len(text) - len(bare)]
    for begin, end, state in sorted(_places(bare, wanted), reverse=True):
        quote = bare[begin] if bare[begin] in "\"'" else ""
        bare = f"{bare[:begin]}{quote}{state.value}{quote}{bare[end:]}"
    return kept + bare


def _places(text: str, wanted: Mapping[str, State]) -> Iterator[tuple[int, int, State]]:
    root = yaml.compose(text, Loader=_LOADER)
    for entry in _items(root)["replications"].value:
        items = _items(entry)
        key = f"{items['namespace'].value}/{items['name'].value}"
        if key in wanted:
            state = items["state"]
            yield state.start_mark.index, state.end_mark.index, wanted[key]


def _items(node: Any) -> dict[str, Any]:
    return {key.value: value for key, value in node.value}


def _refuse_other_changes(
    old: Replications, after: str, wanted: Mapping[str, State], known: Replications
) -> None:
    """What was written must be what was meant, whatever the file's author did with anchors and aliases."""
    unclear = f"{known.shown}: the state of {', '.join(sorted(wanted))} cannot be exchanged by itself"
    try:
        new = parse_replications(after.removeprefix(BOM), known.path, known.kinds, known.shown)
    except InvalidConfiguration as error:
        raise NotEditable(unclear, remedy="write it by hand") from error
    meant = {
        key: replace(
            entry,
            replication=replace(entry.replication, desired_state=wanted.get(key, old[key].desired_state)),
        )
        for key, entry in old.entries.items()
    }
    if dict(new.entries) != meant or new.group_hooks != old.group_hooks:
        raise NotEditable(unclear, remedy="write it by hand")


def replaced(edit: Edit) -> bool:
    """Put the new file in the place of the old one, whole; False when somebody wrote it meanwhile."""
    target = edit.path.resolve()
    found = target.stat()
    with _beside(target, edit, found.st_mode & 0o7777, (found.st_uid, found.st_gid)) as made:
        if text_of(edit.path, edit.shown) != edit.before:
            return False
        made.replace(target)
    return True


def created(edit: Edit) -> bool:
    """Put a file there that was not there, whole; False when somebody put one there meanwhile."""
    try:
        with _beside(edit.path, edit, NEW_FILE) as made:
            os.link(made, edit.path)
    except FileExistsError:
        return False
    return True


@contextmanager
def _beside(target: Path, edit: Edit, mode: int, owner: tuple[int, int] | None = None) -> Iterator[Path]:
    """The new content in a file beside the target, on disk; gone at the end unless it became the target."""
    try:
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        made = Path(name)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(edit.after.encode())
                stream.flush()
                os.fchmod(stream.fileno(), mode)
                if owner is not None:
                    with suppress(
                        PermissionError
                    ):  # another owner's file stays his where we may give it to him
                        os.fchown(stream.fileno(), *owner)
                os.fsync(stream.fileno())
            yield made
        finally:
            made.unlink(missing_ok=True)
    except FileExistsError:
        raise
    except OSError as error:
        said = f"{edit.shown} cannot be written: {error.strerror or error}"
        raise NotEditable(said, patch=edit.patch) from error
