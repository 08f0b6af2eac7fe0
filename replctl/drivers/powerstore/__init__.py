"""Dell PowerStore, driven over its REST API."""

from replctl.drivers.powerstore.driver import PowerStoreDriver

__all__ = ["PowerStoreDriver"]
