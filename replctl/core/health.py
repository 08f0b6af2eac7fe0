"""The health of a replication, judged from what both ends said (design §3)."""

from __future__ import annotations

from replctl.core.model import Flow, Health, Observation, Pair, Side, State

_SOURCE_LIKE = frozenset({State.SOURCE, State.PROMOTING, State.DEMOTING})


def judge(pair: Pair) -> tuple[Health, str]:
    """The health and the sentence that gives its reason."""
    unread = [side for side in Side if pair.end(side).trouble is not None]
    if unread:
        return _half_seen(pair, unread)
    if any(pair.end(side).state is None for side in Side):
        return _unknown_word(pair)
    if pair.local.state is State.SOURCE and pair.peer.state is State.SOURCE:
        return Health.SPLIT_BRAIN, f"both {pair.local.backend} and {pair.peer.backend} read as source"
    if State.FAILED in (pair.local.state, pair.peer.state):
        broken = pair.local if pair.local.state is State.FAILED else pair.peer
        return Health.FAILED, f"{broken.backend}: {broken.sentence}"
    if not {pair.local.state, pair.peer.state} & _SOURCE_LIKE:
        return Health.NO_SOURCE, "neither end is the source"
    if pair.local.healthy and pair.peer.healthy:
        return Health.HEALTHY, ""
    worse = pair.local if not pair.local.healthy else pair.peer
    return Health.DEGRADED, f"{worse.backend}: {worse.sentence}"


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
