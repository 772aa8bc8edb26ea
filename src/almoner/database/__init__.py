"""PostgreSQL as requests use it: connections, transactions, and what goes wrong with a database, as the API answers it."""

from almoner.database.held_transaction import HeldTransaction
from almoner.database.pool import Database, guard_wait, unavailable
from almoner.database.sql_connection import Connection

__all__ = ["Connection", "Database", "HeldTransaction", "guard_wait", "unavailable"]
