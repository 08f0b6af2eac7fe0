"""Sets of writes as intervals, against sets of writes as writes."""

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replctl.simulator.lineage import Copy, common, first_write, join, lacking, unite, without, writes

TIMES = st.floats(0, 50, allow_nan=False).map(lambda x: round(x, 2))
STRETCH = st.tuples(TIMES, TIMES).map(lambda pair: (min(pair), max(pair)))
STRETCHES = st.lists(STRETCH, max_size=6).map(lambda parts: join((), tuple(parts)))


def spelled(stretches):
    """The writes themselves: every whole second in every stretch."""
    return {second for start, end in stretches for second in range(ceil(start), ceil(end))}


@given(STRETCHES, STRETCHES)
def test_arithmetic_of_stretches_is_arithmetic_of_writes(left, right):
    assert spelled(join(left, right)) == spelled(left) | spelled(right)
    assert spelled(without(left, right)) == spelled(left) - spelled(right)
    assert spelled(common(left, right)) == spelled(left) & spelled(right)
    assert writes(left) == len(spelled(left))
    assert first_write(left) == min(spelled(left), default=None)


def test_hosts_write_once_a_second():
    copy = Copy("east")
    copy.write(10.5, True)
    assert copy.content(20.0) == {"east": ((10.5, 20.0),)}
    assert writes(copy.written(20.0)) == 9
    copy.write(20.0, False)
    assert copy.content(99.0) == {"east": ((10.5, 20.0),)}


def test_what_is_overwritten_is_lost_and_stays_acknowledged():
    copy = Copy("east")
    copy.write(0.0, True)
    early = copy.content(5.0)
    copy.replace(9.0, early)
    assert writes(copy.written(12.0)) == 12
    assert lacking({"east": copy.written(12.0)}, copy.content(12.0)) == [(5.0, 9.0)]


def test_a_union_of_copies_holds_what_either_holds():
    both = unite([{"east": ((0.0, 5.0),)}, {"east": ((3.0, 8.0),), "west": ((1.0, 2.0),)}])
    assert both == {"east": ((0.0, 8.0),), "west": ((1.0, 2.0),)}


@pytest.mark.parametrize("going", [True, False])
def test_to_begin_what_is_begun_changes_nothing(going):
    copy = Copy("east")
    copy.write(1.0, going)
    before = copy.written(9.0)
    copy.write(5.0, going)
    assert copy.written(9.0) == before
