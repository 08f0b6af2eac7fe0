"""The health of a replication, judged from what both ends said (design §3)."""

from __future__ import annotations

from replctl.core.evidence import strangers
from replctl.core.model import Flow, Health, Link, Observation, Pair, Side, State

FRESH_RPOS = 2.0  # a copy this many times as old as the rpo wants it says nothing about now
_SOURCE_LIKE = frozenset({State.SOURCE, State.PROMOTING, State.DEMOTING})


def judge(pair: Pair, rpo_seconds: float | None = None) -> tuple[Health, str]:
    """The health and the sentence that gives its reason.

    An end's doubt is answered by a copy that is younger than twice the rpo (design §3).
    """
    unread = [side for side in Side if pair.end(side).trouble is not None]
    if unread:
        return _half_seen(pair, unread)
    odd = strangers(pair)
    if odd:
        return Health.UNKNOWN, f"the ends are no pair: {odd[0].backend} {odd[0].value}"
    states = {pair.local.state, pair.peer.state}
    if states == {State.SOURCE}:
        return Health.SPLIT_BRAIN, f"both {pair.local.backend} and {pair.peer.backend} read as source"
    if State.FAILED in states:
        broken = pair.local if pair.local.state is State.FAILED else pair.peer
        return Health.FAILED, f"{broken.backend}: {broken.sentence}"
    if None in states:
        return _unknown_word(pair)
    if states == {State.NONE}:
        return Health.NO_SOURCE, "nothing replicates it"
    if not states & _SOURCE_LIKE:
        return Health.NO_SOURCE, "neither end is the source"
    return _between(pair, rpo_seconds)


def _between(pair: Pair, rpo_seconds: float | None) -> tuple[Health, str]:
    """A source and another end: well only when both are, and the other is a replica."""
    paused = [end for end in (pair.local, pair.peer) if end.flow is Flow.PAUSED]
    if len(paused) == 1:
        other = pair.peer if paused[0] is pair.local else pair.local
        return Health.DEGRADED, f"paused on {paused[0].backend} only: {other.backend} reads {other.word}"
    worse = next((end for end in (pair.local, pair.peer) if not end.healthy), None)
    if worse is None and {pair.local.state, pair.peer.state} != {State.SOURCE, State.REPLICA}:
        worse = next(end for end in (pair.local, pair.peer) if end.state is not State.SOURCE)
    if worse is not None:
        return Health.DEGRADED, f"{worse.backend}: {worse.sentence}"
    return _link_between(pair) or _doubted(pair, rpo_seconds)


def _doubted(pair: Pair, rpo_seconds: float | None) -> tuple[Health, str]:
    """Nothing says that it is ill: well, unless an end cannot tell."""
    doubts = [
        f"{end.backend}: {end.doubt}" for end in (pair.local, pair.peer) if _is_in_doubt(end, rpo_seconds)
    ]
    return (Health.UNKNOWN, doubts[0]) if doubts else (Health.HEALTHY, "")


def _is_in_doubt(end: Observation, rpo_seconds: float | None) -> bool:
    at = end.point.at if end.point is not None else None
    if end.doubt is None or at is None or rpo_seconds is None:
        return end.doubt is not None
    return end.observed_at - at > FRESH_RPOS * rpo_seconds


def _link_between(pair: Pair) -> tuple[Health, str] | None:
    """Both ends call themselves well; they notice a lost link only when the next copy is due."""
    for seen in (pair.local, pair.peer):
        if seen.link is Link.LOST:
            return Health.DEGRADED, f"{seen.backend}: the data link is lost"
        if seen.peer_management is Link.LOST:
            return Health.DEGRADED, f"{seen.backend}: the other end's management does not answer it"
    return None


def _half_seen(pair: Pair, unread: list[Side]) -> tuple[Health, str]:
    silent = pair.end(unread[0])
    reason = f"{silent.backend}: {silent.trouble.message}" if silent.trouble else ""
    if len(unread) == len(Side):
        return Health.UNKNOWN, reason
    seen = pair.end(unread[0].other)
    if seen.state is State.FAILED:
        return Health.FAILED, f"{seen.backend}: {seen.sentence}; {reason}"
    if seen.flow not in (Flow.RUNNING, Flow.UNKNOWN):
        return Health.DEGRADED, f"{seen.backend}: {seen.sentence}; {reason}"
    return Health.UNKNOWN, reason


def _unknown_word(pair: Pair) -> tuple[Health, str]:
    odd: Observation = pair.local if pair.local.state is None else pair.peer
    if pair.local.healthy and pair.peer.healthy:
        return Health.HEALTHY, odd.sentence
    return Health.UNKNOWN, f"{odd.backend}: {odd.sentence}"
