"""A certificate authority of our own, and the servers and clients that trust it."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sites import (
    Site,
    identified,
)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="session")
def localhost(authority: trustme.CA) -> ssl.SSLContext:
    return identified(authority.issue_cert("localhost", "127.0.0.1"))


@pytest.fixture
def site(localhost: ssl.SSLContext, ca_file: Path) -> Iterator[Site]:
    made = Site(localhost, ca_file)
    yield made
    made.close()
