"""Seeded chance and identifiers: the same keys give the same answer, in whatever order a world is looked at.

A random generator with a state would make the world depend on the order in which its sessions are read; these
functions depend on their arguments alone.
"""

import hashlib

_MASK = 0xFFFFFFFFFFFFFFFF
_UNIT = 2.0**-53


def chance(seed: int, *keys: int) -> float:
    """A number in [0, 1) that the seed and the keys decide."""
    # The hash of a tuple of integers is the same in every process; one more round spreads it evenly.
    value = hash((seed, *keys)) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    return ((value ^ (value >> 27)) >> 11) * _UNIT


def between(low: float, high: float, seed: int, *keys: int) -> float:
    """A number in [low, high)."""
    return low + (high - low) * chance(seed, *keys)


def digest(seed: int, *words: object) -> str:
    """32 hexadecimal digits that the seed and the words decide."""
    text = "/".join(map(str, (seed, *words)))
    return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


def identifier(seed: int, *words: object) -> str:
    """An id in the shape of a UUID, as most objects of an array have."""
    d = digest(seed, *words)
    return f"{d[:8]}-{d[8:12]}-4{d[13:16]}-a{d[17:20]}-{d[20:]}"
