"""Propose an intent, carry out what was proposed: the same for the command line and the daemon."""

from replctl.engine.engine import Engine
from replctl.engine.requests import Caller, Proposal, Request

__all__ = ["Caller", "Engine", "Proposal", "Request"]
