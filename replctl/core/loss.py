"""What an unplanned promotion would lose, stated before it happens (design §1 promise 3, §4).

The last consistent point is when the data was taken at the source; all that the source took after it is lost.
Unknown is said as unknown: a missing stamp never becomes a number, and neither does one that cannot be true.
"""

from __future__ import annotations

import math

from replctl.core.durations import UNKNOWN, format_duration, format_time
from replctl.core.model import Bound, BoundKind, Link, Mode, Observation, Point
from replctl.core.plans import DataLoss

# Two looks at one point differ by what each knows of the array's clock: up to twice its margin, which is half a
# round trip and one unit of the stamp. Whole seconds and a round trip of a whole look (3 s) give this.
PASTE_SLACK_SECONDS = 5.0


def state_loss(seen: Observation, now: float, last_contact: float | None) -> DataLoss:
    """The statement for promoting the end that was seen.

    `at_least` counts from the last contact with the source, `at_most` up to now; both None when the point is
    not known. `last_contact` is when we last read the other end as source, if ever.
    """
    point = seen.point
    if point is None:
        return unknown_loss("the backend gives no last consistent point", seen.observed_at)
    if point.at is None:
        return unknown_loss(point.source, seen.observed_at)
    until = max(now, seen.observed_at, point.read_at)  # our clock may have been set back since
    doubt = _doubt(point.at, until) or _out_of_step(seen)
    if doubt:
        return unknown_loss(f"{point.source}: {doubt}", seen.observed_at)
    contact = _contact(seen, point, last_contact)
    return DataLoss(
        point=point.at,
        at_least_seconds=max(0.0, min(contact, until) - point.at),
        at_most_seconds=until - point.at,
        source=point.source,
        read_at=point.read_at,
        clock_offset_seconds=point.clock_offset_seconds,
    )


def unknown_loss(why: str, read_at: float) -> DataLoss:
    """The statement that nothing can be stated; `why` names what is missing."""
    return DataLoss(point=None, at_least_seconds=None, at_most_seconds=None, source=why, read_at=read_at)


def _doubt(at: float, until: float) -> str | None:
    """Why a point cannot be true. One in the future would make the loss look like none at all."""
    if not math.isfinite(at) or at <= 0:
        return "the stamp is no time of a copy"
    return "it lies in the future, so that a clock is wrong" if at > until else None


def _out_of_step(seen: Observation) -> str | None:
    """A mirror without its link takes no writes, whatever its state still says; the source may go on alone."""
    lost = seen.mode is Mode.SYNCHRONOUS and seen.link is Link.LOST
    return "the data link is lost, since when is not known" if lost else None


def _contact(seen: Observation, point: Point, last_contact: float | None) -> float:
    """The latest moment at which the source is known to have lived; the beginning of time if none is."""
    contacts = [at for at in (point.contact_at, last_contact) if at is not None]
    if seen.link is Link.OK:
        contacts.append(seen.observed_at)
    return max(contacts, default=0.0)


def accepts(bound: Bound, loss: DataLoss) -> bool:
    """Whether what a person accepted covers what is stated; `unknown` covers only the unknown."""
    if loss.point is None:
        return bound.kind is BoundKind.UNKNOWN or bound.or_unknown
    if bound.kind is BoundKind.UNKNOWN or bound.value is None:
        return False
    if bound.kind is BoundKind.TIME:
        return loss.point >= bound.value
    return loss.at_most_seconds is not None and loss.at_most_seconds <= bound.value


def paste_form(loss: DataLoss, *others: DataLoss) -> str:
    """The flag that accepts this statement, and the others' too, ready to type: the time form, rounded to the past.

    The slack is for the next look, which measures the clock anew.
    """
    points = [each.point for each in (loss, *others)]
    known = [point for point in points if point is not None]
    words = [format_time(min(known) - PASTE_SLACK_SECONDS)] if known else []
    return f"--accept-data-loss={','.join([*words, *([UNKNOWN] if None in points else [])])}"


def extent(loss: DataLoss) -> str:
    """The statement in words; the upper bound is rounded up, the lower one down."""
    if loss.at_least_seconds is None or loss.at_most_seconds is None:
        return f"unknown: {loss.source}"
    least, most = format_duration(loss.at_least_seconds), format_duration(loss.at_most_seconds, up=True)
    return f"at least {least}, at most {most} of writes ({loss.source})"
