"""The matrix: what each verb answers to every (role, state) of a PowerStore session, and to what else a pair can be.

`python tests/matrix.py DIRECTORY` writes it as `docs/matrix.md` below DIRECTORY. The same cells are the parameters of
`test_matrix.py`, which asks the planner, and of `scenarios/test_matrix_on_the_wire.py`, which puts two simulated
arrays into each situation and has the verb carried out.

A situation is told in the words of `transcripts`; west is the local end, the file wants it to be the replica.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from core.transcripts import NOW, RECIPE, intent_of, observation

from replctl.core.model import Pair, Verb
from replctl.core.planner import decide
from replctl.core.plans import Context, Decision, Plan, Refusal
from replctl.drivers.powerstore import words

PAGE = "docs/matrix.md"
UNKNOWN_WORD = "Melting"
MOST_ROUNDS = 4  # commands printed one after the other, until one is a plan or has no answer
OTHER_ROLE = {
    "Source": "Destination",
    "Destination": "Source",
    "Metro_Preferred": "Metro_Non_Preferred",
    "Metro_Non_Preferred": "Metro_Preferred",
}
SYNCHRONOUS_STATES = (
    "OK",
    "System_Paused",
    "Paused",
    "Failed_Over",
    "Fractured",
)  # beside transients (CP §9.2)
TESTED_STATES = (
    "OK",
    "System_Paused",
    "Synchronizing",
    "Paused",
    "Paused_For_NDU",
    "Pausing",
)  # stop: Y, ? (CP §7.1)
BOTH_ANSWER, LINK_LOST, SILENT, CUT_OFF = "both", "link lost", "silent", "cut off"
SURROUNDINGS: Mapping[str, str] = {
    BOTH_ANSWER: "both ends answer, and the link between them works",
    LINK_LOST: "both ends answer, and the data link between them is lost",
    SILENT: "the peer does not answer, and the local array says that the data link works",
    CUT_OFF: "the peer does not answer, and the data link is lost",
}


@dataclass(frozen=True, slots=True)
class Situation:
    """What both ends say. `told` is how the page calls the pair, beside what surrounds it."""

    told: str
    local: str
    peer: str
    around: str

    @property
    def pair(self) -> Pair:
        lost = "; link lost" if self.around in (LINK_LOST, CUT_OFF) else ""
        silent = self.around in (SILENT, CUT_OFF)
        peer = "unread silent: no answer" if silent else f"{self.peer}{_link(self.peer, lost)}"
        return Pair(
            observation(f"west (local): {self.local}{_link(self.local, lost)}"), observation(f"east: {peer}")
        )

    @property
    def said(self) -> Mapping[str, str]:
        """By the name of the end."""
        return {"west": self.local, "east": self.peer}


def _link(said: str, lost: str) -> str:
    return "" if said == "no session" else lost


def _mirrored(role: str, state: str, more: str = "") -> tuple[str, str, str]:
    """What one end says, and what the array says of the other end then (CP §8): the other role, the same state."""
    peer_more = "" if "test" in more else more
    return f"{role} {state}{more}", f"{role} {state}{more}", f"{OTHER_ROLE[role]} {state}{peer_more}"


@cache
def situations() -> tuple[Situation, ...]:
    """All of them: every role and state as the array mirrors it, and what does not mirror, in all surroundings."""
    pairs = [_mirrored(role, state) for role in OTHER_ROLE for state in (*words.STATES, UNKNOWN_WORD)]
    pairs += [
        _mirrored(role, state, "; type Synchronous")
        for role in ("Source", "Destination")
        for state in SYNCHRONOUS_STATES
    ]
    pairs += [_mirrored("Destination", "Synchronizing", "; transfer Asynchronous_Initial_Sync")]
    pairs += [_mirrored("Source", "Synchronizing", "; transfer Asynchronous_Initial_Sync")]
    pairs += [_mirrored("Destination", state, "; test running") for state in TESTED_STATES]
    pairs += [
        ("no session, on either side", "no session", "no session"),
        ("Source OK, and the copy has no session", "Source OK", "no session"),
        (
            "Source Failed_Over, and the other end is a Source too",
            "Source Failed_Over",
            "Source System_Paused",
        ),
        ("Source System_Paused, and the other end took over", "Source System_Paused", "Source Failed_Over"),
        (
            "Destination Failed_Over, and so is the other end",
            "Destination Failed_Over",
            "Destination Failed_Over",
        ),
        ("Destination OK, and so is the other end", "Destination OK", "Destination OK"),
        ("Destination Paused, and the other end goes on", "Destination Paused", "Source OK"),
        ("Destination OK, and the other end is Paused", "Destination OK", "Source Paused"),
        ("Source OK, and a test runs at the other end", "Source OK", "Destination OK; test running"),
    ]
    return tuple(
        Situation(*pair, around)
        for around in SURROUNDINGS
        for pair in pairs
        if around in (BOTH_ANSWER, LINK_LOST) or "other end" not in pair[0]
    )


# -- what is asked ---------------------------------------------------------------------------------------------

PRINTED = "as printed"
FENCED = " --peer-is-fenced='ports down'"
SAME_AS = {"failover --to west": "promote", "failover --to east": "demote"}
CHANGEABLE = [state for state, word in words.STATES.items() if word.unsupported is None]
_TAKEOVER = ("", " --peer-is-down", PRINTED, f"{FENCED} {PRINTED}")
_PLAIN = ("", PRINTED)
FLAGS: Mapping[str, Sequence[str]] = {
    "promote": _TAKEOVER,
    "demote": _PLAIN,
    "failover --to west": _TAKEOVER[:3],
    "failover --to east": _TAKEOVER[:3],
    "reprotect": ("", " --survivor west", " --survivor east", PRINTED),
    **{
        verb.value: _PLAIN
        for verb in Verb
        if verb.value not in ("promote", "demote", "failover", "reprotect")
    },
}


def columns(asked: str, around: str) -> list[str]:
    """The flags that are tried; a peer that is said to be cut off from its hosts is one that answers."""
    fenceable = around in (BOTH_ANSWER, LINK_LOST)
    return [flags for flags in FLAGS[asked] if fenceable or not flags.startswith(FENCED)]


@dataclass(frozen=True, slots=True)
class Answer:
    """`steps` of a plan (none: nothing to do), or the `guards` that refuse; `flags` are what it took."""

    steps: tuple[str, ...] = ()
    guards: tuple[str, ...] = ()
    conflict: bool = False
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        if self.guards:
            return f"refused{' (7)' if self.conflict else ''}: {', '.join(self.guards)}"
        return ", ".join(self.steps) if self.steps else "nothing to do"


def command(asked: str) -> str:
    """`promote --peer-is-down` as it is typed."""
    verb, _, flags = asked.partition(" --")
    return f"replctl {verb} bank/ledger" + (f" --{flags}" if flags else "")


def answer(asked: str, flags: str, situation: Situation) -> Answer | None:
    """What the planner says; None where nothing is printed that could be typed."""
    if not flags.endswith(PRINTED):
        return _summed_up(_decided(command(asked + flags), situation))
    typed = command(asked + begun_with(flags))
    decision = _decided(typed, situation)
    given: tuple[str, ...] = ()
    for _ in range(MOST_ROUNDS):
        if not _goes_on(decision, typed):
            break
        assert isinstance(decision, Refusal)
        typed = filled_in(decision.next)
        given = tuple(
            word.partition("=")[0] for word in shlex.split(typed)[3:] if word[:2] == "--" and word != "--to"
        )
        decision = _decided(typed, situation)
    return _summed_up(decision, given) if given else None


def begun_with(flags: str) -> str:
    """The flags that were typed before anything was printed."""
    return flags.removesuffix(PRINTED).rstrip()


def _goes_on(decision: Decision, typed: str) -> bool:
    """Whether a refusal prints the same verb with more flags."""
    if not isinstance(decision, Refusal) or not all(guard.override for guard in decision.guards):
        return False
    return shlex.split(decision.next)[:2] == shlex.split(typed)[:2] and filled_in(decision.next) != typed


def filled_in(printed: str) -> str:
    return printed.replace("=HOW", "='ports down'").replace("=BACKEND", "=west")


def _decided(typed: str, situation: Situation) -> Decision:
    return decide(intent_of(typed), situation.pair, Context(now=NOW), RECIPE)


def _summed_up(decision: Decision, flags: tuple[str, ...] = ()) -> Answer:
    if isinstance(decision, Plan):
        return Answer(steps=tuple(step.name for step in decision.steps), flags=flags)
    return Answer(guards=decision.names, conflict=decision.conflict, flags=flags)


# -- the page --------------------------------------------------------------------------------------------------

HEAD = """\
# What each verb answers

Generated by `make generate` from the planner itself; not to be edited. The tests hold the planner, and the whole
program over two simulated arrays, to every line of it.

West is the local end of `bank/ledger`, east its peer, and the file wants west to be the replica. Situations are told
by what west says, role and state; east says the other role and the same state, where nothing else is told. The
journal remembers nothing. An answer is the steps that would be taken, `nothing to do` (`unchanged`, exit 0), or the
guards that refuse (exit 6; those marked 7 end with 7). *As printed* is what becomes of the command that the refusal
prints, typed as it stands, with the flags that it took; a dash: nothing is printed that would answer every guard.

Metro roles, the states of NAS servers (`Partial_*`) and of metro sessions, `Deleting`, and words that nobody knows
are in no table: whatever is asked of such an end is refused as `unsupported`. `failover --to west` answers as
`promote` does, and `failover --to east` as `demote`, or as a promotion of east.

Where an end cannot be read and must be, the tables say `stale-observation`. But for a planned promotion the command
ends before any guard is asked then: for a silent backend with 11, for wrong credentials with 4, for a thing that is
not there with 5.
"""


def page() -> str:
    return "\n".join([HEAD, *(line for asked in FLAGS if asked not in SAME_AS for line in _section(asked))])


def _section(asked: str) -> Iterator[str]:
    """One table for surroundings that make no difference to the verb."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for around, sentence in SURROUNDINGS.items():
        tables.setdefault(tuple(_table(columns(asked, around), asked, _shown(around))), []).append(sentence)
    yield f"## {asked}\n"
    for table, sentences in tables.items():
        told = "; or ".join(sentences)
        yield from (f"{told[0].upper()}{told[1:]}:\n", *table, "")


def _shown(around: str) -> list[Situation]:
    return [each for each in situations() if each.around == around and not is_left_alone(each)]


def _table(tried: Sequence[str], asked: str, rows: Sequence[Situation]) -> Iterator[str]:
    heads = ["west says", *(_head(flags) for flags in tried)]
    yield f"| {' | '.join(heads)} |"
    yield "|" + " --- |" * len(heads)
    merged: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        merged.setdefault(tuple(_cell(answer(asked, flags, row)) for flags in tried), []).append(row.told)
    for cells, told in merged.items():
        yield f"| {_named(told)} | {' | '.join(cells)} |"


def _head(flags: str) -> str:
    given = begun_with(flags).strip()
    words = [f"`{given}`"] if given else []
    if flags.endswith(PRINTED):
        words.append(PRINTED)
    return ", then ".join(words) or "no flag"


def is_left_alone(situation: Situation) -> bool:
    """Whether the local end is of a kind that is shown and never changed; the page says so once."""
    return situation.pair.local.unsupported is not None


def _cell(found: Answer | None) -> str:
    if found is None:
        return "-"
    return f"{found}; took `{' '.join(found.flags)}`" if found.flags else str(found)


def _named(told: Sequence[str]) -> str:
    """Situations by role and what more is said of the session, the states behind."""
    mirrored: dict[tuple[str, str], list[str]] = {}
    odd: list[str] = []
    for each in told:
        role, _, said = each.partition(" ")
        state, _, more = said.partition("; ")
        if role in OTHER_ROLE and state in words.STATES:
            mirrored.setdefault((role, more), []).append(state)
        else:
            odd.append(each)
    lines = [
        f"**{role}** {'in any state' if len(of) == len(CHANGEABLE) else ', '.join(of)}"
        + (f"; {more}" if more else "")
        for (role, more), of in mirrored.items()
    ]
    return "<br>".join([*lines, *odd])


if __name__ == "__main__":
    (Path(sys.argv[1]) / PAGE).write_text(page(), encoding="utf-8")
