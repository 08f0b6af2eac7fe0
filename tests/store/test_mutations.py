"""Histories forged by the thousand: `verify` finds whatever is done to the rows of an anchored store, and its place.

The forger knows all that we know: he numbers anew, seals anew what he forged and all that follows, and puts the heads
back. What he does not have are the anchors. Seeded; more of it by hand, with a line of figures at the end:

    MUTATIONS=10000 SEED=7 .venv/bin/pytest -q -s -n 0 tests/store/test_mutations.py
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from copy import deepcopy
from dataclasses import astuple, dataclass, field, replace

import pytest
from fakes import FakeClock
from store.values import LEDGER, ORDERS, operation, transition

from replctl.core.outcomes import Outcome
from replctl.store import anchors, chain
from replctl.store.chain import Entry, Head
from replctl.store.history import DAY_SECONDS
from replctl.store.sqlite import SqliteStore

MUTATIONS = int(os.environ.get("MUTATIONS", "700"))
SEED = int(os.environ.get("SEED", "1"))
HONEST_EVERY = 20  # mutations; between them the store as it was is verified, and nothing may be found
ROUNDS = 8  # of operations, each with its anchors
CLEARED, AGED = "bank/cleared", "shop/aged"  # one was emptied on the record, of one old entries went
NAMES = (LEDGER, ORDERS, CLEARED, AGED)
KEEP_SECONDS = 400 * DAY_SECONDS
HEX = "0123456789abcdef"
UNREADABLE = ("[" * 100_000, "9" * 10_000, "null", "")


@dataclass
class Content:
    """All that the history's two tables hold."""

    entries: dict[str, list[Entry]] = field(default_factory=dict)
    heads: dict[str, Head] = field(default_factory=dict)


@dataclass
class Scene:
    """A store whose every entry is anchored, its content, and what it was at earlier times."""

    store: SqliteStore
    database: sqlite3.Connection
    now: Content
    before: list[Content]
    anchored: dict[str, list[int]]

    def becomes(self, content: Content) -> None:
        with self.database:
            self.database.execute("BEGIN")
            self.database.execute("DELETE FROM history")
            self.database.execute("DELETE FROM chains")
            rows = [
                (name, each.sequence, each.marker, each.body, each.hash)
                for name, entries in content.entries.items()
                for each in entries
            ]
            heads = [(name, head.sequence, head.hash) for name, head in content.heads.items()]
            self.database.executemany("INSERT INTO history VALUES (?, ?, ?, ?, ?)", rows)
            self.database.executemany("INSERT INTO chains VALUES (?, ?, ?)", heads)


def content_of(database: sqlite3.Connection) -> Content:
    content = Content()
    for name, *rest in database.execute("SELECT * FROM history ORDER BY replication, sequence"):
        content.entries.setdefault(name, []).append(Entry(*rest))
    for name, *rest in database.execute("SELECT * FROM chains"):
        content.heads[name] = Head(*rest)
    return content


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory, clock = tmp_path_factory.mktemp("mutations"), FakeClock()
    with closing(SqliteStore(directory, clock=clock, history_keep_seconds=KEEP_SECONDS)) as store:
        chance = random.Random(SEED)
        live(store, clock, chance, 0)
        with closing(sqlite3.connect(directory / "replctl.db", isolation_level=None)) as database:
            database.execute("PRAGMA synchronous = OFF")  # no power fails in here
            before = [content_of(database)]
            for turn in range(1, ROUNDS):
                live(store, clock, chance, turn)
                before.append(content_of(database))
            age(store, clock)
            anchored: dict[str, list[int]] = {}
            for each in anchors.read(directory)[0]:
                anchored.setdefault(each.replication, []).append(each.sequence)
            yield Scene(store, database, content_of(database), before, anchored)


def live(store: SqliteStore, clock: FakeClock, chance: random.Random, turn: int) -> None:
    """An operation of each replication, and half of the time through one of them is cleared."""
    for name in NAMES:
        store.begin(operation(f"op-{name}-{turn}", name))
        for _ in range(chance.randint(1, 6)):
            clock.advance(chance.uniform(1.0, DAY_SECONDS))
            store.record(transition(chance.randint(1, 10**6), name, at=clock.now()))
        store.finish(f"op-{name}-{turn}", Outcome.SUCCEEDED, clock.now())
    if turn == ROUNDS // 2:
        store.clear(CLEARED, who="mara")


def age(store: SqliteStore, clock: FakeClock) -> None:
    """Time enough for the front of one chain to go, on the record; then an operation, so that all is anchored."""
    clock.advance(KEEP_SECONDS - 20 * DAY_SECONDS)
    store.begin(operation("op-last", AGED))
    store.record(transition(7, AGED, at=clock.now()))
    store.finish("op-last", Outcome.SUCCEEDED, clock.now())


# -- what a forger does --------------------------------------------------------------------------------------


@dataclass
class Hand:
    """A forger at work on a copy."""

    chance: random.Random
    content: Content

    def pick(self) -> str:
        return self.chance.choice(sorted(self.content.entries))

    def make_good(self, name: str, first: int) -> None:
        """From the entry at `first` on, none of the work shows in the chain: numbers, hashes and the head fit."""
        entries = self.content.entries[name]
        sequence, previous = (
            (entries[first - 1].sequence, entries[first - 1].hash) if first else self._start_of(name)
        )
        for at in range(first, len(entries)):
            sequence += 1
            previous = chain.seal(previous, sequence, entries[at].body)
            entries[at] = replace(entries[at], sequence=sequence, hash=previous)
        self.content.heads[name] = Head(sequence, previous)
        if not entries:
            self.content.entries.pop(name)
            self.content.heads.pop(name, None)

    def _start_of(self, name: str) -> tuple[int, str]:
        """What the first entry follows; where entries went on the record, what is said of the last of them."""
        before = chain.floor(self.content.entries[name]) or chain.genesis(name)
        return before.sequence, before.hash

    def may_make_good(self, name: str, first: int) -> bool:
        """Half of the time the forger leaves his traces, or a part of them."""
        if self.chance.random() < 0.5:
            self.make_good(name, first)
            return True
        return False


def edit(hand: Hand) -> None:
    """Another word, another time, another name in one entry."""
    name = hand.pick()
    entries = hand.content.entries[name]
    at = hand.chance.randrange(len(entries))
    said = json.loads(entries[at].body)
    key = hand.chance.choice(sorted(said))
    said[key] = hand.chance.choice(
        [None, "forged", 0, ORDERS, -said[key] if isinstance(said[key], float) else 1]
    )
    entries[at] = replace(entries[at], body=chain.canonical(said))
    hand.may_make_good(name, at)


def edit_bytes(hand: Hand) -> None:
    """One character of the text, as a broken disk or a hasty hand leaves it; or something that nobody can read."""
    name = hand.pick()
    entries = hand.content.entries[name]
    at = hand.chance.randrange(len(entries))
    body = entries[at].body
    place = hand.chance.randrange(len(body))
    text = body[:place] + hand.chance.choice('x{"0 ') + body[place + 1 :]
    entries[at] = replace(entries[at], body=hand.chance.choice([text, text, text, *UNREADABLE]))
    hand.may_make_good(name, at)


def edit_hash(hand: Hand) -> None:
    name = hand.pick()
    entries = hand.content.entries[name]
    at, place = hand.chance.randrange(len(entries)), hand.chance.randrange(anchors.HASH_CHARACTERS)
    known = entries[at].hash
    entries[at] = replace(entries[at], hash=known[:place] + hand.chance.choice(HEX) + known[place + 1 :])


def edit_number(hand: Hand) -> None:
    """An entry is given a number that is free, far off or between."""
    name = hand.pick()
    entries = hand.content.entries[name]
    at = hand.chance.randrange(len(entries))
    number = hand.chance.choice([-1, 0, entries[-1].sequence + hand.chance.randint(1, 9), 10**9])
    entries[at] = replace(entries[at], sequence=number)
    entries.sort(key=lambda each: each.sequence)


def edit_kind(hand: Hand) -> None:
    """An entry passes for the word that earlier ones were removed, or the other way round."""
    name = hand.pick()
    entries = hand.content.entries[name]
    at = hand.chance.randrange(len(entries))
    entries[at] = replace(entries[at], marker=1 - entries[at].marker)
    hand.may_make_good(name, at)


def delete(hand: Hand) -> None:
    """One or several in a row; the rest may move up."""
    name = hand.pick()
    entries = hand.content.entries[name]
    first = hand.chance.randrange(len(entries))
    last = min(len(entries), first + hand.chance.choice([1, 1, 2, 5]))
    del entries[first:last]
    if not hand.may_make_good(name, first) and not entries:
        hand.content.entries.pop(name)


def insert(hand: Hand) -> None:
    """A forged entry between others, or one that was there already once more; all that follows moves down."""
    name = hand.pick()
    entries = hand.content.entries[name]
    at = hand.chance.randrange(len(entries))  # behind the last one it would pass for a move of today
    model = hand.chance.choice(entries)
    said = json.loads(model.body)
    forged = chain.canonical({**said, "at": float(hand.chance.randrange(10**9))})
    body = hand.chance.choice([model.body, forged])
    sequence = entries[at].sequence
    for later in range(at, len(entries)):
        entries[later] = replace(entries[later], sequence=entries[later].sequence + 1)
    entries.insert(at, Entry(sequence, model.marker, body, model.hash))
    hand.may_make_good(name, at)


def reorder(hand: Hand) -> None:
    """Two entries, or a whole stretch, stand in another order; the numbers stay in theirs."""
    name = hand.pick()
    entries = hand.content.entries[name]
    first = hand.chance.randrange(len(entries))
    stretch = entries[first : first + hand.chance.choice([2, 2, 3, 6])]
    numbers = [each.sequence for each in stretch]
    moved = hand.chance.sample(stretch, len(stretch))
    entries[first : first + len(stretch)] = [
        replace(each, sequence=number) for each, number in zip(moved, numbers, strict=True)
    ]
    hand.may_make_good(name, first)


def cut(hand: Hand) -> None:
    """The tail goes; the head says that it was never there, or is left as it was, or goes too."""
    name = hand.pick()
    entries = hand.content.entries[name]
    first = hand.chance.randrange(len(entries))
    del entries[first:]
    how = hand.chance.choice(["good", "left", "gone"])
    if how == "good":
        hand.make_good(name, first)
        return
    if how == "gone":
        hand.content.heads.pop(name)
    if not entries:
        hand.content.entries.pop(name)


def swap(hand: Hand) -> None:
    """Two chains change their names, whole or by one entry."""
    one, other = hand.chance.sample(sorted(hand.content.entries), 2)
    here, there = hand.content.entries[one], hand.content.entries[other]
    if hand.chance.random() < 0.3:
        hand.content.entries[one], hand.content.entries[other] = there, here
        heads = hand.content.heads
        heads[one], heads[other] = heads[other], heads[one]
        return
    at, its = hand.chance.randrange(len(here)), hand.chance.randrange(len(there))
    given, taken = there[its], here[at]
    here[at], there[its] = replace(given, sequence=taken.sequence), replace(taken, sequence=given.sequence)
    if hand.may_make_good(one, at):
        hand.make_good(other, its)


def head(hand: Hand) -> None:
    """Only the record of where a chain ends."""
    name = hand.pick()
    known = hand.content.heads[name]
    forged = [
        Head(known.sequence + 3, known.hash),
        Head(known.sequence, known.hash[::-1]),
        Head(-1, known.hash),
    ]
    chosen = hand.chance.choice([None, *forged])
    if chosen is None:
        hand.content.heads.pop(name)
    else:
        hand.content.heads[name] = chosen


def erase(hand: Hand) -> None:
    """No trace of one replication, or of any."""
    for name in hand.chance.choice([[hand.pick()], list(NAMES)]):
        hand.content.entries.pop(name)
        hand.content.heads.pop(name)


KINDS: tuple[Callable[[Hand], None], ...] = (
    *(edit, edit_bytes, edit_hash, edit_number, edit_kind),
    *(delete, insert, reorder, cut, swap, head, erase),
)


def replay(hand: Hand, before: list[Content]) -> None:
    """The file of an earlier day is put back: sound in itself, and behind what was anchored since."""
    hand.content = deepcopy(hand.chance.choice(before))


# -- what must be found ----------------------------------------------------------------------------------------


def touched(scene: Scene, content: Content) -> dict[str, set[int]]:
    """By chain the numbers at which it is not what was written; of the head alone, that of the last entry."""
    found: dict[str, set[int]] = {}
    for name in NAMES:
        was = {each.sequence: each for each in scene.now.entries[name]}
        now = {each.sequence: each for each in content.entries.get(name, [])}
        other = {number for number in was.keys() | now.keys() if was.get(number) != now.get(number)}
        if not other and content.heads.get(name) != scene.now.heads[name]:
            other = {max(was)}
        if other:
            found[name] = other
    return found


def is_placed(scene: Scene, content: Content, name: str, numbers: set[int], places: set[int | None]) -> bool:
    """Whether a fault is told at the first entry that is not as it was written, or right behind it, or, where all
    after it was made good, at the first anchor that covers it.

    What says that entries went on the record says where a chain begins: where that was meddled with, only the chain
    is named, as it is where no entry is left.
    """
    written, stands = scene.now.entries[name], content.entries.get(name, [])
    if not stands or any(each.marker and each.sequence in numbers for each in (*written, *stands)):
        return True
    first = min(number for number in numbers if number >= written[0].sequence)
    last = max(first + 1, next((each for each in scene.anchored[name] if each >= first), first))
    strays = {number for number in numbers if number < first}
    return any(each is not None and (first <= each <= last or each in strays) for each in places)


def judge(scene: Scene, content: Content) -> str:
    """What is wrong with the finding, empty when it is right."""
    found, changed = scene.store.verify(), touched(scene, content)
    blamed = {each.replication for each in found}
    if blamed != changed.keys():
        return f"blames {sorted(blamed)}, and {sorted(changed)} were touched"
    for name in blamed:
        places = {each.sequence for each in found if each.replication == name}
        if not is_placed(scene, content, name, changed[name], places):
            return f"{name}: placed at {sorted(map(str, places))}, and {sorted(changed[name])} was touched"
    return ""


def forged(scene: Scene, chance: random.Random) -> tuple[str, Content]:
    """A content that is not what was written, also before the last anchors; what is none is done again."""
    while True:
        kind, hand = chance.choice([*KINDS, None]), Hand(chance, deepcopy(scene.now))
        if kind is None:
            replay(hand, scene.before[:-1])
        for _ in range(chance.choice([1, 1, 1, 2]) if kind is not None else 0):
            if hand.content.entries.keys() == hand.content.heads.keys() == set(NAMES):
                kind(hand)
        changed = touched(scene, hand.content)
        covered = all(min(numbers) <= scene.anchored[name][-1] for name, numbers in changed.items())
        if changed and covered and _fits(hand.content):
            return (kind or replay).__name__, hand.content


def _fits(content: Content) -> bool:
    """Whether the database takes it: no number twice in one chain."""
    return all(_distinct(each.sequence for each in entries) for entries in content.entries.values())


def _distinct(numbers: Iterable[int]) -> bool:
    listed = list(numbers)
    return len(set(listed)) == len(listed)


def test_every_forgery_is_found_where_it_is(scene: Scene) -> None:
    assert scene.store.verify() == []
    chance, counts, wrong, alarms = random.Random(SEED), Counter[str](), [], 0
    began = time.monotonic()
    for number in range(MUTATIONS):
        kind, content = forged(scene, chance)
        scene.becomes(content)
        counts[kind] += 1
        if fault := judge(scene, content):
            wrong.append(f"{number} {kind}: {fault}")
        if number % HONEST_EVERY == 0:
            scene.becomes(scene.now)
            alarms += bool(scene.store.verify())
    scene.becomes(scene.now)
    told = ", ".join(f"{kind} {count}" for kind, count in sorted(counts.items()))
    print(
        f"seed {SEED}: {MUTATIONS} forged histories of {sum(map(len, scene.now.entries.values()))} entries in"
        f" {time.monotonic() - began:.1f} s ({told}): {len(wrong)} not found or misplaced, {alarms} false alarms"
    )
    assert not wrong, "\n".join(wrong[:20])
    assert not alarms
    assert counts.keys() == {each.__name__ for each in (*KINDS, replay)}


def test_without_the_anchors_a_forger_who_makes_all_good_is_not_found(scene: Scene) -> None:
    """What the anchors are for: the chain alone proves only that somebody did the sums."""
    hand = Hand(random.Random(SEED), deepcopy(scene.now))
    entries = hand.content.entries[LEDGER]
    entries[2] = replace(entries[2], body=entries[2].body.replace("user_requested", "external"))
    hand.make_good(LEDGER, 2)
    scene.becomes(hand.content)
    found = scene.store.verify()
    scene.becomes(scene.now)
    first = next(each for each in scene.anchored[LEDGER] if each > 2)
    assert [(each.replication, each.sequence) for each in found] == [(LEDGER, first)]
    rows, head = [astuple(each) for each in entries], astuple(hand.content.heads[LEDGER])
    assert chain.faults(LEDGER, rows, head, []) == []
