"""What an unplanned promotion would lose, stated before it happens (design §1 promise 3, §4).

The last consistent point is when the data was taken at the source; all that the source took after it is lost.
Unknown is said as unknown: a missing stamp never becomes a number.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime

from replctl.core.model import Bound, BoundKind, Link, Observation
from replctl.core.plans import DataLoss

PASTE_SLACK_SECONDS = 5.0  # a slow array answers the clock question seconds apart


def state_loss(seen: Observation, now: float, last_contact: float | None) -> DataLoss:
    """The statement for promoting the end that was seen.

    `at_least` counts from the last contact with the source, `at_most` up to now; both None when the point is
    not known. `last_contact` is when we last read the other end as source, if ever.
    """
    point = seen.point
    if point is None or point.at is None:
        source = point.source if point else "the backend gives no last consistent point"
        return DataLoss(
            point=None, at_least_seconds=None, at_most_seconds=None, source=source, read_at=seen.observed_at
        )
    contacts = [at for at in (point.contact_at, last_contact) if at is not None]
    if seen.link is Link.OK:
        contacts.append(seen.observed_at)
    contact = min(max(contacts, default=point.at), now)
    return DataLoss(
        point=point.at,
        at_least_seconds=max(0.0, contact - point.at),
        at_most_seconds=max(0.0, now - point.at),
        source=point.source,
        read_at=point.read_at,
        clock_offset_seconds=point.clock_offset_seconds,
    )


def accepts(bound: Bound, loss: DataLoss) -> bool:
    """Whether what a person accepted covers what is stated; `unknown` covers only the unknown."""
    if bound.kind is BoundKind.UNKNOWN or loss.point is None or bound.value is None:
        return bound.kind is BoundKind.UNKNOWN and loss.point is None
    if bound.kind is BoundKind.TIME:
        return loss.point >= bound.value
    return loss.at_most_seconds is not None and loss.at_most_seconds <= bound.value


def paste_form(loss: DataLoss) -> str:
    """The flag that accepts this statement, ready to type: the time form, rounded towards the past.

    The slack is for the next look, whose clock measurement differs by a round trip.
    """
    if loss.point is None:
        return "--accept-data-loss=unknown"
    moment = datetime.fromtimestamp(math.floor(loss.point - PASTE_SLACK_SECONDS), UTC)
    return f"--accept-data-loss={moment:%Y-%m-%dT%H:%M:%SZ}"
