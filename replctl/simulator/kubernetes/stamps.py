"""Times as Kubernetes and ONTAP write them."""

from datetime import UTC, datetime
from email.utils import formatdate


def stamp(at: float) -> str:
    """RFC 3339 with whole seconds, in UTC."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def http_date(at: float) -> str:
    """As the header Date has it."""
    return formatdate(at, usegmt=True)


def age(text: str, now: float) -> str:
    """How long ago a stamp is, as kubectl shows ages."""
    try:
        seconds = int(now - read(text))
    except ValueError:
        return "<invalid>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{max(0, seconds)}s"
    if minutes < 10:
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:
        return f"{minutes}m"
    if hours < 8:
        return f"{hours}h{minutes % 60}m" if minutes % 60 else f"{hours}h"
    return f"{hours}h" if hours < 48 else f"{days}d"


def read(text: str) -> float:
    """Seconds since the epoch of a stamp; raises ValueError."""
    return datetime.fromisoformat(text).timestamp()


def duration(seconds: float) -> str:
    """ISO 8601, as ONTAP writes a lag."""
    whole = max(0, int(seconds))
    days, hours, minutes = whole // 86400, whole // 3600 % 24, whole // 60 % 60
    day = f"{days}D" if days else ""
    parts = [(hours, "H"), (minutes, "M"), (whole % 60, "S")]
    time = "".join(f"{value}{unit}" for value, unit in parts if value)
    return f"P{day}T{time}" if time else f"P{day}" if day else "PT0S"
