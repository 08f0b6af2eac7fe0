"""What the daemon decides about one replication, and the sentence on a tick: every case as it reads at night."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from core.transcripts import NOW, REPLICATION, observation

from replctl.core.health import judge
from replctl.core.model import DAEMON, Hold, Mode, Observation, Pair, State, Verb
from replctl.core.pairing import settle
from replctl.core.reconciling import (
    Autonomy,
    Begun,
    Finding,
    Kind,
    Known,
    Settled,
    find,
    hold_for,
    is_over,
    sentence,
    waiting,
)
from replctl.core.results import EndStatus, ReplicationStatus
from replctl.core.waiting import DaemonWord, Waiting

WELL = ("Destination OK", "Source OK")
TURNED = ("Source OK", "Destination OK")
AT_REST = Settled(role=State.REPLICA, desired=State.REPLICA)
PERSON = Hold(owner="rita", reason="maintenance", since=NOW)
WAITS = "waits: saw 1 replication; 1 waits for a person: bank/ledger "
HOLDS = "hold: saw 1 replication; hold bank/ledger "
OPERATION = Begun(operation="op-1", new_source="west")


def line(
    west: str, east: str, *, wants: State = State.REPLICA, hold: Hold | None = None
) -> ReplicationStatus:
    """A line of status, as the engine makes it of what both ends say."""
    pair = settle(Pair(observation(f"west (local): {west}"), observation(f"east: {east}")))
    health, message = judge(pair)
    return ReplicationStatus(
        replication=replace(REPLICATION, desired_state=wants, rpo_seconds=600.0),
        state=pair.local.state or None,
        state_note=pair.local.note,
        mode=pair.local.mode or pair.peer.mode,
        health=health,
        message=message,
        in_sync=None,
        point_at=pair.local.point.at if pair.local.point else None,
        point_source=None,
        point_as_of=None,
        hold=hold,
        drill=False,
        operation_id=None,
        local=_end(pair.local),
        peer=_end(pair.peer),
    )


def _end(seen: Observation) -> EndStatus:
    return EndStatus(
        backend=seen.backend,
        state=seen.state,
        state_note=seen.note,
        reachable=seen.readable,
        unverified=False,
        observed_at=seen.observed_at,
        as_of=None,
        seen=seen,
    )


def said(
    status: ReplicationStatus, known: Known, autonomy: Autonomy = Autonomy.SWITCHOVER
) -> tuple[str, str]:
    """What kind of finding it is, and the sentence on it."""
    found = find(status, known, autonomy, NOW)
    return found.kind.value, sentence([("bank/ledger", found)])


CASES: list[tuple[str, tuple[str, str], dict[str, Any], Known, str]] = [
    ("nothing to do", WELL, {}, Known(settled=AT_REST), "settled: saw 1 replication: nothing to do"),
    (
        "an edit",
        WELL,
        {"wants": State.SOURCE},
        Known(settled=AT_REST, edited=True),
        "act: saw 1 replication; promote bank/ledger (the file was edited to source)",
    ),
    (
        "an edit the other way",
        TURNED,
        {},
        Known(settled=Settled(role=State.SOURCE, desired=State.SOURCE), edited=True),
        "act: saw 1 replication; demote bank/ledger (the file was edited to replica)",
    ),
    (
        "a first sight of another world",
        WELL,
        {"wants": State.SOURCE},
        Known(),
        WAITS + "(unadopted: it is replica, the file wants source: replctl promote bank/ledger)",
    ),
    (
        "an edit that nobody saw",
        WELL,
        {"wants": State.SOURCE},
        Known(settled=AT_REST),
        WAITS + "(the file wants source, and nobody was seen to edit it: replctl promote bank/ledger)",
    ),
    (
        "an edit that lapsed",
        WELL,
        {"wants": State.SOURCE},
        Known(settled=AT_REST, lapsed="while it was held"),
        WAITS + "(the file was edited to source while it was held: replctl promote bank/ledger)",
    ),
    (
        "somebody else turned it",
        TURNED,
        {},
        Known(settled=AT_REST),
        HOLDS + "(it became source without this daemon, and the file wants replica)",
    ),
    (
        "an edit does not excuse it",
        TURNED,
        {},
        Known(settled=AT_REST, edited=True),
        HOLDS + "(it became source without this daemon, and the file wants replica)",
    ),
    (
        "held, and as the file wants it",
        WELL,
        {"hold": PERSON},
        Known(settled=AT_REST),
        "settled: saw 1 replication: nothing to do",
    ),
    (
        "held, and an edit",
        WELL,
        {"wants": State.SOURCE, "hold": PERSON},
        Known(settled=AT_REST, edited=True),
        WAITS + "(held by rita: maintenance: replctl release bank/ledger)",
    ),
    (
        "split brain",
        ("Source Failed_Over", "Source System_Paused"),
        {},
        Known(settled=AT_REST),
        WAITS + "(both ends are sources: replctl reprotect bank/ledger)",
    ),
    (
        "no source",
        ("Destination Failed_Over", "Destination Failed_Over"),
        {},
        Known(settled=AT_REST),
        WAITS + "(no end is the source: replctl explain bank/ledger)",
    ),
    (
        "an array's error",
        ("Destination Error", "Source Error"),
        {},
        Known(settled=AT_REST),
        WAITS + "(west: the array calls it an error: replctl explain bank/ledger)",
    ),
    (
        "a change that somebody else makes",
        ("Destination Failing_Over", "Source Failing_Over"),
        {},
        Known(settled=AT_REST),
        "busy: saw 1 replication; 1 on the way: bank/ledger (it reads promoting, which this daemon did not begin)",
    ),
    (
        "what is in hand",
        WELL,
        {"wants": State.SOURCE},
        Known(settled=AT_REST, in_hand="promote: the file was edited to source"),
        "busy: saw 1 replication; 1 on the way: bank/ledger (promote: the file was edited to source)",
    ),
    (
        "an end that cannot be read",
        ("Destination OK", "unread silent: connection refused"),
        {},
        Known(settled=AT_REST),
        "unread: saw 0 of 1 replication on both ends (east cannot be read: connection refused): nothing to do",
    ),
    (
        "a person's operation that nobody carries out",
        WELL,
        {},
        Known(settled=AT_REST, foreign="op-2"),
        WAITS + "(operation op-2 is open: replctl op show op-2)",
    ),
    (
        "a person's operation that is carried out now",
        WELL,
        {},
        Known(settled=AT_REST, foreign="op-2", at_work="rita on here, pid 7"),
        "busy: saw 1 replication; 1 on the way: bank/ledger (rita on here, pid 7 is at it)",
    ),
    (
        "what it began itself",
        WELL,
        {"wants": State.SOURCE},
        Known(settled=AT_REST, own=OPERATION),
        "resume: saw 1 replication; go on with op-1 of bank/ledger (this daemon began it)",
    ),
    (
        "what it began, and the file wants it no more",
        WELL,
        {},
        Known(settled=AT_REST, own=OPERATION),
        WAITS + "(operation op-1 is open, and the file wants replica by now: replctl op show op-1)",
    ),
    (
        "what it began, and the roles are turned already",
        ("Source Failed_Over", "Destination Failed_Over"),
        {},
        Known(settled=AT_REST, own=OPERATION),
        "resume: saw 1 replication; go on with op-1 of bank/ledger (this daemon began it)",
    ),
    (
        "what it began, and the old source steps down",
        ("Destination OK", "Source Failing_Over"),
        {},
        Known(settled=AT_REST, own=OPERATION),
        "resume: saw 1 replication; go on with op-1 of bank/ledger (this daemon began it)",
    ),
    (
        "what it began, and a person holds it",
        WELL,
        {"wants": State.SOURCE, "hold": PERSON},
        Known(settled=AT_REST, own=OPERATION),
        WAITS + "(operation op-1 is open, and held by rita: maintenance: replctl op show op-1)",
    ),
    (
        "what the array stopped",
        ("Destination System_Paused", "Source System_Paused"),
        {},
        Known(settled=AT_REST),
        "act: saw 1 replication; resync bank/ledger (the array stopped copying)",
    ),
    (
        "what a person paused",
        ("Destination Paused", "Source Paused"),
        {},
        Known(settled=AT_REST),
        "settled: saw 1 replication: nothing to do",
    ),
    (
        "a copy that is too old",
        ("Destination OK; copied 15m ago in 30s", "Source OK; copied 15m ago in 30s"),
        {},
        Known(settled=AT_REST),
        "act: saw 1 replication; sync bank/ledger (the last copy is 930s old, and 600s are wanted)",
    ),
]


@pytest.mark.parametrize(
    ("ends", "how", "known", "expected"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_what_it_finds_and_says(
    ends: tuple[str, str], how: dict[str, Any], known: Known, expected: str
) -> None:
    kind, words = said(line(*ends, **how), known)
    assert f"{kind}: {words}" == expected


EDITED = Known(settled=AT_REST, edited=True)


@pytest.mark.parametrize("autonomy", [Autonomy.OBSERVE, Autonomy.PROTECT])
@pytest.mark.parametrize("known", [EDITED, Known(settled=AT_REST, own=OPERATION)])
def test_less_autonomy_turns_no_role_and_says_so(autonomy: Autonomy, known: Known) -> None:
    kind, words = said(line(*WELL, wants=State.SOURCE), known, autonomy)
    assert kind == "waits"
    assert f"autonomy is {autonomy.value}" in words


def test_to_protect_is_to_finish_what_is_turned_and_to_keep_copies_fresh() -> None:
    turned = line("Source Failed_Over", "Destination Failed_Over")
    stopped = line("Destination System_Paused", "Source System_Paused")
    own = Known(settled=AT_REST, own=OPERATION)
    copying = Known(settled=AT_REST, own=Begun(operation="op-3"))
    for status, known, kind in (
        (turned, own, "resume"),
        (line(*WELL), copying, "resume"),
        (stopped, Known(settled=AT_REST), "act"),
    ):
        assert said(status, known, Autonomy.PROTECT)[0] == kind
        assert said(status, known, Autonomy.OBSERVE)[0] in ("waits", "settled")


def test_only_what_turns_roles_counts_as_that() -> None:
    edited = find(line(*WELL, wants=State.SOURCE), EDITED, Autonomy.SWITCHOVER, NOW)
    resumed = find(line(*WELL, wants=State.SOURCE), Known(own=OPERATION), Autonomy.SWITCHOVER, NOW)
    copied = find(line(*WELL), Known(own=Begun(operation="op-3")), Autonomy.SWITCHOVER, NOW)
    assert [each.turns_roles for each in (edited, resumed, copied)] == [True, True, False]


def test_a_role_that_changed_is_held_and_what_is_seen_is_how_it_rests_now() -> None:
    found = find(line(*TURNED), Known(settled=AT_REST), Autonomy.SWITCHOVER, NOW)
    assert found.settled == Settled(role=State.SOURCE, desired=State.REPLICA)
    hold = hold_for(found, NOW)
    assert (hold.owner, hold.reason, hold.since) == (DAEMON, found.why, NOW)
    after = Known(settled=found.settled)
    assert said(line(*TURNED, hold=hold), after)[0] == "waits"
    kind, words = said(line(*TURNED), after)  # the hold was released
    assert kind == "waits"
    assert "nobody was seen to edit it: replctl demote bank/ledger" in words


def test_of_many_the_first_few_are_named_and_all_are_counted() -> None:
    waits = [(f"web/{n}", Finding(kind=Kind.WAITS, why="held by rita: moving")) for n in range(5)]
    unread = [(f"lab/{n}", Finding(kind=Kind.UNREAD, why="east cannot be read: no answer")) for n in range(2)]
    act = Finding(kind=Kind.ACT, verb=Verb.PROMOTE, why="the file was edited to source", turns_roles=True)
    later = act.put_off("bank/ledger goes first")
    rest = [("a/b", Finding(kind=Kind.SETTLED))]
    assert sentence([*waits, *unread, ("bank/ledger", act), ("bank/cash", later), *rest]) == (
        "saw 8 of 10 replications on both ends (east cannot be read: no answer)"
        "; promote bank/ledger (the file was edited to source)"
        "; 1 put off: promote bank/cash (bank/ledger goes first)"
        "; 5 wait for a person: web/0 (held by rita: moving), web/1 (held by rita: moving), "
        "web/2 (held by rita: moving), and 2 more"
    )
    assert sentence([]) == "saw 0 replications: nothing to do"


def test_what_the_file_asserts_otherwise_is_told_beside_what_is_done() -> None:
    status = replace(line(*WELL), mode=Mode.SYNCHRONOUS, in_sync=False)
    asked = replace(status, replication=replace(status.replication, mode=Mode.ASYNCHRONOUS))
    differs = "1 differs from the file: bank/ledger (mode synchronous, the file says asynchronous)"
    assert said(asked, Known(settled=AT_REST)) == ("settled", f"saw 1 replication; {differs}")


def test_what_is_new_of_what_waits() -> None:
    held = Waiting(why="held by rita: moving", next="replctl release web/a", since=NOW - 60)
    before = {"web/a": held, "web/b": held, "web/c": held, "web/d": held}
    waits = Finding(kind=Kind.WAITS, why=held.why, next=held.next)
    found = {
        "web/a": waits,  # as before: for so long already
        "web/b": Finding(kind=Kind.SETTLED),
        "web/c": Finding(kind=Kind.UNREAD, why="east cannot be read"),  # nobody knows better
        "web/d": Finding(kind=Kind.WAITS, why="no end is the source", next="replctl explain web/d"),
        "web/e": Finding(kind=Kind.HOLD, why="it became source", next="replctl release web/e"),
        "web/f": Finding(kind=Kind.UNREAD, why="east cannot be read"),
        "web/g": Finding(kind=Kind.LATER, why="again in 2s"),
    }
    assert waiting(found, before, NOW) == {
        "web/b": None,
        "web/d": Waiting(why="no end is the source", next="replctl explain web/d", since=NOW),
        "web/e": Waiting(why="it became source", next="replctl release web/e", since=NOW),
    }


def test_what_waited_is_over_only_where_that_is_seen() -> None:
    over = line(*WELL)
    assert is_over(over)
    assert is_over(line(*WELL, hold=PERSON))  # nobody is waited for while all is as the file says
    for doubt in (
        line(*WELL, wants=State.SOURCE),
        line("Destination OK", "unread silent: connection refused"),
        line("Source Failed_Over", "Source System_Paused", wants=State.SOURCE),
        replace(over, operation_id="op-1"),
    ):
        assert not is_over(doubt)


def test_the_daemon_s_word_is_late_when_it_should_have_looked_again() -> None:
    word = DaemonWord(looked_at=NOW, every_seconds=30.0, said="")
    assert [word.is_late(NOW + seconds) for seconds in (-5, 30, 120, 121)] == [False, False, False, True]
