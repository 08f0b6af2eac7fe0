"""The simulator as a whole: options in; arrays, clusters and a control port on loopback out (design §11)."""

import gc
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from replctl.simulator.assumptions import Assumptions
from replctl.simulator.clock import VirtualClock
from replctl.simulator.conditions import ARRAYS, Conditions, UnknownDuration, read_durations, read_version
from replctl.simulator.control import Control, serve_control
from replctl.simulator.estate import Estate
from replctl.simulator.faults import Faults
from replctl.simulator.logins import Logins
from replctl.simulator.ports import Ports
from replctl.simulator.requestlog import RequestLog
from replctl.simulator.rest import Api
from replctl.simulator.scene import (
    DEFAULT_VENDORS,
    POWERSTORE,
    TRIDENT,
    USERNAME,
    Addresses,
    list_entries,
    password,
    read_vendors,
    write_files,
)
from replctl.simulator.server import Handler, Reply, Request, Server
from replctl.simulator.trident.site import DURATIONS
from replctl.simulator.world import World

if TYPE_CHECKING:
    import trustme

# Replications from which on the garbage collector is kept away from the world.
LARGE_WORLD = 1000


@dataclass(frozen=True, slots=True)
class Options:
    """What a world shall be like.

    `speed`: virtual seconds in a real one, 0 for a time that only the control moves. `start_at`: seconds since the
    epoch, the present if None. `vendors`: whose replications there are, spread evenly; clusters and ONTAP systems are
    there only with Trident's. Raises, when the simulator is made, UnknownAssumption, UnknownDuration, UnknownVendor.
    """

    directory: Path
    replications: int = 4
    seed: int = 1
    speed: float = 1.0
    assumptions: Mapping[str, str] = field(default_factory=dict)
    durations: Mapping[str, float] = field(default_factory=dict)
    version: str = "4.1.0.0"
    start_at: float | None = None
    vendors: tuple[str, ...] = DEFAULT_VENDORS


class Simulator:
    """Arrays and clusters with everything around them; a context manager."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._clock = VirtualClock(options.start_at, options.speed)
        self._vendors = read_vendors(options.vendors)
        self._entries = list_entries(options.seed, options.replications, self._vendors)
        conditions = Conditions(
            options.seed,
            read_version(options.version),
            self._clock.now(),
            Assumptions(options.assumptions),
            read_durations(_of_arrays(options.durations)),
        )
        self._world = World(conditions, [entry for entry in self._entries if entry.vendor == POWERSTORE])
        self._log = RequestLog()
        self._faults = Faults()
        self._ports = self._make_ports(conditions.assume) if TRIDENT in self._vendors else None
        self._logins = {array: self._make_logins(array) for array in ARRAYS}
        self._servers: dict[str, Server] = {}
        self._control_server: Server | None = None
        self._control: Control | None = None
        self._ready: dict[str, Any] = {}

    @property
    def control(self) -> Control:
        """Time, faults, links, request log and truth of this world, once it is started."""
        if self._control is None:
            raise RuntimeError("the simulator is not started")
        return self._control

    @property
    def ready(self) -> dict[str, Any]:
        """Where everything is, in the form that `replctl simulate` prints."""
        return self._ready

    def start(self) -> Self:
        """Open the ports and write the files; whatever was opened is closed again if that fails."""
        try:
            self._open()
        except BaseException:
            self.stop()
            raise
        return self

    def _open(self) -> None:
        authority, tls = _make_certificates()
        for array in ARRAYS:
            api = Api(array, self._world, self._clock, self._logins[array], self._faults)
            self._servers[array] = Server(array, self._handler(api), tls)
        if self._ports is not None:
            self._ports.open(authority)
            self._servers |= self._ports.servers
        self._control = control = self._make_control()
        self._control_server = Server("control", lambda request: serve_control(control, request))
        config = self._write(authority)
        for server in self._all_servers():
            server.start()
        if len(self._entries) > LARGE_WORLD:
            gc.collect()
            gc.freeze()  # or every full collection would walk the whole world
        self._ready = {
            "ready": True,
            "config": str(config.resolve()),
            "control": self._control_server.url,
            "arrays": {array: self._servers[array].url for array in ARRAYS},
        }
        if self._ports is not None:
            self._ready |= {"clusters": self._ports.urls("k8s-"), "ontap": self._ports.urls("ontap-")}

    def _write(self, authority: "trustme.CA") -> Path:
        """Write all files; returns the path of config.yaml."""
        directory, ports = self.options.directory, self._ports
        if ports is not None:
            ports.write(directory, authority)
        arrays = {array: self._servers[array].url for array in ARRAYS if POWERSTORE in self._vendors}
        addresses = Addresses(
            arrays, ports.urls("k8s-") if ports else {}, ports.urls("ontap-") if ports else {}
        )
        return write_files(directory, self.options.seed, self._entries, addresses, authority.cert_pem.bytes())

    def _make_ports(self, assume: Assumptions) -> Ports:
        entries = [entry for entry in self._entries if entry.vendor == TRIDENT]
        durations = {**DURATIONS, **_of_clusters(self.options.durations)}
        estate = Estate(self.options.seed, self._clock, assume, durations, entries)
        return Ports(estate, self._clock, self._faults, self._log, assume, self.options.seed)

    def _make_control(self) -> Control:
        estate = self._ports.estate if self._ports is not None else None
        directory = self.options.directory
        return Control(
            self._world,
            self._clock,
            self._faults,
            self._log,
            self._servers,
            self._logins,
            estate,
            directory,
        )

    def stop(self) -> None:
        """Close the ports and end all threads."""
        self._clock.stop()
        for server in self._all_servers():
            server.stop()
        if len(self._entries) > LARGE_WORLD:
            gc.unfreeze()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _all_servers(self) -> list[Server]:
        return [*self._servers.values(), *([self._control_server] if self._control_server else [])]

    def _make_logins(self, array: str) -> Logins:
        seed = self.options.seed
        return Logins(seed, array, USERNAME, password(seed, array), self._world.conditions.assume)

    def _handler(self, api: Api) -> Handler:
        log, array = self._log, api.array

        def handle(request: Request) -> Reply:
            server = self._servers[array]
            return api.serve(request, log, lambda: server.mode == "serve", server.wait_real)

        return handle


def _of_clusters(durations: Mapping[str, float]) -> dict[str, float]:
    """Those that are Trident's; raises UnknownDuration for negative ones."""
    found = {name: seconds for name, seconds in durations.items() if name in DURATIONS}
    for name, seconds in found.items():
        if seconds < 0:
            raise UnknownDuration(f"the duration {name} cannot be negative")
    return found


def _of_arrays(durations: Mapping[str, float]) -> dict[str, float]:
    return {name: seconds for name, seconds in durations.items() if name not in DURATIONS}


def _make_certificates() -> tuple["trustme.CA", ssl.SSLContext]:
    """A certificate authority of our own, and a server context with a certificate that it signed."""
    import trustme  # here, because only a running simulator needs it

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.num_tickets = 0
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return authority, context
