"""The contract of all stores, over SQLite."""

from __future__ import annotations

from store.contract import StoreContract


class TestSqliteStore(StoreContract):
    pass
