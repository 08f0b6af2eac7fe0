"""`settle` over all pairs of states: `demoting` beside another source is a source."""

from itertools import product

import pytest

from replctl.core.model import Observation, Pair, State, Trouble, TroubleKind
from replctl.core.pairing import settle


def seen(backend: str, state: State | None) -> Observation:
    return Observation(backend=backend, observed_at=0.0, state=state)


@pytest.mark.parametrize(("mine", "theirs"), list(product([*State, None], repeat=2)))
def test_only_demoting_beside_a_source_changes(mine: State | None, theirs: State | None) -> None:
    settled = settle(Pair(seen("west", mine), seen("east", theirs)))
    source_like = (State.SOURCE, State.DEMOTING)
    both = mine in source_like and theirs in source_like
    assert settled.local.state is (State.SOURCE if both else mine)
    assert settled.peer.state is (State.SOURCE if both else theirs)


def test_an_unread_peer_proves_nothing() -> None:
    silent = Observation(
        backend="east",
        observed_at=0.0,
        trouble=Trouble(kind=TroubleKind.SILENT, code="timed-out", message="no answer"),
    )
    assert settle(Pair(seen("west", State.DEMOTING), silent)).local.state is State.DEMOTING
