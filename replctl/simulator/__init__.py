"""Two simulated, linked PowerStore arrays over real sockets: a second, independent reading of the contract."""

from replctl.simulator.app import Options, Simulator
from replctl.simulator.assumptions import list_assumptions

__all__ = ["Options", "Simulator", "list_assumptions"]
