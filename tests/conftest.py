"""What holds for every test: none leaves behind how it had the log written."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from replctl import logs


@pytest.fixture(autouse=True)
def log_as_before() -> Iterator[None]:
    """A command that runs in this process sets up its log; import-linter turns off every logger that there is."""
    loggers = [logging.getLogger(name) for name in (logs.LOGGER, *logs.TALKATIVE)]
    before = [(each.level, each.propagate, each.disabled, list(each.handlers)) for each in loggers]
    yield
    for each, (level, propagate, disabled, handlers) in zip(loggers, before, strict=True):
        each.setLevel(level)
        each.propagate, each.disabled = propagate, disabled
        each.handlers[:] = handlers
