"""The health of a pair: nothing is called healthy that was not read to be so (design §3)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from core.arbitrary import any_world
from core.transcripts import World, observation
from hypothesis import given, settings

from replctl.core.health import judge
from replctl.core.model import Flow, Health, Link, Observation, Pair, State
from replctl.core.pairing import settle


def health(west: str, east: str) -> tuple[str, str]:
    """As the engine judges: `demoting` beside another source is a source."""
    pair = settle(Pair(observation(f"west (local): {west}"), observation(f"east: {east}")))
    found, sentence = judge(pair)
    return found.value, sentence


@pytest.mark.parametrize(
    ("west", "east", "expected"),
    [
        ("Destination OK", "Source OK", "healthy"),
        ("Source Synchronizing", "Destination Synchronizing", "healthy"),
        ("Destination OK; type Synchronous", "Source OK; type Synchronous", "healthy"),
        ("Destination System_Paused", "Source System_Paused", "degraded"),
        ("Destination OK", "Source Paused", "degraded"),
        ("Destination Failing_Over", "Source Failing_Over", "degraded"),
        ("Destination Failing_Over", "Destination Failed_Over", "degraded"),
        ("Destination OK", "Source Failing_Over", "degraded"),
        ("Destination Initializing", "Source Initializing", "degraded"),
        ("Source Failed_Over", "Destination Failed_Over", "degraded"),
        ("Destination OK; transfer Asynchronous_Initial_Sync", "Source OK", "degraded"),
        ("Destination OK; transfer Faulted", "Source OK", "degraded"),
        ("Destination OK; link lost", "Source OK", "degraded"),
        ("Destination OK", "Source OK; link lost", "degraded"),
        ("Destination OK; link impaired", "Source OK; link unknown", "healthy"),
        ("Destination Error", "Source Error", "failed"),
        ("Source Error", "Destination OK", "degraded"),
        ("Source Failed_Over", "Source System_Paused", "split_brain"),
        ("Source OK", "Source Failing_Over", "split_brain"),
        ("Destination Failed_Over", "Destination Failed_Over", "no_source"),
        ("Destination OK", "no session", "no_source"),
        ("no session", "no session", "no_source"),
        ("Source OK", "no session", "degraded"),
        ("Destination Sleeping", "Source OK", "unknown"),
        ("Destination Sleeping", "Destination Error", "failed"),
        ("Destination Deleting", "Source Deleting", "unknown"),
        (
            "Metro_Preferred OK; type Metro_Active_Active",
            "Metro_Non_Preferred OK; type Metro_Active_Active",
            "healthy",
        ),
        (
            "Metro_Preferred Fractured; type Metro_Active_Active",
            "Metro_Non_Preferred Fractured; type Metro_Active_Active",
            "unknown",
        ),
        ("Destination OK", "unread silent: no answer", "unknown"),
        ("unread silent: no answer", "Source OK", "unknown"),
        ("unread silent: no answer", "unread tls: expired", "unknown"),
        ("Source Failed_Over", "unread silent: no answer", "degraded"),
        ("Destination System_Paused", "unread silent: no answer", "degraded"),
        ("Destination Error", "unread silent: no answer", "failed"),
        ("no session", "unread silent: no answer", "unknown"),
        ("Destination OK", "Source OK; id east-payroll", "unknown"),
    ],
)
def test_health_by_what_was_read(west: str, east: str, expected: str) -> None:
    found, sentence = health(west, east)
    assert found == expected
    assert sentence or expected == "healthy"


def test_the_sentence_names_the_end_and_its_reason() -> None:
    _, sentence = health("Destination OK", "Source System_Paused")
    assert sentence.startswith("east: the array stopped copying after an error")
    _, sentence = health("Destination Error", "unread silent: no answer")
    assert sentence == "west: the array calls it an error; east: no answer"
    _, sentence = health("Destination OK", "Destination Error")
    assert sentence.startswith("east: ")
    _, sentence = health("Source OK", "Destination Sleeping")
    assert sentence.startswith("east: ")
    _, sentence = health("Destination Sleeping", "Source OK")
    assert sentence.startswith("west: ")
    _, sentence = health("Destination OK", "Source Paused")
    assert sentence == "paused on east only: west reads OK"
    _, sentence = health("Destination Paused", "Source OK")
    assert sentence == "paused on west only: east reads OK"
    _, sentence = health("unread silent: no answer", "unread tls: expired")
    assert sentence == "west: no answer"
    _, sentence = health("Source OK", "Source OK")
    assert sentence == "both west and east read as source"
    _, sentence = health("Destination OK; link lost", "Source OK")
    assert sentence == "west: the data link is lost"


def test_management_that_the_arrays_lost_among_themselves_is_no_health() -> None:
    source = Observation(
        backend="east", observed_at=0.0, state=State.SOURCE, healthy=True, peer_management=Link.LOST
    )
    replica = Observation(backend="west", observed_at=0.0, state=State.REPLICA, healthy=True)
    found, sentence = judge(Pair(replica, source))
    assert (found, sentence) == (
        Health.DEGRADED,
        "east: the other end's management does not answer it",
    )


@settings(max_examples=600, deadline=None)
@given(world=any_world())
def test_healthy_means_that_both_were_read_and_are_well(world: World) -> None:
    pair = settle(world.pair)
    found, sentence = judge(pair)
    assert found in Health
    ends = (pair.local, pair.peer)
    if found is Health.HEALTHY:
        assert all(end.trouble is None and end.healthy for end in ends)
        assert None in {end.state for end in ends} or {end.state for end in ends} == {
            State.SOURCE,
            State.REPLICA,
        }
    else:
        assert sentence
    if pair.local.state is pair.peer.state is State.SOURCE:
        assert found in (Health.SPLIT_BRAIN, Health.UNKNOWN)


@settings(max_examples=300, deadline=None)
@given(world=any_world())
def test_health_is_the_same_from_either_side(world: World) -> None:
    pair = settle(world.pair)
    assert judge(pair)[0] is judge(Pair(pair.peer, pair.local))[0]


def test_flows_that_are_known_to_be_ill_outweigh_a_silent_peer() -> None:
    for flow in Flow:
        seen = Observation(backend="west", observed_at=0.0, state=State.REPLICA, flow=flow)
        silent = observation("east: unread silent: no answer")
        expected = Health.UNKNOWN if flow in (Flow.RUNNING, Flow.UNKNOWN) else Health.DEGRADED
        assert judge(Pair(seen, silent))[0] is expected


def test_what_cannot_be_told_is_unknown_and_never_healthy() -> None:
    well = Pair(observation("west (local): Destination OK"), observation("east: Source OK"))
    assert judge(well)[0] is Health.HEALTHY
    doubted = replace(well, local=replace(well.local, doubt="nobody knows when a copy arrived"))
    assert judge(doubted) == (Health.UNKNOWN, "west: nobody knows when a copy arrived")
    ill = replace(doubted, peer=replace(well.peer, healthy=False))
    assert judge(ill)[0] is Health.DEGRADED
