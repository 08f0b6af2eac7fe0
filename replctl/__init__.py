"""Storage replication management: one state machine over the vendors' own APIs."""
