"""Kubernetes' times as epoch seconds on the cluster's own clock. Pure."""

from __future__ import annotations

from datetime import datetime

from replctl.core.durations import believable


def moment(said: object) -> float | None:
    """An RFC 3339 stamp; None for what is none, and for one without a zone, which could mean any time."""
    if not isinstance(said, str):
        return None
    try:
        read = datetime.fromisoformat(said)
    except ValueError:
        return None
    return believable(read.timestamp()) if read.tzinfo is not None else None
