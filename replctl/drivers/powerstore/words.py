"""PowerStore's words and ours: one total table by role, then state (design §3, CP §6.1, §6.2, §7.1).

Pure: words in, `Translation` out. Whatever the array says has an answer here; a word that is not in the tables
gives `unknown`, refuses every change and is handed back in `strange`, to be counted. What the *pair* shows (a
source that is demoting only while its peer is not a source) is `replctl.core.pairing`'s; asking the array and
reading times is `sessions`'.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

from replctl.core.errors import excerpt
from replctl.core.model import Flow, Link, Mode, State, StateNote
from replctl.core.values import dataclass

SOURCE = "Source"
DESTINATION = "Destination"
METRO = "Metro_Active_Active"
SYNCHRONOUS = "Synchronous"
ASYNCHRONOUS = "Asynchronous"

FAILOVER_PLANNED = "failover_planned"
FAILOVER_UNPLANNED = "failover_unplanned"
FAILOVER_FORCE = "failover_force"
REPROTECT = "reprotect"
SYNC = "sync"
PAUSE = "pause"
RESUME = "resume"
START_TEST = "start_test"
STOP_TEST = "stop_test"

LONGEST_WORD = 40  # characters of a foreign word that are shown and counted (design §7)
_NOTHING: frozenset[str] = frozenset()
_TAKES_OVER = frozenset({FAILOVER_UNPLANNED})
_TESTABLE = frozenset({FAILOVER_UNPLANNED, START_TEST, STOP_TEST})

NAS = "it speaks of a NAS server whose file systems differ; replctl drives block replication"
METRO_ONLY = (
    "metro replication has no source and replica to swap, and what its actions do when a side is lost is not"
    " established; use the array's own pause, resume, promote and demote, or change the preferred side there"
)
REMOVAL = "the session is being removed"


@dataclass(frozen=True, slots=True)
class StateWord:
    """What one value of `state` means.

    `destination` is our state of an end whose role is Destination; a Source is a source, but for Failing_Over.
    `at_source` and `at_destination` are the actions that CP §7.1 marks Y or y on that side.
    """

    flow: Flow
    destination: State
    sentence: str
    at_source: frozenset[str] = _NOTHING
    at_destination: frozenset[str] = _NOTHING
    unsupported: str | None = None


def _word(
    flow: Flow,
    destination: State,
    sentence: str,
    *,
    source: frozenset[str] | set[str] = _NOTHING,
    replica: frozenset[str] | set[str] = _NOTHING,
    unsupported: str | None = None,
) -> StateWord:
    return StateWord(flow, destination, sentence, frozenset(source), frozenset(replica), unsupported)


# "Paused" permits pause and resume alike: which of the two the array takes depends on whether the pause reached
# both arrays (CP §7.1), and one array cannot tell. "Error" permits the takeover alone, as the way out of a
# disaster that design §4 grants; its other cells are "?" and stay refused.
STATES: Mapping[str, StateWord] = MappingProxyType(
    {
        "Initializing": _word(
            Flow.CHANGING, State.SYNCING, "being set up; the replica holds no complete copy yet"
        ),
        "OK": _word(
            Flow.RUNNING,
            State.REPLICA,
            "well: in step, or waiting for the next copy cycle",
            source={SYNC, PAUSE, FAILOVER_PLANNED},
            replica={PAUSE, *_TESTABLE},
        ),
        "Synchronizing": _word(
            Flow.RUNNING,
            State.REPLICA,
            "well: a copy cycle is running",
            source={PAUSE, FAILOVER_PLANNED},
            replica={PAUSE, *_TESTABLE},
        ),
        "System_Paused": _word(
            Flow.SUSPENDED,
            State.REPLICA,
            "the array stopped copying after an error and waits for an operator",
            source={SYNC, PAUSE},
            replica={PAUSE, *_TESTABLE},
        ),
        "Paused": _word(
            Flow.PAUSED,
            State.REPLICA,
            "paused by a person",
            source={PAUSE, RESUME},
            replica={PAUSE, RESUME, *_TESTABLE},
        ),
        "Paused_For_Migration": _word(
            Flow.PAUSED,
            State.REPLICA,
            "paused by the array while it migrates the volume; it resumes by itself",
            replica=_TAKES_OVER,
        ),
        "Paused_For_NDU": _word(
            Flow.PAUSED,
            State.REPLICA,
            "paused by the array during its upgrade; it resumes by itself",
            replica=_TAKES_OVER,
        ),
        "Pausing": _word(Flow.CHANGING, State.REPLICA, "on its way to paused"),
        "Resuming": _word(Flow.CHANGING, State.REPLICA, "on its way back from a pause"),
        "Failing_Over": _word(
            Flow.CHANGING,
            State.PROMOTING,
            "a planned failover is running: final copy, then the roles swap",
            replica=_TAKES_OVER,
        ),
        "Failing_Over_For_DR": _word(
            Flow.CHANGING,
            State.PROMOTING,
            "an unplanned failover is running: the destination takes over at its last common copy",
        ),
        "Failed_Over": _word(
            Flow.SEVERED,
            State.REPLICA,
            "failed over: nothing is copied until the source is told to reprotect",
            source={REPROTECT},
            replica={FAILOVER_FORCE},
        ),
        "Reprotecting": _word(
            Flow.CHANGING, State.SYNCING, "replication is being set up again after a failover"
        ),
        "Switching_To_Metro_Sync": _word(
            Flow.CHANGING,
            State.SYNCING,
            "metro: copying until both sides are in step",
            unsupported=METRO_ONLY,
        ),
        "Switching_To_Synchronous": _word(
            Flow.CHANGING, State.SYNCING, "copying until the replica is in step with every write"
        ),
        "Fractured": _word(
            Flow.SUSPENDED,
            State.REPLICA,
            "the mirror is broken; one side serves its hosts alone",
            source={PAUSE},
            replica={PAUSE},
        ),
        "Modify_Role_In_Progress": _word(
            Flow.CHANGING,
            State.REPLICA,
            "metro: the preferred side is being changed",
            unsupported=METRO_ONLY,
        ),
        "Deleting": _word(Flow.CHANGING, State.NONE, "the session is being removed", unsupported=REMOVAL),
        "Error": _word(Flow.BROKEN, State.FAILED, "the array calls it an error", replica=_TAKES_OVER),
        "Partial_OK": _word(
            Flow.UNKNOWN, State.REPLICA, "NAS: some file systems are well, some are not", unsupported=NAS
        ),
        "Partial_Paused": _word(
            Flow.UNKNOWN, State.REPLICA, "NAS: some file systems are paused, some are not", unsupported=NAS
        ),
        "Partial_Failed_Over": _word(
            Flow.UNKNOWN, State.REPLICA, "NAS: some file systems failed over, some did not", unsupported=NAS
        ),
        "Partial_Reprotected": _word(
            Flow.UNKNOWN,
            State.REPLICA,
            "NAS: some file systems replicate again, some do not",
            unsupported=NAS,
        ),
        "Partial_Failed_Back": _word(
            Flow.UNKNOWN, State.REPLICA, "NAS: some file systems failed back, some did not", unsupported=NAS
        ),
        "Partial_Cutover_For_Migration": _word(
            Flow.UNKNOWN,
            State.REPLICA,
            "NAS: some file systems were cut over by a migration",
            unsupported=NAS,
        ),
    }
)

ROLES: Mapping[str, str] = MappingProxyType(
    {
        SOURCE: "hosts write here; the other array holds the copy",
        DESTINATION: "holds the copy of the other array",
        "Metro_Preferred": "metro: serves hosts, and goes on alone when the mirror breaks",
        "Metro_Non_Preferred": "metro: serves hosts, and stops when the mirror breaks",
    }
)
TYPES: Mapping[str, tuple[Mode, str]] = MappingProxyType(
    {
        ASYNCHRONOUS: (Mode.ASYNCHRONOUS, "copies in cycles"),
        SYNCHRONOUS: (Mode.SYNCHRONOUS, "copies every write before the host is answered"),
        METRO: (Mode.SYNCHRONOUS, "both arrays serve the same volume"),
    }
)
TRANSFERS: Mapping[str, str] = MappingProxyType(
    {
        "Asynchronous_Initial_Sync": "the first copy is under way; the replica is not complete yet",
        "Asynchronous": "copies in cycles",
        "System_Asynchronous_Initial_Sync": "the first copy is under way; the replica is not complete yet",
        "System_Asynchronous": "catching up before every write is mirrored",
        "Switch_To_Sync_Diff_Copy": "copying the last difference before every write is mirrored",
        "Synchronous": "every write is mirrored",
        "Active_Active": "metro: both sides are in step",
        "Paused": "nothing is copied",
        "Faulted": "copying has failed",
    }
)
INITIAL_COPY = frozenset({"Asynchronous_Initial_Sync", "System_Asynchronous_Initial_Sync"})
CONNECTIONS: Mapping[str, tuple[Link, str]] = MappingProxyType(
    {
        "OK": (Link.OK, "the data link works"),
        "Partial_Data_Connection_Loss": (Link.IMPAIRED, "some paths of the data link are lost"),
        "Complete_Data_Connection_Loss": (Link.LOST, "the data link is lost"),
        "Status_Not_Available": (Link.UNKNOWN, "the array does not know its data link"),
        "No_Targets_Discovered": (Link.LOST, "the data link finds no target"),
        "Initializing": (Link.UNKNOWN, "the data link is being set up"),
        "Data_Connection_Unstable": (Link.IMPAIRED, "the data link comes and goes"),
    }
)
REMOTE_STATES: Mapping[str, tuple[Link, str]] = MappingProxyType(
    {
        "OK": (Link.OK, "the arrays reach each other's management"),
        "Update_Needed": (Link.OK, "the entry of the other array needs an update"),
        "Management_Connection_Lost": (Link.LOST, "the other array's management does not answer"),
        "Partial_Delete": (Link.IMPAIRED, "the entry of the other array is half removed"),
    }
)
RESOURCE_STATES: Mapping[str, str] = MappingProxyType(
    {
        "System_Defined": "as the array set it",
        "Promoted": "metro: enabled by a person",
        "Demoted": "metro: disabled by a person",
        "System_Demoted": "metro: disabled by the array",
        "System_Promoted": "metro: enabled by the witness",
    }
)

WITNESSES: Mapping[str, str] = MappingProxyType(
    {
        "Initializing": "the witness is being set up",
        "Disengaged": "the witness would not decide now",
        "Engaged": "the witness decides which side goes on when the mirror breaks",
        "Remote_Witness_Invalid_Or_Unavailable": "the other array cannot reach the witness",
        "Failed_To_Initialize": "the witness could not be set up",
        "Unconfigure_In_Progress": "the witness is being taken away",
    }
)

# What a replication rule asks for, in seconds (CP §11).
RPOS: Mapping[str, float] = MappingProxyType(
    {
        "Zero": 0.0,
        "Five_Minutes": 300.0,
        "Fifteen_Minutes": 900.0,
        "Thirty_Minutes": 1800.0,
        "One_Hour": 3600.0,
        "Six_Hours": 21_600.0,
        "Twelve_Hours": 43_200.0,
        "One_Day": 86_400.0,
    }
)

# The vendor's words that stand for ours where it has a distinct one (R74); an end without a session has none.
ROLE_AND_STATE: Mapping[State, tuple[str, str]] = MappingProxyType(
    {
        State.REPLICA: (DESTINATION, "OK"),
        State.PROMOTING: (DESTINATION, "Failing_Over"),
        State.SOURCE: (SOURCE, "OK"),
        State.DEMOTING: (SOURCE, "Failing_Over"),
        State.SYNCING: (DESTINATION, "Reprotecting"),
        State.FAILED: (DESTINATION, "Error"),
    }
)
TYPE_OF_MODE: Mapping[Mode, str] = MappingProxyType(
    {Mode.SYNCHRONOUS: SYNCHRONOUS, Mode.ASYNCHRONOUS: ASYNCHRONOUS}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWords:
    """The vendor's words of one session; None where the array said null or its release has no such field."""

    role: str | None
    state: str | None
    type: str | None = None
    transfer: str | None = None
    test_running: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """Our words for one session as one array sees it; `strange` are the (field, value) that no table knows."""

    state: State | None
    note: StateNote | None
    mode: Mode | None
    flow: Flow
    healthy: bool
    sentence: str
    permits: frozenset[str] = _NOTHING
    unsupported: str | None = None
    complete: bool = True
    strange: tuple[tuple[str, str], ...] = ()


def said(value: str | None) -> str:
    """A word as it is shown and counted: short and printable, whatever the array said; null has a word too."""
    return "null" if value is None else value if value in STATES else excerpt(value, LONGEST_WORD)


def _strange(words: SessionWords) -> tuple[tuple[str, str], ...]:
    """The words that the state rests on and that no table knows. Absent type and transfer: release before 3.0."""
    found = []
    if words.role not in ROLES:
        found.append(("role", said(words.role)))
    if words.state not in STATES:
        found.append(("state", said(words.state)))
    if words.type is not None and words.type not in TYPES:
        found.append(("type", said(words.type)))
    if words.transfer is not None and words.transfer not in TRANSFERS:
        found.append(("data_transfer_state", said(words.transfer)))
    return tuple(found)


def _unknown(words: SessionWords, strange: tuple[tuple[str, str], ...]) -> Translation:
    named = ", ".join(f"{field} {value}" for field, value in strange)
    known_type = TYPES.get(words.type or ASYNCHRONOUS)
    return Translation(
        state=None,
        note=StateNote.UNKNOWN,
        mode=known_type[0] if known_type else None,
        flow=Flow.UNKNOWN,
        healthy=False,
        sentence=f"this release of replctl does not know the array's word: {named}",
        unsupported=f"the array's word is not known: {named}",
        strange=strange,
    )


def _state_of(words: SessionWords, word: StateWord) -> State:
    if words.role == SOURCE:
        return State.DEMOTING if words.state == "Failing_Over" else State.SOURCE
    if word.destination is State.REPLICA and words.transfer in INITIAL_COPY:
        return State.SYNCING
    return word.destination


def _is_healthy(words: SessionWords, word: StateWord) -> bool:
    """OK and Synchronizing are well, unless the transfer says that the copy is not what the type promises."""
    if word.flow is not Flow.RUNNING or words.transfer in INITIAL_COPY or words.transfer == "Faulted":
        return False
    in_step = words.transfer is None or words.transfer == SYNCHRONOUS
    return words.type != SYNCHRONOUS or in_step


def _permits(words: SessionWords, word: StateWord) -> frozenset[str]:
    allowed = set(word.at_source if words.role == SOURCE else word.at_destination)
    if words.type == SYNCHRONOUS:
        # CP §9.2: copies in cycles, and their tests, exist for asynchronous sessions only. A lost link may read
        # Fractured; the table's row speaks of metro, and a dead source must leave a way to take over.
        allowed -= {SYNC, START_TEST, STOP_TEST}
        if words.state == "Fractured" and words.role == DESTINATION:
            allowed.add(FAILOVER_UNPLANNED)
    if words.transfer in INITIAL_COPY:
        allowed -= {FAILOVER_PLANNED, FAILOVER_UNPLANNED, FAILOVER_FORCE, START_TEST}
    # Cross rules of CP §7.1. The takeover stays: it is legal with `use_test_copy`, which the planner asks for.
    allowed -= {FAILOVER_PLANNED, START_TEST} if words.test_running else {STOP_TEST}
    return frozenset(allowed)


@lru_cache(maxsize=4096)  # a tick over thousands of sessions meets a handful of combinations
def translate(words: SessionWords) -> Translation:
    """What one session means, for any words whatever (design §3)."""
    strange = _strange(words)
    if strange or words.state is None:
        return _unknown(words, strange)
    word = STATES[words.state]
    mode, _ = TYPES[words.type or ASYNCHRONOUS]
    healthy = _is_healthy(words, word)
    if words.state == "Deleting":
        return Translation(
            state=None,
            note=StateNote.REMOVING,
            mode=mode,
            flow=word.flow,
            healthy=False,
            sentence=word.sentence,
            unsupported=REMOVAL,
        )
    if words.type == METRO or words.role not in (SOURCE, DESTINATION):
        return Translation(
            state=None,
            note=StateNote.UNKNOWN,
            mode=mode,
            flow=word.flow,
            healthy=healthy,
            sentence=f"metro, {word.sentence}" if "metro" not in word.sentence else word.sentence,
            unsupported=METRO_ONLY,
        )
    return _plain(words, word, mode, healthy)


def _plain(words: SessionWords, word: StateWord, mode: Mode, healthy: bool) -> Translation:
    state = _state_of(words, word)
    initial = words.transfer in INITIAL_COPY
    sentence = f"{word.sentence}; {TRANSFERS[words.transfer or '']}" if initial else word.sentence
    return Translation(
        state=state,
        note=None,
        mode=mode,
        flow=word.flow,
        healthy=healthy,
        sentence=sentence,
        permits=_NOTHING if word.unsupported else _permits(words, word),
        unsupported=word.unsupported,
        complete=not initial and state is not State.SYNCING,
    )


def link_of(*values: str | None) -> Link:
    """The worst that the known words say of the data link; words that say nothing do not count."""
    known = {CONNECTIONS[value][0] for value in values if value is not None and value in CONNECTIONS}
    return next((link for link in (Link.LOST, Link.IMPAIRED, Link.OK) if link in known), Link.UNKNOWN)


def management_of(value: str | None) -> Link:
    """What `remote_system.state` says of the way to the other array's management."""
    return REMOTE_STATES[value][0] if value is not None and value in REMOTE_STATES else Link.UNKNOWN


def vendor_words(state: State, mode: Mode = Mode.ASYNCHRONOUS) -> SessionWords | None:
    """The vendor's words that stand for ours, or None where it has none (R74)."""
    if state not in ROLE_AND_STATE:
        return None
    role, word = ROLE_AND_STATE[state]
    return SessionWords(role=role, state=word, type=TYPE_OF_MODE[mode])


def sentence_of(field: str, value: str | None) -> str:
    """What a vendor's word means, for `explain`; an unknown one says so."""
    if value is None:
        return "the array gives no value"
    tables: Mapping[str, Mapping[str, str]] = {
        "state": {word: meaning.sentence for word, meaning in STATES.items()},
        "role": ROLES,
        "type": {word: sentence for word, (_, sentence) in TYPES.items()},
        "data_transfer_state": TRANSFERS,
        "data_connection_state": {word: sentence for word, (_, sentence) in CONNECTIONS.items()},
        "remote_system_state": {word: sentence for word, (_, sentence) in REMOTE_STATES.items()},
        "local_resource_state": RESOURCE_STATES,
        "witness_state": WITNESSES,
    }
    return tables.get(field, {}).get(value, "this release of replctl does not know the word")
