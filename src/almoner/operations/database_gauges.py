"""How the database is, for Prometheus: what grows, what grows old, and what it keeps for others.

It is read when somebody asks. A role that serves need not be in ``pg_monitor``; without it, what
other roles do and how far standbys are is not told."""

from __future__ import annotations

from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric

from almoner.database import Connection

# What is written for ever, or until it is old enough to go; a log that is in parts is told as one.
_LOGS: Final = ("changes", "audit_reads", "deliveries", "worker_events", "integration_calls")
_NUMBERS: Final = """
SELECT
  pg_database_size(d.oid)::float8 AS size,
  age(d.datfrozenxid)::float8 AS transactions,
  mxid_age(d.datminmxid)::float8 AS multixacts,
  (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::float8 AS used,
  (current_setting('max_connections')::int
    - current_setting('superuser_reserved_connections')::int)::float8 AS room,
  coalesce((SELECT extract(epoch FROM clock_timestamp() - min(xact_start)) FROM pg_stat_activity
    WHERE datid = d.oid AND backend_xid IS NOT NULL AND pid <> pg_backend_pid()), 0)::float8
    AS oldest
FROM pg_database AS d WHERE d.datname = current_database()
"""
_SIZES: Final = """
SELECT l.name, (pg_total_relation_size(l.name::regclass) + coalesce((
  SELECT sum(pg_total_relation_size(i.inhrelid)) FROM pg_inherits AS i
  WHERE i.inhparent = l.name::regclass), 0))::float8 AS bytes
FROM unnest($1::text[]) AS l (name) WHERE to_regclass(l.name) IS NOT NULL
"""
# On a standby there is no position to write at; what it has replayed stands for it.
_BEHIND: Final = """
WITH here AS (SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
  ELSE pg_current_wal_lsn() END AS position)
SELECT 'slot' AS kind, s.slot_name::text AS name,
  coalesce(pg_wal_lsn_diff(here.position, s.restart_lsn), 0)::float8 AS bytes
FROM pg_replication_slots AS s CROSS JOIN here
UNION ALL
SELECT 'standby', coalesce(nullif(r.application_name, ''), r.pid::text),
  pg_wal_lsn_diff(here.position, r.replay_lsn)::float8
FROM pg_stat_replication AS r CROSS JOIN here
WHERE r.replay_lsn IS NOT NULL
"""
_GAUGES: Final = (
    ("almoner_database_size_bytes", "Bytes of the database on its disk.", "size"),
    (
        "almoner_database_transaction_age",
        "Transactions since the oldest that is not frozen; at two thousand million PostgreSQL takes"
        " no more.",
        "transactions",
    ),
    (
        "almoner_database_multixact_age",
        "The same of locks that several transactions held at once.",
        "multixacts",
    ),
    ("almoner_database_sessions", "Sessions of the database's server.", "used"),
    ("almoner_database_sessions_limit", "How many it takes.", "room"),
    (
        "almoner_database_oldest_transaction_seconds",
        "For how long the oldest transaction that writes has been open; what was committed after it"
        " is not announced yet.",
        "oldest",
    ),
)


async def gauges(connection: Connection) -> list[Metric]:
    """The gauges, as the database has them now."""
    numbers = await connection.fetchrow(_NUMBERS)
    assert numbers is not None
    families: list[Metric] = [
        GaugeMetricFamily(name, about, value=numbers[column]) for name, about, column in _GAUGES
    ]
    logs = GaugeMetricFamily(
        "almoner_log_bytes", "Bytes of a log, its indexes among them.", labels=("log",)
    )
    for row in await connection.fetch(_SIZES, list(_LOGS)):
        logs.add_metric((row["name"],), row["bytes"])
    behind = {
        "slot": GaugeMetricFamily(
            "almoner_database_slot_bytes",
            "Bytes of its log that the database keeps for a replication slot.",
            labels=("slot",),
        ),
        "standby": GaugeMetricFamily(
            "almoner_database_standby_bytes",
            "Bytes of its log that a standby has not replayed yet.",
            labels=("standby",),
        ),
    }
    for row in await connection.fetch(_BEHIND):
        behind[row["kind"]].add_metric((row["name"],), row["bytes"])
    return [*families, logs, *behind.values()]
