"""What was seen of an end, and what that proves: the facts behind a refusal, in words (design §4).

Pure. Sentences only: whether they stand in the way is the planner's to judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from replctl.core.model import Link, Observation, Pair, State, Trouble, TroubleKind
from replctl.core.plans import Evidence
from replctl.core.states import shown

_OUR_TROUBLE = "our own trouble: it proves nothing about the peer"
_UNREAD: Mapping[TroubleKind, str] = MappingProxyType(
    {
        TroubleKind.CREDENTIALS: _OUR_TROUBLE,
        TroubleKind.TLS: _OUR_TROUBLE,
        TroubleKind.NAME: _OUR_TROUBLE,
        TroubleKind.BREAKER: "we did not ask: it proves nothing about the peer",
        TroubleKind.ABSENT: "its backend answers, and what bore that name may still be written to",
        TroubleKind.AMBIGUOUS: "its backend answers, and hosts may be writing to whichever is meant",
        TroubleKind.UNWELL: "something lives there, and nothing is proven about its hosts",
    }
)
_READ: Mapping[State | None, str] = MappingProxyType(
    {
        State.SOURCE: "it is up, and hosts may be writing to it",
        State.DEMOTING: "it is up, and hosts may be writing to it",
        State.PROMOTING: "it is up, and on its way to being the source",
        State.FAILED: "it is up, and nothing is proven about its hosts",
        State.NONE: "it is up, nothing replicates it, and hosts may be writing to it",
        State.REPLICA: "it is up, and not the source",
        State.SYNCING: "it is up, and not the source",
        None: "it is up, and hosts may be writing to it",
    }
)
_SILENT: Mapping[Link, str] = MappingProxyType(
    {
        Link.OK: "is OK: only management is lost, the array lives and hosts may be writing; it will be demoted "
        "over the link",
        Link.IMPAIRED: "is impaired, not lost: the array lived until just now, and hosts may be writing",
        Link.LOST: "is lost: this proves nothing, dead and cut off look alike",
    }
)


def fact(name: str, value: str, seen: Observation) -> Evidence:
    """One fact about an end, with where and when it was read."""
    return Evidence(fact=name, value=value, backend=seen.backend, as_of=seen.observed_at)


def state_fact(seen: Observation) -> Evidence:
    """What the end reads as, or why it was not read."""
    if seen.trouble is not None:
        return fact("not read", seen.trouble.message, seen)
    sentence = f": {seen.sentence}" if seen.sentence else ""
    return fact("state", f"{state_word(seen)}{sentence}", seen)


def peer_evidence(local: Observation, peer: Observation) -> Evidence:
    """What was seen of the peer and what that proves: the table of design §4, one sentence."""
    if peer.trouble is None:
        value = f"it answers as {state_word(peer)}: {_READ[peer.state]}"
    else:
        value = _unread(local, peer.trouble)
    return fact("peer", value, peer)


def _unread(local: Observation, trouble: Trouble) -> str:
    if trouble.kind in _UNREAD:
        return f"{trouble.message}; {_UNREAD[trouble.kind]}"
    if local.link in _SILENT:
        return f"{trouble.message}; {local.backend} says that the replication link {_SILENT[local.link]}"
    return f"{trouble.message}: this proves nothing, dead and cut off look alike"


def strangers(pair: Pair) -> tuple[Evidence, ...]:
    """Ends that replicate with something else than the other end: what is told to one hits a third."""
    found = []
    for seen, other in ((pair.local, pair.peer), (pair.peer, pair.local)):
        if None not in (seen.counterpart, other.resource) and seen.counterpart != other.resource:
            value = f"replicates with {seen.counterpart}, and {other.backend} is read at {other.resource}"
            found.append(fact("counterpart", value, seen))
    return tuple(found)


def state_word(seen: Observation) -> str:
    """Our word for the end's state, with the vendor's beside it."""
    ours = "unknown" if seen.state is None else shown(seen.state)
    return f"{ours} ({seen.word})" if seen.word else ours
