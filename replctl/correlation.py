"""The correlation id: one name for everything that one reconcile or one command did (design §7, R68, R69).

It travels in a context variable, so that whoever writes a log line, a journal entry or a request header finds it
without being told. New threads start without one: `carried` takes it along.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ParamSpec, TypeVar

if TYPE_CHECKING:
    from replctl.clock import Clock

P = ParamSpec("P")
R = TypeVar("R")

MILLISECONDS_PER_SECOND = 1000
REMEMBERED_NAMES = 20_000  # twice the replications that one process is built for

_current: contextvars.ContextVar[str] = contextvars.ContextVar("replctl_correlation_id", default="")


class _Stamps:
    """Milliseconds that no two ids of one name share, however fast they follow each other."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last: dict[str, int] = {}
        self._floor = 0

    def next(self, name: str, now_milliseconds: int) -> int:
        """Now, or the millisecond after the last one that this name was given."""
        with self._lock:
            stamp = max(now_milliseconds, self._last.get(name, self._floor) + 1)
            self._last[name] = stamp
            if len(self._last) > REMEMBERED_NAMES:
                self._floor = max(self._last.values())
                self._last.clear()
            return stamp


_stamps = _Stamps()


_subject: contextvars.ContextVar[tuple[str, str]] = contextvars.ContextVar(
    "replctl_subject", default=("", "")
)


def subject() -> tuple[str, str]:
    """Namespace and name of the replication that this thread is at work on; empty where it is none."""
    return _subject.get()


@contextmanager
def speaking_of(namespace: str, name: str) -> Iterator[None]:
    """Do what follows for one replication, before it has an id of its own."""
    about = _subject.set((namespace, name))
    try:
        yield
    finally:
        _subject.reset(about)


def current() -> str:
    """The id of what this thread is doing; empty outside of a `correlation`."""
    return _current.get()


@contextmanager
def correlation(namespace: str, name: str, clock: Clock) -> Iterator[str]:
    """Do what follows under one new id, `NAMESPACE-NAME-<unix ms>`; within another, that one is back after it."""
    prefix = f"{namespace}-{name}"
    stamp = _stamps.next(prefix, int(clock.now() * MILLISECONDS_PER_SECOND))
    token, about = _current.set(f"{prefix}-{stamp}"), _subject.set((namespace, name))
    try:
        yield _current.get()
    finally:
        _current.reset(token)
        _subject.reset(about)


def carried(function: Callable[P, R]) -> Callable[P, R]:
    """`function`, to be run in other threads, under the id that stands here and now."""
    context = contextvars.copy_context()

    def run(*arguments: P.args, **named: P.kwargs) -> R:
        # a copy for each run: one context cannot be entered by two threads at once
        return context.copy().run(function, *arguments, **named)

    return run


@contextmanager
def under(correlation_id: str, namespace: str = "", name: str = "") -> Iterator[str]:
    """Do what follows under an id that was given out before: what was proposed is carried out under its name."""
    token, about = _current.set(correlation_id), _subject.set((namespace, name))
    try:
        yield correlation_id
    finally:
        _current.reset(token)
        _subject.reset(about)
