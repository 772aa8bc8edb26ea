"""PostgreSQL as requests use it: connections, transactions, and what goes wrong with a database, as
the API answers it.
"""

from almoner.database.outages import unavailable
from almoner.database.pool import Database, guard_wait
from almoner.database.read_together import read_together
from almoner.database.sole_connection import SoleConnection
from almoner.database.sql_connection import Connection

__all__ = [
    "Connection",
    "Database",
    "SoleConnection",
    "guard_wait",
    "read_together",
    "unavailable",
]
