"""The ports of the Kubernetes half: two API servers and two ONTAP systems, and the files that lead to them."""

import ssl
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from replctl.simulator.assumptions import Assumptions
from replctl.simulator.clock import VirtualClock
from replctl.simulator.estate import Estate
from replctl.simulator.faults import Faults
from replctl.simulator.kubernetes.access import ADMIN, ADMINS
from replctl.simulator.kubernetes.api import Api
from replctl.simulator.kubernetes.kubeconfig import Identity, write_kubeconfig
from replctl.simulator.ontap.rest import OntapApi
from replctl.simulator.requestlog import RequestLog
from replctl.simulator.scene import USERNAME, password
from replctl.simulator.server import Handler, Reply, Request, Server

if TYPE_CHECKING:
    import trustme

Serving = Callable[[Request, RequestLog, Callable[[], bool], Callable[[float], bool]], Reply]


class Ports:
    """What of an estate can be reached over the network."""

    def __init__(
        self,
        estate: Estate,
        clock: VirtualClock,
        faults: Faults,
        log: RequestLog,
        assume: Assumptions,
        seed: int,
    ) -> None:
        self.estate = estate
        self._log = log
        self._seed = seed
        self.servers: dict[str, Server] = {}
        self._apis: dict[str, Serving] = {}
        for site in estate.sites.values():
            api = Api(site.cluster, clock, faults, assume, estate.agenda, estate.catch_up)
            self._apis[site.cluster.name] = api.serve
        for name in estate.sites:
            login = (USERNAME, password(seed, f"ontap-{name}"))
            ontap = OntapApi(name, estate.fabric, clock, faults, login, estate.catch_up)
            self._apis[ontap.name] = ontap.serve

    def open(self, authority: "trustme.CA") -> None:
        """Bind the ports; they serve once they are started."""
        for name, serve in self._apis.items():
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.num_tickets = 0
            authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
            if name.startswith("k8s-"):
                authority.configure_trust(tls)
                tls.verify_mode = ssl.CERT_OPTIONAL
            self.servers[name] = Server(name, self._handler(name, serve), tls)

    def urls(self, prefix: str) -> Mapping[str, str]:
        """Where the servers answer whose names begin so."""
        return {name: server.url for name, server in self.servers.items() if name.startswith(prefix)}

    def write(self, directory: Path, authority: "trustme.CA") -> None:
        """Write kubeconfigs and tokens."""
        leaf = authority.issue_cert(common_name=ADMIN, organization_name=ADMINS)
        admin = Identity(b"".join(pem.bytes() for pem in leaf.cert_chain_pems), leaf.private_key_pem.bytes())
        for site in self.estate.sites.values():
            name = site.cluster.name
            write_kubeconfig(directory, name, self.servers[name].url, site.cluster.access.token, admin)

    def _handler(self, name: str, serve: Serving) -> Handler:
        def handle(request: Request) -> Reply:
            server = self.servers[name]
            return serve(request, self._log, lambda: server.mode == "serve", server.wait_real)

        return handle
