"""Simulated arrays and clusters over real sockets: a second, independent reading of the vendors' contracts."""

from replctl.simulator.app import Options, Simulator
from replctl.simulator.assumptions import list_assumptions
from replctl.simulator.scene import DEFAULT_VENDORS, UnknownVendor

__all__ = ["DEFAULT_VENDORS", "Options", "Simulator", "UnknownVendor", "list_assumptions"]
