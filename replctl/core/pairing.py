"""What only both ends together can say: words of one end that the other end corrects.

Pure, and the same for every vendor. A driver sees one end at a time; the engine holds the pair.
"""

from __future__ import annotations

from dataclasses import replace

from replctl.core.model import Flow, Observation, Pair, State

_READS_AS_SOURCE = frozenset({State.SOURCE, State.DEMOTING})


def settle(pair: Pair) -> Pair:
    """The pair with each `demoting` end read as `source` while the other end is a source too (design §3).

    An end steps down only in favour of the other; when both call themselves the source, neither is stepping
    down, and saying so would hide that hosts may write on both. An unreadable other end proves nothing.
    A source that cannot tell whether anything is copied from it is told by the end that it is copied to.
    """
    return Pair(_settled(pair.local, pair.peer), _settled(pair.peer, pair.local))


def _settled(end: Observation, other: Observation) -> Observation:
    if end.state is State.DEMOTING and other.state in _READS_AS_SOURCE:
        return replace(end, state=State.SOURCE)
    if end.state is State.SOURCE and end.flow is Flow.UNKNOWN:
        return replace(end, flow=_flow_from(other))
    return end


def _flow_from(other: Observation) -> Flow:
    if other.state in _READS_AS_SOURCE:
        return Flow.SEVERED
    return other.flow if other.state is State.REPLICA else Flow.UNKNOWN
