"""Simulated ONTAP storage under both clusters: volumes, snapshots, SnapMirror, and a read-only REST (CT §14)."""
