"""The entries of the desired-state file: marked YAML in, replications out, or what is wrong with them.

Every key has one reader; a reader returns None after it has told what is wrong, so that all mistakes of a file
are told at once. Which keys an end has depends on the kind of its backend.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from replctl.core.errors import Finding, excerpt
from replctl.core.hooks import Hook, Hooks, Moment
from replctl.core.model import End, Mode, Replication, State
from replctl.core.names import LABEL_ALLOWED, is_label_key, is_label_value
from replctl.settings.judging import Judge, Trail, is_text, shown
from replctl.settings.mistakes import suggest
from replctl.settings.yamlmarks import Node, Row, Table

STATES = ("source", "replica")  # nothing else can be desired (R24)
MODES = tuple(mode.value for mode in Mode)
ENTRY_REQUIRED = ("namespace", "name", "state", "local", "peer")
POWERSTORE_THINGS = ("volume", "volume_group", "session")
POWERSTORE_CREATION = ("policy",)
TRIDENT_REQUIRED = ("namespace", "mirror")
TRIDENT_THINGS = (*TRIDENT_REQUIRED, "pvc")
TRIDENT_CREATION = ("replication_policy", "schedule", "storage_class", "size")
THINGS: Mapping[str, tuple[str, ...]] = {"powerstore": POWERSTORE_THINGS, "trident": TRIDENT_THINGS}
CREATION: Mapping[str, tuple[str, ...]] = {"powerstore": POWERSTORE_CREATION, "trident": TRIDENT_CREATION}
END_REQUIRED: Mapping[str, tuple[str, ...]] = {
    "powerstore": ("backend",),
    "trident": ("backend", *TRIDENT_REQUIRED),
}
TOP_REQUIRED = ("replications",)
TOP_KEYS = (*TOP_REQUIRED, "groups")
GROUP_KEYS = ("hooks",)
HOOKS = tuple(moment.value for moment in Moment)
HOOK_KEYS = ("command", "timeout")
HOOK_TIMEOUT_SECONDS = 60.0
HOOK_LEAST_SECONDS = 0.001
HIGHEST_ORDER = 1_000_000


COMMAND_ALLOWED = "a list of texts: a program and its arguments, no shell"
PROGRAM_ALLOWED = "a program by its absolute path, or a name that is looked up in PATH"


@dataclass(frozen=True, slots=True)
class Entry:
    """A replication with what the file says beside it: its line and its hooks."""

    replication: Replication
    line: int
    hooks: Hooks

    @property
    def ends(self) -> tuple[End, End]:
        return self.replication.local, self.replication.peer


@dataclass(frozen=True, slots=True)
class Content:
    """What a file says: its entries, the hooks of its groups by the group's name, and every mistake."""

    entries: list[Entry]
    group_hooks: Mapping[str, Hooks]
    findings: list[Finding] = field(default_factory=list)


def read_entries(root: Node | None, shown_path: str, kinds: Mapping[str, str]) -> Content:
    """A whole file, each name once. `kinds` are the configured backends'."""
    judge = Judge(shown_path)
    reader = _EntryReader(judge, kinds)
    rows = _rows(root, judge)
    read = [reader.entry(node, ("replications", index)) for index, node in enumerate(rows)]
    entries = _unique((entry for entry in read if entry is not None), judge)
    hooks = _group_hooks(root, judge, {_group_of(row) for row in rows})
    return Content(entries, hooks, judge.findings)


def _group_of(row: Node) -> str | None:
    named = row.items.get("group") if isinstance(row, Table) else None
    return named.value if named is not None and is_text(named) else None


def _group_hooks(root: Node | None, judge: Judge, named: set[str | None]) -> Mapping[str, Hooks]:
    """`groups:` by name; one that no entry is in would never do what it says."""
    node = root.items.get("groups") if isinstance(root, Table) else None
    if node is None:
        return {}
    if not isinstance(node, Table):
        judge.find(node.line, ("groups",), shown(node), "a table of groups, such as {payments: {hooks: {…}}}")
        return {}
    reader = _HookReader(judge)
    found: dict[str, Hooks] = {}
    for name, inner in node.items.items():
        where: Trail = ("groups", name)
        if name not in named:
            known = sorted(each for each in named if each)
            allowed = f"{suggest(name, known)}the group of at least one entry: {', '.join(known) or 'there is none'}"
            judge.find(node.lines[name], where, "no entry is in this group", allowed)
        table = judge.table(inner, where, GROUP_KEYS)
        if table is not None and "hooks" in table.items:
            found[name] = reader.hooks(table.items["hooks"], (*where, "hooks"))
    return found


def _rows(root: Node | None, judge: Judge) -> tuple[Node, ...]:
    trail: Trail = TOP_REQUIRED
    if root is None:
        judge.find(1, trail, "missing", "required: a list of entries, [] for none")
        return ()
    table = judge.table(root, (), TOP_KEYS, TOP_REQUIRED)
    if table is None or "replications" not in table.items:
        return ()
    rows = table.items["replications"]
    if isinstance(rows, Row):
        return rows.items
    judge.find(table.lines["replications"], trail, shown(rows), "a list of entries, [] for none")
    return ()


def _unique(entries: Iterable[Entry], judge: Judge) -> list[Entry]:
    first: dict[str, Entry] = {}
    for entry in entries:
        key = entry.replication.key
        if first.setdefault(key, entry) is not entry:
            allowed = f"each name once; line {first[key].line} has it already"
            judge.findings.append(Finding(f"{judge.shown}:{entry.line}", key, allowed))
    return list(first.values())


class _EntryReader:
    """One reader for each key of an entry."""

    def __init__(self, judge: Judge, kinds: Mapping[str, str]) -> None:
        self._judge = judge
        self._ends = _EndReader(judge, kinds)
        self._readers: Mapping[str, Callable[[Node, Trail], Any]] = {
            "namespace": judge.name,
            "name": judge.name,
            "state": lambda node, trail: judge.word(node, trail, STATES),
            "mode": lambda node, trail: judge.word(node, trail, MODES),
            "rpo": judge.duration,
            "group": judge.name,
            "order": lambda node, trail: judge.whole(node, trail, HIGHEST_ORDER),
            "labels": self._labels,
            "local": self._ends.read,
            "peer": self._ends.read,
            "hooks": _HookReader(judge).hooks,
        }

    def entry(self, node: Node, trail: Trail) -> Entry | None:
        before = len(self._judge.findings)
        table = self._judge.table(node, trail, self._readers, ENTRY_REQUIRED)
        if table is None:
            return None
        values = {
            key: self._readers[key](inner, (*trail, key))
            for key, inner in table.items.items()
            if key in self._readers
        }
        local, peer = values.get("local"), values.get("peer")
        if not isinstance(local, End) or not isinstance(peer, End):
            return None
        self._ends.compare(local, peer, table.lines["peer"], (*trail, "peer"))
        if len(self._judge.findings) > before:
            return None
        return Entry(_replication(values, local, peer), table.line, values.get("hooks") or {})

    def _labels(self, node: Node, trail: Trail) -> tuple[tuple[str, str], ...]:
        if not isinstance(node, Table):
            self._judge.find(node.line, trail, shown(node), "a table, such as {tier: gold}")
            return ()
        for key, value in node.items.items():
            if not is_label_key(key):
                self._judge.find(node.lines[key], trail, f'"{excerpt(key)}"', f"keys of {LABEL_ALLOWED}")
            if not is_text(value) or not is_label_value(value.value):
                self._judge.find(value.line, (*trail, key), shown(value), f"a text of {LABEL_ALLOWED}")
        return tuple((key, value.value) for key, value in node.items.items() if is_text(value))


class _HookReader:
    """Reads `hooks:` of an entry or of a group; a hook is a table, or the command alone."""

    def __init__(self, judge: Judge) -> None:
        self._judge = judge

    def hooks(self, node: Node, trail: Trail) -> dict[str, Hook]:
        table = self._judge.table(node, trail, HOOKS)
        known = table.items if table is not None else {}
        read = {name: self._hook(known[name], (*trail, name)) for name in HOOKS if name in known}
        return {name: hook for name, hook in read.items() if hook is not None}

    def _hook(self, node: Node, trail: Trail) -> Hook | None:
        if isinstance(node, Row):
            command = self._command(node, trail)
            return Hook(command, HOOK_TIMEOUT_SECONDS) if command else None
        table = self._judge.table(node, trail, HOOK_KEYS, ("command",))
        if table is None or "command" not in table.items:
            return None
        command = self._command(table.items["command"], (*trail, "command"))
        timeout: float | None = HOOK_TIMEOUT_SECONDS
        if "timeout" in table.items:
            where = (*trail, "timeout")
            timeout = self._judge.duration(table.items["timeout"], where, HOOK_LEAST_SECONDS)
        return Hook(command, timeout) if command and timeout else None

    def _command(self, node: Node, trail: Trail) -> tuple[str, ...]:
        words = [item.value for item in node.items if is_text(item)] if isinstance(node, Row) else []
        if not isinstance(node, Row) or not words or len(words) < len(node.items):
            self._judge.find(node.line, trail, shown(node), COMMAND_ALLOWED)
            return ()
        if "\0" in "".join(words):
            self._judge.find(node.line, trail, "holds a zero byte", COMMAND_ALLOWED)
            return ()
        if not words[0] or ("/" in words[0] and not words[0].startswith("/")):
            self._judge.find(node.items[0].line, trail, shown(node.items[0]), PROGRAM_ALLOWED)
            return ()
        return tuple(words)


class _EndReader:
    """Reads an end by the kind of its backend, which must be configured: nothing is guessed (R79)."""

    def __init__(self, judge: Judge, kinds: Mapping[str, str]) -> None:
        self._judge = judge
        self._kinds = kinds

    def read(self, node: Node, trail: Trail) -> End | None:
        if not isinstance(node, Table):
            self._judge.find(
                node.line, trail, shown(node), "a table, such as {backend: west, volume: ledger}"
            )
            return None
        backend = self._backend(node, trail)
        if backend is None:
            return None
        kind = self._kinds[backend]
        before = len(self._judge.findings)
        keys = (*THINGS[kind], *CREATION[kind])
        self._judge.table(node, trail, ("backend", *keys), END_REQUIRED[kind])
        words = {key: self._judge.text(node.items[key], (*trail, key)) for key in keys if key in node.items}
        if kind == "powerstore":
            self._one_thing(node, trail)
        if len(self._judge.findings) > before:
            return None
        locator, creation = (
            tuple((key, word) for key in keys if (word := words.get(key)))
            for keys in (THINGS[kind], CREATION[kind])
        )
        return End(backend, kind, locator, creation)

    def compare(self, local: End, peer: End, line: int, trail: Trail) -> None:
        """An end and its peer stand on two backends of one kind."""
        if local == peer:
            self._judge.find(line, trail, "the same end as local", "an end on another backend")
        elif local.backend == peer.backend:
            self._judge.find(line, trail, f"on {peer.backend}, as local is", "an end on another backend")
        elif local.kind != peer.kind:
            what = f"on {peer.backend}, which is {peer.kind}"
            self._judge.find(line, trail, what, f"a backend of local's kind, {local.kind}")

    def _backend(self, node: Table, trail: Trail) -> str | None:
        where = (*trail, "backend")
        if "backend" not in node.items:
            self._judge.find(node.line, where, "missing", f"required; {self._configured('')}")
            return None
        leaf = node.items["backend"]
        name = self._judge.text(leaf, where)
        if name is None or name in self._kinds:
            return name
        self._judge.find(leaf.line, where, shown(leaf), self._configured(name))
        return None

    def _configured(self, name: str) -> str:
        known = sorted(self._kinds)
        return f"{suggest(name, known) if name else ''}configured backends: {', '.join(known)}"

    def _one_thing(self, node: Table, trail: Trail) -> None:
        given = [key for key in POWERSTORE_THINGS if key in node.items]
        if len(given) != 1:
            what = " and ".join(given) if given else "names nothing"
            self._judge.find(node.line, trail, what, f"exactly one of {', '.join(POWERSTORE_THINGS)}")


def _replication(values: Mapping[str, Any], local: End, peer: End) -> Replication:
    return Replication(
        namespace=values["namespace"],
        name=values["name"],
        desired_state=State(values["state"]),
        local=local,
        peer=peer,
        mode=Mode(values["mode"]) if "mode" in values else None,
        rpo_seconds=values.get("rpo"),
        group=values.get("group"),
        order=values.get("order", 0),
        labels=values.get("labels", ()),
    )
