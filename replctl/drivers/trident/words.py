"""Trident's words and ours: one total table over CT §9.2, for one mirror relationship as one cluster has it.

Pure: words in, `Translation` out. A relationship describes one end: `established` is the replica, the writable side
is `promoted`, and never is a source read as established. The status word is what the last pass of Trident's
controller left, written only when it changes (CT §3); so no word here proves that anything works *now*, and what
cannot be told is said in `doubt`. Whatever Trident says has an answer: a word that is not in the tables gives
`unknown` and is handed back in `strange`, to be counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from replctl.core.errors import excerpt
from replctl.core.model import Flow, Mode, State, StateNote

ESTABLISHED, REESTABLISHED, PROMOTED = "established", "reestablished", "promoted"
ESTABLISHING, REESTABLISHING, PROMOTING = "establishing", "reestablishing", "promoting"
FAILED, INVALID, NOTHING_ASKED = "failed", "invalid", ""
DESIRED = frozenset({NOTHING_ASKED, PROMOTED, ESTABLISHED, REESTABLISHED})
KNOWN = DESIRED | {ESTABLISHING, REESTABLISHING, PROMOTING, FAILED, INVALID}
NO_WORD = "no conditions"  # how a relationship that Trident has said nothing about is shown
NUDGED = "no conditions, looked at again"  # of one that was asked to
LONGEST_WORD = 40  # characters of a foreign word that are shown and counted (design §7)

# Policies whose mode is known by their name alone; the configuration adds to these, and outranks them (CT §9.2).
MODES: Mapping[str, Mode] = MappingProxyType(
    {"Sync": Mode.SYNCHRONOUS, "MirrorAllSnapshots": Mode.ASYNCHRONOUS}
)

UNTIMED = "Trident does not tell when a copy arrived last, so that whether it keeps up is not known"
TIMED = "its last copy is not known to be younger than twice the rpo of its entry"
UNPROVEN = (
    "Trident says promoted, which does not prove that ONTAP broke the mirror (`ontap:` in config.yaml can)"
)
UNDONE = (
    "Trident says reestablished, which does not prove that ONTAP has the mirror (`ontap:` in config.yaml can);"
    " without it hosts can still write here"
)
PAUSED = "nothing is copied: ONTAP has the mirror paused, out of step, or not at all"


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorWords:
    """The vendor's words of one relationship.

    `wanted` is `spec.state`; `state` the status word, None without conditions. `remote`: whether a counterpart is
    named; `bound`: whether the claim has a volume; `claimless`: the claim is proven not to be there; `going`: whether
    it is being deleted.
    """

    wanted: str
    state: str | None
    remote: bool
    bound: bool = True
    claimless: bool = False
    going: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Our words for it; `strange` are the (field, value) that no table knows.

    `doubt` says why health cannot be told, though nothing says that it is ill; `unproven` marks a role that the
    word claims and does not prove.
    """

    state: State | None
    flow: Flow
    sentence: str
    note: StateNote | None = None
    healthy: bool = False
    doubt: str | None = None
    unproven: bool = False
    strange: tuple[tuple[str, str], ...] = ()


def _said(state: State | None, flow: Flow, sentence: str) -> Translation:
    note = StateNote.UNKNOWN if state is None else None
    return Translation(state=state, flow=flow, sentence=sentence, note=note)


# The words that mean the same whatever is wanted (CT §9.2, rows 4 to 7).
_ALWAYS: Mapping[str, Translation] = MappingProxyType(
    {
        FAILED: _said(
            State.FAILED, Flow.BROKEN, "Trident gave up, and does not try again until the spec changes"
        ),
        INVALID: _said(
            State.FAILED, Flow.BROKEN, "Trident calls the spec invalid, and waits for a change of it"
        ),
        PROMOTING: _said(
            State.PROMOTING, Flow.CHANGING, "the mirror is being broken, to make this end writable"
        ),
        ESTABLISHING: _said(
            State.SYNCING, Flow.CHANGING, "a transfer is running; the copy may not be complete"
        ),
        REESTABLISHING: _said(
            State.SYNCING, Flow.CHANGING, "being made the replica again: what only this end holds is dropped"
        ),
    }
)
_REPLICA = replace(
    _said(State.REPLICA, Flow.RUNNING, "the replica: read-only, filled by scheduled transfers"),
    healthy=True,
    doubt=UNTIMED,
)
_SOURCE = replace(
    _said(State.SOURCE, Flow.UNKNOWN, "hosts write here; whether it is protected only the other end tells"),
    healthy=True,
)
_UNMANAGED = replace(
    _SOURCE, sentence="Trident was asked for nothing: an ordinary volume that hosts write to"
)
_FAILED_OVER = replace(
    _SOURCE,
    sentence="promoted after a mirror: hosts write here, unprotected until the other end is re-established",
    doubt=UNPROVEN,
    unproven=True,
)
_ASKED_TO_PROMOTE = _said(
    State.PROMOTING, Flow.CHANGING, "asked to be promoted; Trident has not acted on it yet"
)
_STEPPING_DOWN = _said(
    State.DEMOTING,
    Flow.CHANGING,
    "asked to become the replica; until Trident acts on it hosts can write here",
)
_CANNOT_BE = _said(
    State.SYNCING,
    Flow.CHANGING,
    "asked to be established after a promotion, which ONTAP refuses: only reestablished leads back",
)
# Promoted, by what is wanted and whether a counterpart is named (rows 10 to 13).
_PROMOTED: Mapping[tuple[str, bool], Translation] = MappingProxyType(
    {
        (REESTABLISHED, True): _STEPPING_DOWN,
        (REESTABLISHED, False): _STEPPING_DOWN,
        (ESTABLISHED, True): _CANNOT_BE,
        (ESTABLISHED, False): _CANNOT_BE,
        (PROMOTED, False): _SOURCE,
        (PROMOTED, True): _FAILED_OVER,
        (NOTHING_ASKED, False): _UNMANAGED,
        (NOTHING_ASKED, True): _FAILED_OVER,
    }
)


def said(word: str) -> str:
    """A word as it is shown and counted: short and printable, whatever the cluster said."""
    return word if word in KNOWN else excerpt(word, LONGEST_WORD)


def translate(words: MirrorWords) -> Translation:
    """What one relationship means, for any words whatever: CT §9.2, from its second row on."""
    strange = _strange(words)
    if strange:
        return _unknown(strange)
    return _removing(words) if words.going else _standing(words)


def _standing(words: MirrorWords) -> Translation:
    state = words.state
    if state is None:
        return _unspoken(words)
    if state in _ALWAYS:
        return _ALWAYS[state]
    if state == PROMOTED:
        return _PROMOTED[words.wanted, words.remote]
    if state in (ESTABLISHED, REESTABLISHED):
        return _ASKED_TO_PROMOTE if words.wanted == PROMOTED else _REPLICA
    return _said(State.FAILED, Flow.BROKEN, PAUSED) if words.remote else _UNMANAGED


def _unspoken(words: MirrorWords) -> Translation:
    """Without conditions: at work for the first time, or waiting for the claim; never a failure (CT §4.2)."""
    if words.wanted in (ESTABLISHED, REESTABLISHED) and words.bound:
        return _said(
            State.SYNCING, Flow.CHANGING, "its first transfer is not over; there is no complete copy yet"
        )
    if words.wanted in (ESTABLISHED, REESTABLISHED) and words.claimless:
        waiting = "it waits for its claim, which is not there: there is no volume yet"
        return replace(_said(State.NONE, Flow.UNKNOWN, waiting), note=StateNote.UNKNOWN)
    waits = "" if words.bound else ", and its claim is not bound to a volume"
    return _said(None, Flow.CHANGING, f"Trident has not said anything about it yet{waits}")


def _removing(words: MirrorWords) -> Translation:
    """Being deleted, which promotes it first; its status is never written meanwhile (CT §4.7)."""
    writable = words.state in (PROMOTED, NOTHING_ASKED) and not (words.state == "" and words.remote)
    state = State.SOURCE if writable else State.PROMOTING
    sentence = "being deleted" if writable else "being deleted, which promotes this end first"
    return replace(_said(state, Flow.CHANGING, sentence), note=StateNote.REMOVING)


def _strange(words: MirrorWords) -> tuple[tuple[str, str], ...]:
    found = []
    if words.wanted not in DESIRED:
        found.append(("spec.state", said(words.wanted)))
    if words.state is not None and words.state not in KNOWN:
        found.append(("status.state", said(words.state)))
    return tuple(found)


def _unknown(strange: tuple[tuple[str, str], ...]) -> Translation:
    named = ", ".join(f"{field} {value}" for field, value in strange)
    sentence = f"this release of replctl does not know Trident's word: {named}"
    return replace(_said(None, Flow.UNKNOWN, sentence), strange=strange)


def mode_of(policy: str, modes: Mapping[str, Mode], *, is_replica: bool) -> Mode | None:
    """The mode that a policy stands for; only the table of the configuration and what all clusters share say so.

    A replica without any policy has ONTAP's default, which is asynchronous (CT §7); of a source nothing is known.
    """
    if not policy:
        return Mode.ASYNCHRONOUS if is_replica else None
    return modes.get(policy, MODES.get(policy))
