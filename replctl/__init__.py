"""Storage replication management: one state machine over the vendors' own APIs."""

__version__ = "0.1.0"
