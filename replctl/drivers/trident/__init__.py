"""NetApp Trident: mirror relationships as objects of a Kubernetes cluster (CT)."""

from replctl.drivers.trident.driver import TridentDriver

__all__ = ["TridentDriver"]
