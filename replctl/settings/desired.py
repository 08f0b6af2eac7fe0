"""The desired-state file: what shall be replicated, and which way, as `core.model.Replication` values.

Checked by hand over marked YAML, so that every mistake keeps its line; ten thousand entries are read in about a
second, most of which is YAML. Two entries may not name the same end; what only ids can tell is
judged by `clashes` once a driver has resolved them. Nothing is guessed: an end names its backend and its thing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from replctl.core.errors import Finding, InvalidConfiguration
from replctl.core.hooks import NO_HOOKS, Hooks, HookSet
from replctl.core.model import End, Replication
from replctl.settings import files
from replctl.settings.loading import Settings
from replctl.settings.origin import counted, in_order

if TYPE_CHECKING:
    from replctl.settings.entries import Entry

Identity = tuple[str | None, str | None]
"""Ids of the resource and of its replication session, as the backend gives them; None is not known."""


@dataclass(frozen=True, slots=True)
class Replications(Mapping[str, Replication]):
    """The entries of one file by `namespace/name`, in the file's order, each with its line.

    `kinds` are the backends that it was judged by, for the next reload; `group_hooks` are those that run once for
    a whole group, by its name.
    """

    path: Path
    shown: str
    entries: Mapping[str, Entry]
    kinds: Mapping[str, str]
    group_hooks: Mapping[str, Hooks] = field(default_factory=lambda: MappingProxyType({}))

    def __getitem__(self, key: str) -> Replication:
        return self.entries[key].replication

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def place(self, key: str) -> str:
        """Where the entry stands, such as `replications.yaml:12`."""
        return f"{self.shown}:{self.entries[key].line}"

    @property
    def lines(self) -> Mapping[str, int]:
        return {key: entry.line for key, entry in self.entries.items()}

    def hooks_of(self, key: str) -> HookSet:
        """All programs that run around a change of this replication; none for one that is not of the file."""
        entry = self.entries.get(key)
        if entry is None:
            return HookSet()
        return HookSet(entry.hooks, self.group_hooks.get(entry.replication.group or "", NO_HOOKS))


def load_replications(settings: Settings, *, may_be_missing: bool = False) -> Replications:
    """Read the file that the configuration names; raises InvalidConfiguration with every mistake.

    With `may_be_missing` one that is not there, or is empty, has no entries: it is still to be written.
    """
    path = settings.replications_path
    place = settings.layers.place(("replications",))
    shown = settings.around.shown(path)
    kinds = {name: backend.kind for name, backend in settings.backends.items()}
    if may_be_missing and _is_to_be_written(path):
        return Replications(path, shown, MappingProxyType({}), MappingProxyType(kinds))
    begun = "; replctl import writes it from what the backends have" if _is_to_be_written(path) else ""
    file = files.read(path, files.LARGEST_REPLICATIONS_BYTES, shown, remedy=f"{place} names it{begun}")
    return parse_replications(file.text, path, kinds, shown)


def _is_to_be_written(path: Path) -> bool:
    try:
        return path.stat().st_size == 0
    except OSError as error:
        return isinstance(error, FileNotFoundError)


def parse_replications(
    text: str, path: Path, kinds: Mapping[str, str], shown: str | None = None
) -> Replications:
    """Read a file's text; `kinds` are the configured backends with their kind. Raises InvalidConfiguration."""
    from replctl.settings.entries import read_entries  # YAML costs start-up time, and only a load needs it
    from replctl.settings.yamlmarks import parse, uncollected

    shown = shown or str(path)
    with uncollected():
        document = parse(text, shown)
        content = read_entries(document.root, shown, kinds)
        wrong = [*document.findings, *content.findings, *_same_words(content.entries, shown)]
    if wrong:
        raise _refused(shown, wrong)
    by_key = {entry.replication.key: entry for entry in content.entries}
    groups = MappingProxyType(content.group_hooks)
    return Replications(path, shown, MappingProxyType(by_key), MappingProxyType(dict(kinds)), groups)


def reload(
    old: Replications,
    new_text: str,
    allow_shrink: bool = False,
    *,
    identities: Mapping[End, Identity] = MappingProxyType({}),
) -> Replications:
    """Read the file anew, all or nothing: whatever is raised, `old` stays in force.

    Refused beside every mistake of the text: forgetting more than half of the entries unless `allow_shrink`, and
    an entry whose end is now another one. `identities` may show that it is the same under another name.
    """
    new = parse_replications(new_text, old.path, old.kinds, old.shown)
    wrong = [*_changed_identities(old, new, identities)]
    forgotten = [key for key in old if key not in new]
    if not allow_shrink and len(forgotten) * 2 > len(old):
        allowed = "more than half at once only with --allow-shrink"
        wrong.append(Finding(old.shown, f"forgets {len(forgotten)} of {len(old)} entries", allowed))
    if wrong:
        raise _refused(old.shown, wrong)
    return new


def clashes(replications: Replications, identities: Mapping[End, Identity]) -> list[Finding]:
    """Entries that resolve to the same end, whatever they name it by (R78); ends without ids are passed over."""
    return _collisions(
        (
            (entry, end, (end.backend, what, identity))
            for entry in replications.entries.values()
            for end in entry.ends
            for what, identity in zip(("resource", "session"), identities.get(end, ()), strict=False)
            if identity
        ),
        replications.shown,
    )


def _same_words(entries: Iterable[Entry], shown: str) -> list[Finding]:
    return _collisions(
        ((entry, end, claim) for entry in entries for end in entry.ends for claim in _claims(end)), shown
    )


def _claims(end: End) -> Iterator[tuple[str, str, str]]:
    """What an end says is its own, by words: at Trident the mirror and the claim, each within its namespace."""
    namespace = next((value for key, value in end.locator if key == "namespace"), "")
    for key, value in end.locator:
        if key != "namespace":
            yield end.backend, key, f"{namespace}/{value}" if namespace else value


def _collisions(claims: Iterable[tuple[Entry, End, tuple[str, str, str]]], shown: str) -> list[Finding]:
    """One finding for each entry that claims what an earlier one has."""
    owners: dict[tuple[str, str, str], Entry] = {}
    told: dict[int, Finding] = {}
    for entry, end, claim in claims:
        owner = owners.setdefault(claim, entry)
        if owner is not entry and entry.line not in told:
            place = f"{shown}:{entry.line}: {entry.replication.key}"
            by = f"{owner.replication.key} on line {owner.line} has it already"
            told[entry.line] = Finding(place, str(end), f"each end in one entry; {by}")
    return list(told.values())


def _changed_identities(
    old: Replications, new: Replications, identities: Mapping[End, Identity]
) -> Iterator[Finding]:
    for key, entry in new.entries.items():
        if key not in old:
            continue
        for before, after in zip(old.entries[key].ends, entry.ends, strict=True):
            if before != after and not _proven_same(before, after, identities):
                allowed = (
                    f"the same end as before, which is {before}; remove the entry, reload, and add it anew"
                )
                yield Finding(f"{new.place(key)}: {key}", str(after), allowed)


def _proven_same(before: End, after: End, identities: Mapping[End, Identity]) -> bool:
    known, now = identities.get(before), identities.get(after)
    if before.backend != after.backend or known is None or now is None:
        return False
    return known[0] is not None and known[0] == now[0]


def _refused(shown: str, wrong: list[Finding]) -> InvalidConfiguration:
    return InvalidConfiguration(counted(shown, len(wrong)), findings=in_order(wrong, shown))
