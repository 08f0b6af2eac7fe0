"""The backend's percentage lengthens a wait, the regular copies do not."""

from __future__ import annotations

from replctl.engine.patience import GRACE_SECONDS, MOST_COPIES, Patience


def test_each_move_of_what_is_waited_for_counts() -> None:
    patience = Patience(0.0)
    for now, percent in ((10.0, 40.0), (20.0, 90.0), (30.0, 5.0)):
        patience.note(percent, now, sure=True)
        assert patience.until == now + GRACE_SECONDS
    patience.note(5.0, 40.0, sure=True)
    assert patience.moved_at == 30.0


def test_copies_that_begin_again_are_not_waited_for() -> None:
    patience = Patience(0.0)
    for now, percent in ((10.0, 0.0), (20.0, 99.0)):
        patience.note(percent, now, sure=False)
        assert patience.moved_at == now
    for now in range(30, 3000, 10):
        patience.note(float(now % 100), float(now), sure=False)
    assert patience.moved_at == 20.0


def test_copies_that_follow_on_each_other_are_not_waited_for_for_ever() -> None:
    """Each takes as long as the interval between them: an array that is always at it never shows the end."""
    patience = Patience(0.0)
    for now in range(10, 30_000, 10):
        patience.note(float(now % 300) / 3, float(now), sure=True)
    assert patience.until < 300 * MOST_COPIES + 2 * GRACE_SECONDS
