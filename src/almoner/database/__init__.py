"""PostgreSQL as requests use it: connections, transactions, and what goes wrong with a database, as the API answers it."""

from almoner.database.pool import Connection, Database, HeldTransaction, guard_wait, unavailable

__all__ = ["Connection", "Database", "HeldTransaction", "guard_wait", "unavailable"]
