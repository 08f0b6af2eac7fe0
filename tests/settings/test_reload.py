"""The daemon's rules for a changed file, and for entries that turn out to be the same thing."""

from __future__ import annotations

from pathlib import Path

import pytest
from settings.test_desired import KINDS, document, entry

from replctl.core.errors import InvalidConfiguration
from replctl.core.model import End
from replctl.settings import Identity, Replications, clashes, parse_replications, reload


def numbered(*numbers: int, **changed: str) -> str:
    return document(
        *(
            entry(
                f"n{number}",
                changed.get(f"local{number}", f"backend: west, volume: v{number}"),
                f"backend: east, volume: v{number}",
                changed.get(f"more{number}", ""),
            )
            for number in numbers
        )
    )


def read(text: str) -> Replications:
    return parse_replications(text, Path("r.yaml"), KINDS)


def refused(old: Replications, text: str, allow_shrink: bool = False) -> list[str]:
    before = dict(old)
    with pytest.raises(InvalidConfiguration) as refusal:
        reload(old, text, allow_shrink)
    assert dict(old) == before  # R78: the old configuration stays
    return [str(finding) for finding in refusal.value.findings]


def test_entries_come_and_go_and_change() -> None:
    old = read(numbered(1, 2, 3, 4))
    new = reload(old, numbered(3, 4, 5, more3=", rpo: 5m"))
    assert list(new) == ["bank/n3", "bank/n4", "bank/n5"]
    assert new["bank/n3"].rpo_seconds == 300.0
    assert len(old) == 4


def test_forgetting_more_than_half_is_refused() -> None:  # R78
    old = read(numbered(1, 2, 3, 4))
    assert len(reload(old, numbered(1, 2))) == 2
    told = refused(old, numbered(1))
    assert told == ["r.yaml: forgets 3 of 4 entries: more than half at once only with --allow-shrink"]
    assert "forgets 4 of 4" in refused(old, "replications: []\n")[0]
    assert "forgets 3 of 4" in refused(old, numbered(1, 5, 6, 7))[0]
    assert len(reload(old, numbered(1), allow_shrink=True)) == 1


def test_nothing_can_be_forgotten_of_nothing() -> None:
    assert len(reload(read("replications: []\n"), numbered(1))) == 1
    assert len(reload(read("replications: []\n"), "replications: []\n")) == 0


@pytest.mark.parametrize("allow_shrink", [False, True])
def test_an_entry_does_not_become_another_thing(allow_shrink: bool) -> None:  # R78
    old = read(numbered(1, 2))
    told = refused(old, numbered(1, 2, local2="backend: west, volume: other"), allow_shrink)
    assert told == [
        "r.yaml:3: bank/n2: volume other on west: the same end as before, which is volume v2 on west; "
        "remove the entry, reload, and add it anew"
    ]


def test_swapping_local_and_peer_is_another_thing_too() -> None:  # R78
    """`state` would then speak of the other side, and an unchanged word would ask for a failover."""
    old = read(document(entry("a", "backend: west, volume: v", "backend: east, volume: v")))
    assert (
        len(refused(old, document(entry("a", "backend: east, volume: v", "backend: west, volume: v")))) == 2
    )


def test_another_word_for_the_same_thing_passes_once_ids_prove_it() -> None:
    old = read(numbered(1, 2))
    text = numbered(1, 2, local2="backend: west, volume: renamed")
    new = read(text)
    ids: dict[End, Identity] = {
        old["bank/n2"].local: ("id-2", "s-2"),
        new["bank/n2"].local: ("id-2", None),
    }
    assert reload(old, text, identities=ids)["bank/n2"] == new["bank/n2"]
    ids[new["bank/n2"].local] = ("id-9", "s-2")
    with pytest.raises(InvalidConfiguration, match="1 mistake"):
        reload(old, text, identities=ids)
    ids[new["bank/n2"].local] = (None, "s-2")
    with pytest.raises(InvalidConfiguration, match="1 mistake"):
        reload(old, text, identities=ids)


def test_every_mistake_of_a_reload_is_told_at_once() -> None:
    old = read(numbered(1, 2, 3, 4))
    told = refused(old, numbered(4, local4="backend: west, volume: x"))
    assert len(told) == 2
    broken = refused(old, numbered(1).replace("state: source", "state: sauce"))
    assert 'did you mean "source"?' in broken[0]


def test_entries_that_resolve_to_one_thing_clash_whatever_they_name_it_by() -> None:  # R78
    text = document(
        entry("by-name", "backend: west, volume: ledger", "backend: east, volume: ledger"),
        entry("by-id", "backend: west, volume: 4711", "backend: east, volume: x").replace("4711", "'4711'"),
        entry("by-session", "backend: east, session: s1", "backend: west, session: s2"),
        entry("other", "backend: west, volume: other", "backend: east, volume: other"),
    )
    replications = read(text)
    ends = {key: (each.local, each.peer) for key, each in replications.items()}
    identities: dict[End, Identity] = {
        ends["bank/by-name"][0]: ("4711", "session-w"),
        ends["bank/by-name"][1]: ("0815", "session-e"),
        ends["bank/by-id"][0]: ("4711", None),
        ends["bank/by-id"][1]: (None, None),
        ends["bank/by-session"][0]: (None, "session-e"),
        ends["bank/other"][0]: ("0815", "session-o"),  # an id of the other array: no clash
        ends["bank/other"][1]: ("4711", "session-w"),
    }
    told = [str(finding) for finding in clashes(replications, identities)]
    assert told == [
        "r.yaml:3: bank/by-id: volume 4711 on west: each end in one entry; bank/by-name on line 2 has it already",
        "r.yaml:4: bank/by-session: session s1 on east: each end in one entry; "
        "bank/by-name on line 2 has it already",
    ]


def test_two_ends_of_one_entry_do_not_clash_with_each_other() -> None:
    replications = read(numbered(1, 2))
    same: dict[End, Identity] = {end: ("id", "session") for end in (replications["bank/n1"].local,)}
    assert clashes(replications, same) == []
    assert clashes(replications, {}) == []
