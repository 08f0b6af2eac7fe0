"""A simulated Kubernetes API server: enough of one that a client, kubectl included, cannot tell (CT §12, §17)."""
