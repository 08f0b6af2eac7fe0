"""Arbitrary worlds for properties: what arrays may say in their own words, and what no array would ever say.

`any_world` draws both. An end is either read through the driver from arbitrary vendor words, or made of arbitrary
values of ours, so that the planner is held to its promises for drivers that do not exist yet.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from core.transcripts import CLOCK, NOW, REPLICATION, World
from hypothesis import strategies as st

from replctl.core.model import (
    Acknowledgements,
    Bound,
    BoundKind,
    Flow,
    Intent,
    Link,
    Observation,
    Pair,
    Point,
    State,
    Trouble,
    TroubleKind,
    Verb,
)
from replctl.core.plans import Context, Course
from replctl.drivers.powerstore import words
from replctl.drivers.powerstore.sessions import Row, Surroundings, no_session, session_seen

BACKENDS = ("west", "east")
PERMITS = ("failover_planned", "failover_unplanned", "failover_force", "reprotect", "pause", "resume")
times = st.floats(min_value=NOW - 10**6, max_value=NOW, allow_nan=False)


def _rarely(strategy: st.SearchStrategy[Any], otherwise: Any) -> st.SearchStrategy[Any]:
    return st.integers(0, 9).flatmap(lambda chance: strategy if chance == 9 else st.just(otherwise))


troubles = st.sampled_from(TroubleKind).map(
    lambda kind: Trouble(kind=kind, code=kind.value, message=f"not read: {kind.value}")
)
stamps = st.one_of(
    st.none(), times.map(lambda at: datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"))
)
points = st.builds(
    Point,
    at=st.one_of(st.none(), times, st.sampled_from([0.0, -5.0, NOW + 3600.0, float("inf")])),
    source=st.just("somewhere"),
    read_at=st.just(NOW),
    contact_at=st.one_of(st.none(), times),
)


@st.composite
def vendor_ends(draw: st.DrawFn, backend: str) -> Observation:
    """What an array may say, read as the driver reads it."""
    other = BACKENDS[1 - BACKENDS.index(backend)]
    role = draw(_rarely(st.sampled_from([*words.ROLES, "Origin"]), None))
    values = {
        "id": "session-1",
        "role": role or draw(st.sampled_from([words.SOURCE, words.DESTINATION])),
        "state": draw(st.sampled_from([*words.STATES, "OK", "OK", "Failed_Over", "Failed_Over", "Sleeping"])),
        "type": draw(_rarely(st.sampled_from([None, *words.TYPES, "Other"]), words.ASYNCHRONOUS)),
        "data_transfer_state": draw(
            _rarely(st.sampled_from([None, *words.TRANSFERS, "Other"]), words.ASYNCHRONOUS)
        ),
        "data_connection_state": draw(_rarely(st.sampled_from([None, *words.CONNECTIONS]), "OK")),
        "failover_test_in_progress": draw(_rarely(st.just(True), False)),
        "last_sync_timestamp": draw(stamps),
        "last_sync_duration": draw(st.one_of(st.none(), st.integers(0, 10**7))),
        "local_resource_id": f"{backend}-volume",
        "remote_resource_id": draw(_rarely(st.sampled_from([None, "another"]), f"{other}-volume")),
    }
    clock = draw(_rarely(st.none(), CLOCK))
    return session_seen(Row(values, NOW, NOW), Surroundings(backend=backend, clock=clock))


@st.composite
def odd_ends(draw: st.DrawFn, backend: str) -> Observation:
    """What no array of today would say."""
    return Observation(
        backend=backend,
        observed_at=draw(_rarely(st.sampled_from([NOW - 3600.0, NOW + 3600.0]), NOW)),
        state=draw(st.sampled_from([None, *State, State.REPLICA, State.SOURCE])),
        flow=draw(st.sampled_from(Flow)),
        healthy=draw(st.booleans()),
        word=draw(st.sampled_from(["", "OK", "Failing_Over_For_DR"])),
        point=draw(st.one_of(st.none(), points)),
        link=draw(st.sampled_from(Link)),
        permits=frozenset(draw(st.lists(st.sampled_from(PERMITS)))),
        unsupported=draw(_rarely(st.just("for some reason"), None)),
        drill=draw(_rarely(st.just(True), False)),
        resource=draw(_rarely(st.sampled_from([None, "another"]), f"{backend}-volume")),
    )


@st.composite
def unread_ends(draw: st.DrawFn, backend: str) -> Observation:
    trouble = draw(troubles)
    return Observation(backend=backend, observed_at=NOW, trouble=trouble)


def ends(backend: str) -> st.SearchStrategy[Observation]:
    absent = st.just(no_session(backend, f"{backend}-volume", NOW))
    return st.one_of(
        vendor_ends(backend), vendor_ends(backend), odd_ends(backend), unread_ends(backend), absent
    )


contexts = st.builds(
    Context,
    now=st.just(NOW),
    survivor=st.sampled_from([None, None, *BACKENDS]),
    interrupted=st.sampled_from([None, None, *Course]),
    own_transient=st.sampled_from([False, False, True]),
    other_operation=_rarely(st.just("op-1"), None),
    held_by=_rarely(st.just("ops: hands off"), None),
    identities=_rarely(st.just({"west": "west-volume", "east": "another"}), {}),
    last_contact=_rarely(times.map(lambda at: {"east": at}), {}),
)


@st.composite
def any_world(draw: st.DrawFn) -> World:
    pair = Pair(draw(ends("west")), draw(ends("east")))
    return World(pair, draw(contexts))


bounds = st.one_of(
    st.just(Bound(BoundKind.UNKNOWN, None, "unknown")),
    st.just(Bound(BoundKind.DURATION, 10.0**7, "10000000s")),
    st.floats(min_value=0.0, max_value=10**6).map(lambda s: Bound(BoundKind.DURATION, s, f"{s:.0f}s")),
    times.map(lambda at: Bound(BoundKind.TIME, at, datetime.fromtimestamp(at, UTC).isoformat())),
)
everything_acknowledged = st.builds(
    Acknowledgements,
    peer_is_down=st.just(True),
    peer_is_fenced=st.just("cables out"),
    accept_data_loss=bounds,
    from_failed=st.just(True),
    from_replica=st.just(True),
    discard_local_changes=st.just(True),
    override_hold=st.just(True),
)
some_acknowledged = st.builds(
    Acknowledgements,
    peer_is_down=st.booleans(),
    peer_is_fenced=st.sampled_from([None, None, "cables out", "HOW", "", " "]),
    accept_data_loss=st.one_of(st.none(), bounds),
    from_failed=st.booleans(),
    from_replica=st.booleans(),
    discard_local_changes=st.booleans(),
    use_test_copy=st.sampled_from([False, False, True]),
    override_hold=st.booleans(),
)
acknowledgements = st.one_of(st.just(Acknowledgements()), everything_acknowledged, some_acknowledged)


_FROM_A_SNAPSHOT = (Verb.PROMOTE, Verb.FAILOVER, Verb.DRILL_START)


@st.composite
def intents(draw: st.DrawFn, acknowledged: st.SearchStrategy[Acknowledgements] = acknowledgements) -> Intent:
    """Anything that may be asked; `--to` and `--survivor` with their verbs, as the command line takes them."""
    verb = draw(st.sampled_from(Verb))
    names = [*BACKENDS, *BACKENDS, "north"]
    return Intent(
        verb=verb,
        replication=REPLICATION,
        acknowledged=draw(acknowledgements),
        to=draw(st.sampled_from(names)) if verb is Verb.FAILOVER else None,
        survivor=draw(st.sampled_from([None, *names])) if verb is Verb.REPROTECT else None,
        snapshot=draw(_rarely(st.just("snap-7"), None)) if verb in _FROM_A_SNAPSHOT else None,
        keep_test_data=draw(st.booleans()) if verb is Verb.DRILL_STOP else False,
    )
