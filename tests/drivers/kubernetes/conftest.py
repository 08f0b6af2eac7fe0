"""Small API servers over TLS, a simulated pair of clusters, and clients of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import Desk, kubeconfig
from estates import Estate, an_estate
from sites import Site
from wire import Handler, Server

from replctl.drivers.kubernetes.client import KubernetesClient


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    made.close()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    with an_estate(tmp_path / "estate") as made:
        yield made


@pytest.fixture
def served(site: Site, desk: Desk, tmp_path: Path) -> Callable[..., tuple[Server, KubernetesClient]]:
    """Serves what a handler says, and gives a client of it."""

    def serve(handler: Handler, user: Any = None, **cluster: Any) -> tuple[Server, KubernetesClient]:
        server = site.server(handler)
        place = {"server": server.url, "certificate-authority": str(site.ca_file), **cluster}
        return server, desk.of(kubeconfig(tmp_path, place, user))

    return serve
